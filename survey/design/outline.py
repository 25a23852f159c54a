"""What the design is told and what it gives back."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

#: Kinds of questions: word → choose the picture, picture → choose the word, how well they suit.
PICTURE, WORD, RATING = "picture", "word", "rating"
CHOICES = (PICTURE, WORD)

SHUFFLE, LATIN = "shuffle", "latin"


class DesignError(ValueError):
    """The pictures cannot make the questions that were asked for.

    ``code`` names the reason, and ``params`` its numbers, for who says it in another language; empty where
    only a program can be at fault.
    """

    def __init__(self, message: str, code: str = "", **params: int) -> None:
        super().__init__(message)
        self.code = code
        self.params = params


class Role(StrEnum):
    """What a trial is for. Only main trials count as a measurement."""

    PRACTICE = "practice"
    MAIN = "main"
    REPEAT = "repeat"
    GOLD = "gold"
    ATTENTION = "attention"


@dataclass(frozen=True, order=True)
class Picture:
    """What the design needs to know of a picture. All fields are ids or ranks."""

    id: int
    word: int
    content: int
    recipe: int = 0
    variant: int = 0


@dataclass(frozen=True)
class Outline:
    """What a study asks of every participant.

    Attributes:
        kinds: directions asked in, ``PICTURE`` (word → choose the picture) and ``WORD`` (picture →
            choose the word); may be empty where ratings are asked for.
        options: options a choice question, m: 2 … number of words.
        questions: k of the n choice questions (n = pictures × kinds); None: all.
        order: ``"shuffle"`` or ``"latin"``.
        repeats: main questions asked a second time, far apart.
        practice: practice questions, from practice pictures.
        gold: obvious questions, from gold pictures.
        attention: instructed responses ("please choose picture 3").
        ratings: one rating a word × content that was asked about.
    """

    kinds: tuple[str, ...]
    options: int = 4
    questions: int | None = None
    order: str = SHUFFLE
    repeats: int = 0
    practice: int = 0
    gold: int = 0
    attention: int = 0
    ratings: bool = False


@dataclass(frozen=True)
class Planned:
    """A question as one participant will see it.

    Attributes:
        role: a `Role`.
        kind: ``PICTURE``, ``WORD`` or ``RATING``.
        target: id of the right picture; of the one at the named slot in an attention check; of
            the picture that stands for word × content in a rating.
        options: picture ids in the order shown; () in a rating.
        target_slot: where ``target`` stands in ``options``; None in a rating.
    """

    role: str
    kind: str
    target: int
    options: tuple[int, ...]
    target_slot: int | None


def generator(seed: int) -> random.Random:
    """The generator of one participation (not for secrets)."""
    return random.Random(seed)  # noqa: S311


def most_options(pictures: Iterable[Picture]) -> int:
    """The m of "all words": the fewest words over contents × recipes; 0 without pictures."""
    return min((len({p.word for p in group}) for group in groups(pictures)), default=0)


def square_rows(pictures: Iterable[Picture], outline: Outline) -> int:
    """Rows of the Latin square: one a choice question, n = pictures × kinds."""
    return len({p.id for p in pictures}) * len(outline.kinds)


def representatives(pictures: Iterable[Picture]) -> list[Picture]:
    """For each word × content the picture that stands for both in a rating: lowest recipe, variant, id."""
    return [
        min(cell, key=lambda p: (p.recipe, p.variant, p.id))
        for cell in groups(pictures, lambda p: (p.word, p.content))
    ]


def groups(
    pictures: Iterable[Picture],
    key: Callable[[Picture], tuple[int, ...]] = lambda p: (p.content, p.recipe),
) -> list[list[Picture]]:
    """The pictures by content and recipe (or another key), sorted within and without."""
    return [list(g) for _key, g in groupby(sorted(pictures, key=lambda p: (key(p), p)), key=key)]
