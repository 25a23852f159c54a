"""Image search: one module a source."""

from collections.abc import Callable

from django.conf import settings

from generation.sources.api import Manners
from generation.sources.base import ImageSource, SourceError
from generation.sources.bing import BingSource
from generation.sources.brave import BraveSource
from generation.sources.commons import CommonsSource
from generation.sources.flickr import FlickrSource
from generation.sources.openverse import OpenverseSource
from generation.sources.samples import SampleSource
from generation.turns import host_turns

_SOURCES: dict[str, Callable[[Manners], ImageSource]] = {
    OpenverseSource.name: lambda manners: OpenverseSource(
        settings.OPENVERSE_URL,
        manners,
        client_id=settings.OPENVERSE_CLIENT_ID,
        client_secret=settings.OPENVERSE_CLIENT_SECRET,
    ),
    CommonsSource.name: lambda manners: CommonsSource(settings.COMMONS_URL, manners),
    FlickrSource.name: lambda manners: FlickrSource(
        settings.FLICKR_URL, manners, key=settings.FLICKR_KEY
    ),
    BraveSource.name: lambda manners: BraveSource(
        settings.BRAVE_URL, manners, key=settings.BRAVE_KEY
    ),
    BingSource.name: lambda manners: BingSource(
        settings.SERPAPI_URL, manners, key=settings.SERPAPI_KEY
    ),
    SampleSource.name: lambda _manners: SampleSource(settings.PACKAGES_ROOT),
}


def get_source(name: str) -> ImageSource:
    """The source of that name, as the settings have it.

    Raises:
        SourceError: there is none, or a setting that it needs is missing.
    """
    if name in _SOURCES:
        return _SOURCES[name](Manners(contact=settings.CONTACT, turns=host_turns()))
    raise SourceError(
        f"There is no image source {name!r}; there are: {', '.join(_SOURCES)}. "
        "Change the word's source, or upload photographs."
    )
