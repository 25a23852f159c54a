"""Which clusters a picture takes its style from, and what is kept of a style."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from generation import jobs, models, sources, styles
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
from generation.vision import recipe as engine
from generation.vision.recipe import TransferParams
from generation.vision.specs import POOLINGS, SPECS
from generation.vision.statistics import STATISTICS
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
    assert set(models.Pooling.values) == set(POOLINGS)
    assert set(models.Loss.values) == set(engine.LOSSES)
    assert set(models.Optimizer.values) == set(engine.OPTIMIZERS)
    assert {name for name, _label in models.ENCODERS} == set(SPECS)
    assert {name for name, _label in models.SOURCES} == set(sources._SOURCES)


def test_every_parameter_of_the_engine_can_be_set_in_a_recipe() -> None:
    names = {field.name for field in models.Recipe._meta.get_fields()}
    parameters = {field.name for field in fields(engine.TransferParams)}
    # The weights are typed with their layers.
    assert parameters - names == {"style_weights"}


def test_a_recipe_is_its_preset_but_for_what_it_sets() -> None:
    plain = Recipe(name="a", preset="preview", encoder="vgg19")
    assert plain.transfer_params() == replace(engine.get_preset("preview"), encoder="vgg19")
    own = Recipe(
        name="b", preset="preview", encoder="vgg16-hed", size=96, color="match", content_weight=0.0
    )
    assert own.transfer_params() == replace(
        engine.get_preset("preview"), size=96, color="match", content_weight=0.0
    )


def test_a_recipe_sets_layers_sizes_and_optimization() -> None:
    own = Recipe(
        preset="gatys2015",
        encoder="vgg16-hed",
        style_layers="conv1_1*3 conv2_1",
        content_layer="conv3_1",
        pooling="max",
        loss="relative",
        optimizer="adam",
        learning_rate=0.1,
        history=7,
        coarse="64: 5, 128: 4",
        texture_evaluations=9,
        sigma=2.5,
        tv_weight=0.25,
        range_weight=5.0,
    )
    assert own.transfer_params() == replace(
        engine.get_preset("gatys2015"),
        encoder="vgg16-hed",
        style_layers=("conv1_1", "conv2_1"),
        style_weights=(0.75, 0.25),
        content_layer="conv3_1",
        pooling="max",
        loss="relative",
        optimizer="adam",
        learning_rate=0.1,
        history=7,
        coarse=((64, 5), (128, 4)),
        texture_evaluations=9,
        sigma=2.5,
        tv_weight=0.25,
        range_weight=5.0,
    )


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"style_layers": "conv1_1 conv3_4"}, {"style_layers": "got 'conv3_4'"}),
        ({"style_layers": "conv1_1 conv1_1"}, {"style_layers": "Expected different names"}),
        ({"style_layers": "conv1_1*0"}, {"style_layers": "at least one layer"}),
        ({"content_layer": "fc6", "encoder": "vgg19"}, {"content_layer": "got 'fc6'"}),
        ({"coarse": "128 20"}, {"coarse": "got “128”"}),
        ({"coarse": "256: 20"}, {"coarse": "below 256"}),
        ({"coarse": "128: 20", "size": 128}, {"coarse": "below 128"}),
        ({"loss": "gatys", "statistic": "moments"}, {"loss": "unless the statistic is gram"}),
        (
            {"style_layers": "conv9_9", "content_layer": "x", "coarse": "a", "sigma": 2.0},
            {"style_layers": "conv9_9", "content_layer": "'x'", "coarse": "“a”"},
        ),
    ],
)
def test_what_the_engine_refuses_is_said_at_its_field(
    values: dict[str, Any], problems: dict[str, str]
) -> None:
    with pytest.raises(ValidationError) as refused:
        Recipe(**{"name": "x", "encoder": "vgg16-hed", **values}).full_clean()
    found = refused.value.message_dict
    assert set(found) == set(problems)
    for field, part in problems.items():
        (message,) = found[field]
        assert part in message
        assert message.startswith("Expected")


def test_layers_of_the_other_encoder_are_there() -> None:
    Recipe(name="x", encoder="vgg19", style_layers="conv1_1 conv3_4").full_clean()


@pytest.mark.parametrize(
    ("values", "initial", "evaluations"),
    [
        ({}, "random-phase", 28),
        ({"evaluations": 9}, "random-phase", 9),
        ({"initial": "texture"}, "texture", 20),
        ({"initial": "noise"}, "noise", 20),
    ],
)
def test_fast_for_a_single_content(values: dict[str, Any], initial: str, evaluations: int) -> None:
    params = Recipe(preset="fast", **values).transfer_params(single_content=True)
    assert (params.initial, params.evaluations) == (initial, evaluations)


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


def test_clusters_blend_by_size_or_by_the_recipe_s_weights() -> None:
    _set, clustering = grouped_set((3, 5))
    groups = list(clustering.clusters.all())
    by_size = styles.source_of(Recipe(), groups)
    assert by_size.shares == (3 / 8, 5 / 8)
    assert by_size.weights == pytest.approx([1 / 8] * 8)
    weighted = styles.source_of(Recipe(cluster_weights="3 1"), groups)
    assert weighted.shares == (0.75, 0.25)
    assert weighted.weights == pytest.approx([0.25] * 3 + [0.05] * 5)
    # A word with fewer clusters than the recipe allows.
    assert styles.source_of(Recipe(cluster_weights="3 2 1"), groups).shares == (0.6, 0.4)
    params = TransferParams(size=64)
    style = styles.style_of(weighted, params)
    each = [styles.style_of(styles.source_of(Recipe(), [group]), params) for group in groups]
    for layer in style.layers:
        expected = 0.75 * each[0].targets[layer] + 0.25 * each[1].targets[layer]
        np.testing.assert_allclose(style.targets[layer], expected, rtol=1e-5, atol=1e-6)


def test_the_medoid_alone_may_be_the_style() -> None:
    stimulus_set, clustering = grouped_set((3, 4), members="medoid")
    for cluster in clustering.clusters.all():
        medoid = cluster.members.all()[1]
        medoid.is_medoid = True
        medoid.save()
    call_command("make_stimuli", "grouped", "--inline")
    medoids = SourceImage.objects.filter(memberships__is_medoid=True)
    recipe = stimulus_set.recipes.get()
    source = styles.source_of(recipe, list(clustering.clusters.all()))
    assert source.photographs == list(medoids.order_by("memberships__cluster__rank"))
    assert source.shares == (3 / 7, 4 / 7), "a cluster counts by all of its photographs"
    assert Style.objects.get().members == 2
    made = stimulus_set.pictures.first().params
    assert (made["members"], made["cluster_shares"]) == ("medoid", [3 / 7, 4 / 7])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cluster_weights": "3 x"}, "got “x”"),
        ({"cluster_weights": "3 0 1"}, "got “0”"),
        ({"cluster_weights": "3 1"}, "for each of 3 clusters, got 2"),
        (
            {"cluster_weights": "3 1", "clusters": 2, "apart": True},
            "Only clusters that are blended",
        ),
        (
            {"cluster_weights": "1", "clusters": 1, "cluster_choice": "nearest-content"},
            "Only clusters that are blended",
        ),
    ],
)
def test_weights_of_clusters_that_do_not_fit(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        Recipe(name="x", **values).full_clean()
    assert set(refused.value.message_dict) == {"cluster_weights"}


@pytest.mark.parametrize(
    ("preset", "expected"),
    [("fast", "vgg16-hed"), ("gatys2015", "vgg19"), ("matsuo-yanai", "vgg19")],
)
def test_a_published_method_has_its_own_encoder(preset: str, expected: str) -> None:
    recipe = Recipe.objects.create(name="x", preset=preset)
    assert recipe.encoder == expected
    assert recipe.transfer_params().encoder == expected
    other = Recipe.objects.create(name="y", preset=preset, encoder="vgg16-hed")
    assert other.encoder == "vgg16-hed"


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


def fast_set(contents: int) -> StimulusSet:
    """A set of one word and so many contents, with the preset fast but for sizes."""
    stimulus_set, _clustering = grouped_set(
        (3, 4), preset="fast", evaluations=None, texture_evaluations=3
    )
    stimulus_set.contents.set(stimulus_set.contents.all()[:contents])
    return stimulus_set


def used(stimulus_set: StimulusSet) -> list[tuple[str, int]]:
    pictures = stimulus_set.pictures.order_by("content__name")
    return [(p.params["initial"], p.params["evaluations"]) for p in pictures]


def test_a_set_of_one_content_needs_no_texture_and_goes_on_as_it_began() -> None:
    stimulus_set = fast_set(1)
    call_command("make_stimuli", "grouped", "--inline")
    assert used(stimulus_set) == [("random-phase", 28)]
    assert not Style.objects.get().file
    first = stimulus_set.pictures.get()
    assert (first.params["preset"], first.single_content) == ("fast", True)
    stimulus_set.contents.set(ContentImage.objects.all())
    call_command("make_stimuli", "grouped", "--inline")
    assert used(stimulus_set) == [("random-phase", 28)] * 2
    assert stimulus_set.pictures.get(pk=first.pk).sha256 == first.sha256
    assert not Style.objects.get().file


def test_a_set_that_began_with_several_contents_keeps_its_textures() -> None:
    stimulus_set = fast_set(2)
    call_command("make_stimuli", "grouped", "--inline")
    assert used(stimulus_set) == [("texture", 20)] * 2
    gone = stimulus_set.contents.order_by("name").last()
    stimulus_set.pictures.filter(content=gone).delete()
    stimulus_set.contents.remove(gone)
    recipe = stimulus_set.recipes.get()
    assert stimulus_set.as_single_content(recipe) is False


def test_contents_that_were_exchanged_start_as_those_before() -> None:
    stimulus_set = fast_set(1)
    call_command("make_stimuli", "grouped", "--inline")
    before = list(stimulus_set.contents.all())
    more = ContentImage.objects.create(name="c9", **photograph(909, (90, 90, 90)))
    stimulus_set.contents.set([*ContentImage.objects.exclude(pk__in=[c.pk for c in before])])
    assert more in stimulus_set.contents.all()
    # Else they could not be compared with those before, which may come back.
    assert stimulus_set.as_single_content(stimulus_set.recipes.get()) is True


def test_a_style_made_without_a_texture_gets_one_when_another_set_needs_it() -> None:
    single = fast_set(1)
    call_command("make_stimuli", "grouped", "--inline")
    recipe = single.recipes.get()
    several = StimulusSetFactory(slug="several")
    several.words.set(single.words.all())
    several.contents.set(ContentImage.objects.all())
    several.recipes.add(recipe)
    jobs.start(several)
    jobs.plan(several)
    assert not jobs.ready_pictures().exists(), "the texture comes first"
    assert models.Job.objects.filter(kind="represent").count() == 2
    call_command("make_stimuli", "several", "--inline")
    assert used(several) == [("texture", 20)] * 2
    assert Style.objects.get().file
    assert models.Job.objects.filter(kind="represent").count() == 2
    assert used(single) == [("random-phase", 28)]


def test_a_recipe_that_is_not_valid_fails_its_pictures_with_the_reason() -> None:
    stimulus_set, _clustering = grouped_set((3, 4))
    # Past the form: by SQL, or by an older version of this program.
    Recipe.objects.update(content_layer="conv3_4")
    with pytest.raises(CommandError, match=r"content_layer: expected conv.*, got 'conv3_4'"):
        call_command("make_stimuli", "grouped", "--inline")
    stimulus_set.refresh_from_db()
    assert stimulus_set.status == StimulusSet.Status.FAILED


def test_a_recipe_with_layers_and_sizes_of_its_own_makes_pictures() -> None:
    stimulus_set, _clustering = grouped_set(
        (3, 4),
        style_layers="conv1_1*3 conv2_2",
        content_layer="conv3_1",
        coarse="32: 2, 48: 3",
        optimizer="adam",
        tv_weight=0.5,
    )
    call_command("make_stimuli", "grouped", "--inline")
    for picture in stimulus_set.pictures.all():
        # 2 + 3, and 2 at the picture's own size.
        assert len(picture.loss_curve) == picture.budget == 7
        assert picture.params["style_layers"] == ["conv1_1", "conv2_2"]
        assert picture.params["style_weights"] == [0.75, 0.25]
        assert picture.params["coarse"] == [[32, 2], [48, 3]]
        assert picture.params["optimizer"] == "adam"


def test_planning_waits_for_the_style(monkeypatch: pytest.MonkeyPatch) -> None:
    stimulus_set, _clustering = grouped_set((3, 4))
    jobs.start(stimulus_set)
    jobs.plan(stimulus_set)
    assert [job.kind for job in models.Job.objects.all()] == ["represent"]
    assert not jobs.ready_pictures().exists()
