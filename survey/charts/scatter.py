"""Clouds of points: raters, and accuracy against measures of the pictures. Very many points become bins."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from survey.charts.chart import Analysis, Chart, Table, section
from survey.charts.parts import (
    TOP,
    Margins,
    Sign,
    axis,
    data,
    finish,
    heading,
    legend,
    legend_height,
    level_line,
    of_word,
    pixel,
    rectangles,
    room_below,
    seconds_scale,
    seconds_ticks,
    share_axis,
    share_scale,
    texts,
    tip,
)
from survey.charts.render import Spec
from survey.charts.theme import SMALL, STEPS, Palette, wrap

Row = Mapping[str, Any]
MAX_POINTS = 800
"""More than these are counted in bins: the picture stays small, and points would lie on each other."""
BIN = 12


def _height(width: int) -> int:
    return 340 if width >= 600 else 260


# --- raters -------------------------------------------------------------------------------------


def _raters(analysis: Analysis, field: str) -> list[Row]:
    return [
        row
        for row in section(analysis, "raters") or []
        if row["median_ms"] and row[field] is not None
    ]


def _state(row: Row) -> str:
    return "excluded" if row["excluded"] else "flagged" if row["flags"] else "unflagged"


def _signs(rows: Sequence[Row], colors: Palette) -> dict[str, Sign]:
    """How raters of each state are drawn: by shape, and by color too."""
    count = {
        name: sum(_state(row) == name for row in rows)
        for name in ("unflagged", "flagged", "excluded")
    }
    return {
        "unflagged": Sign(
            "circle", colors.accent, False, _("unflagged (%(n)d)") % {"n": count["unflagged"]}
        ),
        "flagged": Sign(
            "triangle-up", colors.warm, True, _("flagged (%(n)d)") % {"n": count["flagged"]}
        ),
        "excluded": Sign(
            "cross", colors.ink, True, _("excluded by a rule (%(n)d)") % {"n": count["excluded"]}
        ),
    }


def _draw_raters(analysis: Analysis, width: int, colors: Palette, field: str, label: str) -> Spec:
    import altair as alt

    rows = _raters(analysis, field)
    signs = _signs(rows, colors)
    seconds = [row["median_ms"] / 1000 for row in rows]
    legend_signs = list(signs.values()) if len(rows) <= MAX_POINTS else _bin_signs(rows, colors)
    title = wrap(_("median response time in seconds (log scale)"), width - 64, SMALL)
    top = legend_height(legend_signs, width) + TOP
    margins = Margins(left=50, right=14, top=top, bottom=room_below(title))
    inner, height = width - margins.left - margins.right, _height(width)
    scale = seconds_scale(seconds)
    x = alt.X(
        "x:Q",
        scale=scale,
        axis=axis(
            colors,
            title=title,
            values=seconds_ticks(seconds, inner),
            format="~g",
        ),
    )
    y = alt.Y("y:Q", scale=share_scale(), axis=share_axis(colors))
    values = [
        {
            "x": time,
            "y": row[field],
            "rater": row["participant"],
            "answers": row["answers"],
            "state": _state(row),
            "why": ", ".join([*row["excluded"], *row["flags"]]) or "–",
        }
        for row, time in zip(rows, seconds, strict=True)
    ]
    if len(rows) > MAX_POINTS:
        marks = _bins(values, scale.domain, inner, height, colors, x, y)
    else:
        tooltip = [
            tip("rater", _("rater")),
            tip("y", label, ".1%"),
            tip("x", _("seconds"), ".2f"),
            tip("answers", _("answers")),
            tip("why", _("flags")),
        ]
        marks = [
            _cloud([row for row in values if row["state"] == name], sign, x, y, tooltip)
            for name, sign in signs.items()
            if any(row["state"] == name for row in values)
        ]
    layers = [
        *marks,
        *level_line(
            section(analysis, "accuracy", "overall", "chance") if field == "accuracy" else None,
            inner,
            colors,
        ),
        *legend(legend_signs, width, margins, colors),
        heading(label, margins, colors, below=margins.top - TOP),
    ]
    return finish(layers, width, height, margins, colors)


def _cloud(
    values: Sequence[dict[str, Any]], sign: Sign, x: Any, y: Any, tooltip: Sequence[Any]
) -> Any:
    options = {"fill": sign.color} if sign.filled else {}
    mark = data(values).mark_point(
        shape=sign.shape,
        stroke=sign.color,
        size=60,
        strokeWidth=1.5,
        opacity=0.8,
        aria="word" in values[0],
        **options,
    )
    return mark.encode(x=x, y=y, tooltip=list(tooltip), **of_word(values))


def _bin_signs(rows: Sequence[Row], colors: Palette) -> list[Sign]:
    flagged = sum(_state(row) != "unflagged" for row in rows)
    return [
        Sign(
            "square",
            colors.shades[6],
            True,
            _("%(n)d raters, darker where more are") % {"n": len(rows)},
        ),
        Sign(
            "cross",
            colors.warm,
            True,
            _("half or more flagged (%(n)d in all)") % {"n": flagged},
        ),
    ]


def _bins(
    values: Sequence[dict[str, Any]],
    domain: Sequence[float],
    inner: int,
    height: int,
    colors: Palette,
    x: Any,
    y: Any,
) -> list[Any]:
    """A histogram in two dimensions; shades go by the logarithm of the count."""
    low, high = math.log(domain[0]), math.log(domain[1])
    counts: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in values:
        column = int((math.log(row["x"]) - low) / (high - low) * inner / BIN)
        line = min(int((1 - row["y"]) * height / BIN), (height - 1) // BIN)
        cell = counts[column, line]
        cell[0] += 1
        cell[1] += row["state"] != "unflagged"
    top = math.log(max(n for n, _flagged in counts.values()) + 1)
    boxes: list[dict[str, Any]] = [
        {
            "x": column * BIN,
            "x2": (column + 1) * BIN - 0.5,
            "y": line * BIN,
            "y2": (line + 1) * BIN - 0.5,
            "color": colors.shades[min(int(math.log(n + 1) / top * STEPS), STEPS - 1)],
            "n": n,
            "flagged": flagged,
        }
        for (column, line), (n, flagged) in sorted(counts.items())
    ]
    crosses = [
        {"px": box["x"] + BIN / 2, "py": box["y"] + BIN / 2}
        for box in boxes
        if 2 * box["flagged"] >= box["n"]
    ]
    frame = (
        data([{"x": domain[0], "y": 0.0}, {"x": domain[1], "y": 1.0}])
        .mark_point(opacity=0, stroke=colors.paper, aria=False)
        .encode(x=x, y=y)
    )
    layers = [frame, rectangles(boxes, [tip("n", _("raters")), tip("flagged", _("flagged"))])]
    if crosses:
        layers.append(
            data(crosses)
            .mark_point(
                shape="cross",
                fill=colors.warm,
                stroke=colors.paper,
                strokeWidth=1,
                size=55,
                opacity=1,
                aria=False,
            )
            .encode(x=pixel("x", "px"), y=pixel("y", "py"))
        )
    return layers


def _raters_table(analysis: Analysis, field: str, label: str) -> Table:
    return Table(
        header=(
            *(_("rater"), _("answers"), label, _("median response time, ms")),
            *(_("flags"), _("excluded by")),
        ),
        rows=tuple(
            (
                *(row["participant"], row["answers"], row[field], row["median_ms"]),
                *(", ".join(row["flags"]), ", ".join(row["excluded"])),
            )
            for row in section(analysis, "raters") or []
        ),
    )


def _raters_caption(analysis: Analysis) -> str:
    return _(
        "One sign a rater; very many raters are counted in squares. Triangles have a flag, crosses are left out by a rule "
        "that the study declared. Fast and near chance: perhaps not looking. Fast and right: leave alone."
    )


def _raters_chart(
    name: str, field: str, label: Any, title: Any, caption: Callable[[Analysis], str]
) -> Chart:
    return Chart(
        name=name,
        title=title,
        caption=caption,
        draw=lambda analysis, width, colors: _draw_raters(
            analysis, width, colors, field, str(label)
        ),
        table=lambda analysis: _raters_table(analysis, field, str(label)),
        drawable=lambda analysis: bool(_raters(analysis, field)),
        zoom=True,
    )


def _agreement_caption(analysis: Analysis) -> str:
    return _(
        "How far a rater's choices agree with those of the others (leave one out), against the rater's median response time. Who is far "
        "below the others answers by other rules, or at random; right and wrong play no part."
    )


RATERS = _raters_chart(
    "raters",
    "accuracy",
    gettext_lazy("accuracy"),
    gettext_lazy("Raters: accuracy and response time"),
    _raters_caption,
)
RATER_AGREEMENT = _raters_chart(
    "rater-agreement",
    "leave_one_out",
    gettext_lazy("agreement with the others"),
    gettext_lazy("Raters: agreement and response time"),
    _agreement_caption,
)


# --- correlations -------------------------------------------------------------------------------

MEASURES = {
    "style_distance": (
        gettext_lazy("style distance of word and content (cosine distance, NSV)"),
        gettext_lazy("Accuracy and the distance of style and content"),
    ),
    "dispersion": (
        gettext_lazy("dispersion of the style's photographs"),
        gettext_lazy("Accuracy and how alike the style's photographs are"),
    ),
    "style_loss": (
        gettext_lazy("style loss reached"),
        gettext_lazy("Accuracy and the style loss reached"),
    ),
    "content_loss": (
        gettext_lazy("content loss reached"),
        gettext_lazy("Accuracy and the content loss reached"),
    ),
    "rating": (
        gettext_lazy("mean rating of how well word and content go together"),
        gettext_lazy("Accuracy and rated suitability"),
    ),
}


def _correlation(analysis: Analysis, measure: str) -> Row | None:
    rows = section(analysis, "causes", "correlations") or []
    return next((row for row in rows if row["measure"] == measure and row["points"]), None)


def _extent(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return [low - room, high + room]


def _draw_correlation(analysis: Analysis, width: int, colors: Palette, measure: str) -> Spec:
    import altair as alt

    row = _correlation(analysis, measure) or {}
    values = [
        {"word": p["word"], "content": p["content"] or "–", "x": p["x"], "y": p["y"]}
        for p in row["points"]
    ]
    title = wrap(str(MEASURES[measure][0]), width - 68, SMALL)
    margins = Margins(left=50, right=18, top=TOP + 20, bottom=room_below(title))
    inner, height = width - margins.left - margins.right, _height(width)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=_extent([v["x"] for v in values]), nice=False, zero=False),
        axis=axis(
            colors,
            title=title,
            tickCount=4,
            format=_number_format([v["x"] for v in values]),
        ),
    )
    y = alt.Y("y:Q", scale=share_scale(), axis=share_axis(colors))
    sign = Sign("circle", colors.accent, False, "")
    tooltip = [
        tip("word", _("word")),
        tip("content", _("content")),
        tip("x", _("measure"), ".4g"),
        tip("y", _("accuracy"), ".1%"),
    ]
    # On a phone there is no room beside the heading, nor for both on one line.
    said = [", ".join(_rho(row))] if width >= 500 else _rho(row)
    first = 10 if width >= 500 else 28
    numbers = [
        {"x": inner, "y": first + 17 * n - margins.top, "text": text} for n, text in enumerate(said)
    ]
    layers = [
        _cloud(values, sign, x, y, tooltip),
        *level_line(section(analysis, "accuracy", "overall", "chance"), inner, colors),
        heading(_("accuracy"), margins, colors),
        texts(numbers, colors.ink, align="right"),
    ]
    return finish(layers, width, height, margins, colors)


def _number_format(values: Sequence[float]) -> str:
    """Losses may be thousands or millionths: 12k, 3e-5; else plain."""
    largest = max(abs(value) for value in values)
    return "~s" if largest >= 1000 else "~e" if 0 < largest < 0.001 else "~g"


def _rho(row: Row) -> list[str]:
    """The coefficient with its interval, if there is one; then p and the number of points."""
    n = _("n = %(n)d") % {"n": row["n"]}
    if row.get("rho") is None:
        return [n]
    text = f"ρ = {row['rho']:.2f}"
    if row.get("interval"):
        text += " [{:.2f}, {:.2f}]".format(*row["interval"])
    p = row.get("p_value")
    if p is not None:
        n = f"p < 0.001, {n}" if p < 0.001 else f"p = {p:.3f}, {n}"
    return [text.replace("-", "−"), n]


def _correlation_table(analysis: Analysis, measure: str) -> Table:
    row = _correlation(analysis, measure)
    return Table(
        words=True,
        header=(_("word"), _("content"), str(MEASURES[measure][0]), _("accuracy")),
        rows=tuple((p["word"], p["content"], p["x"], p["y"]) for p in row["points"]) if row else (),
    )


def _correlation_caption(analysis: Analysis) -> str:
    return _(
        "One point a question. ρ is Spearman's rank correlation with its interval (95 %), its p value and the number of questions. Questions are "
        "ranked only among those of the same content, direction and recipe, so it may differ from what the cloud looks like. "
        "A correlation within one study: no cause is shown."
    )


def _correlation_chart(measure: str) -> Chart:
    return Chart(
        name=measure.replace("_", "-"),
        title=MEASURES[measure][1],
        caption=_correlation_caption,
        draw=lambda analysis, width, colors: _draw_correlation(analysis, width, colors, measure),
        table=lambda analysis: _correlation_table(analysis, measure),
        drawable=lambda analysis: _correlation(analysis, measure) is not None,
        missing=gettext_lazy("The study's pictures do not have this measure."),
        zoom=True,
    )


CORRELATIONS = tuple(_correlation_chart(measure) for measure in MEASURES)
