"""The chart of the plan: power against the number of raters, for some accuracies.

Colors are those that report.css replaces by the page's own.
"""

from typing import Any

from django.utils.safestring import SafeString

from survey.charts.render import page_svg
from survey.charts.theme import FONT, LIGHT
from survey.planning import percent, probability

HEIGHT = 300
LABEL = 13
SPAN = 40
"""How many times the fewest raters shown the most are."""
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
FINE_TICKS = sorted({*TICKS, 3, 7, 15, 30, 70, 150, 300, 700, 1500, 3000, 7000})


def plan_spec(numbers: dict[str, Any], width: int, axis_title: str) -> dict[str, Any]:
    """One line an accuracy, the wanted one in the accent's color; the wanted power and the planned raters as rules.

    Args:
        numbers: of `plan_numbers`.
        width: of the whole picture in pixels.
        axis_title: what the numbers below the axis count.
    """
    import altair as alt

    # Of power only the ratio of raters matters much, so on a log scale lines are as far apart everywhere.
    rows = _rows(numbers)
    first, last = rows[0]["raters"], rows[-1]["raters"]
    x_scale = alt.Scale(type="log", domain=[first, last], nice=False)
    y_scale = alt.Scale(domain=[0, 1], nice=False)
    axis: dict[str, Any] = {
        "domain": False,
        "ticks": False,
        "labelColor": LIGHT.muted,
        "labelFontSize": 12,
        "labelPadding": 8,
    }
    x = alt.X("raters:Q", scale=x_scale).axis(
        title=axis_title,
        titleColor=LIGHT.muted,
        titleFontSize=12,
        titleFontWeight="normal",
        grid=False,
        values=_ticks(first, last, most=6 if width < 500 else 12),
        format="d",
        **axis,
    )
    y = alt.Y("power:Q", scale=y_scale).axis(
        title=None,
        values=[0, 0.25, 0.5, 0.75, 1],
        labelExpr="datum.value == 0 ? '0' : datum.value == 1 ? '1' : slice(format(datum.value, '.2f'), 1)",
        gridColor=LIGHT.line,
        **axis,
    )
    lines = [
        {"accuracy": percent(p), "raters": row["raters"], "power": row["powers"][place]}
        for place, p in enumerate(numbers["accuracies"])
        for row in rows
    ]
    own = percent(numbers["accuracy"])
    color = (
        alt.when(f"datum.accuracy == '{own}'")
        .then(alt.value(LIGHT.accent))
        .otherwise(alt.value(LIGHT.weak))
    )
    base = alt.Chart(alt.InlineData(values=lines)).encode(x=x, y=y, color=color)
    target = numbers["needed"]["power"]
    now = {"raters": numbers["raters"], "power": numbers["power"]}
    chart = alt.layer(
        _points([{"power": target}]).mark_rule(color=LIGHT.muted, strokeDash=[5, 4]).encode(y=y),
        _points([{"power": target, "text": probability(target)}])
        .mark_text(align="left", baseline="bottom", dx=2, dy=-3, color=LIGHT.muted, fontSize=12)
        .encode(x=alt.value(0), y=y, text="text:N"),
        _points([now])
        .mark_rule(color=LIGHT.muted, strokeDash=[1, 4], strokeCap="round", strokeWidth=1.5)
        .encode(x=x),
        base.mark_line(strokeWidth=1.5)
        .encode(detail="accuracy:N")
        .transform_filter(f"datum.accuracy != '{own}'"),
        base.mark_line(strokeWidth=2.5).transform_filter(f"datum.accuracy == '{own}'"),
        _points([now])
        .mark_point(filled=True, size=110, opacity=1, color=LIGHT.accent)
        .encode(x=x, y=y),
        _points(_labels(numbers, rows, own))
        .mark_text(align="left", dx=4, dy=14, fontSize=LABEL if width > 500 else 12)
        .encode(
            x=x,
            y=y,
            text="text:N",
            color=alt.when("datum.own")
            .then(alt.value(LIGHT.ink))
            .otherwise(alt.value(LIGHT.muted)),
        ),
    )
    spec: dict[str, Any] = (
        chart.properties(
            width=width - 60,
            height=HEIGHT,
            padding={"left": 0, "right": 0, "top": 8, "bottom": 4},
            autosize=alt.AutoSizeParams(type="pad"),
        )
        .configure(font=FONT)
        .configure_view(stroke=None)
        .to_dict()
    )
    spec["background"] = None
    spec.pop("$schema", None)
    return spec


def _points(values: list[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Chart(alt.InlineData(values=values))


def _rows(numbers: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the curve what there is something to see of: not where every line is at 0, SPAN at most, the plan always."""
    rows = numbers["curve"]
    begin = next((n for n, row in enumerate(rows) if max(row["powers"]) > 0.01), 1)
    least = max(rows[max(0, begin - 1)]["raters"], rows[-1]["raters"] // SPAN)
    return [row for row in rows if row["raters"] >= min(least, numbers["raters"])]


def _ticks(first: int, last: int, most: int) -> list[int]:
    fine = [tick for tick in FINE_TICKS if first <= tick <= last]
    return fine if len(fine) <= most else [tick for tick in TICKS if first <= tick <= last]


def _labels(numbers: dict[str, Any], rows: list[dict[str, Any]], own: str) -> list[dict[str, Any]]:
    """A line's name stands where it crosses one half for good, where lines are apart; at its end where it never does."""
    labels = []
    for place, accuracy in enumerate(numbers["accuracies"]):
        text = percent(accuracy)
        below = [n for n, row in enumerate(rows) if row["powers"][place] < 0.5]
        row = rows[min(below[-1] + 1, len(rows) - 1)] if below else rows[0]
        labels.append(
            {
                "text": text,
                "own": text == own,
                "raters": row["raters"],
                "power": min(0.5, row["powers"][place]),
            }
        )
    return labels


def plan_chart(
    numbers: dict[str, Any], *, width: int, axis_title: str, title: str, description: str, name: str
) -> SafeString:
    """The chart as one `<svg role="img">`; ``name`` makes its ids unique in the page."""
    spec = plan_spec(numbers, width, axis_title)
    return page_svg(spec, title=title, description=description, name=name)
