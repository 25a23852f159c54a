"""From queries to photographs: hits written down, fetched once, every failure with its reason."""

import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils.translation import gettext, override
from PIL import Image

from generation import collecting
from generation.collecting import Report, fetch, search
from generation.imagefile import ImageRefused, RgbImage, shrunk
from generation.models import Hit, SourceImage, Word
from generation.sources.base import SearchHit, SourceError

# Threads have connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)


class Source:
    """Answers queries from a table; None breaks off."""

    name = "openverse"

    def __init__(self, answers: dict[str, list[str | None]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        self.asked.append(query)
        for rank, origin in enumerate(self.answers[query][:limit]):
            if origin is None:
                raise SourceError("Openverse is down (503). Try again later.")
            yield SearchHit(
                source=self.name,
                query=query,
                rank=rank,
                origin=origin,
                credit="somebody",
                license="by 4.0",
                license_url="https://creativecommons.example/by/4.0",
                attribution=f"{origin} by somebody",
                page_url="https://pages.example/1",
            )


class Fetcher:
    """Images by address: a picture of its own each, or what is given."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def get(self, address: str) -> RgbImage:
        with self._lock:
            self.asked.append(address)
        name = address.rsplit("/", 1)[-1]
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        color = answer or tuple(zlib.crc32(name.encode()).to_bytes(4, "big")[:3])
        return RgbImage(Image.new("RGB", (80, 64), color), 80, 64)


@pytest.fixture
def word() -> Word:
    return Word.objects.create(text="ふさふさ", source="openverse")


def addresses(*names: str) -> list[str | None]:
    return [f"https://{name[0]}.example/{name}" for name in names]


def collect(word: Word, source: Any, fetcher: Fetcher, limit: int = 10) -> Report:
    report = Report()
    search(word, source, limit, report)
    fetch(word, source, fetcher, 3, report, lambda _done, _total: None)
    return report


def test_queries_are_merged_by_rank_each_image_once(word: Word) -> None:
    for text in ("ふさふさ", "fluffy"):
        word.queries.create(text=text)
    source = Source(
        {"ふさふさ": addresses("a1", "a2", "a3"), "fluffy": addresses("b1", "a1", "b3")}
    )
    report = Report()
    search(word, source, 4, report)
    hits = [(h.rank, h.origin[-2:], h.query) for h in word.hits.all()]
    assert hits == [
        (0, "a1", "ふさふさ"),
        (1, "b1", "fluffy"),
        (2, "a2", "ふさふさ"),
        (3, "a3", "ふさふさ"),
    ]
    assert (report.found, report.known, report.problems) == (4, 0, [])


def test_without_queries_the_word_itself_is_searched_for(word: Word) -> None:
    source = Source({"ふさふさ": addresses("a1")})
    search(word, source, 4, Report())
    assert source.asked == ["ふさふさ"]


def test_a_photograph_keeps_where_it_came_from(word: Word) -> None:
    report = collect(word, Source({"ふさふさ": addresses("a1")}), Fetcher())
    image = SourceImage.objects.get()
    assert (image.source, image.query, image.rank) == ("openverse", "ふさふさ", 0)
    assert image.origin == "https://a.example/a1"
    assert (image.credit, image.license) == ("somebody", "by 4.0")
    assert image.attribution == "https://a.example/a1 by somebody"
    assert Hit.objects.get().image == image
    assert report.text() == "1 found, 1 stored, 0 there already."


def test_asking_twice_fetches_nothing_twice(word: Word) -> None:
    source, fetcher = Source({"ふさふさ": addresses("a1", "a2")}), Fetcher()
    collect(word, source, fetcher)
    report = collect(word, source, fetcher)
    assert sorted(fetcher.asked) == addresses("a1", "a2")
    assert (report.found, report.known, report.stored) == (2, 2, 0)
    # More of the same query: only what is new.
    source.answers["ふさふさ"] = addresses("a1", "a2", "b3")
    assert collect(word, source, fetcher).stored == 1
    assert fetcher.asked[-1] == "https://b.example/b3"


def test_a_query_that_breaks_off_costs_only_its_own_hits(word: Word) -> None:
    for text in ("one", "two"):
        word.queries.create(text=text)
    source = Source(
        {"one": [*addresses("a1"), None, *addresses("a2")], "two": addresses("b1", "b2")}
    )
    report = collect(word, source, Fetcher())
    assert report.stored == 3
    assert report.problems == ["“one”: Openverse is down (503). Try again later."]
    assert report.problems[0] in report.text()


def test_every_refusal_has_its_reason(word: Word) -> None:
    fetcher = Fetcher(
        a1=ImageRefused("too-small", "The image has 10 × 10 pixels."),
        a2=ImageRefused("not-found", "a.example answers 404."),
    )
    report = collect(word, Source({"ふさふさ": addresses("a1", "a2", "a3")}), fetcher)
    refused = dict(Hit.objects.filter(state="refused").values_list("reason", "detail"))
    assert refused == {
        "too-small": "The image has 10 × 10 pixels.",
        "not-found": "a.example answers 404.",
    }
    assert "Refused: " in report.text()
    assert "too few pixels 1" in report.text()
    # What is no good photograph is not asked for again.
    collect(word, Source({"ふさふさ": addresses("a1", "a2", "a3")}), fetcher)
    assert len(fetcher.asked) == 3


@pytest.mark.parametrize(
    ("language", "said"),
    [("ja", "画像はもうありません"), ("en", "not there any more"), (None, "not there")],
)
def test_refusals_are_told_in_the_language_of_the_run(
    word: Word, language: str | None, said: str
) -> None:
    class Gone(Fetcher):
        def get(self, address: str) -> RgbImage:
            text = gettext("The picture is not there any more (HTTP %(status)d).")
            raise ImageRefused("not-found", text % {"status": 404})

    with override(language):
        collect(word, Source({"ふさふさ": addresses("a1")}), Gone())
    assert said in Hit.objects.get().detail


def test_what_the_network_refused_is_tried_again(word: Word) -> None:
    source = Source({"ふさふさ": addresses("a1")})
    for code in collecting.TRANSIENT:
        collect(word, source, Fetcher(a1=ImageRefused(code, "Later.")))
        assert Hit.objects.get().reason == code
    assert collect(word, source, Fetcher()).stored == 1
    hit = Hit.objects.get()
    assert (hit.state, hit.reason, hit.detail) == ("stored", "", "")


def test_a_host_that_says_later_all_the_time_is_left_alone(word: Word) -> None:
    names = [f"a{n}" for n in range(40)]
    later = {name: ImageRefused(next(iter(collecting.TRANSIENT)), "Later.") for name in names}
    fetcher = Fetcher(**later)
    report = collect(word, Source({"ふさふさ": addresses(*names, "b1", "b2")}), fetcher, 60)
    # Five in a row; those that ran beside them were asked as well.
    assert 5 <= sum("a.example" in address for address in fetcher.asked) <= 5 + 6
    assert report.stored == 2
    assert report.left + report.refused.total() == 40
    assert word.hits.filter(state="found").count() == report.left
    assert collect(word, Source({"ふさふさ": addresses(*names)}), Fetcher(), 60).stored == 40


def test_the_same_picture_under_two_addresses_is_stored_once(word: Word) -> None:
    same = (10, 20, 30)
    report = collect(word, Source({"ふさふさ": addresses("a1", "b1")}), Fetcher(a1=same, b1=same))
    assert SourceImage.objects.count() == report.stored == 1
    assert Hit.objects.filter(image=SourceImage.objects.get()).count() == 2
    assert sorted(Hit.objects.values_list("reason", flat=True)) == ["", "same-picture"]


def test_what_this_machine_cannot_do_now_costs_one_hit_only(word: Word) -> None:
    fetcher = Fetcher(a1=MemoryError("no room"), a2=DatabaseError("database is locked"))
    source = Source({"ふさふさ": addresses("a1", "a2", "a3")})
    report = collect(word, source, fetcher)
    assert (report.stored, report.refused) == (1, {"here": 2})
    details = word.hits.filter(reason="here").order_by("rank").values_list("detail", flat=True)
    assert list(details) == [
        "This machine could not fetch it now: no room",
        "This machine could not fetch it now: database is locked",
    ]
    assert collect(word, source, Fetcher()).stored == 2


def test_what_a_killed_run_had_found_is_not_known_yet(word: Word) -> None:
    source = Source({"ふさふさ": addresses("a1", "a2")})
    search(word, source, 10, Report())
    report = collect(word, source, Fetcher())
    assert report.text() == "2 found, 2 stored, 0 there already."
    # Stored just before it was killed.
    word.hits.update(state="found", image=None)
    collect(word, source, Fetcher())
    assert set(word.hits.values_list("state", "reason")) == {("stored", "")}


def test_progress_is_told_and_may_cancel(word: Word) -> None:
    told: list[tuple[int, int]] = []

    def on_step(done: int, total: int) -> None:
        told.append((done, total))
        if done >= 2:
            raise KeyboardInterrupt

    source = Source({"ふさふさ": addresses(*(f"a{n}" for n in range(20)))})
    search(word, source, 20, Report())
    with pytest.raises(KeyboardInterrupt):
        fetch(word, source, Fetcher(), 2, Report(), on_step)
    assert told[0] == (0, 20)
    stored = Hit.objects.filter(state="stored").count()
    assert 2 <= stored < 20
    assert SourceImage.objects.count() == stored
    # The rest is fetched by the next run.
    report = Report()
    fetch(word, source, Fetcher(), 2, report, lambda _done, _total: None)
    assert report.stored == 20 - stored


@pytest.mark.parametrize(
    ("size", "expected"),
    [((80, 64), (80, 64)), ((4096, 2048), (2048, 1024)), ((1100, 1024), (1100, 1024))],
)
def test_large_photographs_are_made_smaller(size: tuple[int, int], expected: Any) -> None:
    photo = shrunk(RgbImage(Image.new("RGB", size), *size))
    assert (photo.width, photo.height) == photo.image.size == expected
