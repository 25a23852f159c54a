"""The columns that every analysis reads."""

from dataclasses import replace

import numpy as np
import pytest

from survey.stats.analysis import analyze
from survey.stats.causes import causes_section
from survey.stats.confusions import confusions_section
from survey.stats.data import GOLD, NONE, DataError
from survey.stats.recognition import accuracy_section, recognition_section
from tests.survey.data_case import make_data, skilled
from tests.survey.data_equal import assert_equal


def test_everybody_answers_every_question_once():
    data = make_data(words=4, contents=2, raters=5, m=3, kinds=("picture", "word"))
    trials = data.counted()
    assert len(trials) == 5 * 16
    assert set(trials.m.tolist()) == {3}
    assert np.array_equal(
        trials.options[np.arange(len(trials)), trials.target],
        data.question_stimulus[trials.question],
    )
    assert data.asked_words == (0, 1, 2, 3)
    assert data.asked_contents == (0, 1)


def test_correct_and_chosen_know_not_sure():
    data = make_data(choose=skilled(1.0))
    assert data.trials.correct.all()
    assert np.array_equal(data.trials.chosen_stimulus, data.question_stimulus[data.trials.question])
    unsure = replace(data.trials, chosen=np.full(len(data.trials), NONE))
    assert not unsure.correct.any()
    assert set(unsure.chosen_stimulus.tolist()) == {NONE}


def test_only_first_presentations_of_main_questions_count():
    data = make_data()
    role = data.trials.role.copy()
    role[:3] = GOLD
    assert len(replace(data, trials=replace(data.trials, role=role)).counted()) == len(role) - 3


def test_where_leaves_out_people_and_keeps_places():
    data = make_data(raters=4, language=("ja", "en"))
    people = tuple(
        replace(p, simulated=i == 0, excluded=("gold",) if i == 1 else ())
        for i, p in enumerate(data.participants)
    )
    data = replace(data, participants=people)
    assert set(data.where(simulated=False).trials.participant.tolist()) == {1, 2, 3}
    assert set(data.where(excluded=False).trials.participant.tolist()) == {0, 2, 3}
    assert set(data.where(language="en").trials.participant.tolist()) == {1, 3}
    assert len(data.where(recipe=0).trials) == len(data.trials)
    assert len(data.where(recipe=1).trials) == 0


def two_recipes():
    """Words × two recipes on one content; options are of one recipe."""
    data = make_data(words=4, contents=2, raters=8, m=3, kinds=("picture", "word"))
    stimuli = tuple(replace(s, content=0, recipe=s.content) for s in data.stimuli)
    return replace(data, stimuli=stimuli, contents=("content",), recipes=("a", "b"))


def test_where_of_a_recipe_leaves_its_questions_to_count():
    data = two_recipes()
    one = data.where(recipe=1)
    assert len(data.asked) == 16
    assert [data.stimuli[data.questions[q].stimulus].recipe for q in one.asked] == [1] * 8
    # A further filter keeps it.
    assert one.where(simulated=False).asked == one.asked
    assert one.questions == data.questions, "places stay"
    assert data.where(recipe=7).asked == data.where(recipe=7).asked_words == ()


@pytest.mark.parametrize(
    "of", [accuracy_section, recognition_section, confusions_section, causes_section]
)
def test_a_recipe_by_itself_is_as_a_study_of_it_alone(of):
    data = two_recipes()
    kept = [n for n, q in enumerate(data.questions) if data.stimuli[q.stimulus].recipe == 0]
    rows = np.isin(data.trials.question, kept)
    trials = data.trials.take(rows)
    alone = replace(
        data,
        questions=tuple(data.questions[n] for n in kept),
        trials=replace(trials, question=np.searchsorted(kept, trials.question).astype(np.int32)),
    )
    assert of(data.where(recipe=0)) == of(alone)


def test_a_report_does_not_depend_on_the_order_of_participants():
    data = make_data(words=3, contents=2, raters=40, m=2)
    mixed = np.random.default_rng(0).permutation(40)
    place = np.argsort(mixed)[data.trials.participant].astype(np.int32)
    trials = replace(data.trials, participant=place)
    other = replace(
        data,
        participants=tuple(data.participants[old] for old in mixed),
        trials=trials.take(np.argsort(place, kind="stable")),
    )
    assert accuracy_section(other) != accuracy_section(data), "the order matters by itself"
    only = ("accuracy", "recognition", "raters")
    assert analyze(other, only=only) == analyze(data, only=only)
    assert_equal(data, other.by_pseudonym())


def test_no_rows_are_no_mistake():
    data = make_data()
    none = data.trials.take(np.zeros(len(data.trials), dtype=bool))
    assert len(none.correct) == len(none.chosen_stimulus) == len(none.m) == 0


def test_columns_of_different_lengths_are_refused():
    data = make_data()
    with pytest.raises(DataError, match="one length"):
        replace(data.trials, chosen=data.trials.chosen[1:])
