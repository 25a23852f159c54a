"""The line that says how far a set is. Shares are calculated by hand from the two guesses:
a picture counts 12, the stages of a word count 4."""

import io
from typing import Any

import pytest
from django.utils import translation

from generation import progress
from generation.models import Job, State, StimulusSet, StylizedImage
from generation.progress import Display, Progress, follow, line, measure
from tests.factories import make_ready_set

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def change(stimulus_set: StimulusSet, count: int | None = None, **fields: Any) -> None:
    pks = list(stimulus_set.pictures.values_list("pk", flat=True))[:count]
    StylizedImage.objects.filter(pk__in=pks).update(**fields)


def test_a_ready_set_is_all_done() -> None:
    found = measure(make_ready_set(words=2, contents=3))
    assert found == Progress(1.0, "", "", 0.0, 6, 6, 0)
    assert line(found) == "█" * 28 + " 100% · 6/6 pictures"


def test_nothing_is_made_yet() -> None:
    stimulus_set = make_ready_set(words=2, contents=3)
    change(stimulus_set, state=State.QUEUED, clustering=None, file="")
    found = measure(stimulus_set)
    assert (found.share, found.stage, found.done) == (0.0, "waiting", 0)
    assert found.seconds_left == 6 * 12 + 2 * 4
    assert line(found) == "░" * 28 + "   0% · 0/6 pictures · waiting · about 1:20 left"


def test_failed_pictures_are_not_done() -> None:
    stimulus_set = make_ready_set(words=1, contents=1)
    change(stimulus_set, state=State.FAILED, clustering=None, file="")
    assert line(measure(stimulus_set)) == "░" * 28 + "   0% · 0/1 pictures · 1 failed"


def test_some_failed_and_the_rest_is_done() -> None:
    stimulus_set = make_ready_set(words=1, contents=3)
    change(stimulus_set, 1, state=State.FAILED)
    found = measure(stimulus_set)
    # Two pictures and the word's stages of three pictures and the stages.
    assert found.share == pytest.approx((2 * 12 + 4) / (3 * 12 + 4))
    assert line(found).endswith(" 70% · 2/3 pictures · 1 failed")


def test_a_picture_half_made_counts_half_and_one_in_the_queue_nothing() -> None:
    stimulus_set = make_ready_set(words=1, contents=2)
    change(stimulus_set, state=State.QUEUED, progress=14, budget=28)
    change(stimulus_set, 1, state=State.RUNNING)
    found = measure(stimulus_set)
    # 14 of 28 evaluations.
    assert found.share == pytest.approx((6 + 4) / (2 * 12 + 4))
    first = stimulus_set.pictures.first()
    assert (found.stage, found.item) == ("stylize", str(first))
    assert found.seconds_left == pytest.approx(1.5 * 12)


def test_time_left_is_by_the_pictures_that_were_made() -> None:
    stimulus_set = make_ready_set(words=1, contents=3)
    change(stimulus_set, seconds=40.0)
    change(stimulus_set, 2, state=State.QUEUED)
    assert measure(stimulus_set).seconds_left == 80.0


@pytest.mark.parametrize("kind", ["collect", "embed", "cluster", "represent"])
def test_stages_are_named_in_english(kind: str) -> None:
    stimulus_set = make_ready_set(words=1, contents=1)
    change(stimulus_set, state=State.QUEUED, clustering=None)
    word = stimulus_set.words.get()
    Job.objects.create(kind=kind, word=word, state=State.RUNNING, done=3, total=8)
    with translation.override("ja"):
        text = line(measure(stimulus_set))
    assert f" · {kind} {word} 3/8 · about " in text


def test_an_empty_set_is_not_done() -> None:
    stimulus_set = make_ready_set(words=1, contents=1)
    stimulus_set.contents.clear()
    assert measure(stimulus_set).share == 0.0


def test_nearly_done_is_not_all_done() -> None:
    found = Progress(0.999, "stylize", "", 3.0, 99, 100)
    assert line(found).startswith("█" * 27 + "░  99%")


def test_a_terminal_shows_one_line_that_changes() -> None:
    stream = Terminal()
    display = Display(stream)
    for text in ("one", "one", "two"):
        display.show(text)
    display.end()
    assert stream.getvalue() == "\r\x1b[2Kone\r\x1b[2Ktwo\n"


def test_elsewhere_lines_come_now_and_then_and_the_last_for_sure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    display = Display(stream, every=5.0)
    for now, text in ((1.0, "a"), (2.0, "b"), (6.0, "c"), (7.0, "d"), (8.0, "e")):  # noqa: B007
        display.show(text)
    assert stream.getvalue() == "a\nc\n"
    display.end()
    assert stream.getvalue() == "a\nc\ne\n"


def test_followed_until_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    stimulus_set = make_ready_set(words=1, contents=2)
    change(stimulus_set, 1, state=State.QUEUED)
    rows = StimulusSet.objects.filter(pk=stimulus_set.pk)
    rows.update(status=StimulusSet.Status.MAKING)

    def work(_seconds: float) -> None:
        change(stimulus_set, state=State.DONE)
        rows.update(status=StimulusSet.Status.READY)

    monkeypatch.setattr(progress.time, "sleep", work)
    stream = io.StringIO()
    follow(stimulus_set, stream, alive=lambda: True)
    assert stimulus_set.is_ready
    assert "1/2 pictures" in stream.getvalue().splitlines()[0]
    assert stream.getvalue().splitlines()[-1].endswith("100% · 2/2 pictures")


def test_a_worker_that_is_gone_is_said() -> None:
    stimulus_set = make_ready_set(words=1, contents=1)
    change(stimulus_set, state=State.QUEUED)
    StimulusSet.objects.update(status=StimulusSet.Status.MAKING)
    with pytest.raises(RuntimeError, match=r"worker has stopped.*run this again"):
        follow(stimulus_set, io.StringIO(), alive=lambda: False)
