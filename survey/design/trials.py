"""The ordered trials of one participant."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from survey.design.blocks import choose, layers, option_sets
from survey.design.checks import askable, check
from survey.design.order import Showing, Shown, arrange, best_gap, improve, repair, square_row
from survey.design.outline import (
    LATIN,
    PICTURE,
    RATING,
    DesignError,
    Outline,
    Picture,
    Planned,
    Role,
    groups,
    representatives,
)


def plan(
    pictures: Iterable[Picture],
    outline: Outline,
    rng: random.Random,
    *,
    asked: Mapping[tuple[str, int], int] | None = None,
    row: int = 0,
    square_seed: int = 0,
    practice: Iterable[Picture] = (),
    gold: Iterable[Picture] = (),
) -> list[Planned]:
    """The ordered trials of one participant: practice, then the main part, then ratings.

    Main questions (k of n, or all):

    - Their options are pictures of one content by one recipe, of one variant where at least m
      words have it; no two are of one word. Each picture that is asked about is the target once
      and a foil m − 1 times in each kind, where k allows it (see `blocks.choose`).
    - Nothing that is shown tells which option is right (see `blocks`), nor does the order (see `order`).
    - The slots of the right option differ in frequency by at most one, over a kind and over all.
    - A word with so many variants that no design could hide them (more than N / m of N pictures) is
      asked about in fewer of them (see `blocks.layers`): then there are fewer than n questions.

    Put between them:

    - Repeats: the same options, each in another slot than before (all of them, as otherwise the
      one that has moved would be the target); the slots stay balanced as far as that allows. With M main questions a repeat comes at least
      max(1, ⌈M / 2⌉) trials after the first presentation, for any number of repeats up to M.
    - Gold questions and attention checks, one at random in each of equal stretches; not first, nor
      next to each other while there are main questions enough. An attention check shows the options of
      a main question, of another content than its neighbors where there is one; a slot drawn for it is
      named, so ``target`` is the picture there, right or not.

    Ratings: one a word × content that was asked about (all, without kinds), after all choices, which
    they would prime. ``target`` is the picture of the lowest (recipe, variant, id).

    Args:
        pictures: in any order; the plan does not depend on it.
        outline: what the study asks.
        rng: seeded from the participation, advanced by this function.
        asked: (kind, picture id) → how often that question was answered by participants who count.
        row: number of the participant, from 0; turns the Latin square.
        square_seed: the study's, for the base orders of its Latin squares.
        practice: pictures of practice questions. Foils are drawn at random: they are told anyway.
        gold: pictures of gold questions. The same: they are obvious.

    Raises:
        DesignError: what `check` raises; a negative row.
    """
    main, practice, gold = sorted(pictures), sorted(practice), sorted(gold)
    check(main, outline, practice=practice, gold=gold)
    if row < 0:
        raise DesignError(f"Expected a row from 0; got {row}.")
    by_id = {p.id: p for p in [*practice, *gold, *main]}
    showing = Showing(main, outline.options, [*practice, *gold])
    trials: list[Planned] = []
    asked_about = main
    if outline.kinds:
        chosen = _main(main, outline, asked or {}, rng)
        if outline.order == LATIN:
            chosen = _turned(chosen, main, outline, row, square_seed)
        else:
            rng.shuffle(chosen)
            shown = [_shown(t, showing) for t in chosen]
            chosen = [chosen[i] for i in arrange(shown, showing, rng)]
        asked_about = [by_id[t.target] for t in chosen]
        sequence = _with_repeats(chosen, outline, showing, rng)
        extra = _extras(Role.GOLD, outline.gold, gold, outline, showing, rng)
        sequence = _with_checks(sequence, extra, outline, showing, rng)
        drill = _extras(Role.PRACTICE, outline.practice, practice, outline, showing, rng)
        trials = [*drill, *sequence]
    if outline.ratings:
        trials += _ratings(main, asked_about, showing, rng)
    return trials


def _shown(trial: Planned, showing: Showing) -> Shown:
    if trial.role == Role.ATTENTION:
        return showing.instructed(trial.target)
    return showing(trial.kind, trial.target, trial.options)


def _main(
    pictures: Sequence[Picture],
    outline: Outline,
    asked: Mapping[tuple[str, int], int],
    rng: random.Random,
) -> list[Planned]:
    """The main questions with their options and slots, by kind."""
    m, kinds = outline.options, outline.kinds
    found = layers(pictures, m, asked, rng)
    total = len(pictures) * len(kinds)
    questions = total if outline.questions is None else outline.questions
    sets = [
        s
        for circle in choose(found, kinds, m, questions, asked, rng)
        for s in option_sets(circle, kinds, m, rng)
    ]
    slots = list(range(m))
    rng.shuffle(slots)
    planned: list[Planned] = []
    for kind in kinds:
        of_kind = [(target, foils) for k, target, foils in sets if k == kind]
        # Going round the slots, on from where the last kind stopped: any stretch is balanced.
        right = [slots[(len(planned) + i) % m] for i in range(len(of_kind))]
        rng.shuffle(right)
        planned += [
            _question(Role.MAIN, kind, target, foils, slot, rng)
            for (target, foils), slot in zip(of_kind, right, strict=True)
        ]
    return planned


def _question(
    role: Role,
    kind: str,
    target: Picture,
    foils: Sequence[Picture],
    slot: int,
    rng: random.Random,
) -> Planned:
    order = [p.id for p in foils]
    rng.shuffle(order)
    order.insert(slot, target.id)
    return Planned(role, kind, target.id, tuple(order), slot)


def _turned(
    chosen: Sequence[Planned],
    pictures: Sequence[Picture],
    outline: Outline,
    row: int,
    square_seed: int,
) -> list[Planned]:
    """In the order of the participant's row of the square."""
    # Made of the study's own pictures and of nothing that differs between participants.
    showing = Showing(pictures, outline.options)
    questions = [(kind, p) for kind in outline.kinds for p in pictures]
    trials = {(t.kind, t.target): t for t in chosen}
    line = [
        (kind, p.id)
        for kind, p in square_row(questions, row, square_seed, showing)
        if (kind, p.id) in trials
    ]
    order = list(range(len(line)))
    if len(line) < len(questions):
        order = repair(order, [showing(*question) for question in line], showing)
    return [trials[line[i]] for i in order]


# --- repeats --------------------------------------------------------------------------------------


def _with_repeats(
    main: Sequence[Planned], outline: Outline, showing: Showing, rng: random.Random
) -> list[Planned]:
    """The main questions with the repeats among the last of them."""
    number = len(main)
    shown = [_shown(t, showing) for t in main]
    if outline.repeats <= number // 4:
        placed = _some_repeats(main, shown, outline, showing, rng)
    else:
        placed = _many_repeats(shown, outline.repeats, showing, rng)
    again = _again([main[i] for _gap, i in placed], main, outline, rng)
    after: dict[int, list[Planned]] = {}
    for (gap, _i), trial in zip(placed, again, strict=True):
        after.setdefault(gap, []).append(trial)
    sequence = [t for g in range(number + 1) for t in [*after.get(g, ()), *main[g : g + 1]]]
    if outline.order == LATIN or not again:
        return sequence
    # With two contents nothing fits between two neighbors: the others have to move.
    at = {(t.role, t.kind, t.target): i for i, t in enumerate(sequence)}
    pairs = [(at[Role.MAIN, t.kind, t.target], at[Role.REPEAT, t.kind, t.target]) for t in again]

    def far_apart(order: Sequence[int]) -> bool:
        place = {index: position for position, index in enumerate(order)}
        return all(place[late] - place[first] >= _least_lag(number) for first, late in pairs)

    order = improve([_shown(t, showing) for t in sequence], showing, far_apart, rng)
    return [sequence[i] for i in order]


def _least_lag(number: int) -> int:
    return max(1, -(-number // 2))


def _some_repeats(
    main: Sequence[Planned],
    shown: Sequence[Shown],
    outline: Outline,
    showing: Showing,
    rng: random.Random,
) -> list[tuple[int, int]]:
    """(gap, index) of repeats of the first quarter, one in a gap at the end; kinds take turns.

    Gap g is before main question g; the lag of index i is at least g − i.
    """
    first = len(main) // 4
    gaps = list(range(first - 1 + _least_lag(len(main)), len(main) + 1))
    left = set(range(first))
    placed: list[tuple[int, int]] = []
    kinds = rng.sample(outline.kinds, len(outline.kinds))
    slots = rng.sample(range(outline.options), outline.options)
    contents = sorted({s.content or 0 for s in shown})
    rng.shuffle(contents)
    for n in count():
        if len(placed) == outline.repeats:
            break
        # Kinds take turns; contents too, or two could no longer alternate; and slots, as with two options a
        # repeat's slot is the other one, whatever balance asks for.
        content = contents[(n + n // len(contents)) % len(contents)]
        slot = slots[n // len(kinds) % len(slots)]
        candidates = sorted(i for i in left if main[i].kind == kinds[n % len(kinds)])
        for some in (
            [i for i in candidates if (shown[i].content or 0) == content],
            [i for i in candidates if main[i].target_slot == slot],
        ):
            candidates = [i for i in candidates if i in some] or candidates
        found = best_gap(gaps, shown, [shown[i] for i in candidates], showing, rng)
        if found is not None:
            gap, which = found
            gaps.remove(gap)
            left.remove(candidates[which])
            placed.append((gap, candidates[which]))
    return sorted(placed)


def _many_repeats(
    shown: Sequence[Shown], repeats: int, showing: Showing, rng: random.Random
) -> list[tuple[int, int]]:
    """The first questions again, in their order, each as soon as its lag allows or a little later."""
    placed: list[tuple[int, int]] = []
    end = len(shown)
    earliest = 0
    for i in range(repeats):
        earliest = min(end, max(earliest, i + _least_lag(end)))
        gaps = range(earliest, min(end, earliest + 2) + 1)
        # Costs are of the main neighbors; where two repeats meet, they met before as well.
        found = best_gap(gaps, shown, [shown[i]], showing, rng)
        if found is not None:
            earliest = found[0]
            placed.append((earliest, i))
    return placed


def _again(
    trials: Sequence[Planned], main: Sequence[Planned], outline: Outline, rng: random.Random
) -> list[Planned]:
    """The questions with every option in another slot; slots of the target balanced over all."""
    used = Counter(t.target_slot for t in main)
    result = []
    for t in trials:
        others = [s for s in range(outline.options) if s != t.target_slot]
        slot = min(others, key=lambda s: (used[s], rng.random()))
        used[slot] += 1
        options = _displaced(t.options, t.target, slot, rng)
        result.append(Planned(Role.REPEAT, t.kind, t.target, options, slot))
    return result


def _displaced(
    options: tuple[int, ...], target: int, slot: int, rng: random.Random
) -> tuple[int, ...]:
    """A random order with the target in that slot and nothing where it was (about 3 draws)."""
    rest = [o for o in options if o != target]
    while True:
        rng.shuffle(rest)
        order = (*rest[:slot], target, *rest[slot:])
        if all(new != old for new, old in zip(order, options, strict=True)):
            return order


# --- gold, attention, practice, ratings -----------------------------------------------------------


def _with_checks(
    sequence: Sequence[Planned],
    gold: Sequence[Planned],
    outline: Outline,
    showing: Showing,
    rng: random.Random,
) -> list[Planned]:
    """Gold questions and attention checks put among main questions and repeats."""
    roles = [*gold, *[None] * outline.attention]
    if not roles:
        return list(sequence)
    rng.shuffle(roles)
    shown = [_shown(t, showing) for t in sequence]
    named = _slots(outline.options, outline.attention, rng)
    kind = PICTURE if PICTURE in outline.kinds else outline.kinds[0]
    lenders = [i for i, t in enumerate(sequence) if t.role == Role.MAIN and t.kind == kind]
    if not lenders:  # one question only, and of the other kind
        lenders = [i for i, t in enumerate(sequence) if t.role == Role.MAIN]
    instructed = [showing.instructed(sequence[i].target) for i in lenders]
    far = max(2, len(sequence) // 8)
    before: dict[int, list[Planned]] = {}
    last = 0
    for number, check_trial in enumerate(roles):
        gaps = _stretch(number, len(roles), len(sequence), last)
        if check_trial is not None:
            found = best_gap(gaps, shown, [_shown(check_trial, showing)], showing, rng)
            last = found[0] if found else gaps[0]
            before.setdefault(last, []).append(check_trial)
            continue

        def away(gap: int, o: int) -> bool:
            return not gap - far <= lenders[o] < gap + far

        found = best_gap(gaps, shown, instructed, showing, rng, away)
        last, o = found or (gaps[0], rng.randrange(len(lenders)))
        lender = sequence[lenders[o]]
        options = tuple(rng.sample(lender.options, len(lender.options)))
        slot = named.pop()
        trial = Planned(Role.ATTENTION, lender.kind, options[slot], options, slot)
        before.setdefault(last, []).append(trial)
    return [t for g in range(len(sequence) + 1) for t in [*before.get(g, ()), *sequence[g : g + 1]]]


def _stretch(number: int, of: int, length: int, last: int) -> range:
    """Gaps 1 … length − 1 in equal stretches: the one for this check, beyond the last check's gap."""
    inner = max(1, length - 1)
    low = 1 + number * inner // of
    high = max(low, (number + 1) * inner // of)
    low = max(low, last + 1) if high > last else low
    return range(min(low, length), min(high, length) + 1)


def _slots(options: int, number: int, rng: random.Random) -> list[int]:
    """So many slots, each nearly equally often, in random order."""
    order = rng.sample(range(options), options)
    slots = [order[i % options] for i in range(number)]
    rng.shuffle(slots)
    return slots


def _extras(
    role: Role,
    number: int,
    pictures: Sequence[Picture],
    outline: Outline,
    showing: Showing,
    rng: random.Random,
) -> list[Planned]:
    """Practice or gold questions: kinds take turns, no picture again while others remain.

    As many options as elsewhere, or as many words as there are with the target's content.
    """
    kinds = outline.kinds
    group_of = {p.id: g for g in askable(pictures) for p in g}
    pool = [p for p in pictures if p.id in group_of]
    slots: dict[int, list[int]] = {}
    planned: list[Planned] = []
    left: list[Picture] = []
    while len(planned) < number:
        if not left:
            left = rng.sample(pool, len(pool))
        turn = len(planned) + len(planned) // len(pool)
        kind = kinds[turn % len(kinds)]
        before = _shown(planned[-1], showing) if planned else None
        target = min(left, key=lambda p: showing.cost(before, showing(kind, p.id)))
        left.remove(target)
        words = groups(_fellows(target, group_of[target.id], outline.options), lambda p: (p.word,))
        others = [rng.choice(w) for w in words if w[0].word != target.word]
        foils = rng.sample(others, min(len(others), outline.options - 1))
        size = len(foils) + 1
        if not slots.get(size):
            slots[size] = _slots(size, size, rng)
        planned.append(_question(role, kind, target, foils, slots[size].pop(), rng))
    return planned


def _fellows(target: Picture, group: Sequence[Picture], options: int) -> Sequence[Picture]:
    """Those of the same variant where they have words enough, else all of content and recipe."""
    same = [p for p in group if p.variant == target.variant]
    return same if len({p.word for p in same}) >= options else group


def _ratings(
    pictures: Sequence[Picture],
    asked_about: Iterable[Picture],
    showing: Showing,
    rng: random.Random,
) -> list[Planned]:
    cells = {(p.word, p.content) for p in asked_about}
    found = [p.id for p in representatives(pictures) if (p.word, p.content) in cells]
    rng.shuffle(found)
    order = arrange([showing(RATING, target) for target in found], showing, rng)
    return [Planned(Role.MAIN, RATING, found[i], (), None) for i in order]
