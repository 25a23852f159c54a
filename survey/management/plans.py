"""Saying on the command line what is planned."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError


def add_plan_arguments(parser: ArgumentParser) -> None:
    """What decides the power; also of the preregistration."""
    asked = parser.add_argument_group("what is asked")
    asked.add_argument("--options", type=int, metavar="M", help="options of a question")
    asked.add_argument("--words", type=int, metavar="K", help="words, tested as one family")
    asked.add_argument(
        "--contents", type=int, metavar="C", help="pictures of each word that are asked about"
    )
    asked.add_argument(
        "--directions", type=int, choices=[1, 2], help="ways in which a picture is asked about"
    )
    asked.add_argument(
        "--questions-each", type=int, metavar="N", help="questions a rater, if not all"
    )
    wanted = parser.add_argument_group("what is planned")
    wanted.add_argument("--raters", type=int, metavar="R", help="default: the study's quota, or 30")
    accuracy = wanted.add_mutually_exclusive_group()
    accuracy.add_argument(
        "--accuracy", type=float, metavar="P", help="smallest share of right answers worth finding"
    )
    accuracy.add_argument(
        "--skill", type=float, metavar="S", help="the same as share of raters who know the answer"
    )
    effect = wanted.add_mutually_exclusive_group()
    effect.add_argument(
        "--design-effect", type=float, metavar="D", help="default: from --correlation"
    )
    effect.add_argument(
        "--correlation",
        type=float,
        metavar="RHO",
        help="of two answers of one rater about one word; default 0.1",
    )
    wanted.add_argument("--alpha", type=float, default=0.05, help="default 0.05, over all words")
    wanted.add_argument("--power", type=float, default=0.8, help="wanted; default 0.8")
    wanted.add_argument(
        "--half-width", type=float, default=0.1, help="wanted, of a word's interval; default 0.1"
    )


def plan_of(options: dict[str, Any], study: Any = None) -> tuple[Any, Any]:
    """The plan and what is wanted of it: options before the study's settings before defaults.

    Raises:
        CommandError: something is neither said nor in the study.
        PowerError: a value is out of range.
    """
    from survey.planning import CORRELATION, RATERS, Wanted, asked_of, likely_accuracy
    from survey.stats.power import Plan, PowerError, accuracy_of_skill, design_effect

    asked = asked_of(study) if study is not None else None
    m = options["options"] if options["options"] is not None else asked and asked.options
    words = options["words"]
    if words is None and asked is not None:
        words = asked.words
    each = _answers_each(options, asked, words)
    if not m or not words or not each:
        raise CommandError(
            "Expected what is asked: give --options, --words and --contents, or a --study that has words, "
            "pictures and questions to choose in."
        )
    effect = options["design_effect"]
    if effect is None:
        given = options["correlation"]
        effect = design_effect(each, CORRELATION if given is None else given)
    plan = Plan(m, words, each, effect, options["alpha"])
    accuracy = options["accuracy"]
    if options["skill"] is not None:
        accuracy = accuracy_of_skill(options["skill"], m)
    raters = options["raters"] if options["raters"] is not None else study and study.quota
    wanted = Wanted(
        raters=RATERS if raters is None else raters,
        accuracy=likely_accuracy(m) if accuracy is None else accuracy,
        power=options["power"],
        half_width=options["half_width"],
    )
    if wanted.raters < 1:
        raise PowerError(f"Expected raters from 1; came {wanted.raters}.")
    return plan, wanted


def _answers_each(options: dict[str, Any], asked: Any, words: int | None) -> float | None:
    """Answers of one rater about one word."""
    if options["contents"] is not None:
        directions = options["directions"] or (asked.directions if asked else 1)
        each: float | None = options["contents"] * directions
    else:
        each = asked.answers_each if asked else None
        if each and options["directions"]:
            each = each / asked.directions * options["directions"]
    if options["questions_each"] is not None and each and words:
        each = min(each, options["questions_each"] / words)
    return each
