"""Whether a study's outline can be planned, said in plain words."""

from collections.abc import Iterable, Sequence

from survey.design.blocks import layers
from survey.design.outline import (
    CHOICES,
    LATIN,
    SHUFFLE,
    DesignError,
    Outline,
    Picture,
    generator,
    groups,
    square_rows,
)


def check(
    pictures: Iterable[Picture],
    outline: Outline,
    *,
    practice: Iterable[Picture] = (),
    gold: Iterable[Picture] = (),
) -> None:
    """Raise DesignError unless `plan` can make the trials of every participant."""
    found = sorted(pictures)
    _check_outline(outline)
    _check_pictures(found)
    if not outline.kinds:
        return
    _check_options(found, outline.options)
    total = square_rows(found, outline)
    if outline.questions is not None and not 1 <= outline.questions <= total:
        raise DesignError(
            f"Expected 1 to {total} choice questions a participant ({len(found)} pictures × "
            f"{len(outline.kinds)} kinds); {outline.questions} were asked for. "
            "Ask for fewer, or leave the number out to ask all.",
            "too_many_questions",
            most=total,
            wanted=outline.questions,
        )
    asked = min(total if outline.questions is None else outline.questions, most(found, outline))
    if outline.repeats > asked:
        raise DesignError(
            f"Expected at most {asked} repeats, one a question; {outline.repeats} were asked for. "
            "Ask for fewer repeats.",
            "too_many_repeats",
            most=asked,
            wanted=outline.repeats,
        )
    _check_extra("practice", outline.practice, practice)
    _check_extra("gold", outline.gold, gold)


def most(pictures: Sequence[Picture], outline: Outline) -> int:
    """How many choice questions one participant can get: fewer than n only by what `layers` leaves out."""
    found = layers(pictures, outline.options, {}, generator(0))
    return sum(map(len, found)) * len(outline.kinds)


def _check_outline(outline: Outline) -> None:
    kinds = outline.kinds
    if unknown := [k for k in kinds if k not in CHOICES]:
        raise DesignError(f"Expected the kinds {CHOICES}; got {unknown[0]!r}.")
    if len(set(kinds)) < len(kinds):
        raise DesignError(f"Expected each kind of question once; got {kinds}.")
    if not kinds and not outline.ratings:
        raise DesignError("Expected at least one kind of question, or ratings; there is none.")
    if outline.order not in (SHUFFLE, LATIN):
        raise DesignError(f"Expected the order {SHUFFLE!r} or {LATIN!r}; got {outline.order!r}.")
    for name in ("repeats", "practice", "gold", "attention"):
        number = getattr(outline, name)
        if number < 0:
            raise DesignError(f"Expected 0 or more for {name}; got {number}.")
        if number and not kinds:
            raise DesignError(
                f"Expected a kind of choice question for {name} ({number}); there is none. "
                f"Choose a kind, or set {name} to 0.",
                "ratings_only",
            )


def _check_pictures(pictures: Sequence[Picture]) -> None:
    if not pictures:
        raise DesignError("Expected at least one picture; there is none.")
    if len({p.id for p in pictures}) < len(pictures):
        raise DesignError("Expected every picture once; some id comes twice.")
    for same in groups(pictures, lambda p: (p.word, p.content, p.recipe, p.variant)):
        if len(same) > 1:
            raise DesignError(
                f"Expected one picture of word {same[0].word} with content {same[0].content}, "
                f"recipe {same[0].recipe}, variant {same[0].variant}; there are {len(same)}."
            )


def _check_options(pictures: Sequence[Picture], options: int) -> None:
    if options < 2:
        raise DesignError(f"A question needs at least 2 options; {options} were asked for.")
    for group in groups(pictures):
        words = len({p.word for p in group})
        if words < options:
            raise DesignError(
                f"{options} options need pictures of {options} words with each content; "
                f"content {group[0].content} (recipe {group[0].recipe}) has {words}. "
                "Add words, or ask for fewer options.",
                "too_few_words",
                options=options,
            )


def _check_extra(name: str, number: int, pictures: Iterable[Picture]) -> None:
    if number and not askable(pictures):
        raise DesignError(
            f"{number} {name} questions need {name} pictures of at least 2 words with one content "
            f"by one recipe; there are none. Choose such pictures, or set {name} to 0.",
            f"no_{name}_pictures",
        )


def askable(pictures: Iterable[Picture]) -> list[list[Picture]]:
    """Groups of one content and recipe with at least two words."""
    return [g for g in groups(pictures) if len({p.word for p in g}) >= 2]
