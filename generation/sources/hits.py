"""What a provider says, made into hits: cleaned, cut to what the rows hold, each image once."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from typing import TypedDict
from urllib.parse import urlsplit

from generation import licenses
from generation.sources.base import SearchHit

ORIGIN = 2000
PAGE_URL = 500
CREDIT = 300
LICENSE = 120
LICENSE_URL = 300
ATTRIBUTION = 2000

# So many pages in a row without a new image: the provider repeats itself.
IDLE_PAGES = 3

Page = tuple[int, Iterable[object]]


def text(value: object, limit: int) -> str:
    """A string of a provider in one line, without what a database cannot store; "" for other types."""
    if not isinstance(value, str):
        return ""
    # C: control characters, lone surrogates, unassigned. The scan is cut too: a value may be megabytes.
    kept = "".join(
        " " if unicodedata.category(c) == "Cc" else c
        for c in value[: 4 * limit]
        if unicodedata.category(c) not in ("Cs", "Cn")
    )
    return " ".join(kept.split())[:limit].rstrip()


def web_address(value: object, limit: int) -> str:
    """An http or https address of at most ``limit`` characters; "" for everything else."""
    # In bytes: the index of a database holds so many, whatever the script.
    if not isinstance(value, str) or not 0 < len(value.encode(errors="replace")) <= limit:
        return ""
    if any(c.isspace() or unicodedata.category(c) in ("Cc", "Cs") for c in value):
        return ""
    try:
        parts = urlsplit(value)
        _port = parts.port  # Raises if it is no number.
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    return value


class LicenseFields(TypedDict):
    """The fields of a `SearchHit` that say whose it is and under which licence."""

    credit: str
    license: str
    license_url: str
    attribution: str


class _Text(HTMLParser):
    """The text of HTML; what scripts and styles hold is not text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._silent += 1
        elif tag in ("br", "p", "div", "li", "td", "tr"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent = max(0, self._silent - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def plain(html: object, limit: int) -> str:
    """The text of a piece of HTML, in one line."""
    if not isinstance(html, str):
        return ""
    parser = _Text()
    parser.feed(html[: 20 * limit])
    parser.close()
    return text("".join(parser.parts), limit)


class Hits:
    """The hits of one search.

    Args:
        source: name of the source.
        query: what was searched for.
        limit: how many are wanted.
        redact: takes keys out of a text.
    """

    def __init__(
        self, source: str, query: str, limit: int, redact: Callable[[str], str] = str
    ) -> None:
        self._source = source
        self._query = query
        self._limit = limit
        self._redact = redact
        self._seen: set[str] = set()

    def full(self) -> bool:
        return len(self._seen) >= self._limit

    def make(
        self,
        *,
        page: int,
        origin: object,
        page_url: object = "",
        credit: object = "",
        license_text: object = "",
        license_url: object = "",
        attribution: object = "",
    ) -> SearchHit | None:
        """The next hit; None if its image has no usable address, or was found before."""
        address = web_address(origin, ORIGIN)
        if not address or address in self._seen or self._redact(address) != address:
            return None
        hit = SearchHit(
            source=self._source,
            query=self._query,
            rank=len(self._seen),
            origin=address,
            page=page,
            page_url=web_address(self._clean(page_url, PAGE_URL + 1), PAGE_URL),
            **license_fields(
                credit=self._clean(credit, CREDIT),
                license_text=self._clean(license_text, LICENSE),
                license_url=self._clean(license_url, LICENSE_URL),
                attribution=self._clean(attribution, ATTRIBUTION),
            ),
        )
        self._seen.add(address)
        return hit

    def _clean(self, value: object, limit: int) -> str:
        # Keys first: cut in two they would not be recognized.
        return text(self._redact(value), limit) if isinstance(value, str) else ""


def license_fields(
    *, credit: str, license_text: str, license_url: str, attribution: str
) -> LicenseFields:
    """The fields of a hit that say whose it is. A licence that is not understood is kept as stated."""
    return LicenseFields(
        credit=credit,
        license=licenses.parse(license_text, license_url) or license_text,
        license_url=web_address(license_url, LICENSE_URL),
        attribution=attribution,
    )


def walk(
    hits: Hits,
    pages: Iterable[Page],
    read: Callable[[dict[str, object], int], SearchHit | None],
) -> Iterator[SearchHit]:
    """The hits of pages until there are enough, no more pages, or nothing new.

    What is no object is skipped: one broken hit costs only itself.
    """
    idle = 0
    if hits.full():
        return
    for number, items in pages:
        idle += 1
        for item in items:
            hit = read(item, number) if isinstance(item, dict) else None
            if hit is None:
                continue
            idle = 0
            yield hit
            if hits.full():
                return
        if idle >= IDLE_PAGES:
            return


def is_japanese(query: str) -> bool:
    """The query has kana or kanji: markets and languages of a search are chosen by it."""
    return re.search(r"[぀-ヿ㐀-鿿]", query) is not None
