"""Stored features: computed in batches, as they come, once."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image

from generation import features
from generation.imagefile import photograph_fields, read_image
from generation.models import SourceImage, Word
from generation.vision.encoder import Encoder
from generation.vision.style import Embedding, embed
from tests.factories import WordFactory, grain

pytestmark = pytest.mark.django_db

ENCODER = "vgg16-hed"


def photographs(count: int, word: Word | None = None) -> list[SourceImage]:
    word = word or WordFactory()
    return [
        SourceImage.objects.create(
            word=word, rank=n, **photograph_fields(read_image(grain(n, (120, 100, 90))))
        )
        for n in range(count)
    ]


def stored(images: list[SourceImage]) -> list[bool]:
    return [features.feature_path(image.sha256, ENCODER).exists() for image in images]


@pytest.fixture
def batches(small_network: Encoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each batch that the network sees."""
    seen: list[int] = []
    small_network.register_forward_pre_hook(lambda _network, args: seen.append(len(args[0])))
    monkeypatch.setattr(features, "EMBED_BATCH", 3)
    return seen


def test_batches_of_what_is_missing(batches: list[int], small_network: Encoder) -> None:
    images = photographs(8)
    features.embedding_of(images[2], ENCODER)
    batches.clear()
    steps: list[tuple[int, int]] = []
    features.embed_missing(images, ENCODER, lambda done: steps.append((done, sum(stored(images)))))
    assert batches == [3, 3, 1]
    # At the start; as each of a batch is read, and as each is stored: never more is said than is there.
    assert [done for done, _ in steps] == [1, 1, 1, 1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 7, 8]
    assert all(done == there for done, there in steps)
    batches.clear()
    for image in images:
        got = features.embedding_of(image, ENCODER)
        own = embed(small_network, features.open_photograph(image))
        assert got.descriptor == pytest.approx(own.descriptor, rel=1e-5, abs=1e-6)
    assert batches == [1] * 8, "by the comparison, and not by what was stored"


def test_again_reads_no_weights(batches: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    images = photographs(2)
    features.embed_missing(images, ENCODER, lambda _done: None)
    monkeypatch.setattr(features, "encoder", None)
    steps: list[int] = []
    features.embed_missing(images, ENCODER, steps.append)
    assert steps == [2]
    assert batches == [2]


class Ended(Exception):
    """As a lease that was lost, or a worker that is killed."""


def test_what_is_stored_is_not_computed_again_after_an_end(batches: list[int]) -> None:
    images = photographs(7)

    def end(done: int) -> None:
        if done == 4:
            raise Ended

    with pytest.raises(Ended):
        features.embed_missing(images, ENCODER, end)
    # Two of the second batch were computed, and are lost.
    assert stored(images) == [True] * 4 + [False] * 3
    features.embed_missing(images, ENCODER, lambda _done: None)
    assert all(stored(images))
    assert batches == [3, 3, 3]


def test_a_damaged_one_is_named_and_those_before_its_batch_are_stored(batches: list[int]) -> None:
    images = photographs(8)
    images[5].file.storage.delete(images[5].file.name)
    with pytest.raises(features.DamagedPhotograph, match=rf"#{images[5].pk} .*Leave it out"):
        features.embed_missing(images, ENCODER, lambda _done: None)
    assert stored(images) == [True] * 3 + [False] * 5


def test_features_in_another_precision_are_computed_again(
    small_network: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    (image,) = photographs(1)
    first = features.embedding_of(image, ENCODER)
    path = features.feature_path(image.sha256, ENCODER)
    features.store(
        path, {**first.to_arrays(), "precision": "bf16", "descriptor": first.descriptor * 2}
    )
    again = features.embedding_of(image, ENCODER)
    assert (again.descriptor == first.descriptor).all()
    assert "expected the precision float32, got 'bf16'" in caplog.text


def test_photographs_are_read_as_their_batch_comes_and_nothing_is_kept(
    batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[weakref.ref[Any]] = []
    found: list[weakref.ref[Any]] = []
    read, real = features.open_photograph, features.embed_many

    def reading(row: Any) -> Image.Image:
        image = read(row)
        given.append(weakref.ref(image))
        return image

    def embedding(*args: Any, **options: Any) -> Iterator[Embedding]:
        for one in real(*args, **options):
            found.append(weakref.ref(one))
            yield one

    def alive(references: list[weakref.ref[Any]]) -> int:
        gc.collect()
        return sum(reference() is not None for reference in references)

    monkeypatch.setattr(features, "open_photograph", reading)
    monkeypatch.setattr(features, "embed_many", embedding)
    steps: list[tuple[int, int, int]] = []
    features.embed_missing(
        photographs(9), ENCODER, lambda done: steps.append((done, alive(given), alive(found)))
    )
    assert batches == [3, 3, 3]
    # Of the photographs the one just read; of the embeddings those of one batch.
    assert max(step[1] for step in steps) == 1
    assert max(step[2] for step in steps) <= 3
    assert [len(given), alive(given), len(found), alive(found)] == [9, 0, 9, 0]


def test_what_a_picture_was_computed_by_is_plain_json(small_network: Encoder) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = features.computed_by(small_network)
    finally:
        torch.set_num_threads(threads)
    assert found == {"device": "cpu", "torch": str(torch.__version__), "threads": 3}
    assert {type(value) for value in found.values()} == {str, int}


def test_the_precision_of_pictures_is_that_of_the_setting(
    small_network: Encoder, settings: Any
) -> None:
    for wanted, expected in (("auto", "float32"), ("float32", "float32"), ("bf16", "bf16")):
        settings.PRECISION = wanted
        assert features.precision(small_network) == expected
