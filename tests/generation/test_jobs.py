"""Rows and leases: what is planned, sent, claimed, lost and given back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from generation import jobs
from generation.models import Job, SourceImage, State, StimulusSet, Style, StylizedImage, Word
from stylestudy import leases
from tests.factories import (
    ClusteringFactory,
    ContentImageFactory,
    RecipeFactory,
    SourceImageFactory,
    StimulusSetFactory,
    WordFactory,
    make_ready_set,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    messages: list[tuple[str, int]] = []

    def send_task(name: str, args: list[int]) -> None:
        messages.append((name, args[0]))

    monkeypatch.setattr(leases.current_app, "send_task", send_task)
    return messages


def new_set(photographs: int = 4, source: str = "") -> StimulusSet:
    stimulus_set = StimulusSetFactory()
    word = WordFactory(source=source)
    SourceImageFactory.create_batch(photographs, word=word)
    stimulus_set.words.add(word)
    stimulus_set.contents.add(*ContentImageFactory.create_batch(2))
    stimulus_set.recipes.add(RecipeFactory())
    return stimulus_set


def finish(job: Job, **fields: Any) -> None:
    assert Job.objects.claim(job.pk, "me")
    assert Job.objects.finish(job.pk, "me", **fields)


def test_stages_follow_each_other(
    sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    stimulus_set = new_set()
    with django_capture_on_commit_callbacks(execute=True):
        jobs.make(stimulus_set)
    embed = Job.objects.get()
    assert (embed.kind, sent) == ("embed", [("generation.embed_word", embed.pk)])
    finish(embed)
    jobs.advance_all()
    cluster = Job.objects.get(kind="cluster")
    word = stimulus_set.words.get()
    ClusteringFactory(word=word, fingerprint=word.fingerprint())
    finish(cluster)
    with django_capture_on_commit_callbacks(execute=True):
        jobs.advance_all()
    represent = Job.objects.get(kind="represent")
    assert represent.recipe == stimulus_set.recipes.get()
    assert sent[1:] == [("generation.represent_word", represent.pk)]
    finish(represent)
    with django_capture_on_commit_callbacks(execute=True):
        jobs.advance_all()
    pictures = list(stimulus_set.pictures.all())
    assert sent[2:] == [("generation.stylize_picture", p.pk) for p in pictures]
    assert all(p.clustering_id for p in pictures)


def test_planning_twice_writes_and_sends_once(
    sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    stimulus_set = new_set()
    with django_capture_on_commit_callbacks(execute=True):
        jobs.make(stimulus_set)
        jobs.make(stimulus_set)
        jobs.advance_all()
    assert Job.objects.count() == 1
    assert stimulus_set.pictures.count() == 2
    assert len(sent) == 1


def test_a_word_without_photographs_fails_with_what_to_do(sent: list[tuple[str, int]]) -> None:
    stimulus_set = new_set(photographs=0)
    jobs.make(stimulus_set)
    assert stimulus_set.status == StimulusSet.Status.FAILED
    assert "Upload some" in stimulus_set.pictures.first().error


def test_a_failed_stage_fails_its_pictures_and_is_tried_again_on_request(
    sent: list[tuple[str, int]],
) -> None:
    stimulus_set = new_set()
    jobs.make(stimulus_set)
    job = Job.objects.get()
    Job.objects.claim(job.pk, "me")
    Job.objects.fail(job.pk, "me", "The reason.")
    jobs.advance_all()
    stimulus_set.refresh_from_db()
    assert stimulus_set.status == StimulusSet.Status.FAILED
    assert set(stimulus_set.pictures.values_list("error", flat=True)) == {"The reason."}
    jobs.make(stimulus_set)
    assert set(stimulus_set.pictures.values_list("state", flat=True)) == {State.QUEUED}
    assert Job.objects.get().state == State.QUEUED


def test_only_one_of_many_claims(sent: list[tuple[str, int]]) -> None:
    jobs.make(new_set())
    job = Job.objects.get()
    assert [Job.objects.claim(job.pk, f"worker {n}") for n in range(3)] == [True, False, False]


def test_who_lost_the_lease_stores_nothing(sent: list[tuple[str, int]]) -> None:
    jobs.make(new_set())
    job = Job.objects.get()
    Job.objects.claim(job.pk, "first")
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert jobs.give_back_lost() == 1
    Job.objects.claim(job.pk, "second")
    assert not Job.objects.renew(job.pk, "first")
    assert not Job.objects.finish(job.pk, "first", note="late")
    assert Job.objects.finish(job.pk, "second", note="right")
    assert Job.objects.get(pk=job.pk).note == "right"


def test_work_that_always_kills_its_worker_is_given_up(
    sent: list[tuple[str, int]], settings: Any
) -> None:
    settings.MAX_ATTEMPTS = 2
    jobs.make(new_set())
    job = Job.objects.get()
    for _attempt in range(2):
        assert Job.objects.claim(job.pk, "me")
        Job.objects.give_back(Q())
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "2 times" in job.error


def test_reconcile_takes_up_what_a_dead_process_of_this_machine_held(
    sent: list[tuple[str, int]],
) -> None:
    jobs.make(new_set())
    job = Job.objects.get()
    machine, _slash, process = leases.owner_name().rpartition("/")
    number = process.partition("-")[0]
    # Gone; and a number that another process has taken since.
    for owner in (f"{machine}/999999999-1", f"{machine}/{number}-1"):
        assert Job.objects.claim(job.pk, owner)
        jobs.reconcile()
        job.refresh_from_db()
        assert job.state == State.QUEUED


def test_a_machine_of_the_same_name_is_another_one(sent: list[tuple[str, int]]) -> None:
    jobs.make(new_set())
    job = Job.objects.get()
    host = leases.owner_name().partition("/")[0]
    Job.objects.claim(job.pk, f"{host}/0123456789ab/999999999-1")
    jobs.reconcile()
    job.refresh_from_db()
    assert job.state == State.RUNNING


def test_a_broker_that_does_not_answer_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(leases.current_app, "send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        jobs.make(new_set())
    job = Job.objects.get()
    assert (job.state, job.sent_at) == (State.QUEUED, None), "it is sent with the next occasion"


def test_a_new_attempt_starts_from_nothing(sent: list[tuple[str, int]]) -> None:
    jobs.make(new_set())
    job = Job.objects.get()
    Job.objects.filter(pk=job.pk).update(done=7, total=9)
    Job.objects.claim(job.pk, "me")
    job.refresh_from_db()
    assert (job.done, job.total) == (0, 0)


def test_a_status_is_never_written_from_rows_read_too_early(
    sent: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The set is planned from its row as it is in the database, not as the caller once read it.
    stimulus_set = new_set()
    old = StimulusSet.objects.get(pk=stimulus_set.pk)
    jobs.make(stimulus_set)
    assert old.status == StimulusSet.Status.DRAFT
    jobs.plan(old)
    assert old.status == StimulusSet.Status.MAKING


def test_a_word_with_a_source_is_collected_though_photographs_are_there(
    sent: list[tuple[str, int]],
) -> None:
    # Uploaded beside it, or left by a collection that broke off.
    stimulus_set = new_set(photographs=4, source="samples")
    jobs.make(stimulus_set)
    job = Job.objects.get()
    assert job.kind == Job.Kind.COLLECT
    Job.objects.claim(job.pk, "me")
    Job.objects.fail(job.pk, "me", "The network went.")
    jobs.plan(stimulus_set)
    assert stimulus_set.status == StimulusSet.Status.FAILED
    assert stimulus_set.pictures.first().error == "The network went."
    jobs.make(stimulus_set)
    finish(Job.objects.get())
    jobs.plan(stimulus_set)
    assert Job.objects.filter(kind=Job.Kind.EMBED).exists()


def test_a_recipe_stays_as_soon_as_work_with_it_began(sent: list[tuple[str, int]]) -> None:
    stimulus_set = new_set()
    recipe = stimulus_set.recipes.get()
    jobs.start(stimulus_set)
    assert not recipe.in_use
    word = stimulus_set.words.get()
    ClusteringFactory(word=word, fingerprint=word.fingerprint())
    jobs.plan(stimulus_set)
    assert Job.objects.get().kind == Job.Kind.REPRESENT
    assert recipe.in_use
    with pytest.raises(ValidationError, match="stays as it is"):
        recipe.full_clean()


def test_a_recipe_with_a_style_stays() -> None:
    # Its job may be gone, and a style of other layers must not be taken for the recipe's.
    recipe = RecipeFactory()
    Style.objects.create(
        clustering=ClusteringFactory(),
        recipe=recipe,
        ranks="1",
        members=1,
        dispersion={"conv1_1": 0.1},
        seconds=1.0,
    )
    assert recipe.in_use


def test_a_word_with_pictures_keeps_its_name() -> None:
    word = make_ready_set(words=1, contents=1).words.get()
    word.gloss = "another gloss"
    word.full_clean()
    word.text = "another word"
    with pytest.raises(ValidationError, match="Add a new word"):
        word.full_clean()


def test_two_photographs_of_one_name_have_files_of_their_own() -> None:
    # Both asked for the name before either had taken it.
    storage = default_storage
    names = [storage._save("photographs/a.png", ContentFile(data)) for data in (b"one", b"two")]
    assert len(set(names)) == 2
    assert [Path(storage.path(name)).read_bytes() for name in names] == [b"one", b"two"]
    assert not [f for f in storage.listdir("photographs")[1] if f.endswith(".part")]


def test_reconcile_leaves_a_living_owner_alone(sent: list[tuple[str, int]]) -> None:
    jobs.make(new_set())
    job = Job.objects.get()
    Job.objects.claim(job.pk, leases.owner_name())
    jobs.reconcile(starting=True)
    job.refresh_from_db()
    assert job.state == State.RUNNING


def test_a_lost_message_is_sent_again_when_a_worker_starts(
    sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        jobs.make(new_set())
        jobs.reconcile()
    assert len(sent) == 1
    with django_capture_on_commit_callbacks(execute=True):
        jobs.reconcile(starting=True)
    assert len(sent) == 2


class TestConstraints:
    """The database itself refuses, whatever code runs."""

    def test_one_picture_per_combination(self) -> None:
        picture = make_ready_set(words=1, contents=1).pictures.get()
        picture.pk = None
        with pytest.raises(IntegrityError), transaction.atomic():
            picture.save(force_insert=True)

    def test_a_done_picture_has_a_file(self) -> None:
        picture = make_ready_set(words=1, contents=1).pictures.get()
        with pytest.raises(IntegrityError), transaction.atomic():
            StylizedImage.objects.filter(pk=picture.pk).update(file="")

    def test_a_word_with_pictures_cannot_be_deleted_by_sql(self) -> None:
        make_ready_set(words=1, contents=1)
        with connection.cursor() as cursor:
            cursor.execute("delete from generation_word")
        with pytest.raises(IntegrityError):
            connection.check_constraints()
        transaction.set_rollback(True)

    def test_one_photograph_per_word(self) -> None:
        image = SourceImageFactory()
        with pytest.raises(IntegrityError), transaction.atomic():
            SourceImage.objects.create(
                word=image.word, sha256=image.sha256, file=image.file, width=1, height=1
            )
        assert Word.objects.count() == 1


def test_a_word_taken_out_of_the_set_no_longer_counts(sent: list[tuple[str, int]]) -> None:
    stimulus_set = new_set()
    empty = WordFactory()
    stimulus_set.words.add(empty)
    jobs.make(stimulus_set)
    StylizedImage.objects.exclude(word=empty).update(
        state=State.DONE, file="pictures/a.png", clustering=ClusteringFactory()
    )
    jobs.plan(stimulus_set)
    assert stimulus_set.status == StimulusSet.Status.FAILED
    stimulus_set.words.remove(empty)
    jobs.plan(stimulus_set)
    assert stimulus_set.status == StimulusSet.Status.READY


def test_a_deleted_row_takes_its_file_along(
    django_capture_on_commit_callbacks: Any,
) -> None:
    photograph = SourceImageFactory()
    picture = make_ready_set(words=1, contents=1).pictures.get()
    files = [Path(row.file.path) for row in (photograph, picture)]
    assert all(file.exists() for file in files)
    with django_capture_on_commit_callbacks(execute=True):
        SourceImage.objects.all().delete()
        StylizedImage.objects.all().delete()
    assert not any(file.exists() for file in files)
