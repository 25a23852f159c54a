"""Quality signals: by hand, by counting every sequence, and on simulated people whose way of answering is known."""

import json
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import product
from pathlib import Path

import pytest
from scipy import stats

from survey.stats.quality import (
    FLAGS,
    Given,
    QualityError,
    Signals,
    Thresholds,
    longest_run,
    one_slot_p,
    run_p,
    signals,
)


def given(position: int, **changes: object) -> Given:
    answer = Given(
        position=position,
        role="main",
        kind="picture",
        question=position,
        options=(10, 20, 30, 40),
        slot=position % 4,
        target_slot=0,
        response_ms=2000.0,
    )
    return replace(answer, **changes)  # type: ignore[arg-type]


def timed(*times: float | None, **changes: object) -> list[Given]:
    return [given(i, response_ms=t, **changes) for i, t in enumerate(times, start=1)]


# --- runs --------------------------------------------------------------------------------------


def counted_run_p(length: int, options: Sequence[int]) -> float:
    """The same by looking at every sequence."""
    sequences = list(product(*(range(m) for m in options)))
    return sum(longest_run(s) >= length for s in sequences) / len(sequences)


@pytest.mark.parametrize(
    "options",
    [
        (2,),
        (2, 2, 2, 2, 2, 2),
        (4, 4, 4, 4, 4),
        (4, 2, 3, 4, 2),
        (2, 5, 2, 5, 2),
        (3, 3, 1, 3),
        (6, 2, 2, 6),
    ],
)
def test_probability_of_a_run_is_that_of_counting_all_sequences(options: tuple[int, ...]) -> None:
    for length in range(len(options) + 2):
        assert run_p(length, options) == pytest.approx(counted_run_p(length, options), abs=1e-15)


def test_probability_of_runs_of_a_fair_coin() -> None:
    # Schilling (1990), The longest run of heads, College Math. J. 21, 196–207: a run of heads or tails of
    # length ≥ x in n tosses is one of heads of length ≥ x − 1 in n − 1; the latter counted by the
    # recursion A_n(x) = 2^n for n ≤ x, else the sum of the x + 1 before (sequences with none longer than x).
    def none_longer(x: int, n: int) -> int:
        counts = [2**i for i in range(x + 1)]
        while len(counts) <= n:
            counts.append(sum(counts[-(x + 1) :]))
        return counts[n]

    for n, x in ((200, 6), (200, 9), (50, 7)):
        expected = 1 - none_longer(x - 2, n - 1) / 2 ** (n - 1)
        assert run_p(x, [2] * n) == pytest.approx(expected, rel=1e-12)


def test_small_probabilities_keep_their_digits() -> None:
    # All 69 in one of four slots: 4 × 4⁻⁶⁹.
    assert run_p(69, [4] * 69) == pytest.approx(4.0**-68, rel=1e-12)
    assert one_slot_p([69, 0, 0, 0], [4] * 69) == pytest.approx(4.0**-68, rel=1e-12)


def test_a_run_of_a_slot_ends_where_a_question_lacks_it() -> None:
    # Slot 3 cannot be chosen of two, so a run of three is 000 or 111: 2 × (1/4 × 1/2 × 1/4).
    assert run_p(3, [4, 2, 4]) == 2 / 32


def test_no_run_longer_than_there_are_questions() -> None:
    assert run_p(4, [4, 4, 4]) == 0.0
    assert run_p(1, []) == 0.0
    assert run_p(0, []) == run_p(1, [3]) == 1.0


@pytest.mark.parametrize(
    ("slots", "length"), [([], 0), ([3], 1), ([0, 1, 1, 0, 0, 0, 2], 3), ([1, 1, 0, 1, 1], 2)]
)
def test_longest_run(slots: list[int], length: int) -> None:
    assert longest_run(slots) == length


def test_not_sure_and_ratings_are_passed_over_and_practice_left_out() -> None:
    answers = [
        given(1, role="practice", slot=2),
        given(2, slot=2),
        given(3, slot=None),
        given(4, kind="rating", options=(), slot=0, target_slot=None),
        given(5, slot=2),
        given(6, slot=2),
        given(7, slot=1),
    ]
    found = signals(answers)
    assert found.longest_run == 3
    assert found.longest_run_p == run_p(3, [4, 4, 4, 4])
    assert found.slot_counts == (0, 1, 3, 0)
    assert (found.answers, found.not_sure) == (6, 1)


# --- one slot ----------------------------------------------------------------------------------


def test_one_slot_is_a_binomial_tail_times_the_slots() -> None:
    for count in (0, 5, 17, 30, 69):
        rest = [(69 - count) // 3] * 3
        expected = min(1.0, 4 * min(stats.binom.sf(c - 1, 69, 0.25) for c in (count, *rest)))
        assert one_slot_p([count, *rest], [4] * 69) == pytest.approx(expected, rel=1e-9)


def test_one_slot_where_questions_differ() -> None:
    # Slot 2 exists in the last question alone: P = 1/4. Slot 0 twice of 1/2, 1/2, 1/4: 1/2·1/2·3/4 + 2·(1/2·1/2·1/4) + 1/16 = 3/8.
    assert one_slot_p([2, 0, 1, 0], [2, 2, 4]) == pytest.approx(min(1.0, 4 * 1 / 4))
    assert one_slot_p([2, 1, 0, 0], [2, 2, 4]) == pytest.approx(min(1.0, 4 * 3 / 8))
    # Slot 2 twice of two questions of three among many of two: 1/9; slot 0 of 8 halves and 2 thirds, none: 1.
    assert one_slot_p([0, 8, 2], [2] * 8 + [3] * 2) == pytest.approx(3 * _tail_by_counting())


def _tail_by_counting() -> float:
    """P(slot 1 at least 8 times), of eight questions of two and two of three."""
    halves = [math.comb(8, k) / 2**8 for k in range(9)]
    thirds = [4 / 9, 4 / 9, 1 / 9]
    return sum(halves[a] * thirds[b] for a in range(9) for b in range(3) if a + b >= 8)


def test_the_bound_over_slots_is_close_and_never_below() -> None:
    # Every sequence of 6 questions of 3: the p of a count is at least the share of sequences whose p is as small.
    options = [3] * 6
    ps = [one_slot_p([s.count(k) for k in range(3)], options) for s in product(range(3), repeat=6)]
    for p in set(ps):
        share = sum(other <= p + 1e-12 for other in ps) / len(ps)
        assert share <= p + 1e-12
    worst = min(ps)
    assert worst == pytest.approx(sum(p == worst for p in ps) / len(ps))


# --- times -------------------------------------------------------------------------------------


def test_fast_by_the_persons_own_times() -> None:
    # Times 1000·2^k ms with k = 0, ±1, ±1, ±2, ±2 …: median ln 1000, absolute deviations of ln 2 × (0, 0, 1 × 6, 2 × 2)
    # → MAD ln 2, cutoff 1000 · 2^(−2.5 × 1.4826) = 1000 · 2^−3.7065 = 76.6 ms, which is below the floor of 300.
    spread = [1000.0, 1000, 500, 500, 500, 2000, 2000, 2000, 250, 4000]
    assert signals(timed(*spread)).fast == (9,)
    # Ten times slower: cutoff 766 ms.
    assert signals(timed(*(10 * t for t in spread), 767.0, 20_000.0)).fast == ()
    slow = signals(timed(*(10 * t for t in spread), 765.0, 20_000.0))
    assert slow.fast == (11,)
    assert slow.median_ms == 10_000.0


def test_regular_people_are_not_fast_for_a_little() -> None:
    # All the same, MAD 0: σ is taken as 0.2, cutoff 4000 · e^(−0.5) = 2426.1 ms.
    assert signals(timed(*[4000.0] * 10, 2427.0, 2426.0)).fast == (12,)


def test_few_times_know_the_floor_only() -> None:
    # Nine of 8 s and one of 0.5 s; of eleven and one the distribution is known.
    assert signals(timed(*[8000.0] * 8, 500.0)).fast == ()
    assert signals(timed(*[8000.0] * 8, 299.9)).fast == (9,)
    assert signals(timed(*[8000.0] * 8, 300.0)).fast == ()
    assert signals(timed(*[8000.0] * 11, 500.0)).fast == (12,)


def test_kinds_have_their_own_center() -> None:
    ratings = [
        given(100 + i, kind="rating", options=(), slot=3, target_slot=None, response_ms=900.0)
        for i in range(10)
    ]
    choices = timed(*[6000.0] * 12)
    found = signals([*choices, *ratings])
    assert found.fast == ()
    assert found.median_ms == 6000.0
    # The same 900 ms for a choice is far from this person's choices.
    assert signals([*choices, given(200, response_ms=900.0)]).fast == (200,)


def test_checks_and_practice_are_not_measured_by_the_persons_times() -> None:
    usual = timed(*[6000.0] * 12)
    for role, fast in (("gold", ()), ("attention", ()), ("practice", ()), ("repeat", (50,))):
        assert signals([*usual, given(50, role=role, response_ms=900.0)]).fast == fast
    assert signals([*usual, given(50, role="gold", response_ms=100.0)]).fast == (50,)
    assert signals([*usual, given(50, role="practice", response_ms=100.0)]).fast == ()


def test_unmeasured_answers_are_not_fast() -> None:
    found = signals(timed(None, None, 2000.0))
    assert (found.answers, found.timed, found.fast, found.median_ms) == (3, 1, (), 2000.0)
    assert signals(timed(None)).median_ms is None


def test_fast_takes_more_than_a_tenth_and_three() -> None:
    assert signals(timed(*[2000.0] * 27, *[100.0] * 3)).flags == ()  # a tenth
    assert "fast" in signals(timed(*[2000.0] * 26, *[100.0] * 3)).flags
    assert signals(timed(2000.0, 100.0, 100.0)).flags == ()


def test_hasty_is_the_median_of_ten_or_more() -> None:
    assert signals(timed(*[999.0] * 10)).flags == ("hasty",)
    assert signals(timed(*[999.0] * 9)).flags == ()
    assert signals(timed(*[1000.0] * 10)).flags == ()


def test_a_coarse_clock_may_say_0() -> None:
    assert signals(timed(*[0.0] * 12)).fast == tuple(range(1, 13))


# --- checks, repeats and the rest --------------------------------------------------------------


@pytest.mark.parametrize("role", ["gold", "attention"])
@pytest.mark.parametrize(
    ("slots", "failed", "flagged"),
    [
        ([2], 0, False),
        ([1], 1, True),
        ([None], 1, True),
        ([2, 1], 1, True),
        ([2, 2, 1], 1, False),
        ([2, None, 1], 2, True),
        ([2, 2, 2, 2, 1, 1], 2, False),
    ],
)
def test_failed_checks(role: str, slots: list[int | None], failed: int, flagged: bool) -> None:
    found = signals([given(i, role=role, slot=slot, target_slot=2) for i, slot in enumerate(slots)])
    counts = {
        "gold": (found.gold_failed, found.gold_asked),
        "attention": (found.attention_failed, found.attention_asked),
    }
    assert counts.pop(role) == (failed, len(slots))
    assert [*counts.values()] == [(0, 0)]
    assert (role in found.flags) is flagged


def pair(first: dict[str, object], again: dict[str, object]) -> tuple[int, int]:
    found = signals([given(1, question=7, **first), given(9, question=7, role="repeat", **again)])
    return found.repeats_changed, found.repeats_asked


def test_repeats_compare_the_option_not_the_slot() -> None:
    assert pair({"slot": 0}, {"slot": 3, "options": (40, 30, 20, 10)}) == (0, 1)
    assert pair({"slot": 0}, {"slot": 0, "options": (40, 30, 20, 10)}) == (1, 1)


def test_repeats_with_not_sure() -> None:
    assert pair({"slot": None}, {"slot": None}) == (0, 1)
    assert pair({"slot": None}, {"slot": 0}) == (1, 1)
    assert pair({"slot": 0}, {"slot": None}) == (1, 1)


def test_repeats_of_ratings_may_move_by_a_point() -> None:
    rating = {"kind": "rating", "options": (), "target_slot": None}
    assert pair({**rating, "slot": 3}, {**rating, "slot": 4}) == (0, 1)
    assert pair({**rating, "slot": 3}, {**rating, "slot": 1}) == (1, 1)


def test_repeats_that_cannot_be_compared_are_not_asked() -> None:
    # The first choice is no longer offered; the first presentation is missing, or was practice, or of the other kind.
    assert pair({"slot": 0}, {"slot": 0, "options": (50, 20, 30, 40)}) == (0, 0)
    alone = [given(position, role="repeat", question=7) for position in (9, 10)]
    assert signals(alone).repeats_asked == 0
    assert pair({"role": "practice"}, {}) == (0, 0)
    assert pair({"kind": "word"}, {}) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "asked", "flagged"), [(3, 3, False), (3, 4, False), (4, 4, True)]
)
def test_most_repeats_changed(changed: int, asked: int, flagged: bool) -> None:
    first = [given(i, question=i, slot=i % 4) for i in range(asked)]
    again = [
        given(50 + i, role="repeat", question=i, slot=(i + (i < changed)) % 4) for i in range(asked)
    ]
    found = signals([*first, *again])
    assert (found.repeats_changed, found.repeats_asked) == (changed, asked)
    assert ("repeats" in found.flags) is flagged


def test_focus_counts_losses_and_questions() -> None:
    answers = [given(i, focus_losses=n) for i, n in enumerate([0, 4, 0, 0, 1, 0])]
    found = signals(answers)
    assert (found.focus_losses, found.focus_questions, found.flags) == (5, 2, ())
    assert signals([*answers, given(9, focus_losses=1)]).flags == ("focus",)
    # Three of fifteen are a fifth, not more.
    assert signals([given(i, focus_losses=int(i < 3)) for i in range(15)]).flags == ()


def test_mostly_not_sure() -> None:
    assert signals([given(i, slot=None if i < 5 else i % 4) for i in range(10)]).flags == ()
    assert signals([given(i, slot=None if i < 6 else i % 4) for i in range(10)]).flags == (
        "not_sure",
    )
    assert signals([given(i, slot=None) for i in range(4)]).flags == ()


def test_webdriver_is_passed_on() -> None:
    found = signals([], webdriver=True)
    assert found.webdriver
    assert found.flags == ("webdriver",)


def test_of_no_answers_nothing_is_said() -> None:
    found = signals([])
    assert found == signals([given(1, role="practice", response_ms=1.0, focus_losses=9)])
    assert (found.answers, found.longest_run_p, found.slot_p, found.slot_counts) == (
        0,
        None,
        None,
        (),
    )
    assert found.flags == ()


def test_order_given_does_not_matter() -> None:
    answers = person(random.Random(3))
    mixed = random.Random(4).sample(answers, len(answers))
    assert signals(mixed) == signals(answers)


# --- stored ------------------------------------------------------------------------------------


def test_signals_survive_json() -> None:
    found = signals(
        [*timed(*[100.0] * 30), given(90, role="gold", slot=None)],
        webdriver=True,
        thresholds=Thresholds(floor_ms=250.0),
    )
    stored = json.loads(json.dumps(found.to_json()))
    assert Signals.from_json(stored) == found
    assert stored["thresholds"]["floor_ms"] == 250.0
    assert stored["flags"] == ["fast", "hasty", "gold", "webdriver"]


def test_signals_of_another_version_are_refused() -> None:
    stored = signals([]).to_json()
    with pytest.raises(QualityError, match=r"missing \['answers'\], unknown \['replies'\].*again"):
        Signals.from_json({**{k: v for k, v in stored.items() if k != "answers"}, "replies": 1})
    with pytest.raises(QualityError, match=r"Thresholds.*unknown \['old'\]"):
        Signals.from_json({**stored, "thresholds": {**stored["thresholds"], "old": 1}})
    with pytest.raises(QualityError, match="an object; came 3"):
        Signals.from_json({**stored, "thresholds": 3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "main2"}, "a role of practice, main.*came 'main2'"),
        ({"kind": "sound"}, "a kind of picture, word, rating; came 'sound'"),
        ({"options": ()}, "options for a choice"),
        ({"kind": "rating"}, "none for a rating; came rating with 4"),
        ({"slot": 4}, "a slot that was shown; came 4 of 4"),
        ({"slot": -1}, "a slot that was shown; came -1"),
        ({"target_slot": 4}, "a target slot that was shown"),
        ({"response_ms": -1.0}, "0 ms or more; came -1.0"),
        ({"response_ms": math.nan}, "0 ms or more; came nan"),
        ({"response_ms": math.inf}, "0 ms or more; came inf"),
        ({"focus_losses": -1}, "focus losses ≥ 0; came -1"),
    ],
)
def test_answers_that_cannot_be_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(QualityError, match=rf"position 7: expected .*{message}"):
        signals([given(7, **changes)])


def test_a_position_twice_is_named() -> None:
    with pytest.raises(QualityError, match="position 3 came twice"):
        signals([given(3), given(3)])


# --- simulated people --------------------------------------------------------------------------

MAIN, REPEATS, GOLD, OPTIONS = 69, 6, 3, 4


def person(
    rng: random.Random,
    skill: float = 0.6,
    slips: float = 0.02,
    seconds: float = 3.0,
    sigma: float = 0.5,
    slot: Callable[[int, random.Random], int | None] = lambda _right, _rng: None,
) -> list[Given]:
    """The first study's 69 questions and some checks, answered with log-normal times.

    Right with probability ``skill`` (gold: all but ``slips``), otherwise a guess, which is the same
    again at a repeat only by chance. ``slot`` may take over: right slot → chosen slot.
    """
    roles = ["main"] * MAIN + ["gold"] * GOLD
    rng.shuffle(roles)
    roles += ["repeat"] * REPEATS
    rights = [i % OPTIONS for i in range(len(roles))]
    rng.shuffle(rights)
    answers: list[Given] = []
    main = [i for i, role in enumerate(roles) if role == "main"]
    repeated = iter(rng.sample(main, REPEATS))
    for position, (role, right) in enumerate(zip(roles, rights, strict=True)):
        question = next(repeated) if role == "repeat" else position
        options = [question * 10 + k for k in range(1, OPTIONS)]
        rng.shuffle(options)
        options.insert(right, question * 10)
        knows = rng.random() < (1 - slips if role == "gold" else skill)
        chosen = right if knows else rng.randrange(OPTIONS)
        taken = slot(right, rng)
        answers.append(
            Given(
                position=position,
                role=role,
                kind="picture",
                question=question,
                options=tuple(options),
                slot=chosen if taken is None else taken,
                target_slot=right,
                response_ms=300.0 + 1000 * (seconds - 0.3) * math.exp(rng.gauss(0, sigma)),
            )
        )
    return answers


def rate(make: Callable[[random.Random], list[Given]], *codes: str, people: int = 400) -> float:
    """Share of people flagged with any of these codes (any flag where none is named)."""
    found = [signals(make(random.Random(f"person {i}"))) for i in range(people)]
    return sum(bool(set(s.flags) & set(codes or FLAGS)) for s in found) / people


@pytest.mark.parametrize("skill", [0.0, 0.3, 0.6, 0.95])
def test_whoever_tries_is_seldom_flagged(skill: float) -> None:
    # However hard the pictures are for them. "repeats" is the weak one: see the next test.
    assert rate(lambda rng: person(rng, skill), *(set(FLAGS) - {"repeats"})) <= 0.01


def test_people_who_recognize_something_are_consistent_enough() -> None:
    # P(an answer changes) = 1 − (P + (1−P)/4)² − 3 ((1−P)/4)² = .48 at P = .6: more than 3/4 of 6 is 5 or 6: .09.
    assert rate(lambda rng: person(rng, 0.6), "repeats") <= 0.12
    assert rate(lambda rng: person(rng, 0.9), "repeats") == 0.0
    # Who only guesses: .53 (5 or 6 of 6 with probability 3/4).
    assert 0.4 <= rate(lambda rng: person(rng, 0.0), "repeats") <= 0.65


def test_slow_and_irregular_people_are_not_flagged() -> None:
    assert rate(lambda rng: person(rng, seconds=12.0), "fast", "hasty") == 0.0
    assert rate(lambda rng: person(rng, sigma=1.0), "fast", "hasty") <= 0.01


def test_position_clickers_are_flagged() -> None:
    always = rate(
        lambda rng: person(rng, slot=lambda _right, _rng: 1), "run", "one_slot", people=50
    )
    assert always == 1.0
    # Four of ten clicks without looking, the others honest.
    lazy = rate(
        lambda rng: person(rng, slot=lambda _right, r: 0 if r.random() < 0.4 else None),
        "one_slot",
        "run",
    )
    assert lazy >= 0.9
    # To and fro between two of four slots: no run, but both far too often.
    two = rate(
        lambda rng: person(rng, slot=lambda _right, r: r.randrange(2)), "one_slot", people=100
    )
    assert two >= 0.85


def test_speeders_are_flagged() -> None:
    assert rate(lambda rng: person(rng, seconds=0.7), "hasty", people=50) == 1.0

    def gives_up(rng: random.Random) -> list[Given]:
        """Honest for two thirds, then a click about every quarter of a second."""
        answers = person(rng)
        return [
            replace(a, response_ms=rng.uniform(150, 350))
            if a.position > len(answers) * 2 / 3
            else a
            for a in answers
        ]

    assert rate(gives_up, "fast", people=100) == 1.0


def test_whoever_fails_gold_is_flagged() -> None:
    # 3 gold questions by guessing: 2 or 3 wrong with probability 27/32 = .84; slips of 3 %: .0026.
    assert rate(lambda rng: person(rng, slips=1.0), "gold") == pytest.approx(27 / 32, abs=0.06)
    assert rate(lambda rng: person(rng, slips=0.04), "gold") <= 0.01


def test_every_flag_has_a_sentence_and_can_be_raised() -> None:
    raised = signals(
        [
            *[given(i, slot=0, response_ms=100.0, focus_losses=1) for i in range(40)],
            *[given(40 + i, role="repeat", question=i, slot=1) for i in range(5)],
            given(60, role="gold", slot=1),
            given(61, role="attention", slot=1),
            *[given(100 + i, slot=None, response_ms=500.0) for i in range(60)],
        ],
        webdriver=True,
    )
    assert raised.flags == tuple(FLAGS)
    assert all(text.endswith(".") for text in FLAGS.values())


def test_the_document_names_every_flag_and_threshold() -> None:
    text = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    table = text.split("## What to expect")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FLAGS)
    named = set(re.findall(r"\(`(\w+)`\)", table))
    assert named == {field.name for field in fields(Thresholds)} - {"version"}
    assert f"a version (now {Thresholds().version})" in text
