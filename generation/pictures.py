"""Files and contact sheets for commands that make pictures without rows."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
LABEL, LINE, GAP = 22, 18, 6

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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


def write_record(values: Mapping[str, Any], path: Path) -> None:
    """JSON for people and programs, with sorted keys, in one step. Raises `FileProblem`."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
    # A file's name may hold bytes that are no text; escaped they are JSON still.
    write_file(f"{text}\n".encode(errors="backslashreplace"), path)


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
        on_step=lambda step: say(
            f"texture: {step.number}/{step.total} evaluations, loss {step.losses.total:.4f}"
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


def grid(cells: Sequence[tuple[Image.Image, Sequence[str]]], columns: int) -> Image.Image:
    """Pictures of one size in rows that are filled one after the other, with a caption above each.

    Args:
        cells: at least one: a picture, and its caption's lines. A line that is wider than the
            picture is cut off, so that columns stand where they stand whatever is written.
        columns: how many pictures a full row has.
    """
    font = _font(14)
    width, height = cells[0][0].size
    head = LABEL + LINE * (max(len(lines) for _, lines in cells) - 1)
    across, down = width + GAP, head + height + GAP
    rows = math.ceil(len(cells) / columns)
    page = Image.new("RGB", (GAP + min(columns, len(cells)) * across, rows * down), PAPER)
    draw = ImageDraw.Draw(page)
    for number, (image, lines) in enumerate(cells):
        row, column = divmod(number, columns)
        left, top = GAP + column * across, row * down
        for index, line in enumerate(lines):
            draw.text(
                (left, top + 3 + index * LINE), fitted(line, width, font), fill=INK, font=font
            )
        page.paste(image, (left, top + head))
    return page


def fitted(text: str, width: int, font: Font) -> str:
    """As much of a text, in one line, as is no wider in pixels, with … for what was cut off."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1].rstrip()
    return text + "…"


def _font(size: int) -> Font:
    """A font with Japanese letters where there is one, else Pillow's own."""
    for name in ("ipaexg.ttf", "NotoSansCJK-Regular.ttc", "DejaVuSans.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
