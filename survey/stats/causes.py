"""Why a word is recognized or not: its contents, the spread of raters and words, what is known of its pictures."""

from typing import Any

from survey.stats.cochran import cochran_rows
from survey.stats.correlation import correlations_with_accuracy
from survey.stats.data import Data
from survey.stats.mixed import mixed_model
from survey.stats.ratings import rating_rows
from survey.stats.shrinkage import shrinkage_of_words


def causes_section(data: Data, *, sample: int = 20_000, seed: int = 0) -> dict[str, Any]:
    """The report's section "Why", as plain JSON values.

    Args:
        sample: largest number of answers that the mixed model is fitted to; see `mixed.mixed_model`.
        seed: of what is drawn: tables, permutations, words, raters of the sample.

    Returns:
        ``cochran`` (`cochran.cochran_rows`), ``mixed`` (`mixed.mixed_model`), ``shrinkage``
        (`shrinkage.shrinkage_of_words`), ``ratings`` (`ratings.rating_rows`), ``correlations``
        (`correlation.correlations_with_accuracy`).
    """
    return {
        "cochran": cochran_rows(data, seed=seed),
        "mixed": mixed_model(data, sample=sample, seed=seed),
        "shrinkage": shrinkage_of_words(data),
        "ratings": rating_rows(data),
        "correlations": correlations_with_accuracy(data, seed=seed),
    }
