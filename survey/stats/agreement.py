"""How far raters agree on categories, beyond what chance would give.

All take counts: one row an item (a question), one column a category (an option), each cell the number of
raters who chose it. Items with fewer than two answers say nothing about agreement and are left out.

Own code: the packages that have these are under the GPL or need old versions of SciPy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Counts = Sequence[Sequence[int]]


class AgreementError(ValueError):
    """Counts of which no agreement can be computed."""


@dataclass(frozen=True)
class Agreement:
    """Chance-corrected agreement, all of the same counts.

    ``observed`` is the mean share of agreeing pairs of raters, 0 … 1. The coefficients are at most 1; 0 means
    as much agreement as chance gives by the coefficient's own notion of chance, and each is None where chance
    alone would give full agreement (all answers in one category).
    """

    items: int
    answers: int
    observed: float
    randolph: float | None
    fleiss: float | None
    krippendorff: float | None
    gwet: float | None


def agreement(counts: Counts) -> Agreement:
    """Randolph's κ, Fleiss' κ, Krippendorff's α and Gwet's AC1 for nominal categories.

    With pₐ the mean over items of Σⱼ nᵢⱼ(nᵢⱼ − 1) / nᵢ(nᵢ − 1) and k categories:

    - Randolph (2005, Free-marginal multirater kappa): chance 1/k. The right one where raters know nothing of
      how often an option is right, as here.
    - Fleiss (1971, Psychological Bulletin 76, 378–382): chance Σⱼ πⱼ², πⱼ the share of category j over all
      answers.
    - Krippendorff (2011, Computing Krippendorff's Alpha-Reliability), nominal metric: disagreement within items
      over that expected of all n answers drawn without putting back, chance Σⱼ nⱼ(nⱼ − 1) / n(n − 1); items
      weigh by their answers.
    - Gwet (2008, Br. J. Math. Stat. Psychol. 61, 29–48), AC1: chance Σⱼ πⱼ(1 − πⱼ) / (k − 1); πⱼ the mean
      over items of nᵢⱼ/nᵢ.

    ``counts``: whole numbers ≥ 0, at least two columns, rows of one length; numbers of raters may differ.
    Raises AgreementError for others, and where no item has two answers.
    """
    columns = {len(row) for row in counts}
    if len(columns) != 1 or min(columns) < 2:
        raise AgreementError(
            "Expected rows of one length with at least two categories; "
            f"came lengths {sorted(columns) or 'of nothing'}."
        )
    if any(n < 0 for row in counts for n in row):
        raise AgreementError("Expected counts of at least 0; came a negative one.")
    rows = [row for row in counts if sum(row) >= 2]
    if not rows:
        raise AgreementError("Expected an item with two answers or more; there is none.")
    k = columns.pop()
    sizes = [sum(row) for row in rows]
    total = sum(sizes)
    pairs = [
        sum(n * (n - 1) for n in row) / (size * (size - 1))
        for row, size in zip(rows, sizes, strict=True)
    ]
    observed = sum(pairs) / len(rows)
    sums = [sum(row[j] for row in rows) for j in range(k)]
    mean = [
        sum(row[j] / size for row, size in zip(rows, sizes, strict=True)) / len(rows)
        for j in range(k)
    ]
    weighted = sum(size * pair for size, pair in zip(sizes, pairs, strict=True)) / total
    return Agreement(
        items=len(rows),
        answers=total,
        observed=observed,
        randolph=_beyond(observed, 1 / k),
        fleiss=_beyond(observed, sum((n / total) ** 2 for n in sums)),
        krippendorff=_beyond(weighted, sum(n * (n - 1) for n in sums) / (total * (total - 1))),
        gwet=_beyond(observed, sum(p * (1 - p) for p in mean) / (k - 1)),
    )


def jackknife_error(
    raters: Sequence[Counts], coefficient: Callable[[Agreement], float | None]
) -> float | None:
    """Standard error of a coefficient by leaving out one rater at a time (Quenouille 1956; Efron 1982, ch. 3).

    ``raters``: for each rater the counts of that rater alone, all of one shape. ``coefficient`` takes one of
    an `Agreement`, such as ``lambda a: a.fleiss``. None with fewer than three raters, or where the coefficient
    does not exist without one of them.
    """
    if len(raters) < 3:
        return None
    whole = [
        [sum(rater[i][j] for rater in raters) for j in range(len(raters[0][0]))]
        for i in range(len(raters[0]))
    ]
    without = []
    for left_out in raters:
        rest = [
            [n - gone for n, gone in zip(row, out, strict=True)]
            for row, out in zip(whole, left_out, strict=True)
        ]
        try:
            value = coefficient(agreement(rest))
        except AgreementError:
            return None
        if value is None:
            return None
        without.append(value)
    mean = sum(without) / len(without)
    spread = sum((value - mean) ** 2 for value in without)
    return float(((len(without) - 1) / len(without) * spread) ** 0.5)


def _beyond(observed: float, chance: float) -> float | None:
    """How much of what chance leaves over is there; None where it leaves nothing."""
    return (observed - chance) / (1 - chance) if chance < 1 else None
