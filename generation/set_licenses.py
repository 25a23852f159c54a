"""Which photographs shaped a set's pictures, by licence: what may be shown and published of it."""

from dataclasses import dataclass

from generation.licenses import Terms
from generation.models import ContentImage, Photograph, SourceImage, StimulusSet


@dataclass(frozen=True)
class LicenseGroup:
    """Photographs under one licence.

    ``stated``: what their sources wrote, where that was not understood.
    """

    terms: Terms
    stated: str
    photographs: list[Photograph]

    @property
    def known(self) -> bool:
        return self.terms.republish is not None

    @property
    def may_show(self) -> bool:
        return self.terms.pass_on_derived is True


def by_license(stimulus_set: StimulusSet) -> list[LicenseGroup]:
    """All photographs of a set's finished pictures; first those that withhold something."""
    done = stimulus_set.wanted().done()
    photographs: list[Photograph] = [
        *SourceImage.objects.used_in(stimulus_set).select_related("word").order_by("word", "rank"),
        *ContentImage.objects.filter(pk__in=done.values("content")),
    ]
    groups: dict[tuple[str, str], LicenseGroup] = {}
    for photograph in photographs:
        terms = photograph.terms
        stated = photograph.license if terms.republish is None else ""
        group = groups.setdefault((terms.name, stated), LicenseGroup(terms, stated, []))
        group.photographs.append(photograph)
    return sorted(groups.values(), key=lambda group: (group.may_show, -len(group.photographs)))
