"""Rank correlation against scipy, hand counts, and studies without an effect."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from survey.stats import correlation
from survey.stats.correlation import (
    CorrelationError,
    _grades,
    bonett_wright,
    correlate,
    correlate_in_words,
    correlations_with_accuracy,
    spearman,
)
from tests.survey.data_case import make_data, skilled


def test_ties_are_as_in_scipy():
    x, y = [1, 2, 2, 3, 5, 5, 5, 8], [3, 1, 4, 4, 4, 9, 2, 9]
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_what_does_not_vary_has_no_correlation():
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([1, 2], [1, 2]) is None
    found = correlate([1, 1, 1, 1], [1, 2, 3, 4])
    assert (found.rho, found.interval, found.p_value) == (None, None, None)


def test_the_interval_by_hand():
    # z = atanh(.5) = .5493; standard error sqrt(1.125/20) = .2372; tanh(.5493 ± 1.96 × .2372).
    assert bonett_wright(0.5, 23) == pytest.approx(
        (math.tanh(0.5493 - 0.46485), math.tanh(0.5493 + 0.46485)), abs=1e-4
    )
    assert bonett_wright(1.0, 23) is None
    assert bonett_wright(0.5, 3) is None
    with pytest.raises(CorrelationError, match="rho"):
        bonett_wright(1.2, 23)


def test_few_points_have_the_exact_p_value():
    # Of 24 orders of four points two give |rho| = 1; of |rho| ≥ .8 there are eight (Kendall's table).
    assert correlate([1, 2, 3, 4], [2, 4, 6, 8]).p_value == pytest.approx(2 / 24)
    assert correlate([1, 2, 3, 4], [1, 2, 4, 3]).p_value == pytest.approx(8 / 24)
    assert correlate([1, 2, 3, 4], [1, 2, 4, 3]).p_method == "exact"


def test_drawn_orders_agree_with_the_exact_distribution():
    # All 40,320 orders of 8 points; without ties rho is 1 − 6 Σd²/(n (n² − 1)), n (n² − 1) = 504.
    x, y = np.arange(8), np.array([2, 1, 4, 3, 8, 5, 7, 6])
    every = 1 - 6 * ((np.array(list(permutations(range(1, 9)))) - 1 - x) ** 2).sum(axis=1) / 504
    seen = 1 - 6 * ((y - 1 - x) ** 2).sum() / 504
    exact = np.mean(np.abs(every) >= seen - 1e-9)
    found = correlate(x, y)
    assert found.p_method == "permutation"
    # 9,999 drawn orders: three standard errors at .02 to .04 are .006.
    assert found.p_value == pytest.approx(exact, abs=0.006)
    assert found.p_value < 0.05


def test_the_interval_of_independent_points_covers():
    # Bivariate normal, Pearson .5: Spearman's is 6/pi asin(.25) = .4826; 400 samples of 23 points.
    rng = np.random.default_rng(3)
    true = 6 / math.pi * math.asin(0.25)
    inside = []
    for _ in range(400):
        x, noise = rng.standard_normal((2, 23))
        low, high = bonett_wright(spearman(x, 0.5 * x + math.sqrt(0.75) * noise), 23)
        inside.append(low <= true <= high)
    assert np.mean(inside) >= 0.93


def clustered(rng, words=12, contents=3):
    """Measures and accuracies of words that have nothing to do with each other, but are alike within a word."""
    word = np.repeat(np.arange(words), contents)
    x = rng.standard_normal(words)[word] + 0.1 * rng.standard_normal(len(word))
    y = rng.standard_normal(words)[word] + 0.3 * rng.standard_normal(len(word))
    return x, y, word, np.tile(np.arange(contents), words)


def test_words_keep_false_positives_at_the_level_where_free_permutations_do_not(monkeypatch):
    # 150 studies; four standard errors at .05 are .071.
    monkeypatch.setattr(correlation, "PERMUTATIONS", 199)
    monkeypatch.setattr(correlation, "DRAWS", 2)
    rng = np.random.default_rng(7)
    studies = [clustered(rng) for _ in range(150)]
    whole = np.mean([correlate_in_words(*study).p_value <= 0.05 for study in studies])
    free = np.mean([correlate(x, y).p_value <= 0.05 for x, y, _word, _content in studies])
    assert whole <= 0.05 + 0.071
    assert free > 0.15


def difficult(rng, words=12):
    """Content 2 has the largest measure and the lowest accuracy in every word; words differ at random."""
    x, y, word, content = clustered(rng, words)
    return x + 5 * content, y - 5 * content, word, content


def test_a_difficult_content_makes_nothing_significant():
    study = difficult(np.random.default_rng(1))
    found = correlate_in_words(*study)
    assert spearman(*study[:2]) < -0.6
    assert found.p_value > 0.05
    low, high = found.interval
    assert low < 0 < high


def test_interval_and_p_value_answer_the_same_question_under_an_effect_of_contents(monkeypatch):
    # 80 studies: four standard errors are .1 at .05. Percentiles of 12 words are somewhat narrow.
    monkeypatch.setattr(correlation, "PERMUTATIONS", 199)
    monkeypatch.setattr(correlation, "DRAWS", 199)
    rng = np.random.default_rng(11)
    found = [correlate_in_words(*difficult(rng)) for _ in range(80)]
    assert np.mean([row.p_value <= 0.05 for row in found]) <= 0.05 + 0.1
    assert np.mean([row.interval[0] <= 0 <= row.interval[1] for row in found]) >= 0.95 - 0.1


def test_ranks_within_layouts_by_hand():
    # Of all six: 3, 5½, 1, 2, 5½, 4. Layout 0 has 3, 1, 2, less their mean 2, over 3; layout 1 a tie of two and one below.
    grades = _grades(np.array([3, 5.5, 1, 2, 5.5, 4]), np.array([0, 1, 0, 0, 1, 1]))
    assert grades == pytest.approx(np.array([1, 0.5, -1, 0, 0.5, -1]) / 3)


def test_a_measure_that_matters_is_found_between_words():
    rng = np.random.default_rng(2)
    x, _y, word, content = clustered(rng)
    found = correlate_in_words(x, x + 0.2 * rng.standard_normal(len(x)), word, content)
    assert found.p_value < 0.01
    low, high = found.interval
    assert 0.5 < low < found.rho < high <= 1


def test_words_of_other_layouts_are_not_exchanged():
    # Two words of two contents and two of one: 2 × 2 exchanges, so no p value can be small.
    found = correlate_in_words(
        [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 2, 3], [0, 1, 0, 1, 0, 0]
    )
    assert found.rho == 1
    assert found.p_value == pytest.approx(0.25, abs=0.02)
    assert found.interval is None, "four words are too few to draw from"


@pytest.mark.parametrize(
    ("x", "y"), [([1, 2], [1, 2, 3]), ([1, math.nan, 3], [1, 2, 3]), ([[1, 2]], [[1, 2]])]
)
def test_columns_that_do_not_go_together_are_refused(x, y):
    with pytest.raises(CorrelationError, match="Expected"):
        spearman(x, y)


def measured(**changes):
    """Accuracy falls with the distance of the word's style; one picture has none."""
    words, contents = 8, 2
    skill = [0.95 - 0.12 * w for w in range(words) for _c in range(contents)]
    data = make_data(
        words, contents, raters=20, m=4, choose=skilled(skill, range(16)), seed=3, **changes
    )
    stimuli = tuple(
        replace(row, style_distance=0.1 * row.word + 0.01 * row.content if n else None)
        for n, row in enumerate(data.stimuli)
    )
    return replace(data, stimuli=stimuli)


def test_accuracy_against_a_measure_of_pictures():
    rows = {(row["measure"], row["level"]): row for row in correlations_with_accuracy(measured())}
    questions, words = rows["style_distance", "question"], rows["style_distance", "word"]
    assert (questions["n"], words["n"]) == (15, 8)
    assert questions["rho"] < -0.7
    assert words["rho"] < -0.8
    assert max(questions["p_value"], words["p_value"]) < 0.01
    assert questions["interval"][0] < questions["rho"] < questions["interval"][1] < 0
    point = questions["points"][0]
    assert (point["word"], point["content"], point["kind"]) == ("word0", "content1", "picture")
    assert point["x"] == pytest.approx(0.01)
    assert words["points"][7]["x"] == pytest.approx(0.705)
    assert rows["dispersion", "word"]["rho"] is None
    assert rows["rating", "question"]["points"] == []


@pytest.mark.parametrize("balanced", [True, False])
def test_recipes_of_other_scales_and_accuracies_make_no_correlation(balanced):
    # Recipe 1 reaches losses a thousand times those of recipe 0 and is hardly known; within a recipe both are noise.
    rng = np.random.default_rng(4)
    data = make_data(
        12, 2, raters=20, m=4, choose=skilled([0.9, 0.1] * 12, range(24)), kinds=("picture",)
    )
    stimuli = tuple(
        replace(
            row, content=0, recipe=row.content, style_loss=float(rng.lognormal(7 * row.content))
        )
        for row in data.stimuli
    )
    if not balanced:
        # Half the words have one recipe, half the other.
        questions = tuple(
            q for q in data.questions if stimuli[q.stimulus].word % 2 == stimuli[q.stimulus].recipe
        )
        place = {q.id: at for at, q in enumerate(questions)}
        ids = [place.get(q.id, -1) for q in data.questions]
        of_trial = np.array(ids)[data.trials.question]
        trials = data.trials.take(of_trial >= 0)
        data = replace(
            data, questions=questions, trials=replace(trials, question=of_trial[of_trial >= 0])
        )
    data = replace(data, stimuli=stimuli, contents=("content",), recipes=("a", "b"))
    rows = [row for row in correlations_with_accuracy(data) if row["measure"] == "style_loss"]
    raw = [[point[name] for point in rows[0]["points"]] for name in ("x", "y")]
    assert spearman(*raw) < -0.7
    for row in rows:
        assert abs(row["rho"]) < 0.5
        assert row["p_value"] > 0.05
        assert row["interval"][0] < 0 < row["interval"][1]
