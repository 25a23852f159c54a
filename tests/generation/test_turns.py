"""Politeness over processes: slots of hosts in the database."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from generation.models import HostSlot
from generation.politeness import HostClosed
from generation.turns import HostTurns

pytestmark = pytest.mark.django_db


class Stop(Exception):
    pass


def turns(pause: float = 0.0, connections: int = 1, hold: float = 60.0) -> tuple[HostTurns, list]:
    """Turns whose first wait is written down and ends the attempt."""
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        raise Stop

    made = HostTurns(connections=connections, pause=pause, hold=hold, sleep=sleep)
    return made, waited


def test_a_host_has_so_many_connections() -> None:
    polite, waited = turns(connections=2)
    with polite.turn("a.example"), polite.turn("a.example"):
        with polite.turn("b.example"):
            pass
        with pytest.raises(Stop), polite.turn("a.example"):
            pytest.fail("a third connection")
    assert len(waited) == 1
    with polite.turn("a.example"):
        pass


def test_after_each_connection_there_is_a_pause() -> None:
    polite, waited = turns(pause=0.5)
    with polite.turn("a.example"):
        pass
    with pytest.raises(Stop), polite.turn("a.example"):
        pytest.fail("too early")
    assert 0.3 < waited[0] < 0.6
    HostSlot.objects.update(free_at=timezone.now() - timedelta(seconds=1))
    with polite.turn("a.example"):
        pass


def test_later_holds_for_everybody_and_is_never_shortened() -> None:
    polite, waited = turns(connections=2)
    other, _waited = turns(connections=2)
    with polite.turn("a.example"):
        other.later("a.example", 40)
    other.later("a.example", 10)
    until = timezone.now() + timedelta(seconds=30)
    assert HostSlot.objects.filter(not_before__gt=until).count() == 2
    with pytest.raises(Stop), polite.turn("a.example"):
        pytest.fail("too early")
    assert waited[0] >= 1.0, "it looks again after a second at most"


def test_a_host_that_wants_a_long_pause_is_closed() -> None:
    polite, waited = turns()
    polite.turn("a.example").__enter__()
    polite.later("a.example", 3600)
    with pytest.raises(HostClosed) as closed, polite.turn("a.example"):
        pytest.fail("closed")
    assert 3500 < closed.value.seconds <= 3600
    assert waited == [], "nobody waits for an hour"


@pytest.mark.parametrize("seconds", [1e6, 999_999_999.0, 1e12, float("inf")])
def test_no_host_is_closed_for_more_than_a_day(seconds: float) -> None:
    polite, _waited = turns()
    with polite.turn("a.example"):
        pass
    polite.later("a.example", seconds)
    left = HostSlot.objects.get().not_before - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(days=1)


def test_wikimedia_has_two_connections_whatever_is_set() -> None:
    polite, _waited = turns(connections=5)
    for host in ("upload.wikimedia.org", "notwikimedia.org"):
        with polite.turn(host):
            pass
    counts = HostSlot.objects.values_list("host").annotate(n=Count("pk"))
    assert dict(counts) == {"upload.wikimedia.org": 2, "notwikimedia.org": 5}


def test_a_killed_worker_s_slot_frees_itself() -> None:
    polite, _waited = turns()
    killed = polite.turn("a.example")
    killed.__enter__()
    with pytest.raises(Stop), polite.turn("a.example"):
        pytest.fail("still held")
    HostSlot.objects.update(free_at=timezone.now() - timedelta(seconds=1))
    with polite.turn("a.example"):
        pass
    del killed  # Until here: let go earlier, it would have ended in good order.


def test_who_was_too_long_frees_nobody_else_s_slot() -> None:
    polite, _waited = turns(hold=60)
    with polite.turn("a.example"):
        # Its time was over, and somebody else has the slot.
        other = timezone.now() + timedelta(seconds=50)
        HostSlot.objects.update(free_at=other)
    assert HostSlot.objects.get().free_at == other


@pytest.mark.django_db(transaction=True)
def test_threads_are_never_more_than_connections_at_a_time() -> None:
    polite = HostTurns(connections=2, pause=0.0, hold=60.0)
    at_once, most = 0, 0
    lock = threading.Lock()

    def visit() -> None:
        nonlocal at_once, most
        try:
            for _ in range(5):
                with polite.turn("a.example"):
                    with lock:
                        at_once += 1
                        most = max(most, at_once)
                    threading.Event().wait(0.002)
                    with lock:
                        at_once -= 1
        finally:
            connection.close()

    run: list[Callable[[], None]] = [visit] * 6
    threads = [threading.Thread(target=target) for target in run]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (at_once, most) == (0, 2)
