"""Sections of an analysis → the rows that pages, CSV and JSON print.

The numbers are made in `survey.stats.analysis`; here they get names, an order and a form. Accuracy counts first
presentations of main questions to choose in only: no practice, no repeat, no obvious question or attention check, no
rating. "Not sure" counts as wrong; ``not_sure`` says how often it was chosen, and ``accuracy_sure`` is the
accuracy without.

A word is above chance if guessing would seldom give so many right answers: an exact one-sided binomial
test against chance, corrected by Holm's method for the number of words of the report, at ALPHA. Cells are
tested the same way, corrected for the number of cells. Whether a word is recognised, or its pictures only
strike the eye, another test says (`survey.stats.recognition`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from generation.models import StylizedImage
from survey.jobs import Filters
from survey.models import Answer, Participation, ParticipationQuerySet, Question, Study
from survey.stats import csvfile

ALPHA = 0.05
NUMBERS = ("correct", "answers", "accuracy", "chance", "low", "high")
CSV_COLUMNS = (
    *("level", "word", "content", *NUMBERS),
    # Added later, hence behind.
    *("kind", "p_value", "p_holm", "above_chance", "study", "include_simulated"),
    *("not_sure", "accuracy_sure"),
    # Of the whole study, in the row "overall" only.
    *("raters", "finished", "generated_at"),
    *("pooled_low", "pooled_high", "exact_low", "exact_high", "p_bh"),
    # Of which answers; empty: all.
    *("language", "recipe", "with_excluded"),
)


# --- accuracy -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class AccuracyRow:
    """How often the right option was chosen. No answers: accuracy and chance are None, the intervals 0 … 1.

    ``low`` and ``high`` are Wilson's interval, ``pooled`` the one that respects that answers of one rater go together,
    ``exact`` Clopper and Pearson's. ``p_value`` is that of the exact test against chance, by itself; ``p_holm`` and ``p_bh``
    the same corrected for the rows it was tested with, None where it was not tested with others.
    """

    word: str
    content: str
    correct: int
    answers: int
    accuracy: float | None
    chance: float | None
    low: float
    high: float
    pooled: tuple[float, float]
    exact: tuple[float, float]
    p_value: float
    p_holm: float | None = None
    p_bh: float | None = None
    kind: str = ""
    not_sure: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "AccuracyRow":
        """From a row of `accuracy_section`."""
        low, high = row["wilson"]
        pooled = row["pooled"] or row["wilson"]
        exact = row["clopper_pearson"]
        return cls(
            word=row.get("word", ""),
            content=row.get("content", ""),
            kind=row.get("kind", ""),
            low=low,
            high=high,
            pooled=(pooled[0], pooled[1]),
            exact=(exact[0], exact[1]),
            **{
                name: row[name]
                for name in (
                    *("correct", "answers", "accuracy", "chance", "not_sure"),
                    *("p_value", "p_holm", "p_bh"),
                )
            },
        )

    @property
    def above_chance(self) -> bool:
        """By the corrected test; never for a row that was not tested with others."""
        return self.p_holm is not None and self.p_holm <= ALPHA

    @property
    def accuracy_sure(self) -> float | None:
        """Accuracy with "not sure" left out; None where nobody was sure."""
        sure = self.answers - self.not_sure
        return self.correct / sure if sure else None

    @property
    def level(self) -> int | None:
        """Accuracy in tenths, for shading a cell; None without answers."""
        return None if self.accuracy is None else round(self.accuracy * 10)

    def numbers(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in (*NUMBERS, "p_value")}
        if self.p_holm is not None:
            numbers |= {"p_holm": self.p_holm, "above_chance": self.above_chance}
        # Added later, hence behind.
        numbers |= {"not_sure": self.not_sure, "accuracy_sure": self.accuracy_sure}
        numbers |= {"pooled_low": self.pooled[0], "pooled_high": self.pooled[1]}
        numbers |= {"exact_low": self.exact[0], "exact_high": self.exact[1]}
        return numbers | ({} if self.p_bh is None else {"p_bh": self.p_bh})


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

    @classmethod
    def of(
        cls,
        study: str,
        sections: Mapping[str, Any],
        *,
        include_simulated: bool = False,
        generated_at: datetime | None = None,
    ) -> "Report":
        """From the sections ``accuracy`` and ``people`` of an analysis."""
        found, people = sections["accuracy"], sections["people"]

        def rows(level: str) -> tuple[AccuracyRow, ...]:
            return tuple(AccuracyRow.of(row) for row in found[level])

        total = AccuracyRow.of(found["overall"])
        return cls(
            study=study,
            raters=people["raters"],
            finished=people["finished"],
            answers=total.answers,
            include_simulated=include_simulated,
            generated_at=generated_at or timezone.now(),
            overall=total,
            words=rows("words"),
            cells=rows("cells"),
            kinds=rows("kinds"),
        )

    @property
    def sorted_words(self) -> tuple[AccuracyRow, ...]:
        """Best first; words nobody was asked about last; ties in the order of words."""
        return tuple(
            sorted(self.words, key=lambda row: 1.0 if row.accuracy is None else -row.accuracy)
        )

    @property
    def above_chance(self) -> tuple[AccuracyRow, ...]:
        """The words that guessing alone would seldom give so many right answers for, best first."""
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

    def as_csv(self, choice: Mapping[str, Any] | None = None) -> str:
        """Words, cells, kinds, overall; numbers in full precision; texts safe to open in a spreadsheet.

        ``choice`` says of which answers, in every row.

        Lines end with CRLF (RFC 4180). Truth values are true and false, as in JSON.
        """
        lines: list[list[Any]] = []
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
                    **(choice or {"language": "", "recipe": "", "with_excluded": False}),
                    **(whole if level == "overall" else {}),
                }
                lines.append([line.get(name) for name in CSV_COLUMNS])
        return csvfile.as_text(CSV_COLUMNS, lines)


def raters(include_simulated: bool = False) -> ParticipationQuerySet:
    """Who has given at least one answer that counts, in any study."""
    answers = Answer.objects.counted().filter(trial__participation=OuterRef("pk"))
    people = Participation.objects.filter(Exists(answers))
    return people if include_simulated else people.real()


def build_report(study: Study, include_simulated: bool = False) -> Report:
    """The accuracies of a study as they are now, without whom its rules leave out."""
    # Loaded here: the web process starts without numerics.
    from survey.analyses import build

    result = build(study, Filters(simulated=include_simulated), ("people", "accuracy"))
    return Report.of(study.slug, result["kept"], include_simulated=include_simulated)


# --- the question sheet -------------------------------------------------------------------------


MANY_OPTIONS = 12
"""Of a question with more, only those chosen most often are shown at once."""


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
    def first(self) -> tuple[Option, ...]:
        """What is shown at once: all options; of very many the right one and those chosen most often."""
        if len(self.options) <= MANY_OPTIONS:
            return self.options
        ordered = sorted(self.options, key=lambda o: (not o.target, -o.chosen, -o.offered))
        return tuple(ordered[: MANY_OPTIONS // 2])

    @property
    def rest(self) -> tuple[Option, ...]:
        """The other options, in the order of words."""
        shown = {option.picture for option in self.first}
        return tuple(option for option in self.options if option.picture not in shown)

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


def build_sheet(study: Study, counts: Iterable[Mapping[str, Any]]) -> tuple[SheetQuestion, ...]:
    """Every question with its options side by side, ordered by word, content, recipe and kind.

    The options are the pictures of the same content, recipe and variant, and any other that was offered.
    Two queries. ``counts`` is the section ``sheet`` of an analysis.
    """
    pictures = {
        row.pk: row
        for row in StylizedImage.objects.filter(
            questions__study=study, questions__purpose=Question.Purpose.MAIN
        )
        .distinct()
        .with_names()
        .defer("loss_curve", "params")
        .order_by("word_id", "content_id", "recipe_id", "variant")
    }
    seen: dict[int, dict[int, tuple[int, int]]] = {
        row["question"]: {o["stimulus"]: (o["chosen"], o["offered"]) for o in row["options"]}
        for row in counts
    }
    questions: Iterable[Question] = (
        Question.objects.counted()
        .filter(study=study)
        .order_by("stimulus__word_id", "stimulus__content_id", "stimulus__recipe_id", "kind", "pk")
    )
    many_recipes = len({row.recipe_id for row in pictures.values()}) > 1
    groups: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for row in pictures.values():
        groups[_group(row)].append(row.pk)
    order = {pk: place for place, pk in enumerate(pictures)}
    sheet = []
    for question in questions:
        target = pictures[question.stimulus_id]
        of = seen.get(question.pk, {})
        shown = sorted(
            {*groups[_group(target)], *(pk for pk in of if pk in order)}, key=order.__getitem__
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
                        chosen=of.get(pk, (0, 0))[0],
                        offered=of.get(pk, (0, 0))[1],
                    )
                    for pk in shown
                ),
            )
        )
    return tuple(sheet)


def _group(picture: StylizedImage) -> tuple[int, int, int]:
    return (picture.content_id, picture.recipe_id, picture.variant)
