"""What all commands that make pictures do around their work: a line, an end by Ctrl-C, errors."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError, OutputWrapper

from generation.progress import INTERRUPTED, Display
from generation.vision.errors import VisionError


@contextmanager
def at_work(stdout: OutputWrapper, stopped: str, *expected: type[Exception]) -> Iterator[Display]:
    """A line on the terminal for as long as something is made.

    Args:
        stdout: the command's.
        stopped: what Ctrl-C leaves behind, in a sentence, or nothing.
        expected: errors besides `VisionError` that a person can do something about; the message
            alone is shown.

    Raises:
        CommandError: one of these.
        SystemExit: after Ctrl-C, with what a shell gives for it.
    """
    mendable: tuple[type[Exception], ...] = (VisionError, *expected)
    display = Display(stdout)
    try:
        try:
            yield display
        finally:
            display.end()
    except mendable as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        stdout.write(f"Stopped. {stopped}".rstrip())
        sys.exit(INTERRUPTED)
