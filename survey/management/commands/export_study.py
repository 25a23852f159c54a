"""`manage.py export_study STUDY --out DIR|ZIP`: data, analysis and words about them, for others to check."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from survey.export.texts import LICENSES
from survey.management.studies import study_named
from survey.tables import DAY, TIMES


class Command(BaseCommand):
    help = (
        "Write a study's answers, pictures' parameters, design and analysis to a folder, or to a zip if the "
        "name ends in .zip. It follows Psych-DS. Participants go by pseudonyms."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument(
            "--out", type=Path, required=True, metavar="DIR|ZIP", help="a new folder or a new zip"
        )
        parser.add_argument(
            "--pictures",
            action="store_true",
            help="with the pictures that their photographs' licences let be passed on",
        )
        parser.add_argument(
            "--include-simulated", action="store_true", help="with answers of simulated raters"
        )
        parser.add_argument(
            "--about",
            action="store_true",
            help="with what participants said about themselves (never their comments)",
        )
        parser.add_argument(
            "--times",
            choices=TIMES,
            default=DAY,
            help="day: when people began is told by the day only; exact: to the millisecond",
        )
        parser.add_argument(
            "--license", choices=sorted(LICENSES), default="", help="of the data; none unless given"
        )
        parser.add_argument("--no-report", action="store_true", help="without running the analysis")

    # Files of an export are the same in every language.
    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        from survey.charts.files import figure_files
        from survey.export import Choices, ExportError, write
        from survey.tables import TablesError

        choices = Choices(
            pictures=options["pictures"],
            simulated=options["include_simulated"],
            about=options["about"],
            times=options["times"],
            license=options["license"],
            report=not options["no_report"],
        )
        out = options["out"]
        try:
            made = write(study_named(options["study"]), out, choices, figures=figure_files)
        except (ExportError, TablesError, OSError) as error:
            raise CommandError(str(error)) from error
        rows = ", ".join(f"{count} {table}" for table, count in made.counts.items())
        self.stdout.write(f"{out}: {rows}.")
        if options["pictures"]:
            self.stdout.write(f"{made.pictures} pictures; {len(made.left_out)} left out:")
            for pk, why in made.left_out.items():
                self.stdout.write(f"  {pk}: {why}")
