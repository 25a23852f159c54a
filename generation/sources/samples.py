"""Sample photographs from packages: the source of the demo.

Each word has members of packages that truly show the material, looked at one by one. A large texture
gives several crops at its own resolution (shrinking would blur the grain that makes the material);
the crops of one texture never overlap. They are game and simulation textures made from photographs,
not the wide variety that image search gives.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from generation.packages import PACKAGES, PackageError, read_member
from generation.sources.base import SearchHit, SourceError

CROP = 256


@dataclass(frozen=True)
class Texture:
    """A texture file and how many columns and rows of crops are taken from its top left corner."""

    package: str
    member: str
    columns: int = 2
    rows: int = 2

    def boxes(self) -> list[tuple[int, int, int, int]]:
        return [
            (x * CROP, y * CROP, (x + 1) * CROP, (y + 1) * CROP)
            for y in range(self.rows)
            for x in range(self.columns)
        ]


@dataclass(frozen=True)
class SampleWord:
    text: str
    reading: str
    gloss: str
    textures: tuple[Texture, ...]


@dataclass(frozen=True)
class SampleContent:
    """A content photograph: a square of a file, ``box`` in its pixels.

    ``object_box`` is around its object, in pixels of the square, where GrabCut finds it by that.
    """

    name: str
    package: str
    member: str
    box: tuple[int, int, int, int]
    credit: str
    object_box: tuple[int, int, int, int] | None = None


def _vpython(name: str, columns: int = 2, rows: int = 2) -> Texture:
    return Texture("vpython", f"vpython/vpython_data/{name}_texture.jpg", columns, rows)


def _metaworld(name: str, columns: int = 2, rows: int = 2, folder: str = "textures") -> Texture:
    return Texture("metaworld", f"metaworld/assets/{folder}/{name}.png", columns, rows)


def _miniworld(name: str, columns: int = 2, rows: int = 2) -> Texture:
    return Texture("miniworld", f"miniworld/textures/{name}.png", columns, rows)


WORDS = (
    SampleWord(
        "木製",
        "もくせい",
        "wooden",
        (
            _miniworld("wood_1"),
            _miniworld("wood_planks_1", 4, 2),
            _vpython("wood"),
            _miniworld("wood_2"),
        ),
    ),
    SampleWord(
        "金属製",
        "きんぞくせい",
        "metal",
        (
            _metaworld("metal"),
            _metaworld("metal", 3, 2, "scene/textures"),
            _vpython("metal", 1, 1),
        ),
    ),
    SampleWord(
        "石",
        "いし",
        "stone",
        (_vpython("stones"), _vpython("granite"), _vpython("rock"), _vpython("gravel")),
    ),
    SampleWord(
        "布製",
        "ぬのせい",
        "fabric",
        (
            _metaworld("fabricPlain", 3, 2, "scene/textures"),
            _metaworld("fabricPattern", 3, 2, "scene/textures"),
            _vpython("rug"),
        ),
    ),
    SampleWord("芝生", "しばふ", "lawn", (_miniworld("grass_1"), _miniworld("grass_2", 3, 2))),
)

CONTENTS = (
    SampleContent(
        "猫 / cat",
        "scikit-image",
        "skimage/data/chelsea.png",
        (90, 0, 390, 300),
        "Stéfan van der Walt, CC0",
    ),
    SampleContent(
        "コーヒー / coffee",
        "scikit-image",
        "skimage/data/coffee.png",
        (110, 0, 510, 400),
        "Rachel Michetti, CC0",
        object_box=(0, 12, 374, 392),
    ),
    SampleContent(
        "宇宙飛行士 / astronaut",
        "scikit-image",
        "skimage/data/astronaut.png",
        (100, 0, 340, 240),
        "NASA, public domain",
        object_box=(5, 8, 230, 240),
    ),
)


def crop(data: bytes, box: tuple[int, int, int, int]) -> bytes:
    """A rectangle of an image file, as PNG.

    Raises:
        SourceError: the rectangle is not inside the image.
    """
    with Image.open(io.BytesIO(data)) as image:
        if box[2] > image.width or box[3] > image.height:
            raise SourceError(
                f"The crop {box} is not inside the image of {image.width} × {image.height}."
            )
        stream = io.BytesIO()
        image.convert("RGB").crop(box).save(stream, "PNG")
    return stream.getvalue()


class SampleSource:
    """The packaged samples as an image source: the query is the word as written.

    Args:
        folder: where downloaded packages are kept.
    """

    name = "samples"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        word = next((w for w in WORDS if w.text == query), None)
        if word is None:
            raise SourceError(
                f"The samples have no photographs of {query!r}; they have "
                + ", ".join(w.text for w in WORDS)
                + ". Upload photographs of this word instead."
            )
        places = [(texture, box) for texture in word.textures for box in texture.boxes()]
        for rank, (texture, box) in enumerate(places[:limit]):
            yield SearchHit(
                source=self.name,
                query=query,
                rank=rank,
                origin=json.dumps([texture.package, texture.member, list(box)]),
                credit=f"{texture.package} {PACKAGES[texture.package].version}: {texture.member}",
                license=PACKAGES[texture.package].license,
            )

    def read(self, hit: SearchHit) -> bytes:
        package, member, box = json.loads(hit.origin)
        try:
            return crop(read_member(package, member, self._folder), tuple(box))
        except PackageError as error:
            raise SourceError(str(error)) from error


def read_content(content: SampleContent, folder: Path) -> bytes:
    """The content photograph as PNG. Raises SourceError or PackageError."""
    return crop(read_member(content.package, content.member, folder), content.box)
