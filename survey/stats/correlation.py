"""Rank correlation of accuracy with what is known of pictures beforehand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.stats.data import KINDS, MAIN, NONE, Data, Floats, Ints, Stimulus

EXACT = 7
"""So many points have 5,040 orders: all are computed."""

PERMUTATIONS, DRAWS = 9_999, 1_000

FEW_WORDS = 5
"""Of fewer words no interval is drawn."""

MEASURES = ("style_distance", "dispersion", "style_loss", "content_loss", "rating")

# Of many rows of ranks so many numbers are held at once.
_AT_ONCE = 2_000_000


class CorrelationError(ValueError):
    """Columns that cannot be correlated."""


@dataclass(frozen=True)
class Correlation:
    """``rho`` from −1 to 1; None, like what follows from it, where a column does not vary or has fewer than 3 points."""

    n: int
    rho: float | None
    interval: tuple[float, float] | None
    interval_method: str
    p_value: float | None
    p_method: str


def spearman(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Spearman's rank correlation: Pearson's of the ranks, ties at their mean rank (Spearman 1904; Kendall 1948).

    None for fewer than 3 points or a column that does not vary. Raises CorrelationError for columns of different
    lengths and numbers that are not finite.
    """
    left, right = _columns(x, y)
    if len(left) < 3:
        return None
    rho = _pearson(_ranks(left), _ranks(right))
    return None if math.isnan(float(rho)) else float(rho)


def bonett_wright(rho: float, n: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """The interval of Spearman's correlation of n independent points.

    Bonett and Wright (2000), Psychometrika 65, 23–28: Fisher's z with the variance (1 + ρ²/2)/(n − 3). Their
    simulations hold to |ρ| = .95. None for n ≤ 3 or |ρ| = 1, where there is no such variance.

    >>> [round(limit, 3) for limit in bonett_wright(0.5, 23)]
    [0.084, 0.767]
    """
    if not -1.0 <= rho <= 1.0 or not 0.0 < confidence < 1.0:
        raise CorrelationError(
            f"Expected −1 ≤ rho ≤ 1 and a confidence inside (0, 1); came {rho} and {confidence}."
        )
    if n <= 3 or abs(rho) > 1 - 1e-12:
        return None
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def correlate(
    x: Sequence[float] | Floats, y: Sequence[float] | Floats, *, seed: int = 0
) -> Correlation:
    """Spearman's correlation of independent points, its interval (`bonett_wright`) and two-sided test.

    The p value is of the permutation distribution of |ρ|, all orders of one column being equally likely: of all orders up to
    7 points, else of 9,999 drawn ones (the order seen counts as one: Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39).
    """
    left, right = _columns(x, y)
    n, rho = len(left), spearman(left, right)
    if rho is None:
        return Correlation(n, None, None, "", None, "")
    if n <= EXACT:
        orders = np.array(list(permutations(range(n))))
    else:
        orders = _orders([np.arange(n)[:, None]], seed)
    p_value = _p_value(rho, _ranks(left), _ranks(right), orders, drawn=n > EXACT)
    return Correlation(
        n,
        rho,
        bonett_wright(rho, n),
        "Bonett-Wright",
        p_value,
        "exact" if n <= EXACT else "permutation",
    )


def correlate_in_words(
    x: Sequence[float] | Floats,
    y: Sequence[float] | Floats,
    word: Sequence[int] | Ints,
    layout: Sequence[Any],
    *,
    seed: int = 0,
) -> Correlation:
    """Spearman's correlation of questions within layouts, whose independent units are words.

    A layout is what a question is beside its word. Two recipes' losses are not on one scale, and a content may be difficult
    whatever the word, so both columns are ranked among the questions of the same layout only (`_grades`) and all layouts taken
    together: a partial rank correlation, given the layout. What differs between layouts alone says nothing; a layout of one
    question does not count.

    Questions of one word share its photographs and its meaning, so free permutations and `bonett_wright` would take them for more
    than they are (a dispersion, for instance, is one number a word). Here words keep their questions together: the p value
    is over permutations of whole words (Winkler et al. 2015, Multi-level block permutation, NeuroImage 123, 253–268), the
    interval of percentiles over 1,000 draws of whole words with replacement (Davison and Hinkley 1997, section
    3.8), from 5 words on. A word may take the place of another whose questions are laid out alike.

    Args:
        x, y: by question, in any order.
        word: by question.
        layout: by question, what it is beside its word (content, kind, recipe, variant), sortable.
        seed: of permutations and draws.
    """
    left, right = map(_ranks, _columns(x, y))
    n, places = len(left), _layout_places(layout)
    grades = _grades(left, places), _grades(right, places)
    rho = float(_pearson(*grades)) if n >= 3 else math.nan
    if math.isnan(rho):
        return Correlation(n, None, None, "", None, "")
    words = np.asarray(word)
    by_layout = np.argsort(places, kind="stable")
    blocks: dict[tuple[int, ...], list[Ints]] = {}
    for one in np.unique(words):
        mine = by_layout[words[by_layout] == one]
        blocks.setdefault(tuple(places[mine].tolist()), []).append(mine)
    orders = _orders([np.array(alike) for alike in blocks.values()], seed)
    p_value = _p_value(rho, *grades, orders, drawn=True)
    members = [mine for alike in blocks.values() for mine in alike]
    interval = (
        _drawn_interval(left, right, places, members, seed) if len(members) >= FEW_WORDS else None
    )
    return Correlation(n, rho, interval, "bootstrap of words", p_value, "permutation of words")


def _layout_places(layout: Sequence[Any]) -> Ints:
    """Each layout as a number from 0, in their order."""
    place = {key: number for number, key in enumerate(sorted(set(layout)))}
    return np.array([place[key] for key in layout], dtype=np.int64)


def _grades(ranks: Floats, layout: Ints) -> Floats:
    """Of ranks (from 1), those among the same layout, less their mean, over their number: from −½ to ½."""
    # Sorted by layout first, ranks of one layout follow each other.
    ranks = _ranks(ranks + layout * (ranks.max(initial=0) + 1))
    size = np.maximum(np.bincount(layout), 1)
    return np.asarray((ranks - (np.bincount(layout, ranks) / size)[layout]) / size[layout])


def _columns(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    left, right = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if left.ndim != 1 or left.shape != right.shape:
        raise CorrelationError(
            f"Expected two columns of one length; came shapes {left.shape} and {right.shape}."
        )
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise CorrelationError("Expected finite numbers. Leave points without a measure out.")
    return left, right


def _ranks(values: NDArray[Any]) -> NDArray[Any]:
    """Ranks along the last axis, ties at their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=-1))


def _pearson(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Along the last axis; NaN where a row does not vary."""
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    scale = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    top = np.asarray((x * y).sum(axis=-1))
    return np.asarray(np.divide(top, scale, out=np.full_like(top, np.nan), where=scale > 0))


def _orders(blocks: Sequence[NDArray[Any]], seed: int) -> NDArray[Any]:
    """Drawn permutations (9,999 × n) of places that exchange whole rows of each block (units × places of a unit)."""
    rng = np.random.default_rng(seed)
    n = sum(block.size for block in blocks)
    orders = np.empty((PERMUTATIONS, n), dtype=np.int32)
    for block in blocks:
        units = rng.permuted(np.tile(np.arange(len(block)), (PERMUTATIONS, 1)), axis=1)
        orders[:, block.ravel()] = block[units].reshape(PERMUTATIONS, -1)
    return orders


def _p_value(rho: float, x: Floats, y: Floats, orders: NDArray[Any], *, drawn: bool) -> float:
    # Ranks are permuted, not made again, so only the sum of products changes.
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float((x * x).sum() * (y * y).sum()))
    step = max(1, _AT_ONCE // len(x))
    extreme = sum(
        int((np.abs(x[orders[at : at + step]] @ y) >= (abs(rho) - 1e-9) * scale).sum())
        for at in range(0, len(orders), step)
    )
    return (extreme + 1) / (len(orders) + 1) if drawn else extreme / len(orders)


def _drawn_interval(
    x: Floats, y: Floats, layout: Ints, members: Sequence[Ints], seed: int
) -> tuple[float, float] | None:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        drawn = rng.integers(len(members), size=len(members))
        rows = np.concatenate([members[unit] for unit in drawn])
        found.append(
            float(_pearson(_grades(x[rows], layout[rows]), _grades(y[rows], layout[rows])))
        )
    varied = [rho for rho in found if not math.isnan(rho)]
    if len(varied) < 0.9 * DRAWS:
        return None
    low, high = np.quantile(varied, [0.025, 0.975])
    return float(low), float(high)


def correlations_with_accuracy(data: Data, *, seed: int = 0) -> list[dict[str, Any]]:
    """Accuracy against each measure that pictures have: one row over questions, one over words.

    Measures are those of `data.Stimulus`, and the mean rating of word and content. Questions are the asked ones with answers
    and a measure, compared within content, kind, recipe and variant (`correlate_in_words`); over words, both columns are means over
    the word's questions of their ranks there (`correlate`). ``x`` and ``y`` of points are as measured, of words their means.
    Rows where fewer than 3 points have the measure say so by a ``rho`` of None.
    """
    counted = data.counted()
    answers = np.bincount(counted.question, minlength=len(data.questions))
    correct = np.bincount(counted.question[counted.correct], minlength=len(data.questions))
    asked = [place for place in data.asked if answers[place]]
    ratings = mean_ratings(data)
    rows = []
    for measure in MEASURES:
        values = {place: _measure(data, place, measure, ratings) for place in asked}
        points = [
            (place, float(value), float(correct[place] / answers[place]))
            for place, value in values.items()
            if value is not None and math.isfinite(value)
        ]
        rows += [
            _over_questions(data, measure, points, seed),
            _over_words(data, measure, points, seed),
        ]
    return rows


Points = Sequence[tuple[int, float, float]]
"""(question, measure, accuracy)."""


def _stimuli(data: Data, points: Points) -> list[Stimulus]:
    return [data.stimuli[data.questions[place].stimulus] for place, _x, _y in points]


def _layouts(data: Data, points: Points) -> list[tuple[int, ...]]:
    """What each question is beside its word."""
    return [
        (row.content, KINDS.index(data.questions[place].kind), row.recipe, row.variant)
        for row, (place, _x, _y) in zip(_stimuli(data, points), points, strict=True)
    ]


def _over_questions(data: Data, measure: str, points: Points, seed: int) -> dict[str, Any]:
    stimuli = _stimuli(data, points)
    result = correlate_in_words(
        [x for _place, x, _y in points],
        [y for _place, _x, y in points],
        [row.word for row in stimuli],
        _layouts(data, points),
        seed=seed,
    )
    return _row(
        measure,
        "question",
        result,
        [
            {
                "question": data.questions[place].id,
                "word": data.words[row.word],
                "content": data.contents[row.content],
                "kind": data.questions[place].kind,
                "x": x,
                "y": y,
            }
            for row, (place, x, y) in zip(stimuli, points, strict=True)
        ],
    )


def _over_words(data: Data, measure: str, points: Points, seed: int) -> dict[str, Any]:
    layout = _layout_places(_layouts(data, points))
    columns = np.array([point[1:] for point in points], dtype=np.float64).reshape(-1, 2).T
    grades = [_grades(_ranks(column), layout) for column in columns]
    of_word: dict[int, list[tuple[float, ...]]] = {}
    for row, *values in zip(_stimuli(data, points), *columns, *grades, strict=True):
        of_word.setdefault(row.word, []).append(tuple(values))
    means = {word: np.mean(rows, axis=0) for word, rows in of_word.items()}
    result = correlate(
        [float(mean[2]) for mean in means.values()],
        [float(mean[3]) for mean in means.values()],
        seed=seed,
    )
    return _row(
        measure,
        "word",
        result,
        [
            {"word": data.words[word], "content": None, "x": float(mean[0]), "y": float(mean[1])}
            for word, mean in means.items()
        ],
    )


def _row(
    measure: str, level: str, result: Correlation, points: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "measure": measure,
        "level": level,
        "n": result.n,
        "rho": result.rho,
        "interval": None if result.interval is None else list(result.interval),
        "interval_method": result.interval_method or None,
        "p_value": result.p_value,
        "p_method": result.p_method or None,
        "points": points,
    }


def _measure(
    data: Data, place: int, measure: str, ratings: dict[tuple[int, int], float]
) -> float | None:
    stimulus = data.stimuli[data.questions[place].stimulus]
    if measure == "rating":
        return ratings.get((stimulus.word, stimulus.content))
    value: float | None = getattr(stimulus, measure)
    return value


def mean_ratings(data: Data) -> dict[tuple[int, int], float]:
    """(word, content) → the mean rating, from 1; only of those that were rated."""
    word, content, rating = ratings_given(data)
    totals: dict[tuple[int, int], list[int]] = {}
    for w, c, r in zip(word.tolist(), content.tolist(), rating.tolist(), strict=True):
        totals.setdefault((w, c), []).append(r)
    return {cell: sum(given) / len(given) for cell, given in totals.items()}


def ratings_given(data: Data) -> tuple[Ints, Ints, Ints]:
    """Word, content (places) and rating (from 1) of each rating trial of the main part that was answered with a point."""
    trials = data.trials
    rows = (
        (trials.role == MAIN) & data.question_is_rating[trials.question] & (trials.chosen != NONE)
    )
    question = trials.question[rows]
    return (
        data.question_word[question],
        data.question_content[question],
        np.asarray(trials.chosen[rows].astype(np.int64) + 1),
    )
