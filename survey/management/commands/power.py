"""`manage.py power`: how surely words are found, and how exactly their accuracy is known, with so many raters."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from survey.management.plans import add_plan_arguments, plan_of
from survey.management.studies import study_named


class Command(BaseCommand):
    help = (
        "Plan a study: the probability that a word is found to be above chance, the raters "
        "needed for it, and the width of its interval. What --study does not say is said by options."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_plan_arguments(parser)
        parser.add_argument("--study", metavar="SLUG", help="take what is asked from this study")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        from survey.planning import plan_numbers
        from survey.stats.power import PowerError

        study = study_named(options["study"]) if options["study"] else None
        try:
            numbers = plan_numbers(*plan_of(options, study))
        except PowerError as error:
            raise CommandError(str(error)) from error
        if options["format"] == "json":
            self.stdout.write(json.dumps(numbers, indent=2))
        else:
            with translation.override("en"):
                self.stdout.write(_text(numbers))


def _text(numbers: dict[str, Any]) -> str:
    from survey.planning import decimal, percent, probability, sentences, table_rows

    asked = (
        f"{numbers['words']} words, {numbers['options']} options (chance {percent(numbers['chance'])}), "
        f"{decimal(numbers['answers_each'])} answers of each rater about a word, "
        f"design effect {decimal(numbers['design_effect'])}, alpha {numbers['alpha']:g} over all words."
    )
    heads = ["raters", "answers", "effective", "right needed"]
    heads += [f"power at {percent(p)}" for p in numbers["accuracies"]] + ["± points"]
    lines = [asked, "", "  ".join(heads)]
    for row in table_rows(numbers):
        cells = [row["raters"], row["answers"], row["effective_answers"]]
        cells.append("–" if row["critical_count"] is None else row["critical_count"])
        cells += [probability(p) for p in row["powers"]] + [f"{100 * row['half_width']:.0f}"]
        lines.append(
            "  ".join(str(c).rjust(len(head)) for c, head in zip(cells, heads, strict=True))
        )
    return "\n".join([*lines, "", *sentences(numbers)])
