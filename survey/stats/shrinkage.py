"""Accuracy of words with few answers: drawn toward the mean of all words, as far as words are alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from survey.stats.data import Data, Floats

STRENGTHS, MEANS = 64, 15
"""Grid of the common distribution's parameters."""

LARGEST = 1e4
"""A strength of so many times the answers of a word means that words do not differ."""


class ShrinkageError(ValueError):
    """Counts or a confidence that cannot be."""


@dataclass(frozen=True)
class Shrunk:
    """Words' accuracies given the common distribution Beta(mu · strength, (1 − mu) · strength).

    ``mu`` and ``strength`` are the most likely ones; ``strength``, in answers, is None where words differ no more than answers of
    one word do. ``sd`` is the standard deviation of words' true accuracies by them. ``shrunk`` and ``intervals`` have one
    entry a word.
    """

    mu: float
    strength: float | None
    sd: float
    shrunk: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Grid:
    """Parameters a, b of common distributions, each with its posterior probability; the most likely mu and strength."""

    a: Floats
    b: Floats
    weight: Floats
    mu: float
    strength: float


def shrink(correct: Sequence[int], answers: Sequence[int], confidence: float = 0.95) -> Shrunk:
    """Bayes empirical Bayes estimates of proportions.

    Word i has x_i right of n_i answers, x_i ~ Binomial(n_i, p_i), p_i ~ Beta(mu · s, (1 − mu) · s) (Griffin and Krutchkoff 1971,
    Biometrika 58, 599–604, and many since). Given mu and s, p_i has the distribution Beta(x_i + mu s, n_i − x_i + (1 − mu) s). To
    take the most likely mu and s as if they were known makes intervals too short (Morris 1983, JASA 78, 47–55), so they are
    averaged over (Deely and Lindley 1981, Bayes empirical Bayes, JASA 76, 833–841): mu uniform, s such that the
    shrinkage s/(s + n) of a word with the mean number n of answers is uniform (Daniels 1999, Canad. J. Statist. 27, 567–578).
    The average is a sum over a fixed grid of 64 values of s by 15 of mu (around the best mu of each s, six
    standard errors to either side on the log-odds scale), so nothing is drawn. Answers are taken as independent.

    Args:
        correct, answers: by word, 0 ≤ correct ≤ answers; words without answers have the common distribution.
        confidence: of the equal-tailed intervals.

    Raises:
        ShrinkageError: no words or no answers, counts or a confidence that cannot be.
    """
    x, n = np.asarray(correct, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    if x.ndim != 1 or x.shape != n.shape or len(x) == 0:
        raise ShrinkageError(
            f"Expected right and all answers of the same words; came {x.shape} and {n.shape}."
        )
    if not (np.isfinite(n).all() and (x >= 0).all() and (x <= n).all()):
        raise ShrinkageError("Expected 0 ≤ correct ≤ answers for every word.")
    if not n.any():
        raise ShrinkageError("Expected an answer at least to one word; there is none.")
    if not 0.0 < confidence < 1.0:
        raise ShrinkageError(
            f"Confidence must lie between 0 and 1 (such as 0.95), not {confidence}."
        )
    grid = _grid(x, n)
    given = grid.a + grid.b
    shrunk = [
        float((grid.weight * (right + grid.a) / (total + given)).sum())
        for right, total in zip(x, n, strict=True)
    ]
    tail = (1.0 - confidence) / 2.0
    limits = [_quantiles(grid, x, n, level) for level in (tail, 1.0 - tail)]
    finite = math.isfinite(grid.strength)
    return Shrunk(
        mu=grid.mu,
        strength=grid.strength if finite else None,
        sd=math.sqrt(grid.mu * (1 - grid.mu) / (1 + grid.strength)) if finite else 0.0,
        shrunk=tuple(shrunk),
        intervals=tuple(zip(*(map(float, limit) for limit in limits), strict=True)),
    )


def _grid(x: Floats, n: Floats) -> _Grid:
    from scipy.special import betaln, expit, logit

    scale = max(1.0, float(n.mean()))
    strength = np.exp(np.linspace(math.log(0.05), math.log(2 * LARGEST * scale), STRENGTHS))
    # Var(x/n) = mu (1 − mu) (1 + (n − 1)/(s + 1))/n: how much each word says of mu, in independent answers.
    says = n / (1 + np.maximum(n - 1, 0) / (strength[:, None] + 1))
    total = says.sum(axis=1)
    center = ((says * x / np.maximum(n, 1)).sum(axis=1) + 0.5) / (total + 1)
    se = 1 / np.sqrt((total + 1) * center * (1 - center))
    odds = logit(center)[:, None] + se[:, None] * np.linspace(-6, 6, MEANS)
    mu = expit(odds)
    s = np.broadcast_to(strength[:, None], mu.shape)
    a, b = s * mu, s * expit(-odds)
    log_likelihood = (betaln(x + a[..., None], n - x + b[..., None]) - betaln(a, b)[..., None]).sum(
        axis=-1
    )
    best = int(log_likelihood.argmax())
    # Densities over log-odds and log s: the uniform mu has mu (1 − mu), the uniform shrinkage B has B (1 − B).
    kept = s / (s + scale)
    log_weight = log_likelihood + np.log(mu * expit(-odds) * kept * (1 - kept) * se[:, None])
    weight = np.exp(log_weight - log_weight.max()).ravel()
    # What hardly counts costs as much as the rest.
    counts = weight > 1e-6
    weight = weight[counts] / weight[counts].sum()
    most_likely = _most_likely(x, n, float(odds.flat[best]), float(s.flat[best]))
    return _Grid(a.ravel()[counts], b.ravel()[counts], weight, *most_likely)


def _most_likely(x: Floats, n: Floats, odds: float, strength: float) -> tuple[float, float]:
    """The mu and strength of the largest marginal likelihood, from the grid's best point; infinite where words do not differ."""
    from scipy.optimize import minimize
    from scipy.special import betaln, expit

    if strength >= LARGEST * max(1.0, float(n.mean())):
        return float(x.sum() / n.sum()), math.inf

    def cost(at: Floats) -> float:
        a, b = np.exp(at[1]) * expit(at[0]), np.exp(at[1]) * expit(-at[0])
        return float(-(betaln(x + a, n - x + b) - betaln(a, b)).sum())

    start = np.array([odds, math.log(strength)])
    found = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})
    return float(expit(found.x[0])), float(np.exp(found.x[1]))


def _quantiles(grid: _Grid, x: Floats, n: Floats, level: float) -> Floats:
    """By word, where the mixture of Beta distributions has the probability ``level`` below it; by halving, to 1e-7."""
    from scipy.special import betainc

    # Words of equal counts are computed once.
    cases, places = np.unique(np.column_stack([x, n]), axis=0, return_inverse=True)
    right, wrong = cases[:, 0], cases[:, 1] - cases[:, 0]
    a, b = right[:, None] + grid.a, wrong[:, None] + grid.b
    low, high = np.zeros(len(cases)), np.ones(len(cases))
    for _ in range(24):
        middle = (low + high) / 2
        above = (grid.weight * betainc(a, b, middle[:, None])).sum(axis=1) > level
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(((low + high) / 2)[places])


def shrinkage_of_words(data: Data) -> dict[str, Any]:
    """`shrink` over the asked words' accuracies; ``mu`` None and no words where there are no answers."""
    counted = data.counted()
    word = data.question_word[counted.question]
    answers = np.bincount(word, minlength=len(data.words))
    correct = np.bincount(word[counted.correct], minlength=len(data.words))
    places = list(data.asked_words)
    if not answers[places].any():
        return {"mu": None, "strength": None, "sd": None, "words": []}
    result = shrink(correct[places].tolist(), answers[places].tolist())
    return {
        "mu": result.mu,
        "strength": result.strength,
        "sd": result.sd,
        "words": [
            {
                "word": data.words[place],
                "correct": int(correct[place]),
                "answers": int(answers[place]),
                "raw": float(correct[place] / answers[place]) if answers[place] else None,
                "shrunk": shrunk,
                "interval": list(interval),
            }
            for place, shrunk, interval in zip(places, result.shrunk, result.intervals, strict=True)
        ],
    }
