"""Accuracy of a count: intervals, the chance level, the test against chance, corrections for many tests."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist


class AccuracyError(ValueError):
    """Counts, a confidence, numbers of options or p values that cannot be."""


def wilson(correct: int, answers: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, without continuity correction.

    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22, 209–212;
    method 3 of Newcombe (1998), Statistics in Medicine 17, 857–872. Answers are taken as independent;
    answers of one rater are not quite, so the interval is somewhat too narrow.

    ``correct`` of ``answers`` are counts, 0 ≤ correct ≤ answers; ``confidence`` lies inside (0, 1).
    Returns (low, high) within [0, 1]. No answers say nothing: (0.0, 1.0).
    Raises AccuracyError for anything else.

    >>> [round(x, 4) for x in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if not 0 <= correct <= answers:
        raise AccuracyError(
            f"Expected 0 ≤ correct ≤ answers; came correct {correct}, answers {answers}."
        )
    if not 0.0 < confidence < 1.0:
        raise AccuracyError(
            f"Confidence must lie between 0 and 1 (such as 0.95), not {confidence}."
        )
    if answers == 0:
        return (0.0, 1.0)
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    p = correct / answers
    scale = 1.0 + z * z / answers
    center = (p + z * z / (2 * answers)) / scale
    half = z * math.sqrt(p * (1 - p) / answers + z * z / (4 * answers * answers)) / scale
    # At the ends one limit is exact; rounding must not push it off.
    low = 0.0 if correct == 0 else max(0.0, center - half)
    high = 1.0 if correct == answers else min(1.0, center + half)
    return (low, high)


def clopper_pearson(correct: int, answers: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a proportion: all that neither one-sided test at (1 − confidence)/2 rejects.

    Clopper and Pearson (1934), Biometrika 26, 404–413; method 5 of Newcombe (1998). Never covers less than
    ``confidence`` and mostly more, so it is wider than Wilson's. The limits are found by halving, to 1e-12.

    Arguments, return value and errors are those of `wilson`.

    >>> [round(x, 4) for x in clopper_pearson(81, 263)]
    [0.2527, 0.3676]
    """
    wilson(correct, answers, confidence)  # Raises for what cannot be.
    if answers == 0:
        return (0.0, 1.0)
    alpha = (1.0 - confidence) / 2.0
    low = 0.0 if correct == 0 else _solve(lambda p: _at_least(correct, answers, p) - alpha)
    high = 1.0
    if correct < answers:
        high = 1.0 - _solve(lambda q: _at_least(answers - correct, answers, q) - alpha)
    return (low, high)


def chance_level(options: Mapping[int, int]) -> float | None:
    """Accuracy of guessing: the mean of 1/m over answers.

    ``options`` maps m to n: n answers were given to questions of m options. Returns a value in
    (0, 1], or None when there are no answers. Raises AccuracyError for m < 1 or n < 0.

    >>> chance_level({4: 1, 2: 1})
    0.375
    """
    answers = _answers(options)
    return sum(n / m for m, n in options.items()) / answers if answers else None


def chance_p_value(correct: int, options: Mapping[int, int]) -> float:
    """P(at least ``correct`` right answers) if every answer were guessed: the exact, one-sided binomial test.

    Conover (1999), Practical Nonparametric Statistics, 3rd ed., section 3.1. A guess among m options is
    right with probability 1/m. Where m differs between answers, the number of right ones follows a
    Poisson-binomial distribution (Wang 1993, Statistica Sinica 3, 295–312), which is summed exactly too,
    not replaced by a binomial of the mean chance. If everybody guesses, answers of one
    rater are independent too. A small p value says that not all guessed, not why (see `survey.stats.choice`).

    ``options`` maps m to n as in `chance_level`; 0 ≤ correct ≤ number of answers. Returns a value in
    [0, 1], exact but for rounding (about 1e-12, relatively); 0.0 only where it is too small for a float. No
    answers say nothing: 1.0. Raises AccuracyError for anything else.

    >>> chance_p_value(2, {4: 2})  # (1/4)²
    0.0625
    >>> chance_p_value(1, {4: 1, 2: 1})  # 1 − 3/4 × 1/2
    0.625
    """
    answers = _answers(options)
    if not 0 <= correct <= answers:
        raise AccuracyError(
            f"Expected 0 ≤ correct ≤ answers; came correct {correct}, answers {answers}."
        )
    # The largest group is summed by its tail; others, if any, term by term: slow only for thousands of answers.
    *others, (m, n) = sorted(options.items(), key=lambda group: group[1]) or [(1, 0)]
    right = [1.0]
    for other, count in others:
        right = _convolve(right, _binomial(count, other))
    return min(1.0, math.fsum(p * _tail(correct - k, n, 1, m) for k, p in enumerate(right)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: adjusted p values, in the order given.

    Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 65–70.
    Rejecting where the adjusted value is at most α keeps the probability of any false rejection among
    the tests at or below α, whatever their dependence. The i-th smallest of k values (from 0) is multiplied by
    k − i, never falls below the one before it, and is at most 1.

    ``p_values`` lie in [0, 1]; any number of them. Raises AccuracyError for others.

    >>> [round(p, 3) for p in holm([0.03, 0.01, 0.02])]
    [0.04, 0.03, 0.04]
    """
    wrong = [p for p in p_values if not 0.0 <= p <= 1.0]
    if wrong:
        raise AccuracyError(f"Expected p values from 0 to 1; came {wrong[0]}.")
    adjusted = [0.0] * len(p_values)
    before = 0.0
    for i, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        before = max(before, min(1.0, (len(p_values) - i) * p_values[place]))
        adjusted[place] = before
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the false discovery rate, in the order given.

    Benjamini and Hochberg (1995), JRSS B 57, 289–300, in the step-up form of Yekutieli and Benjamini (1999,
    J. Stat. Plan. Inference 82, 171–196): the i-th smallest of k values (from 1) times k/i, at most as large as
    the one after it. Rejecting where the adjusted value is at most q keeps the expected share of false
    rejections at or below q for independent or positively dependent tests.

    ``p_values`` lie in [0, 1]; any number of them. Raises AccuracyError for others.

    >>> [round(p, 3) for p in benjamini_hochberg([0.03, 0.01, 0.02])]
    [0.03, 0.03, 0.03]
    """
    holm(p_values)  # Raises for what cannot be.
    adjusted = [0.0] * len(p_values)
    after = 1.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for i in range(len(order) - 1, -1, -1):
        after = min(after, p_values[order[i]] * len(order) / (i + 1))
        adjusted[order[i]] = after
    return adjusted


def _answers(options: Mapping[int, int]) -> int:
    for m, n in options.items():
        if m < 1 or n < 0:
            raise AccuracyError(f"Expected m ≥ 1 options and n ≥ 0 answers; came m {m}, n {n}.")
    return sum(options.values())


def _tail(k: int, n: int, a: int, m: int) -> float:
    """P(X ≥ k) for the number X of right ones among n answers, each right with probability a/m."""
    if k <= 0:
        return 1.0
    if k > n:
        return 0.0
    if k * m <= n * a:
        # Below the mean the other tail is the short one: at least n − k + 1 wrong.
        return 1.0 - _tail(n - k + 1, n, m - a, m)
    # The first term by whole numbers, each further one from its neighbour; above the mean they fall.
    term: float = math.comb(n, k) * a**k * (m - a) ** (n - k) / m**n
    total = term
    for j in range(k, n):
        term *= (n - j) * a / ((j + 1) * (m - a))
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, total)


def _at_least(k: int, n: int, p: float) -> float:
    """P(X ≥ k) for a binomial X of n trials, 1 ≤ k ≤ n and 0 < p < 1; small tails keep their digits."""
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    term = math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
    odds, total = p / (1.0 - p), term
    for j in range(k, n):
        term *= (n - j) / (j + 1) * odds
        total += term
        # Beyond the mode terms fall faster and faster.
        if term < total * 1e-17 and j > n * p:
            break
    return total


def _solve(rising: Callable[[float], float]) -> float:
    """Where a function that rises over (0, 1) is 0."""
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2.0
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2.0


def _binomial(n: int, m: int) -> list[float]:
    """P(X = k) for k = 0 … n, each of n answers right with probability 1/m."""
    return [math.comb(n, k) * (m - 1) ** (n - k) / m**n for k in range(n + 1)]


def _convolve(left: Sequence[float], right: Sequence[float]) -> list[float]:
    """The distribution of a sum of two independent counts."""
    total = [0.0] * (len(left) + len(right) - 1)
    for i, p in enumerate(left):
        for j, q in enumerate(right):
            total[i + j] += p * q
    return total
