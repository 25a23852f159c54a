"""Answers → tables. Charts are drawn from these rows, and every format prints them.

Accuracy counts first presentations of main questions only: a question is asked at most once a
participation (a constraint of Trial), and every question here is a main one.

A word is recognised if guessing would seldom give so many right answers: an exact one-sided binomial
test against chance, corrected by Holm's method for the number of words of the report, at ALPHA. Cells are
tested the same way, corrected for the number of cells.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Sum
from django.db.models.expressions import Func
from django.utils import timezone

from generation.models import StylizedImage
from survey.models import Answer, Participation, ParticipationQuerySet, Question, Study
from survey.stats.accuracy import chance_level, chance_p_value, holm, wilson

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 0.05
NUMBERS = ("correct", "answers", "accuracy", "chance", "low", "high")
CSV_COLUMNS = (
    *("level", "word", "content", *NUMBERS),
    # Added later, hence behind.
    *("kind", "p_value", "p_holm", "above_chance", "study", "include_simulated"),
    # Of the whole study, in the row "overall" only.
    *("raters", "finished", "generated_at"),
)

# How many answers were right, and how many were given to questions of m options.
Tally = tuple[int, Mapping[int, int]]


class JSONLength(Func):
    """Number of elements of a JSON array, in SQLite and in PostgreSQL."""

    function = "JSON_ARRAY_LENGTH"
    output_field = IntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSONB_ARRAY_LENGTH", **extra)


# --- accuracy -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class AccuracyRow:
    """How often the right option was chosen. No answers: accuracy and chance are None, 0 … 1.

    ``p_value`` is that of the exact test against chance, by itself; ``p_holm`` the same corrected for the
    rows it was tested with (see `corrected`), None where it was not tested with others.
    """

    word: str
    content: str
    correct: int
    answers: int
    accuracy: float | None
    chance: float | None
    low: float
    high: float
    p_value: float
    p_holm: float | None = None
    kind: str = ""

    @classmethod
    def of(
        cls,
        correct: int,
        options: Mapping[int, int],
        *,
        word: str = "",
        content: str = "",
        kind: str = "",
    ) -> "AccuracyRow":
        """``options`` maps m to the number of answers to questions of m options."""
        answers = sum(options.values())
        low, high = wilson(correct, answers)
        return cls(
            word=word,
            content=content,
            kind=kind,
            correct=correct,
            answers=answers,
            accuracy=correct / answers if answers else None,
            chance=chance_level(options),
            low=low,
            high=high,
            p_value=chance_p_value(correct, options),
        )

    @property
    def above_chance(self) -> bool:
        """By the corrected test; never for a row that was not tested with others."""
        return self.p_holm is not None and self.p_holm <= ALPHA

    @property
    def level(self) -> int | None:
        """Accuracy in tenths, for shading a cell; None without answers."""
        return None if self.accuracy is None else round(self.accuracy * 10)

    def numbers(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in (*NUMBERS, "p_value")}
        if self.p_holm is not None:
            numbers |= {"p_holm": self.p_holm, "above_chance": self.above_chance}
        return numbers


def corrected(rows: Iterable[AccuracyRow]) -> tuple[AccuracyRow, ...]:
    """The rows with ``p_holm``: Holm's correction over all of them, also those without answers."""
    rows = tuple(rows)
    adjusted = holm([row.p_value for row in rows])
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


@dataclass(frozen=True)
class Report:
    """One study's numbers. ``words`` and ``cells`` are in the order of word and content ids."""

    study: str
    raters: int
    finished: int
    answers: int
    include_simulated: bool
    generated_at: datetime
    overall: AccuracyRow
    words: tuple[AccuracyRow, ...]
    cells: tuple[AccuracyRow, ...]
    kinds: tuple[AccuracyRow, ...]

    @property
    def sorted_words(self) -> tuple[AccuracyRow, ...]:
        """Best first; words nobody was asked about last; ties in the order of words."""
        return tuple(
            sorted(self.words, key=lambda row: 1.0 if row.accuracy is None else -row.accuracy)
        )

    @property
    def recognised(self) -> tuple[AccuracyRow, ...]:
        return tuple(row for row in self.sorted_words if row.above_chance)

    def table(self) -> tuple[tuple[str, ...], list[tuple[AccuracyRow, list[AccuracyRow | None]]]]:
        """Names of contents, and for each word (best first) its cells in that order."""
        contents = tuple(dict.fromkeys(row.content for row in self.cells))
        found = {(row.word, row.content): row for row in self.cells}
        return contents, [
            (word, [found.get((word.word, content)) for content in contents])
            for word in self.sorted_words
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "study": self.study,
            "raters": self.raters,
            "answers": self.answers,
            "words": [{"word": row.word, **row.numbers()} for row in self.words],
            "cells": [
                {"word": row.word, "content": row.content, **row.numbers()} for row in self.cells
            ],
            "overall": self.overall.numbers(),
            "kinds": [{"kind": row.kind, **row.numbers()} for row in self.kinds],
            "finished": self.finished,
            "include_simulated": self.include_simulated,
            "generated_at": self.generated_at.isoformat(timespec="seconds"),
        }

    def as_csv(self) -> str:
        """Words, cells, kinds, overall; numbers in full precision; texts safe to open in a spreadsheet.

        Lines end with CRLF (RFC 4180). Truth values are true and false, as in JSON.
        """
        stream = io.StringIO()
        writer = csv.DictWriter(stream, CSV_COLUMNS, restval="", lineterminator="\r\n")
        writer.writeheader()
        whole = {
            "raters": self.raters,
            "finished": self.finished,
            "generated_at": self.generated_at.isoformat(timespec="seconds"),
        }
        for level, rows in (
            ("word", self.words),
            ("cell", self.cells),
            ("kind", self.kinds),
            ("overall", (self.overall,)),
        ):
            for row in rows:
                line = {
                    "level": level,
                    "word": row.word,
                    "content": row.content,
                    **row.numbers(),
                    "kind": row.kind,
                    "study": self.study,
                    "include_simulated": self.include_simulated,
                    **(whole if level == "overall" else {}),
                }
                writer.writerow({name: _csv_value(value) for name, value in line.items()})
        return stream.getvalue()


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return safe_cell(value) if isinstance(value, str) else value


def safe_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _answers(study: Study, include_simulated: bool) -> QuerySet[Answer]:
    answers = Answer.objects.with_correct().filter(trial__participation__study=study)
    if not include_simulated:
        answers = answers.filter(trial__participation__simulated=False)
    return answers


def raters(include_simulated: bool = False) -> ParticipationQuerySet:
    """Who has given at least one answer, in any study."""
    answers = Answer.objects.filter(trial__participation=OuterRef("pk"))
    people = Participation.objects.filter(Exists(answers))
    return people if include_simulated else people.real()


def answer_counts(study: Study, include_simulated: bool = False) -> "pd.DataFrame":
    """One row a (word_id, content_id, kind, options): how many are correct of how many answers.

    One query; the database counts.
    """
    import pandas as pd

    groups = (
        _answers(study, include_simulated)
        .order_by()
        .values(
            word_id=F("trial__question__stimulus__word_id"),
            content_id=F("trial__question__stimulus__content_id"),
            kind=F("trial__question__kind"),
            m=JSONLength("trial__options"),
        )
        .annotate(right=Sum("correct"), answers=Count("pk"))
        .values_list("word_id", "content_id", "kind", "m", "right", "answers")
    )
    columns = ["word_id", "content_id", "kind", "options", "correct", "answers"]
    return pd.DataFrame(list(groups), columns=columns)


def _tallies(frame: "pd.DataFrame", *keys: str) -> dict[tuple[Any, ...], Tally]:
    """The counts summed by these columns, apart for each number of options."""
    totals = frame.groupby([*keys, "options"], sort=False)[["correct", "answers"]].sum()
    right: dict[tuple[Any, ...], int] = defaultdict(int)
    options: dict[tuple[Any, ...], dict[int, int]] = defaultdict(dict)
    for index, (correct, answers) in zip(
        totals.index.to_list(), totals.to_numpy().tolist(), strict=True
    ):
        *key, m = index if isinstance(index, tuple) else (index,)
        right[tuple(key)] += int(correct)
        options[tuple(key)][int(m)] = int(answers)
    return {key: (right[key], options[key]) for key in options}


def build_report(study: Study, include_simulated: bool = False) -> Report:
    """Everything the report prints, in three queries whatever the number of words and answers."""
    frame = answer_counts(study, include_simulated)
    asked = (
        Question.objects.filter(study=study)
        .order_by("stimulus__word_id", "stimulus__content_id")
        .values_list(
            "stimulus__word_id",
            "stimulus__word__text",
            "stimulus__content_id",
            "stimulus__content__name",
            "kind",
        )
    )
    words: dict[int, str] = {}
    contents: dict[int, str] = {}
    cells: dict[tuple[int, int], None] = {}
    kinds: set[str] = set()
    for word_id, word, content_id, content, kind in asked:
        words[word_id], contents[content_id] = word, content
        cells[word_id, content_id] = None
        kinds.add(kind)
    people = (
        raters(include_simulated)
        .filter(study=study)
        .aggregate(raters=Count("pk"), finished=Count("pk", filter=Q(finished_at__isnull=False)))
    )
    by_word = _tallies(frame, "word_id")
    by_cell = _tallies(frame, "word_id", "content_id")
    by_kind = _tallies(frame, "kind")
    nothing: Tally = (0, {})
    total = AccuracyRow.of(*_tallies(frame).get((), nothing))
    return Report(
        study=study.slug,
        raters=people["raters"],
        finished=people["finished"],
        answers=total.answers,
        include_simulated=include_simulated,
        generated_at=timezone.now(),
        overall=total,
        words=corrected(
            AccuracyRow.of(*by_word.get((pk,), nothing), word=text) for pk, text in words.items()
        ),
        cells=corrected(
            AccuracyRow.of(
                *by_cell.get(pair, nothing), word=words[pair[0]], content=contents[pair[1]]
            )
            for pair in cells
        ),
        kinds=tuple(
            AccuracyRow.of(*by_kind.get((kind,), nothing), kind=kind)
            for kind in Question.Kind.values
            if kind in kinds
        ),
    )


# --- the question sheet -------------------------------------------------------------------------


@dataclass(frozen=True)
class Option:
    """One option of a question: how often it was chosen, of how often it was offered."""

    picture: int
    word: str
    target: bool
    chosen: int
    offered: int

    @property
    def percent(self) -> float | None:
        return 100.0 * self.chosen / self.offered if self.offered else None


@dataclass(frozen=True)
class SheetQuestion:
    """A question with every option it could offer, in the order of words."""

    kind: str
    word: str
    content: str
    recipe: str
    picture: int
    options: tuple[Option, ...] = field(default_factory=tuple)

    @property
    def asks_picture(self) -> bool:
        return self.kind == Question.Kind.CHOOSE_PICTURE

    @property
    def target(self) -> Option:
        return next(option for option in self.options if option.target)

    @property
    def answers(self) -> int:
        # The right option is offered every time.
        return self.target.offered


Counts = dict[int, dict[int, int]]


def _offered_and_chosen(study: Study, include_simulated: bool) -> tuple[Counts, Counts]:
    """question → picture → how often offered, and chosen. Foils differ from rater to rater."""
    offered: Counts = defaultdict(lambda: defaultdict(int))
    chosen: Counts = defaultdict(lambda: defaultdict(int))
    rows: Iterator[tuple[int, Sequence[int], int]] = (
        _answers(study, include_simulated)
        .order_by()
        .values_list("trial__question_id", "trial__options", "slot")
        .iterator(chunk_size=5000)
    )
    for question, options, slot in rows:
        for picture in options:
            offered[question][picture] += 1
        chosen[question][options[slot]] += 1
    return offered, chosen


def build_sheet(study: Study, include_simulated: bool = False) -> tuple[SheetQuestion, ...]:
    """Every question with its options side by side, ordered by word, content, recipe and kind.

    The options are the pictures of the same content, recipe and variant, and any other that was offered.
    Three queries.
    """
    pictures = {
        row.pk: row
        for row in StylizedImage.objects.filter(questions__study=study)
        .distinct()
        .with_names()
        .order_by("word_id", "content_id", "recipe_id", "variant")
    }
    offered, chosen = _offered_and_chosen(study, include_simulated)
    sheet = []
    questions: Iterable[Question] = Question.objects.filter(study=study).order_by(
        "stimulus__word_id", "stimulus__content_id", "stimulus__recipe_id", "kind", "pk"
    )
    many_recipes = len({row.recipe_id for row in pictures.values()}) > 1
    groups: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for row in pictures.values():
        groups[_group(row)].append(row.pk)
    order = {pk: place for place, pk in enumerate(pictures)}
    for question in questions:
        target = pictures[question.stimulus_id]
        seen = offered[question.pk]
        shown = sorted(
            {*groups[_group(target)], *(pk for pk in seen if pk in order)}, key=order.__getitem__
        )
        sheet.append(
            SheetQuestion(
                kind=question.kind,
                word=target.word.text,
                content=target.content.name,
                recipe=target.recipe.name if many_recipes else "",
                picture=target.pk,
                options=tuple(
                    Option(
                        picture=pk,
                        word=pictures[pk].word.text,
                        target=pk == target.pk,
                        chosen=chosen[question.pk][pk],
                        offered=seen[pk],
                    )
                    for pk in shown
                ),
            )
        )
    return tuple(sheet)


def _group(picture: StylizedImage) -> tuple[int, int, int]:
    return (picture.content_id, picture.recipe_id, picture.variant)
