"""Position bias: by hand, by counting all orders, and on raters whose habits are known."""

import json
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from survey.stats import positions
from survey.stats.data import NONE
from survey.stats.positions import common_bias, positions_section
from tests.survey.data_case import make_data, skilled


def at(slots):
    """Chooses that slot of each rater whatever is there; None answers at random."""

    def choose(rng, rater, _question, options, _target):
        slot = slots(rater)
        return int(rng.integers(len(options))) if slot is None else slot

    return choose


def counted_p(counts):
    """The same by looking at every order of every rater's counts."""

    def away(rows):
        return sum(
            (sum(column) - sum(map(sum, rows)) / len(rows[0])) ** 2
            for column in zip(*rows, strict=True)
        )

    observed = away(counts)
    orders = list(product(*(list(permutations(row)) for row in counts)))
    return sum(away(rows) >= observed - 1e-9 for rows in orders) / len(orders)


@pytest.mark.parametrize(
    "counts",
    [
        [[3, 1], [4, 0]],
        [[5, 2, 2], [4, 3, 2], [1, 1, 1]],
        [[2, 2, 5], [0, 1, 0], [2, 0, 2], [3, 0, 0]],
    ],
)
def test_permutations_come_near_all_of_them(counts):
    _statistic, p_value, method = common_bias(np.array(counts))
    assert method == "permutation"
    # 9,999 draws: three standard errors are at most .015.
    assert p_value == pytest.approx(counted_p(counts), abs=0.015)


def test_the_corrected_statistic_by_hand():
    # Totals 7 and 1, means 4: Σ(C − 4)² = 18. Around their own means: 2 and 8. (2 − 1) · 18 / 10.
    assert common_bias(np.array([[3, 1], [4, 0]]))[0] == pytest.approx(1.8)


def test_friedmans_statistic_is_the_same_with_ranks():
    # Conover 1999, section 5.8, eq. 1 without ties: 12/(bk(k + 1)) Σ R² − 3b(k + 1).
    ranks = np.array([[1, 2, 3], [1, 3, 2], [1, 2, 3], [2, 1, 3]])
    expected = 12 / (4 * 3 * 4) * (ranks.sum(axis=0) ** 2).sum() - 3 * 4 * 4
    assert common_bias(ranks)[0] == pytest.approx(expected)


def test_limit_and_permutations_agree_for_many_raters(monkeypatch):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(20, [0.28, 0.24, 0.24, 0.24], size=100)
    statistic, p_value, method = common_bias(counts)
    assert method == "limit"
    monkeypatch.setattr(positions, "MANY_RATERS", 1000)
    same, drawn, method = common_bias(counts)
    assert (same, method) == (statistic, "permutation")
    assert drawn == pytest.approx(p_value, abs=0.02)


def test_nobody_who_prefers_anything_has_nothing_to_test():
    assert common_bias(np.array([[2, 2], [5, 5]])) == (0.0, 1.0, "none differ")


def test_positions_are_counted_for_each_number_of_options():
    data = make_data(words=4, contents=2, raters=6, m=3, choose=skilled(1.0))
    trials = data.trials
    chosen = np.array(trials.chosen)
    chosen[0] = NONE
    options = np.array(trials.options)
    two = (trials.participant == 1) & (trials.target < 2)
    options[two, 2] = NONE
    data = replace(data, trials=replace(trials, chosen=chosen, options=options))
    small, large = positions_section(data)["m"]
    assert (small["m"], large["m"], small["expected_p"]) == (2, 3, 0.5)
    assert (small["answers"], small["raters"]) == (int(two.sum()), 1)
    assert small["answers"] + large["answers"] == 47
    # Who knows everything chose where the right option was.
    assert (small["counts"], large["counts"]) == (small["right"], large["right"])
    total = np.array(large["counts"])
    mean = large["answers"] / 3
    assert large["chi2"] == pytest.approx(((total - mean) ** 2 / mean).sum())
    assert large["df"] == 2


def test_a_position_that_all_prefer_is_found():
    data = make_data(
        words=4, contents=2, raters=9, m=4, choose=at(lambda rater: 0 if rater % 3 else None)
    )
    (row,) = positions_section(data)["m"]
    assert row["p_value"] < 0.01
    assert row["counts"][0] == max(row["counts"])


def test_habits_that_differ_between_raters_are_no_common_bias():
    # Everybody always takes one slot of their own: Pearson's test takes it for a bias nearly always.
    fooled = false = 0
    for seed in range(40):
        own = np.random.default_rng(seed).integers(4, size=9)
        counts = np.eye(4, dtype=int)[own] * 12
        false += common_bias(counts, seed)[1] <= 0.05
        total = counts.sum(axis=0)
        fooled += ((total - 27) ** 2 / 27).sum() > 7.815  # χ² with 3 degrees of freedom, 5 %
    assert fooled > 30
    assert false <= 5


def test_no_answers_have_no_rows_and_all_is_plain_json():
    data = make_data(raters=2)
    found = positions_section(data)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found == positions_section(data)
    empty = replace(data, trials=data.trials.take(np.zeros(len(data.trials), dtype=bool)))
    assert positions_section(empty) == {"m": []}
