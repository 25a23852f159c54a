"""Whose turn it is to talk to a host: rows, so that all workers together are polite."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Greatest
from django.utils import timezone

from generation.models import HostSlot

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
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        *,
        connections: int,
        pause: float,
        hold: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connections = connections
        self._pause, self._hold = timedelta(seconds=pause), timedelta(seconds=hold)
        self._sleep = sleep

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Waits for a free slot of the host and holds it meanwhile."""
        slot, until = self._take(host)
        try:
            yield
        finally:
            # Unless the time was over and the slot is another's by now.
            HostSlot.objects.filter(pk=slot, free_at=until).update(
                free_at=timezone.now() + self._pause
            )

    def later(self, host: str, seconds: float) -> None:
        """Nobody asks the host before so many seconds are over."""
        until = timezone.now() + timedelta(seconds=seconds)
        HostSlot.objects.filter(host=host, not_before__lt=until).update(not_before=until)

    def _take(self, host: str) -> tuple[int, datetime]:
        slots = HostSlot.objects.filter(host=host, number__lt=self._connections)
        ready = slots.annotate(ready_at=Greatest("free_at", "not_before")).order_by("ready_at")
        while True:
            now = timezone.now()
            first: Any = ready.first()
            if first is None:
                self._make(host)
                continue
            if first.ready_at <= now:
                until = now + self._hold
                if slots.filter(pk=first.pk, free_at=first.free_at).update(free_at=until):
                    return first.pk, until
                continue
            wait = min((first.ready_at - now).total_seconds(), LONGEST_LOOK)
            # Not all that wait look at the same moment.
            self._sleep(wait + random.uniform(0, 0.02))  # noqa: S311

    def _make(self, host: str) -> None:
        long_ago = timezone.now() - timedelta(days=1)
        HostSlot.objects.bulk_create(
            [
                HostSlot(host=host, number=number, free_at=long_ago, not_before=long_ago)
                for number in range(self._connections)
            ],
            ignore_conflicts=True,
        )
