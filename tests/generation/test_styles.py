"""Which clusters a picture takes its style from, and what is kept of a style."""

import io
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from PIL import Image

from generation import features, jobs, models, styles
from generation.models import (
    Clustering,
    ClusterMember,
    ContentImage,
    Recipe,
    SourceImage,
    StimulusSet,
    Style,
    StyleCluster,
    Word,
)
from generation.sources.samples import SampleSource
from generation.vision import recipe as engine
from generation.vision.specs import SPECS
from generation.vision.statistics import STATISTICS
from generation.vision.tensors import center_square
from tests.factories import StimulusSetFactory
from tests.generation.test_pipeline import photograph

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_network")]


def grouped_set(sizes: tuple[int, ...], **recipe: Any) -> tuple[StimulusSet, Clustering]:
    """A set of one word whose groups are given: reddish, greenish and bluish photographs."""
    word = Word.objects.create(text="ふさふさ")
    colors = [(180, 70, 60), (70, 170, 70), (60, 80, 190)]
    stimulus_set = StimulusSetFactory(slug="grouped")
    stimulus_set.words.add(word)
    for n, color in enumerate(colors[:2]):
        row = ContentImage.objects.create(name=f"c{n}", **photograph(900 + n, color))
        stimulus_set.contents.add(row)
    values = {"name": "r", "preset": "random-phase", "size": 64, "evaluations": 2, **recipe}
    stimulus_set.recipes.add(Recipe.objects.create(**values))
    groups = [
        [
            SourceImage.objects.create(word=word, **photograph(100 * n + m, colors[n]))
            for m in range(size)
        ]
        for n, size in enumerate(sizes)
    ]
    clustering = Clustering.objects.create(
        word=word, encoder="vgg16-hed", descriptor="x", params={}, fingerprint=word.fingerprint()
    )
    for rank, images in enumerate(groups, start=1):
        cluster = StyleCluster.objects.create(
            clustering=clustering,
            rank=rank,
            size=len(images),
            # The later, the more cohesive.
            cohesion=0.5 + rank / 10,
            score=1.0 / rank,
            chosen=True,
        )
        for order, image in enumerate(images):
            ClusterMember.objects.create(
                clustering=clustering, cluster=cluster, image=image, order=order
            )
    return stimulus_set, clustering


def ranks(groups: list[StyleCluster]) -> list[int]:
    return [group.rank for group in groups]


def test_names_of_the_models_are_those_of_the_engine() -> None:
    # The web process never imports the engine, so the names stand twice.
    assert set(models.Preset.values) == set(engine.PRESETS)
    assert set(models.InitialImage.values) == set(engine.STARTS)
    assert set(models.Color.values) == set(engine.COLORS)
    assert set(models.Statistic.values) == set(STATISTICS)
    assert {name for name, _label in models.ENCODERS} == set(SPECS)
    assert {name for name, _label in models.SOURCES} == {SampleSource.name}


def test_a_recipe_is_its_preset_but_for_what_it_sets() -> None:
    plain = styles.transfer_params(Recipe(name="a", preset="preview", encoder="vgg19"))
    assert plain == replace(engine.get_preset("preview"), encoder="vgg19")
    own = Recipe(
        name="b", preset="preview", encoder="vgg16-hed", size=96, color="match", content_weight=0.0
    )
    assert styles.transfer_params(own) == replace(
        engine.get_preset("preview"), size=96, color="match", content_weight=0.0
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("best", [1, 2, 3]), ("largest", [2, 3, 1]), ("most-cohesive", [3, 2, 1])],
)
def test_clusters_by_choice(choice: str, expected: list[int]) -> None:
    _set, clustering = grouped_set((3, 5, 4))
    assert ranks(styles.ordered(clustering, choice)) == expected
    recipe = Recipe(name="x", clusters=2, cluster_choice=choice)
    (groups,) = styles.styles_wanted(clustering, recipe)
    assert ranks(groups) == expected[:2]


def test_the_nearest_cluster_is_that_of_the_content_s_colors() -> None:
    stimulus_set, clustering = grouped_set((3, 3, 3), cluster_choice="nearest-content")
    recipe = stimulus_set.recipes.get()
    reddish, greenish = stimulus_set.contents.order_by("name")
    for content, rank in ((reddish, 1), (greenish, 2)):
        assert ranks(styles.groups_for(clustering, recipe, 0, content)) == [rank]
    call_command("make_stimuli", "grouped", "--inline")
    used = {p.content.name: p.params["clusters"] for p in stimulus_set.pictures.all()}
    assert used == {"c0": [1], "c1": [2]}


def test_clusters_kept_apart_are_variants() -> None:
    stimulus_set, _clustering = grouped_set((3, 4), apart=True, clusters=3)
    call_command("make_stimuli", "grouped", "--inline")
    stimulus_set.refresh_from_db()
    assert stimulus_set.is_ready
    assert not stimulus_set.missing()
    # Three were allowed, the word has two.
    found = sorted(stimulus_set.pictures.values_list("content__name", "variant"))
    assert found == [("c0", 1), ("c0", 2), ("c1", 1), ("c1", 2)]
    assert {p.variant: p.params["clusters"] for p in stimulus_set.pictures.all()} == {
        1: [1],
        2: [2],
    }
    recipe, content = stimulus_set.recipes.get(), stimulus_set.contents.all()[0]
    with pytest.raises(styles.StyleMissing, match="Cluster 3 was asked for; the word has 2"):
        styles.groups_for(Clustering.objects.get(), recipe, 3, content)


def test_one_nearest_cluster_cannot_be_kept_apart() -> None:
    with pytest.raises(ValidationError, match="nothing to keep apart"):
        Recipe(name="x", apart=True, cluster_choice="nearest-content").full_clean()


def test_the_texture_is_made_once_and_again_when_its_file_is_gone() -> None:
    stimulus_set, _clustering = grouped_set((3, 4), preset="fast")
    call_command("make_stimuli", "grouped", "--inline")
    style = Style.objects.get()
    assert (style.ranks, style.members) == ("1,2", 7)
    assert style.file.width == style.file.height == 80
    assert stimulus_set.pictures.count() == 2
    assert all(p.params["initial"] == "texture" for p in stimulus_set.pictures.all())
    name, digest = style.file.name, style.sha256
    recipe, clustering = stimulus_set.recipes.get(), Clustering.objects.get()
    groups = list(clustering.clusters.all())
    assert styles.style_row(clustering, recipe, groups).file.name == name
    style.file.storage.delete(name)
    again = styles.style_row(clustering, recipe, groups)
    assert again.sha256 == digest, "the same seed, the same pixels"
    assert again.file.storage.exists(again.file.name)


def test_planning_waits_for_the_style(monkeypatch: pytest.MonkeyPatch) -> None:
    stimulus_set, _clustering = grouped_set((3, 4))
    jobs.start(stimulus_set)
    jobs.plan(stimulus_set)
    assert [job.kind for job in models.Job.objects.all()] == ["represent"]
    assert not jobs.ready_pictures().exists()


def test_foreground_only_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    stimulus_set, _clustering = grouped_set((3, 4), region="foreground")
    with pytest.raises(CommandError, match=r"c0 has no mask\. Upload one"):
        call_command("make_stimuli", "grouped", "--inline")
    for content in stimulus_set.contents.all():
        mask = Image.new("L", (content.width, content.height), 0)
        mask.paste(255, (0, 0, content.width // 2, content.height))
        stream = io.BytesIO()
        mask.save(stream, "PNG")
        content.mask.save("mask.png", ContentFile(stream.getvalue()))
    call_command("make_stimuli", "grouped", "--inline")
    for picture in stimulus_set.pictures.all():
        made = features.open_photograph(picture)
        content = center_square(features.open_photograph(picture.content), 64)
        right = (36, 0, 64, 64)
        assert made.crop(right).tobytes() == content.crop(right).tobytes()
        assert made.crop((0, 0, 28, 64)).tobytes() != content.crop((0, 0, 28, 64)).tobytes()
        assert picture.params["region"] == "foreground"
