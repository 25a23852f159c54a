"""Ratings of how well word and content go together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.stats.correlation import ratings_given
from survey.stats.data import Data, Ints


class RatingError(ValueError):
    """A rating that is not on the study's scale."""


def rating_rows(data: Data) -> dict[str, list[dict[str, Any]]]:
    """Mean, median and counts by word, and by word and content, in the order of names; only of those that were rated.

    Points of the scale count from 1 to ``data.rating_points``; ``counts`` has one entry a point. A rating is ordinal: the median
    and the counts say what was chosen, the mean is there because `correlation` needs finer steps.
    Raises RatingError for a rating beyond the scale.
    """
    word, content, rating = ratings_given(data)
    if len(rating) and rating.max() > data.rating_points:
        raise RatingError(
            f"Expected ratings from 1 to {data.rating_points}; came {rating.max()}. "
            "Read the study's number of points with its answers."
        )
    cells = np.zeros((len(data.words), len(data.contents), data.rating_points), dtype=np.int64)
    np.add.at(cells, (word, content, rating - 1), 1)
    by_word = cells.sum(axis=1)
    return {
        "words": [
            {"word": data.words[w], **_summary(by_word[w])}
            for w in range(len(data.words))
            if by_word[w].any()
        ],
        "cells": [
            {"word": data.words[w], "content": data.contents[c], **_summary(cells[w, c])}
            for w in range(len(data.words))
            for c in range(len(data.contents))
            if cells[w, c].any()
        ],
    }


def _summary(counts: Ints) -> dict[str, Any]:
    points = np.arange(1, len(counts) + 1)
    n = int(counts.sum())
    return {
        "mean": float((counts * points).sum() / n),
        "median": _median(counts, n),
        "n": n,
        "counts": counts.tolist(),
    }


def _median(counts: NDArray[Any], n: int) -> float:
    """The middle one, or the mean of the two middle ones."""
    below = np.cumsum(counts)
    low, high = np.searchsorted(below, [(n - 1) // 2 + 1, n // 2 + 1])
    return float(low + high) / 2 + 1
