"""`manage.py contact_sheet`: contents × words × ways of making pictures, on the sample photographs."""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, no_translations

from generation.progress import Display

MEMBERS = 8


class Command(BaseCommand):
    help = (
        "Write a sheet of pictures for docs/: sample contents × sample words × presets and colours."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="a PNG file to write")
        parser.add_argument("--words", nargs="+", default=["木製", "石", "布製"])
        parser.add_argument("--contents", type=int, default=2, help="how many sample contents")
        parser.add_argument("--size", type=int, default=256)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        from generation import features, pictures
        from generation.imagefile import read_image
        from generation.packages import PackageError
        from generation.sources import samples
        from generation.sources.base import SourceError
        from generation.vision.errors import VisionError
        from generation.vision.recipe import get_preset
        from generation.vision.tensors import center_square
        from generation.vision.transfer import Styling, stylize

        fast = replace(get_preset("fast"), encoder=settings.ENCODER, size=options["size"])
        ways = {
            "fast": fast,
            "random-phase": replace(
                get_preset("random-phase"), encoder=fast.encoder, size=fast.size
            ),
            "fast, colours matched": replace(fast, color="match"),
            "fast, luminance only": replace(fast, color="luminance"),
            "fast, sliced Wasserstein": replace(fast, statistic="sliced-wasserstein"),
            "start from the content": replace(fast, initial="content"),
        }
        display = Display(self.stdout)
        rows, names = [], []
        try:
            pictures.check_out(options["out"])
            encoder = features.encoder(fast.encoder, "max")
            precision = features.precision(encoder)
            source = samples.SampleSource(settings.PACKAGES_ROOT)
            for word in options["words"]:
                hits = list(source.search(word, 60))[:MEMBERS]
                members = [read_image(source.read(hit)).image for hit in hits]
                # One texture a word, shared by all that start from it.
                styling = pictures.styling(encoder, members, fast, 1, display.show)
                own = Styling(members, texture=styling.texture)
                for content in samples.CONTENTS[: options["contents"]]:
                    image = read_image(samples.read_content(content, settings.PACKAGES_ROOT)).image
                    row = [styling.texture or members[0]]
                    for way, params in ways.items():
                        display.show(f"{word} × {content.name}: {way}")
                        given = styling if params.statistic == fast.statistic else own
                        made = stylize(encoder, image, given, params, seed=1, precision=precision)
                        row.append(made.image)
                    rows.append([center_square(one, options["size"]) for one in row])
                    names.append(f"{word} × {content.name}")
            pictures.write(
                pictures.sheet(rows, names, ["the word's texture", *ways]), options["out"]
            )
        except (VisionError, SourceError, PackageError, pictures.FileProblem) as error:
            raise CommandError(str(error)) from error
        finally:
            display.end()
        self.stdout.write(f"Written: {options['out']}")
