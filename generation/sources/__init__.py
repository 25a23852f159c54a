"""Image search: one module a source."""

from collections.abc import Callable

from django.conf import settings

from generation.sources.base import ImageSource, SourceError
from generation.sources.bing import BingSource
from generation.sources.brave import BraveSource
from generation.sources.commons import CommonsSource
from generation.sources.flickr import FlickrSource
from generation.sources.openverse import OpenverseSource
from generation.sources.samples import SampleSource
from generation.turns import host_turns

_SOURCES: dict[str, Callable[[], ImageSource]] = {
    OpenverseSource.name: lambda: OpenverseSource(
        settings.OPENVERSE_URL,
        client_id=settings.OPENVERSE_CLIENT_ID,
        client_secret=settings.OPENVERSE_CLIENT_SECRET,
        contact=settings.CONTACT,
        turns=host_turns(),
    ),
    CommonsSource.name: lambda: CommonsSource(
        settings.COMMONS_URL, contact=settings.CONTACT, turns=host_turns()
    ),
    FlickrSource.name: lambda: FlickrSource(
        settings.FLICKR_URL, key=settings.FLICKR_KEY, contact=settings.CONTACT, turns=host_turns()
    ),
    BraveSource.name: lambda: BraveSource(
        settings.BRAVE_URL, key=settings.BRAVE_KEY, contact=settings.CONTACT, turns=host_turns()
    ),
    BingSource.name: lambda: BingSource(
        settings.SERPAPI_URL, key=settings.SERPAPI_KEY, contact=settings.CONTACT, turns=host_turns()
    ),
    SampleSource.name: lambda: SampleSource(settings.PACKAGES_ROOT),
}


def get_source(name: str) -> ImageSource:
    """The source of that name, as the settings have it.

    Raises:
        SourceError: there is none, or a setting that it needs is missing.
    """
    if name in _SOURCES:
        return _SOURCES[name]()
    raise SourceError(
        f"There is no image source {name!r}; there are: {', '.join(_SOURCES)}. "
        "Change the word's source, or upload photographs."
    )
