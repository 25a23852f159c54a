"""Nothing that is shown tells which option is right.

Exactly, by going through all random draws of small circles; and by simulated adversaries, who see
whole participations but no pixels: what stands where, and which pictures and words are the same ones.
The adversaries are shown to find leaks where there are some.
"""

import itertools
import math
import random
from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from survey import design
from survey.design import PICTURE, WORD, Outline, Picture, Planned, Role
from survey.design.blocks import Circle, option_sets
from tests.survey.design_case import BOTH, ONE, OTHER, grid, main, ragged


class Scripted(random.Random):
    """Gives the draws it is told."""

    def __init__(self, order, differences):
        super().__init__(0)
        self._order, self._differences = order, differences

    def shuffle(self, x):
        x[:] = [x[i] for i in self._order]

    def sample(self, population, k):
        return list(self._differences)


def posterior(n, m, asked):
    """Observation → (place of a question in it → option → probability of being right).

    All n! matchings of words and pictures, all orders and all differences are equally likely.
    ``asked(matching)`` gives (probability, pictures asked in kind 0, pictures asked in kind 1).
    """
    joint = defaultdict(Counter)
    for matching in itertools.permutations(range(n)):  # word → picture
        word_of = {p: w for w, p in enumerate(matching)}
        pictures = [Picture(p, word_of[p], 0) for p in range(n)]
        for probability, first, second in asked(matching):
            circle = Circle(
                pictures,
                {PICTURE: [pictures[p] for p in first], WORD: [pictures[p] for p in second]},
            )
            for order in itertools.permutations(range(n)):
                for differences in itertools.permutations(range(1, n), m - 1):
                    found = option_sets(circle, BOTH, m, Scripted(order, differences))
                    seen = set()
                    for kind, target, foils in found:
                        options = [target, *foils]
                        if kind == PICTURE:
                            seen.add((kind, target.word, frozenset(p.id for p in options)))
                        else:
                            seen.add((kind, target.id, frozenset(p.word for p in options)))
                    joint[frozenset(seen)][matching] += probability
    return joint


def worst(joint):
    """The highest probability of any option in any question, whatever was seen."""
    highest = 0
    for seen, matchings in joint.items():
        total = sum(matchings.values())
        for kind, asked, options in seen:
            for option in options:
                pair = (asked, option) if kind == PICTURE else (option, asked)
                right = sum(n for matching, n in matchings.items() if matching[pair[0]] == pair[1])
                highest = max(highest, Fraction(right) / Fraction(total))
    return highest


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 2), (3, 3), (4, 2), (4, 3)])
def test_a_closed_circle_tells_nothing_in_both_directions(n, m):
    def everything(matching):
        return [(1, range(n), range(n))]

    assert worst(posterior(n, m, everything)) == Fraction(1, m)


@pytest.mark.parametrize(("n", "m", "first", "second"), [(4, 2, 2, 0), (4, 3, 0, 1), (4, 2, 3, 0)])
def test_some_questions_of_a_circle_tell_nothing_in_one_direction(n, m, first, second):
    # Not even to somebody who knows which words, or which pictures, are asked about.
    def some(matching):
        return [(1, [matching[w] for w in range(first)], range(second))]

    assert worst(posterior(n, m, some)) == Fraction(1, m)


@pytest.mark.parametrize(("n", "m", "first", "second"), [(3, 2, 1, 1), (3, 2, 2, 1), (4, 3, 2, 1)])
def test_independent_questions_of_both_directions_tell_nothing(n, m, first, second):
    def independent(matching):
        return [
            (1, a, b)
            for a in itertools.combinations(range(n), first)
            for b in itertools.combinations(range(n), second)
        ]

    assert worst(posterior(n, m, independent)) == Fraction(1, m)


def test_the_same_few_pictures_in_both_directions_would_tell():
    def same(matching):
        return [(1, a, a) for a in itertools.combinations(range(4), 1)]

    assert worst(posterior(4, 2, same)) > Fraction(1, 2)


# --- adversaries ----------------------------------------------------------------------------------


class Seen:
    """What can be counted in one participation, without pixels.

    Words stand for themselves, pictures too, but which belongs to which is used only where
    it is shown: a word is known as the asked one in a word → picture question and as an option of
    the other kind, a picture the other way round.
    """

    def __init__(self, planned: list[Planned], pictures: list[Picture]) -> None:
        self.by_id = {p.id: p for p in pictures}
        self.trials = [t for t in planned if t.options]
        self.together: Counter = Counter()
        self.linked: Counter = Counter()  # asked and offered, in either direction
        self.offered: dict = defaultdict(list)  # positions
        self.asked: dict = defaultdict(list)
        for position, t in enumerate(self.trials):
            content, asked = self.content(t), self.asks(t)
            for name in self.names(t):
                self.offered[content, name].append(position)
                self.linked[content, frozenset((asked, name))] += asked is not None
            for pair in itertools.combinations(self.names(t), 2):
                self.together[content, frozenset(pair)] += 1
            self.asked[content, asked].append(position)

    def content(self, t: Planned) -> int:
        return self.by_id[t.options[0]].content

    def names(self, t: Planned | None) -> list[tuple[str, int]]:
        if t is None:
            return []
        if t.kind == PICTURE:
            return [("picture", o) for o in t.options]
        return [("word", self.by_id[o].word) for o in t.options]

    def asks(self, t: Planned | None) -> tuple[str, int] | None:
        if t is None or t.role == Role.ATTENTION:
            return None
        return ("word", self.by_id[t.target].word) if t.kind == PICTURE else ("picture", t.target)

    def near(self, position: int) -> Planned | None:
        return self.trials[position] if 0 <= position < len(self.trials) else None

    def row(self, position: int, slot: int) -> list[float]:
        """The features of one option."""
        t = self.trials[position]
        before, after = self.near(position - 1), self.near(position + 1)
        content, name = self.content(t), self.names(t)[slot]
        offered, asked = self.offered[content, name], self.asked.get((content, name), [])
        pairs = [self.together[content, frozenset((name, o))] for o in self.names(t) if o != name]
        around = self.trials[max(0, position - 3) : position + 4]
        named = before is not None and before.role == Role.ATTENTION
        return [
            len(offered),
            sum(p < position for p in offered),
            offered[0] == position,
            offered[-1] == position,
            offered[0],
            offered[-1],
            len(asked),
            sum(p < position for p in asked),
            self.linked[content, frozenset((self.asks(t), name))],
            sum(pairs),
            max(pairs),
            min(pairs),
            self.asks(before) == name,
            self.asks(after) == name,
            name in self.names(before),
            name in self.names(after),
            sum(self.asks(x) == name for x in around),
            slot,
            slot == position % len(t.options),
            named and before is not None and slot == before.target_slot,
        ]


def features(planned: list[Planned], pictures: list[Picture]) -> list[tuple[np.ndarray, int]]:
    """For each main choice trial, (options × features, right slot), from what is shown alone."""
    seen = Seen(planned, pictures)
    return [
        (
            np.array([seen.row(position, s) for s in range(len(t.options))], dtype=float),
            t.target_slot,
        )
        for position, t in enumerate(seen.trials)
        if t.role == Role.MAIN
    ]


def scores(participations, options) -> list[float]:
    """z of every adversary: hits beyond chance over their standard error, between participants.

    One adversary a feature and sign, who chooses the highest (ties at random), and two who weigh
    all of them as fits the first half of the participations best (least squares), tried on the other half; one also
    with squares and products of pairs of features.
    """
    draw = np.random.default_rng(0)

    def z(hits):
        excess = np.array([np.sum(h) - len(h) / options for h in hits])
        spread = math.sqrt(np.sum((excess - excess.mean()) ** 2))
        return float(excess.sum() / spread) if spread else 0.0

    def choose(values):
        return int(np.argmax(values + 1e-6 * draw.random(len(values))))

    found = [
        z([[choose(sign * x[:, f]) == right for x, right in p] for p in participations])
        for f in range(participations[0][0][0].shape[1])
        for sign in (1, -1)
    ]

    def centered(x):
        return x - x.mean(axis=0)

    def products(x):
        y = centered(x)
        i, j = np.triu_indices(y.shape[1])
        return np.hstack([y, centered(y[:, i] * y[:, j])])

    half = len(participations) // 2
    for expand in (centered, products):
        rows = [(expand(x), right) for p in participations[:half] for x, right in p]
        design_matrix = np.vstack([x for x, _ in rows])
        wanted = np.concatenate([(np.arange(len(x)) == right) - 1 / len(x) for x, right in rows])
        gram = design_matrix.T @ design_matrix + np.eye(design_matrix.shape[1])
        weights = np.linalg.solve(gram, design_matrix.T @ wanted)
        found.append(
            z([[choose(expand(x) @ weights) == r for x, r in p] for p in participations[half:]])
        )
    return found


#: 42 adversaries: a fair one is beyond this once in 5,000 runs (two-sided, Bonferroni).
BOUND = 4.6


def participations(pictures, outline, count):
    """Participants one after the other, each with the least asked questions; fixed seeds."""
    asked: Counter = Counter()
    result = []
    rows = design.square_rows(pictures, outline)
    for seed in range(count):
        # Each in a Latin square of its own: participants of one square share an order, so that their
        # hits would not be independent.
        row = seed * rows + seed % rows
        planned = design.plan(pictures, outline, design.generator(seed), asked=asked, row=row)
        asked.update((t.kind, t.target) for t in main(planned))
        result.append(features(planned, pictures))
    return result


CASES = {
    "all, both kinds": (grid(6, 2), Outline(BOTH, 3)),
    "all options": (grid(4, 3), Outline(BOTH, 4)),
    "one kind": (grid(7, 2), Outline(OTHER, 4)),
    "closed subset": (grid(9, 2), Outline(BOTH, 3, questions=16)),
    "odd subset, disjoint": (grid(9, 1), Outline(BOTH, 3, questions=7)),
    "odd subset, in part": (grid(12, 1), Outline(BOTH, 3, questions=15)),
    "odd subset, elsewhere": (grid(7, 2), Outline(BOTH, 4, questions=9)),
    "few, open": (grid(8, 1), Outline(BOTH, 4, questions=5)),
    "latin": (grid(5, 2), Outline(BOTH, 3, order="latin")),
    "latin subset": (grid(8, 2), Outline(BOTH, 3, questions=14, order="latin")),
    "repeats and checks": (grid(8, 2), Outline(BOTH, 4, repeats=6, attention=4)),
    "many repeats": (grid(5, 1), Outline(ONE, 3, repeats=5, attention=1)),
    "rare variants": (ragged([3, 3, 2, 2, 1, 1, 2]), Outline(BOTH, 3)),
    "too many variants": (ragged([2, 2, 1, 1, 1]), Outline(BOTH, 4)),
}


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_adversaries_are_at_chance(case, count):
    pictures, outline = CASES[case]
    found = scores(participations(pictures, outline, count), outline.options)
    assert max(map(abs, found)) < BOUND, [round(z, 1) for z in found]


def test_adversaries_find_foils_drawn_anew_in_each_direction():
    pictures = grid(6, 2)
    result = []
    for seed in range(100):
        halves = [
            design.plan(pictures, Outline((kind,), 3), design.generator(10 * seed + i))
            for i, kind in enumerate(BOTH)
        ]
        planned = [t for pair in zip(*halves, strict=True) for t in pair]
        result.append(features(planned, pictures))
    assert max(scores(result, 3)) > 2 * BOUND


def test_adversaries_find_foils_that_are_shown_more_often_than_targets():
    # What comes of borrowing: pictures 0 and 1 are asked about with foils that are asked about elsewhere.
    pictures = grid(7, 1)
    result = []
    for seed in range(100):
        rng = random.Random(seed)
        planned = [
            t
            for t in design.plan(pictures, Outline(ONE, 3), rng)
            if t.target not in {100, 101} and not {100, 101} & set(t.options)
        ]
        for target in (100, 101):
            options = [target, *rng.sample([p.id for p in pictures[2:]], 2)]
            rng.shuffle(options)
            planned.append(
                Planned(Role.MAIN, PICTURE, target, tuple(options), options.index(target))
            )
        result.append(features(planned, pictures))
    assert max(scores(result, 3)) > 2 * BOUND


def test_adversaries_find_an_order_that_knows_the_answers():
    pictures = grid(4, 3)
    by_id = {p.id: p for p in pictures}
    result = []
    for seed in range(200):
        planned = design.plan(pictures, Outline(BOTH, 4), design.generator(seed))
        rng = random.Random(seed)
        for _ in range(1000):
            clash = [
                i
                for i, (a, b) in enumerate(itertools.pairwise(planned))
                if by_id[a.target].word == by_id[b.target].word
            ]
            if not clash:
                break
            i, j = clash[0], rng.randrange(len(planned))
            planned[i], planned[j] = planned[j], planned[i]
        result.append(features(planned, pictures))
    assert max(map(abs, scores(result, 4))) > BOUND


def test_a_repeat_moves_all_its_options():
    pictures = grid(8, 1)
    for seed in range(20):
        planned = design.plan(pictures, Outline(ONE, 4, repeats=4), design.generator(seed))
        firsts = {t.target: t for t in main(planned)}
        for t in planned:
            if t.role == Role.REPEAT:
                first = firsts[t.target]
                assert set(t.options) == set(first.options)
                # Every option moves, so that none is told by having moved.
                assert all(a != b for a, b in zip(t.options, first.options, strict=True))
                assert replace(t, role=Role.MAIN) != first
