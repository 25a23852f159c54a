"""Openverse: openly licensed photographs of many collections. Needs no key.

After its documentation (api.openverse.org): ``GET /v1/images/``; without credentials at most 20
results a page (more is refused with 401), about 240 results deep, and few requests a minute and a day;
credentials of a registered program raise these.
"""

import re
from collections.abc import Iterator, Mapping

from generation.sources.api import MANNERS, AnswerError, Api, JsonObject, Manners
from generation.sources.base import SearchHit, SourceError
from generation.sources.hits import Hits, Page, walk

# 240 is a multiple of both.
ANONYMOUS_PAGE = 20
PAGE = 48
# So many results in, an error is the end of what Openverse shows of a search.
DEPTH = 200
FILES = ("", "jpg", "jpeg", "png", "webp")


class OpenverseSource:
    """Searches Openverse.

    Args:
        base: address of the API.
        manners: who asks, and how patiently.
        client_id: of a registered program; empty for anonymous use.
        client_secret: that belongs to it.
        license_type: Openverse's filter; ``modification`` leaves out what must not be changed.

    Raises:
        SourceError: one of id and secret is missing.
    """

    name = "openverse"

    def __init__(
        self,
        base: str,
        manners: Manners = MANNERS,
        *,
        client_id: str = "",
        client_secret: str = "",
        license_type: str = "modification",
    ) -> None:
        self._client = (client_id, client_secret)
        if any(self._client) and not all(self._client):
            raise SourceError(
                "Openverse needs both STYLESTUDY_OPENVERSE_CLIENT_ID and "
                "STYLESTUDY_OPENVERSE_CLIENT_SECRET, or none of them for anonymous use."
            )
        self._license_type = license_type
        self._token = ""
        self._api = Api(
            "Openverse",
            base,
            manners,
            secrets=[client_secret],
            key_settings="STYLESTUDY_OPENVERSE_CLIENT_ID and STYLESTUDY_OPENVERSE_CLIENT_SECRET",
        )

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        hits = Hits(self.name, query, limit, self._api.redact)

        def read(item: Mapping[str, object], page: int) -> SearchHit | None:
            if item.get("filetype") not in (None, *FILES):
                return None
            return hits.make(
                page=page,
                origin=item.get("url"),
                page_url=item.get("foreign_landing_url"),
                credit=item.get("creator"),
                license_text=f"{item.get('license') or ''} {item.get('license_version') or ''}",
                license_url=item.get("license_url"),
                attribution=item.get("attribution"),
            )

        yield from walk(hits, self._pages(query), read)

    def _pages(self, query: str) -> Iterator[Page]:
        size = PAGE if all(self._client) else ANONYMOUS_PAGE
        number = 1
        while True:
            try:
                data = self._page(query, number, size)
            except AnswerError as error:
                if number * size > DEPTH and error.status in (400, 401, 403, 404):
                    return
                raise
            items = self._api.items(data, "results")
            yield number, items
            last = data.get("page_count")
            if not items or (isinstance(last, int) and number >= last):
                return
            number += 1

    def _page(self, query: str, number: int, size: int) -> JsonObject:
        params: dict[str, str | int] = {
            "q": query[:200],
            "page": number,
            "page_size": size,
            "license_type": self._license_type,
            "mature": "false",
        }
        if not all(self._client):
            return self._api.get("/v1/images/", params)
        fresh = not self._token
        try:
            return self._api.get("/v1/images/", params, headers=self._authorization())
        except AnswerError as error:
            if error.status != 401 or fresh:
                raise
        self._token = ""  # Tokens end after some hours: once more with a new one.
        return self._api.get("/v1/images/", params, headers=self._authorization())

    def _authorization(self) -> dict[str, str]:
        if not self._token:
            client_id, client_secret = self._client
            data = self._api.post(
                "/v1/auth_tokens/token/",
                {
                    "grant_type": "client_credentials",
                    "client_id": client_id,
                    "client_secret": client_secret,
                },
            )
            token = data.get("access_token")
            if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
                raise self._api.error("gave no access token", "Its API may have changed.")
            self._api.hide(token)
            self._token = token
        return {"Authorization": f"Bearer {self._token}"}
