"""Which options, in which slots, in which order: pure and seeded, without rows.

Foils are drawn anew for every participant, so that no pair of words is always seen together.
Within a content they follow a cyclic design (Cochran and Cox, *Experimental Designs*, 1957, ch. 11;
each block is the one before it, shifted by one): over one participant every picture is seen equally
often, so that how often a picture was seen tells nothing about where it is right.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TypeVar

T = TypeVar("T")


class DesignError(ValueError):
    """The pictures cannot make the questions that were asked for."""


@dataclass(frozen=True, order=True)
class Picture:
    """What the design needs to know of a picture. All fields are ids or ranks."""

    id: int
    word: int
    content: int
    recipe: int = 0
    variant: int = 0


@dataclass(frozen=True)
class Planned:
    """A question as one participant will see it."""

    kind: str
    target: int
    options: tuple[int, ...]
    target_slot: int


def generator(seed: int) -> random.Random:
    """The generator of one participation (not for secrets)."""
    return random.Random(seed)  # noqa: S311


def plan(
    pictures: Iterable[Picture], kinds: Sequence[str], options: int, rng: random.Random
) -> list[Planned]:
    """The ordered trials of one participant.

    For every kind each picture is the target once. The options of a question share content and
    recipe, and also the variant where at least ``options`` words have it; no two are of one word.

    - Where a block (content × recipe × variant) has at least ``options`` words with one picture
      each, every picture is a foil exactly ``options - 1`` times a kind (see ``cyclic``).
    - The slots of the right option differ in frequency by at most one, over a kind and over all.
    - The order is shuffled, then arranged so that no word and no content comes twice running
      where that is possible (see ``arrange``).

    Args:
        pictures: in any order; the plan does not depend on it.
        kinds: names of the directions asked in, e.g. ``["picture", "word"]``.
        options: options a question, m ≥ 2.
        rng: seeded from the participation, advanced by this function.

    Raises:
        DesignError: no picture, no kind, m < 2, or fewer words than options for some content.
    """
    by_id = {p.id: p for p in sorted(pictures)}
    check(by_id.values(), options)
    if not kinds:
        raise DesignError("Expected at least one kind of question; there is none.")
    slots = list(range(options))
    rng.shuffle(slots)
    planned: list[Planned] = []
    for kind in kinds:
        sets = option_sets(by_id.values(), options, rng)
        # Going round the slots, on from where the last kind stopped: any stretch is balanced.
        right = [slots[(len(planned) + i) % options] for i in range(len(sets))]
        rng.shuffle(right)
        for (target, foils), slot in zip(sets, right, strict=True):
            order = list(foils)
            rng.shuffle(order)
            order.insert(slot, target)
            planned.append(Planned(kind, target, tuple(order), slot))
    # Shuffled here: arrange keeps what already fits.
    rng.shuffle(planned)
    return arrange(
        planned,
        [lambda t: by_id[t.target].word, lambda t: by_id[t.target].content],
        rng,
    )


def check(pictures: Iterable[Picture], options: int) -> None:
    """Raise DesignError unless every picture can be asked about with that many options."""
    if options < 2:
        raise DesignError(f"A question needs at least 2 options; {options} were asked for.")
    groups = _groups(pictures, lambda p: (p.content, p.recipe))
    if not groups:
        raise DesignError("Expected at least one picture; there is none.")
    for group in groups:
        words = len({p.word for p in group})
        if words < options:
            raise DesignError(
                f"{options} options need pictures of {options} words with each content; "
                f"content {group[0].content} (recipe {group[0].recipe}) has {words}. "
                "Add words, or ask for fewer options."
            )


def option_sets(
    pictures: Iterable[Picture], options: int, rng: random.Random
) -> list[tuple[int, tuple[int, ...]]]:
    """Each picture once as target with its ``options - 1`` foils, as (target, foils) ids."""
    result = []
    for group in _groups(pictures, lambda p: (p.content, p.recipe)):
        for block in _groups(group, lambda p: (p.variant,)):
            if len(block) >= options:
                result += cyclic([p.id for p in block], options, rng)
            else:
                # Few words have so many clusters: foils from the other variants, seldom used first.
                used = {p.id: 0 for p in group}
                for target in block:
                    foils: list[Picture] = []
                    for p in sorted(group, key=lambda p: (used[p.id], rng.random())):
                        if p.word not in {target.word, *(f.word for f in foils)}:
                            foils.append(p)
                        if len(foils) == options - 1:
                            break
                    for p in foils:
                        used[p.id] += 1
                    result.append((target.id, tuple(p.id for p in foils)))
    return result


def cyclic(
    items: Sequence[int], options: int, rng: random.Random
) -> list[tuple[int, tuple[int, ...]]]:
    """A cyclic design on a random permutation of n items, with random differences.

    With differences D ⊂ {1 … n−1}, |D| = m − 1, item i meets the foils i + d mod n, d ∈ D. As i
    runs over all items, i + d does too for every d: each item is a foil exactly m − 1 times.
    The usual design takes D = {1 … m−1}; a random D adds to the permutation's mixing of pairs.
    """
    n = len(items)
    order = list(items)
    rng.shuffle(order)
    differences = rng.sample(range(1, n), options - 1)
    return [(order[i], tuple(order[(i + d) % n] for d in differences)) for i in range(n)]


def arrange(
    items: Sequence[T], features: Sequence[Callable[[T], object]], rng: random.Random
) -> list[T]:
    """The items in an order in which neighbours share no feature, as far as it can be found.

    Starts from the order given and reverses stretches while that lowers the number of shared
    features between neighbours (2-opt, Croes 1958), from up to 8 random starts. A feature that is the same for
    all items is left out. The result is a permutation of the items whether or not it is free
    of repeats.
    """
    used = [f for f in features if len({f(t) for t in items}) > 1]
    values = [tuple(f(t) for f in used) for t in items]

    def cost(a: int, b: int) -> int:
        return sum(x == y for x, y in zip(values[a], values[b], strict=True))

    best: list[int] = list(range(len(items)))
    best_cost = _total(best, cost)
    order = list(best)
    for _attempt in range(8):
        _reverse_stretches(order, cost)
        now = _total(order, cost)
        if now < best_cost:
            best, best_cost = list(order), now
        if best_cost == 0:
            break
        rng.shuffle(order)
    return [items[i] for i in best]


def _total(order: Sequence[int], cost: Callable[[int, int], int]) -> int:
    return sum(cost(a, b) for a, b in pairwise(order))


def _reverse_stretches(order: list[int], cost: Callable[[int, int], int]) -> None:
    """2-opt in place, until no reversal lowers the cost."""
    n = len(order)
    better = True
    while better:
        better = False
        for i in range(1, n):
            here = cost(order[i - 1], order[i])
            if not here:
                continue
            # A stretch that begins at i and ends at j, or that begins at j and ends before i.
            for j in range(i, n):
                after = (order[j], order[j + 1]) if j + 1 < n else None
                old = here + (cost(*after) if after else 0)
                new = cost(order[i - 1], order[j]) + (cost(order[i], after[1]) if after else 0)
                if new < old:
                    order[i : j + 1] = order[i : j + 1][::-1]
                    better = True
                    break
            else:
                for j in range(i):
                    before = (order[j - 1], order[j]) if j else None
                    old = here + (cost(*before) if before else 0)
                    new = cost(order[j], order[i]) + (
                        cost(before[0], order[i - 1]) if before else 0
                    )
                    if new < old:
                        order[j:i] = order[j:i][::-1]
                        better = True
                        break


def _groups(
    pictures: Iterable[Picture], key: Callable[[Picture], tuple[int, ...]]
) -> list[list[Picture]]:
    return [list(g) for _key, g in groupby(sorted(pictures, key=lambda p: (key(p), p)), key=key)]
