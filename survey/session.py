"""One participant's way: join, next step, record, finish or leave.

Every step is read from the rows, never from the browser: whoever reloads, comes back after days or uses
a second device is shown what is next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from survey import about, design
from survey.lifecycle import outline_of, planning
from survey.models import (
    Analysis,
    Answer,
    ConsentText,
    Invitation,
    Participation,
    ParticipationQuerySet,
    Question,
    Study,
    Trial,
    WordDisplay,
    check_slot,
)
from survey.stats import quality

# Whoever began longer ago than this and has not finished is not counted on any more.
BELIEVED_RUNNING = timedelta(hours=2)


class NotOpen(Exception):
    """The study takes no new participants."""


class Full(NotOpen):
    """As many as were wanted have finished or are at it."""


@dataclass(frozen=True)
class Progress:
    answered: int
    total: int


class Stage(StrEnum):
    """What a participant is shown next."""

    ABOUT = "about"
    QUESTION = "question"
    FEEDBACK = "feedback"
    BREAK = "break"
    END = "end"
    DONE = "done"
    SCREENED_OUT = "screened_out"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Step:
    stage: Stage
    # Of a question or of feedback.
    trial: Trial | None = None


@dataclass(frozen=True)
class Measures:
    """What the page measured of one answer; empty without JavaScript. Times in ms from onset."""

    response_ms: float | None = None
    chosen_ms: float | None = None
    onset: str = ""
    input: str = ""
    focus_losses: int = 0
    display: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """The answer in the database, and whether it is the one that was sent."""

    answer: Answer
    stored: bool


# --- joining ------------------------------------------------------------------------------------


def join(
    study: Study,
    language: str,
    *,
    simulated: bool = False,
    seed: int | None = None,
    person: str = "",
    external: Mapping[str, str] | None = None,
    consent: ConsentText | None = None,
) -> Participation:
    """A participation with all its trials, numbered from 1, or nothing at all.

    Whoever has begun before (the same ``person``, not empty) gets that participation back, whatever has
    become of the study.

    Raises:
        NotOpen: the study is a draft or closed, or its closing date has passed.
        Full: nobody more is wanted.
        design.DesignError: the study's questions do not allow so many options.
    """
    with transaction.atomic():
        # One at a time: quotas, balance and rows of the Latin square are counted.
        row = Study.objects.select_for_update().get(pk=study.pk)
        if person:
            known = row.participations.filter(person=person).first()
            if known is not None:
                return known
        check_open(row, simulated=simulated)
        participation = Participation(
            study=row,
            language=language,
            simulated=simulated,
            person=person,
            external=dict(external or {}),
            consent=consent,
            word_display=_display(row.word_display, language),
        )
        if seed is not None:
            participation.seed = seed
        if row.order == design.LATIN:
            participation.row = _free_row(row, simulated)
        participation.save(force_insert=True)
        _plan_trials(participation)
    return participation


def check_open(study: Study, *, simulated: bool = False) -> None:
    """Raise NotOpen or Full unless somebody new may begin now."""
    if study.status != Study.Status.OPEN:
        raise NotOpen(f"The study {study.slug!r} is not open.")
    if study.closes_at is not None and study.closes_at <= timezone.now():
        raise NotOpen(f"The study {study.slug!r} was open until {study.closes_at}.")
    if study.quota is not None and counted(study, simulated).count() >= study.quota:
        raise Full(f"The study {study.slug!r} has its {study.quota} participants.")


def counted(study: Study, simulated: bool = False) -> ParticipationQuerySet:
    """Participations that count for quotas and balance: finished, or believed to be going on."""
    running = Q(finished_at=None, consented_at__gt=timezone.now() - BELIEVED_RUNNING)
    return (
        Participation.objects.filter(study=study, simulated=simulated)
        .filter(withdrawn_at=None, screened_out_at=None)
        .filter(Q(finished_at__isnull=False) | running)
    )


def _display(wanted: str, language: str) -> str:
    if wanted != WordDisplay.LANGUAGE:
        return wanted
    return WordDisplay.WRITTEN if language == "ja" else WordDisplay.BOTH


def _free_row(study: Study, simulated: bool) -> int:
    """The first row of the Latin square that nobody who counts has."""
    taken = set(counted(study, simulated).order_by().values_list("row", flat=True))
    return next(row for row in range(len(taken) + 1) if row not in taken)


def trials_each(study: Study) -> int:
    """How many trials a participant gets, all roles; where some have fewer questions, of a typical one."""
    return _trials_each(study.pk, study.opened_at)


@lru_cache(maxsize=256)
def _trials_each(study_id: int, opened_at: datetime | None) -> int:
    # Planned once for each opening: questions are fixed from then on.
    study = Study.objects.get(pk=study_id)
    return len(_plan(Participation(study=study, seed=0), None, _pictures(study)))


Pictures = dict[str, list[design.Picture]]


def _pictures(study: Study) -> Pictures:
    """By purpose, those that the study's questions are about."""
    found: dict[str, dict[int, design.Picture]] = {why: {} for why in Question.Purpose}
    for question in study.questions.select_related("stimulus"):
        found[question.purpose][question.stimulus_id] = planning(question.stimulus)
    return {why: list(pictures.values()) for why, pictures in found.items()}


def _plan(
    participation: Participation,
    asked: Mapping[tuple[str, int], int] | None,
    pictures: Pictures,
) -> list[design.Planned]:
    study, purpose = participation.study, Question.Purpose
    return design.plan(
        pictures[purpose.MAIN],
        outline_of(study),
        design.generator(participation.seed),
        asked=asked,
        row=participation.row,
        square_seed=study.seed,
        practice=pictures[purpose.PRACTICE],
        gold=pictures[purpose.GOLD],
    )


def _plan_trials(participation: Participation) -> None:
    study = participation.study
    purpose = Question.Purpose
    ids = {
        (why, kind, stimulus): pk
        for pk, why, kind, stimulus in study.questions.values_list(
            "pk", "purpose", "kind", "stimulus_id"
        )
    }
    asked = None
    if study.questions_each is not None:
        trials = Trial.objects.filter(
            participation__in=counted(study, participation.simulated), role=Trial.Role.MAIN
        )
        asked = {
            (kind, stimulus): n
            for kind, stimulus, n in trials.order_by()
            .values_list("question__kind", "question__stimulus")
            .annotate(n=Count("pk"))
        }
    planned = _plan(participation, asked, _pictures(study))
    of_role = {design.Role.PRACTICE: purpose.PRACTICE, design.Role.GOLD: purpose.GOLD}
    Trial.objects.bulk_create(
        [
            Trial(
                participation=participation,
                question_id=ids[
                    of_role.get(design.Role(trial.role), purpose.MAIN), trial.kind, trial.target
                ],
                role=trial.role,
                position=position,
                options=list(trial.options),
                target_slot=trial.target_slot,
            )
            for position, trial in enumerate(planned, start=1)
        ]
    )


# --- the next step ------------------------------------------------------------------------------


def next_step(participation: Participation) -> Step:
    """What is next. Finishes the participation where nothing is left to do."""
    if participation.withdrawn_at is not None:
        return Step(Stage.WITHDRAWN)
    if participation.screened_out_at is not None:
        return Step(Stage.SCREENED_OUT)
    if participation.finished_at is not None:
        return Step(Stage.DONE)
    study = participation.study
    if not _told(participation, "before") and about_fields(study, "before"):
        return Step(Stage.ABOUT)
    if study.practice:
        seen = _trials(participation).filter(
            role=Trial.Role.PRACTICE, answer__isnull=False, feedback_at=None
        )
        practised = seen.select_related("answer").first()
        if practised is not None:
            return Step(Stage.FEEDBACK, practised)
    trial = current_trial(participation)
    if trial is not None:
        if break_due(participation, trial):
            return Step(Stage.BREAK, trial)
        return Step(Stage.QUESTION, trial)
    if finish_if_done(participation):
        return Step(Stage.DONE)
    return Step(Stage.END)


def current_trial(participation: Participation) -> Trial | None:
    """The first trial without an answer, or None when all are answered."""
    return _trials(participation).filter(answer__isnull=True).first()


def coming(participation: Participation, trial: Trial, n: int) -> list[Trial]:
    """The next n trials after this one, whose pictures a page may fetch ahead."""
    return list(_trials(participation).filter(position__gt=trial.position)[:n])


def _trials(participation: Participation) -> QuerySet[Trial]:
    return participation.trials.select_related(
        "question__stimulus__word", "question__stimulus__content"
    ).order_by("position")


def break_due(participation: Participation, trial: Trial) -> bool:
    """Before this trial: after each so many questions, practice not counted."""
    every = participation.study.break_every
    if not every or trial.role == Trial.Role.PRACTICE:
        return False
    done = (
        participation.trials.filter(answer__isnull=False).exclude(role=Trial.Role.PRACTICE).count()
    )
    return done > 0 and done % every == 0 and done > participation.rested_after


def go_on(participation: Participation) -> None:
    """Leave the break or the feedback that is shown. Doing it again changes nothing."""
    step = next_step(participation)
    if step.stage == Stage.FEEDBACK and step.trial is not None:
        Trial.objects.filter(pk=step.trial.pk, feedback_at=None).update(feedback_at=timezone.now())
    elif step.stage == Stage.BREAK:
        participation.rested_after = (
            participation.trials.filter(answer__isnull=False)
            .exclude(role=Trial.Role.PRACTICE)
            .count()
        )
        participation.save(update_fields=["rested_after"])


def show(trial: Trial) -> None:
    """Note when a trial was first shown, and how often: a reload starts the page's clock anew."""
    trial.shown_at = trial.shown_at or timezone.now()
    Trial.objects.filter(pk=trial.pk).update(
        shown_at=Coalesce("shown_at", Value(trial.shown_at)), showings=F("showings") + 1
    )


# --- what participants say ----------------------------------------------------------------------


def record(
    trial: Trial, slot: int | None, *, key: str = "", measures: Measures | None = None
) -> Recorded:
    """Store the answer. The first one counts: later and racing ones get it back unchanged.

    Args:
        slot: what was chosen, or None for "not sure".
        key: made by the page before the first sending; the same answer sent again is known by it.

    Raises:
        BadSlot: that cannot be answered to the trial; nothing is stored.
    """
    check_slot(trial, slot)
    values: dict[str, Any] = {"slot": slot, "key": key}
    if measures is not None:
        values |= {
            "response_ms": measures.response_ms,
            "chosen_ms": measures.chosen_ms,
            "onset": measures.onset,
            "input": measures.input,
            "focus_losses": measures.focus_losses,
            "display": dict(measures.display),
        }
    with transaction.atomic():
        # Of racing inserts the database lets one through; the others read it (get_or_create
        # tries in a savepoint). Locked against a withdrawal that deletes at the same time.
        person = Participation.objects.select_for_update().get(pk=trial.participation_id)
        if person.withdrawn_at is not None:
            raise Withdrawn(f"Participation {person.pk} was withdrawn.")
        answer, created = Answer.objects.get_or_create(trial=trial, defaults=values)
    finish_if_done(trial.participation)
    again = bool(key) and answer.key == key and answer.slot == slot
    return Recorded(answer, stored=created or again)


class Withdrawn(Exception):
    """The participant has left the study."""


def about_fields(study: Study, when: str) -> tuple[about.Field, ...]:
    """The fields of the study's form definition that are asked before or after the questions."""
    return about.asked(about.parse(study.demographics), when)


def tell(
    participation: Participation, when: str, answers: Mapping[str, object], comment: str = ""
) -> None:
    """Store what somebody says about themselves, once; the first counts.

    An answer that the study cannot take part with screens the participant out.
    """
    with transaction.atomic():
        row = Participation.objects.select_for_update().get(pk=participation.pk)
        if not _told(row, when) and row.withdrawn_at is None:
            row.about = {**(row.about or {}), when: dict(answers)}
            row.comment = comment or row.comment
            fields = about_fields(row.study, when)
            if when == "before" and about.screened_out(fields, answers):
                row.screened_out_at = timezone.now()
            row.save(update_fields=["about", "comment", "screened_out_at"])
    participation.about, participation.comment = row.about, row.comment
    participation.screened_out_at = row.screened_out_at
    finish_if_done(participation)


def _told(participation: Participation, when: str) -> bool:
    return when in (participation.about or {})


# --- the end ------------------------------------------------------------------------------------


def finish_if_done(participation: Participation) -> bool:
    """Set the time of finishing once nothing is left to say, and store the quality signals."""
    study = participation.study
    asks = study.ask_comment or about_fields(study, "after")
    if asks and not _told(participation, "after"):
        return False
    if participation.trials.filter(answer__isnull=True).exists():
        return False
    unfinished = Participation.objects.going_on().filter(pk=participation.pk)
    if unfinished.exists():
        # Together: a server killed in between would leave no signals, and after a withdrawal that
        # deletes at the same time there must be none.
        found = signals_of(participation).to_json()
        unfinished.update(finished_at=timezone.now(), quality=found)
    participation.refresh_from_db(
        fields=["finished_at", "withdrawn_at", "screened_out_at", "quality"]
    )
    return participation.finished_at is not None


def withdraw(participation: Participation, *, delete: bool) -> None:
    """Leave the study. With ``delete``, everything that was said is deleted for good.

    What stays then is that somebody joined and left, and the keyed hash that keeps one person from
    taking part twice.
    """
    with transaction.atomic():
        row = Participation.objects.select_for_update().get(pk=participation.pk)
        now = timezone.now()
        row.withdrawn_at = row.withdrawn_at or now
        if delete and row.deleted_at is None:
            Answer.objects.filter(trial__participation=row).delete()
            Trial.objects.filter(participation=row).delete()
            row.about, row.comment, row.external, row.quality = None, "", {}, None
            row.webdriver, row.deleted_at = False, now
            # The researcher's note may be a name.
            Invitation.objects.filter(participation=row).update(note="")
            # Kept numbers have a row for each rater; they are made anew when somebody looks.
            Analysis.objects.filter(study=row.study_id).delete()
        row.save()
    for name in ("withdrawn_at", "deleted_at"):
        setattr(participation, name, getattr(row, name))


def signals_of(participation: Participation) -> quality.Signals:
    """Signals about the quality of the answers so far (see `survey.stats.quality`)."""
    answers = Answer.objects.filter(trial__participation=participation)
    given = [
        _given(answer)
        for answer in answers.select_related("trial__question").order_by("trial__position")
    ]
    return quality.signals(given, webdriver=participation.webdriver)


def signals_so_far(study: Study) -> dict[int, quality.Signals]:
    """The same of everybody who has answered, but has none stored because the end is not reached; by participation."""
    answers = (
        Answer.objects.filter(
            trial__participation__study=study,
            trial__participation__quality__isnull=True,
            trial__participation__deleted_at__isnull=True,
        )
        .select_related("trial__question", "trial__participation")
        .order_by("trial__participation_id", "trial__position")
    )
    found = {}
    by_person = groupby(
        answers.iterator(chunk_size=2000), key=lambda answer: answer.trial.participation_id
    )
    for pk, group in by_person:
        rows = list(group)
        found[pk] = quality.signals(
            [_given(answer) for answer in rows], webdriver=rows[0].trial.participation.webdriver
        )
    return found


def _given(answer: Answer) -> quality.Given:
    return quality.Given(
        position=answer.trial.position,
        role=answer.trial.role,
        kind=answer.trial.question.kind,
        question=answer.trial.question_id,
        options=tuple(answer.trial.options),
        slot=answer.slot,
        target_slot=answer.trial.target_slot,
        response_ms=answer.response_ms,
        focus_losses=answer.focus_losses,
    )


def progress(participation: Participation) -> Progress:
    """How many of the trials are answered."""
    counts = participation.trials.aggregate(answered=Count("answer"), total=Count("pk"))
    return Progress(counts["answered"], counts["total"])
