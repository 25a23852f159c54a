"""In which order, and where what comes between is put.

Neighbors should share no content and no word. But the word of a picture → word question is
its answer, and an order made with the answer in mind gives it away: whoever has just been asked
for ふさふさ, and knows that no word comes twice running, can strike ふさふさ from the next question's options.
(With four words that turns a guess of 1/4 into 1/3.) So the order looks only at what is shown: two
neighbors cost the probability that their words are the same, for somebody who sees the
questions and knows none of the answers. Where that probability can be made 0 everywhere, no word comes twice running;
where it cannot, it is as small as was found.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from survey.design.outline import PICTURE, RATING, Picture

#: Moves tried by one call of `arrange`: some 10 to 40 ms.
BUDGET = 10_000

#: A content twice running is seen by everybody, a word only where it is asked for.
CONTENT = 2


@dataclass(frozen=True)
class Shown:
    """What a question shows before it is answered.

    Attributes:
        content: its content; None: unlike every other.
        words: the words that may be the right one, as bits.
        weight: m divided by their number.
    """

    content: int | None
    words: int
    weight: int


class Showing:
    """Makes `Shown`, and the cost of neighbors in units of 1/m²."""

    def __init__(
        self, main: Iterable[Picture], options: int, others: Iterable[Picture] = ()
    ) -> None:
        main = list(main)
        self._pictures = {p.id: p for p in [*others, *main]}
        words = sorted({p.word for p in self._pictures.values()})
        self._bit = {word: 1 << i for i, word in enumerate(words)}
        # One content only: that it stays the same is no fault of the order.
        self._varied = len({p.content for p in main}) > 1
        self.options = options

    def __call__(self, kind: str, target: int, options: Sequence[int] = ()) -> Shown:
        """A question as shown. Without options nothing is known of a hidden word."""
        picture = self._pictures[target]
        content = picture.content if self._varied else None
        if kind in (PICTURE, RATING):
            return Shown(content, self._bit[picture.word], self.options)
        words = 0
        for o in options:
            words |= self._bit[self._pictures[o].word]
        return Shown(content, words, self.options // max(1, len(options)))

    def instructed(self, target: int) -> Shown:
        """A question that asks about no word."""
        return Shown(self._pictures[target].content if self._varied else None, 0, 0)

    def cost(self, a: Shown | None, b: Shown | None) -> int:
        """m² × (2 if the content is the same + the probability that the word is); 0 at an end."""
        if a is None or b is None:
            return 0
        same = a.content is not None and a.content == b.content
        return (
            same * CONTENT * self.options**2 + (a.words & b.words).bit_count() * a.weight * b.weight
        )


def arrange(
    shown: Sequence[Shown], showing: Showing, rng: random.Random, *, circular: bool = False
) -> list[int]:
    """An order (indices of ``shown``) in which the sum of neighbors' costs is small, 0 if found.

    Reverses stretches while that lowers the sum (2-opt, Croes 1958), then shakes the best order and tries
    again (iterated local search), until nothing costs or `BUDGET` moves were tried. Begins by dealing
    the contents at random. ``circular``: the last is a neighbor of the first.
    """
    search = _Search(shown, showing, circular)
    best = _by_content(shown, rng)
    least = search.total(best)
    order = list(best)
    while least and len(shown) > 2:
        search.descend(order)
        now = search.total(order)
        if now <= least:
            best, least = list(order), now
        search.left -= 2 * len(order) + 20  # the round itself
        if search.left <= 0:
            break
        order = list(best)
        if rng.random() < 0.2:
            rng.shuffle(order)
        else:
            for _ in range(3):
                i, j = rng.randrange(len(order)), rng.randrange(len(order))
                order[i], order[j] = order[j], order[i]
    if circular and best:
        # Which one comes first is not the search's to say.
        turn = rng.randrange(len(best))
        best = best[turn:] + best[:turn]
    return best


def _by_content(shown: Sequence[Shown], rng: random.Random) -> list[int]:
    """At random, no content twice running unless one has more than half of what is left."""
    left: dict[int | None, list[int]] = {}
    for i in rng.sample(range(len(shown)), len(shown)):
        left.setdefault(shown[i].content, []).append(i)
    order: list[int] = []
    last: int | None = None
    while left:
        others = [c for c in left if c is None or c != last] or list(left)
        rest = sum(map(len, left.values()))
        most = max(others, key=lambda c: len(left[c]))
        if 2 * len(left[most]) < rest:
            most = rng.choices(others, [len(left[c]) for c in others])[0]
        order.append(left[most].pop())
        last = most
        if not left[most]:
            del left[most]
    return order


def improve(
    shown: Sequence[Shown],
    showing: Showing,
    allowed: Callable[[Sequence[int]], bool],
    rng: random.Random,
) -> list[int]:
    """The order given (indices of ``shown``), mended by steps that all lead to allowed orders."""
    search = _Search(shown, showing, False, allowed)
    best = order = list(range(len(shown)))
    least = search.total(best)
    while least and search.left > 0:
        search.descend(order)
        now = search.total(order)
        if now <= least:
            best, least = order, now
        order = list(best)
        for _ in range(3):
            i, j = rng.randrange(len(order)), rng.randrange(len(order))
            order[i], order[j] = order[j], order[i]
            if not allowed(order):
                order[i], order[j] = order[j], order[i]
        search.left -= 2 * len(order) + 20
    return best


class _Search:
    def __init__(
        self,
        shown: Sequence[Shown],
        showing: Showing,
        circular: bool,
        allowed: Callable[[Sequence[int]], bool] = lambda _order: True,
    ) -> None:
        self._shown = shown
        self._circular = circular
        self._allowed = allowed
        self._unit = CONTENT * showing.options**2
        self.left = BUDGET

    def cost(self, a: int, b: int) -> int:
        # `Showing.cost`, written out: most of the time is spent here.
        x, y = self._shown[a], self._shown[b]
        common = x.words & y.words
        cost = common.bit_count() * x.weight * y.weight if common else 0
        if x.content == y.content and x.content is not None:
            cost += self._unit
        return cost

    def total(self, order: Sequence[int]) -> int:
        seam = self.cost(order[-1], order[0]) if self._circular and len(order) > 1 else 0
        return seam + sum(self.cost(a, b) for a, b in pairwise(order))

    def descend(self, order: list[int]) -> None:
        """In place, until no reversal helps or the moves are used up."""
        n = len(order)
        better = True
        while better and self.left > 0:
            better = False
            for i in range(0 if self._circular else 1, n):
                here = self.cost(order[i - 1], order[i])
                if here and self._mend(order, i, here):
                    better = True

    def _mend(self, order: list[int], i: int, here: int) -> bool:
        """Reverse a stretch that begins or ends at the costly pair (i − 1, i), if one helps."""
        n = len(order)
        for step in range(1, n):
            if self.left <= 0:
                return False
            self.left -= 1
            # The other pair that is parted: (j − 1, j), or an end of the order.
            j = i + step
            if j >= n:
                j -= n
            for low, high, cost in self._reversals(order, i, j):
                if cost < here:
                    order[low:high] = order[low:high][::-1]
                    if self._allowed(order):
                        return True
                    order[low:high] = order[low:high][::-1]
                    self.left -= n // 5  # asking was dear
        return False

    def _reversals(self, order: list[int], i: int, j: int) -> list[tuple[int, int, int]]:
        """Stretches that part the pairs before i and before j, and what stands for the first's cost then."""
        n, cost = len(order), self.cost
        if not self._circular and j == 0:
            # From the beginning up to i − 1, or from i to the end.
            return [(0, i, cost(order[0], order[i])), (i, n, cost(order[i - 1], order[-1]))]
        low, high = (j, i) if j < i else (i, j)
        a, b, c, d = order[low - 1], order[low], order[high - 1], order[high]
        return [(low, high, cost(a, c) + cost(b, d) - cost(order[j - 1], order[j]))]


def square_row(
    questions: Sequence[tuple[str, Picture]], row: int, seed: int, showing: Showing
) -> list[tuple[str, Picture]]:
    """A row of a cyclic Latin square of all n questions: base order number row // n, turned by row % n.

    Over n rows that begin at a multiple of n every question stands once at every position, so that
    position (practice, tiredness) averages out (Bradley 1958, "Complete counterbalancing of
    immediate sequential effects in a Latin square design", JASA 53: 525–528, whose rows are balanced
    for the question before as well). Balance for the question before (Williams 1949, Aust. J. Sci.
    Res. A 2: 149–168) needs orders in which each question follows each other one, also those of the
    same word and content, which is not wanted here; instead each n rows have a new base order, so that
    no question always follows the same other one.

    The base order is arranged on a circle, so that no content and no word asked for comes twice
    running, across the seam too, where it can be. It comes before the options are drawn and knows nothing of a hidden word: there the
    probability of the same word stays at one in the number of words.
    """
    n = len(questions)
    rng = random.Random(f"latin square {seed} {row // n}")  # noqa: S311
    base = sorted(questions)
    rng.shuffle(base)
    shown = [showing(kind, picture.id) for kind, picture in base]
    order = arrange(shown, showing, rng, circular=True)
    turn = row % n
    return [base[i] for i in [*order[turn:], *order[:turn]]]


def repair(order: Sequence[int], shown: Sequence[Shown], showing: Showing) -> list[int]:
    """The order with neighbors' costs mended by exchanging or moving questions, as near as helps."""
    result = list(order)
    n = len(result)

    def cost(a: int, b: int) -> int:
        return showing.cost(shown[result[a]], shown[result[b]]) if 0 <= a < n and b < n else 0

    def around(*places: int) -> int:
        return sum(cost(p, p + 1) for p in {p for q in places for p in (q - 1, q)})

    def moved_gain(i: int, j: int) -> int:
        """What taking question i out and putting it in before question j saves."""
        before = cost(i - 1, i) + cost(i, i + 1) + cost(j - 1, j)
        bridge = cost(i - 1, i + 1) if i and i + 1 < n else 0
        into = (cost(j - 1, i) if j else 0) + (cost(i, j) if j < n else 0)
        return before - bridge - into

    def mend(i: int) -> bool:
        for j in sorted((j for j in range(n) if j != i), key=lambda j: abs(j - i)):
            before = around(i, j)
            result[i], result[j] = result[j], result[i]
            if around(i, j) < before:
                return True
            result[i], result[j] = result[j], result[i]
            if j != i + 1 and moved_gain(i, j) > 0:
                question = result.pop(i)
                result.insert(j - (j > i), question)
                return True
        return False

    better = True
    while better:
        clashes = [i for i in range(n) if cost(i - 1, i) or cost(i, i + 1)]
        better = sum(mend(i) for i in clashes if cost(i - 1, i) or cost(i, i + 1)) > 0
    return result


def best_gap(
    gaps: Sequence[int],
    sequence: Sequence[Shown],
    options: Sequence[Shown],
    showing: Showing,
    rng: random.Random,
    allowed: Callable[[int, int], bool] = lambda _gap, _option: True,
) -> tuple[int, int] | None:
    """(gap, option) of least cost, at random among equals; gap g is before ``sequence[g]``.

    None if no pair is allowed.
    """
    best, least = None, -1
    for gap in rng.sample(gaps, len(gaps)):
        before = sequence[gap - 1] if gap else None
        after = sequence[gap] if gap < len(sequence) else None
        for o in rng.sample(range(len(options)), len(options)):
            if not allowed(gap, o):
                continue
            cost = showing.cost(before, options[o]) + showing.cost(options[o], after)
            if best is None or cost < least:
                best, least = (gap, o), cost
            if cost == 0:
                return best
    return best
