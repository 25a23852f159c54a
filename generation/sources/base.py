"""What every image source looks like."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class SourceError(Exception):
    """The source cannot answer; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class SearchHit:
    """One candidate photograph.

    Attributes:
        source: name of the source that found it.
        query: what was searched for.
        rank: 0 is the first hit.
        origin: the image's address, or package, member and crop.
        page_url: where a person can look at it.
        credit: whom to name.
        license: the licence as the source states it.
    """

    source: str
    query: str
    rank: int
    origin: str
    page_url: str = ""
    credit: str = ""
    license: str = ""


class ImageSource(Protocol):
    """Searches for photographs and reads one of its hits."""

    name: str

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        """At most ``limit`` hits, best first."""
        ...

    def read(self, hit: SearchHit) -> bytes:
        """The image file of a hit. Raises SourceError when it cannot be had."""
        ...
