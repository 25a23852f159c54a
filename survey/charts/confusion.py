"""Which word is taken for which: the confusion map, and the map of words made from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from survey.charts.chart import Analysis, Chart, Table, section
from survey.charts.labels import Label, place_labels
from survey.charts.parts import (
    LINE_HEIGHT,
    Margins,
    Rows,
    Sign,
    column_heads,
    data,
    finish,
    heads_fit,
    legend,
    legend_height,
    pixel,
    rectangles,
    rows_of,
    shade_legend,
    texts,
    tip,
)
from survey.charts.render import ChartError, Spec
from survey.charts.theme import FONT_SIZE, SMALL, STEPS, Palette, step, text_width, wrap

Matrix = Mapping[str, Any]
# Up to so many words cells have their numbers printed, and columns their words.
FEW = 12


def _matrix(analysis: Analysis, kind: str) -> Matrix | None:
    matrix: Matrix | None = section(analysis, "confusions", "kinds", kind)
    if matrix is None or not any(any(row) for row in matrix["offered"]):
        return None
    return matrix


def _order(matrix: Matrix) -> list[int]:
    """Cluster order; that of the study where words could not be clustered."""
    return list(matrix["order"] or range(len(matrix["offered"])))


def _draw(analysis: Analysis, width: int, colors: Palette, kind: str) -> Spec:
    matrix = _matrix(analysis, kind)
    if matrix is None:
        raise ChartError(
            f"Expected answers of kind {kind!r}; there are none. Ask `drawable` first."
        )
    order = _order(matrix)
    words = [analysis["confusions"]["words"][place] for place in order]
    sheet = _sheet(words, width)
    boxes = _boxes(matrix, order, words, sheet, colors)
    printed = _printed(boxes, sheet, colors)
    shaded = [box for box in boxes if box["shade"]]
    never = [
        {**sheet.box(i, j), "color": colors.paper}
        for i, row in enumerate(order)
        for j, column in enumerate(order)
        if matrix["ratio"][row][column] is None
    ]
    if sheet.named:
        heads, head_height = column_heads(words, sheet.cell, colors, words=True)
    else:
        heads, head_height = _column_numbers(len(words), sheet.cell, colors), LINE_HEIGHT
    lines, side = sheet.lines, sheet.cell * len(words)
    margins = Margins(
        left=lines.left,
        right=round(width - lines.left - side),
        top=head_height + 46,
        bottom=6,
    )
    ground = [{"x": 0, "x2": side, "y": 0, "y2": lines.height, "color": colors.shades[0]}]
    tooltip = [
        tip("asked", _("asked word")),
        tip("option", _("option")),
        tip("ratio", _("chosen when offered"), ".1%"),
        tip("n", _("chosen of offered")),
    ]
    layers = [
        # The lightest shade is the ground: a matrix of 60 words would else be 3600 marks.
        rectangles(ground),
        *([rectangles(never)] if never else []),
        *([rectangles(shaded, tooltip)] if shaded else []),
        _diagonal(len(words), sheet.cell, lines.step, colors),
        *printed,
        heads,
        lines.labels(colors),
        *shade_legend("0 %", _("chosen: 100 %"), margins, colors),
    ]
    return finish(layers, width, lines.height, margins, colors)


@dataclass(frozen=True)
class _Sheet:
    """Where cells are. ``named``: words stand over the columns, not the rows' numbers."""

    lines: Rows
    cell: float
    named: bool

    def box(self, row: int, column: int) -> dict[str, float]:
        return {
            "x": self.cell * column,
            "x2": self.cell * (column + 1),
            "y": self.lines.step * row,
            "y2": self.lines.step * (row + 1),
        }


def _sheet(words: Sequence[str], width: int) -> _Sheet:
    """Words over the columns where they are few and fit, else numbers."""
    few = len(words) <= FEW
    for numbered in (False, True) if few else (True,):
        lines = rows_of(words, width, numbered=numbered)
        # Tenths of a pixel: short numbers in the picture.
        cell = int(10 * (width - lines.left - 6) / len(words)) / 10
        cell = min(cell, 72.0 if few else 44.0)
        if numbered or heads_fit(words, cell):
            break
    return _Sheet(lines, cell, named=not numbered)


def _boxes(
    matrix: Matrix, order: Sequence[int], words: Sequence[str], sheet: _Sheet, colors: Palette
) -> list[dict[str, Any]]:
    """Every pair that was offered, by rows."""
    found = []
    for i, row in enumerate(order):
        for j, column in enumerate(order):
            ratio = matrix["ratio"][row][column]
            if ratio is None:
                continue
            found.append(
                {
                    **sheet.box(i, j),
                    "color": colors.shades[step(ratio)],
                    "shade": step(ratio),
                    "asked": words[i],
                    "option": words[j],
                    "ratio": ratio,
                    "n": f"{matrix['chosen'][row][column]}/{matrix['offered'][row][column]}",
                }
            )
    return found


def _printed(boxes: Sequence[Mapping[str, Any]], sheet: _Sheet, colors: Palette) -> list[Any]:
    """In the cells of few words chosen of offered; percent where that does not fit."""
    if len(sheet.lines.words) > FEW:
        return []
    styles = (
        [box["n"] for box in boxes],
        [f"{box['ratio']:.0%}" for box in boxes],
        [f"{100 * box['ratio']:.0f}" for box in boxes],
    )
    labels = next(
        (style for style in styles if all(text_width(s, SMALL) <= sheet.cell - 4 for s in style)),
        None,
    )
    if labels is None:
        return []
    groups: dict[str, list[dict[str, Any]]] = {colors.ink: [], colors.on_shade: []}
    for box, text in zip(boxes, labels, strict=True):
        color = colors.on_shade if box["shade"] >= STEPS // 2 else colors.ink
        middle = {"x": (box["x"] + box["x2"]) / 2, "y": (box["y"] + box["y2"]) / 2}
        groups[color].append({**middle, "text": text})
    return [
        texts(rows, color, size=SMALL, align="center") for color, rows in groups.items() if rows
    ]


def _diagonal(count: int, cell: float, height: int, colors: Palette) -> Any:
    # In narrow cells a thinner frame, so that their shade is seen.
    line = 1.5 if cell > 10 else 0.75
    boxes = [
        {
            "x": cell * i + line / 2,
            "x2": cell * (i + 1) - line / 2,
            "y": height * i + line / 2,
            "y2": height * (i + 1) - line / 2,
        }
        for i in range(count)
    ]
    return (
        data(boxes)
        .mark_rect(filled=False, stroke=colors.warm, strokeWidth=line, aria=False)
        .encode(x=pixel("x", "x"), x2=pixel("x2", "x2"), y=pixel("y", "y"), y2=pixel("y2", "y2"))
    )


def _column_numbers(count: int, cell: float, colors: Palette) -> Any:
    """The rows' numbers: every one where there is room, else every fifth, every tenth …"""
    every = next(
        n for n in (1, 5, 10, 50, 100) if n * cell >= text_width("00", SMALL) + 2 or n == 100
    )
    rows = [
        {"x": cell * (n - 0.5), "y": -10, "text": str(n)}
        for n in range(1, count + 1)
        if n % every == 0
    ]
    return texts(rows, colors.muted, size=SMALL, align="center")


def _table(analysis: Analysis, kind: str) -> Table:
    matrix = _matrix(analysis, kind)
    header = (*(_("asked word"), _("option"), _("offered"), _("chosen"), _("chosen when offered")),)
    if matrix is None:
        return Table(words=True, header=header, rows=())
    words = analysis["confusions"]["words"]
    order = _order(matrix)
    return Table(
        words=True,
        header=header,
        rows=tuple(
            (
                *(words[i], words[j], matrix["offered"][i][j], matrix["chosen"][i][j]),
                matrix["ratio"][i][j],
            )
            for i in order
            for j in order
            if matrix["offered"][i][j]
        ),
    )


def _caption(analysis: Analysis) -> str:
    return _(
        "Row: the word asked for; column: the word that an option stands for (numbers are those of the rows). The shade is how often the option "
        "was chosen when it was offered (in the cells of few words: chosen of offered, or percent): foils are drawn at random, so counts alone would mislead. Framed: the right "
        "option. Blank: never offered together. Words that are taken for each other stand together (hierarchical clustering)."
    )


def _confusion(name: str, kind: str, title: Any) -> Chart:
    return Chart(
        name=name,
        title=title,
        caption=_caption,
        draw=lambda analysis, width, colors: _draw(analysis, width, colors, kind),
        table=lambda analysis: _table(analysis, kind),
        drawable=lambda analysis: _matrix(analysis, kind) is not None,
    )


CONFUSION = _confusion("confusion", "all", gettext_lazy("Which word is taken for which"))
CONFUSION_PICTURE = _confusion(
    "confusion-picture", "picture", gettext_lazy("Which picture is chosen for which word")
)
CONFUSION_WORD = _confusion(
    "confusion-word", "word", gettext_lazy("Which word is chosen for which picture")
)


# --- map of words -------------------------------------------------------------------------------


def _points(analysis: Analysis) -> Sequence[Sequence[float]] | None:
    points: Sequence[Sequence[float]] | None = section(
        analysis, "confusions", "kinds", "all", "map", "points"
    )
    return points


def _draw_map(analysis: Analysis, width: int, colors: Palette) -> Spec:
    points = _points(analysis) or ()
    words = analysis["confusions"]["words"]
    clear = {
        row["word"] for row in section(analysis, "accuracy", "words") or [] if row["above_chance"]
    }
    signs = [
        Sign("circle", colors.accent, True, _("above chance")),
        Sign("circle", colors.weak, False, _("not shown to be")),
    ]
    margins = Margins(left=8, right=8, top=legend_height(signs, width), bottom=8)
    room = width - 16
    spots, tall = _fit(points, room, edge=min(60.0, room / 6))
    size = SMALL if len(words) > 20 else FONT_SIZE
    numbered = _crowded(words, room, tall, size)
    if numbered:
        spots, tall = _fit(points, room, edge=24.0)
    shown = [str(n) for n in range(1, len(words) + 1)] if numbered else words
    labels = place_labels(spots, shown, room, tall, size)
    values = [
        {
            "word": word,
            "x": x,
            "y": y,
            "stroke": colors.accent if word in clear else colors.weak,
            "fill": colors.accent if word in clear else colors.paper,
        }
        for word, (x, y) in zip(words, spots, strict=True)
    ]
    names = [
        {"word": word, "x": label.x, "y": label.y, "text": label.text}
        for word, label in zip(words, labels, strict=True)
    ]
    key, height = _key(words, room, tall, colors) if numbered else ([], tall)
    layers = [
        *_leaders(labels, colors),
        _map_dots(values, 22 if numbered else 50),
        texts(names, colors.ink, size=size, align="center"),
        *key,
        *legend(signs, width, margins, colors),
    ]
    return finish(layers, width, height, margins, colors)


def _crowded(words: Sequence[str], room: float, height: float, size: float) -> bool:
    """Whether words would cover so much of the map that numbers with a key must do."""
    widths = [text_width(word, size) for word in words]
    return max(widths) > 0.4 * room or sum(widths) * (size + 4) > 0.25 * room * height


def _key(words: Sequence[str], room: int, top: int, colors: Palette) -> tuple[list[Any], int]:
    """Numbers and their words in columns below the map, and the height with them."""
    entries = [f"{n} {word}" for n, word in enumerate(words, start=1)]
    columns = max(1, min(6, room // (max(text_width(text, SMALL) for text in entries) + 14)))
    lines = [wrap(text, room / columns - 14, SMALL) for text in entries]
    each = -(-len(words) // columns)
    rows, height = [], 0.0
    for column in range(columns):
        y = top + 20.0
        for place in range(column * each, min((column + 1) * each, len(words))):
            for line in lines[place]:
                rows.append(
                    {"word": words[place], "x": column * room / columns, "y": y, "text": line}
                )
                y += LINE_HEIGHT
        height = max(height, y)
    return [texts(rows, colors.ink, size=SMALL)], round(height)


def _map_dots(values: Sequence[dict[str, Any]], size: int) -> Any:
    import altair as alt

    return (
        data(values)
        .mark_point(size=size, strokeWidth=2, opacity=1)
        .encode(
            x=pixel("x", "x"),
            y=pixel("y", "y"),
            stroke=alt.Stroke("stroke:N", scale=None),
            fill=alt.Fill("fill:N", scale=None),
            description="key:N",
            tooltip=[tip("word", _("word"))],
        )
    )


def _leaders(labels: Sequence[Label], colors: Palette) -> list[Any]:
    """Thin lines from labels that had to move away to their points."""
    rows = [
        {"x": label.x, "y": label.y, "x2": label.point[0], "y2": label.point[1]}
        for label in labels
        if label.far
    ]
    if not rows:
        return []
    line = data(rows).mark_rule(color=colors.weak, strokeWidth=0.75, aria=False)
    return [
        line.encode(
            x=pixel("x", "x"), x2=pixel("x2", "x2"), y=pixel("y", "y"), y2=pixel("y2", "y2")
        )
    ]


def _fit(
    points: Sequence[Sequence[float]], width: int, edge: float
) -> tuple[list[tuple[float, float]], int]:
    """Points in pixels with one scale for both directions (distances mean something), and the height."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    edge_y = 2.0 * LINE_HEIGHT
    wide, tall = max(max(xs) - min(xs), 1e-9), max(max(ys) - min(ys), 1e-9)
    # A few words need no tall picture.
    scale = min((width - 2 * edge) / wide, min(140 + 40 * len(points), 560) / tall)
    height = round(scale * tall + 2 * edge_y)
    left = (width - scale * wide) / 2
    return [
        (left + scale * (x - min(xs)), edge_y + scale * (max(ys) - y))
        for x, y in zip(xs, ys, strict=True)
    ], height


def _map_table(analysis: Analysis) -> Table:
    return Table(
        words=True,
        header=(_("word"), "x", "y"),
        rows=tuple(
            (word, *point)
            for word, point in zip(
                section(analysis, "confusions", "words") or (),
                _points(analysis) or (),
                strict=False,
            )
        ),
    )


def _map_caption(analysis: Analysis) -> str:
    stress = section(analysis, "confusions", "kinds", "all", "map", "stress")
    text = _(
        "The nearer two words are, the more often they were taken for each other (multidimensional scaling of "
        "similarities from chosen divided by offered). Only distances mean something, directions do not."
    )
    return text if stress is None else f"{text} " + _("Stress %(stress).2f.") % {"stress": stress}


MAP = Chart(
    name="map",
    title=gettext_lazy("Map of words"),
    caption=_map_caption,
    draw=_draw_map,
    table=_map_table,
    drawable=lambda analysis: bool(_points(analysis)),
    missing=gettext_lazy("A map needs at least three words that were offered together."),
)
