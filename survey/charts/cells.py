"""Word × content: a heat map with the numbers of answers printed."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from survey.charts.chart import Analysis, Chart, Table, section
from survey.charts.parts import (
    Margins,
    column_heads,
    data,
    finish,
    pixel,
    rectangles,
    rows_of,
    shade_legend,
    texts,
    tip,
)
from survey.charts.render import Spec
from survey.charts.theme import SMALL, STEPS, Palette, step, text_width
from survey.charts.words import TABLE, answered, numbers

Row = Mapping[str, Any]
GAP = 2


def _cells(analysis: Analysis) -> list[Row]:
    return [row for row in section(analysis, "accuracy", "cells") or [] if row["answers"]]


def compact(count: int) -> str:
    """A number in at most four letters: 950, 9.5k, 95k, 9.5M."""
    for unit, sign in ((10**6, "M"), (10**3, "k")):
        if count >= unit:
            return (
                f"{count / unit:.1f}".removesuffix(".0") + sign
                if count < 9.95 * unit
                else f"{count / unit:.0f}{sign}"
            )
    return str(count)


def _labels(cells: Sequence[Row], room: float) -> list[str]:
    """What every cell says: right of all if all have the room, else percent and n, else percent."""
    styles = (
        [f"{row['correct']}/{row['answers']}" for row in cells],
        [f"{row['accuracy']:.0%} ({compact(row['answers'])})" for row in cells],
        [compact(row["answers"]) for row in cells],
    )
    for labels in styles:
        if all(text_width(text, SMALL) <= room for text in labels):
            return labels
    return ["" for _row in cells]


def _draw(analysis: Analysis, width: int, colors: Palette) -> Spec:
    import altair as alt

    cells = _cells(analysis)
    order = [row["word"] for row in answered(analysis)]
    contents = list(dict.fromkeys(row["content"] for row in cells))
    lines = rows_of(order, width)
    column = min((width - lines.left - 4) / len(contents), 150)
    heads, head_height = column_heads(contents, column, colors)
    margins = Margins(
        left=lines.left,
        right=round(width - lines.left - column * len(contents)),
        top=head_height + 40,
        bottom=6,
    )
    places = {word: place for place, word in enumerate(order)}
    values = [
        {
            "word": row["word"],
            "content": row["content"],
            "accuracy": row["accuracy"],
            "n": f"{row['correct']}/{row['answers']}",
            "x": column * contents.index(row["content"]) + GAP / 2,
            "x2": column * (contents.index(row["content"]) + 1) - GAP / 2,
            "y": lines.step * places[row["word"]] + GAP / 2,
            "y2": lines.step * (places[row["word"]] + 1) - GAP / 2,
            "color": colors.shades[step(row["accuracy"])],
            "dark": step(row["accuracy"]) >= STEPS // 2,
            "clear": bool(row["above_chance"]),
            "text": text,
        }
        for row, text in zip(cells, _labels(cells, column - 8), strict=True)
    ]
    tooltip = [
        tip("word", _("word")),
        tip("content", _("content")),
        tip("accuracy", _("accuracy"), ".1%"),
        tip("n", _("right of all")),
    ]
    numbers_ = [
        texts(
            [
                {
                    "word": row["word"],
                    "x": (row["x"] + row["x2"]) / 2,
                    "y": (row["y"] + row["y2"]) / 2,
                    "text": row["text"],
                }
                for row in values
                if row["dark"] is dark and row["text"]
            ],
            color,
            size=SMALL,
            align="center",
        )
        for dark, color in ((False, colors.ink), (True, colors.on_shade))
    ]
    unclear = [
        {name: row[name] + shift for name, shift in (("x", 3), ("x2", -3), ("y", 3), ("y2", -3))}
        | {"edge": colors.on_shade if row["dark"] else colors.ink}
        for row in values
        if not row["clear"]
    ]
    dashes = (
        data(unclear)
        .mark_rect(filled=False, strokeDash=[3, 3], strokeWidth=1, aria=False)
        .encode(
            x=pixel("x", "x"),
            x2=pixel("x2", "x2"),
            y=pixel("y", "y"),
            y2=pixel("y2", "y2"),
            stroke=alt.Stroke("edge:N", scale=None),
        )
    )
    layers = [
        rectangles(values, tooltip),
        dashes,
        *numbers_,
        heads,
        lines.labels(colors),
        *shade_legend("0 %", _("right: 100 %"), margins, colors),
    ]
    return finish(layers, width, lines.height, margins, colors)


def _table(analysis: Analysis) -> Table:
    return Table(
        words=True,
        header=(_("word"), _("content"), *(str(name) for name in TABLE)),
        rows=tuple((row["word"], row["content"], *numbers(row)) for row in _cells(analysis)),
    )


def _caption(analysis: Analysis) -> str:
    return _(
        "Share of right answers for each word on each content photograph, best words first; in the cell right answers of all "
        "(where that does not fit, percent and number of answers, or that number alone). A dashed edge: not shown to be above chance (exact binomial "
        "test, Holm over all cells, level .05). A cell has few answers: take it as a hint."
    )


CELLS = Chart(
    name="cells",
    title=gettext_lazy("Share of right answers, word × content"),
    caption=_caption,
    draw=_draw,
    table=_table,
    drawable=lambda analysis: bool(_cells(analysis)),
)
