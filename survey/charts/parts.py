"""Pieces that charts are put together from. Altair is imported where it is used: web code starts without it.

Every chart says its own margins (Vega's ``autosize`` is none), so that its width is the one asked for
whatever the fonts, and leaves room for its longest label by an upper estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from survey.charts.render import Spec
from survey.charts.theme import FONT, FONT_SIZE, SMALL, STEPS, Palette, text_width, wrap

LINE_HEIGHT = 17
TOP = 34
"""Room above the frame for a legend or for what the y axis means."""
HEAD_ROOM = 130
"""The longest line of a name that stands upright over its column."""
CIRCLE = "M0.5,0A0.5,0.5,0,1,1,-0.5,0A0.5,0.5,0,1,1,0.5,0"


@dataclass(frozen=True)
class Margins:
    left: int
    right: int
    top: int = TOP
    bottom: int = 30


def finish(
    layers: Sequence[Any], width: int, height: int, margins: Margins, colors: Palette
) -> Spec:
    """Layers → one specification, ``width`` pixels wide with its margins."""
    import altair as alt

    spec: Spec = (
        alt.layer(*layers)
        .properties(
            width=width - margins.left - margins.right,
            height=height,
            autosize="none",
            background=colors.paper,
            padding={
                "left": margins.left,
                "right": margins.right,
                "top": margins.top,
                "bottom": margins.bottom,
            },
        )
        .configure(font=FONT)
        .configure_view(stroke=None)
        .to_dict()
    )
    # An address that nobody opens; without it the specification names no network place at all.
    spec.pop("$schema", None)
    return spec


def message(text: str, width: int, colors: Palette) -> Spec:
    """A sentence where there is nothing to draw."""
    margins = Margins(left=0, right=0, top=12, bottom=12)
    lines = wrap(text, width - 24, FONT_SIZE)
    rows = [
        {"x": width / 2, "y": 32 + LINE_HEIGHT * place, "text": line}
        for place, line in enumerate(lines)
    ]
    label = texts(rows, colors.muted, align="center")
    return finish([label], width, 64 + LINE_HEIGHT * len(lines), margins, colors)


# --- axes ---------------------------------------------------------------------------------------


def axis(colors: Palette, **options: Any) -> Any:
    """A quiet axis: grid lines and labels."""
    import altair as alt

    return alt.Axis(
        **{
            "domain": False,
            "ticks": False,
            "title": None,
            "gridColor": colors.line,
            "labelColor": colors.muted,
            "labelFontSize": SMALL,
            "labelPadding": 8,
            "labelFlush": False,
            "titleColor": colors.muted,
            "titleFontSize": SMALL,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            **options,
        }
    )


def room_below(title: Sequence[str]) -> int:
    """What an axis with labels and a title of so many lines needs below the frame."""
    return 37 + LINE_HEIGHT * len(title)


def share_axis(colors: Palette, room: int = 720, **options: Any) -> Any:
    """0 to 100 % in quarters, or in halves where labels have little room (pixels)."""
    values = [0, 0.25, 0.5, 0.75, 1] if room >= 200 else [0, 0.5, 1]
    return axis(colors, **{"format": ".0%", "values": values, **options})


def share_scale() -> Any:
    import altair as alt

    return alt.Scale(domain=[0, 1], nice=False)


def pixel(channel: str, field: str) -> Any:
    """A place in pixels from the frame's upper left corner."""
    import altair as alt

    kind = {"x": alt.X, "y": alt.Y, "x2": alt.X2, "y2": alt.Y2}[channel]
    if channel in ("x2", "y2"):
        return kind(field)
    return kind(f"{field}:Q", scale=None, axis=None)


def data(rows: Sequence[dict[str, Any]]) -> Any:
    """Inline data. Marks of a row with ``word`` are of that word: the page shows its pictures."""
    import altair as alt

    return alt.Chart(
        alt.InlineData(
            values=[{**row, "key": f"word:{row['word']}"} if "word" in row else row for row in rows]
        )
    )


def seconds_scale(values: Sequence[float]) -> Any:
    """A log scale over the times, in seconds."""
    import altair as alt

    low, high = min(values), max(values)
    return alt.Scale(type="log", domain=[low * 0.9, high * 1.1], nice=False)


def seconds_ticks(values: Sequence[float], room: int = 720) -> list[float]:
    """Round times between the smallest and the largest: 1, 2, 5, 10 … where there is room, else 1, 10."""
    low, high = min(values) * 0.9, max(values) * 1.1
    ticks = [m * 10.0**e for e in range(-2, 5) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    while len(ticks) * 56 > room:
        ticks = ticks[::2]
    return ticks


def level_line(share: float | None, inner: int, colors: Palette) -> list[Any]:
    """A dashed line at chance with its name."""
    import altair as alt

    if share is None:
        return []
    row = data([{"level": share, "text": _("chance"), "end": inner}])
    y = alt.Y("level:Q", scale=share_scale())
    return [
        row.mark_rule(color=colors.muted, strokeDash=[5, 4], strokeWidth=1.5, aria=False).encode(
            y=y
        ),
        row.mark_text(
            align="right", baseline="bottom", dy=-4, fontSize=SMALL, color=colors.muted, aria=False
        ).encode(x=pixel("x", "end"), y=y, text="text:N"),
    ]


# --- text ---------------------------------------------------------------------------------------


def texts(
    rows: Sequence[dict[str, Any]],
    color: str,
    *,
    size: float = FONT_SIZE,
    align: str = "left",
    angle: int = 0,
) -> Any:
    """Rows with x and y in pixels and a text each; upright in the middle of y."""
    import altair as alt

    chart = data(rows).mark_text(
        align=align,
        baseline="middle",
        angle=angle,
        fontSize=size,
        color=color,
        aria=_of_words(rows),
    )
    channels: dict[str, Any] = {
        "x": pixel("x", "x"),
        "y": pixel("y", "y"),
        "text": alt.Text("text:N"),
    }
    return chart.encode(**channels, **of_word(rows))


def _of_words(rows: Sequence[dict[str, Any]]) -> bool:
    return bool(rows) and "word" in rows[0]


def of_word(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The channel that marks carry their word in, for rows that have one."""
    return {"description": "key:N"} if _of_words(rows) else {}


def heading(text: str, margins: Margins, colors: Palette, below: int = 0) -> Any:
    """What the y axis means, above it: read without turning the head. ``below`` a legend of that height."""
    row = {"x": -margins.left, "y": below - margins.top + 10, "text": text}
    return texts([row], colors.muted, size=SMALL)


# --- rows, one a word ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """One row a word. ``left`` is the room its labels need, ``height`` that of all rows."""

    words: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    left: int
    step: int

    @property
    def height(self) -> int:
        return self.step * len(self.words)

    def middle(self, place: int) -> float:
        return self.step * (place + 0.5)

    def labels(self, colors: Palette) -> Any:
        """The words, at the left of the frame; long ones in several lines."""
        rows = [
            {
                "word": word,
                "text": line,
                "x": -12,
                "y": self.middle(place) + LINE_HEIGHT * (number - (len(lines) - 1) / 2),
            }
            for place, (word, lines) in enumerate(zip(self.words, self.lines, strict=True))
            for number, line in enumerate(lines)
        ]
        return texts(rows, colors.ink, align="right")

    def stripes(self, width: int, colors: Palette) -> Any:
        """Nothing to see, below all else: the whole row answers the pointer."""
        rows = [
            {
                "word": word,
                "x": -self.left,
                "x2": width,
                "y": self.step * i,
                "y2": self.step * (i + 1),
            }
            for i, word in enumerate(self.words)
        ]
        return (
            data(rows)
            .mark_rect(opacity=0, fill=colors.paper)
            .encode(
                x=pixel("x", "x"),
                x2=pixel("x2", "x2"),
                y=pixel("y", "y"),
                y2=pixel("y2", "y2"),
                description="key:N",
            )
        )


def rows_of(words: Sequence[str], width: int, numbered: bool = False) -> Rows:
    """Rows as high as few or many words allow, never lower than their labels.

    Args:
        words: from top to bottom.
        width: of the whole chart; labels take at most 36 % of it.
        numbered: write 1, 2 … before the words, for columns that show numbers only.
    """
    texts_ = [f"{n} {word}" if numbered else word for n, word in enumerate(words, start=1)]
    lines = tuple(tuple(wrap(text, 0.36 * width)) for text in texts_)
    step = 34 if len(words) <= 12 else 26 if len(words) <= 30 else 20
    tallest = max((len(part) for part in lines), default=1)
    if tallest > 1:
        step = max(step, LINE_HEIGHT * tallest + 4)
    left = max((text_width(line) for part in lines for line in part), default=0) + 14
    return Rows(words=tuple(words), lines=lines, left=left, step=step)


# --- columns ------------------------------------------------------------------------------------


def heads_fit(names: Sequence[str], column: float) -> bool:
    """Whether `column_heads` keeps every name over its own column."""
    upright = max(len(wrap(name, HEAD_ROOM, SMALL)) for name in names)
    return _unbroken(names, column) or upright * LINE_HEIGHT <= column


def _unbroken(names: Sequence[str], column: float) -> bool:
    return all(" ".join(wrap(name, column - 6, SMALL)) == name for name in names)


def column_heads(
    names: Sequence[str], column: float, colors: Palette, *, words: bool = False
) -> tuple[Any, int]:
    """Names over their columns, and the room they take: upright where a name would have to be broken.

    ``words``: the names are words, whose pictures the page shows.
    """
    flat = _unbroken(names, column)
    rows: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        lines = wrap(name, column - 6 if flat else HEAD_ROOM, SMALL)
        for number, line in enumerate(lines):
            shift = LINE_HEIGHT * (number - (len(lines) - 1) / 2)
            spot = (
                {"x": 0.0, "y": -10 - LINE_HEIGHT * (len(lines) - 1 - number)}
                if flat
                else {"x": shift, "y": -6.0}
            )
            spot["x"] += column * (place + 0.5)
            rows.append({**({"word": name} if words else {}), **spot, "text": line})
    color = colors.ink if words else colors.muted
    if flat:
        tallest = max(len(wrap(name, column - 6, SMALL)) for name in names)
        return texts(rows, color, size=SMALL, align="center"), LINE_HEIGHT * tallest
    heads = texts(rows, color, size=SMALL, angle=270)
    return heads, max(text_width(row["text"], SMALL) for row in rows)


# --- legends ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sign:
    """A sign of a legend: a shape of Vega, filled or not, and what it means."""

    shape: str
    color: str
    filled: bool
    text: str


def legend(signs: Sequence[Sign], width: int, margins: Margins, colors: Palette) -> list[Any]:
    """Signs with their meaning above the frame, in as many lines as they need (see `legend_height`)."""
    import altair as alt

    layers = []
    for sign, (x, line) in zip(signs, _places(signs, width), strict=True):
        spot = {"x": x - margins.left, "y": 10 + LINE_HEIGHT * 1.2 * line - margins.top}
        mark = data([spot]).mark_point(
            shape=sign.shape,
            filled=sign.filled,
            size=70,
            strokeWidth=2,
            opacity=1,
            color=sign.color,
            aria=False,
        )
        layers.append(mark.encode(x=alt.X("x:Q", scale=None), y=alt.Y("y:Q", scale=None)))
        layers.append(
            texts([{**spot, "x": spot["x"] + 12, "text": sign.text}], colors.muted, size=SMALL)
        )
    return layers


def _places(signs: Sequence[Sign], width: int) -> list[tuple[float, int]]:
    places: list[tuple[float, int]] = []
    x, line = 6.0, 0
    for sign in signs:
        needed = 12 + text_width(sign.text, SMALL)
        if x > 6 and x + needed > width:
            x, line = 6.0, line + 1
        places.append((x, line))
        x += needed + 22
    return places


def legend_height(signs: Sequence[Sign], width: int) -> int:
    """Room that the legend takes above the frame, with a gap below it."""
    lines = max(line for _x, line in _places(signs, width)) + 1
    return round(LINE_HEIGHT * 1.2 * lines) + 14


def shade_legend(low: str, high: str, margins: Margins, colors: Palette) -> list[Any]:
    """The ten shades between what the lightest and what the darkest mean."""
    y = 10 - margins.top
    start = -margins.left + text_width(low, SMALL) + 8
    swatches = [
        {"x": start + 13 * i, "x2": start + 13 * i + 13, "y": y - 6, "y2": y + 6, "color": color}
        for i, color in enumerate(colors.shades)
    ]
    return [
        texts([{"x": -margins.left, "y": y, "text": low}], colors.muted, size=SMALL),
        rectangles(swatches),
        texts([{"x": start + 13 * STEPS + 8, "y": y, "text": high}], colors.muted, size=SMALL),
    ]


def rectangles(rows: Sequence[dict[str, Any]], tooltip: Sequence[Any] = (), **options: Any) -> Any:
    """Rows with x, x2, y, y2 in pixels and a color each."""
    import altair as alt

    channels: dict[str, Any] = {
        "x": pixel("x", "x"),
        "x2": pixel("x2", "x2"),
        "y": pixel("y", "y"),
        "y2": pixel("y2", "y2"),
        "color": alt.Color("color:N", scale=None),
    }
    if tooltip:
        channels["tooltip"] = list(tooltip)
    chart = data(rows).mark_rect(**{"opacity": 1, "aria": _of_words(rows), **options})
    return chart.encode(**channels, **of_word(rows))


def tip(field: str, title: str, format: str = "") -> Any:  # noqa: A002
    """A line of the tooltip; a share is written in percent by the format ".1%"."""
    import altair as alt

    kind = "Q" if format else "N"
    return alt.Tooltip(f"{field}:{kind}", title=title, format=format or alt.Undefined)
