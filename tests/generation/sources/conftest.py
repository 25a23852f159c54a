"""Servers on this machine that play the providers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.generation.sources.server import Answer, Server


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    """Starts a server with an answer; all end with the test."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Server(answer))


@pytest.fixture
def naps() -> list[float]:
    """The pauses that were made, by ``sleep=naps.append``: nobody waits."""
    return []
