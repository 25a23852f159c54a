"""What people type for a recipe, in the admin and on the command line: layers, sizes, weights."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.utils.translation import gettext as _

from generation.vision.errors import BadParams
from generation.vision.recipe import TransferParams

#: What may be given beside a preset; the weights of the style layers go with their names.
NAMES = tuple(field.name for field in fields(TransferParams) if field.name != "style_weights")

_NUMBER = r"\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}"
_LAYER = re.compile(rf"(\w+)(?:\*({_NUMBER}))?")
_STEP = re.compile(r"(\d{1,6}):(\d{1,6})")


def overrides(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `TransferParams` from what was typed; what is None is left to the preset.

    Args:
        given: by the names in `NAMES`; ``style_layers`` and ``coarse`` as text.

    Raises:
        BadParams: a text is not as it should be.
    """
    own = {name: value for name, value in given.items() if value is not None}
    if "style_layers" in own:
        own["style_layers"], own["style_weights"] = parse_layers(own["style_layers"])
    if "coarse" in own:
        own["coarse"] = parse_schedule(own["coarse"])
    return own


def parse_layers(text: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Layers and their weights, from ``conv1_1 conv2_1*0.5``.

    Weights are relative: one that is left out is 1, and all are divided by their sum, so that the
    content weight is against a style loss of weight 1 however many layers there are (as w_l = 1/5
    for five layers in Gatys et al. 2016, section 3).

    Raises:
        BadParams: a part is no layer with or without a weight, or all weights are 0.
    """
    layers, weights = [], []
    for part in _parts(text, "*"):
        found = _LAYER.fullmatch(part)
        if found is None:
            raise BadParams(
                _(
                    "Expected names of layers, with a weight where they shall not count alike, as in "
                    "“conv1_1 conv2_1*0.5”, got “%(part)s”."
                )
                % {"part": part},
                field="style_layers",
            )
        layers.append(found[1])
        weights.append(1.0 if found[2] is None else float(found[2]))
    total = sum(weights)
    if not total:
        raise BadParams(
            _("Expected at least one layer with a weight above 0, got “%(text)s”.")
            % {"text": text},
            field="style_layers",
        )
    return tuple(layers), tuple(weight / total for weight in weights)


def format_layers(layers: tuple[str, ...], weights: tuple[float, ...]) -> str:
    """Layers with their weights to about four digits, as `parse_layers` reads them."""
    return " ".join(
        f"{layer}*{_short(weight)}" for layer, weight in zip(layers, weights, strict=True)
    )


def _short(weight: float) -> str:
    """Four digits, without an exponent."""
    digits = 4 if weight >= 1e-3 else 9
    return f"{weight:.{digits}f}".rstrip("0").rstrip(".") or "0"


def parse_weights(text: str) -> tuple[float, ...]:
    """Relative weights from ``3 2 1``; none from an empty text.

    Raises:
        BadParams: a part is no number, or is 0.
    """
    parts = _parts(text, "*")
    for part in parts:
        if not re.fullmatch(_NUMBER, part) or not float(part):
            raise BadParams(
                _("Expected numbers above 0, as in “3 2 1”, got “%(part)s”.") % {"part": part},
                field="cluster_weights",
            )
    return tuple(float(part) for part in parts)


def parse_schedule(text: str) -> tuple[tuple[int, int], ...]:
    """Sizes and their evaluations, from ``128: 20, 192: 10``.

    Raises:
        BadParams: a part is not two whole numbers with a colon.
    """
    steps = []
    for part in _parts(text, ":"):
        found = _STEP.fullmatch(part)
        if found is None:
            raise BadParams(
                _(
                    "Expected sizes in pixels and how many evaluations each gets, as in “128: 20, 192: 10”, "
                    "got “%(part)s”."
                )
                % {"part": part},
                field="coarse",
            )
        steps.append((int(found[1]), int(found[2])))
    return tuple(steps)


def format_schedule(schedule: tuple[tuple[int, int], ...]) -> str:
    """A schedule as `parse_schedule` reads it."""
    return ", ".join(f"{side}: {evaluations}" for side, evaluations in schedule)


def _parts(text: str, mark: str) -> list[str]:
    """Split at spaces and commas, not at spaces about the mark. Japanese keyboards' signs will do."""
    plain = unicodedata.normalize("NFKC", text).replace("×", "*")
    joined = re.sub(rf"\s*{re.escape(mark)}\s*", mark, plain)
    return [part for part in re.split(r"[\s,、]+", joined) if part]
