"""How workers hold rows: owners, leases, messages. Whoever has rows to work on brings them along.

A row is claimed by a conditional UPDATE, held by a lease that is renewed, and given back when its owner is gone.
"""

import contextlib
import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

# A message that nobody claimed for so long is taken for lost and sent again. A second message for
# the same row does no harm: only one worker can claim it.
RESEND_AFTER = timedelta(minutes=15)
RENEW_SECONDS = 2.0
# How long a step may report nothing before its row is given to another worker (seconds).
PATIENCE = 1800.0

logger = logging.getLogger(__name__)


# --- owners -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _machine() -> str:
    """Names this boot of this machine, and its process numbers: a hostname alone may be shared."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return f"{parts[0]}/{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:12]}"


def _started(pid: int) -> str:
    """When a process began, in ticks since boot; empty where /proc is not there."""
    try:
        # After the name, which may hold anything: field 22 of proc(5) is then the 20th.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def owner_name() -> str:
    """This process, as the owner of leases: machine, process number and when it began."""
    return f"{_machine()}/{os.getpid()}-{_started(os.getpid())}"


def _alive(process: str) -> bool:
    """Whether the process ``number-start`` still runs; its number may belong to another by now."""
    number, _dash, began = process.partition("-")
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _started(int(number)) == began


def _dead_owners(all_rows: Iterable[Any]) -> list[str]:
    """Owners of leases on this machine whose process is gone: no need to wait for the lease."""
    owners: set[str] = set()
    for rows in all_rows:
        # Only rows that are worked on have an owner.
        here = rows.filter(owner__startswith=f"{_machine()}/")
        owners.update(here.values_list("owner", flat=True).distinct())
    return [owner for owner in owners if not _alive(owner.rpartition("/")[2])]


# --- leases -----------------------------------------------------------------------------------


class LeaseLost(Exception):
    """Another worker has the row now; this one's work is thrown away."""


class Lease:
    """Holds a claimed row while it is worked on.

    As a context it also holds the row through long steps that report nothing (loading weights, one
    large picture): a thread renews it, but for no longer than ``PATIENCE`` without a sign of life.

    Args:
        rows: manager of the row's model.
        pk: the row.
        owner: this process.
    """

    def __init__(self, rows: Any, pk: int, owner: str) -> None:
        self._rows, self._pk, self._owner = rows, pk, owner
        self._renewed = 0.0
        self._heard = time.monotonic()
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        self._keeper.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._keeper.join()

    def _keep(self) -> None:
        try:
            while not self._ended.wait(settings.LEASE_SECONDS / 3):
                if time.monotonic() - self._heard < PATIENCE:
                    self._rows.renew(self._pk, self._owner)
        finally:
            connection.close()

    def renew(self, **progress: Any) -> None:
        """Hold it longer and store progress, at most every two seconds.

        Raises:
            LeaseLost: the row was given to another worker meanwhile.
        """
        now = self._heard = time.monotonic()
        if now - self._renewed < RENEW_SECONDS:
            return
        self._renewed = now
        if not self._rows.renew(self._pk, self._owner, **progress):
            raise LeaseLost

    def finish(self, **results: Any) -> None:
        if not self._rows.finish(self._pk, self._owner, **results):
            raise LeaseLost


def run(
    rows: Any,
    pk: int,
    work: Callable[[Any, Lease], None],
    expected: tuple[type[Exception], ...],
) -> bool:
    """Claim a row and work on it; False when somebody else has it or it is done.

    Args:
        expected: what a person can do something about: the message alone is kept with the row.
    """
    owner = owner_name()
    if not rows.claim(pk, owner):
        return False
    try:
        with Lease(rows, pk, owner) as lease:
            work(rows.get(pk=pk), lease)
    except LeaseLost:
        logger.warning("%s %s was taken over by another worker", rows.model.__name__, pk)
    except expected as error:
        rows.fail(pk, owner, str(error))
        logger.warning("%s %s failed: %s", rows.model.__name__, pk, error)
    except Exception as error:
        # The boundary of the worker: whatever it is, the row must say so and the worker must go on.
        rows.fail(pk, owner, f"{type(error).__name__}: {error}")
        logger.exception("%s %s failed", rows.model.__name__, pk)
    return True


def give_back_lost(all_rows: Iterable[Any]) -> int:
    """Return to the queue what nobody works on any more; how many rows."""
    all_rows = list(all_rows)
    lost = Q(lease_until__lt=timezone.now()) | Q(owner__in=_dead_owners(all_rows))
    return sum(rows.give_back(lost) for rows in all_rows)


# --- messages ---------------------------------------------------------------------------------


def send(row: Any, task: str) -> None:
    """Give a message for the row to the broker once the row is certain, unless that was done before."""
    rows = type(row)._default_manager
    if rows.filter(pk=row.pk, sent_at=None).update(sent_at=timezone.now()):
        transaction.on_commit(lambda: _hand_over(row, task))


def _hand_over(row: Any, task: str) -> None:
    """Without a broker the row waits: it is sent when a worker starts."""
    try:
        current_app.send_task(task, args=[row.pk])
    except (OperationalError, OSError) as error:
        type(row)._default_manager.filter(pk=row.pk).update(sent_at=None)
        logger.warning("The broker takes no message for %s %s: %s", task, row.pk, error)


def unsend(all_rows: Iterable[Any], *, starting: bool = False) -> None:
    """Give back what was lost, and let messages be sent again that nobody has taken.

    Args:
        starting: a worker has just started, so messages that its predecessor had taken are gone.
    """
    all_rows = list(all_rows)
    give_back_lost(all_rows)
    unclaimed = Q() if starting else Q(sent_at__lt=timezone.now() - RESEND_AFTER)
    for rows in all_rows:
        rows.filter(unclaimed, state="queued").update(sent_at=None)
