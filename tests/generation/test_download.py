"""Downloads from a server of our own: good pictures arrive, everything hostile is refused by name."""

import gzip
import json
import logging
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from generation.download import Downloader, DownloadRefused, Limits, shown
from generation.imagefile import ImageRefused, pixel_sha256, read_image
from generation.politeness import A_YEAR, HostClosed
from generation.refusals import Refusal
from tests import hostile
from tests.webserver import Answer, Ask, Site, serve

PUBLIC = "93.184.216.34"
# Of the same pixels, whatever way they came.
PIXELS = {
    kind: pixel_sha256(read_image(hostile.good(kind)).image) for kind in ("JPEG", "PNG", "WEBP")
}


class Clock:
    """Time passes when somebody sleeps, or when a test says so."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Turns:
    """Notes who asked for a turn, and how many were inside at a time."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.waits: list[tuple[str, float]] = []
        self.inside = 0

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        self.hosts.append(host)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    def later(self, host: str, seconds: float) -> None:
        assert self.inside == 0
        self.waits.append((host, seconds))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def downloader(clock: Clock, turns: Turns) -> Callable[..., Downloader]:
    def make(site: Site | None = None, **limits: Any) -> Downloader:
        allow = frozenset({site.host}) if site else frozenset()
        return Downloader(
            replace(Limits(allow_hosts=allow, max_bytes=100_000), **limits),
            turns,
            "stylestudy-test (mailto:someone@example.org)",
            sleep=clock.sleep,
            clock=clock,
            now=lambda: (
                784_111_770.0
            ),  # Sun, 06 Nov 1994 08:49:30 GMT, 7 seconds before RFC 9110's.
            jitter=lambda: 0.5,
        )

    return make


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and the addresses they resolve to, one answer after the other; the last one stays."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in known:
            answers = known[host]
            host = answers.pop(0) if len(answers) > 1 else answers[0]
        elif str(host).endswith(("test", "org")):
            str(host).encode("idna")  # As the real one does; a label that is too long is an error.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


class Internet(list[tuple[str, int]]):
    """Who was connected to. All of them are a server of ours, which answers by ``routes``."""

    routes: dict[str, Any]
    site: Site


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    made = Internet()
    made.routes = {"/a.jpg": Answer(hostile.good(), "image/jpeg")}
    real = urllib3.util.connection.create_connection
    with serve(made.routes) as made.site:

        def connect(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
            if address[0] == "127.0.0.1":
                return real(address, *args, **kwargs)
            made.append(address)
            return real(("127.0.0.1", int(made.site.rpartition(":")[2])), *args, **kwargs)

        monkeypatch.setattr(urllib3.util.connection, "create_connection", connect)
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def refused(downloader: Downloader, address: str) -> DownloadRefused:
    with pytest.raises(DownloadRefused) as refusal:
        downloader.get(address)
    error = refusal.value
    assert isinstance(error, ImageRefused)
    assert error.code in Refusal.values
    assert error.message.endswith(".")
    assert error.message.isprintable()
    assert "secret" not in "".join(traceback.format_exception(error))
    return error


# --- good pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "declared", ["image/jpeg", "Image/PNG; charset=x", "", "binary/octet-stream"]
)
def test_pictures_arrive(downloader: Any, turns: Turns, kind: str, declared: str) -> None:
    with serve({"/a": Answer(hostile.good(kind), declared)}) as site:
        photo = downloader(site).get(f"{site}/a")
    assert pixel_sha256(photo.image) == PIXELS[kind]
    assert turns.hosts == ["127.0.0.1"]
    assert turns.waits == []


@pytest.mark.parametrize(
    ("data", "size", "color"),
    [
        (hostile.cmyk_with_profile(), (96, 80), (255, 0, 0)),
        (hostile.sixteen_bits(), (96, 80), (128, 128, 128)),
        (hostile.half_transparent(), (96, 80), (255, 127, 127)),
        (hostile.turned(), (80, 96), None),
        (hostile.jpeg_and_html(), (96, 80), None),
        (hostile.png_and_zip(), (96, 80), None),
    ],
)
def test_odd_pictures_become_plain(
    downloader: Any, data: bytes, size: tuple[int, int], color: tuple[int, int, int] | None
) -> None:
    with serve({"/a.jpg": Answer(data, "image/jpeg")}) as site:
        photo = downloader(site).get(f"{site}/a.jpg")
    assert (photo.image.mode, photo.image.size, photo.image.info) == ("RGB", size, {})
    if color:
        assert photo.image.getpixel((30, 30)) == color


def test_who_asks_and_for_what(downloader: Any) -> None:
    answer = Answer(hostile.good(), headers={"Set-Cookie": "a=b; Path=/"})
    with serve({"/a": answer}) as site:
        one = downloader(site)
        one.get(f"{site}/a?token=1")
        one.get(f"{site}/a")
        first, second = site.asked
    assert first.headers["User-Agent"] == "stylestudy-test (mailto:someone@example.org)"
    assert first.headers["Accept-Encoding"] == "identity"
    assert first.headers["Connection"] == "close"
    assert first.query == {"token": "1"}
    assert "Cookie" not in second.headers
    assert "Authorization" not in first.headers


def test_the_environment_is_not_asked(
    downloader: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with serve({"/a": hostile.good()}) as site:
        downloader(site).get(f"{site}/a")
        assert "Authorization" not in site.asked[0].headers


def test_packed_and_chunked_answers(downloader: Any) -> None:
    data = hostile.good()
    halves = [gzip.compress(data[:3000]), gzip.compress(data[3000:])]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:9], data[9:], b""))
    routes = {
        "/gzip": Answer(gzip.compress(data), headers={"Content-Encoding": "gzip"}),
        "/two": Answer(b"".join(halves), headers={"Content-Encoding": "GZIP"}),
        "/open": Answer(iter([data[:100], data[100:]])),
        "/chunks": Answer(raw=[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks]),
    }
    with serve(routes) as site:
        for path in routes:
            photo = downloader(site).get(site + path)
            assert pixel_sha256(photo.image) == PIXELS["JPEG"], path


def test_three_redirects_are_followed(downloader: Any, turns: Turns) -> None:
    def step(ask: Ask) -> Answer:
        left = int(ask.path[1:])
        return Answer(status=(301, 302, 307, 308)[left], headers={"Location": f"./{left - 1}?q=ü"})

    with serve({**{f"/{n}": step for n in (1, 2, 3)}, "/0": hostile.good()}) as site:
        assert downloader(site).get(f"{site}/3").width == 96
        assert [ask.path for ask in site.asked] == ["/3", "/2", "/1", "/0"]
        # A turn for each: the next host may be another one.
        assert turns.hosts == ["127.0.0.1"] * 4
        assert refused(downloader(site, redirects=2), f"{site}/3").code == "redirects"


def test_threads_share_a_downloader(downloader: Any) -> None:
    data = [hostile.saved(hostile.picture(seed=n), "PNG") for n in range(12)]
    with serve({f"/{n}": one for n, one in enumerate(data)}) as site:
        one = downloader(site)
        with ThreadPoolExecutor(6) as threads:
            photos = list(threads.map(lambda n: one.get(f"{site}/{n}"), range(12)))
    expected = [pixel_sha256(hostile.picture(seed=n)) for n in range(12)]
    assert [pixel_sha256(photo.image) for photo in photos] == expected


# --- second attempts --------------------------------------------------------------------------


def failing(times: int, bad: Answer) -> Callable[[Ask], Answer]:
    return lambda ask: bad if ask.before < times else Answer(hostile.good())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(
    downloader: Any, clock: Clock, turns: Turns, status: int
) -> None:
    with serve({"/a": failing(2, Answer(status=status))}) as site:
        assert downloader(site).get(f"{site}/a").width == 96
    # Exponential; the jitter of 0.5 leaves it as it is.
    assert clock.slept == [1.0, 2.0]
    crowded = status in (429, 503)
    assert turns.waits == ([("127.0.0.1", 1.0), ("127.0.0.1", 2.0)] if crowded else [])


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 7.0),
        ("0", 1.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 1.0),
        ("soon", 1.0),
        ("-5", 1.0),
    ],
)
def test_retry_after_is_honoured(
    downloader: Any, clock: Clock, turns: Turns, header: str, seconds: float
) -> None:
    answer = Answer(status=503, headers={"Retry-After": header})
    with serve({"/a": failing(1, answer)}) as site:
        assert downloader(site).get(f"{site}/a").width == 96
    assert clock.slept == [seconds]
    assert turns.waits == [("127.0.0.1", seconds)]


@pytest.mark.parametrize("header", ["61", "9" * 5000, "Sun, 06 Nov 2094 08:49:37 GMT"])
def test_a_long_retry_after_is_a_refusal(
    downloader: Any, clock: Clock, turns: Turns, header: str
) -> None:
    with serve({"/a": Answer(status=429, headers={"Retry-After": header})}) as site:
        error = refused(downloader(site, longest_wait=60.0), f"{site}/a")
        assert len(site.asked) == 1
    assert error.code == "busy"
    assert "at most 60" in error.message
    assert clock.slept == []
    # Others of this host need not find out by themselves.
    ((host, seconds),) = turns.waits
    assert host == "127.0.0.1"
    assert seconds == (61.0 if header == "61" else A_YEAR)


def test_a_host_that_is_closed_for_long_is_not_asked(downloader: Any, clock: Clock) -> None:
    class Closed(Turns):
        @contextmanager
        def turn(self, host: str) -> Iterator[None]:
            raise HostClosed(3600)
            yield

    with serve({"/a": hostile.good()}) as site:
        limits = Limits(allow_hosts=frozenset({site.host}))
        error = refused(Downloader(limits, Closed(), "test", sleep=clock.sleep), f"{site}/a")
        assert not site.asked
    assert error.code == "busy"
    assert "no request for 3600 seconds" in error.message


@pytest.mark.parametrize(
    ("status", "code", "asked"),
    [
        (429, "busy", 3),
        (503, "busy", 3),
        (500, "server-error", 3),
        (501, "server-error", 1),
        (404, "not-found", 1),
        (410, "not-found", 1),
        (403, "forbidden", 1),
        (451, "forbidden", 1),
        (418, "status", 1),
        (204, "status", 1),
        (206, "status", 1),
        (304, "status", 1),
    ],
)
def test_answers_without_a_picture(downloader: Any, status: int, code: str, asked: int) -> None:
    with serve({"/a": Answer(status=status)}) as site:
        error = refused(downloader(site), f"{site}/a")
        assert len(site.asked) == asked
    assert error.code == code
    assert str(status) in error.message


def test_broken_connections_are_tried_again(downloader: Any, clock: Clock) -> None:
    data = hostile.good()
    routes = {
        "/short": failing(2, Answer(data, length=len(data) + 1)),
        "/hung-up": failing(2, Answer(raw=[])),
    }
    with serve(routes) as site:
        for path in routes:
            assert downloader(site).get(site + path).width == 96
    assert clock.slept == [1.0, 2.0] * 2


def test_nobody_listens(downloader: Any, clock: Clock) -> None:
    with serve({}) as site:
        pass
    assert refused(downloader(site), f"{site}/a").code == "unreachable"
    assert clock.slept == [1.0, 2.0]


def test_silence(downloader: Any) -> None:
    """A real wait, of a tenth of a second."""
    done = threading.Event()

    def silent() -> Iterator[bytes]:
        done.wait(10)
        yield b""

    with serve({"/a": Answer(raw=silent()), "/b": Answer(silent(), "image/jpeg")}) as site:
        one = downloader(site, read_seconds=0.05, attempts=1)
        assert refused(one, f"{site}/a").code == "timeout"
        assert refused(one, f"{site}/b").code == "timeout"
        done.set()


# --- hostile addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "scheme"),
        ("example.org/a.jpg", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("ftp://example.org/a.jpg", "scheme"),
        ("gopher://example.org:80/_GET", "scheme"),
        ("data:image/png;base64,secret", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("http:///a.jpg", "address"),
        ("http://", "address"),
        ("http://[::1/a.jpg", "address"),
        ("http://[fe80::1%25eth0]/a.jpg", "address"),
        ("http://public.test:99999/a.jpg", "address"),
        ("http://public.test:port/a.jpg", "address"),
        ("http://public.test\\.example.org/a.jpg", "address"),
        ("http://public.te st/a.jpg", "address"),
        ("http://public.test/a.jpg\r\nX-Injected: 1", "address"),
        ("http://%31%32%37.0.0.1/a.jpg", "private-address"),
        (f"http://{'a.' * 200}test/a.jpg", "address"),
        (f"http://{'a' * 64}.test/a.jpg", "address"),
        ("http://public.test/" + "a" * 2000, "address"),
        ("http://user@public.test/a.jpg", "credentials"),
        ("http://user:secret@public.test/a.jpg", "credentials"),
        ("http://public.test\\@127.0.0.1/a.jpg", "credentials"),
        ("http://public.test:22/a.jpg", "port"),
        ("http://\ud800.test/a.jpg", "address"),
        ("http://public.test:6379/a.jpg", "port"),
        ("http://nowhere.test/a.jpg", "unknown-host"),
        ("http://127.0.0.1/a.jpg", "private-address"),
        ("http://localhost/a.jpg", "private-address"),
        ("http://internal.test/a.jpg?token=secret", "private-address"),
        ("https://internal.test/a.jpg", "private-address"),
        ("http://internal.test./a.jpg", "private-address"),
        ("http://2130706433/a.jpg", "private-address"),
        ("http://0177.0.0.1/a.jpg", "private-address"),
        ("http://0x7f.1/a.jpg", "private-address"),
        ("http://127.1/a.jpg", "private-address"),
        ("http://①②⑦.0.0.1/a.jpg", "address"),
        ("http://0.0.0.0/a.jpg", "private-address"),
        ("http://0/a.jpg", "private-address"),
        ("http://10.0.0.1/a.jpg", "private-address"),
        ("http://172.16.0.1/a.jpg", "private-address"),
        ("http://192.168.0.1/a.jpg", "private-address"),
        ("http://169.254.169.254/latest/meta-data/", "private-address"),
        ("http://100.64.0.1/a.jpg", "private-address"),
        ("http://192.0.2.1/a.jpg", "private-address"),
        ("http://198.18.0.1/a.jpg", "private-address"),
        ("http://224.0.0.1/a.jpg", "private-address"),
        ("http://240.0.0.1/a.jpg", "private-address"),
        ("http://255.255.255.255/a.jpg", "private-address"),
        ("http://192.88.99.1/a.jpg", "private-address"),
        ("http://[::1]/a.jpg", "private-address"),
        ("http://[::]/a.jpg", "private-address"),
        ("http://[::ffff:127.0.0.1]/a.jpg", "private-address"),
        ("http://[::ffff:7f00:1]/a.jpg", "private-address"),
        ("http://[::127.0.0.1]/a.jpg", "private-address"),
        ("http://[fe80::1]/a.jpg", "private-address"),
        ("http://[fec0::1]/a.jpg", "private-address"),
        ("http://[fc00::1]/a.jpg", "private-address"),
        ("http://[ff02::1]/a.jpg", "private-address"),
        ("http://[2002:7f00:1::]/a.jpg", "private-address"),
        ("http://[64:ff9b::7f00:1]/a.jpg", "private-address"),
        ("http://[64:ff9b:1::7f00:1]/a.jpg", "private-address"),
        ("http://[2001:0:7f00:1::]/a.jpg", "private-address"),
        ("http://[2001:db8::1]/a.jpg", "private-address"),
        ("http://[4000::1]/a.jpg", "private-address"),
    ],
)
def test_addresses_that_are_not_asked(
    downloader: Any,
    names: dict[str, list[str]],
    internet: Internet,
    clock: Clock,
    address: str,
    code: str,
) -> None:
    names.update({"internal.test": ["127.0.0.1"], "internal.test.": ["127.0.0.1"]})
    names.update({"localhost": ["127.0.0.1"], "public.test": [PUBLIC]})
    error = refused(downloader(), address)
    assert error.code == code, error.message
    assert internet == []
    assert clock.slept == []


def test_a_host_that_cannot_be_looked_up_now_is_tried_again(
    downloader: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert refused(downloader(), "http://example.org/a.jpg").code == "unknown-host"
    assert clock.slept == [1.0, 2.0]


def test_the_address_that_was_checked_is_connected_to(
    downloader: Any, names: dict[str, list[str]], internet: Internet
) -> None:
    """DNS that answers with a public address first, and with a private one from then on."""
    names["rebound.test"] = [PUBLIC, "127.0.0.1"]
    assert downloader().get("http://rebound.test/a.jpg").width == 96
    assert internet == [(PUBLIC, 80)]
    assert refused(downloader(), "http://rebound.test/a.jpg").code == "private-address"
    assert len(internet) == 1


def test_public_addresses_in_either_family(
    downloader: Any, names: dict[str, list[str]], internet: Internet
) -> None:
    names["six.test"] = ["2606:2800:220:1:248:1893:25c8:1946"]
    assert downloader().get("http://six.test:8080/a.jpg").width == 96
    assert downloader().get(f"http://{PUBLIC}/a.jpg").width == 96
    assert internet == [("2606:2800:220:1:248:1893:25c8:1946", 8080), (PUBLIC, 80)]


def test_only_the_very_hosts_are_allowed(downloader: Any, names: dict[str, list[str]]) -> None:
    names["internal.test"] = ["127.0.0.1"]
    with serve({"/a": hostile.good()}) as site, serve({"/a": hostile.good()}) as other:
        port, one = site.rpartition(":")[2], downloader(site)
        assert one.get(f"{site}/a").width == 96
        assert refused(one, f"{other}/a").code == "port"
        assert refused(one, f"http://2130706433:{port}/a").code == "port"
        assert refused(one, f"http://internal.test:{port}/a").code == "port"
        assert refused(one, f"http://127.0.0.1:{port}@internal.test/a").code == "credentials"
        # A name without a port: on all ports.
        every = downloader(allow_hosts=frozenset({"Internal.TEST"}))
        assert every.get(f"http://internal.test:{port}/a").width == 96
        assert refused(every, f"{site}/a").code == "port"
        assert len(other.asked) == 0


# --- redirects --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://internal.test/a.jpg?token=secret", "private-address"),
        ("http://2130706433/a.jpg", "private-address"),
        ("//[::1]/a.jpg", "private-address"),
        ("http://169.254.169.254/latest/meta-data/", "private-address"),
        ("http://127.0.0.1:22/", "port"),
        ("file:///etc/passwd", "scheme"),
        ("data:image/png;base64,secret", "scheme"),
        ("http://user:secret@public.test/", "credentials"),
        ("http://[::1", "address"),
        ("", "redirect-broken"),
        ("/a?token=secret", "redirects"),
        ("/b", "redirects"),
    ],
)
def test_redirects_that_are_not_followed(
    downloader: Any, names: dict[str, list[str]], location: str, code: str
) -> None:
    names["internal.test"] = ["127.0.0.1"]
    step = Answer(status=302, headers={"Location": location})
    back = Answer(status=302, headers={"Location": "/a"})
    with serve({"/a": step, "/b": back}) as site:
        error = refused(downloader(site), f"{site}/a?token=secret")
        assert len(site.asked) == (4 if code == "redirects" else 1)
    assert error.code == code
    assert error.message.startswith("127.0.0.1/…/a")


def test_the_filter_holds_anew_after_every_redirect(
    downloader: Any, turns: Turns, names: dict[str, list[str]], internet: Internet
) -> None:
    names["public.test"] = [PUBLIC]
    with serve({"/b.jpg": hostile.good()}) as site:
        internet.routes["/out"] = Answer(status=307, headers={"Location": f"{site}/b.jpg"})
        internet.routes["/in"] = Answer(status=307, headers={"Location": "http://127.0.0.1/b.jpg"})
        assert downloader(site).get("http://public.test/out").width == 96
        assert refused(downloader(site), "http://public.test/in").code == "private-address"
    assert internet == [(PUBLIC, 80)] * 2
    assert turns.hosts == ["public.test", "127.0.0.1"] * 2


def test_the_body_of_a_redirect_is_not_read(downloader: Any) -> None:
    """requests would read it whole, only to find out where it leads."""
    step = Answer(hostile.endless(), status=302, headers={"Location": "/b"})
    with serve({"/a": step, "/b": hostile.good()}) as site:
        assert downloader(site).get(f"{site}/a").width == 96


# --- hostile answers --------------------------------------------------------------------------


def answers() -> dict[str, tuple[Answer, str]]:
    jpeg, picture = "image/jpeg", hostile.good()
    packed = {"Content-Encoding": "gzip"}
    return {
        "empty": (Answer(b"", jpeg), "empty"),
        "truncated-jpeg": (Answer(hostile.truncated("JPEG"), jpeg), "truncated"),
        "truncated-png": (Answer(hostile.truncated("PNG"), jpeg), "truncated"),
        "truncated-webp": (Answer(hostile.truncated("WEBP"), jpeg), "truncated"),
        "wrong-checksum": (Answer(hostile.wrong_checksum(), jpeg), "truncated"),
        "html": (Answer(hostile.html(), jpeg), "html"),
        "declared-html": (Answer(picture, "text/html; charset=utf-8"), "html"),
        "svg": (Answer(hostile.svg(), jpeg), "unsupported-format"),
        "declared-svg": (Answer(hostile.svg(), "image/svg+xml"), "unsupported-format"),
        "gif-and-script": (Answer(hostile.gif_and_script(), jpeg), "unsupported-format"),
        "gif-and-jpeg": (Answer(hostile.gif_and_jpeg(), jpeg), "unsupported-format"),
        "text": (Answer(b"no picture here", jpeg), "not-an-image"),
        "declared-json": (Answer(picture, "application/json"), "content-type"),
        "declared-nul": (Answer(picture, "text/\0plain"), "content-type"),
        "declared-video": (Answer(picture, "video/mp4"), "content-type"),
        "animated": (Answer(hostile.animated("WEBP"), "image/webp"), "animated"),
        "icon": (Answer(hostile.saved(hostile.picture(32, 32), "PNG")), "too-small"),
        "png-bomb": (Answer(hostile.png_bomb(), "image/png"), "too-large"),
        "png-claim": (Answer(hostile.png_claim(), "image/png"), "too-large"),
        "webp-bomb": (Answer(hostile.webp_bomb(), "image/webp"), "too-large"),
        "webp-claim": (Answer(hostile.webp_claim(), "image/webp"), "too-large"),
        "jpeg-claim": (Answer(hostile.jpeg_claim(), jpeg), "too-large"),
        "scans": (Answer(hostile.jpeg_of_many_scans(), jpeg), "bomb"),
        "text-bomb": (Answer(hostile.png_text_bomb(), "image/png"), "bomb"),
        "profile-bomb": (Answer(hostile.png_profile_bomb(), "image/png"), "bomb"),
        "text-flood": (Answer(hostile.png_text_flood(), "image/png"), "bomb"),
        "gzip-bomb": (Answer(hostile.gzip_bomb(), jpeg, headers=packed), "too-many-bytes"),
        "gzip-cut": (Answer(gzip.compress(picture)[:-9], jpeg, headers=packed), "truncated"),
        "gzip-not": (Answer(picture, jpeg, headers=packed), "truncated"),
        "gzip-empty": (Answer(gzip.compress(b""), jpeg, headers=packed), "empty"),
        "brotli": (Answer(picture, jpeg, headers={"Content-Encoding": "br"}), "encoding"),
        "twice": (Answer(picture, headers={"Content-Encoding": "gzip, gzip"}), "encoding"),
        "endless": (Answer(hostile.endless(), jpeg), "too-many-bytes"),
        "endless-chunk": (Answer(raw=hostile.chunk_without_end()), "too-many-bytes"),
        "endless-headers": (Answer(raw=hostile.headers_without_end()), "protocol"),
        "not-http": (Answer(raw=[b"SSH-2.0-OpenSSH_9.7\r\n"]), "protocol"),
        "large": (Answer(picture, jpeg, length=10**9), "too-many-bytes"),
        "huge": (
            Answer(raw=[b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"]),
            "too-many-bytes",
        ),
        "two-lengths": (Answer(picture, jpeg, headers={"Content-Length": "5"}), "protocol"),
        "longer": (Answer(picture, jpeg, length=len(picture) + 10), "broke-off"),
        "shorter": (Answer(picture, jpeg, length=len(picture) - 1000), "truncated"),
        "odd-chunk": (
            Answer(raw=[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc"]),
            "protocol",
        ),
    }


@pytest.mark.parametrize("name", sorted(answers()))
def test_hostile_answers_are_refused_by_name(downloader: Any, name: str) -> None:
    answer, code = answers()[name]
    with serve({f"/{name}.jpg": answer}) as site:
        one = downloader(site, max_bytes=2_000_000, attempts=1)
        error = refused(one, f"{site}/{name}.jpg?token=secret#secret")
    assert error.code == code, error.message
    assert error.message.startswith(f"127.0.0.1/…/{name}.jpg: ")


@pytest.mark.parametrize("where", ["body", "headers", "chunks", "before the redirect"])
def test_a_slow_drip_has_an_end(downloader: Any, clock: Clock, where: str) -> None:
    """The server's bytes come a second apart, by a clock that it moves itself."""

    def drip() -> Iterator[bytes]:
        if where == "body":
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        elif where == "headers":
            yield b"HTTP/1.1 200 OK\r\nX-Slow: "
        elif where == "chunks":
            yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"
        for _second in range(500):
            clock.time += 1.0
            yield b"a"
            # So that bytes do not arrive together.
            threading.Event().wait(0.002)

    def late(_ask: Ask) -> Answer:
        clock.time += 40.0
        return Answer(status=302, headers={"Location": "/a"})

    with serve({"/a": Answer(raw=drip()), "/late": late}) as site:
        path = "/late" if where.startswith("before") else "/a"
        if path == "/late":
            where = "body"
        error = refused(downloader(site, total_seconds=60.0), site + path)
        assert len(site.asked) <= 2
    assert error.code == "too-slow"
    assert "60 seconds" in error.message
    assert clock.slept == []
    # It was noticed when the time was over, not at the end of the stream.
    assert clock.time < 1000.0 + 400.0


def test_waiting_for_a_turn_is_not_time_of_the_download(clock: Clock) -> None:
    class Crowd(Turns):
        @contextmanager
        def turn(self, host: str) -> Iterator[None]:
            clock.time += 1000.0
            yield

    with serve({"/a": hostile.good()}) as site:
        limits = Limits(allow_hosts=frozenset({site.host}), total_seconds=5.0)
        one = Downloader(limits, Crowd(), "test", sleep=clock.sleep, clock=clock)
        assert one.get(f"{site}/a").width == 96


# --- https ------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    file = tmp_path / "both.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=secure.test -addext subjectAltName=DNS:secure.test"
    )
    subprocess.run(
        [*command.split(), "-keyout", file, "-out", file], check=True, capture_output=True
    )
    return file


def test_https_is_verified_for_the_name_and_never_left(
    downloader: Any,
    names: dict[str, list[str]],
    internet: Internet,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names.update({"secure.test": [PUBLIC], "other.test": [PUBLIC]})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    step = Answer(status=301, headers={"Location": "http://secure.test/a.jpg"})
    with serve({"/a.jpg": hostile.good(), "/down": step}, tls=context) as site:
        internet.site = site
        assert refused(downloader(), "https://secure.test/a.jpg").code == "tls"
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
        assert downloader().get("https://secure.test/a.jpg").width == 96
        assert refused(downloader(), "https://other.test/a.jpg").code == "tls"
        assert refused(downloader(), "https://secure.test/down").code == "downgrade"
    assert internet == [(PUBLIC, 443)] * 4


# --- what is told -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://Example.org/a/b/cat.jpg?key=secret#secret", "example.org/…/cat.jpg"),
        ("https://example.org/cat.jpg;session=secret", "example.org/…/cat.jpg"),
        ("https://me:secret@example.org:8443/", "example.org/…/"),
        ("https://example.org/" + "a" * 60, "example.org/…/…" + "a" * 39),
        ("https://example.org/\x1b[31m\u202e.jpg", "example.org/…/?[31m?.jpg"),
        ("data:image/png;base64,secret", "data:…"),
        ("secret", "an address without a host"),
        ("http://[secret", "an address that cannot be read"),
    ],
)
def test_messages_show_host_and_end_of_the_path_only(address: str, text: str) -> None:
    assert shown(address) == text


def test_logs_show_no_query(downloader: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    odd = Answer(raw=[b"HTTP/1.1 200 OK\r\nA: b\r\nno header\r\n\r\n", hostile.good()])
    with serve({"/a": hostile.good(), "/odd": odd}) as site:
        downloader(site).get(f"{site}/a?token=secret")
        downloader(site).get(f"{site}/odd?token=secret")
        refused(downloader(site, attempts=1), f"{site}/none?token=secret")
    assert "secret" not in caplog.text


def test_every_code_has_a_label_of_its_own() -> None:
    assert len(set(Refusal.labels)) == len(Refusal)
    assert all(len(code) <= 40 for code in Refusal.values)  # Hit.reason


# --- memory -----------------------------------------------------------------------------------

MEASURE = """
    import json, pathlib, sys
    from contextlib import nullcontext
    from types import SimpleNamespace
    from django.conf import settings
    settings.configure(USE_I18N=False)
    from generation.download import Downloader, DownloadRefused, Limits

    def peak():
        # Of this process alone: ru_maxrss would begin with that of the process that started it.
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    site, *names = sys.argv[1:]
    limits = Limits(allow_hosts=frozenset({site.partition("://")[2]}), attempts=1)
    turns = SimpleNamespace(turn=lambda host: nullcontext(), later=lambda host, seconds: None)
    one = Downloader(limits, turns, "test")
    one.get(f"{site}/good")
    before, codes = peak(), {}
    for name in names:
        try:
            one.get(f"{site}/{name}")
            codes[name] = "taken"
        except DownloadRefused as error:
            codes[name] = error.code
    print(json.dumps([codes, (peak() - before) / 1024]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_is_bounded() -> None:
    """All of the above, one after the other: with the limits of production, below 200 MiB."""
    every = answers()
    with serve(
        {f"/{name}": one for name, (one, _code) in every.items()} | {"/good": hostile.good()}
    ) as site:
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(MEASURE), site, *every],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=Path(__file__).parents[2],
            check=True,
        )
    codes, grown = json.loads(run.stdout)
    assert codes == {name: code for name, (_answer, code) in every.items()}
    assert grown < 200
