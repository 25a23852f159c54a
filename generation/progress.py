"""How far a stimulus set is, as a line on a terminal."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from django.db.models import Avg

from generation.models import Job, State, StimulusSet

BAR_WIDTH = 28
# What a shell gives for a program that Ctrl-C has ended.
INTERRUPTED = 130
# Before anything was measured: rough seconds of one picture and of one stage of a word.
GUESS_PICTURE = 12.0
GUESS_JOB = 4.0


@dataclass(frozen=True)
class Progress:
    """Share of the work done (0…1), what is being done, and seconds left.

    ``stage`` is the kind of a job, ``stylize``, ``waiting``, or empty when nothing is left to do.
    What failed counts for ``total``, but is not done.
    """

    share: float
    stage: str
    item: str
    seconds_left: float
    done: int
    total: int
    failed: int = 0


def measure(stimulus_set: StimulusSet) -> Progress:
    """Read the rows of the set and say how far it is."""
    pictures = stimulus_set.wanted()
    total = pictures.count()
    done = pictures.filter(state=State.DONE).count()
    failed = pictures.filter(state=State.FAILED).count()
    words = stimulus_set.words.count()
    # Of these the stages before the pictures are not done: they are to come, or have failed.
    without = stimulus_set.words.filter(pk__in=pictures.filter(clustering=None).values("word"))
    waiting = pictures.filter(state=State.QUEUED, clustering=None)
    open_words = without.filter(pk__in=waiting.values("word")).count()
    running = list(pictures.filter(state=State.RUNNING).with_names()[:4])
    part = sum(min(1.0, p.progress / max(1, p.budget)) for p in running)
    seconds = pictures.filter(state=State.DONE).aggregate(mean=Avg("seconds"))["mean"]
    left = (total - done - failed - part) * (seconds or GUESS_PICTURE) + open_words * GUESS_JOB
    jobs = Job.objects.filter(word__in=stimulus_set.all_words(), state=State.RUNNING)
    job = jobs.select_related("word").first()
    stage, item = "waiting", ""
    if done + failed == total:
        stage = ""
    elif job is not None:
        # The value, not its name: this line is English in every language.
        stage = str(job.kind)
        item = f"{job.word} {job.done}/{job.total}" if job.total else str(job.word)
    elif running:
        stage, item = "stylize", str(running[0])
    weight = GUESS_JOB / GUESS_PICTURE
    whole = total + weight * words
    ahead = done + part + weight * (words - without.count())
    return Progress(ahead / whole if total else 0.0, stage, item, left, done, total, failed)


def line(progress: Progress) -> str:
    """One line: bar, percent, pictures, failures, stage and item, time left."""
    # Rounded down: 100 % means that all is done.
    filled = int(progress.share * BAR_WIDTH)
    bar = "█" * filled + "░" * (BAR_WIDTH - filled)
    parts = [f"{bar} {int(progress.share * 100):3d}%", f"{progress.done}/{progress.total} pictures"]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.stage:
        minutes, seconds = divmod(int(progress.seconds_left), 60)
        parts.append(f"{progress.stage} {progress.item}".rstrip())
        parts.append(f"about {minutes}:{seconds:02d} left")
    return " · ".join(parts)


class Terminal(Protocol):
    """What is needed of a stream; a command's ``stdout`` has it too."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> None: ...
    def isatty(self) -> bool: ...


class Display:
    """Redraws one line on a terminal; elsewhere prints a line now and then."""

    def __init__(self, stream: Terminal, every: float = 5.0) -> None:
        self._stream, self._every = stream, every
        self._last, self._held, self._shown = "", "", float("-inf")

    def show(self, text: str) -> None:
        if text == self._last:
            return
        now = time.monotonic()
        if self._stream.isatty():
            # A command's stdout would end each write with a new line.
            getattr(self._stream, "_out", self._stream).write("\r\x1b[2K" + text)
        elif now - self._shown >= self._every:
            self._stream.write(text + "\n")
        else:
            self._held = text
            return
        self._stream.flush()
        self._last, self._held, self._shown = text, "", now

    def end(self) -> None:
        """Leave the line; elsewhere print how it ended, if that was held back. Twice is as once."""
        if self._stream.isatty():
            if self._last:
                self._stream.write("\n")
        elif self._held:
            self._stream.write(self._held + "\n")
        self._last = self._held = ""
        self._stream.flush()


def follow(
    stimulus_set: StimulusSet, stream: Terminal, alive: Callable[[], bool], every: float = 0.5
) -> None:
    """Show the progress of a set that workers make, until it is ready or has failed.

    Args:
        alive: False when the worker that was started for this is gone.

    Raises:
        RuntimeError: the worker is gone.
    """
    display = Display(stream)
    while True:
        stimulus_set.refresh_from_db()
        display.show(line(measure(stimulus_set)))
        if stimulus_set.status != StimulusSet.Status.MAKING:
            break
        if not alive():
            display.end()
            raise RuntimeError("The worker has stopped. What is done is kept; run this again.")
        time.sleep(every)
    display.end()
