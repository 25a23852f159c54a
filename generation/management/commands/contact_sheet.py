"""`manage.py contact_sheet`: the pictures of docs/, on the sample photographs.

Two sheets: ways to make a picture (contents × words × presets, colors, regions, statistics), and
reconstructions from every convolution of the encoder.
"""

import io
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, no_translations
from PIL import Image

from generation.management.terminal import at_work
from generation.packages import PackageError
from generation.sources.base import SourceError

FILES = ("ways.jpg", "reconstructions.jpg")
MEMBERS = 8
#: Side of a picture on a sheet, in pixels; they are made larger.
SHOWN = 176


@dataclass(frozen=True)
class Way:
    """A column: the recipe's changes to a preset, and the region."""

    preset: str
    changes: dict[str, Any]
    region: str = "whole"


WAYS = {
    "fast": Way("fast", {}),
    "random-phase": Way("random-phase", {}),
    "preview": Way("preview", {}),
    "gatys2015 *": Way("gatys2015", {"evaluations": 100}),
    "matsuo-yanai *": Way("matsuo-yanai", {"evaluations": 100}),
    "color: match": Way("fast", {"color": "match"}),
    "color: histogram": Way("fast", {"color": "histogram"}),
    "color: luminance": Way("fast", {"color": "luminance"}),
    "region: foreground": Way("fast", {}, "foreground"),
    "… and background": Way("fast", {}, "background"),
    "sliced Wasserstein": Way("fast", {"statistic": "sliced-wasserstein"}),
    "moments": Way("fast", {"statistic": "moments"}),
}


class Command(BaseCommand):
    help = (
        "Write ways.jpg and reconstructions.jpg into a folder: the sample contents and words in all "
        "ways, and what each layer knows of a content. (* 100 evaluations, and the encoder at hand.)"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="a folder")
        parser.add_argument("--words", nargs="+", default=["石", "布製"])
        parser.add_argument("--contents", type=int, default=2, help="how many sample contents")
        parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
        parser.add_argument("--size", type=int, help="side in pixels, instead of the presets'")
        parser.add_argument("--evaluations", type=int, help="instead of the presets'")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        from generation import pictures

        ways, reconstructions = (options["out"] / name for name in FILES)
        stopped = "The sheet that was begun is not written."
        with at_work(self.stdout, stopped, SourceError, PackageError, OSError) as display:
            # What cannot be written is refused before minutes are spent.
            pictures.check_place(ways)
            pictures.check_place(reconstructions)
            pictures.write_file(_jpeg(_ways(options, display.show)), ways)
            pictures.write_file(_jpeg(_reconstructions(options, display.show)), reconstructions)
        self.stdout.write(f"Written: {ways}, {reconstructions}")


def _jpeg(page: Image.Image) -> bytes:
    stream = io.BytesIO()
    page.save(stream, "JPEG", quality=88)
    return stream.getvalue()


def _shown(image: Image.Image) -> Image.Image:
    return image.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)


def _contents(count: int) -> list[Any]:
    """Those whose object GrabCut finds come first: (sample, photograph, mask or None)."""
    from generation.imagefile import read_image
    from generation.sources import samples
    from generation.vision.masks import grabcut

    found = []
    for content in sorted(samples.CONTENTS, key=lambda c: c.object_box is None)[:count]:
        image = read_image(samples.read_content(content, settings.PACKAGES_ROOT)).image
        mask = grabcut(image, content.object_box) if content.object_box else None
        found.append((content, image, mask))
    return found


def _members(word: str) -> list[Image.Image]:
    from generation.imagefile import read_image
    from generation.sources import samples

    source = samples.SampleSource(settings.PACKAGES_ROOT)
    hits = list(source.search(word, 60))[:MEMBERS]
    return [read_image(source.read(hit)).image for hit in hits]


def _ways(options: dict[str, Any], say: Callable[[str], None]) -> Image.Image:
    """The words' textures and pictures, a row for each word and content."""
    from generation import features, pictures
    from generation.vision.recipe import get_preset
    from generation.vision.transfer import Styling, stylize

    own = {name: options[name] for name in ("size", "evaluations") if options[name] is not None}
    budget = own.get("evaluations")
    if budget is not None:
        own["texture_evaluations"] = budget
    fast = replace(get_preset("fast"), encoder=settings.ENCODER, **own)
    words = options["words"]
    members = {word: _members(word) for word in words}
    # One texture a word and statistic, shared by all that start from it.
    made_of: dict[tuple[str, str], Styling] = {}

    def style_of(word: str, params: Any) -> Styling:
        if params.initial != "texture":
            return Styling(members[word])
        key = word, params.statistic
        if key not in made_of:
            network = features.encoder(params.encoder, params.pooling)
            made_of[key] = pictures.styling(network, members[word], params, 1, say)
        return made_of[key]

    contents = _contents(options["contents"])
    rows, names = [], []
    for n, word in enumerate(words):
        behind = words[(n + 1) % len(words)]
        for content, image, mask in contents:
            row = [style_of(word, fast).texture or members[word][0]]
            for name in options["ways"]:
                say(f"{word} × {content.name}: {name}")
                way = WAYS[name]
                params = replace(
                    get_preset(way.preset), **{"encoder": fast.encoder, **way.changes, **own}
                )
                if way.region != "whole" and mask is None:
                    row.append(Image.new("RGB", image.size, pictures.PAPER))
                    continue
                network = features.encoder(params.encoder, params.pooling)
                made = stylize(
                    network,
                    image,
                    style_of(word, params),
                    params,
                    seed=1,
                    mask=mask if way.region != "whole" else None,
                    background=style_of(behind, params) if way.region == "background" else None,
                    precision=features.precision(network),
                )
                row.append(made.image)
            rows.append([_shown(picture) for picture in row])
            names.append(f"{word} × {content.name}")
    return pictures.sheet(rows, names, ["texture", *options["ways"]])


def _reconstructions(options: dict[str, Any], say: Callable[[str], None]) -> Image.Image:
    """A content photograph from each layer's activations, and from Gram matrices up to the layer."""
    from generation import features, pictures
    from generation.vision.reconstruct import KINDS, reconstruct

    network = features.encoder(settings.ENCODER, "max")
    ((_content, image, _mask),) = _contents(1)
    layers = network.spec.conv_layers
    own = {name: options[name] for name in ("size", "evaluations") if options[name] is not None}
    own.setdefault("evaluations", 100)
    rows = []
    for of in KINDS:
        row = []
        for layer in layers:
            say(f"{of} of {layer}")
            row.append(_shown(reconstruct(network, image, of=of, layer=layer, **own)))
        rows.append(row)
    return pictures.sheet(rows, KINDS, layers)
