"""Which questions one participant gets, and with which foils.

**Why nobody can infer the target from what is shown.** Let n pictures lie on a circle in random
order, and let B ∋ 0 be a random base block of m places. Word → picture question i offers the pictures at
i + B; picture → word question j offers the words at j − B. So word i and picture j are offered
together in one direction exactly when they are in the other. Take any b ∈ B and suppose that the
right picture of word i were not the one at i but the one at i + b: the base block B − b, which is as
likely as B, gives the very same offers. So for all that is shown, in whatever direction, all m
options are equally likely to be right, in every question and in all of them together. Counting how often a
picture was or will be seen, or with which others, gives nothing. (Foils that are drawn "least used
first", or anew in each direction, do tell: the right pair comes up in both directions, a wrong
one seldom.)

The argument holds

- for all n questions of a circle (*closed*: everything shown is once the target and m − 1 times a foil
  in each direction), whichever pictures lie on it;
- for some of them in one direction (*open*);
- for some of them in both directions, if what is asked in one is chosen without looking at the other.

A set of words drawn for one direction and left out in the other would tell by exclusion.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from survey.design.outline import Picture, groups

Asked = Mapping[tuple[str, int], int]

#: Dealing at random may meet a dead end; so often it is tried before it is given up.
ATTEMPTS = 10


@dataclass
class Circle:
    """Pictures of distinct words that are offered together, and who of them is asked about.

    ``targets`` maps a kind to pictures of the circle.
    """

    pictures: list[Picture]
    targets: dict[str, list[Picture]] = field(default_factory=dict)


def cyclic(size: int, options: int, rng: random.Random) -> Callable[[int, int], tuple[int, ...]]:
    """Foils of a cyclic design: a function of (place, direction ±1) → m − 1 places.

    With a base block {0} ∪ D, D ⊂ {1 … n−1} drawn at random, place i meets the foils i ± d mod n. As i
    runs over all places, so does i + d for every d: each is a foil exactly m − 1 times (Cochran and
    Cox, *Experimental Designs*, 2nd ed. 1957, ch. 11: cyclic designs of block size m). The usual one
    takes D = {1 … m−1}; a random D adds to the mixing of pairs.
    """
    differences = rng.sample(range(1, size), options - 1)
    return lambda place, sign: tuple((place + sign * d) % size for d in differences)


def option_sets(
    circle: Circle, kinds: Sequence[str], options: int, rng: random.Random
) -> list[tuple[str, Picture, list[Picture]]]:
    """(kind, target, foils) of a circle's questions; the second kind is the first one reversed."""
    order = list(circle.pictures)
    rng.shuffle(order)
    foils = cyclic(len(order), options, rng)
    result = []
    for kind, sign in zip(kinds, (1, -1), strict=False):
        asked = set(circle.targets.get(kind, ()))
        result += [
            (kind, target, [order[j] for j in foils(i, sign)])
            for i, target in enumerate(order)
            if target in asked
        ]
    return result


# --- from pictures to circles ---------------------------------------------------------------------


def layers(
    pictures: Iterable[Picture], options: int, asked: Asked, rng: random.Random
) -> list[list[Picture]]:
    """The pictures in sets of one content and recipe, at least m each, no two of one word.

    A variant that at least m words have is a layer. Those that fewer have are dealt into layers of
    their own, filled up with as few pictures of the others as are needed; those are then asked about
    there. That way the rare ones, too, are as often foils as all others.

    Where even that is impossible, no design could hide them: a word with f variants would be
    in f·m questions of N < f·m. Then a participant is asked about as many variants of a word as
    do go, the least asked ones first.
    """
    found: list[list[Picture]] = []
    for group in groups(pictures):
        blocks = groups(group, lambda p: (p.variant,))
        full = [b for b in blocks if len(b) >= options]
        rare = [p for b in blocks if len(b) < options for p in b]
        found += full if not rare else _with_rare(full, rare, options, asked, rng)
    return found


def _with_rare(
    full: list[list[Picture]],
    rare: list[Picture],
    options: int,
    asked: Asked,
    rng: random.Random,
) -> list[list[Picture]]:
    by_word = groups(_least_asked(rare, asked, rng), lambda p: (p.word,))
    by_word = [_least_asked(g, asked, rng) for g in by_word]
    for number in range(max(map(len, by_word)), 0, -1):
        taken = [g[:number] for g in by_word]
        # Without full blocks all is rare, and what does not go has to be left out.
        if full and any(len(g) > number for g in by_word):
            break
        for _attempt in range(ATTEMPTS):
            lent = _borrow(_deal(taken, number, rng), full, options, rng)
            if lent is not None:
                return lent
    # Each rare picture stands in for the block's picture of its word, or the other way round.
    last = full[-1]
    pool = groups([*last, *rare], lambda p: (p.word,))
    return [*full[:-1], [_least_asked(g, asked, rng)[0] for g in pool]]


def _deal(by_word: list[list[Picture]], number: int, rng: random.Random) -> list[list[Picture]]:
    """Into so many layers of nearly one size; a word has no more pictures than there are layers."""
    hands: list[list[Picture]] = [[] for _ in range(number)]
    rng.shuffle(by_word)
    for i, picture in enumerate(p for g in by_word for p in rng.sample(g, len(g))):
        hands[i % number].append(picture)
    return hands


def _borrow(
    dealt: list[list[Picture]], full: list[list[Picture]], options: int, rng: random.Random
) -> list[list[Picture]] | None:
    """All layers, the dealt ones filled up to m from the full blocks; None if those cannot spare it."""
    donors = [rng.sample(b, len(b)) for b in full]
    for hand in dealt:
        words = {p.word for p in hand}
        for donor in reversed(donors):
            for p in list(donor):
                if len(hand) < options < len(donor) and p.word not in words:
                    donor.remove(p)
                    hand.append(p)
                    words.add(p.word)
        if len(hand) < options:
            return None
    return [sorted(layer) for layer in [*donors, *dealt]]


# --- from circles to k questions ------------------------------------------------------------------


def choose(
    found: list[list[Picture]],
    kinds: Sequence[str],
    options: int,
    questions: int,
    asked: Asked,
    rng: random.Random,
) -> list[Circle]:
    """Circles with the k questions of one participant, the least asked ones; ties at random.

    The kinds get k/2 each; an odd one goes to the kind that lags behind where it is asked. Both kinds ask about the same
    pictures, taken from as many layers as can have at least m each; these pictures make a closed
    circle of their own, so that nothing is shown that is not asked about. The layers least asked are
    taken, and within a layer its pictures least asked.

    This is a compromise between equal counts and closed circles. If all participants finish, the counts of a
    kind's questions differ by at most 1 within a layer, and by at most 2 over layers of one size, because a
    layer is only taken in portions of m or more. A strict rule over single questions would give 1
    everywhere, with open circles. With two kinds and an odd k the counts of the two kinds drift apart a little: by 3 with
    3 × 23 pictures, and by up to 7 with 4 words after 400 participants.

    What does not fill a circle (k/2 < m, or one question left over) is open: the design runs
    over a whole layer and only these of its questions are asked.
    """
    total = sum(map(len, found)) * len(kinds)
    base, odd = divmod(min(questions, total), len(kinds))
    need = _Need(found, kinds, asked)
    sizes = _portions(need, base, options, rng)
    circles = [
        Circle(taken, dict.fromkeys(kinds, taken))
        for taken in (
            _least(layer, kinds, asked, rng)[:size]
            for layer, size in zip(found, sizes, strict=True)
            if size
        )
    ]
    free = [i for i, size in enumerate(sizes) if not size]
    kinds = need.by_lag(free or [i for i in range(len(sizes)) if sizes[i] < len(found[i])], rng)
    loose = {kind: base - sum(sizes) + (n < odd) for n, kind in enumerate(kinds)}
    if free:
        circles += _open([found[i] for i in free], loose, asked, rng)
    elif odd:
        i, parts = _one_more(need, sizes, kinds[0], kinds[1], options, rng)
        circles[i : i + 1] = parts
    return circles


@dataclass
class _Need:
    """How often the questions of each layer were asked."""

    layers: list[list[Picture]]
    kinds: Sequence[str]
    asked: Asked

    def mean(self, i: int, size: int = 0, kind: str | None = None) -> float:
        """Mean count over the layer's questions when ``size`` more are asked in each kind."""
        layer, kinds = self.layers[i], [kind] if kind else self.kinds
        done = sum(self.asked.get((kind, p.id), 0) for kind in kinds for p in layer)
        return (done / len(kinds) + size) / len(layer)

    def by_lag(self, among: Sequence[int], rng: random.Random) -> list[str]:
        """The kinds, first the one that lags behind most in one of these layers."""
        return sorted(
            rng.sample(self.kinds, len(self.kinds)),
            key=lambda kind: min(
                (self.mean(i, kind=kind) - self.mean(i) for i in among), default=0.0
            ),
        )


def _portions(need: _Need, count: int, options: int, rng: random.Random) -> list[int]:
    """How many pictures of each layer: none, or m and more; together ``count`` or a little less."""
    number = len(need.layers)
    means = [need.mean(i) for i in range(number)]
    draw = [rng.random() for _ in range(number)]
    contents: Counter[int] = Counter()
    sizes = [0] * number
    for _ in range(min(number, count // options)):
        # By whole rounds first: within a round other contents come before the same one again.
        i = min(
            (i for i in range(number) if not sizes[i]),
            key=lambda i: (
                int(means[i]),
                contents[need.layers[i][0].content],
                means[i],
                draw[i],
            ),
        )
        sizes[i] = options
        contents[need.layers[i][0].content] += 1
    for _ in range(count - sum(sizes)):
        room = [i for i in range(number) if 0 < sizes[i] < len(need.layers[i])]
        if not room:
            break
        i = min(room, key=lambda i: (need.mean(i, sizes[i]), draw[i]))
        sizes[i] += 1
    return sizes


def _open(
    free: list[list[Picture]], loose: Mapping[str, int], asked: Asked, rng: random.Random
) -> list[Circle]:
    """Single questions, the least asked ones, over as many contents as there are.

    The kinds are chosen for without looking at each other but for the layer, see above.
    """
    circles = [Circle(layer) for layer in free]

    def count(kind: str, p: Picture) -> int:
        return asked.get((kind, p.id), 0)

    for kind, number in loose.items():
        contents: Counter[int] = Counter()
        left = [
            sorted(rng.sample(layer, len(layer)), key=lambda p: count(kind, p)) for layer in free
        ]
        draw = [rng.random() for _ in free]
        for _ in range(number):
            i = min(
                (i for i in range(len(free)) if left[i]),
                key=lambda i: (
                    count(kind, left[i][0]),
                    any(k != kind for k in circles[i].targets),
                    contents[free[i][0].content],
                    draw[i],
                ),
            )
            target = left[i].pop(0)
            circles[i].targets.setdefault(kind, []).append(target)
            contents[target.content] += 1
    return [c for c in circles if c.targets]


def _one_more(
    need: _Need,
    sizes: list[int],
    more: str,
    less: str,
    options: int,
    rng: random.Random,
) -> tuple[int, list[Circle]]:
    """Where k is odd and all layers are in use: one layer with a question more in one kind.

    Its pictures are asked about in one kind only, or (where there are too few for that) some in
    both and at least m in each alone, or all of them in one kind: closed, or as good as that.
    Otherwise the design is open in both kinds: then the counts of earlier participants, which a
    participant does not know, tie what is asked in one kind a little to what is asked in the other.
    """

    def alone(i: int) -> int | None:
        """How many are asked about in the lesser kind only."""
        size, room = sizes[i], len(need.layers[i])
        if 2 * size + 1 <= room:
            return size
        if size + options + 1 <= room and size >= 2 * options:
            return options
        return None

    candidates = [i for i in range(len(sizes)) if sizes[i] < len(need.layers[i])]
    draw = [rng.random() for _ in sizes]
    i = min(
        candidates,
        key=lambda i: (
            alone(i) is None and sizes[i] + 1 < len(need.layers[i]),
            need.mean(i, sizes[i], more) - need.mean(i, sizes[i], less),
            draw[i],
        ),
    )
    layer, size, only = need.layers[i], sizes[i], alone(i)
    if only is None:
        targets = {
            more: _least_asked(layer, need.asked, rng, more)[: size + 1],
            less: _least_asked(layer, need.asked, rng, less)[:size],
        }
        return i, [Circle(layer, targets)]
    taken = _least(layer, need.kinds, need.asked, rng)[: size + only + 1]
    asked, both = need.asked, size - only
    single = sorted(
        taken[both:], key=lambda p: asked.get((more, p.id), 0) - asked.get((less, p.id), 0)
    )
    parts = (
        (taken[:both], (more, less)),
        (single[: only + 1], (more,)),
        (single[only + 1 :], (less,)),
    )
    return i, [Circle(part, dict.fromkeys(kinds, part)) for part, kinds in parts if part]


def _least(
    layer: Sequence[Picture], kinds: Sequence[str], asked: Asked, rng: random.Random
) -> list[Picture]:
    """Least asked over all kinds first; ties at random."""
    return sorted(
        rng.sample(layer, len(layer)), key=lambda p: sum(asked.get((k, p.id), 0) for k in kinds)
    )


def _least_asked(
    pictures: Iterable[Picture], asked: Asked, rng: random.Random, kind: str | None = None
) -> list[Picture]:
    kinds = [kind] if kind else ["picture", "word"]
    return _least(sorted(pictures), kinds, asked, rng)
