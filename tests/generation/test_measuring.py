"""What analyses read of a picture: the distance of its content and style, the dispersion of its style."""

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from generation import features, measuring, styles
from generation.models import Clustering, Recipe, State, Style, StylizedImage
from generation.vision.errors import VisionError
from tests.generation.test_pipeline import small_set
from tests.generation.test_styles import grouped_set

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_network")]


def test_a_new_picture_has_its_distance() -> None:
    stimulus_set = small_set(contents=2)
    call_command("make_stimuli", "small", "--inline")
    distances = stimulus_set.pictures.values_list("style_distance", flat=True)
    assert len(set(distances)) == 2
    assert all(0 < distance < 1 for distance in distances)


def test_clusters_count_by_the_recipes_weights() -> None:
    stimulus_set, clustering = grouped_set((3, 4), cluster_weights="1 3", clusters=2)
    recipe, content = stimulus_set.recipes.get(), stimulus_set.contents.all()[0]
    groups = styles.blended(clustering, recipe)
    # By hand: 1/4 among three photographs and 3/4 among four, of squared vectors.
    total = np.zeros(0)
    weights = [1 / 12] * 3 + [3 / 16] * 4
    members = [
        member.image
        for group in groups
        for member in group.members.select_related("image").order_by("order")
    ]
    vectors = [features.embedding_of(image, recipe.encoder).nsv for image in members]
    for layer in vectors[0]:
        mean = sum(
            w * vector[layer].astype(np.float64) ** 2
            for w, vector in zip(weights, vectors, strict=True)
        )
        total = np.concatenate([total, np.sqrt(mean) / np.linalg.norm(np.sqrt(mean))])
    own = features.embedding_of(content, recipe.encoder).style_vector
    expected = 1 - float(own @ (total / np.linalg.norm(total)))
    found = measuring.distance_of(recipe, groups, content)
    assert found == pytest.approx(expected, abs=2e-3)
    assert found > 0.001


def test_a_reddish_content_is_nearer_to_reddish_photographs() -> None:
    stimulus_set, clustering = grouped_set((3, 3))
    recipe = stimulus_set.recipes.get()
    red, green = clustering.clusters.order_by("rank")
    content = stimulus_set.contents.get(name="c0")
    near, far = (measuring.distance_of(recipe, [group], content) for group in (red, green))
    assert near < far


def test_pictures_from_before_are_measured_as_new_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stimulus_set = small_set(contents=2)
    call_command("make_stimuli", "small", "--inline")
    before = list(stimulus_set.pictures.values_list("pk", "style_distance"))
    StylizedImage.objects.update(style_distance=None)
    call_command("measure_pictures", "small")
    assert list(stimulus_set.pictures.values_list("pk", "style_distance")) == before
    assert "2 pictures measured" in capsys.readouterr().out
    call_command("measure_pictures", "small")
    assert "0 pictures measured" in capsys.readouterr().out


def test_a_picture_that_cannot_be_measured_is_named_and_the_others_are() -> None:
    stimulus_set = small_set(contents=2)
    call_command("make_stimuli", "small", "--inline")
    first, second = stimulus_set.pictures.all()
    StylizedImage.objects.update(style_distance=None)
    StylizedImage.objects.filter(pk=first.pk).update(params={})
    with pytest.raises(CommandError, match=r"1 pictures measured, 1 not.*\n.*Make it again"):
        call_command("measure_pictures", "small")
    assert StylizedImage.objects.get(pk=first.pk).style_distance is None
    assert StylizedImage.objects.get(pk=second.pk).style_distance is not None


def test_a_picture_made_again_meanwhile_keeps_its_own_distance() -> None:
    stimulus_set = small_set()
    call_command("make_stimuli", "small", "--inline")
    StylizedImage.objects.update(style_distance=None)
    picture = stimulus_set.pictures.get()
    for change in ({"sha256": "new"}, {"sha256": picture.sha256, "state": State.QUEUED}):
        StylizedImage.objects.update(**change)
        assert list(measuring.measure_missing([picture], lambda _done: None)) == []
        assert StylizedImage.objects.get().style_distance is None


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(CommandError, match="Sets: none yet"):
        call_command("measure_pictures", "nothing")


def test_features_that_are_gone_with_their_photograph_are_told() -> None:
    stimulus_set = small_set()
    call_command("make_stimuli", "small", "--inline")
    StylizedImage.objects.update(style_distance=None)
    content = stimulus_set.contents.get()
    features.feature_path(content.sha256, "vgg16-hed").unlink()
    content.file.storage.delete(content.file.name)
    ((picture, error),) = measuring.measure_missing(
        list(stimulus_set.pictures.all()), lambda _done: None
    )
    assert isinstance(error, VisionError)
    assert "cannot be read" in str(error)
    assert picture.style_distance is None


def test_the_dispersion_of_a_picture_is_its_styles_summed_over_layers() -> None:
    stimulus_set, clustering = grouped_set((3, 3), apart=True, clusters=2)
    recipe = stimulus_set.recipes.get()
    Style.objects.create(
        clustering=clustering,
        recipe=recipe,
        ranks="1",
        members=3,
        seconds=1,
        dispersion={"a": 0.25, "b": 0.5},
    )
    Style.objects.create(
        clustering=clustering,
        recipe=recipe,
        ranks="1,2",
        members=6,
        seconds=1,
        dispersion={"a": 1.0, "b": 2.0},
    )
    word, contents = clustering.word, stimulus_set.contents.all()

    def picture(number: int, variant: int, ranks: list[int]) -> StylizedImage:
        return StylizedImage.objects.create(
            stimulus_set=stimulus_set,
            word=word,
            content=contents[number],
            recipe=recipe,
            variant=variant,
            clustering=clustering,
            params={"clusters": ranks},
        )

    alone, both, other = picture(0, 1, [1]), picture(0, 2, [1, 2]), picture(1, 1, [2])
    unmade = StylizedImage.objects.create(
        stimulus_set=stimulus_set, word=word, content=contents[1], recipe=recipe, variant=2
    )
    found = StylizedImage.objects.dispersions()
    assert found == {alone.pk: 0.75, both.pk: 3.0}
    assert not {other.pk, unmade.pk} & set(found)
    assert StylizedImage.objects.filter(pk=both.pk).dispersions() == {both.pk: 3.0}


def test_pictures_that_were_made_have_the_dispersion_of_their_style(
    django_assert_num_queries: object,
) -> None:
    stimulus_set = small_set(contents=2)
    call_command("make_stimuli", "small", "--inline")
    style = Style.objects.get()
    with django_assert_num_queries(2):  # type: ignore[operator]
        found = stimulus_set.pictures.dispersions()
    assert list(found.values()) == [pytest.approx(sum(style.dispersion.values()))] * 2
    assert Clustering.objects.count() == Recipe.objects.count() == 1
