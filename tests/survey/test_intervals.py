"""Intervals over raters: by hand, at the ends, and against the drawing of raters done plainly."""

import numpy as np
import pytest
from scipy import stats

from survey.stats.accuracy import AccuracyError, wilson
from survey.stats.intervals import (
    BOOTSTRAP,
    EFFECTIVE,
    IntervalError,
    RaterCounts,
    pooled,
    pooled_rows,
    wilson_limits,
)


def test_effective_answers_by_hand():
    # Four raters × 5: 5, 4, 3 and 0 right; p̂ = 12/20, away from it by 2, 1, 0 and −3.
    variance = 4 / 3 * (4 + 1 + 0 + 9) / 20**2
    quantile = 3.182446305284263  # Student's t, 3 degrees of freedom, .975 (tables).
    expected = 0.6 * 0.4 / variance * (1.959963984540054 / quantile) ** 2
    found = pooled([5, 4, 3, 0], [5, 5, 5, 5])
    assert found.effective_n == pytest.approx(expected, rel=1e-9)
    assert found.design_effect == pytest.approx(variance / (0.6 * 0.4 / 20))
    low, high = wilson_limits(np.array([0.6]), np.array([expected]), 1.959963984540054)
    assert (found.low, found.high) == pytest.approx((low[0], high[0]))
    assert found.method == EFFECTIVE


def test_wilson_of_many_is_wilson_of_each():
    z = stats.norm.ppf(0.975)
    for right, n in [(0, 7), (7, 7), (3, 11), (81, 263), (0, 0)]:
        low, high = wilson_limits(np.array([right / max(n, 1)]), np.array([float(n)]), z)
        if n:
            assert (low[0], high[0]) == pytest.approx(wilson(right, n))
        else:
            assert (low[0], high[0]) == (0.0, 1.0)


def test_raters_who_agree_to_the_letter_are_not_taken_for_more_than_their_answers():
    found = pooled([2] * 9, [3] * 9)
    assert (found.effective_n, found.design_effect) == (27, 0.0)
    assert (found.low, found.high) == pytest.approx(wilson(18, 27))


@pytest.mark.parametrize("right", [0, 3])
@pytest.mark.parametrize("raters", [9, 40])
def test_all_alike_counts_each_rater_once(right, raters):
    found = pooled([right] * raters, [3] * raters)
    assert found.effective_n == raters
    assert found.design_effect is None
    assert (found.low, found.high) == pytest.approx(wilson(right // 3 * raters, raters))


def test_one_rater_says_as_much_as_one_answer():
    found = pooled([40], [60])
    assert (found.effective_n, found.design_effect) == (1, None)
    assert found.low < 0.1
    assert found.high > 0.95


@pytest.mark.parametrize("raters", [5, 50])
def test_one_answer_a_rater_is_wilsons_interval(raters):
    right = [1] * (raters - 2) + [0] * 2
    found = pooled(right, [1] * raters)
    assert (found.effective_n, found.design_effect, found.method) == (raters, 1.0, EFFECTIVE)
    assert (found.low, found.high) == pytest.approx(wilson(raters - 2, raters))


def test_no_answers_say_nothing():
    for nothing in (pooled([], []), pooled([0, 0], [0, 0])):
        assert (nothing.low, nothing.high, nothing.method) == (0.0, 1.0, None)
        assert nothing.effective_n is nothing.design_effect is None


def test_raters_without_answers_do_not_count():
    assert pooled([2, 0, 3, 1], [3, 0, 3, 3]) == pooled([2, 3, 1], [3, 3, 3])


def test_a_mirrored_count_has_the_mirrored_interval():
    right = [3, 3, 2, 3, 1, 2, 3, 0, 3]
    there, back = pooled(right, [3] * 9), pooled([3 - x for x in right], [3] * 9)
    assert (back.low, back.high) == pytest.approx((1 - there.high, 1 - there.low))


def test_the_bootstrap_is_that_of_drawing_raters_one_by_one():
    rng = np.random.default_rng(3)
    right = rng.binomial(20, rng.beta(3, 2, 40))
    found = pooled(right, [20] * 40, resamples=20_000, seed=1)
    drawn = np.array([rng.choice(right, 40).mean() / 20 for _ in range(20_000)])
    level = stats.norm.cdf(np.sqrt(40 / 39) * stats.t.ppf(0.025, 39))
    assert level < 0.025
    plain = np.quantile(drawn, [level, 1 - level])
    assert found.method == BOOTSTRAP
    # Two simulations of 20,000: a percentile's error is about .001. Wilson's limits may lie a little farther out.
    assert found.low == pytest.approx(plain[0], abs=0.01)
    assert found.high == pytest.approx(plain[1], abs=0.01)
    assert found.low <= plain[0] + 0.003
    assert found.high >= plain[1] - 0.003
    assert pooled(right, [20] * 40, seed=1) == pooled(right, [20] * 40, seed=1)
    few = [pooled(right, [20] * 40, resamples=20, seed=seed) for seed in range(9)]
    assert len({interval.high for interval in few}) > 1


def test_the_bootstrap_begins_at_thirty_raters():
    assert pooled([1, 2, 0] * 9 + [1, 1], [3] * 29).method == EFFECTIVE
    assert pooled([1, 2, 0] * 10, [3] * 30).method == BOOTSTRAP


def test_near_the_end_the_bootstrap_never_reaches_less_far_than_wilson():
    # One wrong answer of 90: percentiles alone end at 1 − 0 and 1 − 3/90.
    found = pooled([3] * 29 + [2], [3] * 30)
    low, _ = wilson(89, 90)
    assert found.low <= low < 1 - 3 / 90
    assert found.high == 1.0


def test_rows_are_worked_on_together_as_each_alone():
    rng = np.random.default_rng(0)
    row, rater = rng.integers(4, size=900), rng.integers(45, size=900)
    row[row == 2] = 3  # Row 2 has no answers.
    right = rng.random(900) < np.array([0.2, 0.5, 0.5, 0.9])[row]
    counts = RaterCounts.of_answers(row, rater, right, 4, 45)
    assert counts.correct.sum() == right.sum()
    found = pooled_rows(counts, seed=7)
    assert found[2].method is None
    for i in (0, 1, 3):
        mine = [(right[(row == i) & (rater == r)]) for r in range(45)]
        alone = pooled([x.sum() for x in mine], [len(x) for x in mine], seed=7)
        assert alone.effective_n == pytest.approx(found[i].effective_n)
        assert (alone.low, alone.high) == pytest.approx((found[i].low, found[i].high), abs=0.01)


def test_blocks_of_resamples_and_rows_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    row, rater = rng.integers(5, size=2000), rng.integers(31, size=2000)
    counts = RaterCounts.of_answers(row, rater, rng.random(2000) < 0.4, 5, 31)
    whole = pooled_rows(counts, resamples=500)
    monkeypatch.setattr("survey.stats.intervals.BLOCK", 200)
    monkeypatch.setattr("survey.stats.intervals.TABLE", 200)
    assert pooled_rows(counts, resamples=500) == whole


def test_impossible_counts_are_named():
    with pytest.raises(IntervalError, match="correct ≤ answers"):
        pooled([4], [3])
    with pytest.raises(IntervalError, match="two counts"):
        pooled([1, 2], [3])
    with pytest.raises(IntervalError, match="Leave out"):
        RaterCounts(*(np.array([x]) for x in (0, 0, 0, 0)), 1, 1)
    with pytest.raises(AccuracyError, match="Confidence"):
        pooled([1], [3], confidence=95)


def test_all_or_none_is_covered_however_much_answers_go_together():
    """Each rater knows all three questions with probability .95, or none: coverage, exactly, by every outcome."""
    covered = plain = 0.0
    for knowing in range(31):
        weight = stats.binom.pmf(knowing, 30, 0.95)
        found = pooled([3] * knowing + [0] * (30 - knowing), [3] * 30)
        covered += weight * (found.low <= 0.95 <= found.high)
        low, high = wilson(3 * knowing, 90)
        plain += weight * (low <= 0.95 <= high)
    assert covered >= 0.93
    assert plain < 0.75
    # Had all right counted as 86 answers, n(z/t)², the limit would lie beyond .95 once in five studies.
    low, _ = wilson_limits(np.array([1.0]), np.array([90 * (1.96 / 2.045) ** 2]), 1.96)
    assert low[0] > 0.95
    assert stats.binom.pmf(30, 30, 0.95) > 0.2
