"""Files and contact sheets for commands that make pictures without rows."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from generation.imagefile import ImageRefused, encode_png, read_image
from generation.storage import write_atomically
from generation.vision.encoder import Encoder
from generation.vision.errors import VisionError
from generation.vision.recipe import TransferParams
from generation.vision.style import represent
from generation.vision.texture import synthesize
from generation.vision.transfer import Styling

INK, PAPER = (31, 41, 51), (255, 255, 255)
LABEL, GAP = 22, 6


class FileProblem(VisionError):
    """A picture file that cannot be read or written."""


def read(path: Path) -> Image.Image:
    """The verified RGB image of a file. Raises `FileProblem`."""
    try:
        return read_image(path.read_bytes()).image
    except OSError as error:
        raise FileProblem(
            f"Expected an image file (JPEG, PNG or WebP), but {path} cannot be read: "
            f"{error.strerror or error}. Check the name."
        ) from error
    except ImageRefused as error:
        raise FileProblem(f"{path}: {error.message}") from error


def check_out(path: Path) -> None:
    """Refuse a name that `write` could not write, before minutes are spent. Raises `FileProblem`."""
    if path.suffix.lower() != ".png":
        raise FileProblem(f"Expected a file to write whose name ends in .png, got {str(path)!r}.")
    check_place(path)


def check_place(path: Path) -> None:
    """Refuse a place that `write_file` could not write to. Raises `FileProblem`."""
    if path.is_dir():
        raise FileProblem(f"Expected a file to write, but {path} is a folder. Choose another name.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise FileProblem(f"{path} cannot be written: {folder} is not a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileProblem(
            f"{path} cannot be written: nothing may be added to {folder}. Choose another folder."
        )


def write(image: Image.Image, path: Path) -> None:
    """A PNG file, in one step. Raises `FileProblem`."""
    check_out(path)
    write_file(encode_png(image), path)


def write_file(data: bytes, path: Path) -> None:
    """A file of any kind, in one step. Raises `FileProblem`."""
    try:
        write_atomically(path, data)
    except OSError as error:
        raise FileProblem(
            f"{path} cannot be written: {error.strerror or error}. Choose another place."
        ) from error


def styling(
    network: Encoder,
    photographs: Sequence[Image.Image],
    params: TransferParams,
    seed: int,
    say: Callable[[str], None],
) -> Styling:
    """Photographs as one style, with its texture if the recipe starts from one.

    Args:
        network: the encoder that ``params`` names.
        photographs: RGB, at least one, of equal weight.
        params: the recipe.
        seed: of the texture, at least 0.
        say: told how far the texture is.

    Raises:
        VisionError: one of its kinds.
    """
    if params.initial != "texture":
        return Styling(photographs)
    style = represent(
        network,
        photographs,
        params.style_layers,
        size=params.size,
        statistic=params.statistic,
    )
    texture = synthesize(
        network,
        style,
        photographs,
        params,
        seed=seed,
        on_step=lambda n, total, losses: say(
            f"texture: {n}/{total} evaluations, loss {losses.total:.4f}"
        ),
    )
    return Styling(photographs, representation=style, texture=texture)


def sheet(
    rows: Sequence[Sequence[Image.Image]], row_names: Sequence[str], column_names: Sequence[str]
) -> Image.Image:
    """A contact sheet: pictures of one size in a table with names.

    Args:
        rows: at least one row, with a picture for each column.
        row_names: one a row, at the left.
        column_names: one a column, above.
    """
    font = _font(14)

    def longest(names: Sequence[str]) -> int:
        return max(math.ceil(font.getlength(name)) for name in names)

    side = rows[0][0].height
    left = GAP + longest(row_names) + GAP
    cell = max(rows[0][0].width, longest(column_names)) + GAP
    page = Image.new(
        "RGB", (left + len(column_names) * cell, LABEL + len(rows) * (side + GAP)), PAPER
    )
    draw = ImageDraw.Draw(page)
    for column, name in enumerate(column_names):
        draw.text((left + column * cell, 3), name, fill=INK, font=font)
    for row, (name, images) in enumerate(zip(row_names, rows, strict=True)):
        top = LABEL + row * (side + GAP)
        draw.text((GAP, top + side // 2 - 8), name, fill=INK, font=font)
        for column, image in enumerate(images):
            page.paste(image, (left + column * cell, top))
    return page


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font with Japanese letters where there is one, else Pillow's own."""
    for name in ("ipaexg.ttf", "NotoSansCJK-Regular.ttc", "DejaVuSans.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
