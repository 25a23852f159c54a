"""Who made the photographs that went into a study's pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from generation.licenses import PERMITTED
from generation.models import ContentImage, Photograph, SourceImage, StimulusSet
from survey.stats import csvfile

#: Columns of CREDITS.csv: part of the format, the same in every language.
COLUMNS = (
    "role",
    "for",
    "creator",
    "license",
    "license_url",
    "attribution",
    "page_url",
    "image_url",
    "source",
    "query",
    "retrieved",
    "sha256",
    "republish",
)


@dataclass(frozen=True)
class Credit:
    """One photograph: what it gave its style or its object to, and what must be said of it.

    ``republish``: pictures made from it may be passed on, by its licence; None where that is not known.
    """

    role: str
    subject: str
    photograph: Photograph
    query: str
    origin: str

    @property
    def license(self) -> str:
        """Its name; as stated where that was not understood, and empty where nothing was."""
        terms = self.photograph.terms
        return terms.name if terms.republish is not None else self.photograph.license

    @property
    def republish(self) -> bool | None:
        return self.photograph.terms.pass_on_derived

    @property
    def line(self) -> str:
        """The attribution as its source words it, or creator, licence and page."""
        photo = self.photograph
        if photo.attribution:
            return photo.attribution
        parts = [photo.credit, self.license or _("licence unknown")]
        return ", ".join(part for part in parts if part)

    @property
    def safe_page(self) -> str:
        return _address(self.photograph.page_url)

    @property
    def safe_license(self) -> str:
        return _address(self.photograph.license_url)

    def row(self) -> tuple[str, ...]:
        """The cells of `COLUMNS`."""
        photo = self.photograph
        return (
            self.role,
            self.subject,
            photo.credit,
            self.license,
            photo.license_url,
            photo.attribution,
            photo.page_url,
            self.origin,
            photo.source,
            self.query,
            photo.created_at.isoformat(timespec="seconds"),
            photo.sha256,
            PERMITTED[self.republish],
        )


def credits_of(stimulus_set: StimulusSet) -> list[Credit]:
    """All photographs of a set's finished pictures: those of the words first, by word and rank."""
    return [*_styles(stimulus_set), *_contents(stimulus_set)]


def _styles(stimulus_set: StimulusSet) -> Iterator[Credit]:
    rows = SourceImage.objects.used_in(stimulus_set).select_related("word")
    for row in rows.order_by("word_id", "rank", "pk"):
        yield Credit("style", row.word.text, row, row.query, _address(row.origin))


def _contents(stimulus_set: StimulusSet) -> Iterator[Credit]:
    done = stimulus_set.wanted().done()
    for row in ContentImage.objects.filter(pk__in=done.values("content")):
        yield Credit("content", row.name, row, "", "")


def _address(origin: str) -> str:
    """Only what a browser may open; of samples it is a place in a package."""
    return origin if origin.startswith(("https://", "http://")) else ""


def said_once(found: list[Credit]) -> list[tuple[Credit, int]]:
    """Of photographs that are credited in the same words, one, and how many there are."""
    same: dict[tuple[str, str, str], list[Credit]] = {}
    for credit in found:
        same.setdefault((credit.line, credit.safe_page, credit.safe_license), []).append(credit)
    return [(credits_[0], len(credits_)) for credits_ in same.values()]


def as_csv(found: list[Credit]) -> str:
    """CREDITS.csv, with `COLUMNS`."""
    return csvfile.as_text(COLUMNS, [credit.row() for credit in found])
