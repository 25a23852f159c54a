"""Pictures for tests of the design."""

import random
from collections import Counter

from survey.design import PICTURE, WORD, Picture, Planned, Role

ONE, OTHER, BOTH = (PICTURE,), (WORD,), (PICTURE, WORD)


def grid(
    words: int, contents: int, recipes: int = 1, variants: int = 1, first: int = 100
) -> list[Picture]:
    cells = [
        (w, c, r, v)
        for w in range(words)
        for c in range(contents)
        for r in range(recipes)
        for v in range(variants)
    ]
    return [Picture(first + i, *cell) for i, cell in enumerate(cells)]


def ragged(counts: list[int], contents: int = 1) -> list[Picture]:
    """Word w has counts[w] variants with every content."""
    cells = [(w, c, 0, v) for c in range(contents) for w, n in enumerate(counts) for v in range(n)]
    return [Picture(500 + i, *cell) for i, cell in enumerate(cells)]


def rng(seed: int = 0) -> random.Random:
    return random.Random(seed)


def main(planned: list[Planned]) -> list[Planned]:
    return [t for t in planned if t.role == Role.MAIN and t.options]


def slots_differ_by_at_most_one(trials: list[Planned], options: int) -> bool:
    slots = Counter(t.target_slot for t in trials)
    counts = [slots[i] for i in range(options)]
    return max(counts) - min(counts) <= 1
