"""`manage.py reconstruct`: what a layer of an encoder knows of a picture."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, no_translations

from generation.management.terminal import at_work
from generation.progress import Display


class Command(BaseCommand):
    help = (
        "Make a picture from the activations of one layer (--of content), or from the Gram matrices "
        "of the first layer of each block up to it and its own (--of style). --layer all makes a contact "
        "sheet of every convolution, --layer blocks of the first of each block; both kinds."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--image", type=Path, required=True)
        parser.add_argument("--of", choices=["content", "style"], default="content")
        parser.add_argument(
            "--layer",
            required=True,
            help="conv1_1 … conv5_4; all: every convolution of the encoder; blocks: conv1_1 … conv5_1",
        )
        parser.add_argument("--out", type=Path, required=True, help="a PNG file to write")
        parser.add_argument("--encoder", default=settings.ENCODER)
        parser.add_argument(
            "--pooling", default="max", help="max (as trained) or average (as published)"
        )
        parser.add_argument("--size", type=int, default=256, help="side in pixels")
        parser.add_argument("--evaluations", type=int, default=200)
        parser.add_argument("--seed", type=int, default=0)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        with at_work(self.stdout, "Nothing was written.") as display:
            self._make(display, options)
        self.stdout.write(f"Written: {options['out']}")

    def _make(self, display: Display, options: dict[str, Any]) -> None:
        from generation import features, pictures
        from generation.vision.reconstruct import KINDS, reconstruct

        pictures.check_out(options["out"])
        image = pictures.read(options["image"])
        encoder = features.encoder(options["encoder"], options["pooling"])

        def one(of: str, layer: str) -> Any:
            return reconstruct(
                encoder,
                image,
                of=of,
                layer=layer,
                size=options["size"],
                evaluations=options["evaluations"],
                seed=options["seed"],
                on_step=lambda step: display.show(
                    f"{of} of {layer}: {step.number}/{step.total} evaluations, "
                    f"loss {step.losses.total:.4f}"
                ),
            )

        spec = encoder.spec
        sheets = {"all": spec.conv_layers, "blocks": spec.style_layers}
        if options["layer"] in sheets:
            layers = sheets[options["layer"]]
            rows = [[one(of, layer) for layer in layers] for of in KINDS]
            result = pictures.sheet(rows, KINDS, layers)
        else:
            result = one(options["of"], options["layer"])
        pictures.write(result, options["out"])
