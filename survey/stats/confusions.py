"""Which words are taken for which: shares of what was offered, Luce's choice model, a tree and a map of the words."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.stats.data import KINDS, NONE, Data, Floats, Ints, Trials

Matrix = NDArray[np.float64]

RIDGE = 0.25
"""Precision of the normal prior on log bias and log similarity (standard deviation 2). One answer tells a logit
at most 1/4 (Fisher information of a Bernoulli trial), so the prior weighs like one answer a cell."""

LEVEL_RIDGE = 0.01
"""The same for the mean log similarity: only to keep it finite where nobody ever was wrong."""

LARGEST_SETS = 40_000
"""More different (word asked, options) than this are not fitted: a random sample of so many answers is."""

BITS = 62


@dataclass(frozen=True)
class Choices:
    """Answers as words: all numbers are places from 0 among k words.

    ``target`` (n) the word asked about, ``options`` (n × m) the words of the options, NONE beyond a trial's own m,
    ``chosen`` (n) the word of the chosen option, NONE for "not sure".
    """

    target: Ints
    options: Ints
    chosen: Ints


@dataclass(frozen=True)
class Sets:
    """Choices put together where the word asked and the set of options are the same.

    ``cells`` (sets × m) places target · k + option in the k × k table of pairs, k² beyond a set's own m;
    ``answers`` (sets) how many there were; ``chosen`` (k × k) how often each pair was chosen in them.
    """

    cells: Ints
    answers: Floats
    chosen: Matrix


@dataclass(frozen=True)
class Luce:
    """A fitted model: ``bias`` (k, geometric mean 1), ``similarity`` (k × k, symmetric, diagonal 1), both above 0."""

    bias: Floats
    similarity: Matrix
    log_likelihood: float
    converged: bool


def confusions_section(data: Data, *, seed: int = 0) -> dict[str, Any]:
    """Confusions of the asked words, separately by kind of question and together.

    First presentations of main questions. A matrix has a row for each word asked and a column for each word of an
    option. ``seed`` draws the sample where there are more than LARGEST_SETS different sets (``sampled`` says how many
    answers were used; None for all). A kind that nobody was asked is None.
    """
    trials = data.counted()
    words = data.asked_words
    choices = choices_of(data, trials)
    kind = data.question_kind[trials.question]
    found: dict[str, Any] = {}
    for code, name in enumerate(KINDS[:2]):
        rows = kind == code
        # One kind alone is all there is.
        found[name] = (
            _matrix(_rows(choices, rows), len(words), seed)
            if rows.any() and not rows.all()
            else None
        )
    found["all"] = _matrix(choices, len(words), seed) if len(trials) else None
    if len(trials) and found["picture"] is None and found["word"] is None:
        found[KINDS[int(kind[0])]] = found["all"]
    return {"words": [data.words[word] for word in words], "kinds": found}


def choices_of(data: Data, trials: Trials) -> Choices:
    """Trials as choices among the asked words; words that the study does not ask about are not in them.

    A trial in which such a word was chosen counts as one without a choice.
    """
    place = np.full(len(data.words) + 1, NONE)
    place[list(data.asked_words)] = np.arange(len(data.asked_words))
    # The last entry stands for no word: NONE is the last place.
    words = np.append(data.stimulus_word, len(data.words))
    return Choices(
        target=place[data.question_word[trials.question]],
        options=place[words[trials.options]],
        chosen=place[words[trials.chosen_stimulus]],
    )


def counts(choices: Choices, k: int) -> tuple[Ints, Ints]:
    """How often each pair (word asked, word of an option) was offered, and chosen: two k × k tables of counts.

    Foils are drawn, so pairs are offered unequally often and only chosen / offered can be compared. Answers
    "not sure" are offers without a choice.
    """
    shown = choices.options != NONE
    cells = choices.target[:, None] * k + choices.options
    offered = np.bincount(cells[shown], minlength=k * k).reshape(k, k)
    sure = choices.chosen != NONE
    taken = choices.target[sure] * k + choices.chosen[sure]
    return offered, np.bincount(taken, minlength=k * k).reshape(k, k)


def merge(choices: Choices, k: int) -> Sets:
    """Answers with the same word asked and the same set of options, put together exactly; "not sure" left out."""
    sure = choices.chosen != NONE
    target, options = choices.target[sure], choices.options[sure]
    code = target.astype(np.int64)
    for first in range(0, k, BITS):
        # Each block of words is a bit mask; the number of a (code, mask) pair is the next code.
        inside = (options >= first) & (options < first + BITS)
        masks = np.where(inside, np.int64(1) << np.where(inside, options - first, 0), 0).sum(axis=1)
        values, mask = np.unique(masks, return_inverse=True)
        _pairs, code = np.unique(code * len(values) + mask, return_inverse=True)
    _codes, rows, answers = np.unique(code, return_index=True, return_counts=True)
    cells = np.where(options[rows] == NONE, k * k, target[rows][:, None] * k + options[rows])
    return Sets(cells, answers.astype(float), counts(_rows(choices, sure), k)[1].astype(float))


def luce(sets: Sets, ridge: float = RIDGE) -> Luce:
    """Luce's similarity–choice model, by penalized maximum likelihood.

    When word i is asked and the set S is offered, option j of S is chosen with probability

        p(j | i, S) = βⱼ ηᵢⱼ / Σ_{k ∈ S} βₖ ηᵢₖ,   ηᵢⱼ = ηⱼᵢ > 0, ηᵢᵢ = 1

    (Luce 1963, Detection and recognition, *Handbook of Mathematical Psychology* 1, 103–189; Shepard 1957, Psychometrika
    22, 325–345; Townsend and Landon 1982, J. Math. Psychol. 25, 119–162), here with the choice axiom's sets that
    differ from trial to trial. β is bias towards a word whatever is asked, η similarity: 1 would mean that j is taken
    as readily for i as i itself, above 1 more readily.

    Identification: β up to a factor, set by a geometric mean of 1; η is identified by ηᵢᵢ = 1 and symmetry. A pair never
    chosen (or always) has no finite estimate, so log β and the deviations of log η from their mean have normal
    priors of precision ``ridge`` around 0, the mean one of LEVEL_RIDGE: pairs without data take the mean
    similarity. The penalized likelihood is strictly concave in the logarithms: one maximum. L-BFGS finds it.

    ``sets``: k ≥ 2 words and at least one answer. ``log_likelihood`` is without the penalty, of the choices.
    """
    from scipy.optimize import minimize

    k = len(sets.chosen)
    upper = np.triu_indices(k, 1)
    total = sets.answers.sum()
    precision = np.concatenate([np.full(k, ridge), [LEVEL_RIDGE], np.full(len(upper[0]), ridge)])

    def table(theta: Floats) -> Matrix:
        similarity = np.zeros((k, k))
        similarity[upper] = theta[k] + theta[k + 1 :]
        return np.asarray(theta[:k] + similarity + similarity.T)

    def loss(theta: Floats) -> tuple[float, Floats]:
        likelihood, slope = _likelihood(sets, table(theta))
        pairs = (slope + slope.T)[upper]
        gradient = np.concatenate([slope.sum(axis=0), [pairs.sum()], pairs])
        value = 0.5 * float(precision @ theta**2) - likelihood
        return value / total, (precision * theta - gradient) / total

    start = np.zeros(len(precision))
    start[k] = -1.0
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 1000, "maxfun": 2000, "ftol": 1e-13, "gtol": 1e-8, "maxcor": 20},
    )
    log_bias = found.x[:k] - found.x[:k].mean()
    similarity = np.zeros((k, k))
    similarity[upper] = found.x[k] + found.x[k + 1 :]
    return Luce(
        bias=np.exp(log_bias),
        similarity=np.exp(similarity + similarity.T),
        log_likelihood=_likelihood(sets, table(found.x))[0],
        converged=bool(found.success),
    )


def distances(similarity: Matrix) -> Matrix:
    """−ln η, as in Shepard (1957, 1987), where η is above 1 taken as 1: k × k, symmetric, at least 0, diagonal 0."""
    return np.asarray(-np.log(np.minimum(1.0, similarity)) + 0.0)


def tree(distance: Matrix) -> tuple[list[int], list[list[float]]]:
    """Hierarchical clustering by average linkage (Sokal and Michener 1958), leaves in optimal order.

    The order puts neighbours as near each other as the tree allows (Bar-Joseph, Gifford and Jaakkola 2001,
    Bioinformatics 17, S22–S29). ``distance`` k × k, k ≥ 2. Returns the places in order, and the k − 1 joins
    [a, b, height, size] in SciPy's form: places from k on are earlier joins.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    joins = linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    return leaves_list(joins).tolist(), joins.tolist()


def classical_map(distance: Matrix) -> tuple[Matrix, float] | None:
    """A map of the words in two dimensions, k × 2, and its stress.

    Classical scaling (Torgerson 1952, Psychometrika 17, 401–419): the two largest eigenvalues λ of −½ J D² J with their
    vectors times √λ. Axes have no meaning and no sign; the largest coordinate of each is made positive. None where
    all distances are 0. ``distance`` k × k, symmetric, k ≥ 2.
    """
    k = len(distance)
    if not distance.any():
        return None
    center = np.eye(k) - 1.0 / k
    values, vectors = np.linalg.eigh(-0.5 * center @ distance**2 @ center)
    points = vectors[:, [-1, -2]] * np.sqrt(np.maximum(values[[-1, -2]], 0.0))
    largest = points[np.abs(points).argmax(axis=0), [0, 1]]
    points = points * np.where(largest < 0, -1.0, 1.0)
    upper = np.triu_indices(k, 1)
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    return points, stress(distance[upper], apart[upper])


def stress(dissimilarities: Floats, apart: Floats) -> float:
    """Kruskal's stress, formula 1: √(Σ(d − d̂)² / Σd²), 0 (perfect order) to below 1.

    Kruskal (1964), Psychometrika 29, 1–27. d are the distances in the map, ``apart``; d̂ their monotone regression on the
    ``dissimilarities``, where equal dissimilarities have equal d̂ (his secondary approach to ties). He calls .05
    good, .1 fair and .2 poor.
    """
    from scipy.optimize import isotonic_regression

    _values, group = np.unique(dissimilarities, return_inverse=True)
    sizes = np.bincount(group)
    fitted = isotonic_regression(np.bincount(group, weights=apart) / sizes, weights=sizes).x[group]
    total = float((apart**2).sum())
    return float(np.sqrt(((apart - fitted) ** 2).sum() / total)) if total else 0.0


# --- one matrix ---------------------------------------------------------------------------------


def _matrix(choices: Choices, k: int, seed: int) -> dict[str, Any]:
    offered, chosen = counts(choices, k)
    with np.errstate(invalid="ignore"):
        ratio = chosen / offered
    found: dict[str, Any] = {
        "offered": offered.tolist(),
        "chosen": chosen.tolist(),
        "ratio": [[None if np.isnan(x) else float(x) for x in row] for row in ratio],
        "luce": None,
        "order": list(range(k)),
        "linkage": [],
        "map": None,
    }
    sets, sampled = _sets(choices, k, seed)
    if k < 2 or not len(sets.answers):
        return found
    model = luce(sets)
    distance = distances(model.similarity)
    found["order"], found["linkage"] = tree(distance)
    drawn = classical_map(distance)
    found["map"] = drawn and {"points": drawn[0].tolist(), "stress": drawn[1]}
    found["luce"] = {
        "bias": model.bias.tolist(),
        "similarity": model.similarity.tolist(),
        "converged": model.converged,
        "log_likelihood": model.log_likelihood,
        "answers": int(sets.answers.sum()),
        "sampled": sampled,
        "ridge": RIDGE,
    }
    return found


def _sets(choices: Choices, k: int, seed: int) -> tuple[Sets, int | None]:
    """The sets to fit, and of how many sampled answers; None for all of them."""
    sets = merge(choices, k)
    if len(sets.answers) <= LARGEST_SETS:
        return sets, None
    sure = np.flatnonzero(choices.chosen != NONE)
    rows = np.random.default_rng(seed).choice(sure, LARGEST_SETS, replace=False)
    return merge(_rows(choices, np.sort(rows)), k), LARGEST_SETS


def _rows(choices: Choices, rows: NDArray[Any]) -> Choices:
    return Choices(choices.target[rows], choices.options[rows], choices.chosen[rows])


def _likelihood(sets: Sets, table: Matrix) -> tuple[float, Matrix]:
    """Log-likelihood for log weights of every pair (k × k), and its derivative by them."""
    k = len(table)
    weights = np.append(table.ravel(), -np.inf)[sets.cells]
    top = weights.max(axis=1, keepdims=True)
    share = np.exp(weights - top)
    sums = share.sum(axis=1, keepdims=True)
    norm = top[:, 0] + np.log(sums[:, 0])
    likelihood = float((sets.chosen * table).sum() - sets.answers @ norm)
    share *= sets.answers[:, None] / sums
    expected = np.bincount(sets.cells.ravel(), weights=share.ravel(), minlength=k * k + 1)
    return likelihood, sets.chosen - expected[:-1].reshape(k, k)
