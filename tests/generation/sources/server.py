"""A small HTTP server of our own: answers as a test says, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    form: dict[str, str]

    def number(self, name: str, default: int = 0) -> int:
        return int(self.query.get(name, default))


@dataclass(frozen=True)
class Reply:
    """An answer: JSON of ``data``, unless there is a ``body``.

    ``delay`` is waited before everything, ``drip`` after each byte: of the body, or of a header.
    """

    data: Any = None
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0
    drip: float = 0
    drip_header: float = 0

    def bytes(self) -> bytes:
        return json.dumps(self.data).encode() if self.body is None else self.body


Answer = Callable[[Request], Reply]


class Server:
    """``with Server(answer) as server``: at ``server.url``, an unused port of this machine."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[Request] = []
        self._ending = threading.Event()
        requests, ending = self.requests, self._ending

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                size = int(self.headers.get("Content-Length", 0))
                request = Request(
                    method=self.command,
                    path=parts.path,
                    query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    form=dict(parse_qsl(self.rfile.read(size).decode())),
                )
                requests.append(request)
                reply = answer(request)
                ending.wait(reply.delay)
                body = reply.bytes()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.drip_header:
                    self.flush_headers()
                    self._slowly(b"X-Slow: " + b"x" * 1000 + b"\r\n", reply.drip_header)
                self.end_headers()
                if reply.drip:
                    self._slowly(body, reply.drip)
                else:
                    self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def _slowly(self, data: bytes, pause: float) -> None:
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if ending.wait(pause):
                        return

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the client went away: that is what some tests are about

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def in_turn(*replies: Reply) -> Answer:
    """One reply after the other; the last one for ever."""
    left = list(replies)

    def answer(_request: Request) -> Reply:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer
