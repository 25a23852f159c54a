"""Learning and response times: by hand, against plain computations, and on raters whose learning is known."""

import json
import math
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from survey.stats.intervals import pooled
from survey.stats.times import (
    TimesError,
    clustered_slope,
    learning_section,
    right_against_wrong,
    summary,
    times_section,
)
from tests.survey.data_case import make_data, skilled


def with_times(data, ms):
    return replace(data, trials=replace(data.trials, response_ms=np.asarray(ms, dtype=float)))


def with_right(data, right):
    """The same trials, answered rightly where said."""
    trials = data.trials
    wrong = (trials.target + 1) % trials.m
    return replace(data, trials=replace(trials, chosen=np.where(right, trials.target, wrong)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- learning -----------------------------------------------------------------------------------


def test_blocks_have_the_right_answers_of_their_positions():
    data = make_data(words=8, contents=3, raters=5, m=3)
    # Two practice trials came first.
    data = replace(data, trials=replace(data.trials, position=data.trials.position + 2))
    data = with_right(data, data.trials.position % 4 == 0)
    found = learning_section(data)
    assert [(b["from"], b["to"], b["answers"]) for b in found["blocks"]] == [
        (2, 11, 50),
        (12, 21, 50),
        (22, 25, 20),
    ]
    # Positions 4, 8; 12, 16, 20; 24, of five raters each.
    assert [b["correct"] for b in found["blocks"]] == [10, 15, 5]
    limits = pooled([2] * 5, [10] * 5)
    assert found["blocks"][0]["interval"] == pytest.approx([limits.low, limits.high])


def test_a_long_study_has_wider_blocks():
    data = make_data(words=4, contents=2, raters=2)
    # Positions 0, 100, … 700: 71 blocks of ten would be too many; twelve of sixty are not.
    data = replace(data, trials=replace(data.trials, position=data.trials.position * 100))
    found = learning_section(data)
    assert found["width"] == 60
    assert [(b["from"], b["to"]) for b in found["blocks"]][-2:] == [(600, 659), (660, 700)]


def test_the_slope_is_that_of_a_plain_search():
    rng = np.random.default_rng(0)
    rater = np.repeat(np.arange(7), 12)
    x = rng.normal(size=84)
    correct = rng.random(84) < sigmoid(0.3 + 0.8 * x)
    mean = np.array([x[rater == r].mean() for r in range(7)])[rater]

    def loss(beta):
        eta = beta[0] + beta[1] * (x - mean) + beta[2] * (mean - x.mean())
        return np.logaddexp(0, eta).sum() - eta[correct].sum()

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8}).x
    assert clustered_slope(x, correct, rater).value == pytest.approx(best[1], abs=1e-5)


def test_the_error_is_near_that_of_leaving_raters_out_and_fitting_again():
    rng = np.random.default_rng(1)
    raters = 20
    rater = np.repeat(np.arange(raters), 30)
    x = np.tile(np.arange(30) / 10, raters)
    slopes = rng.normal(0.3, 0.6, raters)
    correct = rng.random(600) < sigmoid(slopes[rater] * x)
    found = clustered_slope(x, correct, rater)
    again = np.array(
        [
            clustered_slope(x[rater != r], correct[rater != r], rater[rater != r]).value
            for r in range(raters)
        ]
    )
    jackknife = math.sqrt((raters - 1) / raters * ((again - found.value) ** 2).sum())
    assert found.se == pytest.approx(jackknife, rel=0.05)
    t = stats.t(raters - 1)
    assert found.p_value == pytest.approx(2 * t.sf(abs(found.value) / found.se))
    assert found.interval[1] - found.value == pytest.approx(t.ppf(0.975) * found.se)


def test_learning_is_found_and_its_size_covered():
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        data = make_data(words=10, contents=3, raters=12, m=3, seed=seed)
        right = rng.random(360) < sigmoid(-0.5 + 0.5 * data.trials.position / 10)
        slope = learning_section(with_right(data, right))["slope"]
        covered += slope["interval"][0] <= 0.5 <= slope["interval"][1]
    # 40 of .95: fewer than 34 have a probability of .003.
    assert covered >= 34


@pytest.mark.parametrize("spread", [0.0, 0.8])
def test_where_nobody_learns_false_alarms_are_no_more_than_five_in_a_hundred(spread):
    # Nine raters; some become better and some worse, or nobody does.
    alarms = 0
    rater, x = np.repeat(np.arange(9), 40), np.tile(np.arange(40) / 10, 9)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        base, trend = rng.normal(0.5, 0.7, 9), rng.normal(0, spread, 9)
        correct = rng.random(360) < sigmoid(base[rater] + trend[rater] * (x - x.mean()))
        found = clustered_slope(x, correct, rater)
        alarms += found.p_value <= 0.05
    # Binomial(300, .05): more than 25 have a probability of .004.
    assert alarms <= 25


def test_who_leaves_early_does_not_look_like_learning():
    # The bad half stops after a third of the questions; nobody gets better.
    rng = np.random.default_rng(3)
    rater = np.concatenate([np.repeat(np.arange(20), 60), np.repeat(np.arange(20, 40), 20)])
    x = np.concatenate([np.tile(np.arange(60), 20), np.tile(np.arange(20), 20)]) / 10
    correct = rng.random(len(x)) < np.where(rater < 20, 0.85, 0.35)
    found = clustered_slope(x, correct, rater)
    assert abs(found.value) < 2 * found.se
    # Over all answers the share rises, from both halves to the better one.
    assert correct[x >= 2].mean() > correct[x < 2].mean() + 0.15


def test_where_there_is_no_slope():
    rater, x = np.repeat(np.arange(5), 4), np.tile(np.arange(4.0), 5)
    some = np.arange(20) % 3 == 0
    assert clustered_slope(x, np.ones(20, dtype=bool), rater) is None
    assert clustered_slope(x, np.zeros(20, dtype=bool), rater) is None
    assert clustered_slope(rater * 1.0, some, rater) is None
    assert clustered_slope(x, some, rater // 3) is None
    # Right from the third on, everybody: no finite slope.
    assert clustered_slope(x, x >= 2, rater) is None
    # Only one rater had more than one position.
    assert clustered_slope(np.where(rater == 0, x, 1.0), some, rater) is None
    with pytest.raises(TimesError, match="one length"):
        clustered_slope(x, some[1:], rater)


# --- times --------------------------------------------------------------------------------------


def test_a_summary_by_hand():
    found = summary(np.array([1000.0, 2000.0, 4000.0, 8000.0]))
    log = math.log(2)
    assert found["n"] == 4
    assert (found["q1_ms"], found["median_ms"], found["q3_ms"]) == (1750, 3000, 5000)
    # Logarithms are ln 1000 + 0, 1, 2, 3 times ln 2: mean 1.5, variance 5/3.
    assert found["log_mean"] == pytest.approx(math.log(1000) + 1.5 * log)
    assert found["log_sd"] == pytest.approx(math.sqrt(5 / 3) * log)
    assert found["geometric_mean_ms"] == pytest.approx(1000 * 2**1.5)
    assert summary(np.array([]))["median_ms"] is None
    assert summary(np.array([0.0]))["geometric_mean_ms"] == 1.0
    assert summary(np.array([5.0]))["log_sd"] is None


def test_right_answers_against_wrong_ones_of_the_same_people():
    # Rater 0: 1000 right, 2000 wrong; rater 1: √(1000 · 4000) right, 8000 wrong; rater 2 was never wrong.
    ms = np.array([1000, 2000, 1000, 4000, 8000, 50.0])
    correct = np.array([True, False, True, True, False, True])
    found = right_against_wrong(ms, correct, np.array([0, 0, 1, 1, 1, 2]))
    assert found["raters"] == 2
    # ln ratios −ln 2 and −2 ln 2.
    assert found["ratio"] == pytest.approx(2**-1.5)
    expected = stats.ttest_1samp([-math.log(2), -2 * math.log(2)], 0)
    assert found["p_value"] == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert found["interval"] == pytest.approx([math.exp(low), math.exp(high)])
    assert right_against_wrong(ms[:2], correct[:2], np.array([0, 0])) is None


def test_answers_without_a_time_are_left_out_and_counted():
    data = make_data(words=3, contents=2, raters=4, m=2, kinds=("picture", "word"))
    ms = np.linspace(1000, 5000, 48)
    ms[:7] = np.nan
    found = times_section(with_times(data, ms))
    assert found["missing"] == 7
    assert found["all"]["n"] == found["right"]["n"] + found["wrong"]["n"] == 41
    assert sum(row["n"] for row in found["words"]) == sum(row["n"] for row in found["kinds"]) == 41
    assert [row["word"] for row in found["words"]] == ["word0", "word1", "word2"]
    assert found["all"]["median_ms"] == pytest.approx(np.median(ms[7:]))


def test_the_curve_counts_every_answer_once():
    data = make_data(words=3, contents=1, raters=2, m=2, choose=skilled(1.0))
    found = times_section(with_times(data, [999.9, 1000, 1259, 1260, 2000, 4000]))["curve"]
    # Thirds of octaves: … 794, 1000, 1260, 1587, 2000, 2520, 3175, 4000, 5040.
    assert found["edges_ms"][0] == pytest.approx(1000 * 2 ** (-1 / 3))
    assert found["edges_ms"][-1] == pytest.approx(4000 * 2 ** (1 / 3))
    assert found["right"] == [1, 2, 1, 0, 1, 0, 0, 1]
    assert found["wrong"] == [0] * 8
    assert len(found["edges_ms"]) == 9


def test_fast_answers_of_everybody_are_worse():
    data = make_data(words=10, contents=2, raters=10, m=2)
    ms = data.trials.response_ms
    data = with_right(data, ms > np.quantile(ms, 0.1))
    rows = times_section(data)["by_speed"]
    assert [row["correct"] for row in rows] == [0] + [20] * 9
    assert [row["answers"] for row in rows] == [20] * 10
    assert rows[0]["from_ms"] == ms.min()
    assert rows[-1]["to_ms"] == ms.max()
    for one, two in pairwise(rows):
        assert one["from_ms"] <= one["to_ms"] <= two["from_ms"]


def test_fast_people_are_not_fast_answers():
    # Half of the people are fast and always wrong, the others slow and always right.
    data = make_data(words=10, contents=1, raters=6, m=2)
    fast = data.trials.participant % 2 == 0
    ms = np.where(fast, 500.0, 5000.0) + np.arange(60)
    found = times_section(with_right(with_times(data, ms), ~fast))
    assert [row["accuracy"] for row in found["by_speed"]] == [0.0] * 5 + [1.0] * 5
    assert [(row["fifth"], row["accuracy"]) for row in found["by_own_speed"]] == [
        (i, 0.5) for i in range(1, 6)
    ]
    medians = [row["median_ms"] for row in found["by_own_speed"]]
    assert medians == sorted(medians)


def test_few_answers_have_no_fifths():
    data = make_data(words=2, contents=2, raters=3, m=2)
    found = times_section(data)
    assert found["by_own_speed"] == []
    assert sum(row["answers"] for row in found["by_speed"]) == 12


def test_no_answers_and_plain_json():
    data = make_data(words=4, contents=3, raters=4)
    for section in (learning_section, times_section):
        found = section(data)
        assert json.loads(json.dumps(found, allow_nan=False)) == found
    empty = replace(data, trials=data.trials.take(np.zeros(48, dtype=bool)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = times_section(empty)
    assert (found["all"]["n"], found["by_speed"], found["right_wrong"]) == (0, [], None)
    assert learning_section(empty) == {"blocks": [], "width": 10, "slope": None}
    unmeasured = times_section(with_times(data, np.full(48, np.nan)))
    assert (unmeasured["missing"], unmeasured["all"]["n"]) == (48, 0)
