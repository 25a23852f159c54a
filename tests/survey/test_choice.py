"""Chosen because it is right, or wherever it is shown: the exact test, and how much more often."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import stats

from survey.stats.accuracy import chance_p_value
from survey.stats.choice import (
    ChoiceError,
    conditional_p_value,
    differences,
    guess_p_value,
    hypergeometric,
)
from survey.stats.intervals import RaterCounts, effective_rows


def one_row(correct, answers, first=0, raters=None):
    people = np.arange(len(correct)) + first
    return RaterCounts.of_counts(
        np.zeros(len(people)), people, correct, answers, 1, raters or len(people)
    )


# --- the exact test ------------------------------------------------------------------------------


def test_one_rater_by_hand():
    # Shown four times, once as target. Chosen once: right by chance in 1 of 4; chosen in three: in 3 of 4.
    assert conditional_p_value([4], [1], [1], 1) == 0.25
    assert conditional_p_value([4], [1], [3], 1) == 0.75
    assert conditional_p_value([4, 4], [1, 1], [1, 3], 2) == pytest.approx(3 / 16)
    assert conditional_p_value([4, 4], [1, 1], [1, 3], 1) == pytest.approx(1 - 3 / 16)


def test_who_chooses_a_picture_wherever_it_is_shown_says_nothing():
    # A binomial test against 1/4 would count 9 right of 36 choices; none of it could have been otherwise.
    assert conditional_p_value([4] * 9, [1] * 9, [4] * 9, 9) == 1.0


def test_nothing_chosen_or_shown_is_no_evidence():
    assert conditional_p_value([4, 4], [1, 1], [0, 0], 0) == 1.0
    assert conditional_p_value([], [], [], 0) == 1.0


def test_strata_by_every_outcome():
    strata = [(4, 1, 2), (4, 1, 1), (5, 2, 3), (3, 1, 1), (4, 1, 2), (2, 2, 1)]
    tables = []
    for n, t, c in strata:
        # Every way to draw the targets among n showings of which the first c were chosen.
        ways = [w for w in product((0, 1), repeat=n) if sum(w) == t]
        tables.append([sum(w[:c]) for w in ways])
    for right in range(8):
        hits = [sum(x) >= right for x in product(*tables)]
        expected = float(Fraction(sum(hits), len(hits)))
        assert conditional_p_value(*zip(*strata, strict=True), right) == pytest.approx(expected)


def test_one_stratum_is_fishers_test():
    for right in range(6):
        expected = stats.hypergeom.sf(right - 1, 20, 8, 5)
        assert conditional_p_value([20], [8], [5], right) == pytest.approx(expected)
    assert hypergeometric(20, 8, 5) == pytest.approx(stats.hypergeom.pmf(np.arange(9), 20, 8, 5))


def test_many_raters_keep_their_digits():
    # 3,000 strata with odds 1/4, 2,000 with 2/4: as SciPy sums the Poisson-binomial.
    chosen = [1] * 300 + [2] * 200
    for right in (120, 175, 230, 300):
        expected = stats.poisson_binom.sf(right - 1, [c / 4 for c in chosen])
        found = conditional_p_value([4] * 500, [1] * 500, chosen, right)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-13)
    assert conditional_p_value([4] * 5000, [1] * 5000, [1] * 5000, 5000) == 0.0


@pytest.mark.parametrize("options", [{4: 69}, {3: 20, 4: 31}, {2: 1}, {1: 3, 5: 4}, {}])
def test_guessing_is_the_test_against_chance(options):
    for right in range(sum(options.values()) + 1):
        assert guess_p_value(right, options) == pytest.approx(
            chance_p_value(right, options), rel=1e-9
        )


def test_impossible_strata_are_named():
    for wrong in [([4], [5], [1], 0), ([4], [1], [5], 0), ([4], [-1], [1], 0)]:
        with pytest.raises(ChoiceError, match="at most as often as shown"):
            conditional_p_value(*wrong)
    with pytest.raises(ChoiceError, match="m ≥ 1"):
        guess_p_value(0, {0: 3})


@pytest.mark.parametrize("salience", [0.0, 1.5])
def test_false_positives_of_raters_who_ignore_the_word(salience):
    """Circles of `survey.design`: each of 8 pictures once target and 2 times foil, sets in random circles."""
    rng = np.random.default_rng(4)
    rejected = []
    for _ in range(60):
        strength = rng.normal(0, salience, 8)
        chosen, right = np.zeros((20, 8), int), np.zeros((20, 8), int)
        for rater in range(20):
            circle, away = rng.permutation(8), rng.choice(np.arange(1, 8), 2, replace=False)
            for base in range(8):
                options = circle[[base, *((base + away) % 8)]]
                pick = options[np.argmax(strength[options] + rng.gumbel(size=3))]
                chosen[rater, pick] += 1
                right[rater, pick] += pick == options[0]
        rejected += [
            conditional_p_value([3] * 20, [1] * 20, chosen[:, i], int(right[:, i].sum())) <= 0.05
            for i in range(8)
        ]
    # 480 tests at .05: an error of .01. Conservative, since counts are whole.
    assert np.mean(rejected) <= 0.05


# --- how much more often -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    # Newcombe 1998b, table II, method 10.
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_newcombe(a, m, b, n, low, high):
    # One answer a rater, nobody in both: independent proportions.
    left = one_row([1] * a + [0] * (m - a), [1] * m, raters=m + n)
    right = one_row([1] * b + [0] * (n - b), [1] * n, first=m, raters=m + n)
    found = differences(left, right)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=5e-5)
    assert found.difference[0] == pytest.approx(a / m - b / n)


def test_shares_that_go_together_by_hand():
    # Right 1, 1, 0, 0 of 1 as target; chosen 2, 1, 1, 0 of 2 as foil: products .5, 0, 0, .5 of ½·(1, 0, 0, −1).
    target, foil = one_row([1, 1, 0, 0], [1] * 4), one_row([2, 1, 1, 0], [2] * 4)
    r = (0.5 * 1 + 0.5 * 0 + 0.5 * 0 + 0.5 * 1) / np.sqrt(1.0 * 2.0)
    a, b = effective_rows(target), effective_rows(foil)
    x, y = 0.5 - a.low[0], b.high[0] - 0.5
    found = differences(target, foil)
    assert found.difference[0] == 0.0
    assert found.low[0] == pytest.approx(-np.sqrt(x * x + y * y - 2 * r * x * y))


def test_what_was_never_shown_has_no_difference():
    none = RaterCounts.of_counts([], [], [], [], 2, 3)
    foil = RaterCounts.of_counts([0, 1], [0, 2], [1, 1], [2, 2], 2, 3)
    found = differences(none, foil)
    assert np.isnan(found.target).all()
    assert np.isnan(found.low).all()
    assert found.foil.tolist() == [0.5, 0.5]
    with pytest.raises(ChoiceError, match="same rows and raters"):
        differences(foil, RaterCounts.of_counts([], [], [], [], 1, 3))


def test_the_interval_of_a_difference_covers():
    """Raters differ in how well they know the word and in how much they like the picture."""
    rng = np.random.default_rng(8)
    studies, raters = 2000, 12
    like = rng.normal(-1, 0.8, (raters, studies))
    knows = rng.normal(1.2, 0.8, (raters, studies))
    share = 1 / (1 + np.exp(-like)), 1 / (1 + np.exp(-like - knows))
    row, rater = np.meshgrid(np.arange(studies), np.arange(raters))
    ones = np.ones(row.size, dtype=int)
    foil, target = (
        RaterCounts.of_counts(
            row.ravel(), rater.ravel(), rng.binomial(n, p).ravel(), n * ones, studies, raters
        )
        for n, p in ((9, share[0]), (3, share[1]))
    )
    # Over many raters: the mean of the shares.
    wide = rng.normal(-1, 0.8, 10**6)
    truth = np.mean(1 / (1 + np.exp(-wide - rng.normal(1.2, 0.8, 10**6))) - 1 / (1 + np.exp(-wide)))
    found = differences(target, foil)
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.93
