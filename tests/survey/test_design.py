"""Expected properties follow from the definition of a cyclic design, not from this code."""

import itertools
import random
from collections import Counter

import pytest

from survey import design
from survey.design import DesignError, Picture


def grid(words: int, contents: int, recipes: int = 1, variants: int = 1) -> list[Picture]:
    cells = [
        (w, c, r, v)
        for w in range(words)
        for c in range(contents)
        for r in range(recipes)
        for v in range(variants)
    ]
    return [Picture(100 + i, *cell) for i, cell in enumerate(cells)]


def rng(seed: int = 0) -> random.Random:
    return random.Random(seed)


@pytest.mark.parametrize("words", [2, 3, 4, 5, 8, 23])
@pytest.mark.parametrize("options", [2, 3, 4, 6, 12])
@pytest.mark.parametrize("kinds", [["picture"], ["picture", "word"]])
def test_every_picture_is_target_once_and_foil_equally_often(words, options, kinds):
    pictures = grid(words, 3)
    if options > words:
        with pytest.raises(DesignError, match=f"{options} options need"):
            design.plan(pictures, kinds, options, rng())
        return
    by_id = {p.id: p for p in pictures}
    for seed in range(5):
        planned = design.plan(pictures, kinds, options, rng(seed))
        assert len(planned) == len(pictures) * len(kinds)
        for kind in kinds:
            trials = [t for t in planned if t.kind == kind]
            assert Counter(t.target for t in trials) == Counter(by_id.keys())
            foils = Counter(o for t in trials for o in t.options if o != t.target)
            assert foils == Counter(dict.fromkeys(by_id, options - 1))
            slots = Counter(t.target_slot for t in trials)
            counts = [slots[i] for i in range(options)]
            assert max(counts) - min(counts) <= 1
        slots = Counter(t.target_slot for t in planned)
        counts = [slots[i] for i in range(options)]
        assert max(counts) - min(counts) <= 1
        for t in planned:
            assert t.options[t.target_slot] == t.target
            assert len({by_id[o].word for o in t.options}) == options
            assert {by_id[o].content for o in t.options} == {by_id[t.target].content}


@pytest.mark.parametrize(("words", "contents"), [(4, 2), (5, 3), (23, 3), (6, 1), (8, 5)])
@pytest.mark.parametrize("kinds", [["picture"], ["picture", "word"]])
def test_no_word_and_no_content_twice_running(words, contents, kinds):
    pictures = grid(words, contents)
    by_id = {p.id: p for p in pictures}
    for seed in range(20):
        planned = design.plan(pictures, kinds, 4, rng(seed))
        pairs = [(by_id[a.target], by_id[b.target]) for a, b in itertools.pairwise(planned)]
        assert not [p for p in pairs if p[0].word == p[1].word]
        if contents > 1:
            assert not [p for p in pairs if p[0].content == p[1].content]


def test_the_seed_alone_decides():
    pictures = grid(6, 3)
    kinds = ["picture", "word"]
    first = design.plan(pictures, kinds, 4, rng(7))
    assert design.plan(pictures[::-1], kinds, 4, rng(7)) == first
    assert design.plan(pictures, kinds, 4, rng(8)) != first


def test_foils_differ_between_participants():
    pairs = Counter(
        frozenset((t.target, o))
        for seed in range(200)
        for t in design.plan(grid(6, 1), ["picture"], 3, rng(seed))
        for o in t.options
        if o != t.target
    )
    # 15 pairs; 200 × 6 × 2 / 15 = 160 each expected.
    assert len(pairs) == 15
    assert all(110 < n < 210 for n in pairs.values())


def test_recipes_and_variants_are_not_mixed():
    pictures = grid(5, 2, recipes=2, variants=2)
    by_id = {p.id: p for p in pictures}
    for t in design.plan(pictures, ["picture"], 4, rng(1)):
        assert len({(by_id[o].recipe, by_id[o].variant) for o in t.options}) == 1


def test_a_rare_variant_borrows_foils_of_other_words():
    # Five words with one cluster; only word 0 and word 1 have a second.
    pictures = [*grid(5, 1), Picture(900, 0, 0, 0, 1), Picture(901, 1, 0, 0, 1)]
    by_id = {p.id: p for p in pictures}
    for seed in range(30):
        planned = design.plan(pictures, ["picture"], 4, rng(seed))
        assert Counter(t.target for t in planned) == Counter(by_id.keys())
        for t in planned:
            assert len({by_id[o].word for o in t.options}) == 4


def test_the_right_slot_says_nothing_about_the_word():
    pictures = grid(4, 1)
    slots = Counter(
        (t.target, t.target_slot)
        for seed in range(400)
        for t in design.plan(pictures, ["picture"], 4, rng(seed))
    )
    # 400 draws over 4 slots: 100 each, standard deviation 8.7.
    assert all(60 < slots[p.id, s] < 140 for p in pictures for s in range(4))


@pytest.mark.parametrize(
    ("pictures", "kinds", "options", "message"),
    [
        ([], ["picture"], 4, "at least one picture"),
        (grid(4, 1), [], 4, "at least one kind"),
        (grid(4, 1), ["picture"], 1, "at least 2 options"),
        ([*grid(4, 1), Picture(900, 0, 9)], ["picture"], 2, "content 9 .* has 1"),
    ],
)
def test_what_cannot_be_made_is_refused(pictures, kinds, options, message):
    with pytest.raises(DesignError, match=message):
        design.plan(pictures, kinds, options, rng())


def test_arrange_keeps_every_item_where_repeats_cannot_be_avoided():
    items = ["a1", "a2", "a3", "b1"]
    result = design.arrange(items, [lambda t: t[0]], rng())
    assert sorted(result) == items
    # The least: a a b a, one repeat.
    assert sum(x[0] == y[0] for x, y in itertools.pairwise(result)) == 1
    assert design.arrange([], [], rng()) == []
