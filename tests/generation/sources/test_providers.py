"""What all providers have in common, each against a server that plays it."""

import logging
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from generation.licenses import terms
from generation.sources.api import Manners
from generation.sources.base import ImageSource, SearchHit, SourceError
from tests.generation.sources.fakes import BROKEN_JSON, CONTACT, HTML, PROVIDERS, QUICK, Provider
from tests.generation.sources.server import Answer, Reply, Request, Server, in_turn
from tests.generation.sources.test_api import everything_told

Serve = Callable[[Answer], Server]


WITH_PAGES = [provider for provider in PROVIDERS if provider.name != "brave"]
WITH_KEYS = [provider for provider in PROVIDERS if provider.secrets]


def name_of(provider: Provider) -> str:
    return provider.name


@pytest.fixture(params=PROVIDERS, ids=name_of)
def provider(request: pytest.FixtureRequest) -> Provider:
    return request.param


def source_of(provider: Provider, server: Server, naps: list[float], **options: Any) -> ImageSource:
    return provider.make(server.url, Manners(contact=CONTACT, sleep=naps.append, **options))


def test_the_hits_of_several_pages(provider: Provider, serve: Serve, naps: list[float]) -> None:
    server = serve(provider.serve(130))
    hits = list(source_of(provider, server, naps).search("ふさふさ", 120))
    assert [hit.rank for hit in hits] == list(range(120))
    assert len({hit.origin for hit in hits}) == 120
    assert {(hit.source, hit.query) for hit in hits} == {(provider.name, "ふさふさ")}
    pages = [hit.page for hit in hits]
    assert pages == sorted(pages)
    assert pages[0] == 1
    assert naps == []
    first = hits[0]
    assert first.origin.startswith("https://")
    assert first.page_url.startswith("https://")
    assert first.credit
    # Sources that know licences here give some that allow a study to show its pictures.
    known = provider.name in ("openverse", "commons", "flickr")
    assert (terms(first.license).pass_on_derived is True) is known
    assert bool(first.license_url) is known


def test_a_search_is_lazy_and_ends_at_its_limit(
    provider: Provider, serve: Serve, naps: list[float]
) -> None:
    server = serve(provider.serve(400))
    source = source_of(provider, server, naps)
    hits = source.search("fur", 500)
    assert server.requests == []
    assert len(list(islice(hits, 3))) == 3
    assert len(server.requests) <= 2
    asked = len(server.requests)
    assert len(list(source.search("fur", 5))) == 5
    assert len(server.requests) <= asked + 2
    assert list(source.search("fur", 0)) == []


def test_nothing_found(provider: Provider, serve: Serve, naps: list[float]) -> None:
    assert list(source_of(provider, serve(provider.serve(0)), naps).search("fur", 10)) == []


def test_fewer_than_wanted(provider: Provider, serve: Serve, naps: list[float]) -> None:
    assert len(list(source_of(provider, serve(provider.serve(7)), naps).search("fur", 50))) == 7


def test_it_says_who_asks(provider: Provider, serve: Serve, naps: list[float]) -> None:
    server = serve(provider.serve(3))
    list(source_of(provider, server, naps).search("fur", 3))
    for asked in server.requests:
        assert asked.headers["user-agent"].startswith("stylestudy/")
        assert "(rater@example.org)" in asked.headers["user-agent"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (HTML, "instead of JSON"),
        (BROKEN_JSON, "broken JSON"),
        (Reply(body=b'{"results": []}', kind="image/jpeg"), "instead of JSON"),
        (Reply([]), "not an object"),
        (Reply({}, 429), "429"),
        (Reply({}, 503), "503"),
        (Reply({}, 403), "403"),
        (Reply({"x": "y" * 1000}, drip=0.02), "did not answer"),
        (Reply({}, delay=30), "did not answer"),
    ],
    ids=["HTML", "broken", "type", "list", "429", "503", "403", "drip", "slow"],
)
def test_bad_answers_are_errors_that_name_the_provider_and_no_key(
    provider: Provider,
    serve: Serve,
    naps: list[float],
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    source = source_of(provider, serve(in_turn(reply)), naps, limits=QUICK)
    with pytest.raises(SourceError, match=words) as caught:
        list(source.search("fur", 10))
    told = everything_told(caught.value, caplog)
    assert all(secret not in told and secret[:8] not in told for secret in provider.secrets)


def test_too_many_requests_then_good(provider: Provider, serve: Serve, naps: list[float]) -> None:
    good = provider.serve(30)
    refused: list[Request] = []

    def answer(request: Request) -> Reply:
        if not refused:
            refused.append(request)
            return Reply({}, 429, headers={"Retry-After": "11"})
        return good(request)

    assert len(list(source_of(provider, serve(answer), naps).search("fur", 30))) == 30
    assert naps == [11]


def test_one_broken_hit_costs_only_itself(
    provider: Provider, serve: Serve, naps: list[float]
) -> None:
    items = [provider.item(number) for number in range(16)]
    bad_addresses: list[object] = [
        None,
        17,
        "",
        "ftp://images.example/1.jpg",
        "javascript:alert(1)",
        "/relative.jpg",
        "https://",
        "https://images.example/a b.jpg",
        "https://images.example/\n.jpg",
        "https://images.example:port/a.jpg",
        "https://user:pass@images.example/a.jpg",
        "https://images.example/" + "x" * 2000,
    ]
    for item, address in zip(items, bad_addresses, strict=False):
        provider.address(item, address)
    broken: list[Any] = [None, 5, "text", [], {}, {"imageinfo": "x", "properties": 3}]
    provider.address(items[15], "https://images.example/last.jpg")
    provider.address(items[14], "https://images.example/last.jpg")  # twice the same image
    server = serve(lambda _request: Reply(provider.page([*broken, *items])))
    hits = list(source_of(provider, server, naps).search("fur", 50))
    assert len(hits) == 3
    assert hits[-1].origin == "https://images.example/last.jpg"
    assert [hit.rank for hit in hits] == [0, 1, 2]


def test_long_fields_are_cut(provider: Provider, serve: Serve, naps: list[float]) -> None:
    def lengthen(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: lengthen(part) for key, part in value.items()}
        if isinstance(value, list):
            return [lengthen(part) for part in value]
        return value + "\0\ud800 y" * 3000 if isinstance(value, str) and value else value

    item = provider.item(0)
    long = lengthen(item)
    for kept in ("filetype", "license", "id", "owner"):
        if kept in item:
            long[kept] = item[kept]
    if provider.name == "commons":
        long["imageinfo"][0]["mime"] = "image/jpeg"
    provider.address(long, "https://images.example/" + "x" * 1977)
    server = serve(lambda _request: Reply(provider.page([long])))
    (hit,) = source_of(provider, server, naps).search("fur", 5)
    assert len(hit.origin) == 2000
    assert len(hit.page_url) <= 500
    assert len(hit.credit) <= 300
    assert len(hit.license) <= 120
    assert len(hit.license_url) <= 300
    for field in (hit.credit, hit.attribution, hit.page_url, hit.license_url):
        assert field.isprintable()


@pytest.mark.parametrize("provider", WITH_PAGES, ids=name_of)
def test_an_error_in_the_middle_leaves_the_hits_before_it(
    provider: Provider, serve: Serve, naps: list[float]
) -> None:
    good = provider.serve(200)
    pages: list[Request] = []

    def answer(request: Request) -> Reply:
        if "getInfo" not in request.query.get("method", ""):
            pages.append(request)
        return HTML if len(pages) > 1 else good(request)

    hits = source_of(provider, serve(answer), naps).search("fur", 200)
    found: list[SearchHit] = []
    with pytest.raises(SourceError, match="text/html"):
        # One by one: what came before the error stays.
        deque(map(found.append, hits))
    assert 20 <= len(found) <= 100


def test_a_provider_that_repeats_itself_ends(
    provider: Provider, serve: Serve, naps: list[float]
) -> None:
    data = provider.page([provider.item(0)])
    for part in (data, data.get("photos", {})):
        part.update({"page_count": 9999, "pages": 9999} if "page" in part else {})
    data["continue"] = {"gsroffset": 1}
    server = serve(lambda _request: Reply(data))
    assert len(list(source_of(provider, server, naps).search("fur", 50))) == 1
    assert len(server.requests) <= 6


@pytest.mark.parametrize("provider", WITH_KEYS, ids=name_of)
def test_a_key_that_is_echoed_reaches_no_hit(
    provider: Provider, serve: Serve, naps: list[float]
) -> None:
    key = provider.secrets[0]
    items = [provider.item(0), provider.item(1)]
    for name in ("source", "ownername", "creator"):
        items[0][name] = f"by {key}"
    items[0]["link"] = f"https://pages.example/?k={key}"
    provider.address(items[1], f"https://images.example/1.jpg?api_key={key}")
    server = serve(lambda _request: Reply(provider.page(items)))
    (hit,) = source_of(provider, server, naps).search("fur", 5)
    assert key not in repr(hit)
