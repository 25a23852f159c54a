"""The conditional logit: closed forms, derivatives, separation, errors, recovery."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

from survey.stats import logit as module
from survey.stats.data import NONE
from survey.stats.logit import (
    RIDGE,
    Choices,
    LogitError,
    _gradient,
    _information,
    _likelihood,
    _probabilities,
    fit,
)


def logit(p):
    return np.log(p / (1 - p))


def pairs(first, second, n):
    """Two options; option 0 was chosen ``first`` of n times as target and ``second`` of n times as foil."""
    chosen = [0] * first + [1] * (n - first) + [0] * second + [1] * (n - second)
    return Choices(
        options=np.tile([0, 1], (2 * n, 1)),
        target=np.repeat([0, 1], n),
        chosen=np.array(chosen),
        match=np.zeros(2 * n, dtype=int),
        rater=np.arange(2 * n),
        salients=2,
        matches=1,
    )


def simulated(raters, salience, match, *, m=3, contents=2, seed=0):
    """Every rater answers each word in each content; foils of the same content at random."""
    rng = np.random.default_rng(seed)
    words = len(match)
    word = np.tile(np.repeat(np.arange(words), contents), raters)
    content = np.tile(np.arange(contents), words * raters)
    others = np.argsort(rng.random((len(word), words - 1)), axis=1)[:, : m - 1]
    foils = (word[:, None] + 1 + others) % words
    options = np.column_stack([word, foils]) * contents + content[:, None]
    order = np.argsort(rng.random(options.shape), axis=1)
    options = np.take_along_axis(options, order, axis=1)
    target = np.argmax(order == 0, axis=1)
    utility = np.asarray(salience)[options] + rng.gumbel(size=options.shape)
    utility[np.arange(len(word)), target] += np.asarray(match)[word]
    return Choices(
        options=options,
        target=target,
        chosen=utility.argmax(axis=1),
        match=word,
        rater=np.repeat(np.arange(raters), words * contents),
        salients=words * contents,
        matches=words,
    )


def test_two_options_in_closed_form():
    # logit(30/40) = s₀ − s₁ + β and logit(14/40) = s₀ − s₁ − β.
    found = fit(pairs(30, 14, 40))
    up, down = logit(30 / 40), logit(14 / 40)
    assert found.match[0] == pytest.approx((up - down) / 2)
    assert found.salience == pytest.approx([(up + down) / 4, -(up + down) / 4])
    assert (found.ridge, found.converged, found.raters) == (0.0, True, 80)
    shares = ((30, 0.75), (14, 0.35))
    expected = sum(k * np.log(p) + (40 - k) * np.log(1 - p) for k, p in shares)
    assert found.log_likelihood == pytest.approx(expected)
    # One answer a rater: the variance of each logit is 1/npq, times R/(R − 1).
    variance = (1 / (40 * 0.75 * 0.25) + 1 / (40 * 0.35 * 0.65)) / 4
    assert found.errors[2] == pytest.approx(np.sqrt(variance * 80 / 79), rel=1e-6)
    assert found.errors[0] == pytest.approx(found.errors[2] / 2, rel=1e-6)


def test_an_answer_given_ten_times_over_is_no_more_certain():
    once = pairs(30, 14, 40)
    again = once.take(np.tile(np.arange(80), 10))
    assert fit(again).match == pytest.approx(fit(once).match)
    assert fit(again).errors == pytest.approx(fit(once).errors, rel=1e-6)


def padded():
    """Trials of two and of three options."""
    found = simulated(6, np.linspace(-1, 1, 8), [0.5, 1, 0, 0.3])
    options = found.options.copy()
    last = (found.target < 2) & (found.chosen < 2) & (np.arange(len(options)) % 3 == 0)
    options[last, 2] = NONE
    return replace(found, options=options)


def test_derivatives_are_those_of_the_likelihood():
    choices = padded()
    theta = np.random.default_rng(0).normal(size=choices.terms)

    def value(x):
        return _likelihood(choices, _probabilities(choices, x))

    def slope(x):
        return _gradient(choices, _probabilities(choices, x))

    p = _probabilities(choices, theta)
    assert p.sum(axis=1) == pytest.approx(1)
    assert (p[choices.options == NONE] == 0).all()
    assert _gradient(choices, p) == pytest.approx(optimize.approx_fprime(theta, value), abs=1e-4)
    information = _information(choices, p)
    for i in range(choices.terms):
        step = np.zeros(choices.terms)
        step[i] = 1e-5
        change = -(slope(theta + step) - slope(theta - step)) / 2e-5
        assert information[i] == pytest.approx(change, abs=1e-6)


def test_the_maximum_is_that_of_a_general_optimizer():
    choices = padded()
    choices = choices.with_matches(np.zeros(len(choices), dtype=int), 1)
    found = fit(choices)
    general = optimize.minimize(
        lambda x: -_likelihood(choices, _probabilities(choices, x)), np.zeros(choices.terms)
    )
    assert found.ridge == 0.0
    assert found.log_likelihood == pytest.approx(-general.fun, abs=1e-6)
    assert found.match[0] == pytest.approx(general.x[-1], abs=1e-3)


def test_salience_sums_to_0_within_what_was_shown_together():
    found = fit(simulated(60, np.linspace(-1, 2, 8), [0.5] * 4))
    # Options 0, 2, 4, 6 are of one content, the others of the other.
    assert found.salience[::2].sum() == pytest.approx(0, abs=1e-8)
    assert found.salience[1::2].sum() == pytest.approx(0, abs=1e-8)


def test_separation_gets_a_ridge_and_says_so():
    # All right: the match would be infinite. An option that nobody chose: its salience would.
    for choices in (pairs(10, 0, 10), simulated(5, [-60, 0, 0, 0, 0, 0], [1.0] * 3)):
        found = fit(choices)
        assert found.ridge == RIDGE
        assert found.converged
        assert np.isfinite(found.errors).all()
        assert np.abs(found.match).max() < 12


def test_a_ridge_on_all_right_by_hand():
    # 20 of 20 right: 20 (1 − p) = β/10 with p = 1/(1 + exp(−β)).
    beta = optimize.brentq(lambda b: 20 / (1 + np.exp(b)) - RIDGE * b, 0, 20)
    assert fit(pairs(10, 0, 10)).match[0] == pytest.approx(beta, rel=1e-4)


def test_few_raters_errors_are_those_of_leaving_out_one():
    choices = simulated(12, np.linspace(-1, 1, 8), [0.5, 1, 0, 0.3], seed=2)
    choices = choices.with_matches(np.zeros(len(choices), dtype=int), 1)
    found = fit(choices)
    without = np.array([fit(choices.take(choices.rater != r)).match[0] for r in range(12)])
    jackknife = np.sqrt(11 / 12 * ((without - found.match[0]) ** 2).sum())
    assert found.errors[-1] == pytest.approx(jackknife, rel=0.05)


def test_one_rater_has_no_errors():
    found = fit(simulated(1, [0.0] * 8, [0.5] * 4))
    assert np.isnan(found.errors).all()


def asked_of_few(raters, few, *, match=(0.0, 0.5, 1.0, 0.0), seed=0):
    """The first word was asked of the first ``few`` raters only."""
    choices = simulated(raters, [0.0] * 8, match, seed=seed)
    return choices.take((choices.match != 0) | (choices.rater < few))


@pytest.mark.parametrize("raters", [20, 60])
@pytest.mark.parametrize("few", [1, 2, 4])
def test_a_word_of_few_raters_has_no_error_and_spoils_no_other(raters, few):
    choices = asked_of_few(raters, few)
    found = fit(choices)
    assert found.term_raters[8:].tolist() == [few, raters, raters, raters]
    assert np.isnan(found.errors[8])
    without = fit(
        choices.take(choices.match != 0).with_matches(choices.match[choices.match != 0] - 1, 3)
    )
    assert found.errors[9:] == pytest.approx(without.errors[8:], rel=0.3)


@pytest.mark.parametrize("raters", [20, 60])
def test_a_word_of_five_raters_has_the_error_of_leaving_out_one(raters):
    choices = asked_of_few(raters, 5, seed=3)
    found = fit(choices)
    without = [fit(choices.take(choices.rater != r)).match[0] for r in range(raters)]
    jackknife = np.sqrt((raters - 1) / raters * ((without - found.match[0]) ** 2).sum())
    # Of so few answers the first order is rough; plain scores are far below.
    assert found.errors[8] == pytest.approx(jackknife, rel=0.35)


def test_words_of_five_raters_of_sixty_are_rejected_as_often_as_declared():
    p_values = []
    for seed in range(150):
        found = fit(asked_of_few(60, 5, match=(0.0,) * 4, seed=seed))
        p_values.append(stats.t.sf(found.match[0] / found.errors[8], 4))
    # 150 tests at .05: an error of .018.
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 2 * 0.018


def test_what_one_rater_alone_tells_of_has_no_error():
    # Options 0 and 1 meet 2 and 3 in one rater's trials only; that rater alone says how far apart the pairs are.
    choices = simulated(30, [0.0] * 4, [0.5] * 4, m=2, contents=1)
    together = (choices.options < 2).sum(axis=1) != 1
    choices = choices.take(together | (choices.rater == 0))
    found = fit(choices.with_matches(np.zeros(len(choices), dtype=int), 1))
    assert found.term_raters.min() >= module.LEAST_RATERS
    assert np.isnan(found.errors[:4]).all()
    assert np.isfinite(found.errors[4])


def test_blocks_of_raters_change_nothing(monkeypatch):
    choices = simulated(60, np.linspace(-1, 1, 8), [0.5] * 4)
    mixed = choices.take(np.random.default_rng(0).permutation(len(choices)))
    whole = fit(choices)
    monkeypatch.setattr("survey.stats.logit.BLOCK", 30)
    assert fit(mixed).errors == pytest.approx(whole.errors, rel=1e-6)


def test_a_start_from_some_of_the_trials_ends_at_the_same_maximum(monkeypatch):
    choices = simulated(60, np.linspace(-1, 1, 8), [0.5] * 4)
    whole = fit(choices)
    monkeypatch.setattr("survey.stats.logit.MANY", 100)
    assert fit(choices).match == pytest.approx(whole.match, abs=1e-5)


def test_known_matches_are_recovered():
    match = np.array([0.0, 0.6, 1.2, 2.0])
    salience = np.array([1.5, -1.0, 0.0, 0.5, -0.5, 1.0, -1.0, -0.5])
    away = []
    for seed in range(40):
        found = fit(simulated(60, salience, match, seed=seed))
        away.append((found.match - match) / found.errors[8:])
    # 160 estimates in standard errors: mean 0 ± .08, spread 1 ± .06.
    assert abs(np.mean(away)) < 0.25
    assert np.std(away) == pytest.approx(1, abs=0.2)
    # Both contents' saliences sum to 0.
    assert found.salience == pytest.approx(salience, abs=0.6)


@pytest.mark.parametrize("raters", [9, 60])
def test_false_positives_without_a_match(raters):
    salience = np.random.default_rng(1).normal(0, 1.5, 8)
    p_values = []
    for seed in range(150):
        choices = simulated(raters, salience, [0.0] * 4, seed=seed)
        found = fit(choices.with_matches(np.zeros(len(choices), dtype=int), 1))
        p_values.append(stats.t.sf(found.match[0] / found.errors[-1], raters - 1))
    # 150 tests at .05: an error of .018.
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 2 * 0.018


def test_choices_of_nothing_are_refused():
    choices = pairs(3, 1, 4)
    with pytest.raises(LogitError, match="at least"):
        fit(choices.take(np.zeros(8, dtype=bool)))
    with pytest.raises(LogitError, match="not sure"):
        replace(choices, chosen=np.full(8, NONE))
