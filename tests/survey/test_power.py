"""Planning: against tables of forced-choice tests, SciPy's distributions, and raters who are simulated."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from survey.stats.accuracy import chance_p_value, holm, wilson
from survey.stats.power import (
    OutOfReach,
    Plan,
    PowerError,
    accuracy_of_skill,
    critical_counts,
    design_effect,
    detectable_accuracy,
    expected_width,
    holm_power,
    needed_raters,
    power,
    power_of_all_answers,
    power_section,
    raters_for_half_width,
    skill_of_accuracy,
)

# Fewest right answers of a triangle test (3 options): manual of quality control of the FAO, document
# V7180E, appendix A. n → at 10, 5, 1 and .1 %.
TRIANGLE = {
    7: (5, 5, 6, 7),
    12: (7, 8, 9, 10),
    20: (10, 11, 13, 14),
    25: (12, 13, 15, 17),
    36: (17, 18, 20, 22),
    60: (26, 27, 30, 33),
    96: (39, 41, 44, 48),
}
# Fewest right answers of a duo-trio test (2 options): ISO 10399, table A.1. n → at 20, 10, 5, 1 and .1 %.
DUO_TRIO = {10: (7, 8, 9, 10, 10), 20: (13, 14, 15, 16, 18), 40: (24, 25, 26, 28, 31)}


def by_hand(n: int, chance: float, level: float) -> int:
    return int(np.argmax(binom.sf(np.arange(-1, n + 1), n, chance) <= level))


def plain_power(n: int, m: int, accuracy: float, level: float) -> float:
    return float(binom.sf(by_hand(n, 1 / m, level) - 1, n, accuracy))


# --- one word ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "chance", "levels"),
    [
        (TRIANGLE, 1 / 3, (0.1, 0.05, 0.01, 0.001)),
        (DUO_TRIO, 1 / 2, (0.2, 0.1, 0.05, 0.01, 0.001)),
    ],
)
def test_critical_counts_are_those_of_printed_tables(table, chance, levels):
    for n, row in table.items():
        assert tuple(int(critical_counts(n, chance, level)) for level in levels) == row


def test_critical_counts_agree_with_the_reports_own_test():
    for m, n in product((2, 3, 4, 7), (1, 5, 27, 138)):
        level = 0.05 / 23
        c = int(critical_counts(n, 1 / m, level))
        assert c > n or chance_p_value(c, {m: n}) <= level
        assert chance_p_value(c - 1, {m: n}) > level


def test_critical_counts_agree_with_scipy_at_any_level():
    for chance, level in product((0.02, 1 / 3, 0.5, 0.97), (1e-12, 0.001, 0.3, 0.6, 0.99)):
        expected = [by_hand(n, chance, level) for n in range(80)]
        assert critical_counts(np.arange(80), chance, level).tolist() == expected


def test_a_tail_of_exactly_the_level_is_enough():
    # 1/4² = 1/16: two of two right answers.
    assert int(critical_counts(2, 0.25, 1 / 16)) == 2
    assert int(critical_counts(2, 0.25, 1 / 16 - 1e-9)) == 3
    assert int(critical_counts(0, 0.25, 0.05)) == 1


def test_power_and_size_are_tails_of_the_binomial():
    for m, words, raters, each, p in product((2, 4), (1, 23), (9, 30, 57), (1, 3), (0.6, 0.75)):
        plan = Plan(m, words, each)
        expected = plain_power(raters * each, m, p, 0.05 / words)
        assert power(plan, raters, p) == pytest.approx(expected, abs=1e-12)
        assert power(plan, raters, 1 / m) <= 0.05 / words


def test_the_first_studys_design():
    # 9 raters, 3 contents, 23 words of 4 options: 15 of 27 needed at α/23 (SciPy's binomial, by hand).
    assert int(critical_counts(27, 0.25, 0.05 / 23)) == 15
    assert power(Plan(4, 23, 3), 9, 0.45) == pytest.approx(0.181496, abs=1e-6)
    # With a design effect of 1.5 they say as much as 18 independent answers: 11 of 18.
    assert Plan(4, 23, 3, 1.5).effective(9) == 18
    assert power(Plan(4, 23, 3, 1.5), 9, 0.45) == pytest.approx(0.127958, abs=1e-6)


def test_too_few_answers_find_nothing():
    # (1/4)² > .05/23: even two right answers of two are not enough.
    plan = Plan(4, 23)
    assert power(plan, 2, 1.0) == 0.0
    assert power(plan, 0, 1.0) == 0.0
    assert detectable_accuracy(plan, 2, 0.8) is None


# --- how many raters --------------------------------------------------------------------------------


def test_needed_raters_are_those_from_which_power_stays():
    # A triangle test of raters of whom 30 % see the difference: 66 assessors reach .95 first, 67 fall below it.
    plan = Plan(3, 1)
    p = accuracy_of_skill(0.3, 3)
    assert plain_power(66, 3, p, 0.05) >= 0.95 > plain_power(67, 3, p, 0.05)
    needed = needed_raters(plan, p, 0.95)
    assert needed == 73
    powers = [plain_power(n, 3, p, 0.05) for n in range(72, 600)]
    assert powers[0] < 0.95 <= min(powers[1:])


@pytest.mark.parametrize(
    "plan", [Plan(4, 23, 3, 1.5), Plan(2, 5), Plan(5, 60, 0.4), Plan(4, 8, 6, 2.2)]
)
@pytest.mark.parametrize("target", [0.5, 0.8, 0.95])
def test_no_larger_number_of_raters_falls_below_the_target(plan, target):
    needed = needed_raters(plan, 0.6, target)
    assert power(plan, needed - 1, 0.6) < target
    assert all(power(plan, n, 0.6) >= target for n in range(needed, 3 * needed + 50))


def test_perfect_raters_are_needed_as_often_as_guesses_can_be_excluded():
    # (1/4)^n ≤ .05/23 from n = 5.
    assert needed_raters(Plan(4, 23), 1.0, 0.9) == 5


def test_what_is_found_is_the_smallest_accuracy_of_that_power():
    plan = Plan(4, 23, 3)
    least = detectable_accuracy(plan, 30, 0.8)
    assert least is not None
    assert power(plan, 30, least) == pytest.approx(0.8, abs=1e-6)
    assert power(plan, 30, least - 1e-6) < 0.8


# --- the family -------------------------------------------------------------------------------------


def test_holms_procedure_of_two_words_by_hand():
    # n = 3, chance 1/2, α = .3: α/2 = .15 needs 3 of 3 (1/8), α needs 3 as well (2 of 3: 1/2). Then each word
    # is found by itself, with probability .8³ = .512 and 1/8.
    plan = Plan(2, 2, alpha=0.3)
    both = holm_power(plan, 3, 0.8)
    assert (both.mean, both.every) == (pytest.approx(0.512), pytest.approx(0.512**2))
    assert both.any == pytest.approx(1 - 0.488**2)
    one = holm_power(plan, 3, 0.8, recognizable=1)
    assert (one.mean, one.false) == (pytest.approx(0.512), pytest.approx(1 / 8))
    # With α = .25 the first step still needs 3 of 3, exactly at its level; with .2 it needs 4: nothing is found.
    assert holm_power(Plan(2, 2, alpha=0.25), 3, 0.8).mean == pytest.approx(0.512)
    assert holm_power(Plan(2, 2, alpha=0.2), 3, 0.8).any == 0


def test_a_later_step_by_hand():
    # n = 2, chance 1/4: p values 1/16 (2 right), 7/16 (1), 1 (0). α = .5, two words: first α/2 = .25 needs 2,
    # then .5 needs 1. Found are both where one has 2 and the other at least 1; one alone where the other has 0.
    p2, p1 = 0.36, 0.48
    holm_ = holm_power(Plan(4, 2, alpha=0.5), 2, 0.6)
    every = p2**2 + 2 * p2 * p1
    assert holm_.every == pytest.approx(every)
    assert holm_.any == pytest.approx(1 - (1 - p2) ** 2)
    assert holm_.mean == pytest.approx(every + 2 * p2 * 0.16 / 2)


def test_holms_power_agrees_with_running_it():
    plan, raters, p, real, runs = Plan(4, 8, 2), 12, 0.5, 5, 6000
    rng = np.random.default_rng(6)
    right = rng.binomial(24, [p] * real + [0.25] * 3, size=(runs, 8))
    values = np.array([chance_p_value(k, {4: 24}) for k in range(25)])
    found = np.array([[q <= 0.05 for q in holm(values[row].tolist())] for row in right])
    exact = holm_power(plan, raters, p, real)
    error = 4 * math.sqrt(0.25 / runs)
    assert exact.mean == pytest.approx(found[:, :real].mean(), abs=error)
    assert exact.every == pytest.approx(found[:, :real].all(axis=1).mean(), abs=error)
    assert exact.any == pytest.approx(found[:, :real].any(axis=1).mean(), abs=error)
    assert exact.false == pytest.approx(found[:, real:].any(axis=1).mean(), abs=error)


@pytest.mark.parametrize("real", [0, 1, 12, 22, 23])
def test_guessed_words_are_found_at_most_as_often_as_alpha_says(real):
    for raters in (3, 9, 30, 200):
        family = holm_power(Plan(4, 23, 3), raters, 0.6, real)
        assert family.false <= 0.05
        # Holm finds at least what its first step finds.
        assert real == 0 or family.mean >= power(Plan(4, 23, 3), raters, 0.6) - 1e-12


# --- answers that go together -----------------------------------------------------------------------


def test_the_design_effect_is_kishs():
    assert design_effect(3, 0.25) == 1.5
    assert design_effect(6, 0.1) == pytest.approx(1.5)
    assert design_effect(0.4, 0.9) == 1
    # 27 / 1.5 is 18, not 17 by a last bit; 27 / 1.1 is 24.5.
    assert [Plan(4, 1, 3, d).effective(9) for d in (1, 1.5, 1.1)] == [27, 18, 24]
    assert Plan(4, 1, 0.4).answers(30) == 12
    # A third, as a page prints it, and the largest numbers.
    assert [Plan(4, 1, 0.333333).answers(n) for n in (29, 30, 31, 32, 33)] == [9, 10, 10, 10, 11]
    assert Plan(4, 1, 9999.98).answers(1_000_000) == 9_999_980_000


def test_skill_and_accuracy_are_one_anothers_inverse():
    # Half known, half guessed among four: 1/2 + 1/8.
    assert accuracy_of_skill(0.5, 4) == 0.625
    assert skill_of_accuracy(0.625, 4) == 0.5
    assert skill_of_accuracy(0.25, 4) == 0


@pytest.mark.parametrize("each", [2, 3, 6])
def test_the_power_of_all_answers_is_a_sum_of_beta_binomials(each):
    # SciPy's distribution of one rater, added by convolution.
    p, rho, raters = 0.55, 0.3, 7
    scale = (1 - rho) / rho
    one = betabinom.pmf(np.arange(each + 1), each, p * scale, (1 - p) * scale)
    right = np.array([1.0])
    for _rater in range(raters):
        right = np.convolve(right, one)
    plan = Plan(4, 5, each, design_effect(each, rho))
    expected = right[by_hand(raters * each, 0.25, 0.01) :].sum()
    assert power_of_all_answers(plan, raters, p) == pytest.approx(expected, abs=1e-12)


def test_without_a_design_effect_both_powers_are_one():
    for raters, each in product((0, 1, 30), (1, 3, 1.7, 0.4)):
        plan = Plan(4, 23, each)
        expected = power(plan, raters, 0.5)
        assert power_of_all_answers(plan, raters, 0.5) == pytest.approx(expected, abs=1e-12)


def test_a_correlation_of_one_makes_each_rater_one_answer():
    # 3 raters of 2 equal answers each, chance 1/2, level .11: 6 of 6 are needed (1/64; 5: 7/64 = .109), so
    # 5 would do at .11; all three right: 6, two: 4. Power p³.
    plan = Plan(2, 1, 2, 2, alpha=0.11)
    assert int(critical_counts(6, 0.5, 0.11)) == 5
    assert power_of_all_answers(plan, 3, 0.8) == pytest.approx(0.512)
    assert power_of_all_answers(plan, 3, 1.0) == pytest.approx(1)
    assert power_of_all_answers(Plan(2, 1, 2, 2.1), 3, 0.8) is None


def test_effective_answers_understate_the_power_of_the_reports_test():
    for raters, rho in product((15, 30, 60), (0.1, 0.25, 0.5)):
        plan = Plan(4, 23, 3, design_effect(3, rho))
        assert power_of_all_answers(plan, raters, 0.5) > power(plan, raters, 0.5)


def test_the_power_of_all_answers_agrees_with_simulated_raters():
    rng = np.random.default_rng(1965)
    runs, p, each, rho = 4000, 0.45, 3, 0.25
    scale = (1 - rho) / rho
    for raters in (15, 30):
        c = int(critical_counts(raters * each, 0.25, 0.05 / 23))
        skills = rng.beta(p * scale, (1 - p) * scale, size=(runs, raters))
        found = (rng.binomial(each, skills).sum(axis=1) >= c).mean()
        exact = power_of_all_answers(Plan(4, 23, each, design_effect(each, rho)), raters, p)
        assert exact == pytest.approx(found, abs=4 * math.sqrt(0.25 / runs))


# --- precision --------------------------------------------------------------------------------------


def test_the_expected_width_is_a_sum_over_the_binomial():
    for n, p in product((1, 9, 60), (0.0, 0.3, 1.0)):
        widths = [np.subtract(*wilson(k, n)[::-1]) for k in range(n + 1)]
        expected = binom.pmf(np.arange(n + 1), n, p) @ widths
        assert expected_width(n, p) == pytest.approx(expected, abs=1e-12)
    assert expected_width(0, 0.5) == 1


def test_the_expected_width_falls_with_every_answer():
    for p in (0, 0.02, 0.1, 0.25, 0.5, 0.9, 1):
        assert (np.diff([expected_width(n, p) for n in range(200)]) < 0).all()


def test_raters_for_a_half_width_are_the_fewest():
    for plan, p in ((Plan(4, 23, 3), 0.45), (Plan(4, 23, 3, 1.5), 0.9), (Plan(2, 5, 0.5), 0.5)):
        n = raters_for_half_width(plan, p, 0.1)
        assert (
            expected_width(plan.effective(n), p) <= 0.2 < expected_width(plan.effective(n - 1), p)
        )
    # With no answer at all the interval is 0 to 1.
    assert raters_for_half_width(Plan(4, 1), 0.5, 0.5) == 0


# --- all of it --------------------------------------------------------------------------------------


def test_the_section_is_plain_json_and_says_what_the_functions_say():
    plan = Plan(4, 23, 3, 1.5)
    result = power_section(plan, raters=30, accuracy=0.45, accuracies=[0.6], numbers=[2, 30])
    assert (result["answers"], result["effective_answers"]) == (90, 60)
    assert result["critical_count"] == by_hand(60, 0.25, 0.05 / 23) == 26
    assert result["power"] == pytest.approx(plain_power(60, 4, 0.45, 0.05 / 23))
    assert result["needed"] == {"power": 0.8, "raters": needed_raters(plan, 0.45, 0.8)}
    assert result["holm"]["expected"] == pytest.approx(23 * result["holm"]["mean"])
    assert result["accuracies"] == [0.45, 0.6]
    assert result["curve"][0]["critical_count"] is None
    assert result["curve"][1]["powers"][0] == result["power"]


def test_what_no_number_of_raters_gives_is_none():
    result = power_section(Plan(4, 23), raters=2, accuracy=0.2501, half_width=1e-4)
    assert result["needed"]["raters"] is None
    assert result["needed_for_half_width"]["raters"] is None
    assert result["detectable_accuracy"] is None
    assert result["critical_count"] is None


def test_out_of_reach_is_told_from_impossible():
    for call in (
        lambda: needed_raters(Plan(4, 1), 0.2501, 0.8),
        lambda: raters_for_half_width(Plan(4, 1, 1e-5), 0.5, 0.05),
    ):
        with pytest.raises(OutOfReach):
            call()
    with pytest.raises(PowerError, match="half width from"):
        power_section(Plan(4, 1), raters=5, accuracy=0.5, half_width=0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Plan(1, 23), "options of a question from 2"),
        (lambda: Plan(4, 0), "words from 1"),
        (lambda: Plan(4, 1, 0), "answers of a rater"),
        (lambda: Plan(4, 1, 1, 0.5), "design effect from 1"),
        (lambda: Plan(4, 1, 1, 1, 1.0), "alpha between 0 and 1"),
        (lambda: Plan(4, 1, math.nan), "came nan"),
        (lambda: power(Plan(4, 1), -1, 0.5), "raters from 0"),
        (lambda: power(Plan(4, 1), 5, 1.5), "accuracy from 0 to 1"),
        (lambda: needed_raters(Plan(4, 1), 0.25, 0.8), r"above chance \(0.25 with 4 options\)"),
        (lambda: needed_raters(Plan(4, 1), 0.5, 1.0), "power between 0 and 1"),
        (lambda: needed_raters(Plan(4, 1), 0.2501, 0.8), "larger accuracy"),
        (lambda: raters_for_half_width(Plan(4, 1), 0.5, 0.0001), "wider interval"),
        (lambda: holm_power(Plan(4, 3), 5, 0.5, 4), "recognizable words from 0 to 3"),
        (lambda: design_effect(3, 1.1), "correlation from 0 to 1"),
    ],
)
def test_impossible_plans_say_what_was_expected(call, message):
    with pytest.raises(PowerError, match=message):
        call()
