"""One address → a verified RGB image, or a named refusal. Knows no rows and no torch.

Addresses come from the open web, so each one may be meant to harm: to reach what only this machine can
reach, or to exhaust it. What stands against that, from the outside in:

- http and https only, on the ports of web servers, without credentials, proxies, cookies or netrc;
- a name is resolved once, the address that came is checked and that very address is connected to
  (requests-hardened), anew for every redirect; a redirect from https to http is refused, because the
  source promised a picture that nobody on the way has changed;
- time and bytes are counted where they leave the socket, so that no framing, packing or drip of
  headers gets around the limits;
- the decoded body is counted as well, and only gzip is unpacked, though nothing packed is asked for;
- what arrives is an image only when `read_image` says so, whatever the answer claims.
"""

import http.client
import io
import ipaddress
import logging
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import urllib3
from django.utils.translation import gettext as _
from requests.adapters import HTTPAdapter
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter

from generation.imagefile import MIN_SIDE, ImageRefused, RgbImage, read_image
from generation.politeness import HostClosed, Turns, retry_after
from generation.refusals import Refusal

# urllib3 logs addresses whole, and a query may hold a token.
logging.getLogger("urllib3").setLevel(logging.ERROR)

PORTS = frozenset({80, 443, 8000, 8080, 8443})
LONGEST_ADDRESS = 2000
LONGEST_HOST = 253
BLOCK = 64 * 1024
HEADERS = {
    "Accept": "image/jpeg, image/png, image/webp;q=0.9, image/*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
# Servers that do not know what they send; magic bytes tell.
UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream"})
WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?\.?|[0-9a-f:.]+")
# The part of IPv6 that is given out to the public internet; documentation, tunnels and the like in it
# are refused by name.
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")

REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({429, 500, 502, 503, 504})
# Those that mean "ask less", and not only "this went wrong".
CROWDED = frozenset({429, 503})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one download may cost."""

    # Of the file, decoded; and with some room for packing and framing, of everything that is received.
    max_bytes: int = 20 * 2**20
    # Of one attempt over all its redirects, waiting for turns left out.
    total_seconds: float = 60.0
    connect_seconds: float = 10.0
    # Between two bytes.
    read_seconds: float = 20.0
    redirects: int = 3
    attempts: int = 3
    # Before the second attempt; twice as long before each further one.
    backoff_seconds: float = 1.0
    # A host that wants a longer pause is refused for now.
    longest_wait: float = 60.0
    min_side: int = MIN_SIDE
    max_pixels: int = 30_000_000
    # Pictures decoded at a time, however many threads download: each takes 8 bytes a pixel at its
    # peak, 14 in 16 bits and 20 as a WebP with transparency.
    decoders: int = 2
    # `name` or `name:port`, asked although they are private: for tests.
    allow_hosts: frozenset[str] = frozenset()


class DownloadRefused(ImageRefused):
    """An address that gives no image. Codes: `Refusal`. The text shows no query of the address."""


class Downloader:
    """Downloads, from several threads at once when wanted: nothing is kept between two downloads.

    Args:
        limits: what a download may cost.
        turns: politeness towards hosts, shared by all workers.
        user_agent: who asks, with a way to reach them.
        sleep, clock, now, jitter: time and chance, for tests. ``clock`` is monotonic, ``now`` seconds
            since 1970, ``jitter`` from 0 to 1.
    """

    def __init__(
        self,
        limits: Limits,
        turns: Turns,
        user_agent: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._limits = limits
        self._allowed = frozenset(name.lower() for name in limits.allow_hosts)
        self._turns = turns
        self._headers = {**HEADERS, "User-Agent": user_agent}
        self._sleep, self._clock, self._now, self._jitter = sleep, clock, now, jitter
        self._decoders = threading.BoundedSemaphore(limits.decoders)

    def get(self, address: str) -> RgbImage:
        """The image at an address. Raises DownloadRefused."""
        data = self._download(address)
        try:
            with self._decoders:
                return read_image(
                    data, min_side=self._limits.min_side, max_pixels=self._limits.max_pixels
                )
        except ImageRefused as error:
            # Not the error itself: its traceback holds the file and its pixels.
            code, text = error.code, error.message
        raise _refusal(code, shown(address), text)

    # --- attempts -----------------------------------------------------------------------------

    def _download(self, address: str) -> bytes:
        for attempt in range(self._limits.attempts):
            try:
                return self._attempt(address)
            except _Trouble as error:
                trouble = error
            wait = self._wait(trouble, attempt)
            if trouble.crowded:
                self._turns.later(trouble.host, max(wait, trouble.retry_after or 0.0))
            if not trouble.passes or attempt + 1 == self._limits.attempts:
                break
            self._sleep(wait)
        # Outside of the handler: a traceback would show the library's message with the whole address.
        raise trouble.refusal

    def _wait(self, trouble: "_Trouble", attempt: int) -> float:
        """Seconds: exponential with jitter from a half to one and a half, or more when asked for."""
        wait = self._limits.backoff_seconds * 2**attempt * (0.5 + self._jitter())
        return float(min(max(wait, trouble.retry_after or 0.0), self._limits.longest_wait))

    def _attempt(self, address: str) -> bytes:
        meter = _Meter(self._limits, self._clock)
        target = self._target(address, shown(address))
        for _hop in range(self._limits.redirects + 1):
            answer = self._in_turn(target, meter)
            if isinstance(answer, bytes):
                return answer
            target = self._redirected(target, answer, shown(address))
        raise _refusal(
            Refusal.REDIRECTS,
            shown(address),
            _("Redirects to yet another address after %(limit)d redirects; it may run in a circle.")
            % {"limit": self._limits.redirects},
        )

    def _in_turn(self, target: "_Target", meter: "_Meter") -> bytes | str:
        try:
            with self._turns.turn(target.host), meter.running():
                return self._ask(target, meter)
        except HostClosed as closed:
            seconds = closed.seconds
        text = _(
            "The host wants no request for %(asked)d seconds, and at most %(limit)d are waited. "
            "Collect again later."
        )
        values = {"asked": seconds, "limit": self._limits.longest_wait}
        raise _refusal(Refusal.BUSY, target.where, text % values)

    # --- addresses ----------------------------------------------------------------------------

    def _target(self, address: str, where: str) -> "_Target":
        parts = _parts(address, where)
        if parts.scheme not in ("http", "https"):
            raise _refusal(
                Refusal.SCHEME,
                where,
                _("Only addresses that begin with http:// or https:// are downloaded."),
            )
        # Some take a backslash for a slash, others for a part of the name.
        if "\\" in parts.netloc.rpartition("@")[2]:
            raise _no_address(where)
        if "@" in parts.netloc:
            raise _refusal(
                Refusal.CREDENTIALS,
                where,
                _("The address holds a user name or a password. Give it without."),
            )
        try:
            request = requests.Request("GET", address.strip(), headers=self._headers).prepare()
            # What requests made of the address is what it will ask, so that is checked.
            parts = urlsplit(request.url or "")
            host, port = parts.hostname or "", parts.port
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
            request, host, port = None, "", None
        if (
            request is None
            or "@" in parts.netloc
            or len(host) > LONGEST_HOST
            or not HOST.fullmatch(host)
        ):
            raise _no_address(where)
        if port is None:
            port = 443 if parts.scheme == "https" else 80
        name = f"[{host}]" if ":" in host else host
        allowed = bool({name, f"{name}:{port}"} & self._allowed)
        if port not in PORTS and not allowed:
            raise _refusal(
                Refusal.PORT,
                where,
                _("Web servers that are asked use port %(expected)s; this is %(port)d.")
                % {"expected": ", ".join(map(str, sorted(PORTS))), "port": port},
            )
        return _Target(request, parts.scheme, host.rstrip("."), where, allowed)

    def _redirected(self, target: "_Target", location: str, first: str) -> "_Target":
        try:
            address = urljoin(target.request.url or "", location)
        except ValueError:
            raise _no_address(first) from None
        following = self._target(address, f"{first} → {shown(address)}")
        if target.scheme == "https" and following.scheme == "http":
            raise _refusal(
                Refusal.DOWNGRADE,
                following.where,
                _(
                    "Redirects from https to http, where anybody on the way could change the picture."
                ),
            )
        return following

    # --- one request --------------------------------------------------------------------------

    def _ask(self, target: "_Target", meter: "_Meter") -> bytes | str:
        """The body, or the address of a redirect. A connection of its own, closed at the end."""
        session = _session(target.allowed, meter)
        try:
            with session, self._send(session, target, meter) as response:
                return self._judge(response, target, meter)
        except DownloadRefused:
            raise
        except _FAILURES as error:
            trouble = _explain(error, target, meter)
        raise trouble

    def _send(self, session: HTTPSession, target: "_Target", meter: "_Meter") -> requests.Response:
        left = meter.left()
        if left <= 0:
            raise TimeoutError
        limits = self._limits
        timeout = (min(limits.connect_seconds, left), min(limits.read_seconds, left))
        response: requests.Response = session.send(target.request, stream=True, timeout=timeout)
        return response

    def _judge(
        self, response: requests.Response, target: "_Target", meter: "_Meter"
    ) -> bytes | str:
        status, where = response.status_code, target.where
        if status in REDIRECTS:
            return _location(response, where)
        if status != 200:
            raise self._status(response, target)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        _check_type(kind, where)
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip"):
            raise _refusal(
                Refusal.ENCODING,
                where,
                _("The answer is packed as “%(coding)s”, although it was asked for unpacked.")
                % {"coding": coding[:40]},
            )
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and (len(length) > 15 or int(length) > self._limits.max_bytes):
            raise _too_many_bytes(self._limits, where)
        return self._body(response, where, gzipped=coding not in ("", "identity"))

    def _body(self, response: requests.Response, where: str, *, gzipped: bool) -> bytes:
        body = bytearray()
        for piece in _unpacked(response.raw, where) if gzipped else _blocks(response.raw):
            body += piece
            if len(body) > self._limits.max_bytes:
                raise _too_many_bytes(self._limits, where)
        if not body:
            raise _refusal(Refusal.EMPTY, where, _("The answer is empty."))
        return bytes(body)

    def _status(self, response: requests.Response, target: "_Target") -> Exception:
        status, where = response.status_code, target.where
        if status in PASSING:
            return self._passing(response, target)
        if status in (404, 410):
            code = Refusal.NOT_FOUND
            text = _("The picture is not there any more (HTTP %(status)d).")
        elif status in (401, 402, 403, 407, 451):
            code = Refusal.FORBIDDEN
            text = _("The host does not give the picture to a program (HTTP %(status)d).")
        elif status > 500:
            code, text = Refusal.SERVER_ERROR, _("The host has a problem (HTTP %(status)d).")
        else:
            code, text = Refusal.STATUS, _("Expected a picture (HTTP 200), got HTTP %(status)d.")
        return _refusal(code, where, text % {"status": status})

    def _passing(self, response: requests.Response, target: "_Target") -> "_Trouble":
        status, limit = response.status_code, self._limits.longest_wait
        asked = retry_after(response.headers.get("Retry-After", ""), self._now())
        code = Refusal.BUSY if status in CROWDED else Refusal.SERVER_ERROR
        text = _("The host has a problem (HTTP %(status)d). Collect again later.")
        if asked is not None and asked > limit:
            text = _(
                "The host wants no request for %(asked)d seconds (HTTP %(status)d), and at most "
                "%(limit)d are waited. Collect again later."
            )
        elif status in CROWDED:
            text = _("The host wants fewer requests (HTTP %(status)d). Collect again later.")
        return _Trouble(
            _refusal(
                code, target.where, text % {"status": status, "asked": asked or 0, "limit": limit}
            ),
            target.host,
            passes=asked is None or asked <= limit,
            crowded=status in CROWDED or asked is not None,
            retry_after=asked,
        )


def shown(address: str) -> str:
    """Host and end of the path, for people: never the query, which may hold a token."""
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname or ""
    except ValueError:
        return _("an address that cannot be read")
    if not host:
        return f"{parts.scheme[:20]}:…" if parts.scheme else _("an address without a host")
    end = parts.path.rpartition("/")[2].partition(";")[0]
    return _printable(f"{host[:100]}/…/{end if len(end) <= 40 else '…' + end[-39:]}")


# --- inside -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Target:
    """An address that may be asked."""

    request: requests.PreparedRequest
    scheme: str
    host: str
    where: str
    allowed: bool


class _Trouble(Exception):
    """What may pass, or what the host's other requests have to know."""

    def __init__(
        self,
        refusal: DownloadRefused,
        host: str,
        *,
        passes: bool = True,
        crowded: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(refusal.message)
        self.refusal, self.host = refusal, host
        self.passes, self.crowded, self.retry_after = passes, crowded, retry_after


class _Flood(OSError):
    """More bytes than an answer may have."""


@dataclass
class _Meter:
    """Time and bytes of one attempt."""

    limits: Limits
    clock: Callable[[], float]
    flooded: bool = False
    _received: int = 0
    _spent: float = 0.0
    _since: float = field(default=0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._since = self.clock()
        try:
            yield
        finally:
            self._spent += self.clock() - self._since

    def left(self) -> float:
        """Seconds; to be asked while it is running."""
        return self.limits.total_seconds - self._spent - (self.clock() - self._since)

    def receive(self, count: int) -> None:
        self._received += count
        # A sixteenth and 256 KiB for framing and headers.
        if self._received > self.limits.max_bytes * 17 // 16 + 2**18:
            self.flooded = True
            raise _Flood


class _MeteredReader(io.RawIOBase):
    """What comes from a socket, counted. No read lasts longer than what is left of the time."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, meter: _Meter) -> None:
        super().__init__()
        self._raw, self._sock, self._meter = raw, sock, meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._meter.left()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(min(left, self._meter.limits.read_seconds))
        count = self._raw.readinto(buffer)
        self._meter.receive(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Metered(HTTPAdapter):
    """Connections whose answers are read through a meter, headers included."""

    def __init__(self, meter: _Meter, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.meter = meter

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        meter = self.meter

        class Response(http.client.HTTPResponse):
            def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
                super().__init__(sock, *args, **kwargs)
                raw = self.fp.detach()
                self.fp = io.BufferedReader(_MeteredReader(raw, sock, meter))

        pool.ConnectionCls = type("Connection", (pool.ConnectionCls,), {"response_class": Response})
        return pool


class _GuardedAdapter(_Metered, IPFilterAdapter):
    """Pins and checks the address, by the library and once more: only what is given out publicly."""

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(*args, **kwargs)
        ip = ipaddress.ip_address(str(host_params["host"]).strip("[]"))
        if not ip.is_global or ip.is_multicast or ip.is_reserved:
            raise InvalidIPAddress(ip)
        if ip.version == 6 and ip not in PUBLIC_IPV6:
            raise InvalidIPAddress(ip)
        return host_params, pool_kwargs


class _Session(HTTPSession):
    """Never looks where a redirect leads: requests would read its body whole to find out."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _session(allowed: bool, meter: _Meter) -> HTTPSession:
    session = _Session(
        Config(
            ip_filter_enable=not allowed,
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=(meter.limits.connect_seconds, meter.limits.read_seconds),
        )
    )
    session.trust_env = False
    for scheme in ("http", "https"):
        secure = scheme == "https"
        adapter = _Metered(meter) if allowed else _GuardedAdapter(meter, is_https_proto=secure)
        session.mount(f"{scheme}://", adapter)
    return session


# --- answers ----------------------------------------------------------------------------------


def _check_type(kind: str, where: str) -> None:
    if kind in WEB_PAGES:
        raise _refusal(
            Refusal.HTML,
            where,
            _("Expected a picture, got a web page (HTML). The picture may have been removed."),
        )
    if kind == "image/svg+xml":
        raise _refusal(
            Refusal.UNSUPPORTED_FORMAT, where, _("The file is a SVG. Use JPEG, PNG or WebP.")
        )
    if kind not in UNTYPED and not kind.startswith("image/"):
        raise _refusal(
            Refusal.CONTENT_TYPE,
            where,
            _("Expected a picture, got something declared as “%(kind)s”.") % {"kind": kind[:60]},
        )


def _location(response: requests.Response, where: str) -> str:
    location = response.headers.get("Location", "").strip()
    if not location:
        raise _refusal(
            Refusal.REDIRECT_BROKEN, where, _("Redirects, but does not say to which address.")
        )
    # Headers arrive as Latin-1, but those who write other letters there mean UTF-8.
    return location.encode("latin-1", "replace").decode("utf-8", "replace")


def _blocks(raw: Any) -> Iterator[bytes]:
    while block := raw.read(BLOCK, decode_content=False):
        yield block


def _unpacked(raw: Any, where: str) -> Iterator[bytes]:
    """Bodies in gzip, a block at a time, so that a bomb is noticed before it has grown."""
    stream = zlib.decompressobj(wbits=31)
    try:
        for block in _blocks(raw):
            while block:
                if stream.eof:
                    stream = zlib.decompressobj(wbits=31)
                yield stream.decompress(block, BLOCK)
                block = stream.unused_data if stream.eof else stream.unconsumed_tail
        yield stream.flush()
        whole = stream.eof
    except zlib.error:
        whole = False
    if not whole:
        raise _refusal(
            Refusal.TRUNCATED, where, _("The answer is packed with gzip, and damaged or cut off.")
        )


# --- refusals ---------------------------------------------------------------------------------

# ValueError: host names that the resolver refuses, chunks of negative length.
_FAILURES = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


def _refusal(code: str, where: str, text: str) -> DownloadRefused:
    # Parts of it are what a host has sent, and go to a database and to a page.
    return DownloadRefused(code, _printable(f"{where}: {text}"))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _parts(address: str, where: str) -> SplitResult:
    if len(address) > LONGEST_ADDRESS or CONTROL.search(address.strip()):
        raise _no_address(where)
    try:
        return urlsplit(address.strip())
    except ValueError:
        raise _no_address(where) from None


def _no_address(where: str) -> DownloadRefused:
    return _refusal(
        Refusal.ADDRESS,
        where,
        _(
            "Not a web address such as https://example.org/picture.jpg of at most %(limit)d characters."
        )
        % {"limit": LONGEST_ADDRESS},
    )


def _too_many_bytes(limits: Limits, where: str) -> DownloadRefused:
    limit = limits.max_bytes / 2**20
    return _refusal(
        Refusal.TOO_MANY_BYTES,
        where,
        _("The file has more than %(limit)s MiB, the most that is taken.")
        % {"limit": f"{limit:g}"},
    )


def _explain(error: Exception, target: _Target, meter: _Meter) -> Exception:
    """What a failure of the libraries below means."""
    where = target.where
    if meter.flooded:
        return _too_many_bytes(meter.limits, where)
    if meter.left() <= 0:
        return _refusal(
            Refusal.TOO_SLOW,
            where,
            _("The picture did not arrive within %(limit)g seconds.")
            % {"limit": meter.limits.total_seconds},
        )
    lookup = next((e for e in _chain(error) if isinstance(e, socket.gaierror)), None)
    if lookup is not None:
        refusal = _refusal(Refusal.UNKNOWN_HOST, where, _("No host of this name can be found."))
        return _Trouble(refusal, target.host, passes=lookup.errno != socket.EAI_NONAME)
    if any(_breaks_rules(e) for e in _chain(error)):
        return _refusal(Refusal.PROTOCOL, where, _("The host answers against the rules of HTTP."))
    for kinds, code, text, passes in _meanings():
        if isinstance(error, kinds):
            refusal = _refusal(code, where, text)
            return _Trouble(refusal, target.host) if passes else refusal
    return _refusal(Refusal.PROTOCOL, where, _("The host answers against the rules of HTTP."))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _breaks_rules(error: BaseException) -> bool:
    """An answer that cannot be read, rather than one that is missing or broke off."""
    return isinstance(error, http.client.HTTPException | requests.exceptions.InvalidHeader) and (
        not isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead)
    )


def _meanings() -> list[tuple[tuple[type[Exception], ...], Refusal, str, bool]]:
    """Exceptions, what they mean, and whether they may pass: the first that fits counts."""
    return [
        (
            (InvalidIPAddress,),
            Refusal.PRIVATE_ADDRESS,
            _("The name leads to an address that is not on the public internet: it is not asked."),
            False,
        ),
        (
            (requests.exceptions.InvalidURL, UnicodeError),
            Refusal.ADDRESS,
            _("The name of the host cannot be read."),
            False,
        ),
        (
            (requests.exceptions.SSLError, urllib3.exceptions.SSLError),
            Refusal.TLS,
            _("No safe connection is possible: the host's certificate or its encryption is wrong."),
            False,
        ),
        (
            (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError),
            Refusal.TIMEOUT,
            _("The host did not answer in time. Collect again later."),
            True,
        ),
        (
            (urllib3.exceptions.ProtocolError, http.client.IncompleteRead),
            Refusal.BROKE_OFF,
            _("The connection broke off before the whole picture was there."),
            True,
        ),
        (
            (requests.ConnectionError, OSError),
            Refusal.UNREACHABLE,
            _("The connection to the host failed. Collect again later."),
            True,
        ),
    ]
