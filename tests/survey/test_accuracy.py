"""Wilson intervals against the examples of Newcombe (1998), table I, method 3; the test by hand and by SciPy."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import pytest
from scipy import stats

from survey.stats.accuracy import (
    AccuracyError,
    benjamini_hochberg,
    chance_level,
    chance_p_value,
    clopper_pearson,
    holm,
    wilson,
)


@pytest.mark.parametrize(
    ("correct", "answers", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_newcombe(correct: int, answers: int, low: float, high: float) -> None:
    assert wilson(correct, answers) == pytest.approx((low, high), abs=5e-5)


def test_ends_are_exact_and_mirrored() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0
    low, high = wilson(3, 11)
    assert wilson(8, 11) == pytest.approx((1 - high, 1 - low))


def test_no_answers_say_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert chance_p_value(0, {}) == chance_p_value(0, {4: 0}) == 1.0
    assert chance_level({}) is None
    assert chance_level({4: 0}) is None


def test_more_confidence_is_wider() -> None:
    assert wilson(5, 10, 0.99)[0] < wilson(5, 10)[0]


@pytest.mark.parametrize(
    ("correct", "answers", "confidence"), [(2, 1, 0.95), (-1, 1, 0.95), (1, 2, 1.0), (1, 2, 95.0)]
)
def test_impossible_values_are_named(correct: int, answers: int, confidence: float) -> None:
    with pytest.raises(AccuracyError, match=r"Expected|Confidence"):
        wilson(correct, answers, confidence)


def test_chance_is_the_mean_over_answers() -> None:
    # (3 × 1/4 + 1 × 1/2) / 4
    assert chance_level({4: 3, 2: 1}) == pytest.approx(0.3125)


# --- the test against chance ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correct", "options", "p"),
    [
        (2, {4: 2}, Fraction(1, 16)),
        (2, {3: 2}, Fraction(1, 9)),
        # 5 × 3 ways to have one of five wrong, 1 to have none, of 4⁵.
        (4, {4: 5}, Fraction(16, 1024)),
        (1, {4: 3}, 1 - Fraction(27, 64)),
        (0, {4: 3}, Fraction(1)),
        (2, {4: 1, 2: 1}, Fraction(1, 8)),
        (1, {4: 1, 2: 1}, 1 - Fraction(3, 8)),
        # One option is always right.
        (3, {1: 3}, Fraction(1)),
        (3, {1: 2, 4: 1}, Fraction(1, 4)),
    ],
)
def test_counted_by_hand(correct: int, options: dict[int, int], p: Fraction) -> None:
    assert chance_p_value(correct, options) == pytest.approx(float(p), rel=1e-14)


def test_the_old_rule_was_too_easy() -> None:
    """Two right of two, four options: Wilson's interval lies above chance, the test does not reject."""
    assert wilson(2, 2)[0] > 0.25
    assert chance_p_value(2, {4: 2}) > 0.05


@pytest.mark.parametrize("m", [2, 3, 4, 12])
@pytest.mark.parametrize("answers", [1, 18, 69, 414])
def test_one_number_of_options_as_in_scipy(m: int, answers: int) -> None:
    for correct in range(0, answers + 1, max(1, answers // 23)):
        expected = stats.binomtest(correct, answers, 1 / m, alternative="greater").pvalue
        assert chance_p_value(correct, {m: answers}) == pytest.approx(expected, rel=1e-9)


def test_many_answers_as_in_scipy() -> None:
    for correct in (34_000, 34_500, 35_000, 35_500):
        expected = stats.binom.sf(correct - 1, 138_000, 0.25)
        assert chance_p_value(correct, {4: 138_000}) == pytest.approx(expected, rel=1e-6)
    # Smaller than any float.
    assert chance_p_value(138_000, {4: 138_000}) == 0.0


@pytest.mark.parametrize("options", [{2: 2, 3: 3, 5: 2}, {4: 5, 2: 2}, {1: 2, 3: 4, 12: 1}])
def test_mixed_numbers_of_options_by_every_outcome(options: dict[int, int]) -> None:
    chances = [Fraction(1, m) for m, n in options.items() for _ in range(n)]
    for correct in range(len(chances) + 1):
        expected = sum(
            math.prod(p if hit else 1 - p for hit, p in zip(outcome, chances, strict=True))
            for outcome in product((0, 1), repeat=len(chances))
            if sum(outcome) >= correct
        )
        assert chance_p_value(correct, options) == pytest.approx(float(expected), rel=1e-13)


def test_mixed_numbers_of_options_as_in_scipy() -> None:
    chances = [1 / 4] * 200 + [1 / 3] * 90 + [1 / 2] * 60
    for correct in range(0, 351, 25):
        expected = stats.poisson_binom.sf(correct - 1, chances)
        got = chance_p_value(correct, {4: 200, 3: 90, 2: 60})
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-14)


def test_mixed_options_are_not_a_binomial_of_the_mean() -> None:
    # Both right: 1/12 × 1/2, not the square of the mean 7/24.
    assert chance_p_value(2, {12: 1, 2: 1}) == pytest.approx(1 / 24)
    assert (7 / 24) ** 2 > 2 / 24


@pytest.mark.parametrize(
    ("correct", "options", "message"),
    [
        (3, {4: 2}, "correct 3, answers 2"),
        (-1, {4: 2}, "correct -1"),
        (0, {0: 1}, "m 0"),
        (0, {4: -1}, "n -1"),
    ],
)
def test_impossible_counts_are_named(correct: int, options: dict[int, int], message: str) -> None:
    with pytest.raises(AccuracyError, match=message):
        chance_p_value(correct, options)


# --- Holm ----------------------------------------------------------------------------------------


def holm_rejects(p_values: Sequence[float], alpha: float) -> set[int]:
    """The procedure as Holm (1979) words it: from the smallest on, until one is too large."""
    rejected = set()
    left = list(enumerate(p_values))
    while left:
        place, p = min(left, key=lambda pair: pair[1])
        if p > alpha / len(left):
            break
        rejected.add(place)
        left.remove((place, p))
    return rejected


def test_holm_by_hand() -> None:
    # Sorted: .005 × 4, .01 × 3, .03 × 2, and .04 × 1 that may not be less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_holm_rejects_what_the_procedure_rejects(alpha: float) -> None:
    rng = stats.qmc.Halton(d=6, seed=1)
    for p_values in (rng.random(200) ** 4).tolist():
        adjusted = holm(p_values)
        assert {i for i, p in enumerate(adjusted) if p <= alpha} == holm_rejects(p_values, alpha)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_holm_takes_probabilities_only(p: float) -> None:
    with pytest.raises(AccuracyError, match=r"from 0 to 1; came"):
        holm([0.5, p])


@pytest.mark.parametrize(
    ("correct", "answers", "low", "high"),
    # Newcombe 1998, table I, method 5.
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_exact_intervals_of_newcombe(correct, answers, low, high):
    assert clopper_pearson(correct, answers) == pytest.approx((low, high), abs=5e-5)
    mirrored = clopper_pearson(answers - correct, answers)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize("answers", [1, 2, 7, 69, 1000])
def test_exact_intervals_are_quantiles_of_beta_distributions(answers):
    for correct in sorted({1, answers // 3 or 1, answers // 2 or 1, answers - 1 or 1}):
        low, high = clopper_pearson(correct, answers, 0.9)
        assert low == pytest.approx(stats.beta.ppf(0.05, correct, answers - correct + 1), rel=1e-8)
        if correct < answers:
            expected = stats.beta.ppf(0.95, correct + 1, answers - correct)
            assert high == pytest.approx(expected, rel=1e-8)


def test_exact_intervals_at_the_ends():
    # No right one of n: 1 − (α/2)^(1/n).
    for n in (1, 9, 400, 20_000):
        assert clopper_pearson(0, n)[1] == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-6)
        assert clopper_pearson(n, n) == pytest.approx((0.025 ** (1 / n), 1.0), rel=1e-6)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    for wrong in [(2, 1, 0.95), (-1, 3, 0.95), (1, 2, 1.0)]:
        with pytest.raises(AccuracyError):
            clopper_pearson(*wrong)


def test_exact_limits_are_where_the_tests_reject():
    low, high = clopper_pearson(7, 20, 0.9)
    below = sum(math.comb(20, k) * low**k * (1 - low) ** (20 - k) for k in range(7, 21))
    above = sum(math.comb(20, k) * high**k * (1 - high) ** (20 - k) for k in range(8))
    assert (below, above) == pytest.approx((0.05, 0.05), abs=1e-9)


# Benjamini and Hochberg 1995, section 3.2: 15 comparisons.
FIFTEEN = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
]


def test_the_example_of_benjamini_and_hochberg():
    assert sum(p <= 0.05 for p in benjamini_hochberg(FIFTEEN)) == 4
    assert sum(p <= 0.05 for p in holm(FIFTEEN)) == 3
    # By the definition: rejected up to the largest i with p(i) ≤ i q / k.
    for q in (0.01, 0.05, 0.2, 0.6):
        largest = max((i for i, p in enumerate(FIFTEEN, 1) if p <= i * q / 15), default=0)
        assert sum(p <= q for p in benjamini_hochberg(FIFTEEN)) == largest


def test_false_discovery_in_any_order():
    mixed = [FIFTEEN[i * 7 % 15] for i in range(15)]
    adjusted = dict(zip(FIFTEEN, benjamini_hochberg(FIFTEEN), strict=True))
    assert benjamini_hochberg(mixed) == [adjusted[p] for p in mixed]
    assert benjamini_hochberg([]) == []
    with pytest.raises(AccuracyError):
        benjamini_hochberg([0.5, 1.1])
