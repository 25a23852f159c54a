"""Grams, losses and vectors against hand-computed cases and independent numpy code."""

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from generation.vision.devices import computing
from generation.vision.encoder import Encoder, untrained_encoder
from generation.vision.errors import BadImage, BadParams, BadStyle
from generation.vision.specs import VGG16_HED, VGG19
from generation.vision.statistics.gram import gram
from generation.vision.style import (
    Embedding,
    StyleRepresentation,
    blend,
    embed,
    gatys_content_loss,
    gatys_style_loss,
    layer_style_vector,
    neural_style_vector,
    relative_loss,
    represent,
)
from generation.vision.tensors import center_square, to_tensor

# Two channels, 1 × 3 positions.
BY_HAND = torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 1.0, 3.0]]]], dtype=torch.float64)


def photographs(count: int, size: int = 40) -> list[Image.Image]:
    rng = np.random.default_rng(8)
    return [
        Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)) for _ in range(count)
    ]


def numpy_gram(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(C, H, W) → (C, C), one pair of channels at a time."""
    channels, height, width = features.shape
    out = np.empty((channels, channels))
    for i in range(channels):
        for j in range(channels):
            out[i, j] = (features[i] * features[j]).sum() / (height * width)
    return out


def test_gram_by_hand() -> None:
    # 1·1 + 2·2 = 5, 2·1 = 2, 1·1 + 3·3 = 10; over 3 positions.
    expected = torch.tensor([[[5.0, 2.0], [2.0, 10.0]]], dtype=torch.float64) / 3
    torch.testing.assert_close(gram(BY_HAND), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_equals_numpy_in_both_memory_layouts(layout: torch.memory_format) -> None:
    features = torch.rand(3, 7, 5, 6, dtype=torch.float64)
    got = gram(features.contiguous(memory_format=layout))
    for one, values in zip(got, features, strict=True):
        np.testing.assert_allclose(one.numpy(), numpy_gram(values.numpy()), rtol=1e-12)


def test_gram_refuses_other_shapes() -> None:
    with pytest.raises(BadImage, match=r"\(N, C, H, W\), got \(3, 4\)"):
        gram(torch.zeros(3, 4))


def test_published_losses_by_hand() -> None:
    # Gatys 2016, eq. 1: ½ (1 + 4 + 0 + 0 + 1 + 9) against zeros.
    assert gatys_content_loss(BY_HAND, torch.zeros_like(BY_HAND)).item() == pytest.approx(7.5)
    # Eq. 3 and 4 with the raw Gram: Σ (G − 0)² / (4 C² M²) = (25 + 4 + 4 + 100) / (4 · 4 · 9).
    got = gatys_style_loss(gram(BY_HAND)[0], torch.zeros(2, 2, dtype=torch.float64))
    assert got.item() == pytest.approx(133 / 144)


def test_relative_loss_by_hand() -> None:
    target = torch.tensor([3.0, 4.0])
    assert relative_loss(torch.zeros(2), target).item() == pytest.approx(1.0)
    assert relative_loss(target, target).item() == 0.0
    # ‖(0, 1)‖² / 25.
    assert relative_loss(torch.tensor([3.0, 5.0]), target).item() == pytest.approx(0.04)


def test_relative_loss_of_a_silent_target_is_finite() -> None:
    assert relative_loss(torch.zeros(4), torch.zeros(4)).item() == 0.0


# --- Neural Style Vector ------------------------------------------------------------------------


def test_layer_vector_by_hand() -> None:
    # Lower half row by row: G00, G10, G11 ∝ 5, 2, 10; square roots; norm √17.
    expected = np.sqrt([5.0, 2.0, 10.0]) / np.sqrt(17.0)
    np.testing.assert_allclose(layer_style_vector(BY_HAND), expected, rtol=1e-6)


def test_square_root_keeps_the_sign() -> None:
    # Post-ReLU Grams have no negative entries, other features may: G10 = −1.
    features = torch.tensor([[[[1.0]], [[-1.0]]]])
    np.testing.assert_allclose(
        layer_style_vector(features), np.array([1.0, -1.0, 1.0]) / np.sqrt(3.0), rtol=1e-6
    )


def independent_nsv(features: dict[str, Tensor]) -> npt.NDArray[np.float64]:
    """Matsuo and Yanai's vector written out once more, in loops."""
    parts = []
    for values in features.values():
        matrix = numpy_gram(values[0].double().numpy())
        lower = [matrix[row, column] for row in range(len(matrix)) for column in range(row + 1)]
        rooted = np.array([np.sign(v) * abs(v) ** 0.5 for v in lower])
        parts.append(rooted / np.sqrt((rooted**2).sum()))
    joined = np.concatenate(parts)
    return np.asarray(joined / np.sqrt((joined**2).sum()))


def test_vector_equals_independent_code_and_has_unit_length() -> None:
    features = untrained_encoder()(torch.rand(1, 3, 48, 48), ["conv1_2", "conv3_2", "conv5_2"])
    got = neural_style_vector(features)
    np.testing.assert_allclose(got, independent_nsv(features), rtol=1e-5, atol=1e-7)
    assert np.linalg.norm(got) == pytest.approx(1.0)


def test_sizes_of_the_first_study() -> None:
    # C (C + 1) / 2 for 64, 128, 256, 512, 512 channels.
    sizes = [2_080, 8_256, 32_896, 131_328, 131_328]
    for spec in (VGG19, VGG16_HED):
        features = {
            layer: torch.ones(1, spec.channels(layer)[1], 1, 1) for layer in spec.nsv_layers
        }
        assert [layer_style_vector(f).size for f in features.values()] == sizes
        assert neural_style_vector(features).size == sum(sizes) == 305_888


def test_silent_layer_gives_zeros_not_nan() -> None:
    got = neural_style_vector({"a": torch.zeros(1, 2, 3, 3), "b": BY_HAND})
    assert got[:3].tolist() == [0, 0, 0]
    assert np.linalg.norm(got) == pytest.approx(1.0)


def test_vector_refuses_nothing_and_batches() -> None:
    with pytest.raises(BadParams, match="at least one layer"):
        neural_style_vector({})
    with pytest.raises(BadImage, match=r"\(1, C, H, W\)"):
        layer_style_vector(torch.zeros(2, 3, 4, 4))


# --- embedding ----------------------------------------------------------------------------------


def test_embedding_is_taken_at_224_and_survives_a_file() -> None:
    encoder = untrained_encoder()
    image = photographs(1, size=300)[0]
    embedding = embed(encoder, image)
    x = to_tensor(center_square(image, 224))
    features = encoder(x, encoder.spec.nsv_layers)
    expected = neural_style_vector(features)
    # Half precision: 11 bits, and below 6e-5 absolute steps of 6e-8.
    np.testing.assert_allclose(embedding.style_vector, expected, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(
        embedding.descriptor, features["conv5_2"][0].mean(dim=(1, 2)).numpy(), rtol=1e-5
    )
    assert all(vector.dtype == np.float16 for vector in embedding.nsv.values())

    buffer = io.BytesIO()
    np.savez(buffer, **embedding.to_arrays())  # type: ignore[arg-type]
    buffer.seek(0)
    with np.load(buffer) as arrays:
        again = Embedding.from_arrays(arrays)
    assert again.descriptor_name == "conv5_2 mean (stands in for fc6)"
    assert list(again.nsv) == list(embedding.nsv)
    np.testing.assert_array_equal(again.style_vector, embedding.style_vector)


def test_embedding_needs_the_trained_pooling() -> None:
    with pytest.raises(BadParams, match="pooling='max'"):
        embed(untrained_encoder(pooling="average"), photographs(1)[0])


def test_features_of_another_format_are_refused() -> None:
    arrays = embed(untrained_encoder(), photographs(1)[0]).to_arrays()
    with pytest.raises(BadStyle, match="expected format 2, got 9"):
        Embedding.from_arrays({**arrays, "format": np.array(9)})
    with pytest.raises(BadStyle, match="expected the precision float32, got 'bf16'"):
        Embedding.from_arrays({**arrays, "precision": np.array("bf16")})
    del arrays["descriptor"]
    with pytest.raises(BadStyle, match="'descriptor' is missing"):
        Embedding.from_arrays(arrays)


# --- representation -----------------------------------------------------------------------------


@pytest.fixture
def encoder() -> Encoder:
    return untrained_encoder(dtype=torch.float64)


def single_grams(encoder: Encoder, images: list[Image.Image], layer: str) -> list[Tensor]:
    return [
        gram(encoder(to_tensor(center_square(i, 32)).double(), [layer])[layer])[0] for i in images
    ]


def test_representation_is_the_weighted_mean_gram(encoder: Encoder) -> None:
    images = photographs(3)
    style = represent(encoder, images, weights=[1, 2, 5], size=32)
    assert style.layers == encoder.spec.style_layers
    assert (style.members, style.size, style.weights) == (3, 32, (0.125, 0.25, 0.625))
    one, two, three = (g.numpy() for g in single_grams(encoder, images, "conv3_1"))
    expected = (one + 2 * two + 5 * three) / 8
    np.testing.assert_allclose(style.targets["conv3_1"], expected, rtol=1e-6)
    spread = sum(
        w * ((g - expected) ** 2).sum()
        for w, g in zip(style.weights, (one, two, three), strict=True)
    )
    assert style.dispersion["conv3_1"] == pytest.approx(spread / (expected**2).sum(), rel=1e-4)


def test_mean_gram_has_the_gradient_of_the_sum_of_losses(encoder: Encoder) -> None:
    images, layer = photographs(3), "conv2_1"
    singles, shares = single_grams(encoder, images, layer), (0.5, 0.3, 0.2)
    mean = sum((w * g for w, g in zip(shares, singles, strict=True)), torch.zeros_like(singles[0]))

    def gradient(loss_of: object) -> Tensor:
        x = torch.full((1, 3, 32, 32), 0.4, dtype=torch.float64)
        x += torch.linspace(0, 0.2, 32, dtype=torch.float64)
        x.requires_grad_()
        matrix = gram(encoder(x, [layer])[layer])[0]
        loss_of(matrix).backward()  # type: ignore[operator]
        assert x.grad is not None
        return x.grad

    each = gradient(
        lambda m: sum(w * (m - g).square().sum() for w, g in zip(shares, singles, strict=True))
    )
    torch.testing.assert_close(gradient(lambda m: (m - mean).square().sum()), each)


def test_blend_by_size_is_the_mean_over_all_photographs(encoder: Encoder) -> None:
    images = photographs(5)
    parts = [represent(encoder, group, size=32) for group in (images[:3], images[3:])]
    blended, whole = blend(parts), represent(encoder, images, size=32)
    assert blended.members == 5
    assert blended.weights == pytest.approx((0.6, 0.4))
    for layer in whole.layers:
        np.testing.assert_allclose(blended.targets[layer], whole.targets[layer], rtol=1e-5)
        assert blended.dispersion[layer] == pytest.approx(whole.dispersion[layer], rel=1e-3)


def test_blend_with_weights_and_one_alone(encoder: Encoder) -> None:
    parts = [represent(encoder, [image], size=32) for image in photographs(2)]
    np.testing.assert_array_equal(
        blend(parts, [0, 1]).targets["conv4_1"], parts[1].targets["conv4_1"]
    )
    assert parts[0].dispersion == dict.fromkeys(parts[0].layers, pytest.approx(0.0, abs=1e-6))


def test_representation_survives_a_file(encoder: Encoder) -> None:
    style = represent(encoder, photographs(2), layers=["conv2_1", "conv1_1"], size=32)
    buffer = io.BytesIO()
    np.savez(buffer, **style.to_arrays())  # type: ignore[arg-type]
    buffer.seek(0)
    with np.load(buffer) as arrays:
        again = StyleRepresentation.from_arrays(arrays)
    assert again.layers == ("conv1_1", "conv2_1")
    assert again.to_arrays().keys() == style.to_arrays().keys()
    for key, value in style.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[key], value)


def test_bad_styles_are_refused(encoder: Encoder) -> None:
    images = photographs(2)
    with pytest.raises(BadStyle, match="at least one photograph"):
        represent(encoder, [])
    with pytest.raises(BadStyle, match="convolutional layers"):
        represent(encoder, images, layers=[])
    with pytest.raises(BadParams, match="one weight for each of 2 photographs, got 1"):
        represent(encoder, images, weights=[1.0])
    for weights in ([0, 0], [1, -1], [1, float("nan")]):
        with pytest.raises(BadParams, match="at least 0 and not all 0"):
            represent(encoder, images, weights=weights)
    small, large = (represent(encoder, images, size=s) for s in (32, 40))
    with pytest.raises(BadStyle, match="same size, got 32 and 40"):
        blend([small, large])
    with pytest.raises(BadStyle, match="1 to 3 styles to blend, got 4"):
        blend([small] * 4)
    arrays = small.to_arrays()
    with pytest.raises(BadStyle, match="expected format 3, got 2"):
        StyleRepresentation.from_arrays({**arrays, "format": np.array(2)})
    with pytest.raises(BadStyle, match="expected the precision float32, got 'tf32'"):
        StyleRepresentation.from_arrays({**arrays, "precision": np.array("tf32")})
    del arrays["encoder"]
    with pytest.raises(BadStyle, match="'encoder' is missing"):
        StyleRepresentation.from_arrays(arrays)


def test_what_is_stored_is_in_float32_also_within_a_picture_made_in_less() -> None:
    encoder, images = untrained_encoder(), photographs(2)
    plain, seen = represent(encoder, images, size=32), embed(encoder, images[0])
    with computing(encoder.device, "bf16"):
        again, seen_again = represent(encoder, images, size=32), embed(encoder, images[0])
    for layer, target in plain.targets.items():
        np.testing.assert_array_equal(again.targets[layer], target)
    np.testing.assert_array_equal(seen_again.descriptor, seen.descriptor)
    assert str(plain.to_arrays()["precision"]) == str(seen.to_arrays()["precision"]) == "float32"
