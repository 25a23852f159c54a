"""The automatic selection on rows: what it leaves out, takes back, and leaves to people."""

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from PIL import Image

from generation import selecting
from generation.models import SourceImage, Word
from generation.selecting import select_word
from generation.selection import Rules
from tests.factories import ClusteringFactory, WordFactory

pytestmark = pytest.mark.django_db


def texture(seed: int, width: int = 160, height: int = 160) -> Image.Image:
    """Soft blobs: its perceptual hash survives scaling."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3)).astype(np.uint8))
    fine = rng.integers(-20, 21, (height, width, 3))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + fine).clip(0, 255).astype(np.uint8))


def add(word: Word, image: Image.Image, rank: int = 0, **values: Any) -> SourceImage:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    data = stream.getvalue()
    return SourceImage.objects.create(
        word=word,
        rank=rank,
        width=image.width,
        height=image.height,
        sha256=hashlib.sha256(data).hexdigest(),
        file=ContentFile(data, name="p.png"),
        **values,
    )


def again(image: Image.Image) -> Image.Image:
    """The same picture in another size: other pixels, the same hash or nearly."""
    return image.resize((image.width * 3 // 2, image.height * 3 // 2), Image.Resampling.BICUBIC)


def reason(row: SourceImage) -> str:
    """The code in the measures, which must agree with whether there is a sentence."""
    row.refresh_from_db()
    code = (row.measures or {}).get("reason", "")
    assert bool(row.rejected) == bool(code)
    return str(code)


def test_what_is_no_material_is_left_out_with_a_reason() -> None:
    word = WordFactory()
    good, blank = add(word, texture(1)), add(word, Image.new("RGB", (160, 160), "white"))
    small, strip = add(word, texture(2, 160, 90)), add(word, texture(3, 640, 160))
    summary = select_word(word)
    assert [reason(row) for row in (good, blank, small, strip)] == [
        *("", "blank", "too-small", "too-elongated")
    ]
    assert blank.rejected == "Nearly all of it has one colour."
    assert not blank.by_person
    assert good.measures is not None
    assert good.measures["width"] == 160
    assert (summary.measured, summary.accepted, summary.changed) == (4, 1, 3)
    assert summary.left_out == {"blank": 1, "too-elongated": 1, "too-small": 1}


def test_the_second_time_nothing_happens(django_assert_max_num_queries: Any) -> None:
    word = WordFactory()
    rows = [add(word, texture(1)), add(word, again(texture(1)), rank=1)]
    select_word(word)
    before = list(SourceImage.objects.order_by("pk").values())
    # One for the rows, a savepoint's two, the lock, candidates, groupings, the number accepted.
    with django_assert_max_num_queries(7):
        summary = select_word(word)
    assert (summary.measured, summary.changed) == (0, 0)
    assert list(SourceImage.objects.order_by("pk").values()) == before
    assert reason(rows[1]) == "near-duplicate"


def test_what_passes_now_is_accepted_again() -> None:
    word = WordFactory()
    row = add(word, texture(1))
    select_word(word, Rules(min_side=200))
    assert reason(row) == "too-small"
    select_word(word)
    assert reason(row) == ""


def test_what_a_person_judged_stays() -> None:
    word = WordFactory()
    blank = Image.new("RGB", (160, 160), "white")
    kept = add(word, blank, by_person=True)
    dropped = add(word, texture(1), by_person=True, rejected="a dog")
    # From before it was written down who judged: the selection always leaves a code.
    older = add(word, texture(2), rejected="a cat")
    select_word(word)
    states = SourceImage.objects.order_by("pk").values_list("rejected", "by_person")
    assert list(states) == [("", True), ("a dog", True), ("a cat", False)]
    assert all(row.measures and "reason" not in row.measures for row in SourceImage.objects.all())
    del kept, dropped, older


def test_of_near_duplicates_the_best_ranked_stays() -> None:
    word = WordFactory()
    worse = add(word, texture(1), rank=5)
    better = add(word, again(texture(1)), rank=2)
    other = add(word, texture(2), rank=9)
    select_word(word)
    assert [reason(row) for row in (worse, better, other)] == ["near-duplicate", "", ""]
    assert worse.rejected == f"It is nearly the same as #{better.pk}."
    assert worse.measures is not None
    assert worse.measures["of"] == better.pk
    # Ties: the older one.
    SourceImage.objects.update(rank=0)
    select_word(word)
    assert [reason(row) for row in (worse, better)] == ["", "near-duplicate"]


def test_what_a_person_accepts_stays_among_near_duplicates() -> None:
    word = WordFactory()
    better = add(word, texture(1), rank=1)
    liked = add(word, again(texture(1)), rank=7, by_person=True)
    select_word(word)
    assert (reason(better), reason(liked)) == ("near-duplicate", "")


def test_what_a_person_leaves_out_takes_its_near_duplicates_along() -> None:
    word, other = WordFactory.create_batch(2)
    add(word, texture(1), rank=1, by_person=True, rejected="not the material")
    same = add(word, again(texture(1)), rank=2)
    elsewhere = add(other, texture(1), rank=3)
    select_word(word)
    assert reason(same) == "near-duplicate"
    # Not this material may well be another one.
    select_word(other)
    assert reason(elsewhere) == ""


@pytest.mark.parametrize("ranks", [(1, 4), (4, 1), (2, 2)])
def test_across_words_it_stays_where_it_ranks_better(ranks: tuple[int, int]) -> None:
    words = WordFactory.create_batch(2)
    rows = [
        add(word, image, rank)
        for word, image, rank in zip(words, (texture(1), again(texture(1))), ranks, strict=True)
    ]
    select_word(words[0])
    assert reason(rows[0]) == "", "the other one is not measured yet"
    summary = select_word(words[1])
    stays = 0 if ranks[0] <= ranks[1] else 1
    assert [reason(row) for row in rows] == (
        ["", "near-duplicate"] if stays == 0 else ["near-duplicate", ""]
    )
    assert (summary.changed, summary.changed_elsewhere) == ((1, 0) if stays == 0 else (0, 1))
    out = rows[1 - stays]
    assert f"#{rows[stays].pk} of {words[stays]}" in out.rejected
    # Whichever word comes again, it stays so.
    for word in words:
        assert select_word(word).changed_elsewhere == 0
    # Left out there by a person, it is this word's.
    SourceImage.objects.filter(pk=rows[stays].pk).update(rejected="a dog", by_person=True)
    select_word(words[stays])
    assert reason(out) == ""


def test_a_word_that_is_grouped_keeps_its_photographs() -> None:
    grouped, word = WordFactory.create_batch(2)
    there = add(grouped, texture(1), rank=9)
    select_word(grouped)
    ClusteringFactory(word=grouped)
    here = add(word, again(texture(1)), rank=1)
    assert select_word(word).changed_elsewhere == 0
    assert (reason(there), reason(here)) == ("", "near-duplicate")


def test_a_damaged_file_costs_only_itself() -> None:
    word = WordFactory()
    bad, good = add(word, texture(1)), add(word, texture(2))
    with bad.file.open("wb") as stream:
        stream.write(b"\\x89PNG, but no more")
    assert select_word(word).measured == 1
    assert (reason(bad), reason(good)) == ("unreadable", "")


def test_progress_is_told_and_cancelling_keeps_what_is_measured() -> None:
    word = WordFactory()
    for seed in range(3):
        add(word, texture(seed))
    steps: list[tuple[int, int]] = []

    class Lost(Exception):
        pass

    def on_step(done: int, total: int) -> None:
        steps.append((done, total))
        if done == 2:
            raise Lost

    with pytest.raises(Lost):
        select_word(word, on_step=on_step)
    assert steps == [(1, 3), (2, 3)]
    assert select_word(word, on_step=lambda done, total: steps.append((done, total))).measured == 1
    assert steps[-1] == (1, 1)


def test_a_person_who_is_faster_is_not_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    word = WordFactory()
    row = add(word, Image.new("RGB", (160, 160), "white"))
    real = selecting._leave_out_duplicates

    def meanwhile(*args: Any) -> None:
        SourceImage.objects.filter(pk=row.pk).update(by_person=True)
        real(*args)

    monkeypatch.setattr(selecting, "_leave_out_duplicates", meanwhile)
    assert select_word(word).changed == 0
    assert SourceImage.objects.get().rejected == ""


def test_a_slower_selection_forgets_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    word = WordFactory()
    row = add(word, Image.new("RGB", (200, 200), "gray"))
    real = selecting.measure

    def overtaken(image: Image.Image) -> selecting.Measures:
        found = real(image)
        monkeypatch.setattr(selecting, "measure", real)
        select_word(word)
        return found

    monkeypatch.setattr(selecting, "measure", overtaken)
    select_word(word)
    row.refresh_from_db()
    assert row.rejected
    assert row.measures["reason"] == "blank"
