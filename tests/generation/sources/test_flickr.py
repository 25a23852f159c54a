"""Flickr: licences by number, failures inside of answers of 200."""

from collections.abc import Callable
from typing import Any

import pytest

from generation.sources.api import Manners
from generation.sources.base import SourceError
from generation.sources.flickr import FlickrSource
from tests.generation.sources.fakes import FLICKR_LICENSES, KEY, flickr, flickr_item
from tests.generation.sources.server import Answer, Reply, Request, Server, in_turn

Serve = Callable[[Answer], Server]


def make(server: Server, naps: list[float], **options: Any) -> FlickrSource:
    return FlickrSource(server.url, Manners(sleep=naps.append), key=KEY, **options)


def page(*items: dict[str, Any]) -> Reply:
    """One answer for both methods."""
    return Reply(
        {
            "stat": "ok",
            "photos": {"page": 1, "pages": 1, "photo": list(items)},
            "licenses": {"license": FLICKR_LICENSES},
        }
    )


def test_the_fields_of_a_hit(serve: Serve, naps: list[float]) -> None:
    server = serve(flickr(2))
    first, second = make(server, naps).search("ふさふさ", 2)
    assert first.origin == "https://live.example/0_b.jpg"
    assert first.page_url == "https://www.flickr.com/photos/12345678@N00/53000000000"
    assert first.credit == "Person 0"
    assert first.license == "by 2.0"
    assert first.license_url == "https://creativecommons.org/licenses/by/2.0/"
    assert second.license == "by-sa 4.0"
    licenses, search = server.requests
    assert licenses.query["method"] == "flickr.photos.licenses.getInfo"
    assert search.query == {
        "method": "flickr.photos.search",
        "api_key": KEY,
        "text": "ふさふさ",
        "format": "json",
        "nojsoncallback": "1",
        "extras": "license,owner_name,url_l,url_o",
        "sort": "relevance",
        "media": "photos",
        "content_types": "0",
        "safe_search": "1",
        "license": "4,9,12",
        "per_page": "100",
        "page": "1",
    }


def test_licences_are_asked_for_once(serve: Serve, naps: list[float]) -> None:
    server = serve(flickr(250))
    source = make(server, naps)
    assert len(list(source.search("fur", 250))) == 250
    assert len(list(source.search("wood", 10))) == 10
    methods = [asked.query["method"] for asked in server.requests]
    assert methods.count("flickr.photos.licenses.getInfo") == 1
    assert methods.count("flickr.photos.search") == 4


def test_all_licences_if_wanted(serve: Serve, naps: list[float]) -> None:
    items = [flickr_item(n) | {"license": n} for n in (0, 3, 7, 99)]
    server = serve(lambda _request: page(*items))
    hits = list(make(server, naps, reusable=False).search("fur", 9))
    assert [hit.license for hit in hits] == [
        "all-rights-reserved",
        "by-nc-nd 2.0",
        "No known copyright restrictions",
        "",
    ]
    assert all("license" not in asked.query for asked in server.requests)


def test_the_original_stands_in_for_a_missing_size(serve: Serve, naps: list[float]) -> None:
    item = flickr_item(0) | {"url_l": None, "url_o": "https://live.example/0_o.jpg"}
    none = {key: value for key, value in flickr_item(1).items() if key != "url_l"}
    (hit,) = make(serve(lambda _request: page(item, none)), naps).search("fur", 9)
    assert hit.origin == "https://live.example/0_o.jpg"


@pytest.mark.parametrize("change", [{"owner": "../x"}, {"owner": None}, {"id": "1?x"}, {"id": ""}])
def test_a_page_is_only_made_of_numbers_and_names(
    serve: Serve, naps: list[float], change: dict[str, Any]
) -> None:
    (hit,) = make(serve(lambda _request: page(flickr_item(0) | change)), naps).search("fur", 9)
    assert hit.page_url == ""


def test_a_wrong_key_names_the_setting(serve: Serve, naps: list[float]) -> None:
    source = FlickrSource(serve(flickr(9)).url, Manners(sleep=naps.append), key="another-key")
    with pytest.raises(
        SourceError, match=r"Invalid API Key.*Check STYLESTUDY_FLICKR_KEY"
    ) as caught:
        list(source.search("fur", 9))
    assert "another-key" not in str(caught.value)


def test_a_failure_that_passes_is_tried_again(serve: Serve, naps: list[float]) -> None:
    down = Reply({"stat": "fail", "code": 105, "message": "Service currently unavailable"})
    assert len(list(make(serve(in_turn(down, page(flickr_item(0)))), naps).search("fur", 9))) == 1
    assert naps == [1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"stat": "fail", "code": 3, "message": f"Odd: {KEY}"}, "answers with an error: Odd: …"),
        ({"stat": "fail", "code": 105, "message": "down"}, "error: down, 4 times"),
        ({"stat": "fail"}, "without a message"),
        ({"licenses": {}}, "without a message"),
        ({"stat": "ok"}, "'license' of its answer; it has nothing"),
        ({"stat": "ok", "licenses": []}, "'license' of its answer"),
        ({"stat": "ok", "licenses": {"license": ["x", {}]}}, "names no licence that lets"),
        ({"stat": "ok", "licenses": {"license": FLICKR_LICENSES}}, "'photo' of its answer"),
    ],
)
def test_failures_inside_of_answers(
    serve: Serve, naps: list[float], data: object, words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        list(make(serve(lambda _request: Reply(data)), naps).search("fur", 9))


def test_the_last_page_is_the_end(serve: Serve, naps: list[float]) -> None:
    pages: list[Request] = []

    def answer(request: Request) -> Reply:
        pages.append(request)
        return flickr(100)(request)

    assert len(list(make(serve(answer), naps).search("fur", 500))) == 100
    assert len(pages) == 2
