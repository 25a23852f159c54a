"""Whose turn it is to talk to a host: rows, so that all workers together are polite."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Greatest
from django.utils import timezone

from generation.models import HostSlot
from generation.politeness import LONGEST_CLOSED, HostClosed

#: Connections that a family of hosts asks programs to keep to, whatever the settings allow.
AT_MOST = {"wikimedia.org": 2}

#: How long a waiting worker sleeps at most before it looks again (seconds).
LONGEST_LOOK = 1.0


class HostTurns:
    """So many connections to a host at a time, and a pause after each.

    A slot is taken by a conditional UPDATE until a time at which its worker must be done, so that a
    killed one frees it by itself.

    Args:
        connections: to one host at a time, of all workers together.
        pause: seconds between the end of a connection and the next in its place.
        hold: seconds after which a connection cannot be alive any more.
        longest: seconds that a host's "later" is waited for; beyond, it is closed.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        *,
        connections: int,
        pause: float,
        hold: float,
        longest: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connections = connections
        self._pause, self._hold = timedelta(seconds=pause), timedelta(seconds=hold)
        self._longest = timedelta(seconds=longest)
        self._sleep = sleep

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Waits for a free slot of the host and holds it meanwhile.

        Raises:
            HostClosed: the host wants no request for too long.
        """
        slot, until = self._take(host)
        try:
            yield
        finally:
            # Unless the time was over and the slot is another's by now.
            HostSlot.objects.filter(pk=slot, free_at=until).update(
                free_at=timezone.now() + self._pause
            )

    def later(self, host: str, seconds: float) -> None:
        """Nobody asks the host before so many seconds are over, or a day."""
        # Whatever a host says: "in thirty years" must not be kept, and has no date at some length.
        until = timezone.now() + timedelta(seconds=min(seconds, LONGEST_CLOSED))
        HostSlot.objects.filter(host=host, not_before__lt=until).update(not_before=until)

    def _take(self, host: str) -> tuple[int, datetime]:
        connections = self._of(host)
        slots = HostSlot.objects.filter(host=host, number__lt=connections)
        ready = slots.annotate(ready_at=Greatest("free_at", "not_before")).order_by("ready_at")
        while True:
            now = timezone.now()
            first: Any = ready.first()
            if first is None:
                self._make(host, connections)
                continue
            if first.not_before - now > self._longest:
                raise HostClosed((first.not_before - now).total_seconds())
            if first.ready_at <= now:
                until = now + self._hold
                if slots.filter(pk=first.pk, free_at=first.free_at).update(free_at=until):
                    return first.pk, until
                continue
            wait = min((first.ready_at - now).total_seconds(), LONGEST_LOOK)
            # Not all that wait look at the same moment.
            self._sleep(wait + random.uniform(0, 0.02))  # noqa: S311

    def _of(self, host: str) -> int:
        """How many connections the host may have at a time."""
        for family, most in AT_MOST.items():
            if host == family or host.endswith(f".{family}"):
                return min(most, self._connections)
        return self._connections

    def _make(self, host: str, connections: int) -> None:
        long_ago = timezone.now() - timedelta(days=1)
        HostSlot.objects.bulk_create(
            [
                HostSlot(host=host, number=number, free_at=long_ago, not_before=long_ago)
                for number in range(connections)
            ],
            ignore_conflicts=True,
        )


# After the deadline of one connection: for what is done before and after (seconds).
HOLD_MARGIN = 30


def host_turns() -> HostTurns:
    """The turns of all workers, as the settings have them."""
    return HostTurns(
        connections=settings.HOST_CONNECTIONS,
        pause=settings.HOST_PAUSE_MS / 1000,
        hold=settings.DOWNLOAD_SECONDS + HOLD_MARGIN,
    )
