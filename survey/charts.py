"""Charts of the report: rows → Vega-Lite → SVG that stands in the page.

Colours are the constants below; report.css replaces them by the page's own through attribute selectors,
so that a chart follows dark mode. Nothing is read from the network: the data are in the specification.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from survey.report import AccuracyRow

INK, MUTED, LINE, ACCENT, WEAK = "#1f2933", "#667280", "#d9dee4", "#2f6f73", "#9aa5b1"
FONT = "IPAexGothic, 'Noto Sans CJK JP', 'Hiragino Sans', 'Yu Gothic', sans-serif"
FONT_SIZE = 14
ROW_HEIGHT = 34


def text_width(text: str, size: int = FONT_SIZE) -> int:
    """Upper estimate in pixels: the renderer's machine may lack the reader's fonts."""
    wide = sum(unicodedata.east_asian_width(letter) in "WFA" for letter in text)
    return round(size * (wide + 0.62 * (len(text) - wide)))


def dot_plot_spec(rows: Sequence[AccuracyRow], width: int) -> dict[str, Any]:
    """Words in the order given, with intervals, the chance level and the accuracy in figures.

    ``width`` is that of the whole picture in pixels.
    """
    import altair as alt

    values = [
        {
            "word": row.word,
            "accuracy": row.accuracy,
            "chance": row.chance,
            "low": row.low,
            "high": row.high,
            "label": f"{row.accuracy:.0%}" if row.accuracy is not None else "–",
            "clear": row.above_chance,
        }
        for row in rows
        if row.answers
    ]
    labels = min(max((text_width(str(v["word"])) for v in values), default=0) + 12, width // 3)
    figures = 52
    x = alt.Scale(domain=[0, 1], nice=False)
    y = alt.Y("word:N", sort=None, title=None).axis(
        domain=False,
        ticks=False,
        labelFontSize=FONT_SIZE,
        labelColor=INK,
        labelLimit=labels,
        labelPadding=12,
        minExtent=labels,
        maxExtent=labels,
    )
    axis = alt.Axis(
        format=".0%",
        orient="bottom",
        values=[0, 0.25, 0.5, 0.75, 1],
        title=None,
        domain=False,
        ticks=False,
        gridColor=LINE,
        labelColor=MUTED,
        labelFontSize=12,
        labelPadding=8,
        labelFlush=False,
    )
    color = alt.when("datum.clear").then(alt.value(ACCENT)).otherwise(alt.value(WEAK))
    base = alt.Chart(alt.InlineData(values=values))
    position = alt.X("accuracy:Q", scale=x, axis=axis)
    chart = alt.layer(
        # Neighbouring ticks meet: one line where every word has the same chance level.
        base.mark_tick(color=MUTED, thickness=1.5, size=ROW_HEIGHT, orient="vertical").encode(
            x=alt.X("chance:Q", scale=x, axis=axis), y=y
        ),
        base.mark_rule(strokeWidth=3, strokeCap="round", opacity=0.55).encode(
            x=alt.X("low:Q", scale=x, axis=axis), x2="high:Q", y=y, color=color
        ),
        base.mark_point(filled=True, size=130, opacity=1).encode(x=position, y=y, color=color),
        base.mark_text(align="right", fontSize=FONT_SIZE, color=INK).encode(
            x=alt.value(width - labels - 16), y=y, text="label:N"
        ),
    )
    spec: dict[str, Any] = (
        chart.properties(
            width=width - labels - figures - 16,
            height=alt.Step(ROW_HEIGHT),
            padding={"left": 0, "right": 0, "top": 4, "bottom": 4},
        )
        .configure(font=FONT)
        .configure_view(stroke=None)
        .to_dict()
    )
    spec["background"] = None
    # An address that nobody opens; without it the specification names no network place at all.
    spec.pop("$schema", None)
    return spec


@lru_cache(maxsize=64)
def _render(rows: tuple[AccuracyRow, ...], width: int) -> str:
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(dot_plot_spec(rows, width), allowed_base_urls=[])
    return svg


def dot_plot(
    rows: Sequence[AccuracyRow], *, width: int, title: str, description: str, name: str
) -> SafeString:
    """The chart as one `<svg role="img">`; ``name`` makes its ids unique in the page.

    Rendered once for the same rows and width. Vega escapes the words, we the title.
    """
    svg = _render(tuple(rows), width)
    # A picture for assistive technology: one name, and no marks to wander through.
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)
    opening = re.match(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", svg)
    if opening is None:
        raise RuntimeError(f"Expected an SVG with a viewBox from vl_convert; came {svg[:80]!r}.")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{opening[1]}" role="img"'
        f' aria-labelledby="{escape(name)}-title {escape(name)}-desc">'
        f'<title id="{escape(name)}-title">{escape(title)}</title>'
        f'<desc id="{escape(name)}-desc">{escape(description)}</desc>'
    )
    return mark_safe(head + svg[opening.end() :])  # noqa: S308
