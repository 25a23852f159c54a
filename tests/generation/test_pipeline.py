"""The stages on real rows and files, with a small untrained network in place of the big one."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import torch
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image
from torch import Tensor

from generation import features, jobs, pipeline, styles
from generation.imagefile import photograph_fields, read_image
from generation.models import (
    Clustering,
    ContentImage,
    Job,
    Recipe,
    SourceImage,
    State,
    StimulusSet,
    StylizedImage,
    Word,
)
from generation.sources.base import SearchHit, SourceError
from generation.vision.encoder import Encoder
from stylestudy import leases
from tests.factories import StimulusSetFactory, grain

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_network")]


def photograph(seed: int, color: tuple[int, int, int] = (120, 100, 90)) -> dict[str, Any]:
    return dict(photograph_fields(read_image(grain(seed, color))))


def small_set(photographs: int = 6, contents: int = 1) -> StimulusSet:
    word = Word.objects.create(text="ざらざら")
    for n in range(photographs):
        SourceImage.objects.create(word=word, rank=n, **photograph(n))
    stimulus_set = StimulusSetFactory(slug="small")
    stimulus_set.words.add(word)
    for n in range(contents):
        row = ContentImage.objects.create(name=f"c{n}", **photograph(100 + n, (60, 120, 160)))
        stimulus_set.contents.add(row)
    stimulus_set.recipes.add(
        Recipe.objects.create(name="small", preset="random-phase", size=64, evaluations=3)
    )
    return stimulus_set


def test_the_whole_way_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    stimulus_set = small_set(contents=2)
    call_command("make_stimuli", "small", "--inline")
    stimulus_set.refresh_from_db()
    assert stimulus_set.is_ready
    assert "2 pictures are ready" in capsys.readouterr().out
    for picture in stimulus_set.pictures.all():
        assert picture.params["size"] == 64
        assert picture.params["precision"] == "float32"
        assert set(picture.params["computed_by"]) == {"device", "torch", "threads"}
        assert picture.params["restarts"] == 0
        assert 1 <= picture.params["best_evaluation"] <= 3
        assert picture.params["evaluations"] == len(picture.loss_curve) == 3
        assert picture.source_correlation < 0.3
        with Image.open(picture.file.path) as image:
            assert (image.size, image.mode, image.info) == ((64, 64), "RGB", {})
    lengths = {picture.file.size for picture in stimulus_set.pictures.all()}
    assert len(lengths) == 1, "the length of a file says nothing about its word"


def test_again_makes_nothing_again() -> None:
    stimulus_set = small_set()
    call_command("make_stimuli", "small", "--inline")
    before = stimulus_set.pictures.values_list("pk", "file", "attempts").get()
    call_command("make_stimuli", "small", "--inline")
    assert stimulus_set.pictures.values_list("pk", "file", "attempts").get() == before
    assert Clustering.objects.count() == 1


def test_the_same_recipe_and_seed_give_the_same_pixels() -> None:
    small_set()
    call_command("make_stimuli", "small", "--inline")
    first = StylizedImage.objects.get()
    StylizedImage.objects.update(state=State.QUEUED)
    styles._photographs.cache_clear()
    assert pipeline.make_picture(first.pk)
    again = StylizedImage.objects.get()
    assert again.sha256 == first.sha256
    assert again.file.name != first.file.name


def test_too_few_photographs_end_in_a_message_and_the_next_run_goes_on() -> None:
    stimulus_set = small_set(photographs=2)
    with pytest.raises(CommandError, match=r"2 usable photographs.*at least 3"):
        call_command("make_stimuli", "small", "--inline")
    word = stimulus_set.words.get()
    for n in range(10, 14):
        SourceImage.objects.create(word=word, rank=n, **photograph(n))
    call_command("make_stimuli", "small", "--inline")
    stimulus_set.refresh_from_db()
    assert stimulus_set.is_ready


def test_a_damaged_photograph_is_named_as_the_reason() -> None:
    stimulus_set = small_set()
    image = stimulus_set.words.get().images.first()
    assert image is not None
    image.file.storage.delete(image.file.name)
    image.file.storage.save(image.file.name, ContentFile(b"not an image at all"))
    with pytest.raises(CommandError, match=r"stored photograph ざらざら #.*Leave it out"):
        call_command("make_stimuli", "small", "--inline")
    assert Job.objects.get(kind="embed").state == State.FAILED
    SourceImage.objects.filter(pk=image.pk).update(rejected="damaged")
    call_command("make_stimuli", "small", "--inline")


def test_a_photograph_damaged_after_grouping_can_be_left_out() -> None:
    stimulus_set = small_set()
    call_command("make_stimuli", "small", "--inline")
    image = SourceImage.objects.filter(memberships__cluster__chosen=True)[0]
    image.file.storage.delete(image.file.name)
    styles._photographs.cache_clear()
    content = ContentImage.objects.create(name="new", **photograph(200, (60, 120, 160)))
    stimulus_set.contents.add(content)
    with pytest.raises(CommandError, match=r"stored photograph ざらざら #.*Leave it out"):
        call_command("make_stimuli", "small", "--inline")
    SourceImage.objects.filter(pk=image.pk).update(rejected="damaged")
    call_command("make_stimuli", "small", "--inline")
    old, new = stimulus_set.pictures.order_by("pk")
    assert old.clustering != new.clustering, "a finished picture keeps the one it came from"


def test_the_style_is_made_once_and_again_when_its_file_is_cut() -> None:
    stimulus_set = small_set()
    call_command("make_stimuli", "small", "--inline")
    recipe = stimulus_set.recipes.get()
    params = recipe.transfer_params()
    source = styles.source_of(recipe, list(Clustering.objects.get().clusters.filter(chosen=True)))
    (path,) = features.settings.FEATURES_ROOT.glob("*/styles-v*/*.npz")
    whole = path.read_bytes()
    first = styles.style_of(source, params)
    path.write_bytes(whole[: len(whole) // 2])
    again = styles.style_of(source, params)
    assert all((again.targets[layer] == first.targets[layer]).all() for layer in first.layers)
    assert path.read_bytes() == whole
    assert "dispersion" in Job.objects.get(kind="represent").note


def test_a_recipe_of_another_encoder_is_refused() -> None:
    stimulus_set = small_set()
    call_command("make_stimuli", "small", "--inline")
    recipe = Recipe.objects.create(name="other", encoder="vgg19", size=64)
    with pytest.raises(styles.StyleMissing, match=r"vgg16-hed.*vgg19"):
        styles.style_row(Clustering.objects.get(), recipe, [])
    assert stimulus_set.is_ready is False


@pytest.mark.parametrize("what", ["job", "picture"])
def test_what_a_killed_run_held_is_taken_up(what: str) -> None:
    stimulus_set = small_set()
    if what == "picture":
        call_command("make_stimuli", "small", "--inline")
        StimulusSet.objects.update(status=StimulusSet.Status.MAKING)
        rows: Any = StylizedImage.objects.all()
    else:
        jobs.start(stimulus_set)
        jobs.plan(stimulus_set)
        rows = Job.objects.all()
    dead = f"{leases.owner_name().rpartition('/')[0]}/999999999-1"
    rows.update(state=State.RUNNING, owner=dead, lease_until=timezone.now() + timedelta(hours=1))
    call_command("make_stimuli", "small", "--inline")
    stimulus_set.refresh_from_db()
    assert stimulus_set.is_ready


def test_a_long_step_keeps_its_row(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LEASE_SECONDS = 0.03
    renewed = threading.Event()

    class Rows:
        def renew(self, pk: int, owner: str) -> bool:
            assert (pk, owner) == (7, "me")
            renewed.set()
            return True

    with leases.Lease(Rows(), 7, "me"):
        assert renewed.wait(10)
    renewed.clear()
    monkeypatch.setattr(leases, "PATIENCE", 0.0)
    with leases.Lease(Rows(), 7, "me"):
        assert not renewed.wait(0.2), "nothing was heard of it for too long"


def test_features_that_cannot_be_read_are_computed_again() -> None:
    stimulus_set = small_set()
    image = stimulus_set.words.get().images.first()
    assert image is not None
    first = features.embedding_of(image, "vgg16-hed")
    path = features.feature_path(image.sha256, "vgg16-hed")
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:10], b"", b"another file"):
        path.write_bytes(broken)
        again = features.embedding_of(image, "vgg16-hed")
        assert (again.descriptor == first.descriptor).all()
    assert (features.embedding_of(image, "vgg16-hed").descriptor == first.descriptor).all()


def test_a_picture_says_its_precision_and_a_wish_that_cannot_be_met_fails_it(settings: Any) -> None:
    stimulus_set = small_set()
    settings.PRECISION = "bf16"
    call_command("make_stimuli", "small", "--inline")
    assert stimulus_set.pictures.get().params["precision"] == "bf16"
    StylizedImage.objects.update(state=State.QUEUED)
    settings.PRECISION = "tf32"
    with pytest.raises(CommandError, match=r"'tf32' was asked for.*'cpu' cannot"):
        call_command("make_stimuli", "small", "--inline")


def test_a_picture_that_does_not_fit_fails_with_what_to_do(
    small_network: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stimulus_set = small_set()
    forward = small_network.forward

    def limited(x: Tensor, layers: Any) -> dict[str, Tensor]:
        if x.requires_grad:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return forward(x, layers)

    monkeypatch.setattr(small_network, "forward", limited)
    with pytest.raises(CommandError, match=r"'cpu' does not suffice.*size of the recipe"):
        call_command("make_stimuli", "small", "--inline")
    assert stimulus_set.pictures.get().state == State.FAILED


def test_a_defect_fails_its_row_and_not_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    stimulus_set = small_set()

    def broken(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(pipeline, "stylize", broken)
    with pytest.raises(CommandError, match="ZeroDivisionError: a defect"):
        call_command("make_stimuli", "small", "--inline")
    assert stimulus_set.pictures.get().state == State.FAILED


class HalfBrokenSource:
    name = "half"

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        for rank in range(6):
            yield SearchHit(source="half", query=query, rank=rank, origin=str(rank), license="CC0")

    def read(self, hit: SearchHit) -> bytes:
        if hit.rank == 1:
            raise SourceError("gone")
        return b"<html>" if hit.rank == 2 else grain(hit.rank, (90, 90, 90))


def test_collecting_keeps_the_good_ones_and_says_why_others_were_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "get_source", lambda _name: HalfBrokenSource())
    word = Word.objects.create(text="もふもふ", source="half")
    for _twice in range(2):
        job = Job.objects.create(kind=Job.Kind.COLLECT, word=word, source="samples")
        assert pipeline.collect(job.pk)
    assert word.images.count() == 4
    assert set(word.images.values_list("license", flat=True)) == {"CC0"}
    job.refresh_from_db()
    refused = word.hits.filter(state="refused").values_list("rank", "reason", "detail")
    assert [(rank, reason) for rank, reason, _detail in refused] == [
        (1, "source"),
        (2, "html"),
    ]
    assert refused[0][2] == "gone"
    assert job.note == "6 found, 0 stored, 6 there already."


def test_an_unknown_source_is_named() -> None:
    stimulus_set = small_set(photographs=0)
    stimulus_set.words.update(source="nope")
    with pytest.raises(CommandError, match="no image source 'nope'"):
        call_command("make_stimuli", "small", "--inline")


def test_an_unknown_set_names_the_sets() -> None:
    small_set()
    with pytest.raises(CommandError, match="Sets: small"):
        call_command("make_stimuli", "nope", "--inline")


def test_a_done_row_is_not_done_twice() -> None:
    stimulus_set = small_set()
    call_command("make_stimuli", "small", "--inline")
    assert pipeline.make_picture(stimulus_set.pictures.get().pk) is False


def test_a_picture_whose_lease_was_lost_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stimulus_set = small_set()
    real = pipeline.stylize

    def taken_over(*args: Any, **kwargs: Any) -> Any:
        StylizedImage.objects.update(owner="another")
        return real(*args, **{**kwargs, "on_step": None})

    monkeypatch.setattr(pipeline, "stylize", taken_over)
    jobs.start(stimulus_set)
    jobs.plan(stimulus_set)
    pipeline.embed_word(Job.objects.get(kind="embed").pk)
    jobs.plan(stimulus_set)
    pipeline.cluster_word(Job.objects.get(kind="cluster").pk)
    jobs.plan(stimulus_set)
    pipeline.represent_word(Job.objects.get(kind="represent").pk)
    jobs.plan(stimulus_set)
    picture = stimulus_set.pictures.get()
    pipeline.make_picture(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.file.name) == (State.RUNNING, "")
    storage = picture.file.storage
    assert not storage.exists("pictures") or storage.listdir("pictures")[1] == []
