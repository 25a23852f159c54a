"""The JSON client: patient, bounded, and silent about keys. Over HTTP, against a server of our own."""

import gzip
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest

from generation.politeness import HostClosed, Turns
from generation.sources.api import Api, Limits, Manners, clean_contact, user_agent, wait_for
from generation.sources.base import SourceError
from tests.generation.sources.fakes import BROKEN_JSON, HTML, KEY, QUICK
from tests.generation.sources.server import Answer, Reply, Request, Server, in_turn

Serve = Callable[[Answer], Server]
FEW = Limits(attempts=3)


def make(
    server: Server,
    naps: list[float],
    limits: Limits = FEW,
    turns: Turns | None = None,
    **options: Any,
) -> Api:
    manners = Manners(limits=limits, turns=turns, sleep=naps.append)
    return Api("Acme", server.url, manners, secrets=[KEY], **options)


def test_it_says_who_asks(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply({"ok": 1})))
    manners = Manners(contact="研究 (a@example.org)\n", sleep=naps.append)
    api = Api("Acme", server.url + "/", manners)
    assert api.get("/v1/x", {"q": "ふさふさ 毛", "page": 2}) == {"ok": 1}
    asked = server.requests[0]
    assert asked.path == "/v1/x"
    assert asked.query == {"q": "ふさふさ 毛", "page": "2"}
    assert asked.headers["user-agent"] == user_agent("a@example.org")
    assert asked.headers["user-agent"].endswith(" (a@example.org)")
    assert asked.headers["accept"] == "application/json"


def test_a_contact_stays_one_line_of_ascii() -> None:
    assert clean_contact("a@b.c\r\nX-Evil: 1") == "a@b.c X-Evil: 1"
    assert clean_contact("研究室") == ""
    assert user_agent("").startswith("stylestudy/")
    assert "(" not in user_agent("")


def test_proxies_and_netrc_of_the_environment_are_left_alone(
    serve: Serve, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server = serve(in_turn(Reply({"ok": 1})))
    assert make(server, naps).get("/", {}) == {"ok": 1}


# --- waiting ----------------------------------------------------------------------------------


def test_it_waits_as_long_as_asked(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply({}, 429, headers={"Retry-After": "7"}), Reply({"ok": 1})))
    assert make(server, naps).get("/", {}) == {"ok": 1}
    assert naps == [7]


def test_too_many_requests_for_ever(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply({"detail": "Request was throttled."}, 429)))
    with pytest.raises(SourceError) as caught:
        make(server, naps).get("/", {})
    assert str(caught.value) == (
        "Acme answers 429 (Too Many Requests): Request was throttled, 3 times. Try again later."
    )
    assert len(server.requests) == 3
    assert naps == [1, 2]


def test_a_pause_that_is_too_long_is_not_made(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply({}, 429, headers={"Retry-After": "3600"})))
    with pytest.raises(SourceError, match="asks to wait 3600 seconds"):
        make(server, naps).get("/", {})
    assert len(server.requests) == 1
    assert naps == []


def test_pauses_and_tries_end_in_time(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply({}, 503, headers={"Retry-After": "50"})))
    with pytest.raises(SourceError, match="503"):
        make(server, naps, Limits(total_seconds=40)).get("/", {})
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_stumble_is_forgiven(serve: Serve, naps: list[float], status: int) -> None:
    server = serve(in_turn(Reply(body=b"oops", status=status, kind="text/plain"), Reply({"ok": 1})))
    assert make(server, naps).get("/", {}) == {"ok": 1}
    assert naps == [1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 799])
def test_a_refusal_is_not_repeated(serve: Serve, naps: list[float], status: int) -> None:
    server = serve(in_turn(Reply({"error": {"message": "No."}}, status)))
    with pytest.raises(SourceError, match=f"answers {status}.*No"):
        make(server, naps).get("/", {})
    assert len(server.requests) == 1


def test_a_refused_key_names_its_setting(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply({}, 401)))
    with pytest.raises(SourceError, match="Check ACME_KEY"):
        make(server, naps, key_settings="ACME_KEY").get("/", {})


def test_an_answer_may_say_to_come_again(serve: Serve, naps: list[float]) -> None:
    busy = Reply({"error": {"code": "maxlag"}}, headers={"Retry-After": "5"})
    server = serve(in_turn(busy, Reply({"ok": 1})))
    api = make(server, naps)
    assert api.get("/", {}, busy=lambda data: "is busy" if "error" in data else "") == {"ok": 1}
    assert naps == [5]


def test_a_used_up_window_is_waited_for_before_the_next_request(
    serve: Serve, naps: list[float]
) -> None:
    brave = {"X-RateLimit-Remaining": "0, 1000", "X-RateLimit-Reset": "1, 1419704"}
    server = serve(in_turn(Reply({"ok": 1}, headers=brave), Reply({"ok": 2})))
    api = make(server, naps)
    api.get("/", {})
    assert naps == []
    api.get("/", {})
    assert naps == [1]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": formatdate(1_000_090, usegmt=True)}, 90),
        ({"Retry-After": formatdate(999_000, usegmt=True)}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"X-RateLimit-Remaining": "1, 1000", "X-RateLimit-Reset": "1, 1419704"}, None),
        ({"X-RateLimit-Remaining": "0, 1000", "X-RateLimit-Reset": "1, 1419704"}, 1),
        ({"X-RateLimit-Remaining": "0, 0", "X-RateLimit-Reset": "1, 1419704"}, 1419704),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "nan"}, None),
        ({"X-RateLimit-Remaining": "0"}, None),
        ({"X-RateLimit-Limit-anon_burst": "20/min", "X-RateLimit-Available-anon_burst": "3"}, None),
        ({"X-RateLimit-Limit-anon_burst": "20/min", "X-RateLimit-Available-anon_burst": "0"}, 60),
        ({"X-RateLimit-Limit-day": "200/day", "X-RateLimit-Available-day": "0"}, 86400),
        ({"X-RateLimit-Limit-x": "?", "X-RateLimit-Available-x": "0"}, 60),
    ],
)
def test_how_long_an_answer_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_for(headers, now=1_000_000) == seconds


def test_an_absolute_reset_counts_from_now() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000030"}
    assert wait_for(headers, now=1_800_000_000) == 30


# --- slow, large, elsewhere -------------------------------------------------------------------


@pytest.mark.parametrize(
    "slow",
    [
        Reply({"ok": 1}, delay=30),
        Reply({"ok": 1, "more": "x" * 1000}, drip=0.02),
        Reply({"ok": 1}, drip_header=0.02),
    ],
    ids=["silence", "drip", "drip of a header"],
)
def test_slowness_ends_in_time(serve: Serve, naps: list[float], slow: Reply) -> None:
    server = serve(in_turn(slow))
    start = time.monotonic()
    with pytest.raises(SourceError, match="did not answer"):
        make(server, naps, QUICK).get("/", {})
    assert time.monotonic() - start < 5
    assert len(server.requests) == 2


def test_after_a_timeout_the_next_request_works(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply({"ok": "x" * 1000}, drip=0.02), Reply({"ok": 1})))
    assert make(server, naps, QUICK).get("/", {}) == {"ok": 1}


def test_nobody_there(naps: list[float]) -> None:
    api = Api("Acme", "http://127.0.0.1:9", Manners(limits=FEW, sleep=naps.append))
    with pytest.raises(SourceError, match="cannot be reached, or broke off, 3 times"):
        api.get("/", {})


@pytest.mark.parametrize("packed", [False, True])
def test_an_endless_answer_is_cut(serve: Serve, naps: list[float], packed: bool) -> None:
    body = json.dumps({"x": "a" * 3_000_000}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    server = serve(in_turn(Reply(body=gzip.compress(body) if packed else body, headers=headers)))
    with pytest.raises(SourceError, match="more than 1000000 bytes"):
        make(server, naps, Limits(max_bytes=1_000_000)).get("/", {})
    assert len(server.requests) == 1


def test_packed_answers_are_unpacked(serve: Serve, naps: list[float]) -> None:
    body = gzip.compress(b'{"ok": 1}')
    server = serve(in_turn(Reply(body=body, headers={"Content-Encoding": "gzip"})))
    assert make(server, naps).get("/", {}) == {"ok": 1}


def test_what_only_says_to_be_packed(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"})))
    with pytest.raises(SourceError, match="cannot be unpacked"):
        make(server, naps).get("/", {})


def test_redirects_on_the_same_host_are_followed(serve: Serve, naps: list[float]) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/new":
            return Reply({"ok": 1})
        return Reply(status=301, headers={"Location": "/new?q=moved"})

    server = serve(answer)
    assert make(server, naps).get("/old", {"q": "fur"}) == {"ok": 1}
    assert server.requests[1].query == {"q": "moved"}


@pytest.mark.parametrize(
    "where", ["", "//example.org/", "ftp://127.0.0.1/", "http://[", "http://u:p@"]
)
def test_redirects_elsewhere_are_not_followed(serve: Serve, naps: list[float], where: str) -> None:
    other = serve(in_turn(Reply({"ok": 1})))
    target = where or other.url
    server = serve(in_turn(Reply(status=302, headers={"Location": target})))
    with pytest.raises(SourceError, match="to another address"):
        make(server, naps).get("/", {}, headers={"X-Token": KEY})
    assert other.requests == []
    assert len(server.requests) == 1


def test_redirects_in_a_circle_end(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply(status=302, headers={"Location": "/"})))
    with pytest.raises(SourceError, match="redirects more than 3 times"):
        make(server, naps).get("/", {})


def test_a_form_is_never_sent_on(serve: Serve, naps: list[float]) -> None:
    server = serve(in_turn(Reply(status=307, headers={"Location": "/other"})))
    with pytest.raises(SourceError, match="to another address"):
        make(server, naps).post("/token", {"client_secret": KEY})
    assert len(server.requests) == 1


# --- not what was expected --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (HTML, "answers with text/html instead of JSON"),
        (Reply(body=b'{"ok": 1}', kind="image/jpeg"), "answers with image/jpeg instead"),
        (Reply(body=b"x", kind=""), "answers with something unnamed instead"),
        (BROKEN_JSON, "broken JSON"),
        (Reply(body=b""), "broken JSON"),
        (Reply(body=b"\xff\xfe{"), "broken JSON"),
        (Reply(body=b"[" * 200_000), "broken JSON"),
        (Reply(body=b"1" * 5000), "broken JSON"),
        (Reply([1, 2]), "a JSON list, not an object"),
        (Reply("text"), "a JSON str, not an object"),
    ],
)
def test_what_is_no_json_object(serve: Serve, naps: list[float], reply: Reply, words: str) -> None:
    server = serve(in_turn(reply))
    with pytest.raises(SourceError, match=words):
        make(server, naps).get("/", {})


@pytest.mark.parametrize("kind", ["application/problem+json", "text/json; charset=utf-8"])
def test_other_names_of_json(serve: Serve, naps: list[float], kind: str) -> None:
    server = serve(in_turn(Reply({"ok": 1}, kind=kind)))
    assert make(server, naps).get("/", {}) == {"ok": 1}


def test_a_field_of_another_type(serve: Serve, naps: list[float]) -> None:
    api = make(serve(in_turn(Reply({}))), naps)
    assert api.items({"results": [1]}, "results") == [1]
    with pytest.raises(SourceError, match="a list in 'results' of its answer; it has nothing"):
        api.items({}, "results")
    with pytest.raises(SourceError, match="it has a str"):
        api.items({"results": "none"}, "results")


# --- keys -------------------------------------------------------------------------------------

BAD_ANSWERS = {
    "refused": Reply({"error": f"Invalid key {KEY} given."}, 401),
    "said at length": Reply({"error": "x" * 190 + KEY}, 400),
    "HTML": HTML,
    "broken JSON": BROKEN_JSON,
    "too many": Reply({}, 429),
    "slow": Reply({}, delay=30),
    "drip": Reply({"x": "y" * 1000}, drip=0.02),
    "moved away": Reply(status=302, headers={"Location": f"https://example.org/?api_key={KEY}"}),
    "moved wrongly": Reply(status=302, headers={"Location": f"http://[/?api_key={KEY}"}),
    "circle": Reply(status=302, headers={"Location": f"/?api_key={KEY}"}),
    "not packed": Reply(body=b"no", headers={"Content-Encoding": "gzip"}),
}


def everything_told(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """All that an error or a log could show: also of causes, and of contexts that are suppressed."""
    told = [caplog.text, "".join(traceback.format_exception(error))]
    link: BaseException | None = error
    while link is not None:
        told += [str(link), repr(link), repr(link.args)]
        link = link.__cause__ or link.__context__
    return "\n".join(told)


@pytest.mark.parametrize("reply", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_a_key_is_never_shown(
    serve: Serve, naps: list[float], caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    api = make(serve(in_turn(reply)), naps, QUICK)
    with pytest.raises(SourceError) as caught:
        api.get("/search.json", {"q": "fur", "api_key": KEY}, headers={"X-Subscription-Token": KEY})
    told = everything_told(caught.value, caplog)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    for form in (KEY, KEY[:8], "k3y-Of%2Bthe%2Ftest%3D9f8e7d6c"):
        assert form not in told
    assert KEY not in repr(api)


def test_a_key_is_not_shown_when_nobody_is_there(
    naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for base in ("http://127.0.0.1:9", "http://[::1", "http://127.0.0.1:99999", "nonsense"):
        api = Api("Acme", base, Manners(limits=QUICK, sleep=naps.append), secrets=[KEY])
        with pytest.raises(SourceError) as caught:
            api.get("/", {"api_key": KEY})
        assert KEY[:8] not in everything_told(caught.value, caplog)


def test_requests_are_logged_without_their_key(
    serve: Serve, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3")
    make(serve(in_turn(Reply({"ok": 1}))), naps).get("/", {"api_key": KEY, "q": "fur"})
    assert "api_key=…&q=fur" in caplog.text
    assert KEY[:8] not in caplog.text


def with_key(key: str) -> Api:
    return Api.with_key(
        "Acme",
        "http://127.0.0.1:9",
        Manners(),
        key=key,
        setting="ACME_KEY",
        where="https://acme.example/keys",
    )


@pytest.mark.parametrize("key", ["", "two words", "鍵", "line\nbreak"])
def test_what_cannot_be_a_key(key: str) -> None:
    with pytest.raises(SourceError, match="ACME_KEY") as caught:
        with_key(key)
    assert not key or key not in str(caught.value)
    assert isinstance(with_key(KEY), Api)


# --- turns ------------------------------------------------------------------------------------


class Noted:
    """Turns that are written down; closed when told so."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str | float]] = []
        self.inside = False
        self.closed = 0.0

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        if self.closed:
            raise HostClosed(self.closed)
        self.said.append(("turn", host))
        self.inside = True
        yield
        self.inside = False

    def later(self, host: str, seconds: float) -> None:
        assert not self.inside
        self.said.append(("later", seconds))


def test_workers_take_turns_and_tell_each_other_to_wait(serve: Serve, naps: list[float]) -> None:
    turns = Noted()
    busy = Reply({}, 429, headers={"Retry-After": "7"})
    used_up = Reply({"ok": 1}, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "20"})
    server = serve(in_turn(busy, used_up))
    assert make(server, naps, turns=turns).get("/", {}) == {"ok": 1}
    host = "127.0.0.1"
    assert turns.said == [("turn", host), ("later", 7.0), ("turn", host), ("later", 20.0)]
    turns.closed = 3600
    asked = len(server.requests)
    with pytest.raises(SourceError, match=r"Acme wants no request for 3600 seconds\. Go on after"):
        make(server, naps, turns=turns).get("/", {})
    assert len(server.requests) == asked
