"""How far raters agree with each other and with themselves, and one row a rater."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.stats.confusions import choices_of
from survey.stats.data import ATTENTION, GOLD, KINDS, MAIN, NONE, REPEAT, Bools, Data, Floats, Ints
from survey.stats.intervals import pooled

Table = NDArray[np.float64]
COEFFICIENTS = ("observed", "chance", "randolph", "fleiss", "krippendorff", "gwet")


@dataclass(frozen=True)
class Answers:
    """Answers as categories, one a rater and item at most.

    ``item``, ``rater``, ``category`` (n) are places from 0. ``guess`` (n × c) are the probabilities with which somebody who
    only guesses takes the categories in ``columns`` (n × c; any place where the probability is 0).
    """

    item: Ints
    rater: Ints
    category: Ints
    categories: int
    columns: Ints
    guess: Floats


@dataclass(frozen=True)
class Sums:
    """What all coefficients are made of; scalars, or arrays (raters) of what is left without each rater.

    ``items`` and ``answers`` of items with two answers at least; sums over items of the share of agreeing pairs
    (``pairs``), of the share expected of guessing (``guessed``), of pairs weighted by answers (``weighted``); ``totals``
    (… × categories) of answers, ``shares`` (… × categories) sums over items of n_ij / n_i.
    """

    items: Any
    answers: Any
    pairs: Any
    guessed: Any
    weighted: Any
    totals: Any
    shares: Any


def agreement_section(data: Data, *, seed: int = 0) -> dict[str, Any]:
    """Agreement of raters on the word chosen, by kind of question; on right and wrong; and of raters with themselves.

    Items are questions, first presentations of main ones. Foils differ from rater to rater, but the picture asked about does
    not: the categories of ``kinds`` are all asked words, an answer is the word of the option chosen, and "not sure" is no
    answer. In ``right_wrong`` categories are right and wrong ("not sure" is wrong), chance of ``randolph`` 1/2; whether the
    same questions are hard for everybody say ``fleiss`` and ``krippendorff`` there, 0 where right answers are spread over
    questions as by lot. Each is what `coefficients` gives, None where no question has two answers. ``repeats``: share of repeated questions answered as the first time, see `repeats`;
    interval with raters as the sample (`survey.stats.intervals`, ``seed`` of its bootstrap); chance is the mean of 1/m.
    """
    trials = data.counted()
    choices = choices_of(data, trials)
    kind = data.question_kind[trials.question]
    chance = 1 / np.maximum(trials.m, 1)
    named = _Rows(trials.question, trials.participant, choices.chosen, choices.options, chance)
    k = len(data.asked_words)
    kinds = {
        name: coefficients(_chosen_words(named, (kind == code) & (choices.chosen != NONE), k))
        for code, name in enumerate(KINDS[:2])
        if (kind == code).any()
    }
    right = Answers(
        item=trials.question,
        rater=trials.participant,
        category=trials.correct.astype(np.int64),
        categories=2,
        columns=np.broadcast_to([0, 1], (len(trials), 2)),
        guess=np.full((len(trials), 2), 0.5),
    )
    return {
        "kinds": kinds,
        "right_wrong": coefficients(right),
        "repeats": _repeats_row(data, seed),
    }


def coefficients(answers: Answers) -> dict[str, Any] | None:
    """Chance-corrected agreement as in `survey.stats.agreement`, with standard errors, for any number of raters.

    ``observed``, ``fleiss``, ``krippendorff`` and ``gwet`` are those of `agreement.agreement` for the items' counts. ``chance`` is
    the agreement of two raters who guess: the mean over items of the mean over pairs of raters r, s of Σ_c g_rc g_sc, where g_rc is
    the probability that a guess of r falls on category c. Two who guess among the same m options agree with 1/m; with
    drawn foils it is |S_r ∩ S_s| / (m_r m_s). ``randolph`` = (observed − chance) / (1 − chance): Randolph's (2005)
    free-marginal κ with that chance in place of 1/k, and equal to it where all raters choose among all categories. It is 0
    for guessers; the others are not, since their chance knows nothing of what was offered.

    ``errors``: jackknife standard errors over raters (Efron 1982, ch. 3; `agreement.jackknife_error`), in one pass.
    None for a coefficient that does not exist, for errors with fewer than three raters, and for all where no item has
    two answers.
    """
    n = np.bincount(answers.item, minlength=1)
    enough = n[answers.item] >= 2
    if not enough.any():
        return None
    kept = _take(answers, enough)
    whole, without = _sums(kept)
    values = _coefficients(whole)
    found: dict[str, Any] = {"items": int(whole.items), "answers": int(whole.answers)}
    found |= {name: _number(values[name]) for name in COEFFICIENTS}
    raters = len(np.atleast_1d(without.items))
    rest = _coefficients(without)
    found["raters"] = raters
    found["errors"] = {
        name: _number(_jackknife(rest[name])) if raters >= 3 and found[name] is not None else None
        for name in COEFFICIENTS
    }
    return found


# --- one pass over all raters -------------------------------------------------------------------


def _sums(answers: Answers) -> tuple[Sums, Sums]:
    """Sums of all answers, and without each rater; every item has two answers at least.

    Without one answer of category j to item i, Σ_j n_ij(n_ij − 1) becomes less by 2(n_ij − 1); an item of two answers is gone,
    and the other answer with it.
    """
    from scipy.sparse import csr_array

    k = answers.categories
    _items, item = np.unique(answers.item, return_inverse=True)
    _raters, rater = np.unique(answers.rater, return_inverse=True)
    many, people, category = len(_items), len(_raters), answers.category
    n = np.bincount(item).astype(float)
    counts = np.bincount(item * k + category, minlength=many * k).reshape(many, k).astype(float)
    agree = (counts * (counts - 1)).sum(axis=1)
    cells = item[:, None] * k + answers.columns
    guess = np.bincount(cells.ravel(), weights=answers.guess.ravel(), minlength=many * k)
    square = (answers.guess**2).sum(axis=1)
    alike = (guess.reshape(many, k) ** 2).sum(axis=1) - np.bincount(item, weights=square)
    ordered = n * (n - 1)
    whole = Sums(
        items=float(many),
        answers=n.sum(),
        pairs=(agree / ordered).sum(),
        guessed=(alike / ordered).sum(),
        weighted=(agree / (n - 1)).sum(),
        totals=counts.sum(axis=0),
        shares=(counts / n[:, None]).sum(axis=0),
    )

    def total(values: Any) -> Floats:
        return np.asarray(np.bincount(rater, weights=values, minlength=people), dtype=np.float64)

    left = n[item] - 1
    stays = left >= 2
    pairs_left = np.where(stays, left * (left - 1), 1)
    agree_left = np.where(stays, agree[item] - 2 * (counts[item, category] - 1), 0)
    met = (answers.guess * guess[cells]).sum(axis=1)
    alike_left = np.where(stays, alike[item] - 2 * met + 2 * square, 0)
    # The other answer to an item of two: the categories of both, less this one.
    other = np.bincount(item, weights=category).astype(np.int64)[item] - category
    out = np.concatenate([rater * k + category, (rater * k + other)[~stays]])
    moved = csr_array(
        (np.where(stays, 1 / (left * n[item]), -1 / n[item]), (rater, item)), shape=(people, many)
    )
    own = np.bincount(
        rater * k + category, weights=np.where(stays, 1 / left, 0), minlength=people * k
    )
    without = Sums(
        items=whole.items - total(~stays),
        answers=whole.answers - total(np.where(stays, 1, 2)),
        pairs=whole.pairs + total(agree_left / pairs_left - (agree / ordered)[item]),
        guessed=whole.guessed + total(alike_left / pairs_left - (alike / ordered)[item]),
        weighted=whole.weighted
        + total(agree_left / np.where(stays, left - 1, 1) - (agree / (n - 1))[item]),
        totals=whole.totals - np.bincount(out, minlength=people * k).reshape(people, k),
        shares=whole.shares + moved @ counts - own.reshape(people, k),
    )
    return whole, without


def _coefficients(sums: Sums) -> dict[str, Any]:
    """The coefficients of sums; NaN where there are none. Sources: see `survey.stats.agreement`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        observed, guessed = sums.pairs / sums.items, sums.guessed / sums.items
        items, answers = np.asarray(sums.items)[..., None], np.asarray(sums.answers)[..., None]
        shares = sums.shares / items
        fleiss = ((sums.totals / answers) ** 2).sum(axis=-1)
        drawn = (sums.totals * (sums.totals - 1)).sum(axis=-1)
        gwet = (shares * (1 - shares)).sum(axis=-1) / (np.shape(shares)[-1] - 1)
        return {
            "observed": observed,
            "chance": guessed,
            "randolph": _beyond(observed, guessed),
            "fleiss": _beyond(observed, fleiss),
            "krippendorff": _beyond(
                sums.weighted / sums.answers, drawn / (sums.answers * (sums.answers - 1))
            ),
            "gwet": _beyond(observed, gwet),
        }


def _beyond(observed: Any, chance: Any) -> Any:
    # Sums of shares miss 1 by rounding.
    return np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan)


def _jackknife(values: Floats) -> float:
    return float(np.sqrt((len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()))


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _take(answers: Answers, rows: Bools) -> Answers:
    return Answers(
        answers.item[rows],
        answers.rater[rows],
        answers.category[rows],
        answers.categories,
        answers.columns[rows],
        answers.guess[rows],
    )


@dataclass(frozen=True)
class _Rows:
    item: Ints
    rater: Ints
    chosen: Ints
    options: Ints
    chance: Floats


def _chosen_words(rows: _Rows, some: Bools, k: int) -> Answers:
    options = rows.options[some]
    return Answers(
        item=rows.item[some],
        rater=rows.rater[some],
        category=rows.chosen[some],
        categories=max(k, 2),
        columns=np.maximum(options, 0),
        guess=np.where(options != NONE, rows.chance[some][:, None], 0.0),
    )


# --- repeats ------------------------------------------------------------------------------------


def repeats(data: Data) -> tuple[Ints, Bools, Floats]:
    """Repeated questions to choose in, with the first answer to each: (rater, same, 1/m), arrays of one length.

    Same: the same stimulus was chosen, in whatever position; "not sure" twice is the same, once is not. As in
    `survey.stats.quality`, repeats without a first answer do not count, nor do those where the first choice was
    not among the options again.
    """
    trials = data.trials
    choice = ~data.question_is_rating[trials.question]
    first = trials.take((trials.role == MAIN) & choice)
    again = trials.take((trials.role == REPEAT) & choice)
    width = len(data.questions)
    keys = first.participant.astype(np.int64) * width + first.question
    order = np.argsort(keys, kind="stable")
    wanted = again.participant.astype(np.int64) * width + again.question
    place = np.searchsorted(keys[order], wanted)
    there = place < len(keys)
    there[there] = keys[order][place[there]] == wanted[there]
    again, before = again.take(there), first.take(order[place[there]])
    chosen = before.chosen_stimulus
    offered = (chosen == NONE) | (again.options == chosen[:, None]).any(axis=1)
    # "Not sure" the second time is a change, wherever the first choice stood.
    again, chosen = again.take(offered), chosen[offered]
    return again.participant, again.chosen_stimulus == chosen, 1 / np.maximum(again.m, 1)


def _repeats_row(data: Data, seed: int) -> dict[str, Any]:
    rater, same, chance = repeats(data)
    people = len(data.participants)
    pairs = len(rater)
    limits = pooled(
        np.bincount(rater[same], minlength=people), np.bincount(rater, minlength=people), seed=seed
    )
    return {
        "pairs": pairs,
        "raters": len(np.unique(rater)),
        "same": int(same.sum()),
        "share": float(same.mean()) if pairs else None,
        "interval": [limits.low, limits.high] if pairs else None,
        "chance": float(chance.mean()) if pairs else None,
    }


# --- one row a rater ----------------------------------------------------------------------------


def raters_section(data: Data) -> list[dict[str, Any]]:
    """A row for each participant with a trial, in the order of ``data.participants``.

    ``answers``, ``correct``, ``accuracy``, ``not_sure``: first presentations of main questions. ``leave_one_out``: see `leave_one_out`.
    ``median_ms``: of choices, first presentations and repeats. ``fast`` (number of fast answers), ``longest_run`` and ``flags`` are
    from the signals (`survey.stats.quality`), None where there are no signals. ``excluded``: codes of the rules
    (`survey.stats.exclusion`).
    """
    people = len(data.participants)
    trials, counted = data.trials, data.counted()

    def number(rater: Ints) -> list[int]:
        return [int(n) for n in np.bincount(rater, minlength=people)]

    def checks(role: int) -> tuple[list[int], list[int]]:
        asked = trials.take((trials.role == role) & (trials.target != NONE))
        return number(asked.participant[asked.correct]), number(asked.participant)

    answers, correct = number(counted.participant), number(counted.participant[counted.correct])
    unsure = number(counted.participant[counted.chosen == NONE])
    rater, same, _chance = repeats(data)
    again, unchanged = number(rater), number(rater[same])
    gold_right, gold = checks(GOLD)
    attention_right, attention = checks(ATTENTION)
    agree, medians = leave_one_out(data), _medians(data)
    there = np.bincount(trials.participant, minlength=people) > 0
    rows = []
    for i, person in enumerate(data.participants):
        if not there[i]:
            continue
        signals = person.signals or {}
        rows.append(
            {
                "participant": person.id,
                "language": person.language,
                "simulated": person.simulated,
                "finished": person.finished,
                "answers": answers[i],
                "correct": correct[i],
                "accuracy": correct[i] / answers[i] if answers[i] else None,
                "not_sure": unsure[i],
                "leave_one_out": _number(agree[i]),
                "repeats_same": unchanged[i],
                "repeats": again[i],
                "gold_right": gold_right[i],
                "gold": gold[i],
                "attention_right": attention_right[i],
                "attention": attention[i],
                "median_ms": _number(medians[i]),
                "fast": len(signals["fast"]) if "fast" in signals else None,
                "longest_run": signals.get("longest_run"),
                "flags": list(person.flags),
                "excluded": list(person.excluded),
            }
        )
    return rows


def leave_one_out(data: Data) -> Floats:
    """Agreement of each rater with the others: NaN where there is none, else 0 … 1, by participant.

    The mean over the rater's answers of: of the others who were offered the chosen word in the same question, the share that
    chose it. Divided by those offered, because foils are drawn: who guesses among m options expects 1/m, however good the others
    are; who always takes the right one expects the others' accuracy. Answers "not sure", and options that nobody else
    was offered, say nothing about the rater.
    """
    trials = data.counted()
    choices = choices_of(data, trials)
    k = max(len(data.asked_words), 1)
    cells = trials.question[:, None].astype(np.int64) * k + choices.options
    size = len(data.questions) * k
    offered = np.bincount(cells[choices.options != NONE], minlength=size)
    sure = choices.chosen != NONE
    own = trials.question[sure].astype(np.int64) * k + choices.chosen[sure]
    chosen = np.bincount(own, minlength=size)
    rater = trials.participant[sure]
    others = offered[own] - 1
    known = others > 0
    share = (chosen[own][known] - 1) / others[known]
    people = len(data.participants)
    n = np.bincount(rater[known], minlength=people)
    total = np.bincount(rater[known], weights=share, minlength=people)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _medians(data: Data) -> Floats:
    """Median response time of each participant's choices; NaN where there is none."""
    trials = data.trials
    rows = np.isin(trials.role, (MAIN, REPEAT)) & ~data.question_is_rating[trials.question]
    rows &= np.isfinite(trials.response_ms)
    rater, ms = trials.participant[rows], trials.response_ms[rows]
    ms = ms[np.lexsort((ms, rater))]
    n = np.bincount(rater, minlength=len(data.participants))
    first = np.cumsum(n) - n
    found = np.full(len(n), np.nan)
    some = n > 0
    low, high = first + (n - 1) // 2, first + n // 2
    found[some] = (ms[low[some]] + ms[high[some]]) / 2
    return found
