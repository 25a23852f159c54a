"""`manage.py preregister STUDY`: what a study asks and how it will be analysed, as a text to register."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from survey.management.plans import add_plan_arguments, plan_of
from survey.management.studies import study_named


class Command(BaseCommand):
    help = (
        "Print a preregistration in Markdown, from the settings of a study that is still a draft. With "
        "--accuracy or --skill it says the power; what is not decided is marked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's slug")
        codes = [code for code, _name in settings.LANGUAGES]
        parser.add_argument("--language", choices=codes, default="en", help="default: en")
        add_plan_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        from survey.planning import plan_numbers
        from survey.preregistration import preregistration
        from survey.stats.power import PowerError

        study = study_named(options["study"])
        numbers = None
        if options["accuracy"] is not None or options["skill"] is not None:
            try:
                numbers = plan_numbers(*plan_of(options, study))
            except PowerError as error:
                raise CommandError(str(error)) from error
        with translation.override(options["language"]):
            self.stdout.write(preregistration(study, numbers), ending="")
