"""A small untrained network in place of the big one, for tests of what lies around it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from generation import features, measuring, styles
from generation.vision.encoder import Encoder, untrained_encoder
from generation.vision.specs import TINY


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Encoder]:
    """Goes by the name of vgg16-hed."""
    network = untrained_encoder(replace(TINY, name="vgg16-hed"))
    monkeypatch.setattr(features, "encoder", lambda _name, _pooling: network)
    styles._photographs.cache_clear()
    measuring._style_vector.cache_clear()
    yield network
    styles._photographs.cache_clear()
    measuring._style_vector.cache_clear()
