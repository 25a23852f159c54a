"""How far collecting is: a word's runs, hits and refusals in one look, for the page that shows it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from generation.models import Hit, Job, SourceImage, State, Word
from generation.refusals import label

SHOWN = 12


@dataclass(frozen=True)
class Run:
    """One run of collecting."""

    job: Job
    percent: int

    @property
    def working(self) -> bool:
        return self.job.state in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class Refusal:
    """What was refused for one reason: how often, and the sentence of an example."""

    code: str
    count: int
    example: str

    @property
    def label(self) -> str:
        return label(self.code)


@dataclass(frozen=True)
class WordState:
    """A word with its newest run of each source, its refusals and its newest photographs."""

    word: Word
    queries: list[str]
    runs: list[Run]
    found: int
    stored: int
    refusals: list[Refusal]
    accepted: int
    left_out: int
    newest: list[SourceImage]

    @property
    def working(self) -> bool:
        return any(run.working for run in self.runs)

    @property
    def anything(self) -> bool:
        """Something was found, or is there otherwise."""
        return bool(self.found or self.accepted or self.left_out)


def collect_state(words: Sequence[Word]) -> list[WordState]:
    """Everything the page of collecting shows."""
    return [_state(word) for word in words]


def _state(word: Word) -> WordState:
    runs: dict[str, Run] = {}
    for job in word.jobs.filter(kind=Job.Kind.COLLECT).order_by("-pk"):
        runs.setdefault(job.source, Run(job, _percent(job)))
    counts = Counter(
        {row["state"]: row["n"] for row in word.hits.values("state").annotate(n=Count("pk"))}
    )
    accepted = word.images.accepted()
    n = accepted.count()
    return WordState(
        word=word,
        queries=word.query_texts(),
        runs=list(runs.values()),
        found=counts.total(),
        stored=counts[Hit.State.STORED],
        refusals=_refusals(word),
        accepted=n,
        left_out=word.images.count() - n,
        newest=list(accepted.select_related("word").order_by("-pk")[:SHOWN]),
    )


def _percent(job: Job) -> int:
    if job.state == State.DONE:
        return 100
    return 100 * job.done // job.total if job.total else 0


def _refusals(word: Word) -> list[Refusal]:
    refused = word.hits.filter(state=Hit.State.REFUSED)
    rows = refused.values("reason").annotate(n=Count("pk")).order_by("-n", "reason")
    return [Refusal(row["reason"], row["n"], _example(refused, row["reason"])) for row in rows]


def _example(refused: QuerySet[Hit], reason: str) -> str:
    hit = refused.filter(reason=reason).order_by("-pk").first()
    return hit.detail if hit is not None else ""
