"""`manage.py report STUDY`: the numbers of the report page, for programs."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from survey.models import Study


class Command(BaseCommand):
    help = "Print a study's accuracy by word, and by word and content."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("--format", choices=["json", "csv"], default="json")
        parser.add_argument(
            "--include-simulated",
            action="store_true",
            help="count answers of simulated raters too",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from survey.report import build_report

        slug = options["study"]
        study = Study.objects.filter(slug=slug).first()
        if study is None:
            known = ", ".join(Study.objects.order_by("slug").values_list("slug", flat=True))
            raise CommandError(
                f"There is no study {slug!r}. Studies: {known or 'none yet'}."
                " Give the slug, the last part of a study's address."
            )
        report = build_report(study, options["include_simulated"])
        if options["format"] == "csv":
            self.stdout.write(report.as_csv().replace("\r\n", "\n"), ending="")
        else:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
