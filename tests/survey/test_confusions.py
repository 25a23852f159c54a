"""Confusions: counted and fitted by hand, recovered from simulated raters, and nothing found where there is nothing."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from survey.stats import confusions
from survey.stats.confusions import (
    Choices,
    Sets,
    choices_of,
    classical_map,
    confusions_section,
    counts,
    distances,
    luce,
    merge,
    stress,
    tree,
)
from survey.stats.data import NONE
from tests.survey.data_case import make_data, skilled


def choices(*rows):
    """(target, options, chosen) a row."""
    m = max(len(options) for _t, options, _c in rows)
    return Choices(
        np.array([t for t, _o, _c in rows]),
        np.array([[*options, *[NONE] * (m - len(options))] for _t, options, _c in rows]),
        np.array([NONE if c is None else c for _t, _o, c in rows]),
    )


BY_HAND = choices(
    (0, [0, 1], 0),
    (0, [1, 0], 1),
    (0, [2, 0], 0),
    (1, [0, 1, 2], 2),
    (1, [2, 1, 0], None),
    (2, [2, 0], 2),
)


def chooser(bias, similarity, contents):
    """Chooses by Luce's model; stimuli are words × contents."""

    def choose(rng, _rater, _question, options, target):
        words = np.asarray(options) // contents
        weights = bias[words] * similarity[words[target], words]
        return int(rng.choice(len(options), p=weights / weights.sum()))

    return choose


# --- counts -------------------------------------------------------------------------------------


def test_pairs_are_counted_as_offered_and_as_chosen():
    offered, chosen = counts(BY_HAND, 3)
    assert offered.tolist() == [[3, 2, 1], [2, 2, 2], [1, 0, 1]]
    assert chosen.tolist() == [[2, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_shares_of_a_study_are_of_what_was_offered():
    # Everybody always takes the target: its share is 1, every foil's 0, however often it was shown.
    data = make_data(words=5, contents=2, raters=3, m=3, choose=skilled(1.0))
    found = confusions_section(data)["kinds"]["all"]
    assert found["ratio"] == [[float(i == j) for j in range(5)] for i in range(5)]
    assert [sum(row) for row in found["offered"]] == [18] * 5
    assert [row[i] for i, row in enumerate(found["offered"])] == [6] * 5


def test_what_was_never_offered_has_no_share():
    data = make_data(words=4, contents=1, raters=1, m=2)
    found = confusions_section(data)["kinds"]["all"]
    for offered, ratio in zip(found["offered"], found["ratio"], strict=True):
        assert [x is None for x in ratio] == [n == 0 for n in offered]
    assert any(x is None for row in found["ratio"] for x in row)


def test_kinds_are_apart_and_together():
    data = make_data(words=4, contents=2, raters=6, kinds=("picture", "word"))
    found = confusions_section(data)
    kinds = found["kinds"]
    assert found["words"] == ["word0", "word1", "word2", "word3"]
    together = np.add(kinds["picture"]["chosen"], kinds["word"]["chosen"])
    assert together.tolist() == kinds["all"]["chosen"]
    alone = confusions_section(make_data(words=4, contents=2, raters=6))["kinds"]
    assert alone["word"] is None
    assert alone["picture"] == alone["all"]


def test_words_that_are_not_asked_about_are_left_out():
    data = make_data(words=4, contents=1, raters=30, m=3)
    # The question about the third word does not count: its pictures are foils that nobody asks about.
    questions = [
        replace(q, purpose="gold" if i == 2 else "main") for i, q in enumerate(data.questions)
    ]
    trials = data.trials.take(data.trials.question != 2)
    data = replace(data, questions=tuple(questions), trials=trials)
    made = choices_of(data, data.counted())
    # Words 0, 1 and 3 are the places 0, 1 and 2.
    assert set(made.target.tolist()) == {0, 1, 2}
    shown = data.trials.options // 1 == 2
    assert (made.options[shown] == NONE).all()
    assert (made.options[~shown] != NONE).all()
    assert (made.chosen == NONE).tolist() == (data.trials.chosen_stimulus == 2).tolist()


# --- sets ---------------------------------------------------------------------------------------


def test_equal_sets_are_put_together():
    sets = merge(BY_HAND, 3)
    found = {
        tuple(sorted(row)): n for row, n in zip(sets.cells.tolist(), sets.answers, strict=True)
    }
    # Beyond a set's own options the place is 9; "not sure" is not there.
    assert found == {(0, 1, 9): 2, (0, 2, 9): 1, (3, 4, 5): 1, (6, 8, 9): 1}
    assert sets.chosen.tolist() == [[2, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_sets_of_more_words_than_a_machine_word_has_bits():
    rows = choices(
        (0, [0, 5, 127], 5),
        (0, [127, 0, 5], 0),
        # Bits 3 and 67 fall on one place where a shift goes round.
        (0, [0, 5, 67], 5),
        (0, [0, 5, 3], 5),
        (1, [1, 5, 127], 1),
    )
    assert sorted(merge(rows, 128).answers.tolist()) == [1, 1, 1, 2]


# --- Luce's model -------------------------------------------------------------------------------


def test_two_words_have_a_closed_form():
    # Luce 1963: ln η and the difference of ln β are half the difference and half the sum of the two logits.
    answers = {(0, 0): 800.0, (0, 1): 200.0, (1, 0): 400.0, (1, 1): 600.0}
    table = np.array([[answers[i, j] for j in (0, 1)] for i in (0, 1)])
    found = luce(Sets(np.array([[0, 1], [2, 3]]), np.array([1000.0, 1000.0]), table), ridge=1e-9)
    first, second = math.log(800 / 200), math.log(600 / 400)
    assert found.converged
    # LEVEL_RIDGE is there still: 1/100 beside an information of some hundreds.
    assert math.log(found.similarity[0, 1]) == pytest.approx(-(first + second) / 2, abs=1e-4)
    assert math.log(found.bias[0] / found.bias[1]) == pytest.approx((first - second) / 2, abs=1e-4)
    assert found.bias.prod() == pytest.approx(1.0)
    assert found.log_likelihood == pytest.approx(
        sum(n * math.log(n / 1000) for n in answers.values()), abs=1e-4
    )


def test_probabilities_of_the_model_give_its_parameters_back():
    # All four words are offered, and each is chosen exactly as often as the model says. Then
    # η = √(pᵢⱼ pⱼᵢ / pᵢᵢ pⱼⱼ) (Townsend and Landon 1982), and the maximum is there.
    bias = np.array([0.5, 1.0, 2.0, 1.0])
    similarity = np.array(
        [[1, 0.5, 0.1, 0.2], [0.5, 1, 0.3, 0.05], [0.1, 0.3, 1, 1.2], [0.2, 0.05, 1.2, 1]]
    )
    p = bias * similarity
    p /= p.sum(axis=1, keepdims=True)
    eta = np.sqrt(p * p.T / np.outer(np.diag(p), np.diag(p)))
    assert eta == pytest.approx(similarity)
    found = luce(Sets(np.arange(16).reshape(4, 4), np.full(4, 1e7), p * 1e7))
    assert found.similarity == pytest.approx(similarity, rel=2e-4)
    assert found.bias == pytest.approx(bias, rel=2e-4)


def test_the_maximum_is_that_of_a_plain_search():
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(60):
        target = int(rng.integers(3))
        options = rng.permutation(
            [
                target,
                *rng.permutation([i for i in range(3) if i != target])[: 1 + int(rng.integers(2))],
            ]
        )
        rows.append((target, options.tolist(), int(rng.choice(options))))

    def loss(theta):
        # log bias 0 1 2, mean log similarity, deviations of the pairs 01, 02, 12.
        pair = {(0, 1): 4, (0, 2): 5, (1, 2): 6}
        total = 0.125 * sum(theta[i] ** 2 for i in (0, 1, 2, 4, 5, 6)) + 0.005 * theta[3] ** 2
        for target, options, chosen in rows:
            weight = {
                o: theta[o]
                + (0 if o == target else theta[3] + theta[pair[tuple(sorted((o, target)))]])
                for o in options
            }
            total -= weight[chosen] - math.log(sum(math.exp(w) for w in weight.values()))
        return total

    best = minimize(loss, np.zeros(7), method="BFGS", options={"gtol": 1e-7}).x
    found = luce(merge(choices(*rows), 3))
    assert np.log(found.bias) == pytest.approx(best[:3] - best[:3].mean(), abs=1e-4)
    assert np.log(found.similarity[[0, 0, 1], [1, 2, 2]]) == pytest.approx(
        best[3] + best[4:], abs=1e-4
    )


def test_a_pair_that_was_never_offered_takes_the_mean_similarity():
    rows = (
        [(0, [0, 1], 0)] * 9 + [(0, [0, 1], 1)] * 3 + [(1, [0, 1], 1)] * 10 + [(1, [0, 1], 0)] * 3
    )
    found = luce(merge(choices(*rows), 3))
    assert found.bias[2] == pytest.approx((found.bias[0] * found.bias[1]) ** -1)
    assert found.similarity[0, 2] == pytest.approx(found.similarity[1, 2], rel=1e-4)
    assert 0 < found.similarity[0, 2] < 1


def test_nobody_ever_wrong_has_a_finite_fit():
    found = luce(merge(choices(*[(i, [i, (i + 1) % 3], i) for i in range(3)] * 20), 3))
    assert found.converged
    assert np.isfinite(found.similarity).all()
    assert found.similarity[0, 1] < 0.02


def test_known_bias_and_similarity_are_recovered_from_drawn_foils():
    k, contents = 6, 3
    rng = np.random.default_rng(2)
    places = rng.normal(size=(k, 2))
    apart = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=2))
    bias = np.exp(np.array([-0.6, -0.3, 0.0, 0.0, 0.3, 0.6]))
    data = make_data(
        k, contents, raters=250, m=3, choose=chooser(bias, np.exp(-apart), contents), seed=3
    )
    found = confusions_section(data)["kinds"]["all"]
    upper = np.triu_indices(k, 1)
    fitted = -np.log(np.array(found["luce"]["similarity"])[upper])
    assert found["luce"]["converged"]
    assert np.abs(np.log(found["luce"]["bias"]) - np.log(bias)).max() < 0.2
    assert np.corrcoef(fitted, apart[upper])[0, 1] > 0.97
    # The map has the words where they were: up to turning, distances agree.
    points = np.array(found["map"]["points"])
    drawn = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    assert np.corrcoef(drawn[upper], apart[upper])[0, 1] > 0.95
    assert found["map"]["stress"] < 0.1


def test_who_only_guesses_shows_neither_bias_nor_similar_words():
    data = make_data(6, 3, raters=150, m=3, choose=skilled(0.0), seed=4)
    found = confusions_section(data)["kinds"]["all"]["luce"]
    similarity = np.log(np.array(found["similarity"])[np.triu_indices(6, 1)])
    # Every word is taken for every other as readily as for itself.
    assert np.abs(np.log(found["bias"])).max() < 0.25
    assert abs(similarity.mean()) < 0.15


def test_a_large_study_is_sampled_and_says_so(monkeypatch):
    data = make_data(6, 2, raters=40, m=3, seed=1)
    whole = confusions_section(data)["kinds"]["all"]["luce"]
    assert (whole["answers"], whole["sampled"]) == (480, None)
    monkeypatch.setattr(confusions, "LARGEST_SETS", 50)
    part = confusions_section(data)["kinds"]["all"]
    assert (part["luce"]["answers"], part["luce"]["sampled"]) == (50, 50)
    assert part["chosen"] == confusions_section(data)["kinds"]["all"]["chosen"]
    assert part == confusions_section(data)["kinds"]["all"]


# --- tree and map -------------------------------------------------------------------------------


def test_similar_words_stand_together_in_the_tree():
    # Two pairs, 1 apart each and 4 from each other: average linkage joins at 1, 1 and 4.
    distance = np.array([[0, 4, 1, 4], [4, 0, 4, 1], [1, 4, 0, 4], [4, 1, 4, 0.0]])
    order, joins = tree(distance)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    assert [join[2:] for join in joins] == [[1, 2], [1, 2], [4, 4]]


def test_distances_of_similarities_above_one_are_none():
    found = distances(np.array([[1, math.exp(-2), 1.5], [math.exp(-2), 1, 1], [1.5, 1, 1]]))
    assert found == pytest.approx(np.array([[0, 2, 0], [2, 0, 0], [0, 0, 0]]))
    assert not np.signbit(found).any()


def test_a_flat_figure_is_mapped_as_it_is():
    # A rectangle of 3 × 4: sides 3 and 4, diagonals 5.
    distance = np.array([[0, 4, 5, 3], [4, 0, 3, 5], [5, 3, 0, 4], [3, 5, 4, 0.0]])
    points, badness = classical_map(distance)
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    assert apart == pytest.approx(distance)
    assert badness == pytest.approx(0, abs=1e-12)
    # The longer side is the first axis.
    assert np.abs(points) == pytest.approx(np.array([[2, 1.5]] * 4))


def test_the_sign_of_an_axis_is_fixed():
    distance = np.abs(np.subtract.outer([0.0, 1.0, 5.0], [0.0, 1.0, 5.0]))
    points, _badness = classical_map(distance)
    assert points[:, 0] == pytest.approx([-2, -1, 3])
    assert points[:, 1] == pytest.approx(0, abs=1e-6)


def test_stress_by_hand():
    # In the order of dissimilarity the map has 1, 3, 2: the last two are tied at 2.5 by the monotone regression.
    assert stress(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(
        math.sqrt(0.5 / 14)
    )
    # Equal dissimilarities have one value: 1.5 for the map's 1 and 2.
    assert stress(np.array([1.0, 1, 3]), np.array([1.0, 2, 4])) == pytest.approx(
        math.sqrt(0.5 / 21)
    )


def test_no_distances_have_no_map():
    assert classical_map(np.zeros((3, 3))) is None


def test_no_answers_and_one_word():
    empty = make_data(raters=1)
    empty = replace(empty, trials=empty.trials.take(np.zeros(len(empty.trials), dtype=bool)))
    assert confusions_section(empty)["kinds"] == {"picture": None, "word": None, "all": None}
    one = confusions_section(make_data(words=1, contents=2, raters=2, m=1))["kinds"]["all"]
    assert (one["offered"], one["order"], one["luce"], one["map"]) == ([[4]], [0], None, None)


def test_everything_is_plain_json():
    found = confusions_section(make_data(words=5, raters=4, kinds=("picture", "word")))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
