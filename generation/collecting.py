"""Photographs of a word from a source: hits are searched for and written down, then each is fetched.

A hit is a row before its photograph is there, so that nothing is fetched twice, a killed run goes on
where it was, and every failure keeps its reason.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Protocol
from urllib.parse import urlsplit

from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from generation.imagefile import (
    ImageRefused,
    PhotographFields,
    RgbImage,
    photograph_fields,
    read_image,
    shrunk,
)
from generation.models import Hit, SourceImage, Word
from generation.refusals import Refusal, label
from generation.sources.base import ImageSource, LocalSource, SearchHit, SourceError

logger = logging.getLogger(__name__)

#: What may be otherwise at the next run: the network's and the hosts' troubles.
TRANSIENT = frozenset(
    {
        Refusal.UNKNOWN_HOST,
        Refusal.UNREACHABLE,
        Refusal.TIMEOUT,
        Refusal.TOO_SLOW,
        Refusal.BUSY,
        Refusal.SERVER_ERROR,
        Refusal.BROKE_OFF,
        Refusal.HERE,
    }
)

#: Photographs made smaller and encoded at a time.
HANDS = 2

#: After so many transient failures of a host without a success between, its other hits wait for the
#: next run: who has said "later" five times is not asked two hundred times.
GIVE_UP_HOST = 5

#: Fields of a hit that its photograph takes over.
ORIGIN = ("source", "query", "rank", "origin", "page_url", "credit", "license", "license_url")


class Fetcher(Protocol):
    """Gets the image of an address; called from several threads."""

    def get(self, address: str) -> RgbImage:
        """Raises ImageRefused."""
        ...


@dataclass
class Report:
    """What became of a run, for people: how many, and why not the others."""

    found: int = 0
    stored: int = 0
    known: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left: int = 0
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """A few sentences for the job's note."""
        lines = [
            _("%(found)d found, %(stored)d stored, %(known)d there already.")
            % {"found": self.found, "stored": self.stored, "known": self.known}
        ]
        if self.refused:
            reasons = ", ".join(f"{label(code)} {n}" for code, n in self.refused.most_common())
            lines.append(_("Refused: %(reasons)s.") % {"reasons": reasons})
        if self.left:
            lines.append(
                _("%(n)d wait for the next run: their host did not answer.") % {"n": self.left}
            )
        return "\n".join([*lines, *self.problems])


def search(
    word: Word,
    source: ImageSource,
    limit: int,
    report: Report,
    on_hit: Callable[[], None] = lambda: None,
) -> None:
    """Write down the hits of all queries of a word, merged by rank; those that are there stay.

    A query that breaks off costs only its own further hits; the report says so.

    Args:
        on_hit: called after each; may raise to cancel.
    """
    there = word.hits.filter(source=source.name)
    known = set(there.exclude(state=Hit.State.FOUND).values_list("origin", flat=True))
    seen: set[str] = set()
    for hit in _merged(source, word.query_texts(), limit, report.problems):
        if hit.origin in seen:
            continue
        rank = len(seen)
        seen.add(hit.origin)
        if hit.origin in known:
            report.known += 1
        else:
            word.hits.get_or_create(
                source=hit.source,
                origin=hit.origin,
                defaults={
                    "query": hit.query[:200],
                    "rank": rank,
                    "page": hit.page,
                    "page_url": hit.page_url,
                    "credit": hit.credit,
                    "license": hit.license,
                    "license_url": hit.license_url,
                    "attribution": hit.attribution,
                },
            )
        on_hit()
        if len(seen) == limit:
            break
    report.found = len(seen)


def _merged(
    source: ImageSource, queries: Sequence[str], limit: int, problems: list[str]
) -> Iterator[SearchHit]:
    """First the best hits of all queries, then the second ones, and so on."""

    def hits(query: str) -> Iterator[SearchHit]:
        try:
            yield from source.search(query, limit)
        except SourceError as error:
            problems.append(_("“%(query)s”: %(problem)s") % {"query": query, "problem": error})
            logger.warning("%s, %r: %s", source.name, query, error)

    for row in itertools.zip_longest(*(hits(query) for query in queries)):
        yield from (hit for hit in row if hit is not None)


def fetch(
    word: Word,
    source: ImageSource,
    fetcher: Fetcher,
    threads: int,
    report: Report,
    on_step: Callable[[int, int], None],
) -> None:
    """Get the photographs of all hits that have none yet.

    What was refused because of the network or the host is tried again; what is no good photograph
    is not.

    Args:
        fetcher: for sources that have no files themselves.
        threads: downloads at a time.
        on_step: called with how many are done, of how many; may raise to cancel.
    """
    again = Q(state=Hit.State.FOUND) | Q(state=Hit.State.REFUSED, reason__in=TRANSIENT)
    pending = list(word.hits.filter(again, source=source.name).order_by("rank", "pk"))
    on_step(0, len(pending))
    if isinstance(source, LocalSource):
        for number, hit in enumerate(pending, start=1):
            _judged(hit, lambda hit=hit: _read(source, hit), report)  # type: ignore[misc]
            on_step(number, len(pending))
    else:
        _fetch_all(pending, fetcher, threads, report, on_step)


def _read(source: LocalSource, hit: Hit) -> PhotographFields:
    data = source.read(
        SearchHit(source=hit.source, query=hit.query, rank=hit.rank, origin=hit.origin)
    )
    return photograph_fields(shrunk(read_image(data)))


def _fetch_all(
    pending: list[Hit],
    fetcher: Fetcher,
    threads: int,
    report: Report,
    on_step: Callable[[int, int], None],
) -> None:
    """In threads that only fetch; rows are written here. A few are ahead, so that memory stays flat."""
    failures: Counter[str] = Counter()
    waiting = iter(pending)
    running: dict[Future[PhotographFields], Hit] = {}
    done = 0

    # Large pictures are not all made smaller at a time.
    hands = BoundedSemaphore(HANDS)
    # Threads begin with the installation's language: a command's refusals would be in another one
    # than its report.
    language = get_language()

    def get(hit: Hit) -> PhotographFields:
        try:
            with override(language):
                photo = fetcher.get(hit.origin)
            with hands:
                return photograph_fields(shrunk(photo))
        except (DatabaseError, MemoryError) as error:
            # Of whose turn it is, or of a large picture: this hit is tried again, the others go on.
            why = _("This machine could not fetch it now: %(why)s") % {"why": error}
            raise ImageRefused(Refusal.HERE, why) from error
        finally:
            connection.close()  # the thread's own: whose turn it is, is in rows

    with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:
        try:
            while True:
                for hit in itertools.islice(waiting, 2 * threads - len(running)):
                    if failures[_host(hit)] >= GIVE_UP_HOST:
                        report.left += 1
                        done += 1
                        continue
                    running[pool.submit(get, hit)] = hit
                if not running:
                    if done == len(pending):
                        return
                    continue
                finished, _rest = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in finished:
                    hit = running.pop(future)
                    failed = _judged(hit, future.result, report) in TRANSIENT
                    failures[_host(hit)] = failures[_host(hit)] + 1 if failed else 0
                    done += 1
                on_step(done, len(pending))
        finally:
            for future in running:
                future.cancel()


def _host(hit: Hit) -> str:
    return urlsplit(hit.origin).netloc.lower()


def _judged(hit: Hit, get: Callable[[], PhotographFields], report: Report) -> str:
    """Store the photograph of a hit, or why there is none; its code, empty if it was stored."""
    try:
        fields = get()
    except (ImageRefused, SourceError) as error:
        code = getattr(error, "code", Refusal.SOURCE)
        report.refused[code] += 1
        Hit.objects.filter(pk=hit.pk).update(
            state=Hit.State.REFUSED, reason=code, detail=str(error)
        )
        return str(code)
    image, new = SourceImage.objects.get_or_create(
        word_id=hit.word_id,
        sha256=fields["sha256"],
        defaults={
            **fields,
            **{name: getattr(hit, name) for name in ORIGIN},
            "attribution": hit.attribution,
        },
    )
    report.stored += new
    Hit.objects.filter(pk=hit.pk).update(
        state=Hit.State.STORED,
        image=image,
        reason=Refusal.SAME_PICTURE if image.origin != hit.origin else "",
        detail="",
    )
    return ""
