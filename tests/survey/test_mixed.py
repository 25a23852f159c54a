"""The mixed model against lme4's numbers, closed forms, and answers of known spread."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from survey.stats import mixed
from survey.stats.mixed import MixedError, boundary_p_value, fit, mixed_model
from tests.survey.data_case import make_data, skilled


def crossed(rng, raters, words, contents, *, sd, intercept=0.5):
    """Answers of the model itself: right, and the levels of each."""
    rater, question = (
        a.ravel() for a in np.meshgrid(range(raters), range(words * contents), indexing="ij")
    )
    word = question // contents
    odds = intercept
    for levels, count, spread in zip(
        (rater, word, question), (raters, words, words * contents), sd, strict=True
    ):
        odds = odds + spread * rng.standard_normal(count)[levels]
    right = rng.random(len(rater)) < 1 / (1 + np.exp(-odds))
    return right, {"rater": rater, "word": word, "question": question}


@pytest.mark.filterwarnings("ignore:The 'float_precision' argument")
def test_verbal_aggression_as_in_lme4():
    # lme4 1.1: glmer(r2 ~ 1 + (1 | id) + (1 | item), VerbAgg, binomial).
    from mixedlm import load_verbagg

    frame = load_verbagg()
    found = fit(
        (frame["r2"] == "Y").to_numpy(), {name: frame[name].to_numpy() for name in ("id", "item")}
    )
    assert found.intercept == pytest.approx(-0.1626, abs=1e-4)
    assert found.sd["id"] == pytest.approx(1.373, abs=1e-3)
    assert found.sd["item"] == pytest.approx(1.129, abs=1e-3)
    assert found.log_likelihood == pytest.approx(-4101.5, abs=0.05)
    assert found.converged


def test_one_group_as_by_quadrature():
    # The integral over one random intercept by Gauss and Hermite; Laplace's approximation is close to it.
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(40), 30)
    right = rng.random(1200) < 1 / (1 + np.exp(-(0.4 + 0.9 * rng.standard_normal(40)[group])))
    found = fit(right, {"g": group})
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    count = np.bincount(group, weights=right)

    def log_likelihood(intercept, sd):
        p = 1 / (1 + np.exp(-(intercept + sd * nodes)))
        each = stats.binom.pmf(count[:, None], 30, p) @ (weights / weights.sum())
        ways = np.log(stats.binom.pmf(count, 30, 0.5)) + 30 * math.log(2)
        return float((np.log(each) - ways).sum())

    here = log_likelihood(found.intercept, found.sd["g"])
    assert found.log_likelihood == pytest.approx(here, abs=0.5)
    best = max(
        log_likelihood(a, s)
        for a in np.linspace(found.intercept - 0.05, found.intercept + 0.05, 5)
        for s in np.linspace(found.sd["g"] * 0.95, found.sd["g"] * 1.05, 5)
    )
    assert here == pytest.approx(best, abs=0.02)


def test_without_groups_it_is_the_binomial_model():
    found = fit(np.array([True] * 30 + [False] * 10), {})
    assert found.intercept == pytest.approx(math.log(3))
    assert found.se == pytest.approx(math.sqrt(1 / 30 + 1 / 10))
    assert found.log_likelihood == pytest.approx(30 * math.log(0.75) + 10 * math.log(0.25))


def test_the_p_value_at_the_boundary_is_half():
    assert boundary_p_value(3.8415) == pytest.approx(0.025, abs=1e-6)
    assert boundary_p_value(10.0) == pytest.approx(stats.chi2.sf(10, 1) / 2)
    assert boundary_p_value(0.0) == 1.0
    with pytest.raises(MixedError, match="at least 0"):
        boundary_p_value(-1.0)


def test_known_spreads_are_found_again():
    # 60 raters × 20 words × 3: the mean of six studies; relative errors of single SDs are about .1, .16 and .13.
    true = np.array([0.7, 1.0, 0.6])
    found = []
    for seed in range(6):
        right, groups = crossed(np.random.default_rng(seed), 60, 20, 3, sd=true)
        found.append(list(fit(right, groups).sd.values()))
    assert np.mean(found, axis=0) == pytest.approx(true, rel=0.15)


def test_only_a_spread_that_is_there_is_found():
    data = make_data(
        words=12, contents=3, raters=20, choose=skilled([0.1] * 18 + [0.9] * 18, range(36)), seed=4
    )
    found = mixed_model(data)
    assert found["tests"]["word"]["p_value"] < 1e-4
    assert found["tests"]["question"]["p_value"] > 0.05
    assert found["tests"]["rater"]["p_value"] > 0.05
    assert found["sd"]["word"] > 1 > 0.5 > found["sd"]["rater"]
    assert found["converged"]
    assert found["left_out"] == {}
    json.dumps(found, allow_nan=False)


@pytest.mark.slow
def test_false_positives_at_the_boundary_stay_at_the_level():
    # 9 × 23 × 3, no question effect, 200 studies; four standard errors at .05 are .062.
    rejected = []
    for seed in range(200):
        right, groups = crossed(np.random.default_rng(seed), 9, 23, 3, sd=(0.6, 0.8, 0.0))
        full = fit(right, groups)
        less = fit(right, {name: groups[name] for name in ("rater", "word")})
        chi2 = max(0.0, 2 * (full.log_likelihood - less.log_likelihood))
        rejected.append(boundary_p_value(chi2) <= 0.05)
    assert np.mean(rejected) <= 0.05 + 0.062


def test_more_answers_than_asked_for_are_sampled_by_rater():
    data = make_data(words=4, contents=3, raters=12, seed=1)
    found = mixed_model(data, sample=100, seed=3)
    assert (found["answers"], found["raters"], found["sampled"]) == (96, 8, True)
    assert found == mixed_model(data, sample=100, seed=3)
    assert found["intercept"] != mixed_model(data, sample=100, seed=4)["intercept"]
    assert mixed_model(data)["sampled"] is False


def test_all_right_is_told_not_fitted():
    found = mixed_model(make_data(choose=skilled(1.0)))
    assert "40 right of 40" in found["error"]
    assert found["answers"] == 40


def test_no_answers_are_told():
    data = make_data()
    assert "0 right of 0" in mixed_model(replace(data, trials=data.trials.take([])))["error"]


@pytest.mark.parametrize(
    ("design", "left_out"),
    [
        ({"words": 6, "contents": 1}, {"question": "one question a word"}),
        (
            {"words": 6, "contents": 2, "raters": 1},
            {"rater": "one level", "question": "one answer a level"},
        ),
    ],
)
def test_what_the_design_cannot_tell_is_left_out(design, left_out):
    found = mixed_model(make_data(**design, seed=5))
    assert found["left_out"] == left_out
    for name in left_out:
        assert found["sd"][name] is None
        assert found["tests"][name]["p_value"] is None


def test_one_word_leaves_raters_and_questions():
    data = make_data(words=6, contents=5, raters=12, seed=2)
    one = data.trials.take(data.question_word[data.trials.question] == 0)
    found = mixed_model(replace(data, trials=one))
    assert found["left_out"] == {"word": "one level"}
    assert found["tests"]["question"]["p_value"] is not None


def test_one_rater_and_one_word_leave_the_binomial_model():
    data = make_data(words=6, contents=5, raters=12, seed=2)
    word = data.question_word[data.trials.question] == 0
    found = mixed_model(
        replace(data, trials=data.trials.take(word & (data.trials.participant == 0)))
    )
    assert set(found["left_out"]) == {"rater", "word", "question"}
    assert found["method"] == "binomial"
    assert 0 < found["typical"] < 1


def test_a_failure_of_the_fitting_program_is_told(monkeypatch):
    import mixedlm

    def broken(*_args, **_kwargs):
        raise RuntimeError("did not produce a valid fit")

    monkeypatch.setattr(mixedlm, "glmer", broken)
    found = mixed_model(make_data())
    assert (
        found["error"] == "The model could not be fitted to 40 answers: did not produce a valid fit"
    )


def test_a_model_that_did_not_converge_has_no_tests(monkeypatch):
    real = mixed.fit
    monkeypatch.setattr(mixed, "fit", lambda *args: replace(real(*args), converged=False))
    found = mixed_model(make_data())
    assert found["converged"] is False
    assert found["tests"]["word"] == {"chi2": None, "p_value": None}
