"""Simulated studies for tests of the analyses: words × contents, raters of known skill and bias."""

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np

from survey.stats.data import KINDS, MAIN, NONE, Data, Participant, Question, Stimulus, Trials

Chooser = Callable[[np.random.Generator, int, int, np.ndarray, int], int]
"""(generator, rater, question, options as stimuli, target slot) → chosen slot, NONE for "not sure"."""


def skilled(skill: float | Sequence[float], word_of: Sequence[int] | None = None) -> Chooser:
    """Knows the answer with probability ``skill`` (one, or one a word), otherwise guesses uniformly."""

    def choose(rng, _rater, question, options, target):
        p = skill if isinstance(skill, float) else skill[word_of[question]]
        return target if rng.random() < p else int(rng.integers(len(options)))

    return choose


def striking(salience: Sequence[float]) -> Chooser:
    """Ignores the word and picks by salience alone (softmax over the stimuli shown)."""

    def choose(rng, _rater, _question, options, _target):
        weights = np.exp(np.asarray(salience)[options])
        return int(rng.choice(len(options), p=weights / weights.sum()))

    return choose


def make_data(
    words: int = 4,
    contents: int = 2,
    raters: int = 5,
    m: int = 3,
    *,
    kinds: Sequence[str] = ("picture",),
    choose: Chooser | None = None,
    seed: int = 0,
    language: Sequence[str] = ("ja",),
) -> Data:
    """Every rater answers every question once; foils are drawn anew for each rater among the content's pictures."""
    rng = np.random.default_rng(seed)
    choose = choose or skilled(0.5)
    stimuli = tuple(
        Stimulus(id=100 + w * contents + c, word=w, content=c, recipe=0)
        for w in range(words)
        for c in range(contents)
    )
    ids = count(500)
    questions = tuple(
        Question(id=next(ids), kind=kind, stimulus=s) for kind in kinds for s in range(len(stimuli))
    )
    rows = []
    for rater in range(raters):
        order = rng.permutation(len(questions))
        for position, q in enumerate(order):
            target_stimulus = questions[q].stimulus
            content = stimuli[target_stimulus].content
            others = [
                s
                for s, row in enumerate(stimuli)
                if row.content == content and s != target_stimulus
            ]
            options = rng.permutation([target_stimulus, *rng.choice(others, m - 1, replace=False)])
            target = int(np.flatnonzero(options == target_stimulus)[0])
            chosen = choose(rng, rater, int(q), options, target)
            rows.append(
                (rater, q, position, options, target, chosen, float(rng.lognormal(7.5, 0.4)))
            )
    columns = list(zip(*rows, strict=True))
    n = len(rows)
    return Data(
        study="case",
        words=tuple(f"word{w}" for w in range(words)),
        contents=tuple(f"content{c}" for c in range(contents)),
        recipes=("recipe",),
        stimuli=stimuli,
        questions=questions,
        participants=tuple(
            Participant(id=f"p{r:04d}", language=language[r % len(language)]) for r in range(raters)
        ),
        trials=Trials(
            participant=np.array(columns[0], dtype=np.int32),
            question=np.array(columns[1], dtype=np.int32),
            role=np.full(n, MAIN, dtype=np.int8),
            position=np.array(columns[2], dtype=np.int32),
            options=np.array(columns[3], dtype=np.int32),
            target=np.array(columns[4], dtype=np.int8),
            chosen=np.array(columns[5], dtype=np.int8),
            response_ms=np.array(columns[6]),
            answered_at=np.arange(n, dtype=np.float64) * 5 + 1_790_000_000,
        ),
    )


__all__ = ["KINDS", "NONE", "make_data", "skilled", "striking"]
