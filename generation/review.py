"""A person goes through a word's photographs: what is shown, what is judged, what is taken back.

Free of numerics: the automatic selection's reasons are read from the rows.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generation.models import SourceImage, Word
from generation.reasons import sentence

#: What can be shown of a word's photographs.
FILTERS = {
    "all": _("all"),
    "accepted": _("accepted"),
    "left-out": _("left out"),
    "automatic": _("not seen by a person"),
}
PER_PAGE = 200
#: How many actions can be taken back.
KEPT_CHANGES = 10

# Photograph, then left out because and by a person: before and after.
Changed = list[tuple[int, str, bool, str, bool]]


@dataclass(frozen=True)
class Card:
    """A photograph with its state, as the page shows it."""

    row: SourceImage

    @property
    def state(self) -> str:
        return "out" if self.row.rejected else "accepted"

    @property
    def reason(self) -> str:
        """In the reader's language where the selection gave it, else as a person wrote it."""
        row = self.row
        if not row.rejected or self.by_person:
            return row.rejected
        return sentence(row.measures) or row.rejected

    @property
    def by_person(self) -> bool:
        row = self.row
        return row.by_person or (bool(row.rejected) and not (row.measures or {}).get("reason"))

    @property
    def label(self) -> str:
        """All of it in words, for who does not see the picture."""
        state = gettext("left out: %(reason)s") if self.row.rejected else gettext("accepted")
        who = gettext("by a person") if self.by_person else gettext("automatic")
        return f"#{self.row.pk}, {state % {'reason': self.reason}}, {who}"

    @property
    def links(self) -> dict[str, str]:
        """Those of its addresses that a browser may follow: they came from outside."""
        row = self.row
        addresses = {"page": row.page_url, "license": row.license_url, "origin": row.origin}
        return {
            name: address
            for name, address in addresses.items()
            if address.startswith(("https://", "http://"))
        }

    @property
    def percents(self) -> list[tuple[str, int]]:
        """Its measures that a person may want to know, in percent."""
        measures = self.row.measures or {}
        names = {
            "contrast": gettext("contrast"),
            "detail": gettext("detail"),
            "plain": gettext("one colour"),
            "text": gettext("writing"),
        }
        return [
            (label, round(100 * measures[name]))
            for name, label in names.items()
            if name in measures
        ]


def shown(word: Word, what: str) -> QuerySet[SourceImage]:
    """The word's photographs that a filter shows, best ranked first."""
    rows = word.images.select_related("word").order_by("rank", "pk")
    if what == "accepted":
        return rows.filter(rejected="")
    if what == "left-out":
        return rows.exclude(rejected="")
    return rows.filter(by_person=False) if what == "automatic" else rows


def counts(word: Word) -> list[tuple[str, Any, int]]:
    """Of each filter its name, label and number of photographs."""
    return [(name, label, shown(word, name).count()) for name, label in FILTERS.items()]


def accept(word: Word, pks: Collection[int]) -> Changed:
    return _judge(word, pks, "", by_person=True)


def leave_out(word: Word, pks: Collection[int], reason: str) -> Changed:
    return _judge(word, pks, reason, by_person=True)


def hand_back(word: Word, pks: Collection[int]) -> Changed:
    """As the automatic selection had them; the next one judges them again."""
    return _judge(word, pks, None, by_person=False)


def _judge(word: Word, pks: Collection[int], reason: str | None, *, by_person: bool) -> Changed:
    """Store what is said of these photographs, and return what that changed."""
    with transaction.atomic():
        rows = list(word.images.select_for_update().filter(pk__in=pks).order_by("pk"))
        changed: Changed = []
        for row in rows:
            after = sentence(row.measures)[:200] if reason is None else reason
            if (row.rejected, row.by_person) != (after, by_person):
                changed.append((row.pk, row.rejected, row.by_person, after, by_person))
        _store((pk, after, by) for pk, _rejected, _by, after, by in changed)
    return changed


def take_back(word: Word, changed: Changed) -> list[int]:
    """Undo a change, where nobody has judged otherwise meanwhile; which photographs."""
    with transaction.atomic():
        rows = word.images.select_for_update().filter(pk__in=[change[0] for change in changed])
        now = {row.pk: (row.rejected, row.by_person) for row in rows}
        undone = [
            (pk, rejected, by)
            for pk, rejected, by, after, by_after in changed
            if now.get(pk) == (after, by_after)
        ]
        _store(undone)
    return [pk for pk, _rejected, _by in undone]


def _store(values: Iterable[tuple[int, str, bool]]) -> None:
    """One statement for all photographs that are to have the same state."""
    same: dict[tuple[str, bool], list[int]] = {}
    for pk, rejected, by_person in values:
        same.setdefault((rejected, by_person), []).append(pk)
    for (rejected, by_person), pks in same.items():
        SourceImage.objects.filter(pk__in=pks).update(rejected=rejected, by_person=by_person)


class Undo:
    """The last changes of a word in a person's session, newest last."""

    def __init__(self, session: Any, word: Word) -> None:
        self._session, self._key = session, f"review-{word.pk}"

    def __len__(self) -> int:
        return len(self._changes())

    def push(self, changed: Changed) -> None:
        if changed:
            self._session[self._key] = [*self._changes(), changed][-KEPT_CHANGES:]

    def pop(self) -> Changed | None:
        changes = self._changes()
        if not changes:
            return None
        self._session[self._key] = changes[:-1]
        return [cast("Any", tuple(change)) for change in changes[-1]]

    def _changes(self) -> list[Any]:
        return list(self._session.get(self._key, []))
