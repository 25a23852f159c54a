"""What a recipe finally is: preset and overrides together, for the page that shows it."""

from dataclasses import dataclass
from typing import cast

from django.db.models import Field
from django.utils.translation import gettext as _

from generation.models import Recipe
from generation.notation import NAMES, format_layers, format_schedule
from generation.vision.recipe import PRESETS, TransferParams, get_preset

# These starts take nothing from the style photographs, so nothing is parted into coarse and fine.
PLAIN_STARTS = ("content", "noise")


@dataclass(frozen=True)
class Line:
    """One parameter: its value, the preset's if that is another, and whether it has an effect."""

    label: str
    value: str
    preset: str
    used: bool

    @property
    def own(self) -> bool:
        return bool(self.preset)


@dataclass(frozen=True)
class Resolved:
    """All parameters, the preset's reason, the budget, and what differs for a single content."""

    lines: list[Line]
    reason: str
    budget: str
    single_content: list[Line]


def resolved(recipe: Recipe) -> Resolved:
    """The whole parameters of a recipe as text.

    Raises:
        BadParams: the recipe is not valid.
    """
    params, preset = recipe.transfer_params(), get_preset(recipe.preset)
    alone = recipe.transfer_params(single_content=True)
    return Resolved(
        lines=[_line(name, params, preset) for name in NAMES],
        reason=_(PRESETS[recipe.preset].reason),
        budget=_budget(params),
        single_content=[line for name in NAMES if (line := _line(name, alone, params)).own],
    )


def _line(name: str, params: TransferParams, other: TransferParams) -> Line:
    return Line(
        label=str(_field(name).verbose_name),
        value=_shown(name, params),
        preset="" if _same(name, params, other) else _shown(name, other),
        used=_used(name, params),
    )


def _same(name: str, params: TransferParams, other: TransferParams) -> bool:
    names = ["style_layers", "style_weights"] if name == "style_layers" else [name]
    return all(getattr(params, one) == getattr(other, one) for one in names)


def _shown(name: str, params: TransferParams) -> str:
    if name == "style_layers":
        return format_layers(params.style_layers, params.style_weights)
    if name == "coarse":
        return format_schedule(params.coarse) or "–"
    value = getattr(params, name)
    if isinstance(value, str):
        return str(dict(_field(name).flatchoices).get(value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _used(name: str, params: TransferParams) -> bool:
    return {
        "history": params.optimizer == "lbfgs",
        "learning_rate": params.optimizer == "adam",
        "sigma": params.initial not in PLAIN_STARTS,
        "texture_evaluations": params.initial == "texture",
    }.get(name, True)


def _budget(params: TransferParams) -> str:
    steps = format_schedule((*params.coarse, (params.size, params.evaluations)))
    text = _("%(total)d evaluations a picture (pixels: evaluations – %(steps)s).") % {
        "total": params.total_evaluations,
        "steps": steps,
    }
    if params.initial != "texture":
        return text
    texture = _("Before that, %(n)d for the texture of each style, which its pictures share.")
    return f"{text} {texture % {'n': params.texture_evaluations}}"


def _field(name: str) -> Field:
    return cast("Field", Recipe._meta.get_field(name))
