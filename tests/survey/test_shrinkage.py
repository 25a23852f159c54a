"""Shrinkage against closed forms, limits, and words of known accuracy."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special, stats

from survey.stats.shrinkage import ShrinkageError, shrink, shrinkage_of_words
from tests.survey.data_case import make_data, skilled


def test_the_common_distribution_is_the_most_likely_one():
    # scipy's own beta-binomial distribution, maximized from another start.
    correct, answers = [1, 9, 14, 22, 26, 17, 5], [27] * 7

    def cost(at):
        a, b = np.exp(at)
        return -stats.betabinom.logpmf(correct, answers, a, b).sum()

    a, b = np.exp(optimize.minimize(cost, [0.0, 0.0], method="Nelder-Mead", tol=1e-10).x)
    found = shrink(correct, answers)
    assert found.mu == pytest.approx(a / (a + b), abs=1e-4)
    assert found.strength == pytest.approx(a + b, rel=1e-3)
    assert found.sd == pytest.approx(stats.beta.std(a, b), rel=1e-3)


def test_estimates_are_those_of_the_averaged_posterior():
    # The same posterior by brute force: a fine, plain grid of mu and B = s / (s + mean n), both uniform.
    correct, answers = np.array([2, 5, 8, 3]), np.array([10, 9, 10, 4])
    mu, kept = np.meshgrid((np.arange(400) + 0.5) / 400, (np.arange(400) + 0.5) / 400)
    s = kept / (1 - kept) * answers.mean()
    a, b = mu * s, (1 - mu) * s
    log = sum(
        special.betaln(x + a, n - x + b) - special.betaln(a, b)
        for x, n in zip(correct, answers, strict=True)
    )
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    found = shrink(correct, answers)
    for x, n, shrunk, (low, high) in zip(
        correct, answers, found.shrunk, found.intervals, strict=True
    ):
        assert shrunk == pytest.approx((weight * (x + a) / (n + s)).sum(), abs=2e-3)
        below = [(weight * special.betainc(x + a, n - x + b, at)).sum() for at in (low, high)]
        assert below == pytest.approx([0.025, 0.975], abs=2e-3)


def test_words_are_drawn_to_the_mean_the_more_the_fewer_their_answers():
    found = shrink([3, 30, 20, 10, 15], [3, 30, 30, 30, 30])
    few, many = 1 - found.shrunk[0], 1 - found.shrunk[1]
    assert few > 2 * many > 0
    assert found.intervals[0][0] < found.intervals[1][0]


def test_words_that_do_not_differ_share_nearly_one_estimate():
    found = shrink([9, 10, 11, 10, 10, 9, 11, 10], [20] * 8)
    assert found.strength is None
    assert found.mu == pytest.approx(0.5)
    assert found.sd == 0.0
    assert max(found.shrunk) - min(found.shrunk) < 0.02 < 2 / 20


def test_many_answers_leave_a_word_where_it_is():
    found = shrink([100_000, 900_000, 400_000], [1_000_000] * 3)
    assert found.shrunk == pytest.approx([0.1, 0.9, 0.4], abs=1e-4)
    assert all(high - low < 0.003 for low, high in found.intervals)


@pytest.mark.parametrize(
    ("correct", "answers"), [([0], [3]), ([4, 4], [4, 4]), ([0, 0, 0], [9, 9, 9]), ([2, 0], [5, 0])]
)
def test_the_ends_few_words_and_words_without_answers_are_finite(correct, answers):
    found = shrink(correct, answers)
    assert all(
        0 <= low < shrunk < high <= 1
        for shrunk, (low, high) in zip(found.shrunk, found.intervals, strict=True)
    )


@pytest.mark.parametrize("strength", [5, 1e9])
def test_intervals_cover_and_estimates_beat_raw_ones(strength):
    # 23 words × 9 answers, 20 studies: 460 intervals; .93 less two standard errors of them.
    rng = np.random.default_rng(6)
    covered, shrunk, raw = [], [], []
    for _ in range(20):
        true = rng.beta(0.6 * strength, 0.4 * strength, 23)
        correct = rng.binomial(9, true)
        found = shrink(correct, [9] * 23)
        low, high = np.array(found.intervals).T
        covered += list((low <= true) & (true <= high))
        shrunk += list((np.array(found.shrunk) - true) ** 2)
        raw += list((correct / 9 - true) ** 2)
    assert np.mean(covered) >= 0.91
    assert np.mean(shrunk) < 0.8 * np.mean(raw)


@pytest.mark.parametrize(
    ("correct", "answers", "confidence"),
    [
        ([3], [2], 0.95),
        ([-1], [2], 0.95),
        ([], [], 0.95),
        ([0], [0], 0.95),
        ([0, 0], [0, 0], 0.95),
        ([1, 2], [3], 0.95),
        ([1], [2], 1.0),
    ],
)
def test_what_cannot_be_is_refused(correct, answers, confidence):
    with pytest.raises(ShrinkageError, match=r"Expected|Confidence"):
        shrink(correct, answers, confidence)


def test_words_of_a_study_stand_beside_their_raw_accuracy():
    data = make_data(words=4, contents=2, raters=9, choose=skilled([0.0] * 2 + [0.9] * 6, range(8)))
    found = shrinkage_of_words(data)
    assert [row["word"] for row in found["words"]] == ["word0", "word1", "word2", "word3"]
    assert all(row["raw"] == row["correct"] / row["answers"] for row in found["words"])
    assert found["words"][0]["raw"] < found["words"][0]["shrunk"] < found["mu"]
    json.dumps(found, allow_nan=False)


def test_a_study_without_answers_has_no_words():
    data = make_data()
    found = shrinkage_of_words(replace(data, trials=data.trials.take([])))
    assert found == {"mu": None, "strength": None, "sd": None, "words": []}
