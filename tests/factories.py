"""Rows for tests. Pictures are small real PNG files, each of its own colour."""

import hashlib
import io
import itertools
import random

import factory
from django.core.files.base import ContentFile
from factory.django import DjangoModelFactory
from PIL import Image

from generation.models import (
    Clustering,
    ContentImage,
    Recipe,
    SourceImage,
    State,
    StimulusSet,
    StylizedImage,
    Word,
)
from survey.models import Study

_serial = itertools.count(1)


def png(size: int = 16, seed: int | None = None) -> bytes:
    """A plain PNG whose colour depends on the seed (a new one each time unless given)."""
    n = next(_serial) if seed is None else seed
    stream = io.BytesIO()
    color = ((n * 53) % 256, (n * 101 + 40) % 256, (n // 256 * 37 + n * 7) % 256)
    Image.new("RGB", (size, size), color).save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def grain(seed: int, color: tuple[int, int, int], width: int = 72, height: int = 72) -> bytes:
    """A noisy PNG about a colour: something to be grouped and restyled."""
    rng = random.Random(seed)
    image = Image.new("RGB", (width, height))
    pixels = width * height
    image.putdata([tuple(c + rng.randrange(-50, 50) for c in color) for _ in range(pixels)])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


class WordFactory(DjangoModelFactory):
    class Meta:
        model = Word

    text = factory.Sequence(lambda n: f"ことば{n}")
    reading = factory.Sequence(lambda n: f"kotoba {n}")
    gloss = factory.Sequence(lambda n: f"word {n}")


class _PhotographFactory(DjangoModelFactory):
    class Meta:
        abstract = True

    width = 16
    height = 16
    file = factory.LazyFunction(lambda: ContentFile(png(), name="photo.png"))
    sha256 = factory.LazyAttribute(lambda row: hashlib.sha256(row.file.read()).hexdigest())


class SourceImageFactory(_PhotographFactory):
    class Meta:
        model = SourceImage

    word = factory.SubFactory(WordFactory)


class ContentImageFactory(_PhotographFactory):
    class Meta:
        model = ContentImage

    name = factory.Sequence(lambda n: f"content {n}")


class RecipeFactory(DjangoModelFactory):
    class Meta:
        model = Recipe

    name = factory.Sequence(lambda n: f"recipe {n}")


class StimulusSetFactory(DjangoModelFactory):
    class Meta:
        model = StimulusSet

    slug = factory.Sequence(lambda n: f"set-{n}")
    name = factory.Sequence(lambda n: f"Set {n}")


class ClusteringFactory(DjangoModelFactory):
    class Meta:
        model = Clustering

    word = factory.SubFactory(WordFactory)
    encoder = "vgg16-hed"
    descriptor = "conv5_3 mean"
    params = factory.LazyFunction(dict)
    fingerprint = "0" * 64


def make_ready_set(words: int = 5, contents: int = 3) -> StimulusSet:
    """A finished set without computing anything: every picture a small real PNG."""
    stimulus_set = StimulusSetFactory(status=StimulusSet.Status.READY)
    recipe = RecipeFactory()
    stimulus_set.recipes.add(recipe)
    word_rows = WordFactory.create_batch(words)
    content_rows = ContentImageFactory.create_batch(contents)
    stimulus_set.words.add(*word_rows)
    stimulus_set.contents.add(*content_rows)
    for word in word_rows:
        clustering = ClusteringFactory(word=word)
        for content in content_rows:
            data = png()
            StylizedImage.objects.create(
                stimulus_set=stimulus_set,
                word=word,
                content=content,
                recipe=recipe,
                clustering=clustering,
                state=State.DONE,
                file=ContentFile(data, name="picture.png"),
                sha256=hashlib.sha256(data).hexdigest(),
            )
    return stimulus_set


def copy_of(stimulus_set: StimulusSet) -> StimulusSet:
    """Another set of the same words and contents, with pictures of its own that look alike."""
    made = StimulusSetFactory(status=stimulus_set.status)
    made.words.set(stimulus_set.words.all())
    made.contents.set(stimulus_set.contents.all())
    made.recipes.set(stimulus_set.recipes.all())
    for picture in stimulus_set.pictures.all():
        picture.pk, picture._state.adding, picture.stimulus_set = None, True, made
        picture.save()
    return made


class StudyFactory(DjangoModelFactory):
    class Meta:
        model = Study

    slug = factory.Sequence(lambda n: f"study-{n}")
    title = factory.Sequence(lambda n: f"Study {n}")
    stimulus_set = factory.LazyFunction(make_ready_set)
