"""Position bias: whether raters as a group prefer some positions of the options, whatever is there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.stats.data import NONE, Data, Trials

PERMUTATIONS = 9999
MANY_RATERS = 100
"""From here the limiting distribution takes the place of permutations."""
CHUNK = 1 << 20

Table = NDArray[np.int64]


def positions_section(data: Data, *, seed: int = 0) -> dict[str, Any]:
    """How often each position was chosen, for each number of options m, and a test against no preference.

    First presentations of main questions; "not sure" chose no position. ``right`` is how often the right option
    was there: the design balances it. ``seed`` is that of the permutations.
    """
    trials = data.counted()
    trials = trials.take(trials.chosen != NONE)
    sizes = trials.m
    return {
        "m": [
            _row(trials.take(sizes == m), int(m), len(data.participants), seed)
            for m in np.unique(sizes)
            if m >= 2
        ]
    }


def common_bias(counts: Table, seed: int = 0) -> tuple[float, float, str]:
    """Test that no position is preferred by raters in common; (corrected χ², p value, method).

    Answers of one rater are not independent: a rater may have a habit. Under the null hypothesis every rater's counts are as
    likely with the positions in any other order, be there habits or none. So each rater's counts are permuted over
    the positions (Pitman 1938, Biometrika 29, 322–335, randomized blocks), and Σⱼ(Cⱼ − N/m)² of the totals is compared:
    exact but for drawing PERMUTATIONS of them. From MANY_RATERS on its limit is taken: with Sᵣ the sum of squares of
    rater r's counts around their mean,

        χ² = (m − 1) Σⱼ(Cⱼ − N/m)² / Σᵣ Sᵣ

    has m − 1 degrees of freedom, as Friedman's test with counts in place of ranks.

    ``counts``: raters × m, whole numbers ≥ 0. Nobody with any difference between positions: (0, 1).
    """
    from scipy.stats import chi2

    _raters, m = counts.shape
    scaled = counts * m - counts.sum(axis=1, keepdims=True)
    spread = int((scaled**2).sum())
    if not spread:
        return 0.0, 1.0, "none differ"
    observed = int((scaled.sum(axis=0) ** 2).sum())
    corrected = (m - 1) * observed / spread
    if len(counts) >= MANY_RATERS:
        return corrected, float(chi2.sf(corrected, m - 1)), "limit"
    rng = np.random.default_rng(seed)
    reached = 0
    step = max(1, CHUNK // scaled.size)
    for start in range(0, PERMUTATIONS, step):
        many = min(step, PERMUTATIONS - start)
        drawn = rng.permuted(np.broadcast_to(scaled, (many, *scaled.shape)), axis=2)
        # Whole numbers: as far away is as far away.
        reached += int(((drawn.sum(axis=1) ** 2).sum(axis=1) >= observed).sum())
    return corrected, (1 + reached) / (1 + PERMUTATIONS), "permutation"


def _row(trials: Trials, m: int, people: int, seed: int) -> dict[str, Any]:
    cells = np.bincount(trials.participant * m + trials.chosen, minlength=people * m)
    counts = cells.reshape(people, m)
    counts = counts[counts.any(axis=1)]
    total = counts.sum(axis=0)
    expected = len(trials) / m
    corrected, p_value, method = common_bias(counts, seed)
    right = trials.target[trials.target != NONE]
    return {
        "m": m,
        "answers": len(trials),
        "raters": len(counts),
        "counts": total.tolist(),
        "right": np.bincount(right, minlength=m).tolist(),
        "expected_p": 1 / m,
        "chi2": float(((total - expected) ** 2).sum() / expected),
        "chi2_corrected": corrected,
        "df": m - 1,
        "p_value": p_value,
        "method": method,
    }
