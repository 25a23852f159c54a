"""The sheets for docs/, with a small network and made-up photographs in place of the packages."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from generation import features, pictures
from generation.imagefile import encode_png
from generation.management.commands import contact_sheet
from generation.sources import samples
from generation.sources.base import SearchHit, SourceError
from tests.factories import grain
from tests.generation.vision.test_masks import BOX, scene


class FewSamples:
    def __init__(self, _folder: Path) -> None:
        pass

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        if query != "石":
            raise SourceError(f"There are no photographs of {query}.")
        for rank in range(3):
            yield SearchHit(source="few", query=query, rank=rank, origin=str(rank))

    def read(self, hit: SearchHit) -> bytes:
        return grain(hit.rank, (120, 110, 100))


@pytest.fixture(autouse=True)
def small_world(small_network: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content without an object's box, and one with; photographs of 石."""
    monkeypatch.setattr(samples, "SampleSource", FewSamples)
    plain = samples.SampleContent("plain", "", "", (0, 0, 1, 1), "")
    boxed = replace(plain, name="boxed", object_box=BOX)
    monkeypatch.setattr(samples, "CONTENTS", (plain, boxed))

    def content(asked: samples.SampleContent, _folder: Path) -> bytes:
        return grain(9, (60, 120, 160)) if asked == plain else encode_png(scene()[0])

    monkeypatch.setattr(samples, "read_content", content)


# In these the small network can stand in: it pools by maximum.
WAYS = ["fast", "color: match", "region: foreground", "… and background", "moments"]
CELL = contact_sheet.SHOWN + pictures.GAP


def sheets(out: Path, *words: str) -> None:
    call_command("contact_sheet", out=out, words=words, ways=WAYS, size=32, evaluations=1)


def test_two_sheets_by_one_command(tmp_path: Path) -> None:
    sheets(tmp_path / "images", "石")
    written = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert written == ["reconstructions.jpg", "ways.jpg"]
    with Image.open(tmp_path / "images" / "reconstructions.jpg") as page:
        # Every convolution of the small network: two in each of five blocks.
        assert 10 * CELL < page.width < 11 * CELL
        assert page.height == pictures.LABEL + 2 * CELL
    with Image.open(tmp_path / "images" / "ways.jpg") as page:
        assert page.width > (1 + len(WAYS)) * CELL
        assert page.height == pictures.LABEL + 2 * CELL
        # Of the content without a box there is nothing to show for a region.
        pixels = np.asarray(page.convert("L"), dtype=float)[-CELL:]
    left = page.width - len(WAYS) * CELL
    cells = [pixels[20:150, left + n * CELL + 20 :][:, :130] for n in range(len(WAYS))]
    assert [cell.std() < 1.0 for cell in cells] == [False, False, True, True, False]


def test_what_is_wrong_is_said_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no photographs of 鉄"):
        sheets(tmp_path / "images", "鉄")
    (tmp_path / "page.txt").touch()
    with pytest.raises(CommandError, match=r"ways\.jpg cannot be .*page\.txt is not a folder"):
        sheets(tmp_path / "page.txt", "石")
    assert [path.name for path in tmp_path.iterdir()] == ["page.txt"]


@pytest.mark.parametrize("name", contact_sheet.FILES)
def test_a_name_that_is_taken_by_a_folder_is_refused_before_any_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_names: str) -> None:
        raise AssertionError("the network was loaded")

    monkeypatch.setattr(features, "encoder", never)
    (tmp_path / name).mkdir()
    with pytest.raises(CommandError, match=rf"{name} is a folder\. Choose another name"):
        sheets(tmp_path, "石")
    assert [path.name for path in tmp_path.iterdir()] == [name]
