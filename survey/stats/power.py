"""Planning: how surely a word is found, and how exactly its accuracy is known, with so many raters.

A word is *found* when the report would call it above chance: an exact one-sided binomial test of its right
answers against chance 1/m, corrected by Holm over all words of the study.

Answers of one rater go together. What is planned with is therefore the *effective* number of answers,
answers ÷ design effect, in the test and in the interval (Kish 1965). The report's test counts all answers, which
guesses justify: they are independent, whoever gives them. `power_of_all_answers` is its power; that with
effective answers is smaller, the more so the more raters differ (docs/planning.md has both in figures).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_ANSWERS = 100_000
"""Effective answers about one word up to which a needed number is looked for."""
MAX_RATERS = 1_000_000


class PowerError(ValueError):
    """A plan that cannot be."""


class OutOfReach(PowerError):
    """What is wanted may take more answers or raters than are looked through."""


@dataclass(frozen=True)
class Plan:
    """What decides the power beside raters and accuracy.

    Attributes:
        options: m, options of a question, at least 2; chance is 1/m.
        words: words tested as one family, at least 1.
        answers_each: answers that one rater gives about one word (pictures of it × directions), above 0;
            no whole number where a rater is asked only some of the questions.
        design_effect: how many times larger the variance of a word's accuracy is than with independent
            answers, at least 1 (`design_effect`).
        alpha: probability of finding any word that is only guessed, inside (0, 1).

    Raises:
        PowerError: a value out of range.
    """

    options: int
    words: int
    answers_each: float = 1.0
    design_effect: float = 1.0
    alpha: float = 0.05

    def __post_init__(self) -> None:
        _check("options of a question", self.options, 2, 1000)
        _check("words", self.words, 1, 1000)
        _check("answers of a rater about a word", self.answers_each, 1e-6, 10_000)
        _check("design effect", self.design_effect, 1, 10_000)
        _inside("alpha", self.alpha)

    @property
    def chance(self) -> float:
        return 1.0 / self.options

    @property
    def first_level(self) -> float:
        """α/k: the level of Holm's first step, at which a word is found whatever the others do."""
        return self.alpha / self.words

    def answers(self, raters: int) -> int:
        """About one word, whole ones."""
        return int(_whole(raters * self.answers_each))

    def effective(self, raters: int) -> int:
        """Independent answers that say as much, whole ones."""
        return int(_whole(raters * self.answers_each / self.design_effect))


@dataclass(frozen=True)
class HolmPower:
    """What Holm's whole procedure finds. ``mean`` is the expected share of the recognizable words that is found;
    ``every`` and ``any`` the probability that all and at least one of them are; ``false`` that a guessed one is."""

    mean: float
    every: float
    any: float
    false: float


# --- answers that go together ---------------------------------------------------------------------


def design_effect(answers_each: float, correlation: float) -> float:
    """1 + (a − 1)·ρ for a answers of one rater about one word, correlated by ρ.

    Kish (1965), Survey Sampling, section 5.4 (clusters of one size). A rater who answers at most once
    about a word makes no cluster: 1. ``answers_each`` > 0, ``correlation`` from 0 to 1; PowerError otherwise.

    >>> design_effect(3, 0.25)
    1.5
    """
    _check("answers of a rater about a word", answers_each, 1e-6, 10_000)
    _check("correlation", correlation, 0, 1)
    return 1.0 + max(0.0, answers_each - 1.0) * correlation


def accuracy_of_skill(skill: float, options: int) -> float:
    """P + (1 − P)/m: who knows the answer with probability P and guesses otherwise (Abbott 1925).

    ``skill`` lies in [0, 1], ``options`` is at least 2; PowerError otherwise. Inverse of `skill_of_accuracy`.

    >>> accuracy_of_skill(0.5, 4)
    0.625
    """
    _check("skill", skill, 0, 1)
    _check("options of a question", options, 2, 1000)
    return skill + (1.0 - skill) / options


def skill_of_accuracy(accuracy: float, options: int) -> float:
    """(p − 1/m) / (1 − 1/m): accuracy corrected for guessing; negative below chance.

    >>> skill_of_accuracy(0.625, 4)
    0.5
    """
    _check("accuracy", accuracy, 0, 1)
    _check("options of a question", options, 2, 1000)
    return (accuracy * options - 1.0) / (options - 1.0)


# --- the test of one word -------------------------------------------------------------------------


def critical_counts(answers: ArrayLike, chance: float, level: float) -> Ints:
    """The fewest right answers that guessing reaches with probability at most ``level``.

    Args:
        answers: numbers of answers n ≥ 0, any shape.
        chance: accuracy of guessing, inside (0, 1).
        level: of the one-sided test, inside (0, 1).

    Returns:
        c of the same shape: P(X ≥ c) ≤ level < P(X ≥ c − 1); n + 1 where even n right answers are not enough.
        Conover (1999), Practical Nonparametric Statistics, 3rd ed., section 3.1.

    >>> critical_counts([2, 10, 30], 1 / 3, 0.05).tolist()
    [3, 7, 15]
    """
    n = np.asarray(answers, dtype=np.int64)
    # Halving, for all n at once: the tail falls as c grows. `low` is too few: half of all guessers reach the median,
    # at least ⌊np⌋. `high` is enough by Hoeffding's bound exp(−2(c − np)²/n).
    low = np.floor(n * chance).astype(np.int64) if level < 0.5 else np.zeros_like(n)
    far = np.ceil(n * chance + np.sqrt(n * -math.log(level) / 2)).astype(np.int64)
    high = np.minimum(far, n) + 1
    while np.any(high - low > 1):
        middle = (low + high) // 2
        # A tail of exactly the level counts, whatever its last bit is.
        enough = _tail(middle, n, chance) <= level * (1 + 1e-12)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high)


def power(plan: Plan, raters: int, accuracy: float) -> float:
    """P(a word of that true accuracy is found) at Holm's first step, whatever the other words do.

    The exact power of the one-sided binomial test at level α/k with the plan's effective answers; it rises with
    the number of raters in a sawtooth, because right answers come in whole numbers (Chernick and Liu 2002, The
    American Statistician 56, 149–155). At accuracy 1/m it is the exact size of the test. Holm's later steps
    only add to it (`holm_power`).

    ``raters`` ≥ 0, ``accuracy`` in [0, 1]. Raises PowerError for others.
    """
    _check("raters", raters, 0, MAX_RATERS)
    _check("accuracy", accuracy, 0, 1)
    return float(_powers(plan, np.array([plan.effective(raters)]), accuracy)[0])


def power_of_all_answers(plan: Plan, raters: int, accuracy: float) -> float | None:
    """The power of the test as the report makes it, with all answers, where raters differ.

    Accuracy has a beta distribution over raters, so that the right answers of each are beta-binomial (Skellam
    1948, JRSS B 10, 257–261) and correlated by ρ = (deff − 1)/(a − 1); their sum over raters is exact. Level α/k as in
    `power`, and equal to it without a design effect. Where a is no whole number, raters give the two
    whole numbers next to it.

    ``raters`` from 0 to 100,000 answers, ``accuracy`` in [0, 1]; PowerError otherwise. None where no
    correlation has that design effect (ρ would be above 1).
    """
    _check("accuracy", accuracy, 0, 1)
    answers = plan.answers(raters)
    _check("answers about a word", answers, 0, MAX_ANSWERS)
    if plan.design_effect > max(1.0, plan.answers_each):
        return None
    correlation = 0.0
    if plan.design_effect > 1:
        correlation = (plan.design_effect - 1) / (plan.answers_each - 1)
    few = math.floor(plan.answers_each)
    with_more = answers - raters * few
    transform = np.ones((answers + 1) // 2 + 1, dtype=np.complex128)
    for each, people in ((few, raters - with_more), (few + 1, with_more)):
        one = np.zeros(max(answers, each) + 1)
        one[: each + 1] = _beta_binomial(each, accuracy, correlation)
        if people:
            transform *= np.fft.rfft(one, answers + 1) ** people
    right = np.fft.irfft(transform, answers + 1)
    critical = int(critical_counts(answers, plan.chance, plan.first_level))
    return float(np.clip(right[critical:].sum(), 0.0, 1.0))


@lru_cache(maxsize=256)
def needed_raters(plan: Plan, accuracy: float, target: float) -> int:
    """The fewest raters from which the power at Holm's first step stays at or above ``target``.

    Not the first number that reaches it: in a sawtooth some larger number may fall below again (Chernick and
    Liu 2002). That it stays is proven, not tried: for a share x between chance and accuracy, both errors are
    at most exp(−n·KL) (Chernoff 1952, Ann. Math. Statist. 23, 493–507; Hoeffding 1963, JASA 58, theorem 1), which
    gives a number of answers from which the power cannot fall below the target. Below it all are computed.

    Raises:
        PowerError: the accuracy is not above chance, or the target not inside (0, 1).
        OutOfReach: that may take more than MAX_ANSWERS effective answers or MAX_RATERS raters.
    """
    _above_chance(plan, accuracy)
    _inside("power", target)
    safe = _safe_answers(plan.chance, accuracy, plan.first_level, target)
    most = math.ceil((safe + 1) * plan.design_effect / plan.answers_each)
    if safe > MAX_ANSWERS or most > MAX_RATERS:
        raise OutOfReach(
            f"Power {target:g} at accuracy {accuracy:g} against chance {plan.chance:.3g} may take more than "
            f"{MAX_ANSWERS} effective answers a word or {MAX_RATERS} raters, too many to look for. Plan for a "
            "larger accuracy, or more answers of each rater."
        )
    raters = np.arange(most + 1)
    effective = _whole(raters * plan.answers_each / plan.design_effect)
    powers = _powers(plan, np.arange(effective[-1] + 1), accuracy)[effective]
    return int(np.flatnonzero(powers < target)[-1]) + 1


def detectable_accuracy(plan: Plan, raters: int, target: float) -> float | None:
    """The smallest accuracy that is found with probability ``target`` at Holm's first step, to 1e-9.

    None where even all right answers are too few for the test. Raises PowerError for a target outside (0, 1).
    """
    _inside("power", target)
    if power(plan, raters, 1.0) == 0.0:
        return None
    low, high = plan.chance, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if power(plan, raters, middle) >= target else (middle, high)
    return high


# --- the family of words --------------------------------------------------------------------------


def holm_power(
    plan: Plan, raters: int, accuracy: float, recognizable: int | None = None
) -> HolmPower:
    """Exact power of Holm's step-down procedure over independent words.

    Args:
        raters: number of raters, 0 or more.
        accuracy: true accuracy of the recognizable words, in [0, 1].
        recognizable: how many of the plan's words have it; the others are guessed. None: all.

    Holm (1979, Scand. J. Statist. 6, 65–70) goes on from step i to i + 1 while at least i p values are at most
    α/(k − i + 1). The chain of the numbers of recognizable (a) and guessed words (b) with such p values is
    followed exactly, step by step; they are independent binomials given the step before. Words are taken as
    independent, which makes ``every`` and ``any`` approximate where raters differ in skill; ``mean`` hardly.

    Returns:
        HolmPower; with no recognizable word ``mean``, ``every`` and ``any`` are 0.
    """
    real = plan.words if recognizable is None else recognizable
    _check("recognizable words", real, 0, plan.words)
    _check("raters", raters, 0, MAX_RATERS)
    _check("accuracy", accuracy, 0, 1)
    guessed = plan.words - real
    n = plan.effective(raters)
    levels = [plan.alpha / (plan.words - i) for i in range(plan.words)]
    counts = [int(critical_counts(n, plan.chance, level)) for level in levels]
    # Only where the critical number changes does the chain move; there it passes several steps at once.
    ends = [i for i in range(plan.words) if i + 1 == plan.words or counts[i + 1] != counts[i]]
    going = np.zeros((real + 1, guessed + 1))
    going[0, 0] = 1.0
    stopped = np.zeros_like(going)
    found = np.add.outer(np.arange(real + 1), np.arange(guessed + 1))
    before = (0.0, 0.0)
    for end in ends:
        now = tuple(float(_tail(counts[end], n, p)) for p in (accuracy, plan.chance))
        for_real, for_guessed = (
            _moves(size, was, to)
            for size, was, to in zip((real, guessed), before, now, strict=True)
        )
        going = for_real.T @ going @ for_guessed
        stays = found <= end
        stopped += np.where(stays, going, 0.0)
        going = np.where(stays, 0.0, going)
        before = (now[0], now[1])
    stopped += going
    by_real = stopped.sum(axis=1)
    false = 1.0 - float(stopped[:, 0].sum())
    if real == 0:
        return HolmPower(0.0, 0.0, 0.0, max(0.0, false))
    return HolmPower(
        mean=float(by_real @ np.arange(real + 1)) / real,
        every=float(by_real[-1]),
        any=max(0.0, 1.0 - float(by_real[0])),
        false=max(0.0, false),
    )


# --- precision ------------------------------------------------------------------------------------


def expected_width(answers: int, accuracy: float, confidence: float = 0.95) -> float:
    """Mean width of Wilson's interval (`accuracy.wilson`) over the binomial of that many answers.

    Exact sum over all numbers of right answers, not the width at the expected one. ``answers`` from 0 (nothing
    is known: 1.0), ``accuracy`` in [0, 1], ``confidence`` inside (0, 1); PowerError otherwise.
    """
    _check("answers", answers, 0, 10 * MAX_ANSWERS)
    _check("accuracy", accuracy, 0, 1)
    _inside("confidence", confidence)
    if answers == 0:
        return 1.0
    z2 = NormalDist().inv_cdf((1.0 + confidence) / 2.0) ** 2
    share = np.arange(answers + 1) / answers
    half = np.sqrt(z2 * (share * (1 - share) / answers + z2 / (4 * answers**2)))
    return float(_binomial(answers, accuracy) @ (2 * half / (1 + z2 / answers)))


def raters_for_half_width(
    plan: Plan, accuracy: float, half_width: float, confidence: float = 0.95
) -> int:
    """The fewest raters with whom the interval's mean half width is at most ``half_width``.

    The mean width falls with every further answer, so halving finds it; with the plan's effective answers.
    ``half_width`` from 1e-6 to .5. Raises OutOfReach where it may take more than MAX_ANSWERS effective
    answers or MAX_RATERS raters.
    """
    _check("half width", half_width, 1e-6, 0.5)
    z2 = NormalDist().inv_cdf((1.0 + confidence) / 2.0) ** 2
    # At accuracy 1/2, the widest, Wilson's width is z/√(n + z²): enough for every accuracy.
    answers = max(0, math.ceil(z2 / (4 * half_width**2) - z2))
    most = math.ceil((answers + 1) * plan.design_effect / plan.answers_each)
    if answers > MAX_ANSWERS or most > MAX_RATERS:
        raise OutOfReach(
            f"A half width of {half_width:g} may take more than {MAX_ANSWERS} effective answers a word or "
            f"{MAX_RATERS} raters, too many to look for. Allow a wider interval."
        )
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        width = expected_width(plan.effective(middle), accuracy, confidence)
        low, high = (low, middle) if width <= 2 * half_width else (middle, high)
    return high


# --- all of it ------------------------------------------------------------------------------------


def power_section(
    plan: Plan,
    *,
    raters: int,
    accuracy: float,
    target: float = 0.8,
    half_width: float = 0.1,
    recognizable: int | None = None,
    accuracies: Sequence[float] = (),
    numbers: Sequence[int] = (),
) -> dict[str, Any]:
    """The plan's numbers as plain JSON values; what no number of raters gives is None.

    Args:
        raters: planned number.
        accuracy: the smallest true accuracy worth finding, above chance.
        target: wanted power.
        half_width: wanted mean half width of a word's 95 % interval.
        recognizable: words of that accuracy, for `holm_power`; None: all.
        accuracies: further ones for ``curve``.
        numbers: of raters, the rows of ``curve``.
    """
    _above_chance(plan, accuracy)
    real = plan.words if recognizable is None else recognizable
    n = plan.effective(raters)
    critical = int(critical_counts(n, plan.chance, plan.first_level))
    holm = holm_power(plan, raters, accuracy, real)
    shown = sorted({accuracy, *accuracies})
    return {
        "options": plan.options,
        "chance": plan.chance,
        "words": plan.words,
        "answers_each": plan.answers_each,
        "design_effect": plan.design_effect,
        "alpha": plan.alpha,
        "first_level": plan.first_level,
        "raters": raters,
        "answers": plan.answers(raters),
        "effective_answers": n,
        "critical_count": critical if critical <= n else None,
        "size": power(plan, raters, plan.chance),
        "accuracy": accuracy,
        "skill": skill_of_accuracy(accuracy, plan.options),
        "power": power(plan, raters, accuracy),
        "power_of_all_answers": power_of_all_answers(plan, raters, accuracy),
        "holm": {
            "recognizable": real,
            "mean": holm.mean,
            "expected": holm.mean * real,
            "every": holm.every,
            "any": holm.any,
            "false": holm.false,
        },
        "half_width": expected_width(n, accuracy) / 2,
        "detectable_accuracy": detectable_accuracy(plan, raters, target),
        "needed": {"power": target, "raters": _or_none(needed_raters, plan, accuracy, target)},
        "needed_for_half_width": {
            "half_width": half_width,
            "raters": _or_none(raters_for_half_width, plan, accuracy, half_width),
        },
        "accuracies": shown,
        "curve": _curve(plan, numbers, shown, accuracy),
    }


def _curve(
    plan: Plan, numbers: Sequence[int], accuracies: Sequence[float], accuracy: float
) -> list[dict[str, Any]]:
    effective = np.array([plan.effective(raters) for raters in numbers], dtype=np.int64)
    counts = critical_counts(effective, plan.chance, plan.first_level)
    powers = np.array([_tail(counts, effective, p) for p in accuracies])
    return [
        {
            "raters": raters,
            "answers": plan.answers(raters),
            "effective_answers": int(n),
            "critical_count": int(count) if count <= n else None,
            "powers": [float(p) for p in column],
            "half_width": expected_width(int(n), accuracy) / 2,
        }
        for raters, n, count, column in zip(numbers, effective, counts, powers.T, strict=True)
    ]


def _or_none(
    search: Callable[[Plan, float, float], int], plan: Plan, accuracy: float, wanted: float
) -> int | None:
    try:
        return search(plan, accuracy, wanted)
    except OutOfReach:
        return None


# --- pieces ---------------------------------------------------------------------------------------


def _tail(k: ArrayLike, n: ArrayLike, p: float) -> Floats:
    """P(X ≥ k) of a binomial: the regularized incomplete beta function I_p(k, n − k + 1)."""
    from scipy.special import betainc

    k, n = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    inside = (k >= 1) & (k <= n)
    tail = betainc(np.where(inside, k, 1.0), np.where(inside, n - k + 1, 1.0), p)
    return np.where(inside, tail, np.where(k < 1, 1.0, 0.0))


def _powers(plan: Plan, effective: Ints, accuracy: float) -> Floats:
    counts = critical_counts(effective, plan.chance, plan.first_level)
    return _tail(counts, effective, accuracy)


def _binomial(n: int, p: float) -> Floats:
    """P(X = k) for k = 0 … n, by logarithms."""
    k = np.arange(n + 1)
    if p in (0.0, 1.0):
        return np.asarray(k == n * p, dtype=np.float64)
    factorials = np.concatenate(([0.0], np.cumsum(np.log(k[1:]))))
    ways = factorials[n] - factorials - factorials[::-1]
    return np.asarray(np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p)))


def _beta_binomial(n: int, p: float, correlation: float) -> Floats:
    """P(X = k) for k = 0 … n, the probability having a beta distribution of mean p; ``correlation`` of two trials."""
    if correlation == 0 or p in (0.0, 1.0):
        return _binomial(n, p)
    if correlation == 1:
        return _binomial(1, p) if n < 2 else np.concatenate(([1 - p], np.zeros(n - 1), [p]))
    scale = (1 - correlation) / correlation
    a, b = p * scale, (1 - p) * scale

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    logs = [log_beta(k + a, n - k + b) - log_beta(a, b) for k in range(n + 1)]
    return np.array([math.comb(n, k) * math.exp(log) for k, log in enumerate(logs)])


def _moves(size: int, before: float, now: float) -> Floats:
    """From l to j of ``size`` p values at most a level, when their probability rises from before to now.

    (size + 1) × (size + 1), rows sum to 1.
    """
    left = 1.0 - before
    chance = min(1.0, max(0.0, (now - before) / left)) if left > 0 else 0.0
    moves = np.zeros((size + 1, size + 1))
    for done in range(size + 1):
        moves[done, done:] = _binomial(size - done, chance)
    return moves


def _safe_answers(chance: float, accuracy: float, level: float, target: float) -> int:
    """A number of answers from which the exact test always has at least the target power."""
    if accuracy == 1.0:
        # All answers are right: enough once the test can reject at all.
        return math.ceil(math.log(level) / math.log(chance))
    bound = math.inf
    low, high = chance, accuracy
    for _halving in range(60):
        share = (low + high) / 2
        false = -math.log(level) / _divergence(share, chance)
        missed = -math.log1p(-target) / _divergence(share, accuracy)
        bound = min(bound, max(false, missed))
        low, high = (share, high) if false > missed else (low, share)
    return math.ceil(min(bound, 1e15))


def _divergence(x: float, p: float) -> float:
    """Kullback–Leibler divergence of Bernoulli(x) from Bernoulli(p), inside (0, 1); above 0 also where rounding says 0."""
    return max(x * math.log(x / p) + (1 - x) * math.log((1 - x) / (1 - p)), 1e-300)


def _whole(value: ArrayLike) -> Ints:
    """Whole answers. What is a hundred-thousandth short counts: 30 × .333333 are 10, and 27 / 1.5 are 18."""
    value = np.asarray(value, dtype=np.float64)
    return np.asarray(np.floor(value + np.minimum(1e-5 * value, 0.01)), dtype=np.int64)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise PowerError(f"Expected {name} from {low:.9g} to {high:.9g}; came {value:.9g}.")


def _inside(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise PowerError(f"Expected {name} between 0 and 1; came {value:g}.")


def _above_chance(plan: Plan, accuracy: float) -> None:
    if not plan.chance < accuracy <= 1.0:
        raise PowerError(
            f"Expected an accuracy above chance ({plan.chance:.3g} with {plan.options} options) and at most 1; "
            f"came {accuracy:g}."
        )
