"""A small JSON client that all providers share: patient, bounded, and silent about keys.

What can go wrong ends in `SourceError` with what the provider answered and what to do. Keys travel in
headers or query strings, and requests' own exceptions quote addresses: none is ever chained to an
error of here, nor shown in a message.
"""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from generation.politeness import HostClosed, Turns, retry_after
from generation.sources.base import SourceError
from generation.sources.hits import text

RETRY = frozenset({429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 3
SAID = 200

JsonObject = dict[str, Any]


class AnswerError(SourceError):
    """The provider refused a request; ``status`` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """How long and how much. A whole request, retries and pauses included, ends in ``total_seconds``:
    less than the lease of the job that asks.
    """

    connect_seconds: float = 10
    read_seconds: float = 20
    attempt_seconds: float = 30
    total_seconds: float = 90
    max_wait: float = 60
    first_wait: float = 1
    attempts: int = 4
    max_bytes: int = 8 * 2**20


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Manners:
    """Who asks a provider, and how patiently: the same for all of them.

    Attributes:
        contact: who asks, for the User-Agent: a mail address or a page.
        limits: of time and size.
        turns: politeness towards the provider, shared by all workers; None: nobody else asks it.
        sleep: waits; tests do not.
    """

    contact: str = ""
    limits: Limits = LIMITS
    turns: Turns | None = None
    sleep: Callable[[float], object] = time.sleep


MANNERS = Manners()


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Trouble:
    """Why there is no answer; worth another try or not."""

    problem: str
    again: bool = True


class Api:
    """One provider's API.

    Args:
        provider: its name for people.
        base: address that paths are added to.
        manners: who asks, and how patiently.
        secrets: keys, which are taken out of every message.
        key_settings: what to look at when the provider refuses the key.
    """

    def __init__(
        self,
        provider: str,
        base: str,
        manners: Manners = MANNERS,
        *,
        secrets: Iterable[str] = (),
        key_settings: str = "",
    ) -> None:
        self.provider = provider
        self._base = base.rstrip("/")
        self._secrets = [secret for secret in secrets if secret]
        self._key_settings = key_settings
        self._limits = manners.limits
        self._turns = manners.turns
        self._sleep = manners.sleep
        self._rest = 0.0
        self._watch = _Watch()
        self._session = requests.Session()
        self._session.trust_env = False  # no .netrc, no proxies: what is set here is what happens
        self._session.headers.update(
            {
                "User-Agent": user_agent(manners.contact),
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            }
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _adapter(self._watch))
        _silence_keys()

    @classmethod
    def with_key(
        cls, provider: str, base: str, manners: Manners, *, key: str, setting: str, where: str
    ) -> Self:
        """The API of a provider that answers only to those who have a key.

        Args:
            provider, base, manners: as for all.
            key: which its source sends as the provider wants it.
            setting: the environment variable that holds the key.
            where: the page that gives keys away.

        Raises:
            SourceError: the key is missing, or cannot be one. Names the setting, not the key.
        """
        _check_key(key, provider, setting, where)
        return cls(provider, base, manners, secrets=[key], key_settings=setting)

    @property
    def _host(self) -> str:
        return urlsplit(self._base).hostname or ""

    def hide(self, secret: str) -> None:
        """Take one more secret out of messages: a token that came later."""
        if secret and secret not in self._secrets:
            self._secrets.append(secret)

    def redact(self, message: str) -> str:
        for secret in self._secrets:
            for form in (str(secret), quote(secret, safe=""), quote_plus(secret)):
                message = message.replace(form, "…")
        return message

    def get(
        self,
        path: str,
        params: Mapping[str, str | int],
        *,
        headers: Mapping[str, str] | None = None,
        busy: Callable[[JsonObject], str] = lambda _data: "",
    ) -> JsonObject:
        """The JSON object that the provider answers.

        Args:
            path: added to the base address.
            params: the query string.
            headers: of this request.
            busy: the reason, if an answer of status 200 says "try again"; else empty.

        Raises:
            AnswerError: the provider refuses, by the status of its answer.
            SourceError: no answer in time, or none that can be used.
        """
        return self._ask("GET", path, busy, params=dict(params), headers=dict(headers or {}))

    def post(self, path: str, form: Mapping[str, str]) -> JsonObject:
        """As `get`, with a form in the body."""
        return self._ask("POST", path, lambda _data: "", data=dict(form))

    def error(self, problem: str, advice: str = "Try again later.") -> SourceError:
        """An error to raise: without keys, in one line, ended by what to do."""
        told = text(self.redact(problem), 500).rstrip(".")
        return SourceError(f"{self.provider} {told}. {advice}")

    def items(self, data: Mapping[str, Any], name: str) -> list[object]:
        """The list in a field.

        Raises:
            SourceError: it is missing, or no list.
        """
        found = data.get(name)
        if isinstance(found, list):
            return found
        said = f"a {type(found).__name__}" if name in data else "nothing"
        raise self.error(
            f"should have a list in {name!r} of its answer; it has {said}",
            "Its API may have changed.",
        )

    # --- asking -------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, busy: Callable[[JsonObject], str], **request: Any
    ) -> JsonObject:
        limits = self._limits
        end = time.monotonic() + limits.total_seconds
        if 0 < self._rest <= limits.max_wait:
            self._sleep(self._rest)
        self._rest = 0.0
        for attempt in range(1, limits.attempts + 1):
            left = end - time.monotonic()
            found = self._in_turn(method, self._base + path, max(left, 0.05), request)
            wait = limits.first_wait * 2 ** (attempt - 1)
            if isinstance(found, _Trouble):
                problem = found.problem
                if not found.again:
                    raise self.error(problem, "Its API may have changed, or its address is wrong.")
            else:
                asked = wait_for(found.headers, time.time())
                if asked and self._turns is not None:
                    self._turns.later(self._host, asked)
                if found.status not in RETRY:
                    data = self._read(found)
                    problem = busy(data)
                    if not problem:
                        self._rest = asked or 0.0
                        return data
                else:
                    problem = self._status(found)
                wait = wait if asked is None else asked
            times = f", {attempt} times" if attempt > 1 else ""
            if wait > limits.max_wait:
                raise self.error(
                    f"{problem}{times}, and asks to wait {wait:.0f} seconds",
                    "Go on after that: what was found so far is kept.",
                )
            if attempt == limits.attempts or time.monotonic() + wait > end:
                raise self.error(f"{problem}{times}")
            self._sleep(wait)
        raise self.error("was not asked at all")  # attempts < 1

    def _in_turn(
        self, method: str, address: str, seconds: float, request: dict[str, Any]
    ) -> _Answer | _Trouble:
        if self._turns is None:
            return self._once(method, address, seconds, request)
        try:
            with self._turns.turn(self._host):
                return self._once(method, address, seconds, request)
        except HostClosed as closed:
            wait = closed.seconds
        raise self.error(
            f"wants no request for {wait:.0f} seconds",
            "Go on after that: what was found so far is kept.",
        )

    def _once(
        self, method: str, address: str, seconds: float, request: dict[str, Any]
    ) -> _Answer | _Trouble:
        """One exchange, redirects included."""
        seconds = min(seconds, self._limits.attempt_seconds)
        with self._watch.over(seconds):
            for _hop in range(MAX_REDIRECTS + 1):
                found = self._exchange(method, address, request)
                if self._watch.expired:
                    return _Trouble(f"did not answer in full within {seconds:g} seconds")
                if isinstance(found, _Trouble) or found.status not in REDIRECTS:
                    return found
                target = _same_host(address, found.headers.get("Location", ""))
                if not target or method != "GET":
                    return _Trouble("sends its API's users to another address", again=False)
                address = target
                # The new address is complete; what was asked is part of it.
                request = {**request, "params": None}
        return _Trouble(f"redirects more than {MAX_REDIRECTS} times", again=False)

    def _exchange(self, method: str, address: str, request: dict[str, Any]) -> _Answer | _Trouble:
        limits = self._limits
        body = b""
        try:
            asked = self._session.prepare_request(requests.Request(method, address, **request))
            # Not by Session.send: that reads the body of a redirect whole, however long.
            with self._session.get_adapter(address).send(
                asked, stream=True, timeout=(limits.connect_seconds, limits.read_seconds)
            ) as response:
                for chunk in response.iter_content(65536):
                    body += chunk
                    if len(body) > limits.max_bytes:
                        size = limits.max_bytes
                        return _Trouble(f"answers with more than {size} bytes", again=False)
                return _Answer(response.status_code, response.headers, body)
        except requests.exceptions.Timeout:
            return _Trouble("did not answer in time")
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader):
            return _Trouble("cannot be asked: its address or key is malformed", again=False)
        except requests.exceptions.SSLError:
            return _Trouble("cannot prove who it is (TLS)", again=False)
        except requests.exceptions.ContentDecodingError:
            return _Trouble("answers with data that cannot be unpacked")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
            # Not the exception's own words: they hold the address, and with it the key.
            return _Trouble("cannot be reached, or broke off")

    # --- reading ------------------------------------------------------------------------------

    def _read(self, answer: _Answer) -> JsonObject:
        if not 200 <= answer.status < 300:
            raise AnswerError(
                str(self.error(self._status(answer), self._advice(answer))), answer.status
            )
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in ("application/json", "text/json") and not kind.endswith("+json"):
            raise self.error(
                f"answers with {kind or 'something unnamed'} instead of JSON",
                "A proxy or a login page may be in between, or the address of its API is wrong.",
            )
        data = _loads(answer.body)
        if isinstance(data, dict):
            return data
        problem = "broken JSON" if data is None else f"a JSON {type(data).__name__}, not an object"
        raise self.error(f"answers with {problem}")

    def _status(self, answer: _Answer) -> str:
        """What an error says: the status, and the provider's words where it has some."""
        try:
            name = f" ({HTTPStatus(answer.status).phrase})"
        except ValueError:
            name = ""
        # Keys first: cut in two they would not be recognized.
        words = text(self.redact(said(_loads(answer.body))), SAID).rstrip(".")
        return f"answers {answer.status}{name}" + (f": {words}" if words else "")

    def _advice(self, answer: _Answer) -> str:
        if answer.status in (401, 403) and self._key_settings:
            return f"Check {self._key_settings}."
        if answer.status == 422 and self._key_settings:
            return f"Check {self._key_settings}, and the query."
        if answer.status in (401, 403):
            return "It may have changed what it allows, or blocked this address."
        return "Its API may have changed, or it does not take this query."


def said(data: object) -> str:
    """The words of an error in JSON, in any of the shapes that providers use."""
    for name in ("detail", "error", "message", "info"):
        if isinstance(data, dict) and data.get(name):
            found = data[name]
            return said(found) if isinstance(found, dict) else text(str(found), 2000)
    return ""


def wait_for(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an answer asks to wait before the next request; None if it does not.

    ``Retry-After`` (seconds or a date) first, then used-up windows of ``X-RateLimit-Remaining`` and
    ``-Reset`` (lists, as Brave writes them; an absolute time counts too) and of Openverse's
    ``X-RateLimit-Available-…`` and ``-Limit-…`` ("20/min", of which at most a whole minute is left).

    Args:
        headers: of the answer.
        now: seconds since 1970.
    """
    after = retry_after(headers.get("Retry-After", ""), now)
    if after is not None:
        return after
    waits = []
    remaining = headers.get("X-RateLimit-Remaining", "").split(",")
    resets = headers.get("X-RateLimit-Reset", "").split(",")
    for left, reset in zip(remaining, resets, strict=False):
        if left.strip() == "0" and re.fullmatch(r"\d{1,12}(\.\d+)?", reset.strip()):
            seconds = float(reset)
            waits.append(seconds - now if seconds > 1e9 else seconds)
    for name, left in headers.items():
        _start, mark, window = name.lower().partition("x-ratelimit-available-")
        if mark and left.strip() == "0":
            limit = (
                headers.get(f"X-RateLimit-Limit-{window}", "").rpartition("/")[2].strip().lower()
            )
            waits.append({"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}.get(limit[:1], 60.0))
    return max(0.0, *waits) if waits else None


def user_agent(contact: str) -> str:
    """``stylestudy/<version> (<contact>)``; headers hold ASCII only."""
    try:
        number = version("stylestudy")
    except PackageNotFoundError:
        number = "0"
    who = clean_contact(contact)
    return f"stylestudy/{number}" + (f" ({who})" if who else "")


def clean_contact(contact: str) -> str:
    return re.sub(r"[^\x21-\x7e]+|[()]", " ", contact).strip()


def _check_key(key: str, provider: str, setting: str, where: str) -> None:
    if not key:
        raise SourceError(f"{provider} needs a key. Get one at {where} and set {setting}.")
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise SourceError(
            f"{setting} is no key: it has spaces or letters other than ASCII. Copy it again from {where}."
        )


def _loads(body: bytes) -> Any:
    """The value, or None for what is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _same_host(address: str, location: str) -> str:
    """Where a redirect leads, if it stays with the host and does not give up TLS; else empty."""
    try:
        target = urljoin(address, location)
        old, new = urlsplit(address), urlsplit(target)
        same = (new.hostname, new.username, new.password) == (old.hostname, None, None)
        here = (new.scheme, new.port) == (old.scheme, old.port)
        upgrade = (old.scheme, old.port, new.scheme, new.port) == ("http", None, "https", None)
    except ValueError:
        return ""
    return target if location and same and (here or upgrade) else ""


# --- a deadline for the whole exchange --------------------------------------------------------


class _Watch:
    """Ends an exchange that takes too long: timeouts of sockets begin anew with each byte."""

    def __init__(self) -> None:
        self.expired = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    @contextmanager
    def over(self, seconds: float) -> Iterator[None]:
        self.expired = False
        self._socket = None
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def hold(self, connection: HTTPConnection) -> None:
        """The request was sent by this connection; what comes back is watched."""
        with self._lock:
            self._socket = connection.sock
            if self.expired:
                raise TimeoutError("The time was used up by connecting.")

    def _end(self) -> None:
        with self._lock:
            self.expired = True
            if self._socket is not None:
                with suppress(OSError):
                    # Of the plain socket, also below TLS: the thread that reads wakes up and fails.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _adapter(watch: _Watch) -> HTTPAdapter:
    """An adapter whose connections show their sockets to ``watch``."""

    class Plain(HTTPConnection):
        def request(self, *args: Any, **kwargs: Any) -> None:
            super().request(*args, **kwargs)
            watch.hold(self)

    class Secure(HTTPSConnection):
        def request(self, *args: Any, **kwargs: Any) -> None:
            super().request(*args, **kwargs)
            watch.hold(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return adapter


# --- logs -------------------------------------------------------------------------------------


class _KeyFilter(logging.Filter):
    """urllib3 logs addresses when debugging; those of Flickr and SerpAPI hold the key."""

    _keys = re.compile(r"(?<=\bapi_key=)[^&\s\"']+")

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "api_key=" in message:
            record.msg, record.args = self._keys.sub("…", message), ()
        return True


_KEY_FILTER = _KeyFilter()


def _silence_keys() -> None:
    # Once a logger, however often: the same filter is not added again.
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_KEY_FILTER)
