"""Agreement and rows of raters: published tables, by hand, against the plain functions, and on guessers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from survey.stats.agreement import agreement, jackknife_error
from survey.stats.data import ATTENTION, GOLD, NONE, REPEAT
from survey.stats.exclusion import exclude, parse
from survey.stats.quality import Given, signals
from survey.stats.raters import (
    Answers,
    agreement_section,
    coefficients,
    leave_one_out,
    raters_section,
    repeats,
)
from tests.survey.data_case import make_data, skilled
from tests.survey.test_agreement import FLEISS


def answers(rows, categories, guess=None):
    """(item, rater, category) a row; guesses among all categories unless said."""
    item, rater, category = (np.array(column) for column in zip(*rows, strict=True))
    columns = np.tile(np.arange(categories), (len(rows), 1))
    even = np.full(columns.shape, 1 / categories)
    return Answers(item, rater, category, categories, columns, even if guess is None else guess)


def of_counts(counts):
    """Answers of raters 0, 1 … to each item, by category."""
    rows = []
    for item, row in enumerate(counts):
        given = [j for j, n in enumerate(row) for _ in range(n)]
        rows += [(item, rater, category) for rater, category in enumerate(given)]
    return rows


def by_rater(rows, items, categories):
    """For each rater the counts of that rater alone, as `jackknife_error` takes them."""
    tables = {}
    for item, rater, category in rows:
        table = tables.setdefault(rater, [[0] * categories for _ in range(items)])
        table[item][category] += 1
    return list(tables.values())


# --- coefficients -------------------------------------------------------------------------------


def test_the_numbers_of_fleiss():
    found = coefficients(answers(of_counts(FLEISS), 5))
    # Fleiss 1971; Randolph 2005; Krippendorff 2011; Gwet 2008.
    assert (found["items"], found["answers"], found["raters"]) == (30, 180, 6)
    assert found["fleiss"] == pytest.approx(0.4302, abs=5e-5)
    assert found["randolph"] == pytest.approx(0.4444, abs=5e-5)
    assert found["krippendorff"] == pytest.approx(0.4334, abs=5e-5)
    assert found["gwet"] == pytest.approx(0.4479, abs=5e-5)
    assert found["chance"] == pytest.approx(0.2)


@pytest.mark.parametrize("seed", range(6))
def test_all_coefficients_and_errors_are_those_of_the_plain_functions(seed):
    # Items of one to six answers, also of two, which are gone without one of the raters.
    rng = np.random.default_rng(seed)
    rows = [
        (item, int(rater), int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])))
        for item in range(12)
        for rater in rng.permutation(6)[: [2, 1, 6, 3, 2, 5][item % 6]]
    ]
    tables = by_rater(rows, 12, 4)
    expected = agreement(np.sum(tables, axis=0).tolist())
    found = coefficients(answers(rows, 4))
    assert (found["items"], found["answers"]) == (expected.items, expected.answers)
    for name in ("observed", "randolph", "fleiss", "krippendorff", "gwet"):
        assert found[name] == pytest.approx(getattr(expected, name))
    # A rater with answers to items of one only is no rater here.
    shared = {i for i, n in enumerate(np.sum(tables, axis=(0, 2))) if n >= 2}
    present = by_rater([row for row in rows if row[0] in shared], 12, 4)
    assert found["raters"] == len(present)
    for name in ("observed", "randolph", "fleiss", "krippendorff", "gwet"):
        error = jackknife_error(present, lambda a, name=name: getattr(a, name))
        assert found["errors"][name] == pytest.approx(error)


def test_chance_of_two_who_guess_among_different_options_by_hand():
    # One item, options {0, 1}, {0, 2}, {0, 1, 2}: pairs share 1, 2 and 2 options.
    guess = np.array([[1 / 2, 1 / 2, 0], [1 / 2, 0, 1 / 2], [1 / 3, 1 / 3, 1 / 3]])
    rows = [(0, 0, 0), (0, 1, 0), (0, 2, 2)]
    found = coefficients(answers(rows, 3, guess))
    chance = (1 / 4 + 2 / 6 + 2 / 6) / 3
    assert found["chance"] == pytest.approx(chance)
    assert found["randolph"] == pytest.approx((1 / 3 - chance) / (1 - chance))
    # Without each rater one pair is left: agreement 0, 0 and 1, chance 1/3, 1/3 and 1/4.
    left = np.array([-1 / 2, -1 / 2, 1.0])
    assert found["errors"]["randolph"] == pytest.approx(
        np.sqrt(2 / 3 * ((left - left.mean()) ** 2).sum())
    )


def test_what_does_not_exist_is_none():
    assert coefficients(answers([(0, 0, 1), (1, 1, 1)], 2)) is None
    found = coefficients(answers([(0, 0, 1), (0, 1, 1)], 2))
    # All in one category: Fleiss' chance leaves nothing over; and two raters have no jackknife.
    assert (found["observed"], found["randolph"], found["fleiss"]) == (1.0, 1.0, None)
    assert set(found["errors"].values()) == {None}
    three = coefficients(answers([(0, 0, 1), (0, 1, 1), (1, 2, 0), (1, 0, 0)], 2))
    # Without rater 0 no item has two answers.
    assert three["fleiss"] == 1.0
    assert three["errors"]["fleiss"] is None


# --- the section --------------------------------------------------------------------------------


def test_who_only_guesses_agrees_as_chance_has_it():
    away, right = [], []
    for seed in range(25):
        data = make_data(words=8, contents=3, raters=10, m=3, choose=skilled(0.0), seed=seed)
        found = agreement_section(data)
        kind = found["kinds"]["picture"]
        # Drawn foils: two share the target and 2 · 2/7 of the foils, (1 + 4/7) / 9 on average.
        assert kind["chance"] == pytest.approx(11 / 63, abs=0.01)
        away.append(kind["randolph"] / kind["errors"]["randolph"])
        right.append(found["right_wrong"]["krippendorff"])
        # Fleiss' chance is about 1/8 whatever was offered.
        assert kind["fleiss"] > kind["randolph"]
    # Means of 25 in units of their errors: standard error about .2.
    assert abs(np.mean(away)) < 0.6
    assert abs(np.mean(right)) < 0.02


def test_who_knows_agrees_fully():
    data = make_data(words=5, contents=2, raters=4, choose=skilled(1.0), kinds=("picture", "word"))
    found = agreement_section(data)
    assert set(found["kinds"]) == {"picture", "word"}
    for kind in found["kinds"].values():
        assert kind["randolph"] == kind["fleiss"] == kind["gwet"] == pytest.approx(1.0)
        assert (kind["items"], kind["answers"]) == (10, 40)
    # Everything is right: there is nothing by which questions could differ.
    assert found["right_wrong"]["krippendorff"] is None


def test_questions_that_are_hard_for_all_show_in_right_and_wrong():
    skill = [1.0] * 6 + [0.0] * 6
    data = make_data(words=6, contents=2, raters=12, m=4, choose=skilled(skill, range(12)))
    even = make_data(words=6, contents=2, raters=12, m=4, choose=skilled(0.5))
    hard, same = (agreement_section(d)["right_wrong"]["krippendorff"] for d in (data, even))
    assert hard > 0.4
    assert abs(same) < 0.1


def test_not_sure_is_no_word_but_wrong():
    data = make_data(words=4, contents=1, raters=3, choose=skilled(1.0))
    chosen = np.array(data.trials.chosen)
    chosen[data.trials.participant == 2] = NONE
    data = replace(data, trials=replace(data.trials, chosen=chosen))
    found = agreement_section(data)
    assert (found["kinds"]["picture"]["answers"], found["kinds"]["picture"]["observed"]) == (8, 1.0)
    assert found["right_wrong"]["answers"] == 12
    # Two right and one wrong: one of three pairs agrees.
    assert found["right_wrong"]["observed"] == pytest.approx(1 / 3)


def test_nobody_in_common_has_no_agreement():
    found = agreement_section(make_data(raters=1))
    assert (found["kinds"]["picture"], found["right_wrong"]) == (None, None)
    empty = make_data(raters=1)
    empty = replace(empty, trials=empty.trials.take(np.zeros(len(empty.trials), dtype=bool)))
    found = agreement_section(empty)
    assert found["kinds"] == {}
    assert found["repeats"]["share"] is None


# --- repeats ------------------------------------------------------------------------------------


def with_repeats(data, change):
    """Every trial once more at the end, in other slots; ``change`` gives the new choice (a stimulus)."""
    trials = data.trials
    again = replace(
        trials,
        role=np.full(len(trials), REPEAT, dtype=np.int8),
        options=trials.options[:, ::-1],
        target=trials.m - 1 - trials.target,
        position=trials.position + 100,
        chosen=np.array(
            [
                NONE if stimulus == NONE else int(np.flatnonzero(row == stimulus)[0])
                for row, stimulus in zip(trials.options[:, ::-1], change(trials), strict=True)
            ]
        ),
    )
    columns = {
        name: np.concatenate([getattr(trials, name), getattr(again, name)])
        for name in trials.__dataclass_fields__
    }
    return replace(data, trials=replace(trials, **columns))


def test_the_same_picture_in_another_slot_is_the_same():
    data = with_repeats(make_data(raters=3), lambda trials: trials.chosen_stimulus)
    rater, same, chance = repeats(data)
    assert same.all()
    assert sorted(rater.tolist()) == [0] * 8 + [1] * 8 + [2] * 8
    assert set(chance.tolist()) == {1 / 3}


def test_changed_choices_and_not_sure():
    data = make_data(words=3, contents=2, raters=2, m=3)
    trials = data.trials
    chosen = np.array(trials.chosen)
    chosen[[0, 1]] = NONE
    data = replace(data, trials=replace(trials, chosen=chosen))

    def change(trials):
        stimuli = trials.chosen_stimulus
        stimuli[1] = trials.options[1, 0]  # not sure, then sure
        stimuli[2] = NONE  # sure, then not
        stimuli[3] = next(s for s in trials.options[3] if s != stimuli[3])
        return stimuli

    _rater, same, _chance = repeats(with_repeats(data, change))
    # Not sure twice, not sure once (twice), another picture; the rest the same.
    assert same.tolist() == [True, False, False, False] + [True] * 8
    found = agreement_section(with_repeats(data, change))["repeats"]
    assert (found["pairs"], found["same"], found["share"]) == (12, 9, 0.75)
    assert found["chance"] == pytest.approx(1 / 3)
    assert found["interval"][0] < 0.75 < found["interval"][1]


def test_repeats_of_what_was_not_answered_first_do_not_count():
    data = with_repeats(make_data(raters=2), lambda trials: trials.chosen_stimulus)
    keep = (data.trials.role == REPEAT) & (data.trials.participant == 0)
    keep |= data.trials.participant == 1
    keep &= ~(
        (data.trials.participant == 1) & (data.trials.role != REPEAT) & (data.trials.position < 3)
    )
    rater, _same, _chance = repeats(replace(data, trials=data.trials.take(keep)))
    assert rater.tolist() == [1] * 5


def test_repeats_agree_with_the_signals():
    data = with_repeats(
        make_data(raters=4, seed=3),
        lambda trials: np.where(
            np.arange(len(trials)) % 3 == 0, trials.options[:, 1], trials.chosen_stimulus
        ),
    )
    rater, same, _chance = repeats(data)
    for person in range(4):
        found = signals(given_of(data, person))
        mine = rater == person
        assert (found.repeats_asked, found.repeats_changed) == (mine.sum(), (~same[mine]).sum())


def given_of(data, person):
    """A participant's answers in the form that signals are made of."""
    t = data.trials.take(data.trials.participant == person)
    roles = ("practice", "main", "repeat", "gold", "attention")
    return [
        Given(
            position=int(t.position[i]),
            role=roles[t.role[i]],
            kind="picture",
            question=int(t.question[i]),
            options=tuple(t.options[i].tolist()),
            slot=None if t.chosen[i] == NONE else int(t.chosen[i]),
            target_slot=int(t.target[i]),
            response_ms=None if np.isnan(t.response_ms[i]) else float(t.response_ms[i]),
        )
        for i in range(len(t))
    ]


# --- rows ---------------------------------------------------------------------------------------


def test_a_row_by_hand():
    data = make_data(words=4, contents=2, raters=2, m=3, choose=skilled(1.0), language=("ja", "en"))
    trials = data.trials
    role = np.array(trials.role)
    chosen, ms = np.array(trials.chosen), np.array(trials.response_ms)
    # Rater 0: two gold questions, one failed; one attention check, passed; five main ones, of which one is wrong.
    role[:3] = [GOLD, GOLD, ATTENTION]
    chosen[0] = (trials.target[0] + 1) % 3
    chosen[3] = (trials.target[3] + 1) % 3
    chosen[4] = NONE
    ms[:8] = [9, 9, 9, 1000, 3000, np.nan, 2000, 6000]
    trials = replace(trials, role=role, chosen=chosen, response_ms=ms)
    people = (
        replace(data.participants[0], signals={"fast": [3, 4], "longest_run": 4}, flags=("fast",)),
        replace(data.participants[1], finished=False),
        data.participants[1],
    )
    data = exclude(
        replace(data, trials=trials, participants=people), parse([{"rule": "unfinished"}])
    )
    first, second = raters_section(data)
    assert first == {
        "participant": "p0000",
        "language": "ja",
        "simulated": False,
        "finished": True,
        "answers": 5,
        "correct": 3,
        "accuracy": 0.6,
        "not_sure": 1,
        "leave_one_out": first["leave_one_out"],
        "repeats_same": 0,
        "repeats": 0,
        "gold_right": 1,
        "gold": 2,
        "attention_right": 1,
        "attention": 1,
        "median_ms": 2500.0,
        "fast": 2,
        "longest_run": 4,
        "flags": ["fast"],
        "excluded": [],
    }
    assert (second["language"], second["fast"], second["excluded"]) == ("en", None, ["unfinished"])
    assert (second["answers"], second["correct"], second["accuracy"]) == (8, 8, 1.0)
    assert second["median_ms"] == pytest.approx(np.median(ms[8:]))


def test_medians_are_those_of_the_signals():
    data = make_data(words=5, contents=3, raters=6, seed=4)
    for person, row in enumerate(raters_section(data)):
        assert row["median_ms"] == pytest.approx(signals(given_of(data, person)).median_ms)


def test_agreement_with_the_others_by_hand():
    # One question, word 0; offered {0, 1}, {0, 1}, {0, 2}, {0, 2}; chosen 0, 1, 0, 2.
    data = make_data(words=3, contents=1, raters=4, m=2)
    keep = data.trials.question == 0
    trials = data.trials.take(keep)
    trials = replace(
        trials,
        options=np.array([[0, 1], [0, 1], [0, 2], [0, 2]]),
        target=np.zeros(4, dtype=int),
        chosen=np.array([0, 1, 0, 1]),
    )
    # 0 was offered to three others, one of whom took it; 1 to one other, who did not; 2 likewise.
    assert leave_one_out(replace(data, trials=trials)).tolist() == pytest.approx(
        [1 / 3, 0, 1 / 3, 0]
    )
    alone = trials.take(np.array([0]))
    assert np.isnan(leave_one_out(replace(data, trials=alone))).all()


def test_a_guesser_among_people_who_know_agrees_as_often_as_one_in_m():
    def choose(rng, rater, _question, options, target):
        knows = rater >= 10 and rng.random() < 0.7
        return target if knows else int(rng.integers(len(options)))

    found = leave_one_out(make_data(words=10, contents=3, raters=40, m=4, choose=choose, seed=2))
    # Right with .7 + .3/4 = .775. Guessers: ten times 30 answers, standard error about .02.
    assert found[:10].mean() == pytest.approx(0.25, abs=0.05)
    assert found[10:].mean() > 0.45
    assert found[:10].max() < found[10:].min()


def test_everything_is_plain_json():
    data = with_repeats(make_data(raters=4), lambda trials: trials.chosen_stimulus)
    for section in (agreement_section, raters_section):
        found = section(data)
        assert json.loads(json.dumps(found, allow_nan=False)) == found
