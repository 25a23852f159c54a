"""`manage.py add_words`: words that come with the program."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, no_translations

from generation.models import SOURCES
from generation.wordlists import LISTS, add_words


class Command(BaseCommand):
    help = "Add words with readings, glosses and queries: " + "; ".join(
        f"{name} ({what})" for name, what in LISTS.items()
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("lists", nargs="+", choices=LISTS, metavar="LIST")
        parser.add_argument(
            "--source", choices=[name for name, _label in SOURCES], default="", help="of new words"
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        for name in options["lists"]:
            added, there = add_words(name, options["source"])
            self.stdout.write(f"{name}: {added} words added, {there} were there.")
