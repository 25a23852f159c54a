"""Wilson intervals against the examples of Newcombe (1998), table I, method 3."""

import pytest

from survey.stats.accuracy import AccuracyError, chance_level, wilson


@pytest.mark.parametrize(
    ("correct", "answers", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_newcombe(correct: int, answers: int, low: float, high: float) -> None:
    assert wilson(correct, answers) == pytest.approx((low, high), abs=5e-5)


def test_ends_are_exact_and_mirrored() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0
    low, high = wilson(3, 11)
    assert wilson(8, 11) == pytest.approx((1 - high, 1 - low))


def test_no_answers_say_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_more_confidence_is_wider() -> None:
    assert wilson(5, 10, 0.99)[0] < wilson(5, 10)[0]


@pytest.mark.parametrize(
    ("correct", "answers", "confidence"), [(2, 1, 0.95), (-1, 1, 0.95), (1, 2, 1.0), (1, 2, 95.0)]
)
def test_impossible_values_are_named(correct: int, answers: int, confidence: float) -> None:
    with pytest.raises(AccuracyError, match=r"Expected|Confidence"):
        wilson(correct, answers, confidence)


def test_chance_is_the_mean_over_answers() -> None:
    # (3 × 1/4 + 1 × 1/2) / 4
    assert chance_level([(4, 3), (2, 1)]) == pytest.approx(0.3125)
    assert chance_level([]) is None
    with pytest.raises(AccuracyError, match="m 0"):
        chance_level([(0, 1)])
