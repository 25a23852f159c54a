"""Typed, loud readers of environment variables.

Every setting comes from the environment. A value that cannot be read, or a ``STYLESTUDY_`` name that
nobody asked for (a typing mistake), stops the start with a message that says what was expected.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

PREFIX = "STYLESTUDY_"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Secret(str):
    """A key or password. Used as a string; its ``repr``, which settings and tracebacks show, hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)" if str.__len__(self) else "Secret()"


class Env:
    """Reads variables and remembers which names were asked for.

    Args:
        environ: the environment; ``os.environ`` unless given.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        """The value as written; an empty value counts as not set."""
        self._known.add(name)
        return self._environ.get(name, "").strip() or default

    def secret(self, name: str) -> Secret:
        """A key; empty when it is not set."""
        return Secret(self.text(name))

    def flag(self, name: str, default: bool) -> bool:
        raw = self.text(name)
        if not raw:
            return default
        if raw.lower() in _TRUE:
            return True
        if raw.lower() in _FALSE:
            return False
        raise self._wrong(name, raw, "one of 1, true, yes, on, 0, false, no, off")

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        raw = self.text(name)
        if not raw:
            return default
        try:
            value = int(raw)
        except ValueError:
            raise self._wrong(name, raw, f"a whole number from {low} to {high}") from None
        if not low <= value <= high:
            raise self._wrong(name, raw, f"a whole number from {low} to {high}")
        return value

    def choice(self, name: str, default: str, allowed: Iterable[str]) -> str:
        raw = self.text(name, default)
        options = list(allowed)
        if raw not in options:
            raise self._wrong(name, raw, "one of " + ", ".join(options))
        return raw

    def words(self, name: str, default: Iterable[str] = ()) -> list[str]:
        """A list separated by commas."""
        raw = self.text(name)
        if not raw:
            return list(default)
        return [part.strip() for part in raw.split(",") if part.strip()]

    def time_zone(self, name: str, default: str) -> str:
        """A name of the time zone database."""
        raw = self.text(name, default)
        try:
            ZoneInfo(raw)
        except (KeyError, ValueError, OSError):
            # Unknown, not a name at all, or a folder of the database such as "Asia".
            expected = "a name of the IANA time zone database such as Asia/Tokyo or UTC"
            raise self._wrong(name, raw, expected) from None
        return raw

    def url(self, name: str, default: str, schemes: Iterable[str]) -> str:
        """A URL of one of the schemes; ``scheme+driver://`` counts as ``scheme``."""
        raw = self.text(name, default)
        scheme, mark, _rest = raw.partition("://")
        options = sorted(set(schemes), key=lambda name: (name.lower(), name))
        if not mark or scheme.partition("+")[0] not in options:
            # What follows the scheme may hold a password: not to be shown.
            shown = f"{scheme}://…" if mark else raw.rpartition("@")[2]
            raise self._wrong(name, shown, f"a URL that begins with one of {', '.join(options)}")
        return raw

    def web_address(self, name: str, default: str) -> str:
        """A base address, http or https, without a slash at its end."""
        raw = self.text(name, default).rstrip("/")
        parts = urlsplit(raw)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise self._wrong(name, raw, "an address that begins with https://")
        return raw

    def path(self, name: str, default: Path) -> Path:
        raw = self.text(name)
        return Path(raw).expanduser().resolve() if raw else default

    def optional_path(self, name: str) -> Path | None:
        raw = self.text(name)
        return Path(raw).expanduser().resolve() if raw else None

    def refuse_unknown(self) -> None:
        """Stop on a ``STYLESTUDY_`` variable that no reader asked for."""
        unknown = sorted(
            name for name in self._environ if name.startswith(PREFIX) and name not in self._known
        )
        if unknown:
            known = ", ".join(sorted(n for n in self._known if n.startswith(PREFIX)))
            raise ImproperlyConfigured(
                f"Unknown setting {', '.join(unknown)}. Known settings: {known}. "
                "Correct the name or remove the variable."
            )

    @staticmethod
    def _wrong(name: str, raw: str, expected: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(f"{name} must be {expected}; it is {raw!r}.")
