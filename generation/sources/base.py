"""What every image source looks like."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


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
        page: page of results on which it was, from 1.
        page_url: where a person can look at it.
        credit: whom to name: the creator.
        license: the licence, by the code that the source states (``by-sa 4.0``, ``cc0 1.0``); empty
            where the source knows none: licence unknown.
        license_url: where the licence is written.
        attribution: the whole sentence, where the source words one.
    """

    source: str
    query: str
    rank: int
    origin: str
    page: int = 1
    page_url: str = ""
    credit: str = ""
    license: str = ""
    license_url: str = ""
    attribution: str = ""


class ImageSource(Protocol):
    """Searches for photographs.

    ``search`` is lazy: a page of results is asked for when its first hit is. What a source cannot
    answer ends in `SourceError`, also in the middle: the hits before it are good.
    """

    name: str

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        """At most ``limit`` hits, best first, each image once.

        Raises:
            SourceError: the source cannot answer.
        """
        ...


@runtime_checkable
class LocalSource(ImageSource, Protocol):
    """A source that has the files itself; those of others are downloaded."""

    def read(self, hit: SearchHit) -> bytes:
        """The image file of a hit.

        Raises:
            SourceError: it cannot be had.
        """
        ...
