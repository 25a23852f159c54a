"""Cochran's Q: are the contents of one word equally easy?"""

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.stats.accuracy import benjamini_hochberg, holm
from survey.stats.data import KINDS, Bools, Data, Ints

EXACT_WORK = 2_000_000
"""The exact distribution is computed where it takes no more additions than this."""

FEW_ANSWERS = 200
"""Below so many answers of informative raters χ² is not trusted: permutations are drawn instead."""

PERMUTATIONS = 9_999

# Q of equal sums of columns must come out equal, whatever the rounding.
ROUNDING = 1e-9


class CochranError(ValueError):
    """A table that Cochran's Q cannot be computed of."""


@dataclass(frozen=True)
class CochranQ:
    """``q`` ≥ 0 and ``p_value`` are None where no rater is right on some columns and wrong on others.

    ``raters`` are those of the table, ``informative`` those who were neither right nor wrong throughout: the
    only ones that Q depends on. ``method`` is exact, permutation, chi-squared or "" (not computed).
    """

    q: float | None
    df: int
    raters: int
    informative: int
    p_value: float | None
    method: str


def cochran_q(right: Bools, *, seed: int = 0) -> CochranQ:
    """Test that all columns have the same probability of a right answer, within raters.

    Cochran (1950), The comparison of percentages in matched samples, Biometrika 37, 256–266. With G_j right answers
    in column j, L_i of rater i and Ḡ the mean of G_j, Q = k (k − 1) Σ (G_j − Ḡ)² / (k Σ L_i − Σ L_i²). Under the
    hypothesis each rater's L_i right answers may stand in any columns with the same probability. The p value is
    that of this permutation distribution: exact where it is small enough to be computed (all sums
    of columns and their probabilities), from 9,999 drawn tables where answers are few (Phipson and Smyth
    2010: the table itself counts as one), else by χ² with k − 1 degrees of freedom, its limit for many raters
    (Tate and Brown 1970, JASA 65, 155–160, ask for 24 answers; here from 200).

    Args:
        right: raters × columns (k ≥ 2), no answer missing.
        seed: of drawn tables.

    Raises:
        CochranError: not a table, or fewer than two columns.
    """
    table = np.asarray(right)
    if table.ndim != 2 or table.shape[1] < 2:
        raise CochranError(
            f"Expected a table of raters × at least 2 columns; came the shape {table.shape}. "
            "Leave words of one content out."
        )
    raters, k = table.shape
    rows = table.sum(axis=1)
    table = table[(rows > 0) & (rows < k)].astype(np.int64)
    informative = len(table)
    if informative == 0:
        return CochranQ(None, k - 1, raters, 0, None, "")
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    q = float(_q(columns, rows))
    if (informative + 1) ** (k - 1) * sum(math.comb(k, int(row)) for row in rows) <= EXACT_WORK:
        method, p_value = "exact", _exact(q, rows, k)
    elif informative * k < FEW_ANSWERS:
        method, p_value = "permutation", _drawn(q, table, seed)
    else:
        from scipy.stats import chi2

        method, p_value = "chi-squared", float(chi2.sf(q, k - 1))
    return CochranQ(q, k - 1, raters, informative, p_value, method)


def _q(columns: NDArray[Any], rows: Ints) -> NDArray[Any]:
    """Q of sums of columns (… × k), for given sums of rows."""
    k = columns.shape[-1]
    away = columns - rows.sum() / k
    return np.asarray(k * (k - 1) * (away**2).sum(axis=-1) / (rows * (k - rows)).sum())


def _exact(q: float, rows: Ints, k: int) -> float:
    """P(Q ≥ q): the sums of the first k − 1 columns, rater by rater (the last follows from the total)."""
    side = len(rows) + 1
    chances = np.zeros((side,) * (k - 1))
    chances[(0,) * (k - 1)] = 1.0
    for count in rows:
        after = np.zeros_like(chances)
        share = 1.0 / math.comb(k, int(count))
        for chosen in combinations(range(k), int(count)):
            # Sums never reach the end before the last rater: no cell is rolled around it.
            axes = tuple(column for column in chosen if column < k - 1)
            after += share * np.roll(chances, (1,) * len(axes), axes)
        chances = after
    first = np.indices(chances.shape).reshape(k - 1, -1).T
    columns = np.column_stack([first, rows.sum() - first.sum(axis=1)])
    extreme = _q(columns, rows) >= q - ROUNDING
    return float(min(1.0, chances.ravel()[extreme].sum()))


def _drawn(q: float, table: Ints, seed: int) -> float:
    rng = np.random.default_rng(seed)
    rows = table.sum(axis=1)
    columns = np.zeros((PERMUTATIONS, table.shape[1]), dtype=np.int64)
    for row in table:
        columns += rng.permuted(np.tile(row, (PERMUTATIONS, 1)), axis=1)
    extreme = int((_q(columns, rows) >= q - ROUNDING).sum())
    return (extreme + 1) / (PERMUTATIONS + 1)


def cochran_rows(data: Data, *, seed: int = 0) -> list[dict[str, Any]]:
    """Cochran's Q of each word over its contents, apart by kind of question, recipe and variant.

    Only raters who answered the word's questions about all its contents count. The corrections (Holm; Benjamini and
    Hochberg) take all rows that could be tested as one family. Words of one content have no row.
    """
    answers = _matrix(data)
    rows: list[dict[str, Any]] = []
    for (word, kind, recipe, variant), questions in _groups(data).items():
        if len(questions) < 2:
            continue
        table = answers[:, questions]
        result = cochran_q(table[(table >= 0).all(axis=1)] == 1, seed=seed)
        rows.append(
            {
                "word": data.words[word],
                "kind": kind,
                "recipe": data.recipes[recipe],
                "variant": variant,
                "contents": len(questions),
                "q": result.q,
                "df": result.df,
                "raters": result.raters,
                "informative": result.informative,
                "p_value": result.p_value,
                "method": result.method or None,
                "p_holm": None,
                "p_bh": None,
            }
        )
    tested = [row for row in rows if row["p_value"] is not None]
    p_values = [row["p_value"] for row in tested]
    for row, by_holm, by_bh in zip(
        tested, holm(p_values), benjamini_hochberg(p_values), strict=True
    ):
        row.update(p_holm=by_holm, p_bh=by_bh)
    return rows


def _groups(data: Data) -> dict[tuple[int, str, int, int], list[int]]:
    """(word, kind, recipe, variant) → the questions about it, one a content."""
    groups: dict[tuple[int, str, int, int], list[int]] = {}
    for kind in KINDS:
        for place in data.asked:
            question = data.questions[place]
            if question.kind == kind:
                stimulus = data.stimuli[question.stimulus]
                key = (stimulus.word, kind, stimulus.recipe, stimulus.variant)
                groups.setdefault(key, []).append(place)
    return groups


def _matrix(data: Data) -> NDArray[np.int8]:
    """Participants × questions: 1 right, 0 wrong, −1 not answered."""
    counted = data.counted()
    answers = np.full((len(data.participants), len(data.questions)), -1, dtype=np.int8)
    answers[counted.participant, counted.question] = counted.correct
    return answers
