"""Sensitivity d′ in m-alternative forced choice."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from survey.stats.data import Data, Trials
from survey.stats.intervals import RaterCounts, pooled_rows

# Beyond this the share of right answers differs from 1 by less than 1e-15 for any m that a screen can hold.
LARGEST = 14.0
STEPS = 600
REACH = 9.0
# Places of Simpson's rule, and its weights times the normal density there.
_PLACES = np.linspace(-REACH, REACH, STEPS + 1)
_SIMPSON = np.where(np.arange(STEPS + 1) % 2, 4.0, 2.0) * (2 * REACH / STEPS / 3)
_SIMPSON[[0, -1]] /= 2
_WEIGHTS = _SIMPSON * np.exp(-(_PLACES**2) / 2) / math.sqrt(2 * math.pi)


class DetectionError(ValueError):
    """A share of right answers or a number of options of which there is no d′."""


def share_correct(d_prime: float, options: int) -> float:
    """Expected share of right answers of an observer without bias.

    The target's evidence is normal with mean d′ and variance 1, each foil's standard normal, all
    independent, and the largest is chosen: P = ∫ φ(x − d′) Φ(x)^(m − 1) dx (Green and Swets 1966, *Signal
    Detection Theory and Psychophysics*, ch. 2; Hacker and Ratcliff 1979, Perception & Psychophysics 26, 168–170).
    For m = 2 it is Φ(d′/√2). Integrated by Simpson's rule over ±9 standard deviations: good to 1e-10.

    ``options`` m ≥ 2; ``d_prime`` any number, in standard deviations. Raises DetectionError otherwise.

    >>> round(share_correct(0.0, 4), 6)
    0.25
    """
    from scipy.special import ndtr

    if options < 2 or not math.isfinite(d_prime):
        raise DetectionError(
            f"Expected at least 2 options and a finite d′; came {options} and {d_prime}."
        )
    return min(1.0, float(_WEIGHTS @ ndtr(_PLACES + d_prime) ** (options - 1)))


def d_prime_of_share(share: float, options: Mapping[int, int]) -> float:
    """d′ at which ``share`` of the answers are expected to be right.

    Where m differs between answers it is the one d′ that solves Σ nₘ P(d′, m) = share · Σ nₘ: the same
    sensitivity at all of them. For one m it is the inverse of `share_correct`. Found by halving, to 1e-12.

    ``options`` maps m ≥ 2 to n > 0 answers; ``share`` inside (0, 1). Raises DetectionError for others.

    >>> round(d_prime_of_share(0.75, {2: 100}), 4)
    0.9539
    """
    if not 0.0 < share < 1.0 or not options or min(options.values()) < 1:
        raise DetectionError(
            f"Expected a share inside (0, 1) and answers to questions; came {share} and {dict(options)}."
        )
    answers = sum(options.values())
    low, high = -LARGEST, LARGEST
    for _ in range(44):
        middle = (low + high) / 2
        expected = sum(n * share_correct(middle, m) for m, n in options.items()) / answers
        low, high = (middle, high) if expected < share else (low, middle)
    return (low + high) / 2


def d_prime(correct: int, answers: int, options: int) -> float:
    """d′ of a count of right answers to questions of m options each.

    The inverse of `share_correct`; negative below chance. None or all right has no finite d′: half an answer
    is then added to (or taken from) the count, as is usual (Macmillan and Kaplan 1985, Psychological Bulletin
    98, 185–199), so that the value depends on the number of answers and is a bound rather than an estimate.

    ``correct`` of ``answers``, counts with 0 ≤ correct ≤ answers and answers ≥ 1; ``options`` m ≥ 2.
    Raises DetectionError for others.

    >>> round(d_prime(75, 100, 2), 4)
    0.9539
    """
    if not (0 <= correct <= answers and answers >= 1):
        raise DetectionError(
            f"Expected 0 ≤ correct ≤ answers and an answer at least; came {correct} of {answers}."
        )
    return d_prime_of_share(_inside(correct, answers), {options: answers})


def detection_section(data: Data, *, seed: int = 0) -> dict[str, Any]:
    """d′ for each number of options, of all answers together, and of each asked word.

    First presentations of main questions; "not sure" counts as wrong. Interval: the limits of the pooled interval of the
    share of right answers (`survey.stats.intervals`), each turned into d′, which is a rising function of it; a
    limit of 0 or 1 has no finite d′ and is None. ``bounded``: none or all were right, see `d_prime`. ``m`` is None where
    it differs within the row. ``seed`` is that of the rater bootstrap.
    """
    trials = data.counted()
    trials = trials.take(trials.m >= 2)
    sizes = np.unique(trials.m)
    overall = _rows(trials, np.searchsorted(sizes, trials.m), len(sizes), seed)
    if len(sizes) > 1:
        overall += _rows(trials, np.zeros(len(trials), np.int64), 1, seed)
    asked = data.asked_words
    place = np.zeros(len(data.words), np.int64)
    place[list(asked)] = np.arange(len(asked))
    by_word = _rows(trials, place[data.question_word[trials.question]], len(asked), seed)
    return {
        "overall": [row for row in overall if row is not None],
        "words": [
            {"word": data.words[word], **row}
            for word, row in zip(asked, by_word, strict=True)
            if row is not None
        ],
    }


def _rows(trials: Trials, row: Any, rows: int, seed: int) -> list[dict[str, Any] | None]:
    """d′ of the answers of each row; None where there are none."""
    people = int(trials.participant.max(initial=-1)) + 1
    counts = RaterCounts.of_answers(row, trials.participant, trials.correct, rows, people)
    answers, correct = counts.sums(counts.answers), counts.sums(counts.correct)
    return [
        _row(int(correct[i]), int(answers[i]), trials.m[row == i], (limits.low, limits.high))
        if answers[i]
        else None
        for i, limits in enumerate(pooled_rows(counts, seed=seed))
    ]


def _row(correct: int, answers: int, sizes: Any, limits: tuple[float, float]) -> dict[str, Any]:
    values, numbers = np.unique(sizes, return_counts=True)
    options = dict(zip(values.tolist(), numbers.tolist(), strict=True))
    return {
        "m": int(values[0]) if len(values) == 1 else None,
        "correct": correct,
        "answers": answers,
        "d_prime": d_prime_of_share(_inside(correct, answers), options),
        "interval": [
            d_prime_of_share(limit, options) if 0.0 < limit < 1.0 else None for limit in limits
        ],
        "bounded": correct in {0, answers},
    }


def _inside(correct: int, answers: int) -> float:
    return min(max(correct, 0.5), answers - 0.5) / answers
