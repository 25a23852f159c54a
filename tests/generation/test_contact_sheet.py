"""The sheet for docs/, with a small network and made-up photographs in place of the packages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from generation.sources import samples
from generation.sources.base import SearchHit, SourceError
from tests.factories import grain


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
    monkeypatch.setattr(samples, "SampleSource", FewSamples)

    def content(_content: Any, _folder: Path) -> bytes:
        return grain(9, (60, 120, 160))

    monkeypatch.setattr(samples, "read_content", content)


def sheet(out: Path, *words: str) -> None:
    call_command("contact_sheet", "--out", str(out), "--words", *words, "--contents=2", "--size=64")


def test_a_row_a_word_and_content_and_a_picture_a_way(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    sheet(out, "石")
    with Image.open(out) as image:
        # Two contents; the texture and six ways, none narrower than a picture.
        assert image.height == 22 + 2 * (64 + 6)
        assert image.width > 7 * (64 + 6)


def test_what_is_wrong_is_said_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no photographs of 鉄"):
        sheet(tmp_path / "sheet.png", "鉄")
    with pytest.raises(CommandError, match=r"\.png"):
        sheet(tmp_path / "sheet.txt", "石")
    assert not list(tmp_path.iterdir())
