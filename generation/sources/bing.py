"""Bing images by SerpAPI: nearest to the first study, whose own API Microsoft retired. Needs a key.

After SerpAPI's documentation: ``engine=bing_images``, ``first`` is the number of the first result from
1, ``count`` only a suggestion. "No results" is an ``error`` of status 200. Licences are unknown.
"""

import re
from collections.abc import Iterator, Mapping

from generation.sources.api import MANNERS, Api, Manners, said
from generation.sources.base import SearchHit
from generation.sources.hits import Hits, Page, is_japanese, walk

COUNT = 50
SETTING = "STYLESTUDY_SERPAPI_KEY"
WHERE = "https://serpapi.com/manage-api-key"
NOTHING = re.compile(r"hasn.t returned any results|no results", re.IGNORECASE)


class BingSource:
    """Searches Bing by way of SerpAPI.

    Args:
        base: address of SerpAPI.
        manners: who asks, and how patiently.
        key: of SerpAPI.

    Raises:
        SourceError: there is no key.
    """

    name = "bing"

    def __init__(self, base: str, manners: Manners = MANNERS, *, key: str) -> None:
        self._key = key
        self._api = Api.with_key("SerpAPI", base, manners, key=key, setting=SETTING, where=WHERE)

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        hits = Hits(self.name, query, limit, self._api.redact)

        def read(item: Mapping[str, object], page: int) -> SearchHit | None:
            return hits.make(
                page=page,
                origin=item.get("original"),
                page_url=item.get("link"),
                credit=item.get("source"),
            )

        yield from walk(hits, self._pages(query), read)

    def _pages(self, query: str) -> Iterator[Page]:
        first = 1
        number = 1
        while True:
            data = self._api.get(
                "/search.json",
                {
                    "engine": "bing_images",
                    "q": query,
                    # Else it is that of whichever machine SerpAPI asks from.
                    "mkt": "ja-JP" if is_japanese(query) else "en-US",
                    "first": first,
                    "count": COUNT,
                    "api_key": self._key,
                },
            )
            if "error" in data:
                words = said(data)
                if NOTHING.search(words):
                    return
                raise self._api.error(f"answers with an error: {words}")
            items = self._api.items(data, "images_results")
            yield number, items
            if not items:
                return
            first += len(items)
            number += 1
