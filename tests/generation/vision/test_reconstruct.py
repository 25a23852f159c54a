"""Reconstructions by a tiny untrained encoder: what they come close to, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generation.vision import reconstruct as module
from generation.vision.encoder import untrained_encoder
from generation.vision.errors import BadImage, BadParams, UnknownLayer
from generation.vision.objective import Losses
from generation.vision.reconstruct import layers_up_to, reconstruct
from generation.vision.specs import VGG16_HED, EncoderSpec
from generation.vision.statistics.gram import gram
from generation.vision.tensors import array_to_tensor, center_square, to_image, to_tensor

SIZE = 32


def scene() -> Image.Image:
    """Smooth shapes with some grain, wider than high."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:40, 0:56] / 40.0
    array = np.stack([rows, (columns > 0.6) * 0.7 + 0.1, 1 - rows * columns], axis=2)
    return to_image(array + 0.03 * rng.normal(size=array.shape))


def noise(seed: int = 0) -> Image.Image:
    return to_image(np.random.default_rng(seed).random((SIZE, SIZE, 3)))


def activations(image: Image.Image, layer: str) -> torch.Tensor:
    with torch.no_grad():
        return untrained_encoder()(to_tensor(image), [layer])[layer]


@pytest.mark.parametrize("layer", ["conv1_1", "conv2_2", "conv3_1"])
def test_content_comes_close_to_the_layers_activations(layer: str) -> None:
    found = reconstruct(
        untrained_encoder(), scene(), of="content", layer=layer, size=SIZE, evaluations=120
    )
    target = activations(center_square(scene(), SIZE), layer)
    away = float((activations(found, layer) - target).square().sum())
    before = float((activations(noise(), layer) - target).square().sum())
    assert away < before / 10
    assert (found.mode, found.size) == ("RGB", (SIZE, SIZE))


def test_shallow_content_is_the_picture_again() -> None:
    found = reconstruct(
        untrained_encoder(), scene(), of="content", layer="conv1_1", size=SIZE, evaluations=200
    )
    picture = np.asarray(center_square(scene(), SIZE), dtype=float).ravel()
    assert np.corrcoef(np.asarray(found, dtype=float).ravel(), picture)[0, 1] > 0.9
    assert abs(np.corrcoef(np.asarray(noise(), dtype=float).ravel(), picture)[0, 1]) < 0.1


def test_style_comes_close_to_the_gram_matrices_and_not_to_the_picture() -> None:
    found = reconstruct(
        untrained_encoder(), scene(), of="style", layer="conv3_1", size=SIZE, evaluations=120
    )
    square = center_square(scene(), SIZE)
    for layer in ("conv1_1", "conv2_1", "conv3_1"):
        target, now, before = (
            gram(activations(image, layer))[0] for image in (square, found, noise())
        )
        assert (now - target).square().sum() < (before - target).square().sum() / 10


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("conv1_1", ["conv1_1"]),
        ("conv1_2", ["conv1_1", "conv1_2"]),
        ("conv3_1", ["conv1_1", "conv2_1", "conv3_1"]),
        ("conv3_2", ["conv1_1", "conv2_1", "conv3_1", "conv3_2"]),
    ],
)
def test_style_uses_the_first_layer_of_each_block_up_to_the_layer(
    layer: str, expected: list[str]
) -> None:
    seen: list[Losses] = []
    reconstruct(
        untrained_encoder(),
        scene(),
        of="style",
        layer=layer,
        size=SIZE,
        evaluations=2,
        on_step=lambda step: seen.append(step.losses),
    )
    assert [list(losses.layers) for losses in seen] == [expected, expected]
    assert seen[0].style == pytest.approx(sum(seen[0].layers.values()) / len(expected))
    assert seen[0].content == 0


def test_content_asks_for_its_layer_alone() -> None:
    encoder = untrained_encoder()
    asked: list[list[str]] = []
    real = encoder.forward
    encoder.forward = lambda x, layers: (asked.append(list(layers)), real(x, layers))[1]  # type: ignore[method-assign]
    reconstruct(encoder, scene(), of="content", layer="conv4_2", size=SIZE, evaluations=2)
    assert asked == [["conv4_2"]] * 3


def test_all_evaluations_are_used_and_reported() -> None:
    steps: list[tuple[int, int, int]] = []
    reconstruct(
        untrained_encoder(),
        scene(),
        of="content",
        layer="conv1_1",
        size=SIZE,
        evaluations=5,
        on_step=lambda step: steps.append((step.number, step.total, step.size)),
    )
    assert steps == [(n, 5, SIZE) for n in range(1, 6)]


@pytest.mark.parametrize("of", ["content", "style"])
def test_the_same_seed_gives_the_same_bytes(of: str) -> None:
    def one(seed: int) -> bytes:
        return reconstruct(
            untrained_encoder(),
            scene(),
            of=of,
            layer="conv2_1",
            size=SIZE,
            evaluations=8,
            seed=seed,
        ).tobytes()

    assert one(3) == one(3)
    assert one(3) != one(4)


def test_the_start_is_noise_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[torch.Tensor] = []
    real = module.minimize

    def kept(objective: Any, start: torch.Tensor, **options: Any) -> Any:
        starts.append(start.clone())
        return real(objective, start, **options)

    monkeypatch.setattr(module, "minimize", kept)
    for of in ("content", "style"):
        reconstruct(
            untrained_encoder(), scene(), of=of, layer="conv2_1", size=SIZE, evaluations=1, seed=7
        )
    expected = array_to_tensor(np.random.default_rng(7).random((SIZE, SIZE, 3)))
    assert [bool((start == expected).all()) for start in starts] == [True, True]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"of": "colour"}, BadParams, "content, style, got 'colour'"),
        ({"layer": "conv9_1"}, UnknownLayer, r"no layer 'conv9_1'.*It has conv1_1"),
        ({"layer": "fc6"}, UnknownLayer, r"no layer 'fc6'.*stands in for fc6"),
        ({"size": 31}, BadParams, "size in pixels .* from 32 to 4096, got 31"),
        ({"size": 4097}, BadParams, "got 4097"),
        ({"size": 64.0}, BadParams, r"got 64\.0"),
        ({"evaluations": 0}, BadParams, "evaluations .* at least 1, got 0"),
        ({"evaluations": -1}, BadParams, "got -1"),
        ({"seed": -1}, BadParams, "seed .* at least 0, got -1"),
        ({"image": Image.new("L", (40, 40))}, BadImage, "RGB image, got mode 'L'"),
    ],
)
@pytest.mark.parametrize("of", ["content", "style"])
def test_bad_arguments_are_refused(
    of: str, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    values = {"image": scene(), "of": of, "layer": "conv2_1", "size": SIZE, "evaluations": 1}
    values.update(changes)
    with pytest.raises(error, match=message):
        reconstruct(untrained_encoder(), values.pop("image"), **values)


def test_fc6_is_refused_where_there_is_one() -> None:
    spec = EncoderSpec("tiny-fc6", (1,) * 5, widths=(2,) * 5, has_fc6=True)
    with pytest.raises(BadParams, match=r"convolution among conv1_1.*, got 'fc6'"):
        reconstruct(untrained_encoder(spec), scene(), of="content", layer="fc6", size=224)


def test_layers_of_a_real_encoder() -> None:
    class OfSpec:
        spec = VGG16_HED

    assert layers_up_to(OfSpec(), "conv5_3") == (  # type: ignore[arg-type]
        *("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1", "conv5_3"),
    )
