"""Interval of a share of right answers when the answers of one rater go together.

Wilson's interval takes answers as independent. Some raters are better than others, so they are not, and with 9 raters ×
69 questions it covers the truth far too seldom (docs/method.md, Intervals; `benchmarks/coverage.py`). Here the
raters are the sample. What is estimated is the accuracy, over all raters that might have taken part, on the questions of
the study.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survey.stats.accuracy import wilson

EFFECTIVE, BOOTSTRAP = "effective-n Wilson", "rater bootstrap"
FEW_RATERS = 30
"""Below it no bootstrap: too few raters to draw from."""
RESAMPLES = 2000
# Cells that are worked on at once: drawn weights, and raters' counts (64 MiB in single precision).
BLOCK, TABLE = 1 << 20, 1 << 24
# Tables of raters × rows up to this size are counted whole; of larger ones only what is there.
DENSE = 1 << 23

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class IntervalError(ValueError):
    """Counts of which no interval can be computed."""


@dataclass(frozen=True)
class Pooled:
    """An interval over raters. ``low`` and ``high`` lie in [0, 1].

    ``method`` is EFFECTIVE or BOOTSTRAP, None without answers. ``effective_n`` is n*: so many independent answers would
    say as much. ``design_effect`` is the variance between raters over that of independent answers (Kish 1965), 1 where no rater
    answered twice, None where it cannot be known: a single rater, or all answers right, or all wrong.
    """

    low: float
    high: float
    method: str | None
    effective_n: float | None
    design_effect: float | None


@dataclass(frozen=True)
class RaterCounts:
    """Right answers and answers of each rater in each row of a report, where there are any.

    Arrays of one length: ``row`` and ``rater`` are places from 0, no pair twice; ``correct`` ≤ ``answers``, ``answers`` ≥ 1.
    """

    row: Counts
    rater: Counts
    correct: Counts
    answers: Counts
    rows: int
    raters: int

    def __post_init__(self) -> None:
        if np.any((self.correct < 0) | (self.correct > self.answers) | (self.answers < 1)):
            raise IntervalError(
                "Expected 0 ≤ correct ≤ answers and an answer at least for each rater and row; "
                "came other counts. Leave out raters without answers."
            )

    @classmethod
    def of_answers(
        cls, row: ArrayLike, rater: ArrayLike, correct: ArrayLike, rows: int, raters: int
    ) -> Self:
        """Counts of single answers: three arrays of one length, the row and the rater of each and whether it was right."""
        right = np.asarray(correct, dtype=np.float64)
        return cls.of_counts(row, rater, right, np.ones(len(right)), rows, raters)

    @classmethod
    def of_counts(
        cls,
        row: ArrayLike,
        rater: ArrayLike,
        correct: ArrayLike,
        answers: ArrayLike,
        rows: int,
        raters: int,
    ) -> Self:
        """Counts of which several may belong to one row and rater, and some may be of no answers."""
        places = np.asarray(row, dtype=np.int64) * max(raters, 1) + np.asarray(rater, np.int64)
        pairs = np.arange(rows * raters)
        if len(pairs) > DENSE:
            pairs, places = np.unique(places, return_inverse=True)
        right, given = (
            np.bincount(places, np.asarray(x, dtype=np.float64), len(pairs)).astype(np.int64)
            for x in (correct, answers)
        )
        there = given > 0
        pairs = pairs[there]
        return cls(
            row=pairs // max(raters, 1),
            rater=pairs % max(raters, 1),
            correct=right[there],
            answers=given[there],
            rows=rows,
            raters=raters,
        )

    def sums(self, values: ArrayLike) -> Floats:
        """Of a value for each pair, the sum over the raters of each row. Shape (rows,)."""
        weights = np.asarray(values, dtype=np.float64)
        return np.bincount(self.row, weights, self.rows).astype(np.float64)


@dataclass(frozen=True)
class Effective:
    """Effective-n Wilson intervals of many rows, arrays of shape (rows,); ``away`` is cᵢ − p̂nᵢ of each pair.

    ``t`` is Student's quantile, ``design_effect`` NaN where it cannot be known.
    """

    share: Floats
    answers: Floats
    raters: Floats
    t: Floats
    effective_n: Floats
    design_effect: Floats
    low: Floats
    high: Floats
    away: Floats


def pooled(correct: ArrayLike, answers: ArrayLike, **options: Any) -> Pooled:
    """The interval of one share. See `pooled_rows`, which has the same keyword arguments.

    ``correct`` and ``answers``: of each rater, 0 ≤ correct ≤ answers; raters without answers do not count.
    Raises IntervalError for other counts.

    >>> a = pooled([3, 3, 2, 3, 1, 2, 3, 0, 3], [3] * 9)  # 9 raters × 3 questions, 20 of 27 right
    >>> a.method, round(a.effective_n, 2), round(a.design_effect, 2), round(a.low, 2), round(a.high, 2)
    ('effective-n Wilson', 9.41, 2.07, 0.42, 0.92)
    """
    right, given = (np.atleast_1d(np.asarray(x, dtype=np.int64)) for x in (correct, answers))
    if right.shape != given.shape or right.ndim != 1:
        raise IntervalError(
            f"Expected two counts for each rater; came shapes {right.shape} and {given.shape}."
        )
    if np.any((right < 0) | (right > given)):
        raise IntervalError("Expected 0 ≤ correct ≤ answers for each rater; came other counts.")
    there = np.flatnonzero(given)
    counts = RaterCounts(
        np.zeros(len(there), np.int64), np.arange(len(there)), right[there], given[there], 1, len(there)
    )  # fmt: skip
    return pooled_rows(counts, **options)[0]


def pooled_rows(
    counts: RaterCounts, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> list[Pooled]:
    """An interval for each row, by the method that its number of raters allows.

    *Effective-n Wilson*, with fewer than 30 raters: Wilson's interval of p̂ = Σcᵢ / Σnᵢ with n* answers in place of n,

        n* = min(n, p̂q̂ / SE² · (z/t)²),   SE² = R/(R − 1) · Σ(cᵢ − p̂nᵢ)² / n²

    SE is that of a ratio of rater totals (Cochran 1977, *Sampling Techniques*, ch. 6, no finite population), t Student's
    quantile with R − 1 degrees of freedom. Effective samples in Wilson's interval: Korn and Graubard 1998, Survey Methodology 24,
    193–201, who put them into Clopper and Pearson's; Dean and Pagano 2015, J. Survey Stat. Methodol. 3, 484–503. Never narrower than Wilson's own.

    - p̂ of 0 or 1: SE is 0, but that all answers are alike does not say that answers of one rater are independent.
      The bound that holds however much they go together is one answer a rater: n* = R.
    - One rater: nothing is known of raters' differences; n* = 1.
    - No rater gave two answers: nothing goes together; n* = n, which is Wilson's interval.

    *Rater bootstrap*, from 30 raters: ``resamples`` times as many raters as there are, drawn with replacement from all of
    them with all their answers; percentiles of the share, at the level Φ(√(R/(R − 1)) · t) in place of α/2, which makes up for
    the bootstrap's too small variance (Hesterberg 2015, The American Statistician 69, 371–386, expanded
    percentile interval). Departure: with shares near 0 or 1 percentiles lie too close to p̂ (coverage .82 with 30 raters × 3
    questions at .965), so a limit of the effective-n Wilson interval that is farther out takes their place.

    All rows share the same drawn raters. Sums are of whole numbers, so a seed gives the same limits on every machine.
    Returns one Pooled a row, (0.0, 1.0) with method None where there are no answers. Raises AccuracyError for
    a confidence outside (0, 1).
    """
    from scipy.special import ndtr

    found = effective_rows(counts, confidence)
    raters, n, low, high = found.raters, found.answers, found.low.copy(), found.high.copy()
    many = np.flatnonzero((raters >= FEW_RATERS) & (raters < n))
    if len(many):
        level = ndtr(-np.sqrt(raters[many] / (raters[many] - 1)) * found.t[many])
        drawn = _percentiles(counts, many, level, resamples, seed)
        low[many], high[many] = np.minimum(low[many], drawn[0]), np.maximum(high[many], drawn[1])
    bootstrapped = set(many.tolist())
    return [
        Pooled(
            low=float(low[i]),
            high=float(high[i]),
            method=BOOTSTRAP if i in bootstrapped else EFFECTIVE,
            effective_n=float(found.effective_n[i]),
            design_effect=float(found.design_effect[i])
            if math.isfinite(found.design_effect[i])
            else None,
        )
        if n[i]
        else Pooled(0.0, 1.0, None, None, None)
        for i in range(counts.rows)
    ]


def effective_rows(counts: RaterCounts, confidence: float = 0.95) -> Effective:
    """The effective-n Wilson interval of each row, whatever its number of raters. See `pooled_rows`."""
    from scipy.special import ndtri, stdtrit

    wilson(0, 0, confidence)  # Raises for what cannot be.
    raters = counts.sums(np.ones(len(counts.row)))
    n, right = counts.sums(counts.answers), counts.sums(counts.correct)
    share = right / np.maximum(n, 1)
    away = counts.correct - share[counts.row] * counts.answers
    factor = raters / np.maximum(raters - 1, 1)
    variance = factor * counts.sums(away * away) / np.maximum(n, 1) ** 2
    z = float(ndtri((1 + confidence) / 2))
    t = stdtrit(np.maximum(raters - 1, 1), (1 + confidence) / 2)
    inside = (share > 0) & (share < 1) & (raters > 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(inside, variance * n / (share * (1 - share)), np.nan)
        # Where raters agree to the letter the variance is 0 and n the limit.
        effective = np.where(inside, np.minimum(n, n / effect * (z / t) ** 2), raters)
    single = raters == n
    effective, effect = np.where(single, n, effective), np.where(single & (n > 0), 1.0, effect)
    low, high = wilson_limits(share, effective, z)
    return Effective(share, n, raters, t, effective, effect, low, high, away)


def wilson_limits(share: Floats, answers: Floats, z: float) -> tuple[Floats, Floats]:
    """Wilson's limits of many shares; ``answers`` need not be whole. No answers: 0 and 1. See `accuracy.wilson`."""
    n = np.maximum(answers, 1e-9)
    scale = 1 + z * z / n
    center = (share + z * z / (2 * n)) / scale
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    low = np.where((share <= 0) | (answers <= 0), 0.0, np.maximum(0.0, center - half))
    high = np.where((share >= 1) | (answers <= 0), 1.0, np.minimum(1.0, center + half))
    return low, high


def exact_limits(
    correct: ArrayLike, answers: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Clopper and Pearson's limits of many counts, as quantiles of beta distributions. See `accuracy.clopper_pearson`."""
    from scipy.special import betaincinv

    right, n = (np.asarray(x, dtype=np.float64) for x in (correct, answers))
    tail = (1 - confidence) / 2
    low = np.where(right > 0, betaincinv(np.maximum(right, 1), n - right + 1, tail), 0.0)
    high = np.where(right < n, betaincinv(right + 1, np.maximum(n - right, 1), 1 - tail), 1.0)
    return low, high


def _percentiles(
    counts: RaterCounts, rows: Counts, level: Floats, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Bootstrap percentiles ``level`` and 1 − ``level`` of the share in those rows."""
    low, high = np.zeros(len(rows)), np.ones(len(rows))
    width = max(1, TABLE // (2 * counts.raters))
    for start in range(0, len(rows), width):
        some = rows[start : start + width]
        shares = _resampled(counts, some, resamples, seed)
        for i in range(len(some)):
            at = level[start + i]
            low[start + i], high[start + i] = np.quantile(shares[:, i], (at, 1 - at))
    return low, high


def _resampled(counts: RaterCounts, rows: Counts, resamples: int, seed: int) -> Floats:
    """Shares of those rows in each resample of raters: (resamples, rows)."""
    column = np.full(counts.rows, -1)
    column[rows] = np.arange(len(rows))
    at = column[counts.row]
    mine = at >= 0
    # Sums of whole numbers below 2²⁴ are exact in single precision too, at half the time.
    exact = counts.raters * counts.answers.max(initial=0) < 1 << 24
    # Right answers, then answers.
    table = np.zeros((counts.raters, 2 * len(rows)), np.float32 if exact else np.float64)
    table[counts.rater[mine], at[mine]] = counts.correct[mine]
    table[counts.rater[mine], at[mine] + len(rows)] = counts.answers[mine]
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, 2 * len(rows)))
    step = max(1, BLOCK // counts.raters)
    for start in range(0, resamples, step):
        many = min(step, resamples - start)
        drawn = rng.integers(counts.raters, size=(many, counts.raters))
        flat = (drawn + np.arange(many)[:, None] * counts.raters).ravel()
        weights = np.bincount(flat, minlength=many * counts.raters).reshape(many, counts.raters)
        sums[start : start + many] = weights.astype(table.dtype) @ table
    right, n = sums[:, : len(rows)], sums[:, len(rows) :]
    # A resample may hold no answer to a row that few of many raters answered.
    whole = table[:, : len(rows)].sum(axis=0) / table[:, len(rows) :].sum(axis=0)
    return np.where(n > 0, right / np.maximum(n, 1), whole)
