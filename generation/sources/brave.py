"""Brave image search: the open web, by an index of Brave's own. Needs a key; knows no licences.

After its documentation: one request of at most 200 results, and no pages.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from generation.politeness import Turns
from generation.sources.api import LIMITS, Api, Limits, needed_key
from generation.sources.base import SearchHit
from generation.sources.hits import Hits, Page, is_japanese, walk

MOST = 200
SPARE = 20  # asked for beyond the limit: some hits have no usable address
SETTING = "STYLESTUDY_BRAVE_KEY"


class BraveSource:
    """Searches with Brave.

    Args:
        base: address of the API.
        key: subscription token.
        contact: who asks.
        limits: of time and size.
        turns: politeness towards the provider, shared by all workers.
        sleep: waits; tests do not.

    Raises:
        SourceError: there is no key.
    """

    name = "brave"

    def __init__(
        self,
        base: str,
        *,
        key: str,
        contact: str = "",
        limits: Limits = LIMITS,
        turns: Turns | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._key = needed_key(
            key, "Brave image search", SETTING, "https://api-dashboard.search.brave.com/"
        )
        self._api = Api(
            "Brave image search",
            base,
            contact=contact,
            secrets=[key],
            key_settings=SETTING,
            limits=limits,
            turns=turns,
            sleep=sleep,
        )

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        hits = Hits(self.name, query, limit, self._api.redact)

        def read(item: Mapping[str, object], page: int) -> SearchHit | None:
            properties = item.get("properties")
            return hits.make(
                page=page,
                origin=properties.get("url") if isinstance(properties, dict) else "",
                page_url=item.get("url"),
                credit=item.get("source"),
            )

        yield from walk(hits, self._pages(query, limit), read)

    def _pages(self, query: str, limit: int) -> Iterator[Page]:
        japanese = is_japanese(query)
        data = self._api.get(
            "/res/v1/images/search",
            {
                "q": query[:400],
                "count": min(MOST, limit + SPARE),
                "safesearch": "strict",
                "country": "JP" if japanese else "ALL",
                "search_lang": "jp" if japanese else "en",
                "spellcheck": "false",  # ふさふさ is no mistake
            },
            headers={"X-Subscription-Token": self._key},
        )
        yield 1, self._api.items(data, "results")
