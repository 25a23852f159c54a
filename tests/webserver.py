"""A web server of our own on the loopback, that answers as told: properly, badly or never to an end.

with serve({"/a.jpg": Answer(data, kind="image/jpeg"), "/b": lambda ask: Answer(status=503)}) as site:
    fetch(f"{site}/a.jpg")
    assert [ask.path for ask in site.asked] == ["/a.jpg"]
"""

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Ask:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    # How often this path was asked for before.
    before: int
    body: bytes = b""


@dataclass
class Answer:
    """``body`` may be a stream without end. ``raw`` is sent as it is, in place of all else."""

    body: bytes | Iterable[bytes] = b""
    kind: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    # What Content-Length says, when it shall not be true.
    length: int | None = None
    raw: Iterable[bytes] | None = None


Route = Answer | bytes | Callable[[Ask], Answer]


class Site(str):
    """The base address, such as http://127.0.0.1:40123; ``asked`` grows with every request."""

    __slots__ = ("__dict__",)
    asked: list[Ask]

    @property
    def host(self) -> str:
        return self.partition("://")[2]


@contextmanager
def serve(routes: Mapping[str, Route], *, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Answers by path until the end of the block; 404 for all other paths, several at a time."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.routes, server.asked, server.lock, server.tls = routes, [], threading.Lock(), tls
    scheme = "https" if tls else "http"
    site = Site(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    site.asked = server.asked
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    routes: Mapping[str, Route]
    asked: list[Ask]
    lock: threading.Lock
    tls: ssl.SSLContext | None
    daemon_threads = True
    # A stream without end ends when the other side hangs up, and nobody waits for it.
    block_on_close = False
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def setup(self) -> None:
        if self.server.tls is not None:
            # In this connection's thread: a slow handshake holds up no other.
            self.request = self.server.tls.wrap_socket(
                self.request, server_side=True, do_handshake_on_connect=False
            )
        super().setup()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # The other side hung up: some tests want just that.

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True
        if self.server.tls is not None:
            self.request.close()

    def answer(self) -> None:
        parts = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self.server.lock:
            before = sum(ask.path == parts.path for ask in self.server.asked)
            ask = Ask(self.command, parts.path, query, self.headers, before)
            self.server.asked.append(ask)
        ask.body = self.rfile.read(size)
        route = self.server.routes.get(parts.path, Answer(b"not found", "text/plain", 404))
        if callable(route):
            route = route(ask)
        self.reply(Answer(route) if isinstance(route, bytes) else route)

    do_GET = do_POST = answer  # noqa: N815

    def reply(self, answer: Answer) -> None:
        if answer.raw is not None:
            self.close_connection = True
            self.stream(answer.raw)
            return
        whole = isinstance(answer.body, bytes)
        length = len(answer.body) if isinstance(answer.body, bytes) else None
        length = length if answer.length is None else answer.length
        # Otherwise the other side would wait for more: the end of the connection is the end.
        self.close_connection = not whole or answer.length is not None
        self.send_response(answer.status)
        if answer.kind:
            self.send_header("Content-Type", answer.kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.stream([answer.body] if isinstance(answer.body, bytes) else answer.body)

    def stream(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self.wfile.write(block)
            self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        """Quiet."""
