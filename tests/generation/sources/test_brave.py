"""Brave: one request, with the key in a header."""

from collections.abc import Callable

import pytest

from generation.sources.api import Manners
from generation.sources.base import SourceError
from generation.sources.brave import BraveSource
from tests.generation.sources.fakes import KEY, brave
from tests.generation.sources.server import Answer, Reply, Server

Serve = Callable[[Answer], Server]


def make(server: Server, naps: list[float]) -> BraveSource:
    return BraveSource(server.url, Manners(sleep=naps.append), key=KEY)


def test_the_fields_of_a_hit(serve: Serve, naps: list[float]) -> None:
    server = serve(brave(1))
    (hit,) = make(server, naps).search("ふさふさ", 1)
    assert hit.origin == "https://images.example/0.jpg"
    assert hit.page_url == "https://pages.example/0"
    assert hit.credit == "pages.example"
    assert (hit.license, hit.license_url, hit.attribution) == ("", "", "")
    asked = server.requests[0]
    assert asked.headers["x-subscription-token"] == KEY
    assert asked.query == {
        "q": "ふさふさ",
        "count": "21",
        "safesearch": "strict",
        "country": "JP",
        "search_lang": "jp",
        "spellcheck": "false",
    }


def test_other_queries_are_asked_everywhere(serve: Serve, naps: list[float]) -> None:
    server = serve(brave(1))
    list(make(server, naps).search("fluffy fur", 1))
    assert server.requests[0].query["country"] == "ALL"
    assert server.requests[0].query["search_lang"] == "en"


def test_it_has_one_page_of_200(serve: Serve, naps: list[float]) -> None:
    server = serve(brave(500))
    assert len(list(make(server, naps).search("fur", 1000))) == 200
    assert [asked.query["count"] for asked in server.requests] == ["200"]


def test_a_wrong_key(serve: Serve, naps: list[float]) -> None:
    source = BraveSource(serve(brave(9)).url, Manners(sleep=naps.append), key="another-key")
    with pytest.raises(
        SourceError, match=r"422.*The token is invalid\. Check STYLESTUDY_BRAVE_KEY"
    ) as caught:
        list(source.search("fur", 9))
    assert "another-key" not in str(caught.value)


@pytest.mark.parametrize("data", [{}, {"results": None}, {"results": {"0": {}}}])
def test_answers_without_results(serve: Serve, naps: list[float], data: object) -> None:
    with pytest.raises(SourceError, match="should have a list in 'results'"):
        list(make(serve(lambda _request: Reply(data)), naps).search("fur", 9))
