"""Embedding in batches is embedding one by one."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from generation.vision.encoder import Encoder, untrained_encoder
from generation.vision.errors import BadImage, BadParams
from generation.vision.style import Embedding, embed, embed_many, layer_style_vector
from generation.vision.tensors import center_square, to_tensor


def photographs(count: int) -> Iterator[Image.Image]:
    rng = np.random.default_rng(9)
    for _ in range(count):
        yield Image.fromarray(rng.integers(0, 256, (60, 50, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return untrained_encoder(seed=2)


def assert_same(got: Embedding, expected: Embedding) -> None:
    assert (got.encoder, got.descriptor_name) == (expected.encoder, expected.descriptor_name)
    assert got.descriptor.dtype == np.float32
    np.testing.assert_allclose(got.descriptor, expected.descriptor, rtol=1e-4, atol=1e-5)
    assert list(got.nsv) == list(expected.nsv)
    for layer, values in expected.nsv.items():
        assert got.nsv[layer].dtype == np.float16
        # 2⁻¹⁰: neighbors in half precision, between .5 and 1.
        np.testing.assert_allclose(got.nsv[layer], values, atol=2**-10)


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_the_same_numbers_in_the_same_order(encoder: Encoder, batch: int) -> None:
    found = list(embed_many(encoder, photographs(5), batch=batch))
    assert len(found) == 5
    for got, image in zip(found, photographs(5), strict=True):
        assert_same(got, embed(encoder, image))


def test_the_layers_are_those_of_layer_style_vector(encoder: Encoder) -> None:
    images = list(photographs(2))
    for got, image in zip(embed_many(encoder, images), images, strict=True):
        features = encoder(to_tensor(center_square(image, 224)), encoder.spec.nsv_layers)
        for layer, values in features.items():
            np.testing.assert_allclose(got.nsv[layer], layer_style_vector(values), atol=2**-10)


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    assert list(embed_many(encoder, [])) == []


def test_photographs_are_taken_as_they_are_needed(encoder: Encoder) -> None:
    taken = []

    def counted() -> Iterator[Image.Image]:
        for number, image in enumerate(photographs(6)):
            taken.append(number)
            yield image

    found = embed_many(encoder, counted(), batch=2)
    assert taken == []
    next(found)
    assert taken == [0, 1]


def test_memory_does_not_grow_with_their_number(encoder: Encoder) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            for _ in embed_many(encoder, photographs(count), batch=2):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # what is made once
    assert peak(24) < 1.2 * peak(4)


def test_an_embedding_does_not_hold_its_batch(encoder: Encoder) -> None:
    first = next(embed_many(encoder, photographs(4), batch=4))
    assert first.descriptor.base is None
    assert all(vector.base is None for vector in first.nsv.values())


def test_bad_arguments_are_refused_at_the_call(encoder: Encoder) -> None:
    with pytest.raises(BadParams, match="batch of at least 1 photograph, got 0"):
        embed_many(encoder, [], batch=0)
    with pytest.raises(BadParams, match="pooling='max'"):
        embed_many(untrained_encoder(pooling="average"), [])


def test_a_bad_photograph_is_refused_in_its_turn(encoder: Encoder) -> None:
    images = [*photographs(2), Image.new("L", (30, 30))]
    found = embed_many(encoder, images, batch=1)
    next(found)
    next(found)
    with pytest.raises(BadImage, match="got mode 'L'"):
        next(found)
