"""Embedding in batches is embedding one by one."""

import gc
import logging
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.conf import settings
from PIL import Image
from torch import Tensor

from generation.vision import style
from generation.vision.encoder import Encoder, load_encoder, untrained_encoder
from generation.vision.errors import BadImage, BadParams, OutOfMemory
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
    largest = float(np.abs(expected.descriptor).max())
    np.testing.assert_allclose(got.descriptor, expected.descriptor, rtol=0, atol=1e-5 * largest)
    assert list(got.nsv) == list(expected.nsv)
    for layer, values in expected.nsv.items():
        assert got.nsv[layer].dtype == np.float16
        # One step of half precision: 2⁻¹⁰ of the value, and 2⁻²⁴ below the normal numbers.
        np.testing.assert_allclose(got.nsv[layer], values, rtol=2**-10, atol=2**-24)


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


def alive(references: Sequence[weakref.ref[Any]]) -> list[int]:
    """The places of those that something still holds."""
    gc.collect()
    return [number for number, reference in enumerate(references) if reference() is not None]


def test_a_batch_later_nothing_of_a_photograph_is_kept(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[weakref.ref[Any]] = []
    cut, seen, embeddings, numbers = (given.copy() for _ in range(4))

    def watched() -> Iterator[Image.Image]:
        for image in photographs(6):
            given.append(weakref.ref(image))
            yield image

    def cutting(image: Image.Image, size: int) -> Image.Image:
        square = center_square(image, size)
        cut.append(weakref.ref(square))
        return square

    def seeing(_network: Encoder, args: tuple[Any, ...], found: dict[str, Tensor]) -> None:
        seen.extend(map(weakref.ref, (args[0], *found.values())))

    monkeypatch.setattr(style, "center_square", cutting)
    hook = encoder.register_forward_hook(seeing)
    try:
        for number, embedding in enumerate(embed_many(encoder, watched(), batch=2)):
            embeddings.append(weakref.ref(embedding))
            numbers.extend(map(weakref.ref, (embedding.descriptor, *embedding.nsv.values())))
            batch = number // 2 * 2  # where the present one begins
            # Even of the present batch only the last photograph: the squares are small.
            assert alive(given) == [batch + 1]
            assert min(alive(cut), default=batch) >= batch
            assert alive(seen) == []
            assert min(alive(embeddings)) >= batch
            each = len(numbers) // len(embeddings)
            assert min(alive(numbers)) >= batch * each
    finally:
        hook.remove()
    del embedding
    assert [len(one) for one in (given, cut, embeddings)] == [6, 6, 6]
    assert len(seen) == 3 * (1 + len(encoder.spec.nsv_layers))
    assert [alive(one) for one in (given, cut, embeddings, numbers)] == [[], [], [], []]


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


@pytest.mark.weights
def test_a_photograph_does_not_depend_on_its_neighbors() -> None:
    weights = Path(settings.VGG16_HED_WEIGHTS)
    if not weights.exists():
        pytest.skip("the encoder weights are not there: make weights")
    trained = load_encoder("vgg16-hed", weights)
    images = list(photographs(6))
    alone = embed(trained, images[0])
    for number, neighbors in ((0, images), (2, [*images[4:], images[0]]), (1, images[1::-1])):
        assert_same(list(embed_many(trained, neighbors, batch=8))[number], alone)


class Small(torch.nn.Module):
    """A device on which so many photographs fit; the network on it is a real one."""

    def __init__(self, network: Encoder, fits: int) -> None:
        super().__init__()
        self.network, self.fits = network, fits
        self.tried: list[int] = []

    def __getattr__(self, name: str) -> object:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)

    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        self.tried.append(len(x))
        if len(x) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.network(x, layers)


@pytest.mark.parametrize(
    ("fits", "tried"),
    [
        (8, [8, 8, 3]),
        # Once it is known what fits, no more is tried.
        (4, [8, 4, 4, 4, 4, 3]),
        (3, [8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]),
        (1, [8, 4, 2, *[1] * 19]),
    ],
)
def test_a_batch_that_does_not_fit_is_done_in_halves(
    encoder: Encoder, caplog: pytest.LogCaptureFixture, fits: int, tried: list[int]
) -> None:
    small = Small(encoder, fits)
    with caplog.at_level(logging.WARNING):
        found = list(embed_many(small, photographs(19), batch=8))  # type: ignore[arg-type]
    assert small.tried == tried
    for got, expected in zip(found, embed_many(encoder, photographs(19)), strict=True):
        assert_same(got, expected)
    said = ["8 photographs at once do not fit in the memory of the device 'cpu'; going on with"]
    assert [message[: len(said[0])] for message in caplog.messages] == said[: int(fits < 8)]


def test_one_photograph_that_does_not_fit_ends_it(encoder: Encoder) -> None:
    small = Small(encoder, 0)
    with pytest.raises(OutOfMemory, match="does not suffice"):
        next(embed_many(small, photographs(3), batch=4))  # type: ignore[arg-type]
    assert small.tried == [3, 1]
