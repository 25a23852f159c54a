"""2,000 photographs by four real workers from a server on loopback, of which a part misbehaves.

One twentieth of everything fails, each in a way of its own, and one worker is killed in the middle:
every good photograph must be there once, and every failure with its reason.
"""

import io
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from tests.services.conftest import Site

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(900)]

WORDS, EACH = 20, 100
#: One in so many fails, by turns in these ways; the codes are what an admin reads.
EVERY = 20
WAYS = {
    "gone": "not-found",
    "broken": "server-error",
    "page": "html",
    "cut": "truncated",
    "text": "not-an-image",
    "drip": "too-slow",
    "crowded": "busy",
    "reset": "unreachable",
}


def way_of(word: int, number: int) -> str:
    """How an image behaves; empty: well."""
    index = word * EACH + number
    return list(WAYS)[index // EVERY % len(WAYS)] if index % EVERY == 0 else ""


def noise(seed: int) -> bytes:
    """A PNG that no other is like, large enough to be accepted."""
    side = 128
    stream = io.BytesIO()
    pixels = random.Random(seed).randbytes(3 * side * side)
    Image.frombytes("RGB", (side, side), pixels).save(stream, "PNG", compress_level=0)
    return stream.getvalue()


class Web(ThreadingHTTPServer):
    """Openverse and the hosts of its images."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        # Another name of the same server: a host that wants fewer requests slows nobody else.
        self.other = f"http://localhost:{self.server_port}"
        self.served: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def handle_error(self, *_args: Any) -> None:
        """Killed workers break their connections off."""


class Handler(BaseHTTPRequestHandler):
    server: Web

    def log_message(self, *_args: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        with self.server.lock:
            self.server.served[self.path] += 1
            times = self.server.served[self.path]
        if parts.path == "/v1/images/":
            self.search(parse_qs(parts.query), times)
        else:
            _empty, word, number = parts.path.removesuffix(".png").split("/")
            self.image(int(word), int(number))

    def answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def search(self, query: dict[str, list[str]], times: int) -> None:
        word, page = int(query["q"][0].rpartition(" ")[2]), int(query["page"][0])
        size = int(query["page_size"][0])
        if (word * 5 + page) % EVERY == 0 and times == 1:
            return self.answer(503, "text/html", b"<html>busy</html>", Retry_After="0")
        numbers = range((page - 1) * size, min(page * size, EACH))
        results = [self.result(word, number) for number in numbers]
        body = {"result_count": EACH, "page_count": -(-EACH // size), "page": page}
        return self.answer(
            200, "application/json", json.dumps({**body, "results": results}).encode()
        )

    def result(self, word: int, number: int) -> dict[str, Any]:
        crowded = way_of(word, number) == "crowded"
        host = self.server.other if crowded else self.server.base
        return {
            "id": f"{word}-{number}",
            "title": f"picture {number}",
            "url": f"{host}/{word}/{number}.png",
            "foreign_landing_url": f"https://pages.example/{word}/{number}",
            "thumbnail": None,
            "creator": f"maker {number}",
            "license": "by-sa",
            "license_version": "4.0",
            "license_url": "https://creativecommons.org/licenses/by-sa/4.0/",
            "attribution": f"picture {number} by maker {number}",
            "provider": "example",
            "width": 72,
            "height": 72,
            "filetype": "png",
        }

    def image(self, word: int, number: int) -> None:
        good = noise(word * EACH + number)
        match way_of(word, number):
            case "gone":
                self.answer(404, "text/html", b"<html>gone</html>")
            case "broken":
                self.answer(500, "text/html", b"<html>broken</html>")
            case "page":
                self.answer(200, "text/html", b"<!doctype html><html>removed</html>")
            case "cut":
                self.answer(200, "image/png", good[: len(good) // 2])
            case "text":
                self.answer(200, "image/png", b"this is no picture, whatever it says " * 20)
            case "crowded":
                self.answer(429, "text/plain", b"slow down", Retry_After="0")
            case "drip":
                self.drip(good)
            case "reset":
                self.connection.close()
            case _:
                self.answer(200, "image/png", good)

    def drip(self, good: bytes) -> None:
        """A byte now and then, until nobody listens any more; bounded."""
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(good)))
        self.end_headers()
        end = time.monotonic() + 40
        for byte in good:
            if time.monotonic() > end or self.server.closing.wait(0.2):
                return
            self.wfile.write(bytes([byte]))


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


COUNTS = (
    "from django.db.models import Count; import json; "
    "print(json.dumps([Job.objects.exclude(state='done').count(), SourceImage.objects.count()]))"
)


def test_2000_photographs_by_four_workers_one_of_them_killed(
    make_site: Callable[..., Site], web: Web
) -> None:
    site = make_site()
    host = f"127.0.0.1:{web.server_port}"
    site.env |= {
        "STYLESTUDY_OPENVERSE_URL": web.base,
        "STYLESTUDY_DOWNLOAD_ALLOW_HOSTS": f"{host},localhost:{web.server_port}",
        # Enough for four busy workers, too little for one that drips.
        "STYLESTUDY_DOWNLOAD_SECONDS": "10",
        "STYLESTUDY_HOST_PAUSE_MS": "0",
        "STYLESTUDY_HOST_CONNECTIONS": "16",
        "STYLESTUDY_LEASE_SECONDS": "20",
        "STYLESTUDY_EMBED_BEAT": "1",
    }
    site.shell(
        f"[jobs.collect(Word.objects.create(text=f'word {{n}}', source='openverse'), 'openverse', {EACH}) "
        f"for n in range({WORDS})]"
    )
    first = site.start_worker()
    # One clock is enough.
    site.env["STYLESTUDY_EMBED_BEAT"] = "0"
    others = [site.start_worker() for _ in range(3)]
    site.wait(COUNTS, lambda found: json.loads(found)[1] > 300)
    victim = random.choice(others)
    site.kill(victim)
    site.wait(COUNTS, lambda found: json.loads(found)[0] == 0, seconds=600)
    assert first.poll() is None, site.log()

    hits = json.loads(
        site.shell(
            "import json; print(json.dumps(list(Hit.objects.values_list("
            "'word__text', 'origin', 'state', 'reason', 'detail'))))"
        )
    )
    assert len(hits) == WORDS * EACH
    wrong = []
    for _word, origin, state, reason, detail in hits:
        word, number = urlsplit(origin).path.removesuffix(".png").lstrip("/").split("/")
        way = way_of(int(word), int(number))
        expected = ("refused", WAYS[way]) if way else ("stored", "")
        if (state, reason) != expected or (way and not detail):
            wrong.append((origin, way, state, reason, detail))
    assert not wrong
    good = sum(not way_of(word, number) for word in range(WORDS) for number in range(EACH))
    images, files = json.loads(
        site.shell(
            "import json; from django.conf import settings; from pathlib import Path; "
            "folder = Path(settings.MEDIA_ROOT) / 'photographs'; "
            "names = {Path(n).name for n in SourceImage.objects.values_list('file', flat=True)}; "
            "print(json.dumps([SourceImage.objects.count(), "
            "[len(names), sum((folder / n).stat().st_size > 0 for n in names)]]))"
        )
    )
    assert images == good == 1900
    assert files == [good, good], "each has a whole file of its own"
    # What was stored is not fetched again: only those under the killed worker's hands, at most.
    twice = [
        path
        for path, times in web.served.items()
        if path.endswith(".png") and times > 1 and not way_of(*map(int, path[1:-4].split("/")))
    ]
    assert len(twice) <= 12
