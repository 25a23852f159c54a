"""Repeats, gold questions, attention checks, practice and ratings: where they stand and what they show."""

import itertools
from collections import Counter

import pytest

from survey import design
from survey.design import PICTURE, RATING, WORD, Outline, Role
from tests.survey.design_case import (
    BOTH,
    ONE,
    OTHER,
    grid,
    main,
    rng,
    slots_differ_by_at_most_one,
)

GOLD = grid(6, 2, first=8000)


@pytest.mark.parametrize(("words", "contents"), [(2, 1), (4, 1), (5, 2), (8, 3)])
@pytest.mark.parametrize("options", [2, 4])
@pytest.mark.parametrize("order", ["shuffle", "latin"])
def test_repeats_come_late_with_every_option_in_another_slot(words, contents, options, order):
    pictures = grid(words, contents)
    options = min(options, words)
    number = 2 * len(pictures)
    for repeats in sorted({1, 2, number // 4, number // 4 + 1, number // 2, number - 1, number}):
        outline = Outline(BOTH, options, repeats=repeats, order=order)
        planned = design.plan(pictures, outline, rng(repeats))
        again = [t for t in planned if t.role == Role.REPEAT]
        assert len(again) == len({(t.kind, t.target) for t in again}) == repeats
        assert len(planned) == number + repeats
        first = {(t.kind, t.target): (i, t) for i, t in enumerate(planned) if t.role == Role.MAIN}
        for i, t in enumerate(planned):
            if t.role == Role.REPEAT:
                place, before = first[t.kind, t.target]
                assert i - place >= max(1, number / 2)
                assert set(t.options) == set(before.options)
                assert all(a != b for a, b in zip(t.options, before.options, strict=True))
                assert t.options[t.target_slot] == t.target
        slots = Counter(t.target_slot for t in planned)
        if options > 2 or repeats <= number // 8:
            assert max(slots.values()) - min(slots[s] for s in range(options)) <= 2


@pytest.mark.parametrize(("gold", "attention"), [(1, 0), (0, 1), (2, 3), (5, 5)])
@pytest.mark.parametrize("repeats", [0, 4])
@pytest.mark.parametrize("kinds", [ONE, OTHER, BOTH])
def test_gold_and_attention_are_spread_over_the_main_part(gold, attention, repeats, kinds):
    pictures = grid(8, 3)
    by_id = {p.id: p for p in [*pictures, *GOLD]}
    outline = Outline(kinds, 4, gold=gold, attention=attention, repeats=repeats)
    places = set()
    for seed in range(20):
        planned = design.plan(pictures, outline, rng(seed), gold=GOLD)
        checks = [i for i, t in enumerate(planned) if t.role in {Role.GOLD, Role.ATTENTION}]
        places.add(tuple(checks))
        assert len(checks) == gold + attention
        assert checks[0] > 0
        assert all(b - a > 1 for a, b in itertools.pairwise(checks))
        # One in each of equal stretches of the trials.
        width = len(planned) / len(checks)
        assert all(abs(i - (n + 0.5) * width) <= width for n, i in enumerate(checks))
        named = [t for t in planned if t.role == Role.ATTENTION]
        assert slots_differ_by_at_most_one(named, 4)
        sets = {(t.kind, frozenset(t.options)) for t in main(planned)}
        for i in checks:
            t = planned[i]
            assert t.options[t.target_slot] == t.target
            neighbors = {
                by_id[planned[j].target].content for j in (i - 1, i + 1) if j < len(planned)
            }
            if t.role == Role.ATTENTION:
                assert t.kind == (PICTURE if PICTURE in kinds else WORD)
                assert (t.kind, frozenset(t.options)) in sets
                assert by_id[t.target].content not in neighbors
            else:
                assert {by_id[o].content for o in t.options} == {by_id[t.target].content}
                assert set(t.options) <= {p.id for p in GOLD}
    assert len(places) > 5


def test_a_named_slot_is_right_no_more_often_than_by_chance():
    pictures = grid(6, 2)
    right = total = 0
    for seed in range(150):
        planned = design.plan(pictures, Outline(ONE, 3, attention=4), rng(seed))
        targets = {frozenset(t.options): t.target for t in main(planned)}
        for t in planned:
            if t.role == Role.ATTENTION:
                right += targets[frozenset(t.options)] == t.target
                total += 1
    # 600 draws: 200 expected, standard deviation 11.5.
    assert total == 600
    assert abs(right - 200) < 46


@pytest.mark.parametrize("number", [1, 3, 10, 23])
@pytest.mark.parametrize("words", [2, 3, 8])
def test_practice_comes_first_and_repeats_no_picture_too_early(number, words):
    practice = grid(words, 2, first=9000)
    planned = design.plan(
        grid(8, 2), Outline(BOTH, 4, practice=number), rng(number), practice=practice
    )
    drill = planned[:number]
    assert {t.role for t in drill} == {Role.PRACTICE}
    assert {t.role for t in planned[number:]} == {Role.MAIN}
    by_id = {p.id: p for p in practice}
    for t in drill:
        assert len(t.options) == len({by_id[o].word for o in t.options}) == min(4, words)
        assert {by_id[o].content for o in t.options} == {by_id[t.target].content}
        assert t.options[t.target_slot] == t.target
    targets = Counter(t.target for t in drill)
    assert max(targets.values()) - min(targets[p.id] for p in practice) <= 1
    assert max(Counter((t.kind, t.target) for t in drill).values()) <= -(-number // (4 * words))
    kinds = Counter(t.kind for t in drill)
    assert abs(kinds[PICTURE] - kinds[WORD]) <= 1 + number // (2 * words)


@pytest.mark.parametrize("kinds", [(), ONE, BOTH])
@pytest.mark.parametrize("questions", [None, 7])
def test_ratings_come_last_one_a_word_and_content_asked_about(kinds, questions):
    pictures = grid(6, 3, recipes=2, variants=2)
    by_id = {p.id: p for p in pictures}
    outline = Outline(kinds, 3, questions=questions if kinds else None, ratings=True)
    for seed in range(5):
        planned = design.plan(pictures, outline, rng(seed))
        choices = [t for t in planned if t.kind != RATING]
        ratings = planned[len(choices) :]
        assert {(t.kind, t.options, t.target_slot) for t in ratings} == {(RATING, (), None)}
        about = [by_id[t.target] for t in choices] if kinds else pictures
        cells = Counter((by_id[t.target].word, by_id[t.target].content) for t in ratings)
        assert cells == Counter({(p.word, p.content) for p in about})
        # The first picture of the cell: recipe 0, variant 0.
        assert {(by_id[t.target].recipe, by_id[t.target].variant) for t in ratings} == {(0, 0)}
        if questions is None:
            pairs = [(by_id[a.target], by_id[b.target]) for a, b in itertools.pairwise(ratings)]
            assert not [p for p in pairs if p[0].word == p[1].word]
            assert not [p for p in pairs if p[0].content == p[1].content]
