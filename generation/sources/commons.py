"""Wikimedia Commons: freely licensed files. Needs no key, but a contact.

After the documentation of the MediaWiki API: a generator searches files, ``prop=imageinfo`` tells about
each, ``continue`` leads to the next page. What authors wrote is HTML. Thumbnails are only made at
certain widths; pictures are taken at 960 px, which is kinder to Wikimedia than originals of 50 megapixels.
"""

from collections.abc import Iterator, Mapping

from generation.licenses import parse
from generation.sources.api import Api, JsonObject, Manners, clean_contact
from generation.sources.base import SearchHit, SourceError
from generation.sources.hits import CREDIT, LICENSE, Hits, Page, plain, walk

WIDTH = 960  # one of 250, 330, 500, 960, 1280, 1920, 3840
PAGE = 50
MIMES = ("image/jpeg", "image/png", "image/webp")
# Errors that pass by themselves.
BUSY = ("maxlag", "ratelimited", "readonly", "internal_api_error_DBQueryError")


class CommonsSource:
    """Searches Wikimedia Commons.

    Args:
        base: address of the wiki.
        manners: who asks, and how patiently; with a contact: Wikimedia refuses programs without.

    Raises:
        SourceError: there is no contact.
    """

    name = "commons"

    def __init__(self, base: str, manners: Manners) -> None:
        if not clean_contact(manners.contact):
            raise SourceError(
                "Wikimedia Commons refuses programs that name no contact. Set STYLESTUDY_CONTACT to "
                "your mail address or the address of your study's page."
            )
        self._api = Api("Wikimedia Commons", base, manners)

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        hits = Hits(self.name, query, limit)

        def read(item: Mapping[str, object], page: int) -> SearchHit | None:
            info = _first(item.get("imageinfo"))
            if info.get("mime") not in MIMES:
                return None
            about = _values(info.get("extmetadata"))
            url = about.get("LicenseUrl", "")
            return hits.make(
                page=page,
                origin=_address(info),
                page_url=info.get("descriptionurl"),
                credit=plain(about.get("Artist"), CREDIT) or info.get("user"),
                license_text=_license(about, url),
                license_url=url,
                attribution=plain(about.get("Attribution"), 2000),
            )

        yield from walk(hits, self._pages(query), read)

    def _pages(self, query: str) -> Iterator[Page]:
        params: dict[str, str | int] = {
            "action": "query",
            "generator": "search",
            "gsrnamespace": 6,
            "gsrsearch": f"{query} filetype:bitmap",
            "gsrlimit": PAGE,
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|user|extmetadata",
            "iiurlwidth": WIDTH,
            "format": "json",
            "formatversion": 2,
            "maxlag": 5,
        }
        more: dict[str, str | int] = {}
        number = 0
        while True:
            number += 1
            data = self._api.get("/w/api.php", params | more, busy=_busy)
            if "error" in data:
                raise self._api.error(f"answers with an error: {_said(data)}")
            yield number, self._files(data)
            following = data.get("continue")
            if not isinstance(following, dict) or not following:
                return
            more = {key: value for key, value in following.items() if isinstance(value, str | int)}

    def _files(self, data: JsonObject) -> list[JsonObject]:
        """The files of a page in the order of the search; without results there is no ``query``."""
        query = data.get("query", {})
        found = query.get("pages", []) if isinstance(query, dict) else None
        # A list in version 2 of the format, an object by page id in version 1.
        pages = list(found.values()) if isinstance(found, dict) else found
        if not isinstance(pages, list):
            raise self._api.error("answers without a list of pages", "Its API may have changed.")
        files = [page for page in pages if isinstance(page, dict)]
        return sorted(files, key=_index)


def _index(page: JsonObject) -> float:
    index = page.get("index")
    return index if isinstance(index, int | float) else float("inf")


def _first(value: object) -> JsonObject:
    found = value[0] if isinstance(value, list) and value else None
    return found if isinstance(found, dict) else {}


def _values(extmetadata: object) -> dict[str, str]:
    """``{"Artist": {"value": …}}`` as ``{"Artist": …}``, what is no text left out."""
    if not isinstance(extmetadata, dict):
        return {}
    return {
        name: field["value"]
        for name, field in extmetadata.items()
        if isinstance(field, dict) and isinstance(field.get("value"), str)
    }


def _address(info: JsonObject) -> object:
    """The thumbnail; of small files the original, which Commons does not enlarge."""
    width = info.get("width")
    small = isinstance(width, int) and width <= WIDTH
    return info.get("url") if small else info.get("thumburl") or info.get("url")


def _license(about: dict[str, str], url: str) -> str:
    """The first of three ways to name the licence that is understood, else the one for people."""
    names = [
        plain(about.get(name), LICENSE) for name in ("LicenseShortName", "License", "UsageTerms")
    ]
    return next((name for name in names if parse(name, url)), next(filter(None, names), ""))


def _busy(data: JsonObject) -> str:
    error = data.get("error")
    busy = isinstance(error, dict) and error.get("code") in BUSY
    return f"is busy: {_said(data)}" if busy else ""


def _said(data: JsonObject) -> str:
    error = data.get("error")
    if not isinstance(error, dict):
        return str(error)[:200]
    return plain(f"{error.get('code', '')}: {error.get('info', '')}", 200)
