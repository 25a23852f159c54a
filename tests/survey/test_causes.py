"""Ratings, and the section as a whole."""

import json
from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from survey.stats.causes import causes_section
from survey.stats.data import KINDS, MAIN, NONE, REPEAT
from survey.stats.ratings import RatingError, rating_rows
from tests.survey.data_case import make_data, skilled


def rated(raters=10, seed=0):
    """Word w is rated w + 1 or w + 2 of 7 on content 0 and one more on content 1, and is known the better, the higher."""
    data = make_data(
        words=5,
        contents=2,
        raters=raters,
        kinds=("picture", "rating"),
        choose=skilled(
            [0.1 + 0.15 * w + 0.1 * c for w in range(5) for c in range(2)] * 2, range(20)
        ),
        seed=seed,
    )
    rating = data.question_is_rating[data.trials.question]
    level = data.question_word + data.question_content
    noise = np.random.default_rng(seed).integers(0, 2, len(data.trials))
    chosen = np.where(rating, level[data.trials.question] + noise, data.trials.chosen)
    target = np.where(rating, NONE, data.trials.target)
    return replace(
        data,
        trials=replace(data.trials, chosen=chosen.astype(np.int8), target=target.astype(np.int8)),
    )


def test_ratings_are_counted_by_word_and_cell():
    data = rated()
    found = rating_rows(data)
    rows = data.question_is_rating[data.trials.question]
    for row in found["words"]:
        word = data.words.index(row["word"])
        mine = rows & (data.question_word[data.trials.question] == word)
        given = [int(chosen) + 1 for chosen in data.trials.chosen[mine]]
        assert (row["n"], sum(row["counts"]), len(row["counts"])) == (20, 20, 7)
        assert row["mean"] == pytest.approx(np.mean(given))
        assert row["median"] == median(given)
        assert row["counts"] == [given.count(point) for point in range(1, 8)]
    assert [(row["word"], row["content"], row["n"]) for row in found["cells"][:3]] == [
        ("word0", "content0", 10),
        ("word0", "content1", 10),
        ("word1", "content0", 10),
    ]


def test_only_first_presentations_with_a_point_count_as_ratings():
    data = rated()
    place = int(np.flatnonzero(data.question_is_rating[data.trials.question])[0])
    for change in ({"chosen": NONE}, {"role": REPEAT}):
        columns = {name: getattr(data.trials, name).copy() for name in change}
        for name, value in change.items():
            columns[name][place] = value
        found = rating_rows(replace(data, trials=replace(data.trials, **columns)))
        assert sum(row["n"] for row in found["words"]) == 99
    assert data.trials.role[place] == MAIN


def test_a_rating_beyond_the_scale_is_refused():
    with pytest.raises(RatingError, match="from 1 to 5"):
        rating_rows(replace(rated(), rating_points=5))


def test_the_section_is_plain_json_and_the_same_again():
    data = rated()
    found = causes_section(data, seed=2)
    assert set(found) == {"cochran", "mixed", "shrinkage", "ratings", "correlations"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found == causes_section(data, seed=2)
    rating = next(row for row in found["correlations"] if row["measure"] == "rating")
    assert rating["n"] == 10
    # Within a content: five words, and what contents differ by does not count.
    assert 0.4 < rating["rho"] < 0.7
    assert {row["kind"] for row in found["cochran"]} == {"picture"}, "ratings are not answers"
    assert found["mixed"]["answers"] == 100


def test_a_study_without_answers_says_so_everywhere():
    data = make_data()
    found = causes_section(replace(data, trials=data.trials.take(np.zeros(len(data.trials), bool))))
    assert all(row["p_value"] is None and row["raters"] == 0 for row in found["cochran"])
    assert "error" in found["mixed"]
    assert found["shrinkage"]["words"] == []
    assert found["ratings"] == {"words": [], "cells": []}
    assert all(row["rho"] is None and row["points"] == [] for row in found["correlations"])
    json.dumps(found, allow_nan=False)


def test_a_study_of_ratings_only_has_no_accuracy_to_explain():
    data = make_data(kinds=("rating",))
    found = causes_section(data)
    assert found["cochran"] == []
    assert len(found["ratings"]["words"]) == 4
    assert KINDS[2] == "rating"
