"""`manage.py report STUDY`: the numbers of the report, for programs."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from survey.jobs import Filters
from survey.management.studies import study_named
from survey.models import Study


class Command(BaseCommand):
    help = (
        "Print all numbers of a study's report, computed now: accuracy with intervals and tests, "
        "causes, confusions, times, agreement, raters. docs/report.md explains every key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument(
            "--format",
            choices=["json", "csv"],
            default="json",
            help="json: everything (the default); csv: the table of accuracies",
        )
        parser.add_argument(
            "--include-simulated",
            action="store_true",
            help="count answers of simulated raters too",
        )
        parser.add_argument("--language", default="", help="only of people who saw it in this one")
        parser.add_argument("--recipe", default="", help="only about pictures of this recipe")
        parser.add_argument(
            "--only",
            nargs="+",
            metavar="SECTION",
            help="only these sections: quicker; the accuracies are always there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from survey.analyses import build
        from survey.report import Report
        from survey.stats.analysis import sections

        study = study_named(options["study"])
        filters = Filters(options["include_simulated"], options["language"], options["recipe"])
        _check(study, filters)
        basic = ("people", "accuracy")
        only: tuple[str, ...] | None = basic if options["format"] == "csv" else None
        if options["only"]:
            unknown = set(options["only"]) - sections().keys()
            if unknown:
                raise CommandError(
                    f"Expected sections of {', '.join(sections())}; came {', '.join(sorted(unknown))}."
                )
            only = (*basic, *options["only"])
        result = build(study, filters, only)
        report = Report.of(study.slug, result["kept"], include_simulated=filters.simulated)
        chosen = {
            "language": filters.language,
            "recipe": filters.recipe,
            "with_excluded": False,
        }
        if options["format"] == "csv":
            self.stdout.write(report.as_csv(chosen).replace("\r\n", "\n"), ending="")
        else:
            # What the first versions printed stays where it was; the whole analysis comes behind.
            everything = {**report.as_json(), **chosen, **result}
            self.stdout.write(json.dumps(everything, ensure_ascii=False, indent=2))


def _check(study: Study, filters: Filters) -> None:
    languages = set(study.participations.order_by().values_list("language", flat=True))
    if filters.language and filters.language not in languages:
        raise CommandError(
            f"Expected a language in which somebody took part ({', '.join(sorted(languages)) or 'nobody did'}); "
            f"came {filters.language!r}."
        )
    recipes = set(study.stimulus_set.recipes.values_list("name", flat=True))
    if filters.recipe and filters.recipe not in recipes:
        raise CommandError(
            f"Expected a recipe of the set ({', '.join(sorted(recipes))}); came {filters.recipe!r}."
        )
