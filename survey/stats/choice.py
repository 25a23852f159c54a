"""Is an option chosen more often when it is right than when it is wrong? A striking picture does not fool this test.

A rater who ignores the word picks what strikes the eye, and picks it as often when it is shown as a foil. So what counts
is not how often an option was chosen but *when*: as target or as foil. That holds because foils are drawn for each rater
(`survey.design`); with the same foils for all it would not (`benchmarks/foils.py`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survey.stats.intervals import Effective, RaterCounts, effective_rows

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# Terms below this are dropped from distributions, and p values below the second are given as 0.0.
DROPPED, SMALLEST = 1e-50, 1e-40


class ChoiceError(ValueError):
    """Counts that cannot be."""


def conditional_p_value(
    shown: ArrayLike, as_target: ArrayLike, chosen: ArrayLike, right: int
) -> float:
    """P(at least ``right`` right choices), given what was shown and how often it was chosen: exact, one-sided.

    A stratum is one option shown to one rater (in questions of one number of options). It was shown N times, t of
    them as target, and chosen C times. Whoever ignores the word chooses by what is shown together only; which of the N
    sets has the option as its target is then drawn independently of the choices, so the number of right choices is
    hypergeometric: C drawn of N, t of which are right. Strata are independent, their sum is the statistic:
    Fisher's exact test, stratified (Mantel and Haenszel 1959, JNCI 22, 719–748; exact as in Gart 1970,
    Biometrika 57, 471–475). In the usual design N = m and t = 1: a choice is right with odds 1 : m − 1, and C choices of one rater
    hold at most one right one, which a binomial test against 1/m would not know. "Not sure" is a showing without
    choice.

    Three arrays of one length, one entry a stratum: 0 ≤ t ≤ N, 0 ≤ C ≤ N. Returns a value in [0, 1], good to 1e-10
    relatively; below 1e-40 it is 0.0. Raises ChoiceError for other counts.

    >>> conditional_p_value([4, 4], [1, 1], [1, 2], 2)  # 1/4 × 2/4
    0.125
    """
    table = np.stack([np.atleast_1d(np.asarray(x, np.int64)) for x in (shown, as_target, chosen)])
    if np.any((table < 0) | (table > table[0])):
        raise ChoiceError(
            "Expected options shown as target, and chosen, at most as often as shown; came others."
        )
    # Few patterns, many strata: one number for each pattern sorts much faster than three.
    base = int(table.max(initial=0)) + 1
    patterns, times = np.unique((table[0] * base + table[1]) * base + table[2], return_counts=True)
    return _tail(
        [
            (hypergeometric(pattern // base**2, pattern // base % base, pattern % base), count)
            for pattern, count in zip(patterns.tolist(), times.tolist(), strict=True)
        ],
        right,
    )


def guess_p_value(right: int, options: dict[int, int]) -> float:
    """`accuracy.chance_p_value`, for large counts: ``options`` maps m to the number of answers. Below 1e-40: 0.0.

    >>> guess_p_value(1, {4: 1, 2: 1})  # 1 − 3/4 × 1/2
    0.625
    """
    if any(m < 1 or n < 0 for m, n in options.items()):
        raise ChoiceError(f"Expected m ≥ 1 options and n ≥ 0 answers; came {options}.")
    return _tail([(np.array([1 - 1 / m, 1 / m]), n) for m, n in options.items()], right)


def hypergeometric(shown: int, as_target: int, chosen: int) -> Floats:
    """P(k of ``chosen`` are right) for k = 0 … ``as_target``."""
    ways = [
        math.comb(as_target, k) * math.comb(shown - as_target, chosen - k) if k <= chosen else 0
        for k in range(as_target + 1)
    ]
    return np.array([way / math.comb(shown, chosen) for way in ways])


def _tail(groups: list[tuple[Floats, int]], right: int) -> float:
    """P(sum ≥ right) for so many independent variables of each distribution over 0, 1, …"""
    first, total = 0, np.ones(1)
    for distribution, times in groups:
        start, power = _power(distribution, times)
        first, total = _trimmed(first + start, np.convolve(total, power))
    p = math.fsum(total[max(0, right - first) :])
    return min(1.0, p) if p > SMALLEST else 0.0


def _power(distribution: Floats, times: int) -> tuple[int, Floats]:
    """Distribution of the sum of ``times`` such variables, by repeated squaring: its first value, and the terms."""
    first, total = 0, np.ones(1)
    start, square = _trimmed(0, distribution)
    while times:
        if times & 1:
            first, total = _trimmed(first + start, np.convolve(total, square))
        times >>= 1
        if times:
            start, square = _trimmed(2 * start, np.convolve(square, square))
    return first, total


def _trimmed(first: int, terms: Floats) -> tuple[int, Floats]:
    kept = np.flatnonzero(terms > DROPPED)
    return first + int(kept[0]), terms[kept[0] : kept[-1] + 1]


# --- how much more often ------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """P(chosen | target) − P(chosen | foil) of each row, with limits; NaN where one of the two was never shown."""

    target: Floats
    foil: Floats
    difference: Floats
    low: Floats
    high: Floats


def differences(target: RaterCounts, foil: RaterCounts, confidence: float = 0.95) -> Difference:
    """Difference of two shares, row by row, with an interval over raters.

    Newcombe's (1998b, Statistics in Medicine 17, 873–890) method 10: with Wilson's limits (l, u) of each share,

        low  = d − √((p₁ − l₁)² + (u₂ − p₂)² − 2r(p₁ − l₁)(u₂ − p₂))
        high = d + √((u₁ − p₁)² + (p₂ − l₂)² − 2r(u₁ − p₁)(p₂ − l₂))

    Departures, since raters answer several times: Wilson's limits are those at the effective number of answers
    (`intervals.pooled_rows`), and r is the correlation of the two shares over raters, as Zou and Donner (2008, Statistics in
    Medicine 27, 1693–1702) put it in: Σaᵢbᵢ / √(Σaᵢ² Σbᵢ²), a and b each rater's total less what the share expects.
    Without raters in common, or where a share is 0 or 1, r is 0.

    ``target``: of each row and rater, how often shown as target (``answers``) and chosen then (``correct``); ``foil`` likewise;
    the same rows and raters.
    """
    if (target.rows, target.raters) != (foil.rows, foil.raters):
        raise ChoiceError(
            "Expected targets and foils of the same rows and raters; came "
            f"{target.rows} × {target.raters} and {foil.rows} × {foil.raters}."
        )
    a, b = effective_rows(target, confidence), effective_rows(foil, confidence)
    r = _correlation(target, a, foil, b)
    d = a.share - b.share
    down, up = (a.share - a.low, b.high - b.share), (a.high - a.share, b.share - b.low)
    low, high = d - _together(*down, r), d + _together(*up, r)
    none = (a.answers == 0) | (b.answers == 0)
    return Difference(
        *(
            np.where(never, np.nan, values)
            for never, values in (
                (a.answers == 0, a.share),
                (b.answers == 0, b.share),
                (none, d),
                (none, np.maximum(low, -1)),
                (none, np.minimum(high, 1)),
            )
        )
    )


def _together(x: Floats, y: Floats, r: Floats) -> Floats:
    # Never below 0 but for rounding.
    return np.sqrt(np.maximum(0, x * x + y * y - 2 * r * x * y))


def _correlation(left: RaterCounts, a: Effective, right: RaterCounts, b: Effective) -> Floats:
    mine = left.row * max(left.raters, 1) + left.rater
    theirs = right.row * max(left.raters, 1) + right.rater
    _, at, to = np.intersect1d(mine, theirs, assume_unique=True, return_indices=True)
    products = a.away[at] * b.away[to]
    covariance = np.bincount(left.row[at], products, left.rows)
    scale = np.sqrt(left.sums(a.away**2) * right.sums(b.away**2))
    return np.divide(covariance, scale, out=np.zeros(left.rows), where=scale > 0)
