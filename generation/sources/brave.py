"""Brave image search: the open web, by an index of Brave's own. Needs a key; knows no licences.

After its documentation: one request of at most 200 results, and no pages.
"""

from collections.abc import Iterator, Mapping

from generation.sources.api import MANNERS, Api, Manners
from generation.sources.base import SearchHit
from generation.sources.hits import Hits, Page, is_japanese, walk

MOST = 200
SPARE = 20  # asked for beyond the limit: some hits have no usable address
SETTING = "STYLESTUDY_BRAVE_KEY"
WHERE = "https://api-dashboard.search.brave.com/"


class BraveSource:
    """Searches with Brave.

    Args:
        base: address of the API.
        manners: who asks, and how patiently.
        key: subscription token.

    Raises:
        SourceError: there is no key.
    """

    name = "brave"

    def __init__(self, base: str, manners: Manners = MANNERS, *, key: str) -> None:
        self._key = key
        self._api = Api.with_key(
            "Brave image search", base, manners, key=key, setting=SETTING, where=WHERE
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
