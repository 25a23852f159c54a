"""One participant's way: join, next trial, record, finish."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from survey import design
from survey.lifecycle import planning
from survey.models import Answer, Participation, Study, Trial


class NotOpen(Exception):
    """The study takes no new participants."""


class BadSlot(ValueError):
    """The chosen slot is not one of the trial's."""


@dataclass(frozen=True)
class Progress:
    answered: int
    total: int


def join(
    study: Study, language: str, *, simulated: bool = False, seed: int | None = None
) -> Participation:
    """A new participation with all its trials, numbered from 1, or nothing at all.

    Raises:
        NotOpen: the study is a draft or closed.
        design.DesignError: the study's questions do not allow so many options.
    """
    with transaction.atomic():
        if not Study.objects.open().filter(pk=study.pk).exists():
            raise NotOpen(f"The study {study.slug!r} is not open.")
        participation = Participation(study=study, language=language, simulated=simulated)
        if seed is not None:
            participation.seed = seed
        participation.save(force_insert=True)
        questions = list(study.questions.select_related("stimulus"))
        ids = {(q.kind, q.stimulus_id): q.pk for q in questions}
        pictures = {q.stimulus_id: planning(q.stimulus) for q in questions}
        planned = design.plan(
            pictures.values(),
            sorted({q.kind for q in questions}),
            study.options,
            design.generator(participation.seed),
        )
        Trial.objects.bulk_create(
            [
                Trial(
                    participation=participation,
                    question_id=ids[trial.kind, trial.target],
                    position=position,
                    options=list(trial.options),
                    target_slot=trial.target_slot,
                )
                for position, trial in enumerate(planned, start=1)
            ]
        )
    return participation


def current_trial(participation: Participation) -> Trial | None:
    """The first trial without an answer, or None when all are answered."""
    return (
        participation.trials.filter(answer__isnull=True)
        .select_related("question__stimulus__word")
        .order_by("position")
        .first()
    )


def show(trial: Trial) -> None:
    """Note when a trial was first shown."""
    if trial.shown_at is None:
        trial.shown_at = timezone.now()
        Trial.objects.filter(pk=trial.pk, shown_at__isnull=True).update(shown_at=trial.shown_at)


def record(trial: Trial, slot: int) -> Answer:
    """Store the answer. The first one counts: later and racing ones get it back unchanged.

    Raises:
        BadSlot: the slot is not one of the trial's; nothing is stored.
    """
    if not 0 <= slot < len(trial.options):
        raise BadSlot(f"Expected a slot from 0 to {len(trial.options) - 1}; got {slot}.")
    with transaction.atomic():
        # Of racing inserts the database lets one through; the others read it (get_or_create
        # tries in a savepoint).
        answer, _created = Answer.objects.get_or_create(trial=trial, defaults={"slot": slot})
    finish_if_done(trial.participation_id)
    return answer


def finish_if_done(participation_id: int) -> bool:
    """Set the time of finishing once every trial has an answer."""
    if Trial.objects.filter(participation=participation_id, answer__isnull=True).exists():
        return False
    Participation.objects.filter(pk=participation_id, finished_at__isnull=True).update(
        finished_at=timezone.now()
    )
    return True


def progress(participation: Participation) -> Progress:
    """How many of the trials are answered."""
    counts = participation.trials.aggregate(answered=Count("answer"), total=Count("pk"))
    return Progress(counts["answered"], counts["total"])
