"""Image search: one module a source."""

from django.conf import settings

from generation.sources.base import ImageSource, SourceError
from generation.sources.samples import SampleSource


def get_source(name: str) -> ImageSource:
    """The source of that name.

    Raises:
        SourceError: there is none.
    """
    if name == SampleSource.name:
        return SampleSource(settings.PACKAGES_ROOT)
    raise SourceError(
        f"There is no image source {name!r}; there is: {SampleSource.name}. "
        "Change the word's source, or upload photographs."
    )
