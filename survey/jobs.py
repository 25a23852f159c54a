"""What web code calls to have a report's numbers computed. Free of numerics until something is computed.

A result is kept with the version of the answers that it is of. Nothing is written when an answer comes: whether a
result is out of date is found by looking.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from django.db.models import Count, Max, Q
from django.utils import timezone

from generation.models import State, StylizedImage
from stylestudy import leases
from survey.models import Analysis, Answer, Participation, Study

ANALYZE_TASK = "survey.analyze"
RECONCILE_TASK = "survey.reconcile"
# Up to so many answers the summary is computed while the page waits (about a second).
AT_ONCE = 20_000
# After so long what failed is tried again: the reason may have passed, as a locked database does.
AGAIN = timedelta(minutes=5)
# Answers that a slower transaction may still bring in below the newest one.
UNSETTLED = 10_000
# While people answer, numbers are computed anew at most so often: this, or ten times what it took.
PAUSE = timedelta(seconds=20)


@dataclass(frozen=True)
class Filters:
    """Whose answers, and to which questions. Empty: all."""

    simulated: bool = False
    language: str = ""
    recipe: str = ""

    @property
    def key(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def of(cls, key: str) -> Self:
        return cls(**json.loads(key))


@lru_cache(maxsize=1)
def code_version() -> str:
    """Names the program that computes: the same answers give other numbers, or other keys, with another one."""
    folder = Path(__file__).parent
    files = [folder / "tables.py", *sorted((folder / "stats").glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _pictures_version(study: Study) -> str:
    """Names what is told of pictures: their names, and the measures that accuracy is set against."""
    rows = StylizedImage.objects.filter(questions__study=study).distinct().order_by("pk")
    told = rows.values_list(
        *("pk", "word__text", "content__name", "recipe__name", "variant"),
        *("style_loss", "content_loss", "style_distance"),
    )
    return hashlib.sha256(repr(list(told)).encode()).hexdigest()


def data_version(study: Study, newest: int | None = None) -> str:
    """Names the answers that are there: another name where answers came, or people left or were deleted; where rules or
    what is told of pictures were changed; and where another program computes.

    Looks at the newest answers and the people only, not at every answer: the number of the newest answer, how many of
    the study's are among the last `UNSETTLED` of the whole site, and how many people there are of each kind. On PostgreSQL an
    answer can come in below a newer one; it is counted among those.

    Args:
        newest: the number of the answer from which to look back; that of the newest by default.
    """
    if newest is None:
        newest = Answer.objects.aggregate(newest=Max("pk"))["newest"] or 0
    recent = Answer.objects.filter(pk__gt=newest - UNSETTLED, trial__participation__study=study)
    people = Participation.objects.filter(study=study).aggregate(
        all=Count("pk"),
        newest=Max("pk"),
        finished=Count("pk", filter=Q(finished_at__isnull=False)),
        withdrawn=Count("pk", filter=Q(withdrawn_at__isnull=False)),
        deleted=Count("pk", filter=Q(deleted_at__isnull=False)),
    )
    # Bounded: so many new answers are more than before in any case.
    some = recent.order_by("pk")[: 2 * UNSETTLED].count()
    told = _pictures_version(study)
    named = json.dumps(
        [code_version(), study.exclusions, told, newest, some, people], sort_keys=True
    )
    return f"{newest}-{hashlib.sha256(named.encode()).hexdigest()[:24]}"


def is_current(analysis: Analysis) -> bool:
    """Whether its result is of the answers that are there now."""
    newest = analysis.version.partition("-")[0]
    if analysis.result is None or not newest.isdigit():
        return False
    return data_version(analysis.study, int(newest)) == analysis.version


def refresh(study: Study, part: str, filters: Filters) -> Analysis:
    """The row with the result as it is; has it computed anew where that is due. Returns at once.

    Small summaries are computed here and now; anything else by a worker.
    """
    row, _made = Analysis.objects.get_or_create(study=study, part=part, filters=filters.key)
    # A small summary does not wait for a worker that was asked already.
    if row.state == State.QUEUED and (row.sent_at is None or row.part == Analysis.Part.SUMMARY):
        _have_computed(row)
    elif row.state == State.FAILED and row.finished_at and _ago(row.finished_at) > AGAIN:
        if Analysis.objects.filter(pk=row.pk).retry_failed():
            row.sent_at = None
            _have_computed(row)
    elif row.state == State.DONE and _rested(row) and not is_current(row):
        due = Analysis.objects.filter(pk=row.pk, state=State.DONE)
        if due.update(state=State.QUEUED, sent_at=None, attempts=0):
            _have_computed(row)
    # Gone if somebody has just had their answers deleted: then it begins anew.
    return Analysis.objects.get_or_create(study=study, part=part, filters=filters.key)[0]


def try_again(row: Analysis) -> None:
    """After a failure."""
    if Analysis.objects.filter(pk=row.pk).retry_failed():
        send_ready()


def _rested(row: Analysis) -> bool:
    if row.as_of is None or _at_once(row):
        return True
    return _ago(row.as_of) > max(PAUSE, timedelta(seconds=10 * (row.seconds or 0.0)))


def _ago(when: datetime) -> timedelta:
    return timezone.now() - when


def _at_once(row: Analysis) -> bool:
    """Whether it is small enough to be computed while the page waits. All answers are read, whatever the filters."""
    return row.part == Analysis.Part.SUMMARY and _answers(row.study) <= AT_ONCE


def _have_computed(row: Analysis) -> None:
    if _at_once(row):
        # Loaded here: the web process starts without numerics.
        from survey.analyses import analyze_row

        analyze_row(row.pk)
    else:
        leases.send(row, ANALYZE_TASK)


def _answers(study: Study) -> int:
    """How many answers there are; stops counting where it is known to be many."""
    some = Answer.objects.filter(trial__participation__study=study).order_by()
    return some[: AT_ONCE + 1].count()


def send_ready() -> None:
    """Send a message for every analysis that waits and was not sent yet."""
    for row in Analysis.objects.filter(state=State.QUEUED, sent_at=None).order_by("pk"):
        leases.send(row, ANALYZE_TASK)


def reconcile(*, starting: bool = False) -> None:
    """Put lost analyses in the queue again."""
    leases.unsend([Analysis.objects.all()], starting=starting)
    send_ready()


def state_of(rows: list[Analysis]) -> dict[str, Any]:
    """For the page: what is being computed, and what failed."""
    return {
        "working": any(row.state in (State.QUEUED, State.RUNNING) for row in rows),
        "failed": next((row for row in rows if row.state == State.FAILED), None),
    }
