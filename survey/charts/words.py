"""Accuracy word by word: the sorted dot plot."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from survey.charts.chart import Analysis, Chart, Table, section
from survey.charts.parts import (
    Margins,
    Sign,
    data,
    finish,
    legend,
    legend_height,
    pixel,
    rows_of,
    share_axis,
    share_scale,
    texts,
    tip,
)
from survey.charts.render import Spec
from survey.charts.theme import Palette, text_width

Row = Mapping[str, Any]
MANY = 20
"""Rows from which on the scale stands above them."""


def answered(analysis: Analysis) -> list[Row]:
    """Words with answers, best first; ties in the order of words."""
    rows = [row for row in section(analysis, "accuracy", "words") or [] if row["answers"]]
    return sorted(rows, key=lambda row: -row["accuracy"])


def interval(row: Row) -> tuple[float, float]:
    """The pooled interval; Wilson's where there is none, as with a single rater."""
    low, high = row.get("pooled") or row["wilson"]
    return low, high


def dots(rows: Sequence[Row], width: int, colors: Palette) -> Spec:
    """Words in the order given, with intervals, the chance level and the accuracy in figures.

    Args:
        rows: of words with answers.
        width: of the whole picture in pixels.
    """
    import altair as alt

    lines = rows_of([row["word"] for row in rows], width)
    figures = [f"{row['accuracy']:.0%}" for row in rows]
    if width >= 600:
        figures = [
            f"{text}  ({row['correct']}/{row['answers']})"
            for text, row in zip(figures, rows, strict=True)
        ]
    signs = [
        Sign("circle", colors.accent, True, _("above chance")),
        Sign("circle", colors.weak, False, _("not shown to be")),
        Sign("M0,-1V1", colors.muted, False, _("chance")),
    ]
    margins = Margins(
        left=lines.left,
        right=max(text_width(text) for text in figures) + 24,
        top=legend_height(signs, width) + (20 if len(rows) > MANY else 0),
        bottom=8 if len(rows) > MANY else 30,
    )
    inner = width - margins.left - margins.right
    values = [
        {
            "word": row["word"],
            "y": lines.middle(place),
            "accuracy": row["accuracy"],
            "low": interval(row)[0],
            "high": interval(row)[1],
            "chance": row["chance"],
            "clear": bool(row["above_chance"]),
            "n": f"{row['correct']}/{row['answers']}",
        }
        for place, row in enumerate(rows)
    ]
    # With many rows the scale is read from above as well as the first words.
    shares = share_axis(colors, inner, orient="top" if len(rows) > MANY else "bottom")
    scale = share_scale()
    y = pixel("y", "y")
    color = alt.when("datum.clear").then(alt.value(colors.accent)).otherwise(alt.value(colors.weak))
    fill = alt.when("datum.clear").then(alt.value(colors.accent)).otherwise(alt.value(colors.paper))
    tooltip = [
        tip("word", _("word")),
        tip("accuracy", _("accuracy"), ".1%"),
        tip("n", _("right of all")),
        tip("low", _("interval from"), ".1%"),
        tip("high", _("to"), ".1%"),
        tip("chance", _("chance"), ".1%"),
    ]
    base = data(values)
    layers = [
        lines.stripes(inner, colors),
        # Neighbouring ticks meet: one line where every word has the same chance level.
        base.mark_tick(
            color=colors.muted, thickness=1.5, size=lines.step, orient="vertical", aria=False
        ).encode(x=alt.X("chance:Q", scale=scale, axis=shares), y=y),
        base.mark_rule(strokeWidth=3, strokeCap="round", opacity=0.55).encode(
            x=alt.X("low:Q", scale=scale), x2="high:Q", y=y, color=color, description="key:N"
        ),
        base.mark_point(size=90, strokeWidth=2, opacity=1).encode(
            x=alt.X("accuracy:Q", scale=scale),
            y=y,
            color=color,
            fill=fill,
            description="key:N",
            tooltip=tooltip,
        ),
        lines.labels(colors),
        texts(
            [
                {"x": inner + 16, "y": row["y"], "text": text}
                for row, text in zip(values, figures, strict=True)
            ],
            colors.ink,
        ),
    ]
    layers += legend(signs, width, margins, colors)
    return finish(layers, width, lines.height, margins, colors)


TABLE = (
    *(gettext_lazy("right"), gettext_lazy("answers"), gettext_lazy("accuracy")),
    *(gettext_lazy("chance"), gettext_lazy("interval from"), gettext_lazy("to")),
    *(gettext_lazy("p, corrected (Holm)"), gettext_lazy("above chance")),
)


def numbers(row: Row) -> tuple[Any, ...]:
    low, high = interval(row)
    return (
        *(row["correct"], row["answers"], row["accuracy"], row["chance"]),
        *(low, high, row.get("p_holm"), bool(row["above_chance"])),
    )


def _table(analysis: Analysis) -> Table:
    return Table(
        words=True,
        header=(_("word"), *(str(name) for name in TABLE)),
        rows=tuple((row["word"], *numbers(row)) for row in answered(analysis)),
    )


METHODS = {
    "effective-n Wilson": gettext_lazy(
        "Wilson's interval with the effective number of answers: answers of one rater go together"
    ),
    "rater bootstrap": gettext_lazy(
        "a bootstrap over raters, so that answers of one rater stay together"
    ),
}


def _caption(analysis: Analysis) -> str:
    used = dict.fromkeys(
        row.get("pooled_method") for row in answered(analysis) if row.get("pooled")
    )
    methods = [str(METHODS[name]) for name in used if name in METHODS]
    return _(
        "Share of right answers with its 95 %% interval (%(method)s); the upright line is chance. Filled dots: "
        "above chance by the exact one-sided binomial test, corrected for the number of words "
        "(Holm), level .05. The others are hollow and grey."
    ) % {"method": "; ".join(methods) or _("Wilson")}


WORDS = Chart(
    name="words",
    title=gettext_lazy("Share of right answers, word by word"),
    caption=_caption,
    draw=lambda analysis, width, colors: dots(answered(analysis), width, colors),
    table=_table,
    drawable=lambda analysis: bool(answered(analysis)),
)
