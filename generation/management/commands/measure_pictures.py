"""`manage.py measure_pictures`: what analyses need of pictures that were made before it was stored."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from generation.management.terminal import at_work
from generation.models import StimulusSet


class Command(BaseCommand):
    help = (
        "Store the style distance (of content photograph and word's style) of a set's finished pictures that "
        "have none. New pictures have it. Needs what workers need; features that are stored are read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("set", help="the set's short name")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        from generation.measuring import measure_missing

        try:
            stimulus_set = StimulusSet.objects.get(slug=options["set"])
        except StimulusSet.DoesNotExist:
            known = ", ".join(StimulusSet.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no set {options['set']!r}. Sets: {known}.") from None
        rows = stimulus_set.pictures.done().filter(style_distance=None)
        # Pictures of one word together: its style vector is computed once.
        pictures = list(
            rows.with_names().select_related("clustering").order_by("recipe", "word", "content")
        )
        with at_work(self.stdout, "What is measured is kept.") as display:
            failed = list(
                measure_missing(
                    pictures, lambda done: display.show(f"{done}/{len(pictures)} pictures")
                )
            )
        if failed:
            reasons = "\n".join(f"  {picture}: {error}" for picture, error in failed)
            raise CommandError(
                f"{stimulus_set}: {len(pictures) - len(failed)} pictures measured, {len(failed)} not. "
                f"What is measured is kept.\n{reasons}"
            )
        self.stdout.write(f"{stimulus_set}: {len(pictures)} pictures measured.")
