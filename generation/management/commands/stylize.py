"""`manage.py stylize`: one picture, from files or from a word."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import IntegrityError, OperationalError, ProgrammingError
from PIL import Image

from generation.imagefile import pixel_sha256
from generation.management.terminal import at_work
from generation.management.words import default_source, new_word
from generation.models import SOURCES
from generation.notation import NAMES, overrides
from generation.progress import Display

if TYPE_CHECKING:
    from generation.vision.transfer import TransferResult


class Command(BaseCommand):
    help = (
        "Restyle a photograph: with the style of photographs (--style, needs no database), or of a word "
        "(--word; its photographs are collected and grouped first if that was not done). Beside the "
        "picture, under its name with .json, is written all that it came of: the recipe whole, seed, "
        "mask, photographs, losses, device and versions."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--content", type=Path, required=True)
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--style", type=Path, nargs="+", metavar="S")
        source.add_argument("--word")
        parser.add_argument(
            "--source",
            choices=[name for name, _label in SOURCES],
            help="where photographs of a word that is new are collected; unless given, from the "
            "samples if they have the word, else from Openverse",
        )
        parser.add_argument(
            "--out",
            type=Path,
            required=True,
            help="a PNG file to write, X.png; X.json goes beside it",
        )
        parser.add_argument(
            "--preset",
            default="random-phase",
            help="see docs/method.md; random-phase unless given, and not fast: the texture that fast "
            "synthesizes first takes half a minute, and only several pictures would share it",
        )
        _add_overrides(parser.add_argument_group("instead of the preset's (see docs/method.md)"))
        region = parser.add_mutually_exclusive_group()
        region.add_argument(
            "--mask", type=Path, help="white where to restyle; of the content's size"
        )
        region.add_argument(
            "--box",
            type=int,
            nargs=4,
            metavar=("L", "T", "R", "B"),
            help="restyle the object in this box of the content's pixels (GrabCut)",
        )
        region.add_argument(
            "--segment",
            action="store_true",
            help="restyle the objects that the segmentation network finds",
        )
        parser.add_argument(
            "--background-style",
            type=Path,
            nargs="+",
            metavar="S",
            help="photographs whose style the rest takes on, instead of staying as it is",
        )
        parser.add_argument("--seed", type=int, default=1)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        with at_work(self.stdout, "No picture was written.") as display:
            result = self._make(display, options)
        self.stdout.write(
            f"Written: {options['out']} (style loss {result.style_loss:.4f}, content loss "
            f"{result.content_loss:.4f}, correlation with a photograph at most "
            f"{result.high_frequency_correlation:.3f}), and how it was made: {_record(options)}"
        )

    def _make(self, display: Display, options: dict[str, Any]) -> "TransferResult":
        from generation import features, pictures
        from generation.vision.transfer import stylize

        # All that can be refused at once comes before what takes minutes.
        pictures.check_out(options["out"])
        pictures.check_place(_record(options))
        params = _params(options)
        content = pictures.read(options["content"])
        behind = [pictures.read(path) for path in options["background_style"] or ()]
        mask, region = _mask(options, content, display)
        encoder = features.encoder(params.encoder, params.pooling)
        precision = features.precision(encoder)
        if options["style"] is None:
            with _database():
                photographs, style = self._photographs(
                    options["word"].strip(), options["source"], params.encoder, display
                )
        else:
            photographs = [pictures.read(path) for path in options["style"]]
            style = {"photographs": _named(options["style"], photographs)}
        seed = options["seed"]
        styling = pictures.styling(encoder, photographs, params, seed, display.show)
        background = None
        if behind:
            background = pictures.styling(encoder, behind, params, seed, display.show)
        result = stylize(
            encoder,
            content,
            styling,
            params,
            seed=seed,
            mask=mask,
            background=background,
            precision=precision,
            on_step=lambda step: display.show(
                f"stylize: {step.number}/{step.total} evaluations, loss {step.losses.total:.4f}"
            ),
        )
        made_of = {
            "preset": options["preset"],
            "params": params.to_dict(),
            "seed": seed,
            "content": _named([options["content"]], [content])[0],
            "mask": region,
            "style": style,
            "background": (
                {"photographs": _named(options["background_style"], behind)} if behind else None
            ),
            "encoder": {"name": encoder.spec.name, "pooling": encoder.pooling},
            "computed_by": features.computed_by(encoder),
        }
        pictures.write(result.image, options["out"])
        pictures.write_record({**made_of, **_found(result, options["out"])}, _record(options))
        return result

    def _photographs(
        self, text: str, source: str | None, encoder: str, display: Display
    ) -> tuple[Sequence[Image.Image], dict[str, Any]]:
        """The members of the word's best groups, and what is written down about them."""
        from generation import inline
        from generation.features import open_photograph
        from generation.models import Job, Word

        found = Word.objects.filter(text=text).first()
        word = new_word(text, source or default_source(text)) if found is None else found
        try:
            clustering = inline.cluster(
                word, encoder, lambda stage: display.show(f"{stage} {word}")
            )
        except inline.StageFailed as error:
            active = Job.objects.all().active().filter(word=word)
            if found is None and not word.images.exists() and not active.exists():
                # A word of which there is nothing was a slip of the keyboard.
                word.delete()
            raise CommandError(str(error)) from error
        groups = list(clustering.clusters.filter(chosen=True))
        rows = [
            member.image for group in groups for member in group.members.select_related("image")
        ]
        return [open_photograph(row) for row in rows], {
            "word": word.text,
            "clustering": {
                "id": clustering.pk,
                "created": clustering.created_at.isoformat(),
                "descriptor": clustering.descriptor,
                "fingerprint": clustering.fingerprint,
                "params": clustering.params,
            },
            "clusters": [group.rank for group in groups],
            "photographs": [{"name": str(row), "sha256": row.sha256} for row in rows],
        }


def _record(options: dict[str, Any]) -> Path:
    """Where it is written down how the picture was made."""
    out: Path = options["out"]
    return out.with_suffix(".json")


def _named(paths: Sequence[Path], images: Sequence[Image.Image]) -> list[dict[str, Any]]:
    """Files by name and pixels. Not by folder: that is another one on another machine."""
    return [
        {"file": path.name, "sha256": pixel_sha256(image)}
        for path, image in zip(paths, images, strict=True)
    ]


def _found(result: "TransferResult", out: Path) -> dict[str, Any]:
    """What came out, under the names that rows of pictures have for it."""
    return {
        "picture": _named([out], [result.image])[0],
        "content_loss": result.content_loss,
        "style_loss": result.style_loss,
        "losses": asdict(result.losses),
        "loss_curve": [round(value, 6) for value in result.curve],
        "evaluations": result.evaluations,
        "best_evaluation": result.best_evaluation,
        "restarts": result.restarts,
        "source_correlation": result.high_frequency_correlation,
        "precision": result.precision,
    }


def _add_overrides(group: Any) -> None:
    """An option for each of `notation.NAMES`; the values are checked by `TransferParams`."""
    group.add_argument(
        "--encoder",
        help="vgg16-hed or vgg19; unless given, the preset's if it is a published one, else "
        "STYLESTUDY_ENCODER",
    )
    group.add_argument("--pooling", help="max (as trained) or average (as published)")
    group.add_argument(
        "--style-layers",
        metavar="LAYERS",
        help="with relative weights if wanted: 'conv1_1 conv2_1*0.5'",
    )
    group.add_argument("--content-layer", metavar="LAYER", help="e.g. conv4_2")
    group.add_argument(
        "--content-weight", type=float, metavar="W", help="against the style; larger: more content"
    )
    group.add_argument("--statistic", help="gram, moments or sliced-wasserstein")
    group.add_argument("--loss", help="relative, or gatys (as published)")
    group.add_argument("--optimizer", help="lbfgs or adam")
    group.add_argument("--history", type=int, metavar="N", help="memory of lbfgs, in steps")
    group.add_argument("--learning-rate", type=float, metavar="R", help="of adam")
    group.add_argument("--size", type=int, help="side in pixels")
    group.add_argument("--evaluations", type=int, metavar="N", help="budget at that size")
    group.add_argument(
        "--coarse",
        metavar="SIZES",
        help="smaller sizes first, with evaluations: '128: 20, 192: 10'",
    )
    group.add_argument("--range-weight", type=float, metavar="W", help="of colors out of range")
    group.add_argument("--tv-weight", type=float, metavar="W", help="of the total variation")
    group.add_argument("--initial", help="random-phase, texture, content, noise or overlay")
    group.add_argument(
        "--sigma", type=float, help="pixels; what is finer comes from the style in the start"
    )
    group.add_argument("--texture-evaluations", type=int, metavar="N")
    group.add_argument("--color", help="style, match, histogram or luminance")


def _params(options: dict[str, Any]) -> Any:
    """The preset with the changes asked for. Raises `BadParams`."""
    from generation.vision.errors import BadParams
    from generation.vision.recipe import get_preset, preset_encoder

    preset = options["preset"]
    changes = overrides({name: options[name] for name in NAMES})
    changes.setdefault("encoder", preset_encoder(preset, settings.ENCODER))
    params = replace(get_preset(preset), **changes)
    params.check_encoder()
    if options["seed"] < 0:
        raise BadParams(f"Expected a seed of at least 0, got {options['seed']}.")
    return params


@contextmanager
def _database() -> Iterator[None]:
    """What can be wrong with the rows of words, in a command that else needs none.

    Raises:
        CommandError: they cannot be used now.
    """
    try:
        yield
    except IntegrityError as error:
        raise CommandError(
            "Another process has begun with the same word just now. Wait for it, then try again."
        ) from error
    except (OperationalError, ProgrammingError) as error:
        raise CommandError(
            f"The database with the words cannot be used: {str(error).strip()}\n"
            "Run `manage.py migrate`, or name photographs by --style, which needs no database."
        ) from error


def _mask(
    options: dict[str, Any], content: Image.Image, display: Display
) -> tuple[Image.Image | None, dict[str, Any] | None]:
    """The mask in gray, of the content's size, and how it was made.

    None, both, where the whole picture is restyled.

    Raises:
        FileProblem, VisionError: there is none to be had.
        CommandError: a style for the background, but no mask.
    """
    from generation import features
    from generation.vision.masks import NETWORK, GrabCutParams, grabcut, segment

    how: dict[str, Any]
    if options["box"] is not None:
        left, top, right, bottom = options["box"]
        display.show("mask: looking for the object in the box")
        params = GrabCutParams()
        mask = grabcut(content, (left, top, right, bottom), params)
        how = {"method": "grabcut", "box": options["box"], "params": params.to_dict()}
    elif options["segment"]:
        display.show("mask: looking for objects")
        mask = segment(content, features.segmenter())
        how = {"method": NETWORK, "torchvision": version("torchvision")}
    elif options["mask"] is not None:
        mask = _read_mask(options["mask"], content)
        how = {"method": "file", "file": options["mask"].name}
    elif options["background_style"]:
        raise CommandError(
            "--background-style needs to know what the background is: give --box, --segment or "
            "--mask as well."
        )
    else:
        return None, None
    return mask, {**how, "sha256": pixel_sha256(mask)}


def _read_mask(path: Path, content: Image.Image) -> Image.Image:
    """The mask of a file. Raises `FileProblem`."""
    from generation import pictures

    mask = pictures.read(path).convert("L")
    if mask.size != content.size:
        raise pictures.FileProblem(
            f"Expected a mask of the content photograph's size, {content.width} × {content.height}, "
            f"but {path} has {mask.width} × {mask.height}. Make the mask from that photograph."
        )
    return mask
