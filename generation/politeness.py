"""How those who ask hosts take turns. Who keeps the turns is elsewhere: `generation.turns`, in rows."""

from contextlib import AbstractContextManager
from typing import Protocol


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
        """Nobody asks this host before then. Called outside of a turn."""
        ...
