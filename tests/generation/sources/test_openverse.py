"""Openverse: sizes of pages, how deep a search goes, tokens."""

from collections.abc import Callable

import pytest

from generation.licenses import parse, terms
from generation.sources.api import Manners
from generation.sources.base import SourceError
from generation.sources.openverse import OpenverseSource
from tests.generation.sources.fakes import CLIENT, TOKEN, openverse, openverse_item
from tests.generation.sources.server import Answer, Reply, Request, Server

Serve = Callable[[Answer], Server]


def anonymous(server: Server, naps: list[float]) -> OpenverseSource:
    return OpenverseSource(server.url, Manners(sleep=naps.append))


def registered(server: Server, naps: list[float]) -> OpenverseSource:
    return OpenverseSource(
        server.url,
        Manners(sleep=naps.append),
        client_id=CLIENT[0],
        client_secret=CLIENT[1],
    )


def test_the_fields_of_a_hit(serve: Serve, naps: list[float]) -> None:
    server = serve(openverse(1))
    (hit,) = anonymous(server, naps).search("ふさふさ", 1)
    assert hit.origin == "https://images.example/0.jpg"
    assert hit.page_url == "https://photos.example/0"
    assert hit.credit == "Person 0"
    assert hit.license == "by-sa 4.0"
    assert hit.license_url == "https://creativecommons.org/licenses/by-sa/4.0/"
    assert hit.attribution.startswith('"Fur 0" by Person 0')
    assert server.requests[0].query == {
        "q": "ふさふさ",
        "page": "1",
        "page_size": "20",
        "license_type": "modification",
        "mature": "false",
    }


def test_without_credentials_pages_are_small(serve: Serve, naps: list[float]) -> None:
    server = serve(openverse(100))
    assert len(list(anonymous(server, naps).search("fur", 70))) == 70
    assert [asked.query["page"] for asked in server.requests] == ["1", "2", "3", "4"]
    assert {asked.query["page_size"] for asked in server.requests} == {"20"}
    assert all("authorization" not in asked.headers for asked in server.requests)


@pytest.mark.parametrize("claims", [None, 50])
def test_the_depth_of_a_search_is_its_end(
    serve: Serve, naps: list[float], claims: int | None
) -> None:
    server = serve(openverse(1000, claims=claims))
    assert len(list(anonymous(server, naps).search("fur", 1000))) == 240
    assert len(list(registered(server, naps).search("fur", 1000))) == 240


def test_a_refusal_before_that_depth_is_an_error(serve: Serve, naps: list[float]) -> None:
    server = serve(openverse(1000, deep=40, claims=50))
    found = []
    with pytest.raises(SourceError, match="answers 401"):
        found.extend(anonymous(server, naps).search("fur", 1000))
    assert len(server.requests) == 3


def test_with_credentials_pages_are_larger(serve: Serve, naps: list[float]) -> None:
    server = serve(openverse(100))
    assert len(list(registered(server, naps).search("fur", 90))) == 90
    token, *pages = server.requests
    assert (token.method, token.path) == ("POST", "/v1/auth_tokens/token/")
    assert [asked.query["page_size"] for asked in pages] == ["48", "48"]
    assert all(asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in pages)


def test_one_token_serves_several_searches_until_it_ends(serve: Serve, naps: list[float]) -> None:
    play = openverse(10)
    ended: list[Request] = []

    def answer(request: Request) -> Reply:
        if request.query.get("q") == "later" and not ended:
            ended.append(request)
            return Reply({"detail": "The token has expired."}, 401)
        return play(request)

    server = serve(answer)
    source = registered(server, naps)
    for query in ("now", "again", "later"):
        assert len(list(source.search(query, 10))) == 10
    tokens = [asked for asked in server.requests if asked.method == "POST"]
    assert len(tokens) == 2


def test_wrong_credentials_name_the_settings(serve: Serve, naps: list[float]) -> None:
    source = OpenverseSource(
        serve(openverse(10)).url,
        Manners(sleep=naps.append),
        client_id="other",
        client_secret="wrong-secret",
    )
    with pytest.raises(SourceError, match="Check STYLESTUDY_OPENVERSE_CLIENT_ID and") as caught:
        list(source.search("fur", 1))
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("token", [None, 7, "", "two\nlines", "鍵"])
def test_an_answer_without_a_token(serve: Serve, naps: list[float], token: object) -> None:
    source = registered(serve(lambda _request: Reply({"access_token": token})), naps)
    with pytest.raises(SourceError, match="gave no access token"):
        list(source.search("fur", 1))


@pytest.mark.parametrize("half", [{"client_id": "a"}, {"client_secret": "b"}])
def test_half_of_the_credentials_is_a_mistake(half: dict[str, str]) -> None:
    with pytest.raises(SourceError, match="needs both STYLESTUDY_OPENVERSE_CLIENT_ID"):
        OpenverseSource("http://127.0.0.1:9", **half)


def test_other_files_than_photographs_are_left_out(serve: Serve, naps: list[float]) -> None:
    items = [openverse_item(number) for number in range(4)]
    for item, kind in zip(items, ["svg", "gif", None, "webp"], strict=True):
        item["filetype"] = kind
    server = serve(lambda _request: Reply({"page_count": 1, "results": items}))
    assert [hit.origin[-5:] for hit in anonymous(server, naps).search("fur", 9)] == [
        "2.jpg",
        "3.jpg",
    ]


def test_licences_that_are_not_understood_are_unknown(serve: Serve, naps: list[float]) -> None:
    item = openverse_item(0) | {
        "license": "sampling+",
        "license_version": None,
        "license_url": "https://creativecommons.org/licenses/sampling+/1.0/",
        "attribution": None,
    }
    server = serve(lambda _request: Reply({"results": [item], "page_count": 1}))
    (hit,) = anonymous(server, naps).search("fur", 9)
    assert hit.license == "sampling+"
    assert terms(parse(hit.license, hit.license_url)).republish is None
