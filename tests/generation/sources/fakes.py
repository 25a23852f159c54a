"""The providers as their documentation describes them, played by functions: request → reply.

Written by us after the documentation that docs/sources.md names; nothing is copied from real answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from generation.sources.api import Limits, Manners
from generation.sources.base import ImageSource
from generation.sources.bing import BingSource
from generation.sources.brave import BraveSource
from generation.sources.commons import CommonsSource
from generation.sources.flickr import FlickrSource
from generation.sources.openverse import OpenverseSource
from tests.generation.sources.server import Answer, Reply, Request

KEY = "k3y-Of+the/test=9f8e7d6c"
CLIENT = ("client-of-the-test", "s3cret&Of the/test=1a2b3c")
TOKEN = "t0ken-of-the-test-4d5e6f"
CONTACT = "rater@example.org"
CC = "https://creativecommons.org"

HTML = Reply(body=b"<!doctype html><title>Sign in</title>", kind="text/html; charset=utf-8")
BROKEN_JSON = Reply(body=b'{"results": [{"id": ')

# --- Openverse --------------------------------------------------------------------------------


def openverse_item(number: int) -> dict[str, Any]:
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "title": f"Fur {number}",
        "foreign_landing_url": f"https://photos.example/{number}",
        "url": f"https://images.example/{number}.jpg",
        "thumbnail": f"https://api.openverse.org/v1/images/{number}/thumb/",
        "creator": f"Person {number}",
        "license": "by-sa",
        "license_version": "4.0",
        "license_url": f"{CC}/licenses/by-sa/4.0/",
        "attribution": f'"Fur {number}" by Person {number} is licensed under CC BY-SA 4.0.',
        "provider": "flickr",
        "width": 1024,
        "height": 768,
        "filetype": "jpg",
    }


def openverse(count: int, *, deep: int = 240, claims: int | None = None) -> Answer:
    """``claims``: the number of pages that it says to have, where that is more than it gives."""

    def answer(request: Request) -> Reply:
        if request.path == "/v1/auth_tokens/token/":
            good = request.form == {
                "grant_type": "client_credentials",
                "client_id": CLIENT[0],
                "client_secret": CLIENT[1],
            }
            if request.method != "POST" or not good:
                return Reply({"error": "invalid_client"}, status=401)
            token = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 43200}
            return Reply(token)
        if request.path != "/v1/images/":
            return Reply({"detail": "Not found."}, status=404)
        known = request.headers.get("authorization") == f"Bearer {TOKEN}"
        page, size = request.number("page", 1), request.number("page_size", 20)
        if size > (500 if known else 20):
            return Reply({"detail": "page_size is too large."}, status=401)
        if page * size > deep:
            return Reply(
                {"detail": "That is deeper than a search goes."}, status=400 if known else 401
            )
        items = [openverse_item(n) for n in range(count)][(page - 1) * size : page * size]
        pages = claims or min(-(-count // size), deep // size)
        return Reply(
            {
                "result_count": count,
                "page_count": pages,
                "page_size": size,
                "page": page,
                "results": items,
            }
        )

    return answer


# --- Commons ----------------------------------------------------------------------------------


def commons_item(number: int) -> dict[str, Any]:
    name = f"Fur {number}.jpg"
    return {
        "pageid": 1000 + (number * 7) % 1000,
        "ns": 6,
        "title": f"File:{name}",
        "index": number + 1,
        "imagerepository": "local",
        "imageinfo": [
            {
                "user": f"Uploader{number}",
                "size": 5_000_000,
                "width": 4000,
                "height": 3000,
                "mime": "image/jpeg",
                "sha1": f"{number:040x}",
                "thumburl": f"https://upload.example/thumb/{number}/960px-{number}.jpg",
                "thumbwidth": 960,
                "thumbheight": 720,
                "url": f"https://upload.example/{number}.jpg",
                "descriptionurl": f"https://commons.example/wiki/File:{number}.jpg",
                "extmetadata": {
                    "Artist": {
                        "value": f'<a href="//commons.example/wiki/User:P{number}">Person&nbsp;{number}</a>',
                        "source": "commons-desc-page",
                    },
                    "LicenseShortName": {"value": "CC BY-SA 4.0", "source": "commons-desc-page"},
                    "License": {"value": "cc-by-sa-4.0", "source": "commons-templates"},
                    "LicenseUrl": {"value": f"{CC}/licenses/by-sa/4.0", "source": "x"},
                    "UsageTerms": {"value": "Creative Commons Attribution-Share Alike 4.0"},
                },
            }
        ],
    }


def commons(count: int, *, version_1: bool = False) -> Answer:
    def answer(request: Request) -> Reply:
        if "(" not in request.headers["user-agent"]:
            return Reply(body=b"Please name a contact.", status=403, kind="text/plain")
        query = request.query
        wanted = {"action": "query", "generator": "search", "gsrnamespace": "6", "format": "json"}
        if request.path != "/w/api.php" or not wanted.items() <= query.items():
            return Reply({"error": {"code": "badvalue", "info": "Not this."}})
        start, size = request.number("gsroffset"), request.number("gsrlimit", 10)
        items = [commons_item(n) for n in range(count)][start : start + size]
        data: dict[str, Any] = {"batchcomplete": True}
        if items:
            # By page id, not in the order of the search.
            pages = sorted(items, key=lambda item: int(item["pageid"]))
            keyed = {str(page["pageid"]): page for page in pages}
            data["query"] = {"pages": keyed if version_1 else pages}
        if start + size < count:
            data["continue"] = {"gsroffset": start + size, "continue": "gsroffset||"}
        return Reply(data)

    return answer


# --- Flickr -----------------------------------------------------------------------------------

FLICKR_LICENSES = [
    {"id": 0, "name": "All Rights Reserved", "url": "https://www.flickrhelp.com/"},
    {
        "id": 3,
        "name": "Attribution-NonCommercial-NoDerivs License",
        "url": f"{CC}/licenses/by-nc-nd/2.0/",
    },
    {"id": 4, "name": "Attribution License", "url": f"{CC}/licenses/by/2.0/"},
    {
        "id": 7,
        "name": "No known copyright restrictions",
        "url": "https://www.flickr.com/commons/usage/",
    },
    {"id": 9, "name": "Public Domain Dedication (CC0)", "url": f"{CC}/publicdomain/zero/1.0/"},
    {"id": 12, "name": "CC BY-SA 4.0", "url": f"{CC}/licenses/by-sa/4.0/"},
]


def flickr_item(number: int) -> dict[str, Any]:
    return {
        "id": str(53_000_000_000 + number),
        "owner": "12345678@N00",
        "title": f"Fur {number}",
        "license": ["4", 12][number % 2],  # numbers come as text and as numbers
        "ownername": f"Person {number}",
        "url_l": f"https://live.example/{number}_b.jpg",
        "height_l": 768,
        "width_l": 1024,
    }


def flickr(count: int) -> Answer:
    def answer(request: Request) -> Reply:
        query = request.query
        if request.path != "/services/rest/" or query.get("nojsoncallback") != "1":
            return Reply(body=b"jsonFlickrApi({})", kind="text/javascript")
        if query.get("api_key") != KEY:
            words = "Invalid API Key (Key has invalid format)"
            return Reply({"stat": "fail", "code": 100, "message": words})
        if query["method"] == "flickr.photos.licenses.getInfo":
            return Reply({"licenses": {"license": FLICKR_LICENSES}, "stat": "ok"})
        if query["method"] != "flickr.photos.search":
            return Reply({"stat": "fail", "code": 112, "message": "Method not found"})
        page, size = request.number("page", 1), request.number("per_page", 100)
        pages = -(-count // size)
        page = min(page, max(pages, 1))  # beyond the last page comes the last page again
        items = [flickr_item(n) for n in range(count)][(page - 1) * size : page * size]
        photos = {"page": page, "pages": pages, "perpage": size, "total": count, "photo": items}
        return Reply({"photos": photos, "stat": "ok"})

    return answer


# --- Brave ------------------------------------------------------------------------------------


def brave_item(number: int) -> dict[str, Any]:
    return {
        "type": "image_result",
        "title": f"Fur {number}",
        "url": f"https://pages.example/{number}",
        "source": "pages.example",
        "page_fetched": "2026-01-01T00:00:00Z",
        "thumbnail": {"src": f"https://imgs.example/thumb/{number}"},
        "properties": {"url": f"https://images.example/{number}.jpg", "placeholder": ""},
        "confidence": "high",
    }


def brave(count: int) -> Answer:
    def answer(request: Request) -> Reply:
        if request.path != "/res/v1/images/search":
            return Reply({"type": "ErrorResponse"}, status=404)
        if request.headers.get("x-subscription-token") != KEY:
            error = {"code": "SUBSCRIPTION_TOKEN_INVALID", "detail": "The token is invalid."}
            return Reply({"type": "ErrorResponse", "error": error}, status=422)
        if not 1 <= request.number("count", 50) <= 200:
            return Reply({"type": "ErrorResponse", "error": {"detail": "count"}}, status=422)
        items = [brave_item(n) for n in range(count)][: request.number("count", 50)]
        return Reply(
            {"type": "images", "query": {"original": request.query["q"]}, "results": items}
        )

    return answer


# --- SerpAPI ----------------------------------------------------------------------------------


def bing_item(number: int) -> dict[str, Any]:
    return {
        "position": number + 1,
        "title": f"Fur {number}",
        "size": "1024×768",
        "thumbnail": f"https://tse.example/th?id={number}",
        "original": f"https://images.example/{number}.jpg",
        "link": f"https://pages.example/{number}",
        "source": "pages.example",
    }


def bing(count: int, *, per_page: int = 35) -> Answer:
    """``per_page``: ``count`` of the request is only a suggestion."""

    def answer(request: Request) -> Reply:
        if request.path != "/search.json" or request.query.get("engine") != "bing_images":
            return Reply({"error": "Unsupported engine."}, status=400)
        if request.query.get("api_key") != KEY:
            return Reply({"error": "Invalid API key."}, status=401)
        start = request.number("first", 1) - 1
        items = [bing_item(n) for n in range(count)][start : start + per_page]
        data: dict[str, Any] = {"search_metadata": {"status": "Success"}}
        if items:
            data["images_results"] = items
        else:
            data["error"] = "Bing hasn't returned any results for this query."
        return Reply(data)

    return answer


# --- all of them ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Provider:
    """One provider: the source, the server with so many photographs, and a page with given items."""

    name: str
    make: Callable[[str, Manners], ImageSource]
    serve: Callable[[int], Answer]
    item: Callable[[int], dict[str, Any]]
    page: Callable[[list[Any]], Any]
    address: Callable[[dict[str, Any], Any], None]  # sets an item's image address
    secrets: tuple[str, ...] = ()


def _openverse_page(items: list[Any]) -> Any:
    return {"result_count": len(items), "page_count": 1, "page": 1, "results": items}


def _flickr_page(items: list[Any]) -> Any:
    # One answer for both methods that are asked.
    return {
        "stat": "ok",
        "photos": {"page": 1, "pages": 1, "photo": items},
        "licenses": {"license": FLICKR_LICENSES},
    }


def _set_imageinfo(item: dict[str, Any], address: Any) -> None:
    item["imageinfo"][0]["thumburl"] = item["imageinfo"][0]["url"] = address


def _set_properties(item: dict[str, Any], address: Any) -> None:
    item["properties"]["url"] = address


def _set(name: str) -> Callable[[dict[str, Any], Any], None]:
    def change(item: dict[str, Any], address: Any) -> None:
        item[name] = address

    return change


PROVIDERS = [
    Provider("openverse", OpenverseSource, openverse, openverse_item, _openverse_page, _set("url")),
    Provider(
        "commons",
        CommonsSource,
        commons,
        commons_item,
        lambda items: {"query": {"pages": items}},
        _set_imageinfo,
    ),
    Provider(
        "flickr",
        partial(FlickrSource, key=KEY),
        flickr,
        flickr_item,
        _flickr_page,
        _set("url_l"),
        (KEY,),
    ),
    Provider(
        "brave",
        partial(BraveSource, key=KEY),
        brave,
        brave_item,
        lambda items: {"type": "images", "results": items},
        _set_properties,
        (KEY,),
    ),
    Provider(
        "bing",
        partial(BingSource, key=KEY),
        bing,
        bing_item,
        lambda items: {"images_results": items},
        _set("original"),
        (KEY,),
    ),
]
QUICK = Limits(
    connect_seconds=1, read_seconds=0.1, attempt_seconds=0.3, total_seconds=5, attempts=2
)
