"""How far a set is: words' stages and pictures' states in one look, for the page that shows it."""

from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import Count, F, Q

from generation.models import (
    ContentImage,
    Job,
    Recipe,
    State,
    StimulusSet,
    Style,
    StylizedImage,
    Word,
)

# What the stages before the pictures count for in the bar.
STAGES_SHARE = 0.15


@dataclass(frozen=True)
class Slot:
    """The place of one picture in the table."""

    picture: StylizedImage | None
    recipe: Recipe | None
    percent: int

    @property
    def state(self) -> str:
        return str(self.picture.state) if self.picture else "waiting"


@dataclass(frozen=True)
class Cell:
    content: ContentImage
    slots: list[Slot]


@dataclass(frozen=True)
class Row:
    word: Word
    stages: list[Job]
    cells: list[Cell]
    photographs: int
    textures: list[Style]


@dataclass(frozen=True)
class Problem:
    where: str
    reason: str


@dataclass(frozen=True)
class SetState:
    """Everything the progress page shows; ``backgrounds`` are words that are in no picture's front."""

    contents: list[ContentImage]
    rows: list[Row]
    backgrounds: list[Row]
    done: int
    total: int
    percent: int
    working: bool
    problems: list[Problem] = field(default_factory=list)


def set_state(stimulus_set: StimulusSet) -> SetState:
    """Read everything the progress page shows; a fixed number of queries for any set."""
    words = list(stimulus_set.words.all())
    behind = [word for word in stimulus_set.all_words() if word not in words]
    contents = list(stimulus_set.contents.all())
    recipes = list(stimulus_set.recipes.all())
    stages = _stages(stimulus_set, [*words, *behind])
    pictures = _pictures(stimulus_set)
    photographs = _photographs([*words, *behind])
    textures = _textures([*words, *behind], recipes)
    rows = [
        Row(
            word,
            stages[word.pk],
            [Cell(content, _slots(pictures[word.pk, content.pk], recipes)) for content in contents],
            photographs.get(word.pk, 0),
            textures[word.pk],
        )
        for word in words
    ]
    backgrounds = [
        Row(word, stages[word.pk], [], photographs.get(word.pk, 0), textures[word.pk])
        for word in behind
    ]
    slots = [slot for row in rows for cell in row.cells for slot in cell.slots]
    jobs = [job for row in [*rows, *backgrounds] for job in row.stages]
    done = sum(slot.state == State.DONE for slot in slots)
    active = {State.QUEUED, State.RUNNING}
    return SetState(
        contents=contents,
        rows=rows,
        backgrounds=backgrounds,
        done=done,
        total=len(slots),
        percent=_percent(rows, slots),
        working=stimulus_set.status == StimulusSet.Status.MAKING
        or any(slot.state in active for slot in slots)
        or any(job.state in active for job in jobs),
        problems=_problems(jobs, slots),
    )


def _stages(stimulus_set: StimulusSet, words: list[Word]) -> dict[int, list[Job]]:
    """Of each word the newest job of each stage and encoder, in the order of the stages."""
    order = [kind.value for kind in Job.Kind]
    newest: dict[tuple[int, str, str, int | None], Job] = {}
    rows = Job.objects.filter(
        Q(encoder="") | Q(encoder__in=stimulus_set.encoders()),
        Q(recipe=None) | Q(recipe__in=stimulus_set.recipes.all()),
        # Photographs asked for elsewhere are nothing that a set waits for.
        ~Q(kind=Job.Kind.COLLECT) | Q(source=F("word__source")),
    )
    for job in rows.filter(word__in=words).select_related("word").order_by("pk"):
        key = job.word_id, job.kind, job.encoder, job.recipe_id
        collected = job.kind == Job.Kind.COLLECT and key in newest
        if collected and job.state == State.FAILED and newest[key].state == State.DONE:
            continue  # once is enough: the word goes on with what is there
        newest[key] = job
    stages: dict[int, list[Job]] = defaultdict(list)
    for job in sorted(newest.values(), key=lambda job: (order.index(job.kind), job.encoder)):
        stages[job.word_id].append(job)
    return stages


def _pictures(stimulus_set: StimulusSet) -> dict[tuple[int, int], list[StylizedImage]]:
    pictures: dict[tuple[int, int], list[StylizedImage]] = defaultdict(list)
    for picture in stimulus_set.wanted().with_names().defer("params", "loss_curve"):
        pictures[picture.word_id, picture.content_id].append(picture)
    return pictures


def _photographs(words: list[Word]) -> dict[int, int]:
    counted = (
        Word.objects.filter(pk__in=[word.pk for word in words])
        .annotate(n=Count("images", filter=Q(images__rejected="")))
        .values_list("pk", "n")
    )
    return dict(counted)


def _textures(words: list[Word], recipes: list[Recipe]) -> dict[int, list[Style]]:
    """What each word became, by its newest clustering."""
    textures: dict[int, list[Style]] = defaultdict(list)
    newest: dict[int, int] = {}
    rows = Style.objects.filter(clustering__word__in=words, recipe__in=recipes).exclude(file="")
    for style in rows.select_related("clustering__word", "recipe").order_by("-clustering_id", "pk"):
        word = style.clustering.word_id
        if newest.setdefault(word, style.clustering_id) == style.clustering_id:
            textures[word].append(style)
    return textures


def _slots(pictures: list[StylizedImage], recipes: list[Recipe]) -> list[Slot]:
    """The pictures there are, and an empty place for each recipe that has none yet."""
    slots = [Slot(picture, picture.recipe, _picture_percent(picture)) for picture in pictures]
    there = {picture.recipe_id for picture in pictures}
    return slots + [Slot(None, recipe, 0) for recipe in recipes if recipe.pk not in there]


def _picture_percent(picture: StylizedImage) -> int:
    if picture.state == State.DONE:
        return 100
    if picture.state != State.RUNNING:
        return 0
    return min(99, round(100 * picture.progress / max(1, picture.budget)))


def _percent(rows: list[Row], slots: list[Slot]) -> int:
    if not slots:
        return 0
    if all(slot.state == State.DONE for slot in slots):
        return 100
    stages = sum(_stage_share(row) for row in rows) / len(rows)
    pictures = sum(slot.percent for slot in slots) / 100 / len(slots)
    return min(99, int(100 * (STAGES_SHARE * stages + (1 - STAGES_SHARE) * pictures)))


def _stage_share(row: Row) -> float:
    """0 … 1: how much of a word's work before its pictures is done."""
    if any(slot.percent for cell in row.cells for slot in cell.slots):
        return 1.0
    kinds = {job.kind: job for job in row.stages}
    expected = [Job.Kind.EMBED, Job.Kind.CLUSTER, Job.Kind.REPRESENT]
    if row.word.source:
        expected.insert(0, Job.Kind.COLLECT)
    shares = []
    for kind in expected:
        job = kinds.get(kind)
        if job is None:
            shares.append(0.0)
        elif job.state == State.DONE:
            shares.append(1.0)
        else:
            shares.append(min(1.0, job.done / job.total) if job.total else 0.0)
    return sum(shares) / len(shares)


def _problems(jobs: list[Job], slots: list[Slot]) -> list[Problem]:
    problems = [Problem(str(job), job.error) for job in jobs if job.state == State.FAILED]
    problems.extend(
        Problem(str(slot.picture), slot.picture.error)
        for slot in slots
        if slot.picture and slot.picture.state == State.FAILED
    )
    return problems
