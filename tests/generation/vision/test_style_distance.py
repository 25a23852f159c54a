"""The distance of a photograph's style vector and that of a mean of photographs, by hand."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from generation.vision.encoder import untrained_encoder
from generation.vision.errors import BadParams, BadStyle
from generation.vision.specs import TINY
from generation.vision.style import Embedding, embed, mean_style_vector, style_distance
from generation.vision.tensors import to_tensor


def embedding(*layers: list[float], encoder: str = "e") -> Embedding:
    return Embedding(
        encoder,
        "fc6",
        np.zeros(2, dtype=np.float32),
        {f"conv{n}": np.array(layer, dtype=np.float16) for n, layer in enumerate(layers)},
    )


def test_the_mean_by_hand() -> None:
    # Grams (1, 0) and (0, 1), three to one: (3/4, 1/4), whose roots have unit length already.
    found = mean_style_vector([embedding([1.0, 0.0]), embedding([0.0, 1.0])], [3.0, 1.0])
    np.testing.assert_allclose(found, [0.75**0.5, 0.5], rtol=1e-6)


def test_layers_weigh_the_same() -> None:
    found = mean_style_vector([embedding([1.0, 0.0], [0.6, 0.8])], [1.0])
    np.testing.assert_allclose(found, np.array([1.0, 0.0, 0.6, 0.8]) / 2**0.5, rtol=1e-3)


def test_the_distance_by_hand() -> None:
    style = mean_style_vector([embedding([1.0, 0.0]), embedding([0.0, 1.0])], [1.0, 1.0])
    assert style_distance(embedding([1.0, 0.0]), style) == pytest.approx(1 - 0.5**0.5, abs=1e-6)
    assert style_distance(embedding([0.0, 1.0]), embedding([1.0, 0.0]).style_vector) == 1.0


def test_it_is_the_vector_of_the_mean_of_scaled_grams() -> None:
    # Independent of the stored vectors: Grams from the network, in float64.
    encoder = untrained_encoder(TINY)
    rng = np.random.default_rng(1)
    images = [
        Image.fromarray(rng.integers(0, 60 * n + 60, (224, 224, 3), dtype=np.uint8))
        for n in range(3)
    ]
    weights = [0.5, 0.3, 0.2]
    embeddings = [embed(encoder, image) for image in images]
    grams: dict[str, list[npt.NDArray[np.float64]]] = {}
    for image in images:
        with torch.inference_mode():
            found = encoder(to_tensor(image), encoder.spec.nsv_layers)
        for layer, activations in found.items():
            flat = activations[0].flatten(1).double().numpy()
            half = (flat @ flat.T)[np.tril_indices(len(flat))]
            grams.setdefault(layer, []).append(half / half.sum())
    parts = [
        np.sqrt(sum(w * half for w, half in zip(weights, halves, strict=True)))
        for halves in grams.values()
    ]
    expected = np.concatenate(parts)
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(mean_style_vector(embeddings, weights), expected, atol=1e-3)


def test_a_photograph_is_at_no_distance_of_itself_and_of_copies() -> None:
    one = embedding([0.6, 0.8], [1.0, 0.0])
    assert style_distance(one, mean_style_vector([one, one], [0.2, 0.8])) == pytest.approx(
        0.0, abs=1e-6
    )


def test_what_does_not_go_together_is_refused() -> None:
    one = embedding([1.0, 0.0])
    with pytest.raises(BadStyle, match="at least one"):
        mean_style_vector([], [])
    with pytest.raises(BadStyle, match="one encoder"):
        mean_style_vector([one, embedding([1.0, 0.0], encoder="f")], [1.0, 1.0])
    with pytest.raises(BadParams, match="one weight for each"):
        mean_style_vector([one], [1.0, 1.0])
    with pytest.raises(BadStyle, match="lengths 2 and 3"):
        style_distance(one, np.array([1.0, 0.0, 0.0], dtype=np.float32))
