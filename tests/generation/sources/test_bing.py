"""Bing by SerpAPI: pages by the number of the first result, and errors that mean the end."""

from collections.abc import Callable

import pytest

from generation.sources.api import Manners
from generation.sources.base import SourceError
from generation.sources.bing import BingSource
from tests.generation.sources.fakes import KEY, bing, bing_item
from tests.generation.sources.server import Answer, Reply, Server

Serve = Callable[[Answer], Server]


def make(server: Server, naps: list[float]) -> BingSource:
    return BingSource(server.url, Manners(sleep=naps.append), key=KEY)


def test_the_fields_of_a_hit(serve: Serve, naps: list[float]) -> None:
    server = serve(bing(1))
    (hit,) = make(server, naps).search("ふさふさ 毛", 1)
    assert hit.origin == "https://images.example/0.jpg"
    assert hit.page_url == "https://pages.example/0"
    assert hit.credit == "pages.example"
    assert (hit.license, hit.license_url, hit.attribution) == ("", "", "")
    assert server.requests[0].query == {
        "engine": "bing_images",
        "q": "ふさふさ 毛",
        "mkt": "ja-JP",
        "first": "1",
        "count": "50",
        "api_key": KEY,
    }


def test_the_next_page_starts_after_what_came(serve: Serve, naps: list[float]) -> None:
    server = serve(bing(80))
    hits = list(make(server, naps).search("fur", 500))
    assert [hit.origin for hit in hits] == [f"https://images.example/{n}.jpg" for n in range(80)]
    # 35 a page although 50 were asked for; "no results" is the end.
    assert [asked.query["first"] for asked in server.requests] == ["1", "36", "71", "81"]
    assert {asked.query["mkt"] for asked in server.requests} == {"en-US"}


@pytest.mark.parametrize(
    "words",
    [
        "Bing hasn't returned any results for this query.",
        "Bing hasn’t returned any results for this query.",
        "No results found.",
    ],
)
def test_no_results_are_the_end(serve: Serve, naps: list[float], words: str) -> None:
    server = serve(lambda _request: Reply({"error": words}))
    assert list(make(server, naps).search("fur", 9)) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"error": "We couldn't get valid results for this search."}, "error: We couldn't get"),
        ({"error": f"Key {KEY} ran out of searches."}, "Key … ran out"),
        ({"search_metadata": {"status": "Success"}}, "'images_results' of its answer"),
        ({"images_results": "none"}, "it has a str"),
    ],
)
def test_other_errors_are_errors(serve: Serve, naps: list[float], data: object, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        list(make(serve(lambda _request: Reply(data)), naps).search("fur", 9))
    assert KEY not in str(caught.value)


def test_a_wrong_key_names_the_setting(serve: Serve, naps: list[float]) -> None:
    source = BingSource(serve(bing(9)).url, Manners(sleep=naps.append), key="another-key")
    with pytest.raises(
        SourceError, match=r"Invalid API key\. Check STYLESTUDY_SERPAPI_KEY"
    ) as caught:
        list(source.search("fur", 9))
    assert "another-key" not in str(caught.value)


def test_thumbnails_are_not_taken_for_images(serve: Serve, naps: list[float]) -> None:
    item = bing_item(0)
    del item["original"]
    server = serve(lambda _request: Reply({"images_results": [item]}))
    assert list(make(server, naps).search("fur", 9)) == []
