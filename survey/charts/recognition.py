"""Chosen as target against chosen as foil (dumbbell), and raw against shrunken accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from survey.charts.chart import Analysis, Chart, Table, section
from survey.charts.parts import (
    Margins,
    Rows,
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
from survey.charts.words import MANY

Row = Mapping[str, Any]


def _base(values: Sequence[dict[str, Any]], lines: Rows, inner: int, colors: Palette) -> list[Any]:
    """A line from ``start`` to ``end`` in every row, stronger where ``clear``; the words; the axis."""
    import altair as alt

    shares = share_axis(colors, inner, orient="top" if len(values) > MANY else "bottom")
    color = alt.when("datum.clear").then(alt.value(colors.accent)).otherwise(alt.value(colors.weak))
    line = (
        data(values)
        .mark_rule(strokeWidth=2.5, opacity=0.6, aria=False)
        .encode(
            x=alt.X("start:Q", scale=share_scale(), axis=shares),
            x2="end:Q",
            y=pixel("y", "y"),
            color=color,
        )
    )
    return [line, lines.labels(colors)]


def _points(
    values: Sequence[dict[str, Any]],
    field: str,
    sign: Sign,
    colors: Palette,
    tooltip: Sequence[Any],
) -> Any:
    import altair as alt

    return (
        data(values)
        .mark_point(
            shape=sign.shape,
            fill=sign.color if sign.filled else colors.paper,
            stroke=sign.color,
            strokeWidth=2,
            size=85,
            opacity=1,
        )
        .encode(
            x=alt.X(f"{field}:Q", scale=share_scale()),
            y=pixel("y", "y"),
            description="key:N",
            tooltip=list(tooltip),
        )
    )


def _margins(lines: Rows, figures: Sequence[str], signs: Sequence[Sign], width: int) -> Margins:
    return Margins(
        left=lines.left,
        right=max(text_width(text) for text in figures) + 26,
        top=legend_height(signs, width) + (20 if len(lines.words) > MANY else 0),
        bottom=8 if len(lines.words) > MANY else 30,
    )


def _figures(values: Sequence[dict[str, Any]], inner: int, colors: Palette) -> Any:
    return texts(
        [{"x": inner + 16, "y": row["y"], "text": row["figure"]} for row in values], colors.ink
    )


# --- target against foil ------------------------------------------------------------------------


def _shown(analysis: Analysis, kind: str) -> list[Row]:
    """Words shown as target and as foil in questions of the kind, the largest difference first."""
    rows = section(analysis, "recognition", "words") or []
    rows = [row for row in rows if row["kind"] == kind and row["difference"] is not None]
    return sorted(rows, key=lambda row: -row["difference"])


def _dumbbells(rows: Sequence[Row], width: int, colors: Palette) -> Spec:
    lines = rows_of([row["word"] for row in rows], width)
    signs = [
        Sign("circle", colors.accent, True, _("chosen when it was the target")),
        Sign("diamond", colors.warm, False, _("chosen when it was a foil")),
    ]
    values = [
        {
            "word": row["word"],
            "y": lines.middle(place),
            "start": row["p_foil"],
            "end": row["p_target"],
            "clear": bool(row["recognised"]),
            "target": f"{row['target_chosen']}/{row['target_shown']}",
            "foil": f"{row['foil_chosen']}/{row['foil_shown']}",
            "figure": f"{100 * row['difference']:+.0f}".replace("-", "−")
            + ("*" if row["recognised"] else ""),
        }
        for place, row in enumerate(rows)
    ]
    margins = _margins(lines, [row["figure"] for row in values], signs, width)
    inner = width - margins.left - margins.right
    tooltip = [
        tip("word", _("word")),
        tip("end", _("as target"), ".1%"),
        tip("target", _("chosen of shown")),
        tip("start", _("as foil"), ".1%"),
        tip("foil", _("chosen of shown")),
    ]
    layers = [
        lines.stripes(inner, colors),
        *_base(values, lines, inner, colors),
        _points(values, "start", signs[1], colors, tooltip),
        _points(values, "end", signs[0], colors, tooltip),
        _figures(values, inner, colors),
        *legend(signs, width, margins, colors),
    ]
    return finish(layers, width, lines.height, margins, colors)


def _target_table(analysis: Analysis, kind: str) -> Table:
    names = (
        *("target_shown", "target_chosen", "foil_shown", "foil_chosen"),
        *("p_target", "p_foil", "difference"),
    )
    return Table(
        words=True,
        header=(
            *(_("word"), _("shown as target"), _("chosen as target")),
            *(_("shown as foil"), _("chosen as foil")),
            *(_("share as target"), _("share as foil"), _("difference")),
            *(_("interval from"), _("to"), _("p, corrected (Holm)"), _("recognised")),
        ),
        rows=tuple(
            (
                row["word"],
                *(row[name] for name in names),
                *(row["difference_interval"] or (None, None)),
                row["p_holm"],
                bool(row["recognised"]),
            )
            for row in _shown(analysis, kind)
        ),
    )


def _target_caption(analysis: Analysis) -> str:
    return _(
        "How often what stands for the word was chosen when it was the right option, and when it was a wrong one "
        "for another word; at the right the difference in percentage points. What is merely striking is chosen equally often "
        "in both places: only what also fits the word is chosen more often as the target (*: difference "
        "above zero, corrected by Holm, level .05; strong line)."
    )


def _target_chart(name: str, kind: str, title: Any) -> Chart:
    return Chart(
        name=name,
        title=title,
        caption=_target_caption,
        draw=lambda analysis, width, colors: _dumbbells(_shown(analysis, kind), width, colors),
        table=lambda analysis: _target_table(analysis, kind),
        drawable=lambda analysis: bool(_shown(analysis, kind)),
        missing=gettext_lazy("No word was shown both as a target and as a foil yet."),
    )


TARGET_FOIL = _target_chart(
    "target-foil", "picture", gettext_lazy("Pictures chosen as target and as foil, word by word")
)
TARGET_FOIL_WORD = _target_chart(
    "target-foil-word", "word", gettext_lazy("Words chosen as target and as foil")
)


# --- shrinkage ----------------------------------------------------------------------------------


def _estimates(analysis: Analysis) -> list[Row]:
    rows = section(analysis, "causes", "shrinkage", "words") or []
    rows = [row for row in rows if row["shrunk"] is not None and row["raw"] is not None]
    return sorted(rows, key=lambda row: -row["shrunk"])


def _shrinkage(analysis: Analysis, width: int, colors: Palette) -> Spec:
    import altair as alt

    rows = _estimates(analysis)
    lines = rows_of([row["word"] for row in rows], width)
    signs = [
        Sign("diamond", colors.warm, False, _("as answered")),
        Sign("circle", colors.accent, True, _("shrunken estimate, interval (95 %)")),
        Sign("M0,-1V1", colors.muted, False, _("mean of words")),
    ]
    values = [
        {
            "word": row["word"],
            "y": lines.middle(place),
            **dict(zip(("start", "end"), row["interval"] or (None, None), strict=True)),
            "raw": row["raw"],
            "shrunk": row["shrunk"],
            "clear": True,
            "answers": row["answers"],
            "figure": f"n {row['answers']}",
        }
        for place, row in enumerate(rows)
    ]
    margins = _margins(lines, [row["figure"] for row in values], signs, width)
    inner = width - margins.left - margins.right
    tooltip = [
        tip("word", _("word")),
        tip("raw", _("as answered"), ".1%"),
        tip("shrunk", _("shrunken estimate"), ".1%"),
        tip("answers", _("answers")),
    ]
    mu = analysis["causes"]["shrinkage"]["mu"]
    mean = data([{"mu": mu}]).mark_rule(color=colors.muted, strokeWidth=1.5, aria=False)
    layers = [
        mean.encode(x=alt.X("mu:Q", scale=share_scale())),
        lines.stripes(inner, colors),
        *_base(values, lines, inner, colors),
        _points(values, "raw", signs[0], colors, tooltip),
        _points(values, "shrunk", signs[1], colors, tooltip),
        _figures(values, inner, colors),
        *legend(signs, width, margins, colors),
    ]
    return finish(layers, width, lines.height, margins, colors)


def _shrinkage_caption(analysis: Analysis) -> str:
    return _(
        "Empirical Bayes: with few answers a word's accuracy is mostly luck, so it is drawn towards the mean of all words, the "
        "more the fewer answers (n) it has. The shrunken estimate is the better guess of what a new study would find."
    )


def _shrinkage_table(analysis: Analysis) -> Table:
    return Table(
        words=True,
        header=(
            *(_("word"), _("answers"), _("as answered"), _("shrunken estimate")),
            *(_("interval from"), _("to")),
        ),
        rows=tuple(
            (
                row["word"],
                row["answers"],
                row["raw"],
                row["shrunk"],
                *(row["interval"] or (None, None)),
            )
            for row in _estimates(analysis)
        ),
    )


SHRINKAGE = Chart(
    name="shrinkage",
    title=gettext_lazy("Accuracy as answered and shrunken towards the mean"),
    caption=_shrinkage_caption,
    draw=_shrinkage,
    table=_shrinkage_table,
    drawable=lambda analysis: bool(_estimates(analysis)),
)
