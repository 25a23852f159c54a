import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from survey.stats.data import NONE
from survey.stats.detection import (
    DetectionError,
    d_prime,
    d_prime_of_share,
    detection_section,
    share_correct,
)
from survey.stats.intervals import pooled
from tests.survey.data_case import make_data, skilled


def test_two_alternatives_have_a_closed_form():
    for share in (0.55, 0.75, 0.9, 0.99):
        expected = math.sqrt(2) * stats.norm.ppf(share)
        assert d_prime(round(share * 1000), 1000, 2) == pytest.approx(expected, abs=1e-8)
    assert d_prime(75, 100, 2) == pytest.approx(0.9539, abs=5e-5)


@pytest.mark.parametrize("options", [2, 3, 4, 12, 60])
@pytest.mark.parametrize("value", [-2.0, 0.0, 0.5, 1.5, 4.0])
def test_the_integral_agrees_with_scipys(options, value):
    expected, _error = integrate.quad(
        lambda x: stats.norm.pdf(x - value) * stats.norm.cdf(x) ** (options - 1),
        *(-12, 12 + value),
        # Without hints it misses the narrow rise of Φ(x) to the 11th.
        points=[-2, 0, 1, 2, 3, value],
        epsabs=1e-13,
        limit=400,
    )
    assert share_correct(value, options) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("options", [2, 4, 23])
def test_chance_is_zero_and_below_it_negative(options):
    assert share_correct(0.0, options) == pytest.approx(1 / options, abs=1e-10)
    assert d_prime(100, 100 * options, options) == pytest.approx(0, abs=1e-8)
    assert d_prime(50, 100 * options, options) < 0


def test_one_is_the_inverse_of_the_other():
    for correct in (30, 250, 690, 980):
        found = d_prime(correct, 1000, 4)
        assert share_correct(found, 4) == pytest.approx(correct / 1000, abs=1e-9)


def test_none_and_all_are_half_an_answer_off():
    assert d_prime(0, 9, 4) == pytest.approx(d_prime(1, 18, 4), abs=1e-9)
    assert d_prime(9, 9, 4) == pytest.approx(d_prime(17, 18, 4), abs=1e-9)
    assert d_prime(1, 1, 4) == pytest.approx(d_prime(1, 2, 4), abs=1e-9)


@pytest.mark.parametrize("wrong", [(1, 0, 4), (3, 2, 4), (-1, 2, 4), (1, 2, 1)])
def test_what_has_no_sensitivity_is_refused(wrong):
    with pytest.raises(DetectionError):
        d_prime(*wrong)
    with pytest.raises(DetectionError):
        share_correct(math.inf, 2)


def test_different_numbers_of_options_have_one_sensitivity():
    # At d′ = 1.2 the expected right ones of 60 answers of two and 40 of four options together.
    share = (60 * stats.norm.cdf(1.2 / math.sqrt(2)) + 40 * share_correct(1.2, 4)) / 100
    assert d_prime_of_share(share, {2: 60, 4: 40}) == pytest.approx(1.2, abs=1e-8)


@pytest.mark.parametrize(
    ("share", "options"), [(0.0, {2: 1}), (1.0, {2: 1}), (0.5, {}), (0.5, {2: 0})]
)
def test_a_share_that_has_no_sensitivity_is_refused(share, options):
    with pytest.raises(DetectionError):
        d_prime_of_share(share, options)


def test_words_have_the_sensitivity_of_their_counts():
    data = make_data(
        words=3, contents=2, raters=20, m=2, choose=skilled([0.0, 0.5, 1.0], (0, 0, 1, 1, 2, 2))
    )
    found = detection_section(data)
    guessed, half, known = found["words"]
    trials = data.counted()
    word = data.question_word[trials.question]
    assert [row["answers"] for row in found["words"]] == [40, 40, 40]
    assert half["correct"] == trials.correct[word == 1].sum()
    # m = 2: √2 z(share), of the share and of both limits of its interval.
    limits = pooled(
        [trials.correct[(word == 1) & (trials.participant == r)].sum() for r in range(20)], [2] * 20
    )
    expected = [
        math.sqrt(2) * stats.norm.ppf(p) for p in (half["correct"] / 40, limits.low, limits.high)
    ]
    assert [half["d_prime"], *half["interval"]] == pytest.approx(expected, abs=1e-9)
    assert guessed["interval"][0] < 0 < guessed["interval"][1]
    # All right: half an answer off, and no upper limit.
    assert (known["correct"], known["bounded"], half["bounded"]) == (40, True, False)
    assert known["d_prime"] == pytest.approx(math.sqrt(2) * stats.norm.ppf(39.5 / 40))
    assert known["interval"][1] is None
    assert known["interval"][0] > 0


def test_each_number_of_options_has_its_row_and_all_together_one():
    data = make_data(words=4, contents=1, raters=30, m=3, choose=skilled(0.5))
    # Rater 0 … 9 saw two options: the last one that was not the target or chosen goes.
    options = np.array(data.trials.options)
    chosen, target = np.array(data.trials.chosen), np.array(data.trials.target)
    few = (data.trials.participant < 10) & (chosen != 2) & (target != 2)
    options[few, 2] = NONE
    data = replace(data, trials=replace(data.trials, options=options))
    found = detection_section(data)
    two, three, both = found["overall"]
    assert [two["m"], three["m"], both["m"]] == [2, 3, None]
    assert two["answers"] == few.sum()
    assert two["answers"] + three["answers"] == both["answers"] == 120
    assert (
        min(two["d_prime"], three["d_prime"])
        < both["d_prime"]
        < max(two["d_prime"], three["d_prime"])
    )
    back = two["answers"] * share_correct(both["d_prime"], 2) + three["answers"] * share_correct(
        both["d_prime"], 3
    )
    assert back == pytest.approx(both["correct"], abs=1e-6)


def test_who_guesses_has_none():
    covered = 0
    for seed in range(20):
        data = make_data(words=6, contents=2, raters=12, m=4, choose=skilled(0.0), seed=seed)
        (row,) = detection_section(data)["overall"]
        assert abs(row["d_prime"]) < 0.6
        covered += row["interval"][0] <= 0 <= row["interval"][1]
    assert covered >= 18


def test_no_answers_have_no_rows_and_all_is_plain_json():
    data = make_data(raters=3)
    assert json.loads(json.dumps(detection_section(data), allow_nan=False)) == detection_section(
        data
    )
    empty = replace(data, trials=data.trials.take(np.zeros(len(data.trials), dtype=bool)))
    assert detection_section(empty) == {"overall": [], "words": []}
