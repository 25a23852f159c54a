"""Expected properties follow from the definition of the designs, not from this code."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from survey import design
from survey.design import PICTURE, WORD, DesignError, Outline, Picture, Role
from tests.survey.design_case import (
    BOTH,
    ONE,
    OTHER,
    grid,
    main,
    ragged,
    rng,
    slots_differ_by_at_most_one,
)

PRACTICE, GOLD = grid(5, 2, first=7000), grid(6, 2, first=8000)


# --- all questions --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [2, 3, 4, 5, 8, 23])
@pytest.mark.parametrize("options", [2, 3, 4, 6, 12, 23])
@pytest.mark.parametrize("contents", [1, 3])
@pytest.mark.parametrize("kinds", [ONE, OTHER, BOTH])
@pytest.mark.parametrize("order", ["shuffle", "latin"])
def test_every_picture_is_target_once_and_foil_equally_often(
    words, options, contents, kinds, order
):
    pictures = grid(words, contents)
    outline = Outline(kinds, options, order=order)
    if options > words:
        with pytest.raises(DesignError, match=f"{options} options need"):
            design.plan(pictures, outline, rng())
        return
    by_id = {p.id: p for p in pictures}
    for seed in range(2):
        planned = design.plan(pictures, outline, rng(seed), row=seed)
        assert len(planned) == len(pictures) * len(kinds)
        for kind in kinds:
            trials = [t for t in planned if t.kind == kind]
            assert Counter(t.target for t in trials) == Counter(by_id.keys())
            foils = Counter(o for t in trials for o in t.options if o != t.target)
            assert foils == Counter(dict.fromkeys(by_id, options - 1))
            assert slots_differ_by_at_most_one(trials, options)
        assert slots_differ_by_at_most_one(planned, options)
        for t in planned:
            assert t.role == Role.MAIN
            assert t.options[t.target_slot] == t.target
            assert len({by_id[o].word for o in t.options}) == options
            assert {by_id[o].content for o in t.options} == {by_id[t.target].content}


def test_both_directions_offer_the_same_pairs_of_word_and_picture():
    pictures = grid(9, 2)
    for seed in range(10):
        planned = design.plan(pictures, Outline(BOTH, 4), rng(seed))
        first = {(t.target, o) for t in planned if t.kind == PICTURE for o in t.options}
        second = {(o, t.target) for t in planned if t.kind == WORD for o in t.options}
        assert first == second


def test_the_seed_alone_decides():
    pictures = grid(6, 3)
    outline = Outline(
        BOTH, 4, questions=21, repeats=3, practice=4, gold=3, attention=2, ratings=True
    )
    asked = {(PICTURE, pictures[i].id): i % 3 for i in range(9)}

    def plan(seed, turn):
        return design.plan(
            pictures[::turn],
            outline,
            rng(seed),
            asked=dict(list(asked.items())[::turn]),
            practice=PRACTICE[::turn],
            gold=GOLD[::turn],
        )

    first = plan(7, 1)
    assert plan(7, -1) == first
    assert plan(8, 1) != first


def test_the_plan_is_the_same_in_every_process():
    code = (
        "import random; from survey import design;"
        "p = [design.Picture(i, i % 7, i // 7) for i in range(21)];"
        "o = design.Outline(('picture', 'word'), 3, 20, 'latin', 3, 3, 3, 3, True);"
        "print(design.plan(p, o, random.Random(1), row=5, square_seed=3, practice=p, gold=p))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


def test_foils_differ_between_participants():
    pairs = Counter(
        frozenset((t.target, o))
        for seed in range(200)
        for t in design.plan(grid(6, 1), Outline(ONE, 3), rng(seed))
        for o in t.options
        if o != t.target
    )
    # 15 pairs; 200 × 6 × 2 / 15 = 160 each expected.
    assert len(pairs) == 15
    assert all(110 < n < 210 for n in pairs.values())


def test_recipes_and_variants_are_not_mixed():
    pictures = grid(5, 2, recipes=2, variants=2)
    by_id = {p.id: p for p in pictures}
    for t in design.plan(pictures, Outline(ONE, 4), rng(1)):
        assert len({(by_id[o].recipe, by_id[o].variant) for o in t.options}) == 1


def test_the_right_slot_says_nothing_about_the_word():
    pictures = grid(4, 1)
    slots = Counter(
        (t.target, t.target_slot)
        for seed in range(400)
        for t in design.plan(pictures, Outline(ONE, 4), rng(seed))
    )
    # 400 draws over 4 slots: 100 each, standard deviation 8.7.
    assert all(60 < slots[p.id, s] < 140 for p in pictures for s in range(4))


# --- k of n ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "contents"), [(4, 1), (5, 2), (6, 3), (23, 3)])
@pytest.mark.parametrize("options", [2, 4])
@pytest.mark.parametrize("kinds", [OTHER, BOTH])
def test_k_questions_are_balanced_and_closed_where_they_can_be(words, contents, options, kinds):
    pictures = grid(words, contents)
    by_id = {p.id: p for p in pictures}
    total = len(pictures) * len(kinds)
    for k in sorted({*range(1, min(total, 26)), total // 2, total - 1, total}):
        planned = design.plan(pictures, Outline(kinds, options, questions=k), rng(k))
        assert len({(t.kind, t.target) for t in planned}) == len(planned) == k
        assert slots_differ_by_at_most_one(planned, options)
        sizes = Counter(t.kind for t in planned)
        assert max(sizes[kind] for kind in kinds) - min(sizes[kind] for kind in kinds) <= 1
        for kind in kinds:
            trials = [t for t in planned if t.kind == kind]
            assert slots_differ_by_at_most_one(trials, options)
            places = Counter(by_id[t.target].content for t in trials)
            if k % len(kinds) == 0 and len(trials) >= options and words >= 2 * options:
                # Every content that is asked about makes a closed design of its own.
                assert min(places.values()) >= options
                assert len(places) == min(contents, len(trials) // options)
                assert max(places.values()) - min(places.values()) <= 1
                shown = Counter(o for t in trials for o in t.options)
                assert shown == Counter({t.target: options for t in trials})


def counts_after(pictures, outline, participants, seed=0):
    """Counts after every participant."""
    asked: Counter = Counter()
    for i in range(participants):
        planned = design.plan(pictures, outline, rng(seed * 1000 + i), asked=asked)
        asked.update((t.kind, t.target) for t in main(planned))
        yield asked


def spread(asked, kind, pictures):
    counts = [asked[kind, p.id] for p in pictures]
    return max(counts) - min(counts)


@pytest.mark.parametrize(("words", "contents"), [(4, 1), (4, 3), (5, 2), (7, 3), (12, 2)])
@pytest.mark.parametrize("options", [2, 3, 4])
@pytest.mark.parametrize("kinds", [ONE, BOTH])
def test_question_counts_differ_by_at_most_two_and_within_a_content_by_one(
    words, contents, options, kinds
):
    pictures = grid(words, contents)
    total = len(pictures) * len(kinds)
    for k in {1, 2, options, options + 1, total // 3, total // 2, total - 2, total - 1}:
        if k > total:
            continue
        odd = len(kinds) == 2 and k % 2 == 1
        outline = Outline(kinds, options, questions=max(1, k))
        for asked in counts_after(pictures, outline, 15, k):
            for kind in kinds:
                # An odd question belongs to one kind only, see `blocks.choose`.
                assert spread(asked, kind, pictures) <= (4 if odd else 2)
                for content in range(contents):
                    some = [p for p in pictures if p.content == content]
                    assert spread(asked, kind, some) <= (4 if odd else 1)


def test_all_questions_are_asked_equally_often_when_the_numbers_allow_it():
    # 2 × 24 questions, 12 of each kind a participant: every two participants ask each once.
    pictures = grid(8, 3)
    for n, asked in enumerate(counts_after(pictures, Outline(BOTH, 4, questions=24), 12), start=1):
        if n % 2 == 0:
            assert set(asked.values()) == {n // 2}


def test_what_was_lost_is_asked_first():
    pictures = grid(8, 2)
    asked = {(kind, p.id): 5 for kind in BOTH for p in pictures}
    lost = {p.id for p in pictures if p.content == 1 and p.word in {1, 3, 4, 6}}
    asked |= {(kind, i): 3 for kind in BOTH for i in lost}
    planned = design.plan(pictures, Outline(BOTH, 4, questions=8), rng(), asked=asked)
    assert {t.target for t in planned} == lost


# --- few variants ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "options"),
    [
        ([3, 3, 2, 2, 1, 1, 2], 3),
        ([2, 2, 2, 2, 2, 1, 1], 4),
        ([2, 2, 1, 1], 2),
        ([4, 1, 1, 4, 4], 2),
    ],
)
@pytest.mark.parametrize("kinds", [ONE, BOTH])
def test_rare_variants_are_foils_as_often_as_all_others(counts, options, kinds):
    pictures = ragged(counts, 2)
    by_id = {p.id: p for p in pictures}
    for seed in range(20):
        planned = design.plan(pictures, Outline(kinds, options), rng(seed))
        assert len(planned) == len(pictures) * len(kinds)
        for kind in kinds:
            trials = [t for t in planned if t.kind == kind]
            assert Counter(t.target for t in trials) == Counter(by_id.keys())
            shown = Counter(o for t in trials for o in t.options)
            assert set(shown.values()) == {options}
        for t in planned:
            assert len({by_id[o].word for o in t.options}) == options


def test_too_many_variants_take_turns():
    # Word 0 would be in 2 × 4 of 7 questions: no design can do that.
    pictures = ragged([2, 2, 1, 1, 1])
    by_id = {p.id: p for p in pictures}
    for n, asked in enumerate(counts_after(pictures, Outline(ONE, 4), 20), start=1):
        assert sum(asked.values()) == 5 * n
        for word in (0, 1):
            assert spread(asked, PICTURE, [p for p in pictures if p.word == word]) <= 1
    assert {by_id[i].word for _kind, i in asked} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("options", [2, 3, 4, 5])
def test_words_with_a_variant_each_of_their_own(options):
    pictures = [Picture(900 + w, w, 0, 0, w) for w in range(5)]
    planned = design.plan(pictures, Outline(ONE, options), rng())
    assert Counter(o for t in planned for o in t.options) == {900 + w: options for w in range(5)}


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pictures", "outline", "message"),
    [
        ([], Outline(ONE), "at least one picture"),
        (grid(4, 1), Outline(()), "at least one kind"),
        (grid(4, 1), Outline(("sound",)), "got 'sound'"),
        (grid(4, 1), Outline((PICTURE, PICTURE)), "each kind of question once"),
        (grid(4, 1), Outline(ONE, 1), "at least 2 options"),
        (grid(4, 1), Outline(ONE, 5), "content 0 .* has 4. Add words"),
        ([*grid(4, 1), Picture(900, 0, 9)], Outline(ONE, 2), "content 9 .* has 1"),
        (grid(4, 1), Outline(ONE, order="sorted"), "got 'sorted'"),
        (grid(4, 1), Outline(BOTH, questions=9), "Expected 1 to 8 .* 9 were asked for"),
        (grid(4, 1), Outline(BOTH, questions=0), "Expected 1 to 8 .* 0 were asked for"),
        (grid(4, 1), Outline(ONE, repeats=5), "at most 4 repeats"),
        (grid(4, 1), Outline(ONE, questions=2, repeats=3), "at most 2 repeats"),
        (ragged([2, 2, 1, 1, 1]), Outline(ONE, repeats=6), "at most 5 repeats"),
        (grid(4, 1), Outline(ONE, gold=-1), "0 or more for gold; got -1"),
        (grid(4, 1), Outline((), attention=1, ratings=True), "choice question for attention"),
        (grid(4, 1), Outline(ONE, practice=1), "1 practice questions need practice pictures"),
        (grid(4, 1), Outline(ONE, gold=2), "2 gold questions need gold pictures"),
        ([Picture(1, 0, 0), Picture(1, 1, 0)], Outline(ONE, 2), "some id comes twice"),
        ([*grid(2, 1), Picture(900, 0, 0)], Outline(ONE, 2), "one picture of word 0"),
    ],
)
def test_what_cannot_be_made_is_refused(pictures, outline, message):
    with pytest.raises(DesignError, match=message):
        design.check(pictures, outline)
    with pytest.raises(DesignError, match=message):
        design.plan(pictures, outline, rng())


def test_a_row_below_zero_is_refused():
    with pytest.raises(DesignError, match="row from 0; got -1"):
        design.plan(grid(4, 1), Outline(ONE), rng(), row=-1)


def test_a_practice_set_of_one_word_is_refused():
    with pytest.raises(DesignError, match="at least 2 words"):
        design.check(grid(4, 1), Outline(ONE, practice=1), practice=grid(1, 3))


def test_all_words_are_as_many_as_every_content_and_recipe_has():
    assert design.most_options(grid(5, 2)) == 5
    assert design.most_options([*grid(5, 2), *grid(4, 1, first=900)[:1]]) == 5
    assert design.most_options([*grid(5, 2), Picture(900, 0, 7), Picture(901, 1, 7)]) == 2
    assert design.most_options([]) == 0
    assert design.square_rows(grid(5, 2), Outline(BOTH)) == 20


@pytest.mark.parametrize("words", [1, 2])
def test_the_smallest_studies(words):
    pictures = grid(words, 1)
    if words == 1:
        assert len(design.plan(pictures, Outline((), ratings=True), rng())) == 1
        return
    for k in (1, 2, 3, 4):
        outline = Outline(
            BOTH, 2, k, repeats=k, attention=3, gold=2, practice=2, ratings=True, order="latin"
        )
        planned = design.plan(pictures, outline, rng(k), practice=PRACTICE, gold=GOLD)
        assert Counter(t.role for t in planned if t.options) == Counter(
            {"main": k, "repeat": k, "attention": 3, "gold": 2, "practice": 2}
        )
