"""Cochran's Q against its paper, an enumeration by hand, and simulated raters."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from survey.stats import cochran
from survey.stats.cochran import CochranError, cochran_q, cochran_rows
from tests.survey.data_case import make_data, skilled


def patterns(*counts):
    """A table from (answers of one rater, number of such raters)."""
    return np.array([list(row) for row, n in counts for _ in range(n)], dtype=bool)


def test_cochrans_own_example():
    # Cochran (1950), table 1: four media for growing diphtheria bacilli, 69 specimens; Q = 8.05, 3 d.f.
    table = patterns(
        ((1, 1, 1, 1), 4),
        ((1, 1, 0, 1), 2),
        ((0, 1, 1, 1), 3),
        ((0, 1, 0, 1), 1),
        ((0, 0, 0, 0), 59),
    )
    found = cochran_q(table)
    assert found.q == pytest.approx(8.05, abs=5e-3)
    assert (found.df, found.raters, found.informative) == (3, 69, 6)


def enumerated(table):
    """P(Q ≥ q) by every way of permuting every row."""
    table = np.asarray(table, dtype=int)

    def q(rows):
        columns, k = rows.sum(axis=0), rows.shape[1]
        lines = rows.sum(axis=1)
        top = (k - 1) * (k * (columns**2).sum() - columns.sum() ** 2)
        return top / (k * lines.sum() - (lines**2).sum())

    seen = q(table)
    ways = [list(permutations(row)) for row in table]
    values = [q(np.array(rows)) for rows in product(*ways)]
    return seen, float(np.mean([value >= seen - 1e-9 for value in values]))


@pytest.mark.parametrize(
    "table",
    [
        [(1, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 0)],
        [(1, 0, 0), (1, 0, 0), (1, 0, 0), (1, 1, 0), (1, 0, 0)],
        [(1, 1, 0, 0), (1, 0, 0, 0), (0, 1, 1, 1)],
    ],
)
def test_the_exact_p_value_is_that_of_all_permutations(table):
    seen, p_value = enumerated(table)
    found = cochran_q(np.array(table, dtype=bool))
    assert found.method == "exact"
    assert found.q == pytest.approx(seen)
    assert found.p_value == pytest.approx(p_value, abs=1e-12)


def test_two_columns_are_the_sign_test():
    # Five raters right on the first only, one on the second only: two-sided binomial, 14/64.
    table = patterns(((1, 0), 5), ((0, 1), 1), ((1, 1), 7))
    assert cochran_q(table).p_value == pytest.approx(14 / 64)


def test_drawn_tables_and_the_limit_agree_with_the_exact_distribution(monkeypatch):
    rng = np.random.default_rng(4)
    table = rng.random((70, 3)) < (0.5, 0.6, 0.75)
    exact = cochran_q(table)
    monkeypatch.setattr(cochran, "EXACT_WORK", 0)
    monkeypatch.setattr(cochran, "FEW_ANSWERS", 0)
    limit = cochran_q(table)
    monkeypatch.setattr(cochran, "FEW_ANSWERS", 10_000)
    drawn = cochran_q(table)
    assert [exact.method, limit.method, drawn.method] == ["exact", "chi-squared", "permutation"]
    assert limit.p_value == pytest.approx(stats.chi2.sf(exact.q, 2))
    assert limit.p_value == pytest.approx(exact.p_value, rel=0.15)
    # Four standard errors of 9,999 draws.
    error = 4 * (exact.p_value / 9999) ** 0.5
    assert drawn.p_value == pytest.approx(exact.p_value, abs=error)


@pytest.mark.parametrize(("raters", "contents"), [(9, 3), (30, 3), (9, 8), (40, 6)])
def test_false_positives_stay_at_the_level(raters, contents, monkeypatch):
    # Raters differ much, contents do not. Three standard errors of 500 tests at .05: .029.
    monkeypatch.setattr(cochran, "PERMUTATIONS", 999)
    rng = np.random.default_rng(raters)
    skill = rng.uniform(0.2, 0.9, (500, raters, 1))
    tables = rng.random((500, raters, contents)) < skill
    rejected = [(cochran_q(table).p_value or 1.0) <= 0.05 for table in tables]
    assert np.mean(rejected) <= 0.05 + 0.029


def test_contents_that_differ_are_found():
    rng = np.random.default_rng(5)
    table = rng.random((30, 3)) < (0.3, 0.6, 0.9)
    assert cochran_q(table).p_value < 1e-3


def test_nobody_in_between_says_nothing():
    found = cochran_q(patterns(((1, 1, 1), 3), ((0, 0, 0), 2)))
    assert (found.q, found.p_value, found.raters, found.informative) == (None, None, 5, 0)
    assert cochran_q(np.zeros((0, 3), dtype=bool)).p_value is None


def test_one_column_is_refused():
    with pytest.raises(CochranError, match="at least 2 columns"):
        cochran_q(np.ones((4, 1), dtype=bool))


def test_rows_are_words_by_kind_with_corrections_over_all():
    data = make_data(words=3, contents=3, raters=12, kinds=("picture", "word"), seed=2)
    rows = cochran_rows(data)
    assert [(row["word"], row["kind"]) for row in rows] == [
        (f"word{w}", kind) for kind in ("picture", "word") for w in range(3)
    ]
    assert all(row["df"] == 2 and row["raters"] == 12 for row in rows)
    p_values = np.array([row["p_value"] for row in rows])
    # Holm: the smallest of six times six.
    assert min(row["p_holm"] for row in rows) == pytest.approx(min(1, 6 * p_values.min()))
    assert all(row["p_value"] <= row["p_bh"] <= row["p_holm"] for row in rows)


def test_a_content_that_nobody_recognizes_is_found_in_its_word():
    # Word 1 is known on content 0 and never on the others; the rest are all alike.
    known = [0.8] * 3 + [1.0, 0.0, 0.0] + [0.8] * 9
    data = make_data(words=5, contents=3, raters=20, m=5, choose=skilled(known, range(15)), seed=1)
    found = {row["word"]: row["p_holm"] for row in cochran_rows(data)}
    assert found["word1"] < 1e-6
    assert all(p > 0.05 for word, p in found.items() if word != "word1")


def test_a_rater_who_did_not_answer_everything_is_left_out_of_that_word_only():
    data = make_data(words=2, contents=3, raters=6, m=2, seed=3)
    gone = (data.trials.participant == 0) & (data.trials.question == 1)
    data = replace(data, trials=data.trials.take(~gone))
    assert [row["raters"] for row in cochran_rows(data)] == [5, 6]


def test_words_of_one_content_have_no_row():
    assert cochran_rows(make_data(words=3, contents=1)) == []
