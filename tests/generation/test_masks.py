"""Masks as rows: asked for, found by a worker, waited for, kept with what was made by them."""

from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from PIL import Image
from torch import nn

from generation import features, jobs, pipeline, styles
from generation.imagefile import (
    RgbImage,
    mask_file,
    photograph_fields,
    pixel_sha256,
    read_image,
)
from generation.models import (
    Clustering,
    ContentImage,
    Job,
    Mask,
    MaskKind,
    Recipe,
    SourceImage,
    State,
    StimulusSet,
    Style,
    StylizedImage,
    Word,
)
from generation.progress import measure
from generation.set_state import set_state
from generation.vision.masks import GrabCutParams, grabcut
from stylestudy import leases
from tests.factories import RecipeFactory, WordFactory
from tests.generation.test_pipeline import photograph
from tests.generation.test_styles import grouped_set
from tests.generation.vision.test_masks import BOX, Sure, overlap, scene

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_network")]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    messages: list[tuple[str, int]] = []
    monkeypatch.setattr(
        leases.current_app, "send_task", lambda name, args: messages.append((name, args[0]))
    )
    return messages


@pytest.fixture
def content() -> ContentImage:
    image, _truth = scene()
    return ContentImage.objects.create(
        name="an ellipse", **photograph_fields(RgbImage(image, image.width, image.height))
    )


def uploaded(content: ContentImage, share: float = 0.5) -> Mask:
    """White in the left part."""
    image = Image.new("L", (content.width, content.height), 0)
    image.paste(255, (0, 0, round(share * content.width), content.height))
    return content.masks.create(
        kind=MaskKind.UPLOAD, state=State.DONE, file=mask_file(image), sha256=pixel_sha256(image)
    )


# --- finding --------------------------------------------------------------------------------------


def test_a_box_becomes_a_mask(
    content: ContentImage, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = jobs.find_mask(content, MaskKind.BOX, list(BOX))
    assert sent == [("generation.find_mask", row.pk)]
    assert content.mask is None
    assert pipeline.find_mask(row.pk)
    assert not pipeline.find_mask(row.pk), "a done row is not done twice"
    row.refresh_from_db()
    assert content.mask == row
    assert (row.kind, row.box) == ("box", list(BOX))
    assert row.params == {"method": "grabcut", **GrabCutParams().to_dict()}
    image, truth = scene()
    with Image.open(row.file.path) as found:
        assert overlap(found, truth) > 0.98
        assert found.tobytes() == grabcut(image, BOX).tobytes()
        assert row.sha256 == pixel_sha256(found)


def test_the_network_makes_a_mask(content: ContentImage, monkeypatch: pytest.MonkeyPatch) -> None:
    network: nn.Module = Sure(8, 0.5)
    monkeypatch.setattr(features, "segmenter", lambda: network)
    row = jobs.find_mask(content, MaskKind.NETWORK)
    pipeline.find_mask(row.pk)
    row.refresh_from_db()
    made = {"method": "deeplabv3-resnet50", "torchvision": version("torchvision")}
    assert (row.state, row.params) == (State.DONE, made)
    with Image.open(row.file.path) as found:
        values = np.asarray(found)
    assert values[:, :55].min() == 255
    assert values[:, 65:].max() == 0


def test_weights_that_are_not_there_are_the_reason(
    content: ContentImage, settings: Any, tmp_path: Path
) -> None:
    settings.SEGMENTATION_WEIGHTS = tmp_path / "none.pth"
    row = jobs.find_mask(content, MaskKind.NETWORK)
    pipeline.find_mask(row.pk)
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert "STYLESTUDY_SEGMENTATION_WEIGHTS" in row.error
    assert f"not at {tmp_path / 'none.pth'}" in row.error


def test_a_failed_attempt_leaves_the_mask_that_was_there(content: ContentImage) -> None:
    old = uploaded(content)
    row = jobs.find_mask(content, MaskKind.BOX, [0, 0, 5, 5])
    pipeline.find_mask(row.pk)
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert "at least 16 × 16 pixels, got 5 × 5" in row.error
    assert content.mask == old


def test_the_newest_counts_whichever_is_finished_last(content: ContentImage) -> None:
    slow = jobs.find_mask(content, MaskKind.BOX, list(BOX))
    new = uploaded(content)
    pipeline.find_mask(slow.pk)
    assert content.mask == new


def test_who_lost_the_lease_leaves_no_file(
    content: ContentImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = jobs.find_mask(content, MaskKind.BOX, list(BOX))

    def taken_over(*args: Any) -> Image.Image:
        Mask.objects.update(owner="another")
        return grabcut(*args)

    monkeypatch.setattr(pipeline, "grabcut", taken_over)
    pipeline.find_mask(row.pk)
    row.refresh_from_db()
    assert (row.state, row.owner, row.file.name) == (State.RUNNING, "another", "")
    assert row.file.storage.listdir("masks")[1] == []


def test_a_lost_mask_goes_back_to_the_queue(
    content: ContentImage, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    row = jobs.find_mask(content, MaskKind.BOX, list(BOX))
    assert Mask.objects.claim(row.pk, f"{leases.owner_name().rpartition('/')[0]}/999999999-1")
    with django_capture_on_commit_callbacks(execute=True):
        jobs.reconcile()
    row.refresh_from_db()
    assert row.state == State.QUEUED
    assert sent == [("generation.find_mask", row.pk)]


def test_the_database_refuses_masks_that_contradict_themselves(content: ContentImage) -> None:
    for values in (
        {"kind": MaskKind.BOX},
        {"kind": MaskKind.NETWORK, "box": [0, 0, 9, 9]},
        {"kind": MaskKind.UPLOAD, "state": State.DONE},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            content.masks.create(**values)


def test_a_deleted_content_takes_its_masks_along(
    content: ContentImage, django_capture_on_commit_callbacks: Any
) -> None:
    files = [Path(uploaded(content, share).file.path) for share in (0.3, 0.6)]
    assert all(file.exists() for file in files)
    with django_capture_on_commit_callbacks(execute=True):
        content.delete()
    assert not any(file.exists() for file in files)


# --- pictures of a region -------------------------------------------------------------------------


def test_foreground_only_keeps_the_rest() -> None:
    stimulus_set, _clustering = grouped_set((3, 4), region="foreground")
    with pytest.raises(CommandError, match=r"c0 has no mask\. On its page draw a box"):
        call_command("make_stimuli", "grouped", "--inline")
    assert not Job.objects.exists(), "known before any work"
    masks = {content: uploaded(content) for content in stimulus_set.contents.all()}
    call_command("make_stimuli", "grouped", "--inline")
    for picture in stimulus_set.pictures.all():
        made = features.open_photograph(picture)
        content = styles.center_square(features.open_photograph(picture.content), 64)
        right = (36, 0, 64, 64)
        assert made.crop(right).tobytes() == content.crop(right).tobytes()
        assert made.crop((0, 0, 28, 64)).tobytes() != content.crop((0, 0, 28, 64)).tobytes()
        assert picture.params["region"] == "foreground"
        mask = masks[picture.content]
        assert picture.params["mask"] == {
            "kind": "upload",
            "file": mask.file.name,
            "sha256": mask.sha256,
        }


def test_a_picture_keeps_what_it_was_made_with() -> None:
    stimulus_set, _clustering = grouped_set((3,), region="foreground")
    for content in stimulus_set.contents.all():
        uploaded(content)
    call_command("make_stimuli", "grouped", "--inline")
    before = list(stimulus_set.pictures.values_list("pk", "file", "sha256", "params"))
    for content in stimulus_set.contents.all():
        uploaded(content, 0.8)
    call_command("make_stimuli", "grouped", "--inline")
    assert list(stimulus_set.pictures.values_list("pk", "file", "sha256", "params")) == before
    storage = content.masks.all()[0].file.storage
    assert all(storage.exists(params["mask"]["file"]) for *_rest, params in before)


def test_pictures_wait_for_a_mask_that_is_being_made() -> None:
    stimulus_set, _clustering = grouped_set((3,), region="foreground")
    first, second = stimulus_set.contents.all()
    uploaded(first)
    uploaded(second)
    row = jobs.find_mask(second, MaskKind.BOX, [10, 10, 60, 60])
    jobs.start(stimulus_set)
    jobs.plan(stimulus_set)
    pipeline.represent_word(Job.objects.get().pk)
    jobs.plan(stimulus_set)
    assert [picture.content for picture in jobs.ready_pictures()] == [first]
    assert Mask.objects.claim(row.pk, "me")
    Mask.objects.fail(row.pk, "me", "The reason.")
    jobs.plan(stimulus_set)
    assert [picture.content for picture in jobs.ready_pictures()] == [first, second]


def test_pictures_of_a_set_share_a_mask_also_if_a_new_one_comes_meanwhile() -> None:
    stimulus_set, _clustering = grouped_set((3,), region="foreground")
    masks = [uploaded(content) for content in stimulus_set.contents.all()]
    call_command("make_stimuli", "grouped", "--inline")
    for content in stimulus_set.contents.all():
        uploaded(content, share=0.25)
    word = Word.objects.create(text="ざらざら")
    for n in range(6):
        SourceImage.objects.create(word=word, rank=n, **photograph(700 + n, (90, 190, 50)))
    stimulus_set.words.add(word)
    call_command("make_stimuli", "grouped", "--inline")
    pictures = stimulus_set.pictures.order_by("word", "content")
    assert [picture.mask for picture in pictures] == masks * 2
    digests = [picture.params["mask"]["sha256"] for picture in pictures]
    assert digests == [mask.sha256 for mask in masks] * 2
    # Nor would recipes of one set be comparable.
    first = stimulus_set.recipes.get()
    second = Recipe.objects.create(
        name="second", preset=first.preset, size=64, evaluations=1, region="foreground"
    )
    stimulus_set.recipes.add(second)
    call_command("make_stimuli", "grouped", "--inline")
    added = stimulus_set.pictures.filter(recipe=second).order_by("word", "content")
    assert [picture.mask for picture in added] == masks * 2


def test_a_set_made_in_this_process_makes_its_masks() -> None:
    stimulus_set, _clustering = grouped_set((3,), region="foreground")
    image, _truth = scene()
    content = ContentImage.objects.create(
        name="an ellipse", **photograph_fields(RgbImage(image, image.width, image.height))
    )
    stimulus_set.contents.set([content])
    jobs.find_mask(content, MaskKind.BOX, list(BOX))
    call_command("make_stimuli", "grouped", "--inline")
    params = stimulus_set.pictures.get().params["mask"]
    assert (params["kind"], params["box"]) == ("box", list(BOX))
    assert params["params"]["method"] == "grabcut"
    assert params["sha256"] == Mask.objects.get().sha256


def test_why_there_is_no_mask_names_the_last_attempt(content: ContentImage) -> None:
    row = jobs.find_mask(content, MaskKind.BOX, [0, 0, 5, 5])
    pipeline.find_mask(row.pk)
    with pytest.raises(styles.StyleMissing, match=r"has no mask.*last attempt: .*got 5 × 5"):
        styles.mask_for(Recipe(region="foreground"), content)


def test_a_mask_that_cannot_be_read_is_named(content: ContentImage) -> None:
    row = uploaded(content)
    Path(row.file.path).write_bytes(b"nothing")
    with pytest.raises(styles.StyleMissing, match=r"mask of an ellipse cannot be read.*again"):
        styles.mask_for(Recipe(region="foreground"), content)


# --- a background in another word's style ---------------------------------------------------------


def background_set(**recipe: Any) -> tuple[StimulusSet, Word]:
    """Pictures of ふさふさ, and a word behind them that is not in the set."""
    stimulus_set, _clustering = grouped_set((3, 4))
    behind = Word.objects.create(text="芝生")
    for n in range(6):
        SourceImage.objects.create(word=behind, rank=n, **photograph(500 + n, (40, 190, 50)))
    values = {"preset": "random-phase", "size": 64, "evaluations": 3, **recipe}
    stimulus_set.recipes.set(
        [RecipeFactory(region="background", background=behind, content_weight=0.0, **values)]
    )
    for content in stimulus_set.contents.all():
        uploaded(content)
    return stimulus_set, behind


def test_foreground_and_background_take_two_styles() -> None:
    stimulus_set, behind = background_set(evaluations=12)
    call_command("make_stimuli", "grouped", "--inline")
    stimulus_set.refresh_from_db()
    assert stimulus_set.is_ready
    clustering = Clustering.objects.get(word=behind)
    kinds = behind.jobs.order_by("pk").values_list("kind", "state")
    assert list(kinds) == [(kind, State.DONE) for kind in ("embed", "cluster", "represent")]
    for picture in stimulus_set.pictures.all():
        assert picture.clustering.word != behind
        assert picture.background_clustering == clustering
        ranks = list(clustering.clusters.filter(chosen=True).values_list("rank", flat=True))
        assert picture.params["background"] == {"word": "芝生", "clusters": ranks}
        pixels = np.asarray(features.open_photograph(picture), dtype=float)
        right = pixels[:, 38:].mean(axis=(0, 1))
        left = pixels[:, :26].mean(axis=(0, 1))
        # The photographs behind have the mean color (40, 190, 50).
        assert right[1] - right[0] > 100 > left[1] - left[0] + 50
    chosen = clustering.clusters.filter(chosen=True)
    assert Style.objects.get(clustering=clustering).members == sum(c.size for c in chosen)


def test_a_word_behind_a_picture_keeps_its_name() -> None:
    _stimulus_set, behind = background_set()
    behind.text = "しばふ"
    behind.full_clean()
    call_command("make_stimuli", "grouped", "--inline")
    with pytest.raises(ValidationError, match="There are pictures of 芝生"):
        behind.full_clean()


def test_both_words_go_their_ways_beside_each_other(sent: list[tuple[str, int]]) -> None:
    stimulus_set, behind = background_set()
    jobs.start(stimulus_set)
    jobs.plan(stimulus_set)
    jobs.plan(stimulus_set)
    (front,) = stimulus_set.words.all()
    assert {(job.word, job.kind) for job in Job.objects.all()} == {
        (front, "represent"),
        (behind, "embed"),
    }
    pipeline.represent_word(Job.objects.get(word=front).pk)
    jobs.plan(stimulus_set)
    assert not jobs.ready_pictures().exists()
    state = set_state(stimulus_set)
    assert [row.word for row in state.rows] == [front]
    assert [(row.word, row.photographs) for row in state.backgrounds] == [(behind, 6)]
    row = Job.objects.get(word=behind)
    Job.objects.claim(row.pk, "me")
    assert measure(stimulus_set).stage == "embed"


def test_a_background_that_cannot_be_made_is_the_reason() -> None:
    stimulus_set, behind = background_set()
    behind.images.all().delete()
    with pytest.raises(CommandError, match=r"芝生 has no photographs\. Upload some"):
        call_command("make_stimuli", "grouped", "--inline")
    for n in range(2):
        SourceImage.objects.create(word=behind, rank=n, **photograph(700 + n))
    with pytest.raises(CommandError, match=r"芝生 has 2 usable photographs.*Upload more"):
        call_command("make_stimuli", "grouped", "--inline")
    assert "芝生" in str(set_state(stimulus_set).problems[0].where)
    for n in range(4):
        SourceImage.objects.create(word=behind, rank=n, **photograph(800 + n))
    call_command("make_stimuli", "grouped", "--inline")
    stimulus_set.refresh_from_db()
    assert stimulus_set.is_ready


def test_the_background_is_one_style_where_clusters_are_kept_apart() -> None:
    stimulus_set, behind = background_set(apart=True, clusters=2)
    # The word behind is in the set as well.
    stimulus_set.words.add(behind)
    call_command("make_stimuli", "grouped", "--inline")
    front = stimulus_set.words.exclude(pk=behind.pk).get()
    chosen = Clustering.objects.get(word=behind).clusters.filter(chosen=True)
    ranks = [cluster.rank for cluster in chosen][:2]
    for picture in stimulus_set.pictures.all():
        assert picture.params["clusters"] == [picture.variant]
        assert picture.params["background"]["clusters"] == ranks
    assert set(stimulus_set.pictures.filter(word=front).values_list("variant", flat=True)) == {1, 2}
    made = set(Style.objects.filter(clustering__word=behind).values_list("ranks", flat=True))
    assert made == {*map(str, ranks), ",".join(map(str, ranks))}


def test_a_retried_picture_is_planned_with_both_clusterings_anew() -> None:
    stimulus_set, _behind = background_set()
    call_command("make_stimuli", "grouped", "--inline")
    StylizedImage.objects.update(state=State.FAILED, finished_at=timezone.now() - timedelta(days=1))
    stimulus_set.pictures.all().retry_failed()
    assert set(stimulus_set.pictures.values_list("clustering", "background_clustering")) == {
        (None, None)
    }


def test_a_background_word_goes_with_such_a_recipe_only() -> None:
    word = WordFactory()
    for values in ({"region": "background"}, {"region": "foreground", "background": word}):
        recipe = Recipe(name="x", **values)
        with pytest.raises(
            ValidationError, match="goes with a recipe that restyles the background"
        ):
            recipe.full_clean()
        with pytest.raises(IntegrityError), transaction.atomic():
            recipe.save()
    Recipe(name="x", region="background", background=word).full_clean()


def test_read_back(content: ContentImage) -> None:
    # Gray in, gray out: the file is a plain 8-bit PNG.
    values = torch.arange(content.width * content.height).reshape(content.height, content.width)
    image = Image.fromarray((values % 256).to(torch.uint8).numpy())
    data = mask_file(image).read()
    assert read_image(data).image.convert("L").tobytes() == image.tobytes()
