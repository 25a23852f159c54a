"""Flickr: photographs of its members. Needs a key, which Flickr gives away.

After its documentation: ``flickr.photos.search``; licences are numbers whose names and addresses
``flickr.photos.licenses.getInfo`` tells. An answer of status 200 may be a failure (``stat``).
"""

import re
from collections.abc import Iterator, Mapping

from generation import licenses
from generation.sources.api import MANNERS, Api, JsonObject, Manners
from generation.sources.base import SearchHit
from generation.sources.hits import Hits, Page, text, walk

PAGE = 100
SETTING = "STYLESTUDY_FLICKR_KEY"
WHERE = "https://www.flickr.com/services/api/keys/"
# "Service currently unavailable" and "Write operation failed": they pass by themselves.
BUSY = (105, 106)
KEY_REFUSED = 100


class FlickrSource:
    """Searches Flickr.

    Args:
        base: address of the API.
        manners: who asks, and how patiently.
        key: of the API.
        reusable: only photographs whose licence lets pictures made from them be shown.

    Raises:
        SourceError: there is no key.
    """

    name = "flickr"

    def __init__(
        self, base: str, manners: Manners = MANNERS, *, key: str, reusable: bool = True
    ) -> None:
        self._key = key
        self._reusable = reusable
        self._licenses: dict[str, tuple[str, str]] | None = None
        self._api = Api.with_key("Flickr", base, manners, key=key, setting=SETTING, where=WHERE)

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        hits = Hits(self.name, query, limit, self._api.redact)

        def read(item: Mapping[str, object], page: int) -> SearchHit | None:
            name, url = self._known_licenses().get(str(item.get("license")), ("", ""))
            return hits.make(
                page=page,
                origin=item.get("url_l") or item.get("url_o"),
                page_url=_page_url(item.get("owner"), item.get("id")),
                credit=item.get("ownername"),
                license_text=name,
                license_url=url,
            )

        yield from walk(hits, self._pages(query), read)

    def _pages(self, query: str) -> Iterator[Page]:
        params: dict[str, str | int] = {
            "text": query,
            "extras": "license,owner_name,url_l,url_o",
            "sort": "relevance",
            "media": "photos",
            "content_types": 0,  # photographs, not screenshots or drawings
            "safe_search": 1,
            "per_page": PAGE,
        }
        if self._reusable:
            params["license"] = self._reusable_licenses()
        number = 1
        while True:
            data = self._call("flickr.photos.search", params | {"page": number})
            found = data.get("photos")
            photos = found if isinstance(found, dict) else {}
            items = self._api.items(photos, "photo")
            yield number, items
            last = photos.get("pages")
            if not items or not isinstance(last, int) or number >= last:
                return
            number += 1

    def _call(self, method: str, params: Mapping[str, str | int]) -> JsonObject:
        data = self._api.get(
            "/services/rest/",
            {
                "method": method,
                "api_key": self._key,
                "format": "json",
                "nojsoncallback": 1,
                **params,
            },
            busy=lambda data: _failure(data) if data.get("code") in BUSY else "",
        )
        if data.get("stat") != "ok":
            refused = data.get("code") == KEY_REFUSED
            raise self._api.error(
                _failure(data), f"Check {SETTING}." if refused else "Try again later."
            )
        return data

    def _known_licenses(self) -> dict[str, tuple[str, str]]:
        """Name and address of a licence by its number; asked once."""
        if self._licenses is None:
            found = self._call("flickr.photos.licenses.getInfo", {}).get("licenses")
            items = self._api.items(found if isinstance(found, dict) else {}, "license")
            self._licenses = {
                str(item.get("id")): (text(item.get("name"), 200), text(item.get("url"), 300))
                for item in items
                if isinstance(item, dict)
            }
        return self._licenses

    def _reusable_licenses(self) -> str:
        numbers = [
            number
            for number, (name, url) in self._known_licenses().items()
            if licenses.terms(licenses.parse(name, url)).pass_on_derived
        ]
        if not numbers:
            raise self._api.error(
                "names no licence that lets pictures be changed",
                "Its list of licences may have changed.",
            )
        return ",".join(numbers)


def _page_url(owner: object, photo: object) -> str:
    named = isinstance(owner, str) and re.fullmatch(r"[0-9A-Za-z_@-]{1,60}", owner)
    if named and re.fullmatch(r"[0-9]{1,30}", str(photo)):
        return f"https://www.flickr.com/photos/{owner}/{photo}"
    return ""


def _failure(data: JsonObject) -> str:
    return f"answers with an error: {text(data.get('message'), 2000) or 'without a message'}"
