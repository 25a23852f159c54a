"""`manage.py export_textures SET --out DIR`: pictures in a folder a word, as training programs read them."""

import argparse
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from generation.models import Recipe, StimulusSet
from generation.textures import Choices, TexturesError, write


def fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return value


class Command(BaseCommand):
    help = (
        "Write the pictures of a set as a dataset of textures: a folder a word and metadata.csv, for "
        "torchvision's ImageFolder and Hugging Face's imagefolder."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("set", help="the set's short name")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
        parser.add_argument("--recipe", help="only pictures made by the recipe of that name")
        parser.add_argument(
            "--split",
            type=fraction,
            metavar="F",
            help="folders train and test: this fraction of content photographs is for testing",
        )
        parser.add_argument("--seed", type=int, default=0, help="which contents those are")
        parser.add_argument(
            "--include-restricted",
            action="store_true",
            help="also pictures that may not be passed on: for your own use only",
        )

    # Files of a dataset are the same in every language.
    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        choices = Choices(
            recipe=_recipe(options["recipe"]) if options["recipe"] else None,
            restricted=options["include_restricted"],
            split=options["split"],
            seed=options["seed"],
        )
        try:
            made = write(_set(options["set"]), options["out"], choices)
        except (TexturesError, OSError) as error:
            raise CommandError(str(error)) from error
        counts = ", ".join(f"{part} {n}".strip() for part, n in made.counts.items())
        self.stdout.write(f"{options['out']}: pictures of {made.classes} words: {counts}.")
        if made.left_out:
            self.stdout.write(f"{len(made.left_out)} left out:")
        for pk, why in made.left_out.items():
            self.stdout.write(f"  {pk}: {why}")


def _set(slug: str) -> StimulusSet:
    found = StimulusSet.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(StimulusSet.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(f"There is no set {slug!r}. Sets: {known or 'none yet'}.")
    return found


def _recipe(name: str) -> Recipe:
    found = Recipe.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(Recipe.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(f"There is no recipe {name!r}. Recipes: {known or 'none yet'}.")
    return found
