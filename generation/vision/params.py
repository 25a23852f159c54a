"""Frozen parameters that are stored whole with what they made, and read back strictly."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from generation.vision.errors import BadParams


@dataclass(frozen=True, kw_only=True)
class Params:
    """Base of parameter dataclasses: a format version, and a dictionary of plain JSON values.

    Subclasses set ``FORMAT`` and check their values in ``__post_init__``, raising `BadParams`.
    """

    FORMAT: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Any]:
        """All fields and ``format``, as JSON types only (tuples become lists)."""
        values = {key: _plain(value) for key, value in asdict(self).items()}
        return {"format": self.FORMAT, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The parameters that `to_dict` wrote; keys left out take their defaults.

        Raises:
            BadParams: another format version, an unknown key, or a value that is not allowed.
        """
        given = dict(values)
        version = given.pop("format", cls.FORMAT)
        if version != cls.FORMAT:
            raise BadParams(
                f"{cls.__name__}: expected format {cls.FORMAT}, got {version!r}. It was written by "
                f"another version of this program; make it anew."
            )
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise BadParams(
                f"{cls.__name__}: unknown key(s) {', '.join(map(repr, unknown))}. "
                f"Known: {', '.join(known)}."
            )
        return cls(**{key: _frozen(value) for key, value in given.items()})

    def _bad(self, name: str, expected: str, came: object = None) -> BadParams:
        came = repr(getattr(self, name)) if came is None else came
        return BadParams(f"expected {expected}, got {came}.", owner=type(self).__name__, field=name)

    def _check_int(self, name: str, low: int, high: int | None = None) -> None:
        value = getattr(self, name)
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= low
        if not fits or (high is not None and value > high):
            span = f"at least {low}" if high is None else f"from {low} to {high}"
            raise self._bad(name, f"a whole number {span}")

    def _check_number(self, name: str, low: float, *, above: bool = False) -> None:
        value = getattr(self, name)
        if not is_number(value) or value < low or (above and value == low):
            raise self._bad(name, f"a finite number {'above' if above else 'of at least'} {low:g}")

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise self._bad(name, f"one of {', '.join(choices)}")


def _frozen(value: Any) -> Any:
    """Lists, as JSON gives them, become tuples."""
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Tuples become lists, as JSON would make them."""
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def is_number(value: object) -> bool:
    """Whether a value is a finite int or float (a bool is not a number here)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
