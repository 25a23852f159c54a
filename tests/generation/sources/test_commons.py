"""Wikimedia Commons: HTML in its metadata, the order of a search, sizes, errors in answers of 200."""

from collections.abc import Callable
from typing import Any

import pytest

from generation.sources.api import Manners
from generation.sources.base import SourceError
from generation.sources.commons import CommonsSource
from tests.generation.sources.fakes import CONTACT, commons, commons_item
from tests.generation.sources.server import Answer, Reply, Server, in_turn

Serve = Callable[[Answer], Server]


def make(server: Server, naps: list[float]) -> CommonsSource:
    return CommonsSource(server.url, Manners(contact=CONTACT, sleep=naps.append))


def one(serve: Serve, naps: list[float], **info: Any) -> Any:
    """The hit of a file whose imageinfo has these fields."""
    item = commons_item(0)
    item["imageinfo"][0] |= info
    (hit,) = make(serve(lambda _request: Reply({"query": {"pages": [item]}})), naps).search(
        "fur", 9
    )
    return hit


def test_the_fields_of_a_hit(serve: Serve, naps: list[float]) -> None:
    server = serve(commons(1))
    (hit,) = make(server, naps).search("ふさふさ", 1)
    assert hit.origin == "https://upload.example/thumb/0/960px-0.jpg"
    assert hit.page_url == "https://commons.example/wiki/File:0.jpg"
    assert hit.credit == "Person 0"
    assert hit.license == "by-sa 4.0"
    assert hit.license_url == "https://creativecommons.org/licenses/by-sa/4.0"
    assert hit.attribution == ""
    asked = server.requests[0].query
    assert asked["gsrsearch"] == "ふさふさ filetype:bitmap"
    assert asked["iiurlwidth"] == "960"
    assert asked["iiprop"] == "url|size|mime|sha1|user|extmetadata"


@pytest.mark.parametrize("contact", ["", "  ", "研究室", "()"])
def test_without_a_contact_it_is_not_asked(contact: str) -> None:
    with pytest.raises(SourceError, match="Set STYLESTUDY_CONTACT"):
        CommonsSource("http://127.0.0.1:9", Manners(contact=contact))


@pytest.mark.parametrize("version_1", [False, True])
def test_the_order_is_that_of_the_search(serve: Serve, naps: list[float], version_1: bool) -> None:
    server = serve(commons(120, version_1=version_1))
    hits = list(make(server, naps).search("fur", 120))
    assert [hit.page_url for hit in hits] == [
        f"https://commons.example/wiki/File:{number}.jpg" for number in range(120)
    ]
    assert [hit.page for hit in hits] == [1] * 50 + [2] * 50 + [3] * 20
    assert [asked.query.get("gsroffset") for asked in server.requests] == [None, "50", "100"]


@pytest.mark.parametrize(
    ("info", "origin"),
    [
        ({"width": 961}, "https://upload.example/thumb/0/960px-0.jpg"),
        ({"width": 960}, "https://upload.example/0.jpg"),
        ({"width": 300}, "https://upload.example/0.jpg"),
        ({"thumburl": None}, "https://upload.example/0.jpg"),
        ({"width": "wide"}, "https://upload.example/thumb/0/960px-0.jpg"),
    ],
)
def test_large_files_are_taken_small(
    serve: Serve, naps: list[float], info: dict[str, Any], origin: str
) -> None:
    assert one(serve, naps, **info).origin == origin


@pytest.mark.parametrize("mime", ["image/svg+xml", "image/gif", "image/tiff", "video/webm", None])
def test_other_files_than_photographs_are_left_out(
    serve: Serve, naps: list[float], mime: str | None
) -> None:
    item = commons_item(0)
    item["imageinfo"][0]["mime"] = mime
    server = serve(lambda _request: Reply({"query": {"pages": [item]}}))
    assert list(make(server, naps).search("fur", 9)) == []


def metadata(**values: Any) -> dict[str, Any]:
    return {"extmetadata": {name: {"value": value} for name, value in values.items()}}


@pytest.mark.parametrize(
    ("html", "credit"),
    [
        ("Plain", "Plain"),
        ('<span class="fn"><a href="x">A &amp; B</a></span>', "A & B"),
        ("<div>One</div><div>Two</div>", "One Two"),
        ("a<br>b\n\n c", "a b c"),
        ("<script>alert(1)</script>Anna", "Anna"),
        ("<style>.a{}</style>Anna <b>unclosed", "Anna unclosed"),
        ("1 < 2 &lt;b&gt;", "1 < 2 <b>"),
        ("", "Uploader0"),
        ("<p></p>", "Uploader0"),
        (12, "Uploader0"),
    ],
)
def test_authors_are_stripped_of_html(
    serve: Serve, naps: list[float], html: object, credit: str
) -> None:
    assert one(serve, naps, **metadata(Artist=html)).credit == credit


@pytest.mark.parametrize(
    ("values", "code", "attribution"),
    [
        ({"LicenseShortName": "Public domain", "License": "pd"}, "public-domain", ""),
        ({"LicenseShortName": "See below", "License": "cc-by-3.0"}, "by 3.0", ""),
        ({"UsageTerms": "<b>Creative Commons Zero</b>", "License": "cc0"}, "cc0 1.0", ""),
        ({"UsageTerms": "Creative Commons Attribution 4.0"}, "by 4.0", ""),
        ({"LicenseShortName": "GFDL"}, "GFDL", ""),
        ({"LicenseShortName": "CC BY 4.0", "Attribution": "<i>Name me</i>"}, "by 4.0", "Name me"),
        ({}, "", ""),
    ],
)
def test_the_licence_is_the_first_that_is_understood(
    serve: Serve, naps: list[float], values: dict[str, str], code: str, attribution: str
) -> None:
    hit = one(serve, naps, **metadata(**values))
    assert (hit.license, hit.attribution) == (code, attribution)


@pytest.mark.parametrize("extmetadata", [None, [], "x", {"Artist": "x"}, {"Artist": {"value": []}}])
def test_broken_metadata_is_no_metadata(
    serve: Serve, naps: list[float], extmetadata: object
) -> None:
    hit = one(serve, naps, extmetadata=extmetadata)
    assert (hit.credit, hit.license) == ("Uploader0", "")


def test_lag_is_waited_for(serve: Serve, naps: list[float]) -> None:
    lag = {"error": {"code": "maxlag", "info": "Waiting for a server: 6 seconds lagged"}}
    good = Reply({"query": {"pages": [commons_item(0)]}})
    server = serve(in_turn(Reply(lag, headers={"Retry-After": "5"}), good))
    assert len(list(make(server, naps).search("fur", 9))) == 1
    assert naps == [5]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"error": {"code": "cirrussearch-error", "info": "<b>No</b> luck"}},
            "error: cir.*: No luck",
        ),
        ({"error": {"code": "maxlag", "info": "lagged"}}, "is busy: maxlag: lagged, 4 times"),
        ({"error": "text"}, "answers with an error: text"),
        ({"query": []}, "without a list of pages"),
        ({"query": {"pages": "none"}}, "without a list of pages"),
    ],
)
def test_errors_inside_of_answers(
    serve: Serve, naps: list[float], data: object, words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        list(make(serve(lambda _request: Reply(data)), naps).search("fur", 9))
