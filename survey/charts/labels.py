"""Labels beside points, without one lying upon another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from survey.charts.theme import text_width

Box = tuple[float, float, float, float]
DOT = 5.0


@dataclass(frozen=True)
class Label:
    """A text centered at (x, y) for the ``point``; ``far`` if a line must join them."""

    text: str
    x: float
    y: float
    point: tuple[float, float]
    far: bool


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    width: float,
    height: float,
    size: float = 14,
) -> list[Label]:
    """Greedy: each label takes the nearest of many places around its point that nothing lies on.

    Points in crowds choose first. Where every place is taken, the one least covered is used: no label is left out.
    """
    dots = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in points]
    taken: list[Box] = []
    found: dict[int, Label] = {}
    for place in sorted(range(len(points)), key=lambda i: _loneliness(points, i)):
        point, text = points[place], texts[place]
        half = text_width(text, size) / 2 + 1
        best = min(
            _candidates(point, half, size, width, height),
            key=lambda spot: (
                sum(_overlap(spot[0], box) for box in (*taken, *dots)) + 4 * spot[1],
                spot[1],
            ),
        )
        box, distance = best
        taken.append(box)
        found[place] = Label(
            text, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, point, far=distance > 10
        )
    return [found[place] for place in range(len(points))]


def _loneliness(points: Sequence[tuple[float, float]], place: int) -> float:
    return sum(sorted(math.dist(points[place], other) for other in points)[:5])


def _candidates(
    point: tuple[float, float], half: float, size: float, width: float, height: float
) -> list[tuple[Box, float]]:
    """Boxes around the point with how far they are from it, all inside the frame."""
    x, y = point
    tall = size / 2 + 2
    spots = []
    for distance in (3, 8, 16, 26, 38, 52, 68, 86):
        for turn in range(16):
            angle = math.tau * turn / 16
            cx = x + math.cos(angle) * (DOT + distance + half)
            cy = y + math.sin(angle) * (DOT + distance + tall)
            # A label of the frame's edge is pushed inside.
            cx = min(max(cx, half), width - half)
            cy = min(max(cy, tall), height - tall)
            spots.append(((cx - half, cy - tall, cx + half, cy + tall), float(distance)))
    return spots


def _overlap(a: Box, b: Box) -> float:
    """The area that both cover, in square pixels."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    tall = min(a[3], b[3]) - max(a[1], b[1])
    return wide * tall if wide > 0 and tall > 0 else 0.0
