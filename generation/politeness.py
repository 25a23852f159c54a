"""How those who ask hosts take turns. Who keeps the turns is elsewhere: `generation.turns`, in rows."""

import re
from contextlib import AbstractContextManager
from email.utils import parsedate_to_datetime
from typing import Protocol

#: However long a host wants to be left alone, after a day it is asked again (seconds).
LONGEST_CLOSED = 86_400.0

#: More than any header may ask for, and still a time that can be added to a date (seconds).
A_YEAR = 365 * 86_400.0


class HostClosed(Exception):
    """A host wants no request for longer than anybody waits.

    Args:
        seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"closed for {seconds:.0f} seconds")
        self.seconds = seconds


class Turns(Protocol):
    """Who may talk to a host now, among all workers."""

    def turn(self, host: str) -> AbstractContextManager[None]:
        """Waits; inside, the caller may have one connection to the host.

        Raises:
            HostClosed: it would have to wait too long.
        """
        ...

    def later(self, host: str, seconds: float) -> None:
        """Nobody asks this host before then, or for `LONGEST_CLOSED`. Called outside of a turn."""
        ...


def retry_after(value: str, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, a year at most: it has a number or a date (RFC 9110).

    Args:
        value: of the header; empty if there is none.
        now: seconds since 1970.

    Returns:
        None when the header is missing or unreadable.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return min(float(value), A_YEAR)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - now), A_YEAR)
    except (ValueError, TypeError, OverflowError):
        return None
