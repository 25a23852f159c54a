"""Learning over trials, and response times: how long, of right and wrong answers, and what speed costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from survey.stats.data import KINDS, Bools, Data, Floats, Ints, Trials
from survey.stats.intervals import RaterCounts, pooled_rows

BLOCK = 10
MOST_BLOCKS = 12
"""Blocks hold a multiple of BLOCK positions, so that there are no more than this."""
BINS = 10
FIFTHS = 5
PER_OCTAVE = 3
"""Bins of the curve: three for each doubling of the time, one edge at 1,000 ms."""
STEPS = 50


class TimesError(ValueError):
    """Columns of which no slope can be computed."""


@dataclass(frozen=True)
class Slope:
    """Change of the log odds of a right answer per unit of x within raters; ``interval`` at 95 %."""

    value: float
    se: float
    interval: tuple[float, float]
    p_value: float
    raters: int


# --- learning -----------------------------------------------------------------------------------


def learning_section(data: Data, *, seed: int = 0) -> dict[str, Any]:
    """Accuracy by blocks of positions, and the slope over positions within raters.

    First presentations of main questions. A position is a trial's place among all trials of its participant, as shown,
    practice and checks among them; blocks count from the first position of a main question. Which question comes
    where is shuffled, so difficulty does not go with position. ``slope`` is None where it does not exist, see
    `clustered_slope`; ``per_10_trials`` is its value for x in tens of trials.
    """
    trials = data.counted()
    if not len(trials):
        return {"blocks": [], "width": BLOCK, "slope": None}
    first, last = int(trials.position.min()), int(trials.position.max())
    width = BLOCK * -(-(last - first + 1) // (BLOCK * MOST_BLOCKS))
    block = (trials.position - first) // width
    rows = _shares(trials, block, int(block.max()) + 1, seed)
    slope = clustered_slope(trials.position / 10.0, trials.correct, trials.participant)
    return {
        "width": width,
        "blocks": [
            {"from": first + i * width, "to": min(last, first + (i + 1) * width - 1), **row}
            for i, row in enumerate(rows)
            if row["answers"]
        ],
        "slope": slope
        and {
            "per_10_trials": slope.value,
            "se": slope.se,
            "interval": list(slope.interval),
            "p_value": slope.p_value,
            "raters": slope.raters,
        },
    }


def clustered_slope(x: Floats, correct: Bools, rater: Ints) -> Slope | None:
    """Logistic regression of right answers on x within raters, errors clustered by rater.

    logit P(right) = a + b (x − x̄ᵣ) + c (x̄ᵣ − x̄), x̄ᵣ the mean of rater r: b is the change within a person. A slope over
    x alone also sees who is left at the end, since who gives up early may differ from who stays
    (Neuhaus and Kalbfleisch 1998, Biometrics 54, 638–645). c is left out where all raters have one mean.

    Answers are taken as independent for the estimate (Liang and Zeger 1986, Biometrika 73, 13–22), and its variance is the
    jackknife over raters (Bell and McCaffrey 2002, Survey Methodology 28, 169–181, CR3), one Newton step a rater in place
    of a new fit; p value and interval by Student's t with raters − 1 degrees of freedom. With few raters other
    cluster-robust errors are too small.

    Arrays of one length n, raters numbered from 0. Returns None where there is no slope: fewer than three raters, all
    right or all wrong, one x within every rater, or a rater without whom it would not exist.
    Raises TimesError for lengths that differ.
    """
    if not len(x) == len(correct) == len(rater):
        raise TimesError(
            f"Expected columns of one length; came {len(x)}, {len(correct)} and {len(rater)}."
        )
    present, group = np.unique(rater, return_inverse=True)
    if len(present) < 3 or correct.all() or not correct.any():
        return None
    mean = np.bincount(group, weights=x) / np.bincount(group)
    within, between = x - mean[group], mean[group] - x.mean()
    if np.abs(within).max() < 1e-9:
        return None
    columns = [np.ones(len(x)), within]
    if np.abs(between).max() > 1e-9:
        columns.append(between)
    design = np.stack(columns, axis=1)
    fitted = _logistic(design, correct.astype(float))
    if fitted is None:
        return None
    variance = _jackknife(design, correct - fitted[1], fitted[1], group, len(present))
    if variance is None:
        return None
    return _tested(float(fitted[0][1]), variance, len(present))


def _tested(value: float, variance: float, raters: int) -> Slope:
    from scipy.special import stdtr, stdtrit

    se = variance**0.5
    half = float(stdtrit(raters - 1, 0.975)) * se
    p_value = 2 * float(stdtr(raters - 1, -abs(value) / se)) if se else 1.0
    return Slope(value, se, (value - half, value + half), p_value, raters)


def _logistic(design: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Coefficients and fitted probabilities by Newton's method; None where they run away (separation)."""
    beta = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(design @ beta)))
        weight = p * (1 - p)
        information = design.T @ (design * weight[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (y - p))
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            return beta, p
        if np.abs(design @ beta).max() > 30:
            return None
    return None


def _jackknife(
    design: Floats, residual: Floats, p: Floats, group: Ints, raters: int
) -> float | None:
    """Variance of the second coefficient by leaving out each rater, in one Newton step from the whole fit."""
    k = design.shape[1]
    weight = p * (1 - p)
    score = np.empty((raters, k))
    own = np.empty((raters, k, k))
    for i in range(k):
        score[:, i] = np.bincount(group, weights=design[:, i] * residual, minlength=raters)
        for j in range(i + 1):
            own[:, i, j] = np.bincount(
                group, weights=design[:, i] * design[:, j] * weight, minlength=raters
            )
            own[:, j, i] = own[:, i, j]
    without = own.sum(axis=0) - own
    if np.linalg.cond(without).max() > 1e12:
        return None
    moved = np.linalg.solve(without, score[:, :, None])[:, 1, 0]
    return float((raters - 1) / raters * (moved**2).sum())


# --- times --------------------------------------------------------------------------------------


def times_section(data: Data, *, seed: int = 0) -> dict[str, Any]:
    """Response times of first presentations of main questions; answers without a time are left out and counted.

    ``curve``: numbers of right and wrong answers between edges (one more edge than numbers). ``by_speed``: accuracy in
    tenths of all answers from fastest to slowest, the conditional accuracy function (Lappin and Disch 1972, J. Exp.
    Psychol. 93, 419–427; Luce 1986, *Response Times*, section 6.5); it mixes fast answers with fast people.
    ``by_own_speed``: the same in fifths of each rater's own answers, raters with at least FIFTHS of them, where only the
    answers differ. ``right_wrong``: see `right_against_wrong`.
    """
    trials = data.counted()
    timed = trials.take(np.isfinite(trials.response_ms))
    correct = timed.correct
    word = data.question_word[timed.question]
    kind = data.question_kind[timed.question]
    ms = timed.response_ms
    return {
        "missing": len(trials) - len(timed),
        "all": summary(ms),
        "right": summary(ms[correct]),
        "wrong": summary(ms[~correct]),
        "right_wrong": right_against_wrong(ms, correct, timed.participant),
        "words": [{"word": data.words[w], **summary(ms[word == w])} for w in data.asked_words],
        "kinds": [
            {"kind": name, **summary(ms[kind == code])}
            for code, name in enumerate(KINDS[:2])
            if (kind == code).any()
        ],
        "curve": _curve(ms, correct),
        "by_speed": _by_speed(timed, seed),
        "by_own_speed": _by_own_speed(timed, seed),
    }


def summary(ms: Floats) -> dict[str, Any]:
    """Number, quartiles, mean and standard deviation of ln ms (n − 1), geometric mean; None where there is none.

    Times are skewed, so the median and the log scale describe them (Luce 1986; Ratcliff 1993, Psychological Bulletin
    114, 510–532). Nothing is trimmed. A time of 0 (a coarse clock) counts as 1 ms in logarithms.
    """
    n = len(ms)
    if not n:
        names = ("median_ms", "q1_ms", "q3_ms", "log_mean", "log_sd", "geometric_mean_ms")
        return {"n": 0, **dict.fromkeys(names)}
    logs = _logs(ms)
    q1, median, q3 = np.quantile(ms, (0.25, 0.5, 0.75)).tolist()
    return {
        "n": n,
        "median_ms": median,
        "q1_ms": q1,
        "q3_ms": q3,
        "log_mean": float(logs.mean()),
        "log_sd": float(logs.std(ddof=1)) if n > 1 else None,
        "geometric_mean_ms": float(np.exp(logs.mean())),
    }


def right_against_wrong(ms: Floats, correct: Bools, rater: Ints) -> dict[str, Any] | None:
    """How much longer right answers took than wrong ones of the same people: a ratio of geometric means.

    The mean over raters who gave both, each counting once, of mean ln ms of right minus that of wrong answers; interval at
    95 % and p value by Student's t over raters. Below 1: right ones were faster, as is usual where wrong ones
    are of hard questions. None with fewer than two such raters.
    """
    from scipy.special import stdtr, stdtrit

    _present, group = np.unique(rater, return_inverse=True)
    logs = _logs(ms)
    n = np.bincount(group)
    right = np.bincount(group, weights=correct)
    both = (right > 0) & (right < n)
    raters = int(both.sum())
    if raters < 2:
        return None
    total = np.bincount(group, weights=logs)[both]
    of_right = np.bincount(group, weights=logs * correct)[both]
    right, n = right[both], n[both]
    away = of_right / right - (total - of_right) / (n - right)
    mean, se = float(away.mean()), float(away.std(ddof=1) / raters**0.5)
    half = float(stdtrit(raters - 1, 0.975)) * se
    return {
        "raters": raters,
        "ratio": float(np.exp(mean)),
        "interval": np.exp([mean - half, mean + half]).tolist(),
        "p_value": 2 * float(stdtr(raters - 1, -abs(mean) / se)) if se else None,
    }


def _logs(ms: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(ms, 1.0)))


def _curve(ms: Floats, correct: Bools) -> dict[str, list[float]]:
    if not len(ms):
        return {"edges_ms": [], "right": [], "wrong": []}
    place = np.floor(np.log2(np.maximum(ms, 1.0) / 1000) * PER_OCTAVE).astype(int)
    low, high = int(place.min()), int(place.max())
    bins = high - low + 1
    return {
        "edges_ms": [1000 * 2 ** (i / PER_OCTAVE) for i in range(low, high + 2)],
        "right": np.bincount(place[correct] - low, minlength=bins).tolist(),
        "wrong": np.bincount(place[~correct] - low, minlength=bins).tolist(),
    }


def _by_speed(timed: Trials, seed: int) -> list[dict[str, Any]]:
    n = len(timed)
    bins = min(BINS, n)
    if not bins:
        return []
    order = np.argsort(timed.response_ms, kind="stable")
    tenth = np.empty(n, np.int64)
    tenth[order] = np.arange(n) * bins // n
    # The fastest of each bin; the slowest is before the next one's.
    edges = np.searchsorted(tenth[order], np.arange(bins + 1))
    ms = timed.response_ms[order]
    return [
        {"from_ms": float(ms[edges[i]]), "to_ms": float(ms[edges[i + 1] - 1]), **row}
        for i, row in enumerate(_shares(timed, tenth, bins, seed))
    ]


def _by_own_speed(timed: Trials, seed: int) -> list[dict[str, Any]]:
    order = np.lexsort((timed.response_ms, timed.participant))
    timed = timed.take(order)
    _present, first, n = np.unique(timed.participant, return_index=True, return_counts=True)
    rank = np.arange(len(timed)) - np.repeat(first, n)
    size = np.repeat(n, n)
    enough = size >= FIFTHS
    if not enough.any():
        return []
    timed, fifth = timed.take(enough), (rank * FIFTHS // size)[enough]
    return [
        {"fifth": i + 1, "median_ms": float(np.median(timed.response_ms[fifth == i])), **row}
        for i, row in enumerate(_shares(timed, fifth, FIFTHS, seed))
    ]


def _shares(trials: Trials, row: Ints, rows: int, seed: int) -> Sequence[dict[str, Any]]:
    """Right answers of each row, with the pooled interval."""
    people = int(trials.participant.max(initial=-1)) + 1
    counts = RaterCounts.of_answers(row, trials.participant, trials.correct, rows, people)
    answers, correct = counts.sums(counts.answers), counts.sums(counts.correct)
    return [
        {
            "correct": int(correct[i]),
            "answers": int(answers[i]),
            "accuracy": float(correct[i] / answers[i]) if answers[i] else None,
            "interval": [limits.low, limits.high],
        }
        for i, limits in enumerate(pooled_rows(counts, seed=seed))
    ]
