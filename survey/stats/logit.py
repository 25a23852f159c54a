"""Conditional logit of choices: what strikes the eye, and what the word adds to it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from survey.stats.data import NONE

Floats = NDArray[np.floating[Any]]
Counts = NDArray[np.int64]

RIDGE = 0.1
"""Weight of ½Σθ² where the likelihood alone has no maximum: a normal prior of SD √10 = 3.2."""
LARGEST = 12.0
"""A utility this large is on its way to infinity: odds of 160,000 to 1."""
STEPS, TOLERANCE = 50, 1e-9
FEW_RATERS = 50
"""Terms of fewer: each of their raters' pull on the estimate is taken out of the errors, which takes one inversion a rater."""
LEAST_RATERS = 5
"""Terms of fewer have no standard error: it would be made of hardly more than one person's answers."""
ALONE = 1e-8
"""A rater who has all but so small a part of the information along some direction is the only one to tell of it."""
BLOCK = 1 << 22
MANY = 50_000
COLUMNS = ("options", "target", "chosen", "match", "rater")


class LogitError(ValueError):
    """Choices that no logit can be fitted to."""


@dataclass(frozen=True)
class Choices:
    """Choices of one option among those shown, "not sure" left out.

    Arrays of n trials: ``options`` (n × M) places of options, NONE beyond the trial's own; ``target`` and ``chosen``
    slots; ``match`` the place of the match term that the trial's target has; ``rater`` a place.
    """

    options: Counts
    target: Counts
    chosen: Counts
    match: Counts
    rater: Counts
    salients: int
    matches: int

    def __post_init__(self) -> None:
        rows = np.arange(len(self.options))
        for slots in (self.target, self.chosen):
            if np.any(slots < 0) or np.any(self.options[rows, slots] == NONE):
                raise LogitError(
                    "Expected a target and a choice among the options of every trial; came others. "
                    'Leave out "not sure".'
                )

    def __len__(self) -> int:
        return len(self.options)

    def take(self, rows: Counts | NDArray[np.bool_] | slice) -> Self:
        """Those trials only."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def with_matches(self, match: Counts, matches: int) -> Self:
        """The same choices with other match terms."""
        return replace(self, match=match, matches=matches)

    @property
    def terms(self) -> int:
        return self.salients + self.matches


@dataclass(frozen=True)
class Logit:
    """``salience`` and ``match`` in logits, ``covariance`` of both in this order, over ``raters``.

    ``term_raters``: of each term in the same order, how many raters were shown the option, or had the target with the match
    term. ``ridge`` is 0 where the likelihood alone has a maximum, else RIDGE. ``converged`` is False where the steps ran out.
    """

    salience: Floats
    match: Floats
    covariance: Floats
    log_likelihood: float
    ridge: float
    raters: int
    term_raters: Counts
    converged: bool

    @property
    def errors(self) -> Floats:
        """Standard errors of salience and match; NaN where too few raters tell of the term."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))


def fit(choices: Choices) -> Logit:
    """Maximum likelihood of McFadden's (1974) conditional logit, with errors clustered by rater.

    P(i | S) = exp(vᵢ) / Σ_{j ∈ S} exp(vⱼ),   vᵢ = salienceᵢ + match_k · [i is the target]

    (Conditional logit analysis of qualitative choice behavior, in *Frontiers in Econometrics*.) A rater who
    ignores the word has match 0, however different the saliences are.

    *Identification*: only differences of salience count, so it sums to 0 in each set of options that were shown together,
    directly or by way of others (for pictures: a content). *Maximum*: the likelihood is concave; Newton's method with
    step halving. If an option was never chosen, or chosen whenever it was shown, there may be no maximum (separation:
    an estimate beyond ±12, or information that is singular). Then, and only then, RIDGE/2 · Σθ² is taken from the
    likelihood, which draws all estimates a little towards 0.

    *Errors*: sandwich H⁻¹ (Σ gᵣgᵣ′) H⁻¹ of raters' scores (Liang and Zeger 1986, Biometrika 73, 13–22), times R/(R − 1). A rater with a
    term that fewer than 50 raters have counts with (I − HᵣH⁻¹)⁻¹gᵣ in place of gᵣ, times (R − 1)/R: with all raters so it is the
    jackknife that leaves out one rater, to first order (CR3; Bell and McCaffrey 2002, Survey Methodology 28, 169–181). Plain scores
    are too small, since estimates follow the raters they are made of: of a term of one rater the score is 0. What
    only this rater tells of is left out of the inverse (Moore and Penrose's), and the terms in it have no error (NaN). Nor have terms of
    fewer than 5 raters.

    Raises LogitError without choices. Takes O(n M²) a step.
    """
    if not len(choices):
        raise LogitError("Expected a choice at least; there is none.")
    groups = _groups(choices)
    found = _maximum(choices, groups, 0.0)
    ridge = 0.0
    if found is None:
        ridge = RIDGE
        found = _maximum(choices, groups, ridge)
    if found is None:
        raise LogitError(
            "The logit's information stays singular with a ridge: expected finite counts."
        )
    theta, value, information, converged = found
    raters, counts = len(np.unique(choices.rater)), _term_raters(choices)
    return Logit(
        salience=theta[: choices.salients],
        match=theta[choices.salients :],
        covariance=_sandwich(choices, theta, information, counts),
        log_likelihood=value,
        ridge=ridge,
        raters=raters,
        term_raters=counts,
        converged=converged,
    )


# --- likelihood ---------------------------------------------------------------------------------


def _sums(places: Counts, values: Floats, size: int) -> Floats:
    return np.bincount(places, values, size).astype(np.float64, copy=False)


def _probabilities(choices: Choices, theta: Floats) -> Floats:
    """P(option) of each trial and slot, 0 beyond the trial's own options: (n, M)."""
    utility = np.append(theta[: choices.salients], -np.inf)[choices.options]
    utility[np.arange(len(choices)), choices.target] += theta[choices.salients :][choices.match]
    # By columns: reductions over a short last axis are slow.
    utility -= np.maximum.reduce(list(utility.T))[:, None]
    p = np.exp(utility, out=utility)
    p /= (p @ np.ones(p.shape[1]))[:, None]
    return np.asarray(p)


def _likelihood(choices: Choices, p: Floats) -> float:
    # A chosen option may be too unlikely for a float on the way, never at the maximum.
    return float(np.log(np.maximum(p[np.arange(len(p)), choices.chosen], 1e-300)).sum())


def _gradient(choices: Choices, p: Floats) -> Floats:
    """Chosen less expected, of each term."""
    rows = np.arange(len(choices))
    away = -p
    away[rows, choices.chosen] += 1
    places = np.where(choices.options == NONE, choices.salients, choices.options)
    salience = _sums(places.ravel(), away.ravel(), choices.salients + 1)[:-1]
    match = _sums(choices.match, away[rows, choices.target], choices.matches)
    return np.concatenate([salience, match])


def _information(choices: Choices, p: Floats) -> Floats:
    """Σ over trials of E[xx′] − E[x]E[x]′, x the indicators of the chosen option's terms."""
    size = choices.terms + 1  # The last place takes what lies beyond a trial's own options.
    expected = np.column_stack([p, p[np.arange(len(p)), choices.target]])
    places = np.column_stack(
        [np.where(choices.options == NONE, size - 1, choices.options), choices.salients + choices.match]
    )  # fmt: skip
    square = np.zeros(size * size)
    for i in range(places.shape[1]):
        row = places[:, i] * size
        for j in range(i):
            square += _sums(row + places[:, j], expected[:, i] * expected[:, j], size * size)
    upper = -square.reshape(size, size)
    # A target's own term comes with its match term: E[xx′] off the diagonal.
    target = choices.options[np.arange(len(p)), choices.target]
    upper += _sums(target * size + places[:, -1], expected[:, -1], size * size).reshape(size, size)
    whole = upper + upper.T
    spread = _sums(places.ravel(), (expected * (1 - expected)).ravel(), size)
    whole[np.diag_indices(size)] += spread
    return whole[:-1, :-1]


# --- maximum ------------------------------------------------------------------------------------


def _maximum(
    choices: Choices, groups: Floats, ridge: float
) -> tuple[Floats, float, Floats, bool] | None:
    """Terms, log-likelihood, information and whether it converged; None where there is no maximum."""
    theta: Floats = np.zeros(choices.terms)
    if len(choices) > MANY:
        # Most of the way on some of the trials; the rest takes a step or two.
        some = _maximum(choices.take(slice(None, None, len(choices) // MANY + 1)), groups, RIDGE)
        theta = theta if some is None else some[0]
    p = _probabilities(choices, theta)
    value = _likelihood(choices, p)
    for _ in range(STEPS):
        gradient = _gradient(choices, p) - ridge * theta
        information = _information(choices, p) + groups + ridge * np.eye(choices.terms)
        if _singular(information):
            return None
        step = np.linalg.solve(information, gradient)
        if gradient @ step < TOLERANCE:
            # The last step is too small to be looked at, and squares the error.
            return theta + step, value, information, True
        theta, p, value = _climb(choices, theta, step, value, ridge)
        if not ridge and np.abs(theta).max() > LARGEST:
            return None
    return theta, value, _information(choices, p) + groups + ridge * np.eye(choices.terms), False


def _climb(
    choices: Choices, theta: Floats, step: Floats, value: float, ridge: float
) -> tuple[Floats, Floats, float]:
    """A step uphill, halved until it is one."""
    before = value - ridge / 2 * theta @ theta
    for halving in range(30):
        there = theta + step / 2**halving
        p = _probabilities(choices, there)
        new = _likelihood(choices, p)
        if new - ridge / 2 * there @ there >= before - 1e-9 * abs(before):
            break
    return there, p, new


def _singular(information: Floats) -> bool:
    try:
        pivots = np.diag(np.linalg.cholesky(information))
    except np.linalg.LinAlgError:
        return True
    return bool(pivots.min() ** 2 < 1e-9 * np.diag(information).max())


def _groups(choices: Choices) -> Floats:
    """What holds the sum of salience at 0 in each set of options shown together: Σ 11′, scaled like the information.

    It takes nothing from the likelihood, which does not change along these sums.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = choices.salients
    first = np.repeat(choices.options[:, :1], choices.options.shape[1], axis=1)
    there = choices.options != NONE
    pairs = np.flatnonzero(np.bincount(first[there] * size + choices.options[there]))
    graph = coo_matrix((np.ones(len(pairs)), (pairs // size, pairs % size)), (size, size))
    _, label = connected_components(graph, directed=False)
    together = np.zeros((choices.terms, choices.terms))
    together[:size, :size] = label[:, None] == label[None, :]
    return together * (len(choices) / size)


# --- errors -------------------------------------------------------------------------------------


def _term_raters(choices: Choices) -> Counts:
    """How many raters have each term."""
    people, rater = np.unique(choices.rater, return_inverse=True)
    size = choices.terms + 1
    there = np.zeros((len(people), size), dtype=bool)
    there[rater, choices.salients + choices.match] = True
    for options in choices.options.T:
        there[rater, np.where(options == NONE, size - 1, options)] = True
    return np.asarray(there[:, :-1].sum(axis=0))


def _sandwich(choices: Choices, theta: Floats, information: Floats, counts: Counts) -> Floats:
    raters = len(np.unique(choices.rater))
    if raters < LEAST_RATERS:
        return np.full_like(information, np.nan)
    bread = np.linalg.inv(information)
    order = np.argsort(choices.rater, kind="stable")
    by_rater = choices.take(order)
    pulling = _pulling(by_rater, counts)
    meat, unknown = np.zeros_like(information), counts < LEAST_RATERS
    for scores in _scores(by_rater.take(~pulling), theta):
        meat += raters / (raters - 1) * scores.T @ scores
    for one in _one_by_one(by_rater.take(pulling)):
        score, alone = _pulled(one, theta, bread)
        meat += (raters - 1) / raters * np.outer(score, score)
        unknown |= alone
    covariance = np.asarray(bread @ meat @ bread)
    covariance[unknown] = covariance[:, unknown] = np.nan
    return covariance


def _pulling(by_rater: Choices, counts: Counts) -> NDArray[np.bool_]:
    """Trials of raters with a term that few raters have."""
    few = np.append(counts < FEW_RATERS, False)
    # NONE is the last place.
    trials = few[:-1][by_rater.salients + by_rater.match] | few[by_rater.options].any(axis=1)
    return np.isin(by_rater.rater, by_rater.rater[trials])


def _ends(by_rater: Choices) -> tuple[Counts, Counts]:
    starts = np.flatnonzero(np.diff(by_rater.rater, prepend=-1))
    return starts, np.append(starts[1:], len(by_rater))


def _scores(by_rater: Choices, theta: Floats) -> Iterator[Floats]:
    """Gradients of raters, some at a time: (raters, terms)."""
    if not len(by_rater):
        return
    starts, ends = _ends(by_rater)
    many = max(1, BLOCK // by_rater.terms)
    for first in range(0, len(starts), many):
        last = min(first + many, len(starts)) - 1
        yield _score_table(by_rater.take(slice(starts[first], ends[last])), theta)


def _one_by_one(by_rater: Choices) -> Iterator[Choices]:
    if len(by_rater):
        for start, end in zip(*_ends(by_rater), strict=True):
            yield by_rater.take(slice(start, end))


def _pulled(one: Choices, theta: Floats, bread: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """A rater's gradient as it would be at the estimate without that rater, and which terms nobody else tells of.

    With H⁻¹ = LL′ on the rater's own terms, (I − HᵣH⁻¹)⁻¹ = L′⁻¹(I − L′HᵣL)⁻¹L′. The eigenvalues of L′HᵣL are the rater's
    shares of the information, from 0 to 1.
    """
    own, terms = _own(one)
    p = _probabilities(own, theta[terms])
    half = np.linalg.cholesky(bread[np.ix_(terms, terms)])
    share, axes = np.linalg.eigh(half.T @ _information(own, p) @ half)
    # Back from these axes to scores.
    back = np.linalg.solve(half.T, axes)
    alone = share > 1 - ALONE
    along = axes.T @ (half.T @ _gradient(own, p))
    score = np.zeros(one.terms)
    score[terms] = back[:, ~alone] @ (along[~alone] / (1 - share[~alone]))
    told = np.abs(bread[:, terms] @ back[:, alone])
    return score, (told > 1e-6 * told.max(axis=0, initial=1e-300)).any(axis=1)


def _own(one: Choices) -> tuple[Choices, Counts]:
    """A rater's choices in terms of their own, and the places of those."""
    salient = np.unique(one.options[one.options != NONE])
    match, own_match = np.unique(one.match, return_inverse=True)
    options = np.where(one.options == NONE, NONE, np.searchsorted(salient, one.options))
    own = replace(one, options=options, match=own_match, salients=len(salient), matches=len(match))
    return own, np.append(salient, one.salients + match)


def _score_table(some: Choices, theta: Floats) -> Floats:
    p = _probabilities(some, theta)
    rows, away = np.arange(len(some)), -p
    away[rows, some.chosen] += 1
    raters, rater = np.unique(some.rater, return_inverse=True)
    size = some.terms + 1
    places = np.where(some.options == NONE, size - 1, some.options) + rater[:, None] * size
    flat = _sums(places.ravel(), away.ravel(), len(raters) * size)
    match = rater * size + some.salients + some.match
    flat += _sums(match, away[rows, some.target], len(raters) * size)
    return flat.reshape(len(raters), size)[:, :-1]
