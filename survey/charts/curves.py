"""Over time: response times, accuracy by speed and by trial, answers since the study began; positions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.utils import timezone
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
    pixel,
    rectangles,
    room_below,
    seconds_ticks,
    share_axis,
    share_scale,
    texts,
    tip,
)
from survey.charts.render import Spec
from survey.charts.theme import SMALL, Palette, wrap

Row = Mapping[str, Any]


# --- response times -----------------------------------------------------------------------------


def _draw_times(analysis: Analysis, width: int, colors: Palette) -> Spec:
    import altair as alt

    times = analysis["times"]
    edges = [edge / 1000 for edge in times["curve"]["edges_ms"]]
    signs = [
        Sign("circle", colors.accent, True, _sign_text(_("right"), times["right"])),
        Sign("diamond", colors.warm, False, _sign_text(_("wrong"), times["wrong"])),
    ]
    title = wrap(_("response time in seconds (log scale)"), width - 68, SMALL)
    margins = Margins(
        left=50,
        right=18,
        top=legend_height(signs, width) + TOP,
        bottom=room_below(title),
    )
    inner = width - margins.left - margins.right
    scale = alt.Scale(type="log", domain=[edges[0], edges[-1]], nice=False)
    x = alt.X(
        "x:Q",
        scale=scale,
        axis=axis(
            colors,
            title=title,
            values=seconds_ticks(edges, inner),
            format="~g",
        ),
    )
    curves = {name: _shares(times["curve"][name]) for name in ("right", "wrong")}
    top = max((share for curve in curves.values() for share in curve), default=0) or 1
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[0, top * 1.08], nice=False),
        axis=axis(colors, format=".0%", tickCount=4),
    )
    layers = []
    for name, sign, dash in (("right", signs[0], [1, 0]), ("wrong", signs[1], [6, 3])):
        if not any(curves[name]):
            continue
        middle = [(a * b) ** 0.5 for a, b in pairwise(edges)]
        rows = [{"x": at, "y": share} for at, share in zip(middle, curves[name], strict=True)]
        layers.append(
            data(rows)
            .mark_line(
                stroke=sign.color,
                strokeWidth=2.5,
                strokeDash=dash,
                interpolate="linear",
                aria=False,
            )
            .encode(x=x, y=y)
        )
        median = times[name]["median_ms"]
        if median:
            spot = data([{"x": median / 1000, "y": top * 1.08}])
            layers.append(
                spot.mark_rule(
                    stroke=sign.color, strokeDash=dash, strokeWidth=1.25, aria=False
                ).encode(x=x)
            )
            layers.append(
                spot.mark_point(
                    shape=sign.shape,
                    stroke=sign.color,
                    fill=sign.color if sign.filled else colors.paper,
                    strokeWidth=2,
                    size=70,
                    opacity=1,
                    aria=False,
                ).encode(x=x, y=y)
            )
    layers += legend(signs, width, margins, colors)
    layers.append(heading(_("share of these answers"), margins, colors, below=margins.top - TOP))
    return finish(layers, width, 260, margins, colors)


def _sign_text(name: str, times: Row) -> str:
    if not times["n"] or times["median_ms"] is None:
        return _("%(name)s: no answers") % {"name": name}
    return _("%(name)s: median %(seconds).1f s, n %(n)d") % {
        "name": name,
        "seconds": times["median_ms"] / 1000,
        "n": times["n"],
    }


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _times_table(analysis: Analysis) -> Table:
    header = (_("from, ms"), _("to, ms"), _("right"), _("wrong"))
    curve = section(analysis, "times", "curve")
    if not curve:
        return Table(header=header, rows=())
    edges = curve["edges_ms"]
    return Table(
        header=header,
        rows=tuple(zip(edges, edges[1:], curve["right"], curve["wrong"], strict=False)),
    )


def _has_times(analysis: Analysis) -> bool:
    curve = section(analysis, "times", "curve")
    return bool(curve) and any((*curve["right"], *curve["wrong"]))


TIMES = Chart(
    name="times",
    title=gettext_lazy("Response times, right against wrong"),
    caption=lambda _analysis: _(
        "Share of right and of wrong answers by response time, in steps of equal ratio. Upright lines are medians. Wrong "
        "answers that take longer are doubt; wrong answers that are quicker are haste."
    ),
    draw=_draw_times,
    table=_times_table,
    drawable=_has_times,
    missing=gettext_lazy("No response times were measured."),
)


# --- accuracy along something -------------------------------------------------------------------


def _draw_steps(
    rows: Sequence[Row], x: Any, bottom: int, analysis: Analysis, width: int, colors: Palette
) -> Spec:
    """Points with intervals joined by a line; rows have x, accuracy, interval and n."""
    import altair as alt

    margins = Margins(left=50, right=18, top=TOP, bottom=bottom)
    inner = width - margins.left - margins.right
    scale = share_scale()
    values = [
        {
            "x": row["x"],
            "y": row["accuracy"],
            **dict(zip(("low", "high"), row["interval"] or (None, None), strict=True)),
            "n": f"{row['correct']}/{row['answers']}",
        }
        for row in rows
    ]
    y = alt.Y("y:Q", scale=scale, axis=share_axis(colors))
    base = data(values)
    tooltip = [tip("y", _("accuracy"), ".1%"), tip("n", _("right of all"))]
    layers = [
        *level_line(section(analysis, "accuracy", "overall", "chance"), inner, colors),
        base.mark_line(stroke=colors.accent, strokeWidth=1.5, opacity=0.6, aria=False).encode(
            x=x, y=y
        ),
        base.mark_rule(stroke=colors.accent, strokeWidth=2.5, opacity=0.55, aria=False).encode(
            x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"
        ),
        base.mark_point(
            fill=colors.accent, stroke=colors.accent, size=60, opacity=1, aria=False
        ).encode(x=x, y=y, tooltip=tooltip),
        heading(_("accuracy"), margins, colors),
    ]
    return finish(layers, width, 240, margins, colors)


def _speeds(analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {**row, "x": (max(row["from_ms"], 1) * max(row["to_ms"], 1)) ** 0.5 / 1000}
        for row in section(analysis, "times", "by_speed") or []
        if row["answers"]
    ]


def _draw_speed(analysis: Analysis, width: int, colors: Palette) -> Spec:
    import altair as alt

    rows = _speeds(analysis)
    seconds = [row["x"] for row in rows]
    title = wrap(_("response time in seconds (log scale)"), width - 68, SMALL)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", domain=[min(seconds) * 0.85, max(seconds) * 1.15], nice=False),
        axis=axis(
            colors,
            title=title,
            values=seconds_ticks(seconds, width),
            format="~g",
        ),
    )
    return _draw_steps(rows, x, room_below(title), analysis, width, colors)


def _along_table(rows: Sequence[Row], start: str, end: str, header: tuple[str, str]) -> Table:
    return Table(
        header=(*header, _("right"), _("answers"), _("accuracy"), _("interval from"), _("to")),
        rows=tuple(
            (
                *(row[start], row[end], row["correct"], row["answers"], row["accuracy"]),
                *(row["interval"] or (None, None)),
            )
            for row in rows
        ),
    )


SPEED = Chart(
    name="speed",
    title=gettext_lazy("Accuracy of quick and of slow answers"),
    caption=lambda _analysis: _(
        "Conditional accuracy: answers in groups by response time, with intervals (95 %); the dashed line is chance."
    ),
    draw=_draw_speed,
    table=lambda analysis: _along_table(
        _speeds(analysis), "from_ms", "to_ms", (_("from, ms"), _("to, ms"))
    ),
    drawable=lambda analysis: bool(_speeds(analysis)),
    missing=gettext_lazy("No response times were measured."),
)


def _blocks(analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {**row, "x": (row["from"] + row["to"]) / 2}
        for row in section(analysis, "learning", "blocks") or []
        if row["answers"]
    ]


def _draw_learning(analysis: Analysis, width: int, colors: Palette) -> Spec:
    import altair as alt

    rows = _blocks(analysis)
    end = max(row["to"] for row in rows) + 1
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=axis(colors, title=_("trial"), tickCount=6, tickMinStep=1, format="d"),
    )
    return _draw_steps(rows, x, room_below([_("trial")]), analysis, width, colors)


def _learning_caption(analysis: Analysis) -> str:
    text = _(
        "Accuracy in blocks of trials in the order each rater saw them, with intervals (95 %); the dashed line is chance."
    )
    slope = section(analysis, "learning", "slope")
    if not slope or slope.get("per_10_trials") is None or slope.get("p_value") is None:
        return text
    return f"{text} " + _(
        "Log odds of a right answer change by %(slope)+.2f in ten trials (standard error %(se).2f, clustered by rater; p = %(p).3f)."
    ) % {"slope": slope["per_10_trials"], "se": slope["se"], "p": slope["p_value"]}


LEARNING = Chart(
    name="learning",
    title=gettext_lazy("Accuracy over the trials"),
    caption=_learning_caption,
    draw=_draw_learning,
    table=lambda analysis: _along_table(
        _blocks(analysis), "from", "to", (_("from trial"), _("to trial"))
    ),
    drawable=lambda analysis: bool(_blocks(analysis)),
)


# --- answers over time --------------------------------------------------------------------------


def _bins(analysis: Analysis) -> list[Row]:
    return [row for row in section(analysis, "timeline", "bins") or [] if row["cumulative"]]


def _clock(text: str) -> datetime:
    """The site's own time, as a clock on the wall shows it: the renderer's zone plays no part."""
    at = datetime.fromisoformat(text)
    return timezone.make_naive(at) if timezone.is_aware(at) else at


def _draw_timeline(analysis: Analysis, width: int, colors: Palette) -> Spec:
    import altair as alt

    rows = _bins(analysis)
    moments = [_clock(row["at"]) for row in rows]
    days = (moments[-1] - moments[0]).total_seconds() / 86_400
    format_ = (
        "%H:%M" if days < 1 else "%m-%d %H:%M" if days < 3 else "%m-%d" if days < 300 else "%Y-%m"
    )
    margins = Margins(left=58, right=40, top=TOP, bottom=34)
    inner = width - margins.left - margins.right
    values = [
        {"x": at.isoformat(timespec="seconds"), "y": row["cumulative"], "n": row["answers"]}
        for at, row in zip(moments, rows, strict=True)
    ]
    x = alt.X(
        "x:T",
        axis=axis(colors, format=format_, tickCount=max(3, inner // 90), labelOverlap="greedy"),
        scale=alt.Scale(nice=False),
    )
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domainMin=0, nice=True),
        axis=axis(
            colors,
            format="~s" if rows[-1]["cumulative"] >= 10_000 else ",d",
            tickCount=4,
            tickMinStep=1,
        ),
    )
    base = data(values)
    layers = [
        base.mark_area(
            color=colors.accent, opacity=0.15, interpolate="step-after", aria=False
        ).encode(x=x, y=y),
        base.mark_line(
            stroke=colors.accent, strokeWidth=2, interpolate="step-after", aria=False
        ).encode(x=x, y=y),
        data(values[-1:])
        .mark_point(fill=colors.accent, stroke=colors.accent, size=50, opacity=1, aria=False)
        .encode(x=x, y=y),
        heading(_("answers"), margins, colors),
        texts(
            [{"x": inner, "y": -margins.top + 10, "text": f"{rows[-1]['cumulative']:,}"}],
            colors.ink,
            align="center",
        ),
    ]
    return finish(layers, width, 220, margins, colors)


TIMELINE = Chart(
    name="timeline",
    title=gettext_lazy("Answers since the study began"),
    caption=lambda _analysis: (
        _("All answers that count, added up, in the site's own time zone (%(zone)s).")
        % {"zone": timezone.get_current_timezone_name()}
    ),
    draw=_draw_timeline,
    table=lambda analysis: Table(
        header=(_("time"), _("answers"), _("answers so far")),
        rows=tuple((row["at"], row["answers"], row["cumulative"]) for row in _bins(analysis)),
    ),
    drawable=lambda analysis: bool(_bins(analysis)),
)


# --- positions ----------------------------------------------------------------------------------


def _positions(analysis: Analysis) -> list[Row]:
    return [row for row in section(analysis, "positions", "m") or [] if row["answers"]]


def _draw_positions(analysis: Analysis, width: int, colors: Palette) -> Spec:
    groups = _positions(analysis)
    slots = sum(len(row["counts"]) for row in groups) + len(groups) - 1
    bar = min(60, (width - 20) // slots)
    margins = Margins(left=10, right=10, top=46, bottom=28)
    height = 150
    top = max(max(row["counts"]) / row["answers"] for row in groups) * 1.05
    bars, shares, names, heads, levels = [], [], [], [], []
    x = 0
    for row in groups:
        count = len(row["counts"])
        level = height * (1 - row["expected_p"] / top)
        for place, chosen in enumerate(row["counts"]):
            share = chosen / row["answers"]
            y = height * (1 - share / top)
            left = x + bar * place
            bars.append(
                {
                    "x": left + 3,
                    "x2": left + bar - 3,
                    "y": y,
                    "y2": height,
                    "color": colors.accent,
                    "n": chosen,
                }
            )
            # Never under the dashed line.
            above = level - 10 if abs(y - 10 - level) < 10 else y - 10
            shares.append({"x": left + bar / 2, "y": above, "text": f"{share:.0%}"})
            names.append({"x": left + bar / 2, "y": height + 14, "text": str(place + 1)})
        levels.append({"x": x, "x2": x + bar * count, "y": level})
        heads.append({"x": x + 3, "y": -34, "text": _head(row, bar * count)})
        x += bar * (count + 1)
    line = (
        data(levels)
        .mark_rule(stroke=colors.warm, strokeDash=[5, 4], strokeWidth=1.5, aria=False)
        .encode(x=pixel("x", "x"), x2=pixel("x2", "x2"), y=pixel("y", "y"))
    )
    layers = [
        rectangles(bars, [tip("n", _("chosen"))]),
        line,
        texts(shares, colors.ink, size=SMALL, align="center"),
        texts(names, colors.muted, size=SMALL, align="center"),
        texts(heads, colors.muted, size=SMALL),
    ]
    return finish(layers, width, height, margins, colors)


def _head(row: Row, room: float) -> str:
    if row["p_value"] is None or room < 150:
        return _("%(m)d options") % {"m": row["m"]}
    p = "< .001" if row["p_value"] < 0.001 else f"= {row['p_value']:.3f}".replace("0.", ".")
    return _("%(m)d options, p %(p)s") % {"m": row["m"], "p": p}


def _positions_table(analysis: Analysis) -> Table:
    return Table(
        header=(_("options"), _("position"), _("chosen"), _("answers"), _("expected share")),
        rows=tuple(
            (row["m"], place, chosen, row["answers"], row["expected_p"])
            for row in _positions(analysis)
            for place, chosen in enumerate(row["counts"], start=1)
        ),
    )


POSITIONS = Chart(
    name="positions",
    title=gettext_lazy("Which position was chosen"),
    caption=lambda _analysis: _(
        "Share of answers for each position on the screen; the dashed line is what equal choice would give. p: "
        "χ² test of equal choice, which takes answers as independent."
    ),
    draw=_draw_positions,
    table=_positions_table,
    drawable=lambda analysis: bool(_positions(analysis)),
)
