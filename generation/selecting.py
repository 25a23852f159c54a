"""The automatic selection of a word's photographs: rows → measures → rows.

What a person has judged stays. Everything else is judged anew each time, so that what was left out by
a rule that no longer holds is accepted again.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q

from generation.imagefile import ImageRefused, read_image
from generation.models import Clustering, SourceImage, Word
from generation.reasons import DUPLICATE, sentence
from generation.selection import (
    FORMAT,
    RULES,
    BadMeasures,
    Measures,
    Rules,
    judge,
    measure,
    near_duplicates,
)

#: What the selection writes beside the measures: a code, and of which photograph it is a duplicate.
SAID = ("reason", "of", "of_word")


@dataclass(frozen=True)
class Summary:
    """What the selection found and changed.

    Attributes:
        measured: photographs of the word that were measured now.
        accepted: photographs of the word that are accepted now, whoever judged them.
        left_out: how many of the word's photographs are left out automatically, by code.
        changed: photographs of the word that were accepted before and are not, or the other way.
        changed_elsewhere: those of other words, of which this word has the same picture.
    """

    measured: int
    accepted: int
    left_out: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    changed_elsewhere: int = 0


def select_word(
    word: Word, rules: Rules = RULES, on_step: Callable[[int, int], None] | None = None
) -> Summary:
    """Measure the word's photographs and leave out what is surely no material, or there already.

    May run at any time and any number of times. A picture that two words have says nothing about
    either, so it stays in the one where it ranks better, and rows of other words may change. Only of
    those that were not grouped by style yet, however: a word's photographs must not change under
    pictures that are being made. There the picture stays, and is left out here.

    Args:
        on_step: called after each photograph with the numbers of those measured and to be measured;
            may raise to cancel: what was measured is kept.
    """
    measured = _measure_missing(word, on_step)
    with transaction.atomic():
        # One selection at a time: two words that run together must not both keep a picture.
        list(Word.objects.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        candidates = _candidates(word)
        for candidate in candidates:
            candidate.judge(rules)
        _leave_out_duplicates(candidates, rules)
        changed = [candidate for candidate in candidates if candidate.store()]
    codes = Counter(c.code for c in candidates if c.own and c.free and c.code)
    return Summary(
        measured=measured,
        accepted=word.images.accepted().count(),
        left_out=dict(sorted(codes.items())),
        changed=sum(candidate.own for candidate in changed),
        changed_elsewhere=sum(not candidate.own for candidate in changed),
    )


# --- measuring --------------------------------------------------------------------------------


def _measure_missing(word: Word, on_step: Callable[[int, int], None] | None) -> int:
    """Measure what has no measures of this format; one at a time, each kept at once."""
    rows = [row for row in word.images.all() if (row.measures or {}).get("format") != FORMAT]
    measured = 0
    for number, row in enumerate(rows, start=1):
        try:
            with row.file.open("rb") as stream:
                found = measure(read_image(stream.read(), min_side=1).image).to_dict()
        except (ImageRefused, OSError):
            found = {}
        if found and _keep(row.pk, found):
            measured += 1
        if on_step is not None:
            on_step(number, len(rows))
    return measured


def _keep(pk: int, found: dict[str, Any]) -> bool:
    """Store measures, unless another selection was faster; what it was left out for stays."""
    with transaction.atomic():
        row = SourceImage.objects.select_for_update().get(pk=pk)
        if (row.measures or {}).get("format") == FORMAT:
            return False
        kept = {key: value for key, value in (row.measures or {}).items() if key in SAID}
        row.measures = {**found, **kept}
        row.save(update_fields=["measures"])
    return True


# --- judging ----------------------------------------------------------------------------------


class Candidate:
    """A photograph while it is judged.

    Attributes:
        own: it is of the word that is selected.
        free: the selection may change it: no person has judged it, and if it is another word's, that
            was not grouped yet.
        by_hand: left out, and not by the selection.
        code: why it is left out; empty: it is not.
        of: the photograph that it nearly is.
    """

    def __init__(self, row: SourceImage, *, own: bool, settled: bool) -> None:
        stored = row.measures or {}
        self.row, self.own = row, own
        self.by_hand = bool(row.rejected) and (row.by_person or not stored.get("reason"))
        automatic = not row.by_person and not self.by_hand
        self.free = automatic and (own or not settled)
        self.code = str(stored.get("reason", "")) if row.rejected else ""
        self.of: SourceImage | None = None
        try:
            self.measures: Measures | None = Measures.from_dict(stored)
        except BadMeasures:
            self.measures = None

    def judge(self, rules: Rules) -> None:
        """By what it shows alone. Other words' rows keep what their own selection said."""
        if not self.free:
            return
        if not self.own:
            self.code = "" if self.code == DUPLICATE else self.code
        elif self.measures is None:
            self.code = "unreadable"
        else:
            verdict = judge(self.measures, rules)
            self.code = verdict.code if verdict else ""

    @property
    def accepted(self) -> bool:
        return not (self.code if self.free else self.row.rejected)

    @property
    def order(self) -> tuple[bool, int, int]:
        """Who stays of two: what cannot be left out, then the better rank, then the older row."""
        return (self.free, self.row.rank, self.row.pk)

    def store(self) -> bool:
        """Write what has changed; True if it was accepted and is not, or the other way."""
        row = self.row
        if not self.free:
            return False
        kept = {key: value for key, value in (row.measures or {}).items() if key not in SAID}
        said: dict[str, Any] = {"reason": self.code} if self.code else {}
        if self.of is not None:
            said["of"] = self.of.pk
            if self.of.word_id != row.word_id:
                said["of_word"] = self.of.word.text
        rejected = sentence(said)[:200]
        if (row.rejected, row.measures) == (rejected, {**kept, **said}):
            return False
        # Unless a person was faster.
        same = SourceImage.objects.filter(pk=row.pk, by_person=False)
        stored = same.update(rejected=rejected, measures={**kept, **said})
        return bool(stored) and bool(row.rejected) != bool(rejected)


def _candidates(word: Word) -> list[Candidate]:
    """All photographs of the word, and those of other words that were measured."""
    rows = SourceImage.objects.filter(Q(word=word) | Q(measures__format=FORMAT))
    settled = set(Clustering.objects.values_list("word", flat=True).distinct())
    return [
        Candidate(row, own=row.word_id == word.pk, settled=row.word_id in settled)
        for row in rows.select_related("word").order_by("pk")
    ]


def _leave_out_duplicates(candidates: Iterable[Candidate], rules: Rules) -> None:
    """Of pictures that are nearly the same, keep the best one.

    What a person has left out takes its near-duplicates in the same word along, unless a person has
    accepted one of them.
    """
    pool = [c for c in candidates if c.measures and (c.accepted or c.by_hand)]
    pool.sort(key=lambda candidate: candidate.order)
    hashes = [c.measures.phash for c in pool if c.measures]
    for group in near_duplicates(hashes, rules.distance):
        members = [pool[index] for index in group]
        refused = {c.row.word_id: c.row for c in members if c.by_hand}
        rest = [c for c in members if not c.by_hand]
        fixed = any(not c.free for c in rest)
        keeper: SourceImage | None = None
        for member in rest:
            judged = None if fixed else refused.get(member.row.word_id)
            if keeper is None and judged is None:
                keeper = member.row
            elif member.free:
                member.code, member.of = DUPLICATE, judged or keeper
