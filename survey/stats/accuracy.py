"""Accuracy of a count: Wilson's score interval and the chance level."""

import math
from collections.abc import Iterable
from statistics import NormalDist


class AccuracyError(ValueError):
    """Counts, a confidence or numbers of options that cannot be."""


def wilson(correct: int, answers: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, without continuity correction.

    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22, 209–212;
    method 3 of Newcombe (1998), Statistics in Medicine 17, 857–872. Answers are taken as independent;
    answers of one rater are not quite, so the interval is somewhat too narrow.

    ``correct`` of ``answers`` are counts, 0 ≤ correct ≤ answers; ``confidence`` lies inside (0, 1).
    Returns (low, high) within [0, 1]. No answers say nothing: (0.0, 1.0).
    Raises AccuracyError for anything else.

    >>> [round(x, 4) for x in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if not 0 <= correct <= answers:
        raise AccuracyError(
            f"Expected 0 ≤ correct ≤ answers; came correct {correct}, answers {answers}."
        )
    if not 0.0 < confidence < 1.0:
        raise AccuracyError(
            f"Confidence must lie between 0 and 1 (such as 0.95), not {confidence}."
        )
    if answers == 0:
        return (0.0, 1.0)
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    p = correct / answers
    scale = 1.0 + z * z / answers
    center = (p + z * z / (2 * answers)) / scale
    half = z * math.sqrt(p * (1 - p) / answers + z * z / (4 * answers * answers)) / scale
    # At the ends one limit is exact; rounding must not push it off.
    low = 0.0 if correct == 0 else max(0.0, center - half)
    high = 1.0 if correct == answers else min(1.0, center + half)
    return (low, high)


def chance_level(options: Iterable[tuple[int, int]]) -> float | None:
    """Accuracy of guessing: the mean of 1/m over answers.

    ``options`` holds pairs (m, n): n answers were given to questions of m options. Returns a value in
    (0, 1], or None when there are no answers. Raises AccuracyError for m < 1 or n < 0.

    >>> chance_level([(4, 1), (2, 1)])
    0.375
    """
    total, expected = 0, 0.0
    for m, n in options:
        if m < 1 or n < 0:
            raise AccuracyError(f"Expected m ≥ 1 options and n ≥ 0 answers; came m {m}, n {n}.")
        total += n
        expected += n / m
    return expected / total if total else None
