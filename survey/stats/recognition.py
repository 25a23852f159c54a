"""How often the right option was chosen, and whether an option is chosen because it is right.

Two sections of a report, of plain JSON values. Counted are first presentations of main questions to choose in.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.stats.accuracy import benjamini_hochberg, holm, wilson
from survey.stats.choice import conditional_p_value, differences, guess_p_value
from survey.stats.data import KINDS, NONE, Data, Trials
from survey.stats.intervals import Pooled, RaterCounts, exact_limits, pooled_rows
from survey.stats.logit import Choices, Logit, fit
from survey.stats.quality import gettext_noop

ALPHA = 0.05
CHOICE_KINDS = ("picture", "word")
# Cells of a table of raters × pictures that are counted at once.
BLOCK = 1 << 22

Counts = NDArray[np.int64]
Row = dict[str, Any]

MEANINGS = {
    "accuracy": gettext_noop(
        "Accuracy says how often the right option was chosen. Above chance means that people did not all guess. "
        "It does not mean that they recognised the word: a picture that strikes the eye is chosen wherever it is shown, "
        "and so also where it is right."
    ),
    "recognition": gettext_noop(
        "Recognised means that the option was chosen more often when it was the right one than when it was a wrong one. "
        "A picture that is merely striking is chosen as often in both cases and does not pass. "
        "What passes here fits its word better than the other pictures do."
    ),
    "logit": gettext_noop(
        "The model separates the two: salience is how much an option is chosen whatever the question, "
        "match is what being the right one adds. A match of 0 means that the word changes nothing."
    ),
}
"""What each of the tests means, in plain words, for whoever reads the report."""


# --- accuracy -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Family:
    """Rows of a table: which row each trial counts in (NONE: in none), and what the row is called."""

    name: str
    row: Counts
    labels: list[Row]
    tested: bool


def accuracy_section(data: Data, *, seed: int = 0) -> Row:
    """Counts, accuracy, intervals and tests against chance, overall and by word, content, cell, recipe, language, kind
    and question.

    Each row: ``correct`` of ``answers`` by ``raters``; ``accuracy``, with "not sure" as wrong, and ``accuracy_sure``
    without; ``chance``, the mean of 1/m; Wilson's and Clopper and Pearson's intervals, which take answers as
    independent; ``pooled``, which does not (`intervals.pooled_rows`), with its method, effective number of answers and
    design effect; the exact, one-sided test against guessing (`accuracy.chance_p_value`), corrected over the rows of
    its table by Holm and by Benjamini and Hochberg, rows without answers among them. ``above_chance``: p_holm ≤ .05;
    ``overall`` is one test, so there p ≤ .05. The null hypothesis is that everybody guesses; then answers
    of one rater are independent, and the test is exact.

    ``seed`` draws the bootstrap's raters. Values that do not exist are None. Takes a few seconds for 1e6 answers.
    """
    trials = data.counted()
    families = _families(data, trials)
    counts = _rater_counts(families, trials)
    intervals = iter(pooled_rows(counts, seed=seed))
    raters = iter(counts.sums(np.ones(len(counts.row))).astype(int).tolist())
    section: Row = {
        "answers": len(trials),
        "raters": len(np.unique(trials.participant)),
        "not_sure": int((trials.chosen == NONE).sum()),
    }
    for family in families:
        rows = [
            label | {"raters": next(raters)} | numbers | _pooled(next(intervals))
            for label, numbers in zip(family.labels, _numbers(family, trials), strict=True)
        ]
        section[family.name] = _tested(rows, family.tested)
    return section | {"overall": section["overall"][0]}


def _families(data: Data, trials: Trials) -> list[_Family]:
    word = data.question_word[trials.question]
    content = data.question_content[trials.question]
    kind = data.question_kind[trials.question]
    n = len(trials)
    families = [_Family("overall", np.zeros(n, np.int64), [{}], False)]

    def add(name: str, keys: Sequence[Any], of_trial: Counts, label: Callable[[Any], Row], tested: bool) -> None:  # fmt: skip
        """``of_trial`` has the place in ``keys``."""
        families.append(_Family(name, of_trial, [label(key) for key in keys], tested))

    words, contents = data.asked_words, data.asked_contents
    add("words", words, _place(words, word), lambda w: {"word": data.words[w]}, True)
    add(
        "contents",
        contents,
        _place(contents, content),
        lambda c: {"content": data.contents[c]},
        True,
    )
    wide = max(len(data.contents), 1)
    asked = np.array(data.asked, dtype=np.int64)
    cells = np.unique(data.question_word[asked] * wide + data.question_content[asked]).tolist()
    add(
        "cells",
        cells,
        _place(cells, word * wide + content),
        lambda cell: {"word": data.words[cell // wide], "content": data.contents[cell % wide]},
        True,
    )
    variant = np.array([s.variant for s in data.stimuli], dtype=np.int64)[data.question_stimulus]
    many = int(variant.max(initial=0)) + 1
    made = data.question_recipe * many + variant
    recipes = np.unique(made[asked]).tolist()
    add(
        "recipes",
        recipes,
        _place(recipes, made[trials.question]),
        lambda key: {"recipe": data.recipes[key // many], "variant": key % many},
        True,
    )
    spoken = np.array([p.language for p in data.participants], dtype=object)
    languages = sorted(set(spoken[np.unique(trials.participant)].tolist()))
    of_participant = np.array(
        [languages.index(x) if x in languages else NONE for x in spoken], dtype=np.int64
    )
    add(
        "languages",
        languages,
        of_participant[trials.participant],
        lambda x: {"language": x},
        True,
    )
    kinds = np.unique(data.question_kind[asked]).tolist()
    add("kinds", kinds, _place(kinds, kind), lambda k: {"kind": KINDS[k]}, True)
    add(
        "questions",
        data.asked,
        _place(data.asked, trials.question),
        lambda q: _question(data, q),
        True,
    )
    return families


def _place(keys: Sequence[int], values: NDArray[np.integer[Any]]) -> Counts:
    """Where each value stands in ``keys``; NONE if it does not."""
    table = np.full(int(max([*keys, values.max(initial=0)])) + 1, NONE, dtype=np.int64)
    table[list(keys)] = np.arange(len(keys))
    return np.asarray(table[values])


def _question(data: Data, place: int) -> Row:
    question = data.questions[place]
    return {"question": question.id, "kind": question.kind} | _picture(data, question.stimulus)


def _picture(data: Data, place: int) -> Row:
    stimulus = data.stimuli[place]
    return {
        "word": data.words[stimulus.word],
        "content": data.contents[stimulus.content],
        "recipe": data.recipes[stimulus.recipe],
        "variant": stimulus.variant,
    }


def _rater_counts(families: list[_Family], trials: Trials) -> RaterCounts:
    """The rows of all tables one after the other, so that all share the bootstrap's drawn raters."""
    people, rater = np.unique(trials.participant, return_inverse=True)
    parts: list[RaterCounts] = []
    first = 0
    for family in families:
        there = family.row != NONE
        parts.append(
            RaterCounts.of_answers(
                family.row[there] + first,
                rater[there],
                trials.correct[there],
                first + len(family.labels),
                len(people),
            )
        )
        first += len(family.labels)
    row, people_of, correct, answers = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "rater", "correct", "answers")
    )
    return RaterCounts(row, people_of, correct, answers, rows=first, raters=len(people))


def _numbers(family: _Family, trials: Trials) -> Iterator[Row]:
    there = family.row != NONE
    rows = len(family.labels)
    place, m = family.row[there], trials.m[there]
    most = int(m.max(initial=1)) + 1
    options = np.bincount(place * most + m, minlength=rows * most).reshape(rows, most)
    right = np.bincount(place[trials.correct[there]], minlength=rows)
    unsure = np.bincount(place[trials.chosen[there] == NONE], minlength=rows)
    low, high = exact_limits(right, options.sum(axis=1))
    for i in range(rows):
        by_m = {m: int(n) for m, n in enumerate(options[i]) if n}
        exact = [float(low[i]), float(high[i])]
        yield _counted(int(right[i]), by_m, int(unsure[i])) | {"clopper_pearson": exact}


def _counted(correct: int, options: dict[int, int], not_sure: int) -> Row:
    answers = sum(options.values())
    sure = answers - not_sure
    return {
        "correct": correct,
        "answers": answers,
        "accuracy": correct / answers if answers else None,
        "not_sure": not_sure,
        "accuracy_sure": correct / sure if sure else None,
        "chance": sum(n / m for m, n in options.items()) / answers if answers else None,
        "wilson": list(wilson(correct, answers)),
        "p_value": guess_p_value(correct, options),
    }


def _pooled(interval: Pooled) -> Row:
    return {
        "pooled": [interval.low, interval.high],
        "pooled_method": interval.method,
        "effective_n": interval.effective_n,
        "design_effect": interval.design_effect,
    }


def _tested(rows: list[Row], together: bool, verdict: str = "above_chance") -> list[Row]:
    """The rows with corrected p values, where they are tested together, and whether they pass."""
    p_values = [row["p_value"] for row in rows]
    corrected = (
        zip(holm(p_values), benjamini_hochberg(p_values), strict=True)
        if together
        else ((None, None) for _ in rows)
    )
    return [
        row | {"p_holm": p, "p_bh": q, verdict: (row["p_value"] if p is None else p) <= ALPHA}
        for row, (p, q) in zip(rows, corrected, strict=True)
    ]


# --- recognition --------------------------------------------------------------------------------


def recognition_section(data: Data) -> Row:
    """Whether options are chosen more often as target than as foil, and the conditional logit.

    ``pictures``: each picture that was an option of a "choose the picture" question. ``words``: each word, by kind;
    for "picture" its pictures together, for "word" the word as an option. Each with how often it was shown and
    chosen as target and as foil, the difference of the two shares with its interval over raters
    (`choice.differences`), and the exact test given what each rater was shown and chose
    (`choice.conditional_p_value`; one-sided), corrected by Holm and by Benjamini and Hochberg over the pictures, or the words
    of one kind, that the study asks for, shown or not (p is 1 then), so that a correction does not change while a study fills.
    What is shown as a foil only has a row, but is none of the tests. ``recognised``: p_holm ≤ .05. "Not sure" is a showing without choice.

    ``overall``, by kind: the same counts of all options. Their saliences cancel, so the test is that of the
    right ones among all choices against 1/m.

    ``logit``, by kind: `logit.fit` of one match term for all (``match``), and of one for each word (``words``, with
    ``salience`` from the same fit; options are pictures, for kind "word" words). "Not sure" is left out. p values are one-sided,
    by Student's t with raters − 1 degrees of freedom, ``raters`` being those who were asked for the word; intervals two-sided,
    95 %. Of fewer than 5 raters there are none, nor an error (`logit.fit`): None. Such a word stays one of the tests, as if p = 1.

    A kind that the study does not ask, or without choices, is None. Takes some seconds for 1e6 answers.
    """
    trials = data.counted()
    kinds = data.question_kind[trials.question]
    section: Row = {"pictures": [], "words": [], "overall": {}, "logit": {}}
    for kind in CHOICE_KINDS:
        mine = trials.take((kinds == KINDS.index(kind)) & (trials.target != NONE))
        shown = _showings(data, mine)
        asked = _asked(data, kind)
        if kind == "picture":
            pictures = sorted({*asked, *shown.stimulus.tolist()})
            labels = [
                {"stimulus": data.stimuli[s].id, "kind": kind} | _picture(data, s) for s in pictures
            ]
            section["pictures"] = _rows(
                shown, _place(pictures, shown.stimulus), labels, [s in asked for s in pictures]
            )
        word = data.stimulus_word[shown.stimulus]
        asked = {data.stimuli[s].word for s in asked}
        words = sorted({*asked, *word.tolist()})
        labels = [{"word": data.words[w], "kind": kind} for w in words]
        section["words"] += _rows(shown, _place(words, word), labels, [w in asked for w in words])
        section["overall"][kind] = _overall(shown, mine) if len(mine) else None
        section["logit"][kind] = _logit(data, mine, kind)
    return section


def _asked(data: Data, kind: str) -> set[int]:
    """Stimuli that are the target of a question of the kind, asked yet or not."""
    questions = [data.questions[place] for place in data.asked]
    return {question.stimulus for question in questions if question.kind == kind}


@dataclass(frozen=True)
class _Showings:
    """Strata: a stimulus as an option shown to one rater in questions of one number of options."""

    rater: Counts
    stimulus: Counts
    shown: Counts
    as_target: Counts
    chosen: Counts
    right: Counts
    raters: int


def _showings(data: Data, trials: Trials) -> _Showings:
    people, rater = np.unique(trials.participant, return_inverse=True)
    m = trials.m
    parts = [np.zeros((6, 0), dtype=np.int64)]
    step = max(1, BLOCK // max(len(data.stimuli), 1))
    for first in range(0, len(people), step):
        block = (rater >= first) & (rater < first + step)
        for options in np.unique(m[block]).tolist():
            here = block & (m == options)
            part = _stratum_counts(trials.take(here), rater[here] - first, len(data.stimuli))
            part[0] += first
            parts.append(part)
    of, stimulus, *counts = np.concatenate(parts, axis=1)
    shown, as_target, chosen, right = counts
    return _Showings(of, stimulus, shown, as_target, chosen, right, raters=len(people))


def _stratum_counts(trials: Trials, rater: Counts, stimuli: int) -> Counts:
    """Rater, stimulus, and how often shown, shown as target, chosen, and chosen rightly: (6, strata)."""
    size = (int(rater.max(initial=0)) + 1) * stimuli
    options = trials.options.astype(np.int64) + (rater * stimuli)[:, None]
    rows = np.arange(len(trials))
    target, sure = options[rows, trials.target], trials.chosen != NONE
    chosen = options[rows, np.maximum(trials.chosen, 0)]
    counts = [
        np.bincount(places, minlength=size)
        for places in (
            options[trials.options != NONE],
            target,
            chosen[sure],
            chosen[trials.correct],
        )
    ]
    there = np.flatnonzero(counts[0])
    return np.stack([there // stimuli, there % stimuli, *(count[there] for count in counts)])


def _rows(shown: _Showings, row: Counts, labels: list[Row], asked: Sequence[bool]) -> list[Row]:
    """A row for each label, those that are asked for tested together."""
    target = RaterCounts.of_counts(
        row, shown.rater, shown.right, shown.as_target, len(labels), shown.raters
    )
    foil = RaterCounts.of_counts(
        row,
        shown.rater,
        shown.chosen - shown.right,
        shown.shown - shown.as_target,
        len(labels),
        shown.raters,
    )
    found = differences(target, foil)
    order = np.argsort(row, kind="stable")
    ends = np.searchsorted(row[order], np.arange(len(labels) + 1))
    rows = []
    for i, label in enumerate(labels):
        mine = order[ends[i] : ends[i + 1]]
        p_value = conditional_p_value(
            shown.shown[mine],
            shown.as_target[mine],
            shown.chosen[mine],
            int(shown.right[mine].sum()),
        )
        rows.append(
            label
            | _tallies(shown, mine)
            | {
                "p_target": _number(found.target[i]),
                "p_foil": _number(found.foil[i]),
                "difference": _number(found.difference[i]),
                "difference_interval": _interval(found.low[i], found.high[i]),
                "p_value": p_value,
            }
        )
    one_of_them = [row for row, is_asked in zip(rows, asked, strict=True) if is_asked]
    tested = iter(_tested(one_of_them, True, "recognised"))
    return [
        next(tested) if is_asked else row | {"p_holm": None, "p_bh": None, "recognised": False}
        for row, is_asked in zip(rows, asked, strict=True)
    ]


def _tallies(shown: _Showings, mine: Counts | slice) -> Row:
    seen, targets, chosen, right = (
        int(column[mine].sum())
        for column in (shown.shown, shown.as_target, shown.chosen, shown.right)
    )
    return {
        "target_shown": targets,
        "target_chosen": right,
        "foil_shown": seen - targets,
        "foil_chosen": chosen - right,
    }


def _overall(shown: _Showings, trials: Trials) -> Row:
    (row,) = _rows(shown, np.zeros(len(shown.rater), dtype=np.int64), [{}], [True])
    sure = trials.m[trials.chosen != NONE]
    options = {int(m): int(n) for m, n in zip(*np.unique(sure, return_counts=True), strict=True)}
    row["p_value"] = guess_p_value(row["target_chosen"], options)
    return _tested([row], False, "recognised")[0]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _interval(low: float, high: float) -> list[float] | None:
    return [float(low), float(high)] if math.isfinite(low) and math.isfinite(high) else None


# --- conditional logit --------------------------------------------------------------------------


def _logit(data: Data, trials: Trials, kind: str) -> Row | None:
    trials = trials.take((trials.chosen != NONE) & (trials.m > 1))
    if not len(trials):
        return None
    options = trials.options.astype(np.int64)
    words = data.question_word[trials.question]
    if kind == "word":
        options = np.where(options == NONE, NONE, data.stimulus_word[options])
    salients = np.unique(options[options != NONE]).tolist()
    asked = np.unique(words).tolist()
    choices = Choices(
        options=np.where(options == NONE, NONE, _place(salients, np.maximum(options, 0))),
        target=trials.target.astype(np.int64),
        chosen=trials.chosen.astype(np.int64),
        match=np.zeros(len(trials), dtype=np.int64),
        rater=trials.participant.astype(np.int64),
        salients=len(salients),
        matches=1,
    )
    whole = fit(choices)
    by_word = fit(choices.with_matches(_place(asked, words), len(asked)))
    match = [_wald(by_word, len(salients) + i) for i in range(len(asked))]
    labels = [{"word": data.words[w]} for w in asked]
    unseen = len({data.stimuli[s].word for s in _asked(data, kind)} - set(asked))
    return {
        "choices": len(trials),
        "raters": whole.raters,
        "match": _wald(whole, len(salients)),
        "words": _tested_words([a | b for a, b in zip(labels, match, strict=True)], unseen),
        "salience": [
            (_salient(data, s) if kind == "picture" else {"word": data.words[s]})
            | {"salience": float(by_word.salience[i]), "se": _number(by_word.errors[i])}
            for i, s in enumerate(salients)
        ],
        "log_likelihood": whole.log_likelihood,
        "log_likelihood_words": by_word.log_likelihood,
        "ridge": whole.ridge,
        "ridge_words": by_word.ridge,
        "converged": whole.converged and by_word.converged,
    }


def _salient(data: Data, place: int) -> Row:
    stimulus = data.stimuli[place]
    return {
        "stimulus": stimulus.id,
        "word": data.words[stimulus.word],
        "content": data.contents[stimulus.content],
    }


def _wald(found: Logit, term: int) -> Row:
    from scipy.special import stdtr, stdtrit

    beta = float(np.concatenate([found.salience, found.match])[term])
    error, raters = _number(found.errors[term]), int(found.term_raters[term])
    row: Row = {"beta": beta, "se": error, "interval": None, "p_value": None, "raters": raters}
    if error:
        reach = float(stdtrit(raters - 1, 0.975)) * error
        p_value = float(stdtr(raters - 1, -beta / error))
        row |= {"interval": [beta - reach, beta + reach], "p_value": p_value}
    return row


def _tested_words(rows: list[Row], unseen: int) -> list[Row]:
    """Corrected over all words, ``unseen`` ones too; one without a p value counts as 1 and gets none."""
    known = [1.0 if row["p_value"] is None else row["p_value"] for row in rows] + [1.0] * unseen
    corrected = list(zip(holm(known), benjamini_hochberg(known), strict=True))[: len(rows)]
    return [
        row | dict(zip(("p_holm", "p_bh"), (None, None) if row["p_value"] is None else both, strict=True))
        for row, both in zip(rows, corrected, strict=True)
    ]  # fmt: skip
