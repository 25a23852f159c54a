import pytest

from survey.stats.agreement import AgreementError, agreement, jackknife_error

# Fleiss 1971, table 1: 30 patients, 6 psychiatrists each; depression, personality disorder, schizophrenia,
# neurosis, other.
FLEISS = [
    *([0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0]),
    *([2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6]),
    *([1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1]),
    *([0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0], [0, 2, 0, 4, 0], [1, 0, 2, 0, 3]),
    *([0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0], [1, 0, 0, 4, 1]),
    *([0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6]),
]


def test_the_numbers_of_fleiss() -> None:
    found = agreement(FLEISS)
    assert (found.items, found.answers) == (30, 180)
    assert found.observed == pytest.approx(0.5556, abs=5e-5)
    assert found.fleiss == pytest.approx(0.4302, abs=5e-5)
    assert found.randolph == pytest.approx(0.4444, abs=5e-5)
    assert found.krippendorff == pytest.approx(0.4334, abs=5e-5)
    assert found.gwet == pytest.approx(0.4479, abs=5e-5)


def test_by_hand_with_different_numbers_of_raters() -> None:
    # Items of 2, 3 and 1 answers; the last says nothing. Agreeing pairs: 1 of 1, and 1 of 3.
    found = agreement([[2, 0], [1, 2], [1, 0]])
    assert (found.items, found.answers) == (2, 5)
    assert found.observed == pytest.approx((1 + 1 / 3) / 2)
    assert found.randolph == pytest.approx((2 / 3 - 1 / 2) / (1 / 2))
    # Three and two of the five answers.
    assert found.fleiss == pytest.approx((2 / 3 - 13 / 25) / (12 / 25))
    # Weighted: (2 · 1 + 3 · 1/3) / 5; expected (3 · 2 + 2 · 1) / (5 · 4).
    assert found.krippendorff == pytest.approx((3 / 5 - 2 / 5) / (3 / 5))
    # Means of shares: (1 + 1/3) / 2 and (0 + 2/3) / 2; chance 2 · 2/3 · 1/3.
    assert found.gwet == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))


def test_full_agreement() -> None:
    found = agreement([[3, 0], [0, 3]])
    assert found.randolph == found.fleiss == found.krippendorff == found.gwet == 1.0
    # In one category only: some notions of chance leave nothing over.
    one = agreement([[3, 0], [4, 0]])
    assert (one.observed, one.randolph, one.gwet) == (1.0, 1.0, 1.0)
    assert one.fleiss is None
    assert one.krippendorff is None


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], "of nothing"),
        ([[1]], "two categories"),
        ([[1, 2], [1, 2, 3]], "one length"),
        ([[2, -1]], "negative"),
        ([[1, 0], [0, 1]], "two answers"),
    ],
)
def test_counts_that_say_nothing(counts, message) -> None:
    with pytest.raises(AgreementError, match=message):
        agreement(counts)


def test_the_error_by_leaving_raters_out() -> None:
    # Two items, three raters: A A, A B, B B. Without each: {A B, B B}: ½, {A A, B B}: 0, {A A, A B}: ½.
    raters = [[[1, 0], [1, 0]], [[1, 0], [0, 1]], [[0, 1], [0, 1]]]
    error = jackknife_error(raters, lambda a: a.observed)
    # Mean 1/3; squares 1/36 + 4/36 + 1/36 = 1/6; (2/3 · 1/6)^½.
    assert error == pytest.approx(1 / 3)
    assert jackknife_error(raters[:2], lambda a: a.observed) is None
    # Without the third all answers are one category's, and κ does not exist.
    alike = [[[1, 0]], [[1, 0]], [[0, 1]]]
    assert jackknife_error(alike, lambda a: a.fleiss) is None
