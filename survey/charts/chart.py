"""What a chart is: a picture, its data as a table, and a caption that says how it was made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from survey.charts.parts import message
from survey.charts.render import Spec
from survey.charts.theme import Palette, palette
from survey.stats import csvfile

Analysis = Mapping[str, Any]
"""All sections of a report by name; a section that was not computed may be missing."""


NOT_ENOUGH = gettext_lazy("Not enough answers for this chart yet.")


@dataclass(frozen=True)
class Table:
    """The data of a chart. Cells are texts, numbers in full precision, or None; ``words``: the first is a word."""

    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    words: bool = False

    def as_csv(self) -> str:
        """Lines end with CRLF (RFC 4180); texts are safe to open in a spreadsheet."""
        return csvfile.as_text(self.header, self.rows)


@dataclass(frozen=True)
class Chart:
    """One chart of the report.

    Attributes:
        name: as addresses have it.
        title: what it shows.
        caption: how it was computed and how it is read.
        draw: (analysis, width in pixels, colors) → Vega-Lite. Called only where there is something to draw.
        table: the same data in rows.
        drawable: whether there is something to draw.
        missing: what to say where there are answers, but not what this chart needs.
        zoom: whether reading single points is helped by zooming.
    """

    name: str
    title: str | Promise
    caption: Callable[[Analysis], str]
    draw: Callable[[Analysis, int, Palette], Spec]
    table: Callable[[Analysis], Table]
    drawable: Callable[[Analysis], bool]
    missing: str | Promise = NOT_ENOUGH
    zoom: bool = False

    def empty(self, analysis: Analysis) -> str:
        """What to say in the chart's place; nothing where it can be drawn."""
        if not answers(analysis):
            return _("No answers yet.")
        return "" if self.drawable(analysis) else str(self.missing)

    def spec(self, analysis: Analysis, width: int = 720, theme: str = "light") -> Spec:
        """Vega-Lite, ``width`` pixels wide in all, or a line of text where there is nothing to draw.

        Raises:
            UnknownTheme: for a theme other than light and dark.
        """
        colors = palette(theme)
        text = self.empty(analysis)
        return message(text, width, colors) if text else self.draw(analysis, width, colors)


def answers(analysis: Analysis) -> int:
    """How many answers the report is made of."""
    return int(analysis.get("accuracy", {}).get("answers") or 0)


def section(analysis: Analysis, *path: str) -> Any:
    """A part of the analysis; None where any step of the way is missing."""
    part: Any = analysis
    for name in path:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part
