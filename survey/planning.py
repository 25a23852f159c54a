"""Planning a study: what its settings say about power, and the numbers in sentences.

The numbers are those of `survey.stats.power`; command, page and preregistration show the same ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from survey.lifecycle import kinds_of
from survey.models import Study
from survey.stats.power import OutOfReach, Plan, needed_raters, power_section

RATERS = 30
SKILL = 0.25
CORRELATION = 0.1
"""Of two answers of one rater about one word, where nothing is known yet: a guess, to be replaced by a pilot's."""
ROUND = (3, 5, 9, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 400, 500, 700, 1000)
MOST_ROWS = 150
MOST_RATERS = 10_000


@dataclass(frozen=True)
class Asked:
    """What a study asks of one rater, as far as it is settled; ``options`` None: no picture yet to count words by.

    ``pictures`` of the set, ``questions`` to choose in that one rater gets.
    """

    options: int | None
    words: int
    contents: int
    pictures: int
    directions: int
    questions: int

    @property
    def answers_each(self) -> float:
        """Of one rater about one word; 0 where nothing is asked."""
        return self.questions / self.words if self.words else 0.0


@dataclass(frozen=True)
class Wanted:
    """What is planned for: raters, the smallest accuracy worth finding, its power, the interval's half width."""

    raters: int
    accuracy: float
    power: float = 0.8
    half_width: float = 0.1


def asked_of(study: Study) -> Asked:
    """From the questions of a study that was opened, else from its set's pictures, made or to be made.

    Pictures that are not made yet are counted as if every cluster a recipe keeps apart came to be.
    """
    rows: Any = study.questions.counted()
    names = ("stimulus__word", "stimulus__content", "stimulus__recipe", "stimulus")
    if not rows.exists():
        rows = study.stimulus_set.wanted()
        names = ("word", "content", "recipe", "pk")
    found = list(rows.order_by().values_list(*names).distinct())
    directions = len(kinds_of(study))
    if found:
        words, contents = ({row[place] for row in found} for place in (0, 1))
        counts = (len(words), len(contents), len(found))
    else:
        made_of = study.stimulus_set
        words_, contents_ = made_of.words.count(), made_of.contents.count()
        variants = sum(len(recipe.variants) for recipe in made_of.recipes.all())
        counts = (words_, contents_, words_ * contents_ * variants)
    total = counts[2] * directions
    return Asked(
        options=study.options or _fewest_words(found) or counts[0] or None,
        words=counts[0],
        contents=counts[1],
        pictures=counts[2],
        directions=directions,
        questions=total if study.questions_each is None else min(study.questions_each, total),
    )


def _fewest_words(pictures: Iterable[tuple[int, ...]]) -> int:
    """Words of the content and recipe that has the fewest: what "all words" comes to."""
    groups: dict[tuple[int, int], set[int]] = {}
    for word, content, recipe, _picture in pictures:
        groups.setdefault((content, recipe), set()).add(word)
    return min(map(len, groups.values()), default=0)


def likely_accuracy(options: int) -> float:
    """That of raters who know one word in four, rounded to 5 %, to begin planning with."""
    return round((SKILL + (1 - SKILL) / options) * 20) / 20


def plan_numbers(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    """`power_section` with a curve over numbers of raters, for the accuracy wanted and for some beside it.

    Raises:
        PowerError: the plan is out of range.
    """
    try:
        needed = needed_raters(plan, wanted.accuracy, wanted.power)
    except OutOfReach:
        needed = 0
    return power_section(
        plan,
        raters=wanted.raters,
        accuracy=wanted.accuracy,
        target=wanted.power,
        half_width=wanted.half_width,
        accuracies=_beside(plan, wanted.accuracy),
        numbers=_rows(wanted.raters, needed),
    )


def _beside(plan: Plan, accuracy: float) -> list[float]:
    """Accuracies to compare with, where there is room between chance and 1."""
    step = 0.1 if accuracy - plan.chance > 0.12 else 0.05
    others = (round(accuracy + n * step, 4) for n in (-1, 1, 2))
    return [p for p in others if plan.chance + 0.02 < p < 1]


def _rows(raters: int, needed: int) -> list[int]:
    """Numbers of raters for the curve: up to well beyond the planned and the needed one."""
    least = max(10, round(1.5 * raters))
    top = min(MOST_RATERS, max(least, min(round(1.25 * needed), 6 * least)))
    step = -(-top // MOST_ROWS)
    also = {raters, *(n for n in (*ROUND, needed) if 1 <= n <= top)}
    return sorted({*range(1, top + 1, step), top, *also})


def table_rows(numbers: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the curve, the rows for a table: round numbers, the planned and the needed one."""
    marked = {numbers["raters"], numbers["needed"]["raters"]}
    return [row for row in numbers["curve"] if row["raters"] in ROUND or row["raters"] in marked]


# --- in words -------------------------------------------------------------------------------------


def probability(value: float) -> str:
    """As papers print it: two digits without the zero before them, never a rounded 0 or 1."""
    if value > 0.995:
        return "> .99"
    return "< .01" if value < 0.005 else f"{value:.2f}".lstrip("0")


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}".removesuffix(".0") + " %"


def decimal(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def sentences(numbers: dict[str, Any]) -> list[str]:
    """What the numbers of `plan_numbers` say, the most important first."""
    accuracy, target = percent(numbers["accuracy"]), probability(numbers["needed"]["power"])
    raters, words = numbers["raters"], numbers["words"]
    found = ngettext(
        "With %(n)d rater, a word that people recognise %(accuracy)s of the time is found with probability %(power)s.",
        "With %(n)d raters, a word that people recognise %(accuracy)s of the time is found with probability %(power)s.",
        raters,
    )
    said = [found % {"n": raters, "accuracy": accuracy, "power": probability(numbers["power"])}]
    if words > 1:
        said.append(
            _("If all %(words)d words are like that, %(found)s of them are found on average.")
            % {"words": words, "found": decimal(round(numbers["holm"]["expected"], 1))}
        )
    said.append(_needed_sentence(numbers, target))
    least = numbers["detectable_accuracy"]
    if least is None:
        said.append(_("So few answers cannot find any word, even if all are right."))
    else:
        said.append(
            _("The smallest accuracy found with probability %(power)s is %(least)s.")
            % {"power": target, "least": percent(least)}
        )
    said.append(_width_sentence(numbers))
    every = numbers["power_of_all_answers"]
    if numbers["design_effect"] > 1 and every is not None:
        said.append(
            _(
                "This is planned with %(effective)d effective answers a word. The report's test counts all "
                "%(answers)d, and would find the word with probability %(power)s."
            )
            % {
                "effective": numbers["effective_answers"],
                "answers": numbers["answers"],
                "power": probability(every),
            }
        )
    return said


def _needed_sentence(numbers: dict[str, Any], target: str) -> str:
    needed = numbers["needed"]["raters"]
    if needed is None:
        return _("For probability %(power)s more raters are needed than can be planned for.") % {
            "power": target
        }
    return ngettext(
        "Probability %(power)s takes %(n)d rater; with more it never falls below that again.",
        "Probability %(power)s takes %(n)d raters; with more it never falls below that again.",
        needed,
    ) % {"power": target, "n": needed}


def _width_sentence(numbers: dict[str, Any]) -> str:
    wanted = numbers["needed_for_half_width"]
    said = _("The 95 %% interval of its accuracy will be about ± %(half)s points wide.") % {
        "half": f"{100 * numbers['half_width']:.0f}"
    }
    if wanted["raters"] is None:
        return said
    return (
        said
        + " "
        + ngettext(
            "For ± %(half)s points %(n)d rater is needed.",
            "For ± %(half)s points %(n)d raters are needed.",
            wanted["raters"],
        )
        % {"half": decimal(100 * wanted["half_width"]), "n": wanted["raters"]}
    )
