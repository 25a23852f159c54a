"""Sources by their names, as the settings have them."""

from pathlib import Path
from typing import Any

import pytest

from generation.models import SOURCES
from generation.sources import get_source
from generation.sources.base import SourceError
from stylestudy.env import Secret
from tests.generation.sources.fakes import PROVIDERS
from tests.generation.sources.server import Server

KEYS = {
    "flickr": ("FLICKR_URL", "FLICKR_KEY"),
    "brave": ("BRAVE_URL", "BRAVE_KEY"),
    "bing": ("SERPAPI_URL", "SERPAPI_KEY"),
    "commons": ("COMMONS_URL", "CONTACT"),
    "openverse": ("OPENVERSE_URL", ""),
}


@pytest.mark.parametrize("name", ["commons", "flickr", "brave", "bing"])
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SourceError, match=f"STYLESTUDY_{KEYS[name][1]}"):
        get_source(name)


@pytest.mark.django_db
@pytest.mark.parametrize("provider", PROVIDERS, ids=[provider.name for provider in PROVIDERS])
def test_every_source_is_made_from_the_settings(provider: Any, settings: Any) -> None:
    url, key = KEYS[provider.name]
    settings.CONTACT = "rater@example.org"
    if provider.secrets:
        setattr(settings, key, Secret(provider.secrets[0]))
    with Server(provider.serve(3)) as server:
        setattr(settings, url, server.url)
        assert len(list(get_source(provider.name).search("fur", 3))) == 3


def test_every_name_that_a_word_can_have_is_a_source(settings: Any) -> None:
    settings.CONTACT = "rater@example.org"
    settings.FLICKR_KEY = settings.BRAVE_KEY = settings.SERPAPI_KEY = Secret("key")
    for name, _label in SOURCES:
        assert get_source(name).name == name


def test_an_unknown_name_is_told_the_names() -> None:
    with pytest.raises(SourceError, match="'nope'; there are: openverse, commons"):
        get_source("nope")


def test_the_documentation_names_every_source_and_setting() -> None:
    words = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")
    settings_file = (Path(__file__).parents[3] / "stylestudy" / "settings.py").read_text("utf-8")
    for name, _label in SOURCES:
        assert f"`{name}`" in words
    for name in ("OPENVERSE", "COMMONS", "FLICKR", "BRAVE", "SERPAPI"):
        assert f"STYLESTUDY_{name}_URL" in settings_file
        assert f"STYLESTUDY_{name}_URL" in words
    for name in (
        "OPENVERSE_CLIENT_ID",
        "OPENVERSE_CLIENT_SECRET",
        "FLICKR_KEY",
        "BRAVE_KEY",
        "CONTACT",
    ):
        assert f"STYLESTUDY_{name}" in words
