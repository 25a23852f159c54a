"""`survey.tables.read`: the rows of the database as the analyses see them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.models import Style, StylizedImage
from survey import session, tables
from survey.models import Answer, Participation, Question, Trial
from survey.stats.data import KINDS, MAIN, NONE, REPEAT, ROLES
from survey.stats.exclusion import ExclusionError
from tests.survey.report_case import build_case

pytestmark = pytest.mark.django_db


def add(person, question, position, options, target, slot, role="main", **values):
    trial = Trial.objects.create(
        participation=person,
        question=question,
        position=position,
        role=role,
        options=options,
        target_slot=target,
    )
    return Answer.objects.create(trial=trial, slot=slot, **values)


def test_every_answer_is_a_row_that_refers_to_names_by_place():
    case = build_case()
    data = tables.read(case.study)
    trials = data.trials
    assert data.study == "small"
    assert len(trials) == 5
    assert len(data.participants) == 4
    assert trials.participant.tolist() == [0, 0, 0, 1, 2]
    assert [data.participants[p].simulated for p in trials.participant] == [False] * 4 + [True]
    assert [p.finished for p in data.participants] == [True, False, False, False]
    # Counted by hand from the plan in build_case: right, wrong, right, wrong, right.
    assert trials.correct.tolist() == [True, False, True, False, True]
    assert trials.m.tolist() == [3, 2, 3, 2, 3]
    assert trials.options[1].tolist()[2] == NONE
    ids = [s.id for s in data.stimuli]
    a, _b, c, _d, e, _f = (p.pk for p in case.pictures)
    assert [[ids[o] for o in row if o != NONE] for row in trials.options] == [
        [a, c, e],
        [c, a],
        [a, c, e],
        [c, a],
        [a, c, e],
    ]
    chosen = [ids[s] for s in trials.chosen_stimulus]
    assert chosen == [a, a, a, c, a]
    assert [KINDS[k] for k in data.question_kind[trials.question]] == [
        "picture",
        "picture",
        "word",
        "picture",
        "picture",
    ]
    words = [p.word.text for p in case.pictures]
    assert [data.words[s.word] for s in data.stimuli] == words
    assert [data.contents[s.content] for s in data.stimuli] == [
        p.content.name for p in case.pictures
    ]


def test_roles_ratings_and_not_sure_are_kept():
    case = build_case()
    case.study.not_sure = True
    case.study.save()
    a, c = case.pictures[0].pk, case.pictures[2].pk
    person = Participation.objects.create(study=case.study, language="en")
    question = Question.objects.get(study=case.study, kind="picture", stimulus=a)
    rating = Question.objects.create(study=case.study, kind="rating", stimulus=case.pictures[0])
    add(person, question, 1, [a, c], 0, None, response_ms=812.25)
    add(person, question, 2, [c, a], 1, 1, role="repeat")
    add(person, rating, 3, [], None, 6)
    data = tables.read(case.study)
    mine = data.trials.take(data.trials.participant == 4)
    assert mine.role.tolist() == [MAIN, REPEAT, MAIN]
    assert mine.chosen.tolist() == [NONE, 1, 6]
    assert mine.target.tolist() == [0, 1, NONE]
    assert mine.m.tolist() == [2, 2, 0]
    assert mine.position.tolist() == [1, 2, 3]
    assert mine.response_ms[0] == 812.25
    assert np.isnan(mine.response_ms[1:]).all()
    assert data.participants[4].language == "en"
    assert len(data.counted()) == 6


def test_whoever_left_is_in_it_unless_the_data_were_deleted():
    case = build_case()
    one, two = Participation.objects.order_by("pk")[:2]
    session.withdraw(one, delete=False)
    session.withdraw(two, delete=True)
    data = tables.read(case.study)
    assert len(data.participants) == 3
    assert len(data.trials) == 4


def test_other_studies_and_unanswered_trials_are_not_in_it():
    case = build_case()
    other = type(case.study).objects.create(
        slug="other", title="Other", stimulus_set=case.study.stimulus_set
    )
    person = Participation.objects.create(study=other, language="ja")
    question = Question.objects.create(study=other, kind="word", stimulus=case.pictures[0])
    add(person, question, 1, [case.pictures[0].pk, case.pictures[2].pk], 0, 0)
    mine = Participation.objects.create(study=case.study, language="ja")
    Trial.objects.create(
        participation=mine,
        question=Question.objects.filter(study=case.study).first(),
        position=9,
        options=[case.pictures[0].pk],
        target_slot=0,
    )
    assert len(tables.read(case.study).trials) == 5
    assert len(tables.read(other).trials) == 1


def test_a_study_without_answers_has_its_questions_and_pictures():
    case = build_case()
    Answer.objects.all().delete()
    data = tables.read(case.study)
    assert len(data.trials) == 0
    assert data.trials.options.shape == (0, 0)
    assert len(data.questions) == 12
    assert len(data.stimuli) == 6


def test_a_picture_that_was_only_offered_is_a_stimulus_too():
    case = build_case()
    Question.objects.filter(study=case.study, stimulus=case.pictures[4]).delete()
    Question.objects.filter(study=case.study, stimulus=case.pictures[5]).delete()
    data = tables.read(case.study)
    assert [s.id for s in data.stimuli] == [p.pk for p in case.pictures[:5]]


def test_a_picture_that_was_offered_and_is_gone_is_named():
    case = build_case()
    Question.objects.filter(study=case.study, stimulus=case.pictures[4]).delete()
    gone = case.pictures[4].pk
    StylizedImage.objects.filter(pk=gone).delete()
    with pytest.raises(tables.TablesError, match=rf"not in the database any more: \[{gone}\]"):
        tables.read(case.study)


def test_clocks_begin_at_midnight_unless_exact_times_are_asked_for():
    case = build_case()
    began = datetime(2026, 5, 4, 13, 30, 0, 250_000, tzinfo=UTC)
    person = Participation.objects.create(study=case.study, language="ja", consented_at=began)
    options = [p.pk for p in case.pictures[:2]]
    question = Question.objects.filter(study=case.study).first()
    add(
        person,
        question,
        1,
        options,
        0,
        0,
        created_at=began + timedelta(seconds=61, microseconds=7900),
    )
    midnight = datetime(2026, 5, 4, tzinfo=UTC).timestamp()
    # 61.0079 s after the beginning; parts of a millisecond are dropped.
    assert tables.read(case.study).trials.answered_at[-1] == midnight + 61.007
    exact = tables.read(case.study, times="exact").trials.answered_at[-1]
    assert exact == began.timestamp() + 61.007
    assert tables.read(case.study, times="exact").settings["times"] == "exact"


def test_a_whole_second_has_no_fraction_in_the_database():
    case = build_case()
    at = datetime(2026, 5, 4, 0, 0, 5, tzinfo=UTC)
    Answer.objects.update(created_at=at)
    answered = tables.read(case.study, times="exact").trials.answered_at
    assert answered.tolist() == [at.timestamp()] * 5


def test_another_value_of_times_is_refused():
    with pytest.raises(ValueError, match="day or exact; came 'hour'"):
        tables.read(build_case().study, times="hour")


def test_simulated_raters_can_be_left_out():
    case = build_case()
    data = tables.read(case.study, simulated=False)
    assert len(data.participants) == 3
    assert len(data.trials) == 4
    assert not any(p.simulated for p in data.participants)


def test_pseudonyms_are_stable_and_differ():
    case = build_case()
    first = [p.id for p in tables.read(case.study).participants]
    assert first == [p.id for p in tables.read(case.study).participants]
    assert len(set(first)) == 4
    assert all(len(name) == 13 and name[0] == "p" and name.isascii() for name in first)
    # The same seed twice, as simulated raters may have it, is two people.
    assert tables.pseudonym(1, 2, 3) != tables.pseudonym(1, 2, 4)
    assert tables.pseudonym(1, 2, 3) != tables.pseudonym(2, 2, 3)


def test_flags_and_signals_come_from_what_is_stored():
    case = build_case()
    signals = {"version": 1, "flags": ["fast", "run"]}
    Participation.objects.filter(pk=Participation.objects.order_by("pk")[0].pk).update(
        quality=signals
    )
    participants = tables.read(case.study).participants
    assert participants[0].flags == ("fast", "run")
    assert participants[0].signals == signals
    assert participants[1].flags == ()
    assert participants[1].signals["answers"] == 1


def test_measures_come_with_the_picture_and_dispersion_from_its_style():
    case = build_case()
    picture = case.pictures[0]
    picture.style_loss, picture.content_loss = 0.25, 1.5
    picture.params = {"clusters": [1, 2]}
    picture.save()
    Style.objects.create(
        clustering=picture.clustering,
        recipe=picture.recipe,
        ranks="1,2",
        members=5,
        dispersion={"conv1_1": 0.5, "conv2_1": 0.25},
        seconds=1.0,
    )
    first, second = tables.read(case.study).stimuli[:2]
    assert (first.style_loss, first.content_loss, first.dispersion) == (0.25, 1.5, 0.75)
    assert (second.style_loss, second.content_loss, second.dispersion) == (None, None, None)


def test_the_number_of_queries_does_not_grow_with_answers():
    case = build_case()
    with CaptureQueriesContext(
        connection,
    ) as few:
        tables.read(case.study)
    question = Question.objects.filter(study=case.study).first()
    for _n in range(30):
        person = Participation.objects.create(study=case.study, language="ja")
        add(person, question, 1, [case.pictures[0].pk], 0, 0, created_at=timezone.now())
    with CaptureQueriesContext(connection) as many:
        tables.read(case.study)
    assert len(many) == len(few) <= 8


def test_more_answers_than_a_chunk_are_all_read_in_order(monkeypatch):
    case = build_case()
    whole = tables.read(case.study)
    monkeypatch.setattr(tables, "CHUNK", 2)
    parts = tables.read(case.study)
    for name in whole.trials.__dataclass_fields__:
        expected, came = getattr(whole.trials, name), getattr(parts.trials, name)
        np.testing.assert_array_equal(expected, came, err_msg=name)
        assert expected.dtype == came.dtype


def test_roles_of_the_database_are_those_of_the_analyses():
    assert tuple(Trial.Role.values) == ROLES
    assert tuple(Question.Kind.values) == KINDS


def test_who_has_not_come_to_the_end_has_signals_so_far() -> None:
    case = build_case()
    finished, going_on, _robot, silent = tables.people(case.study)
    Participation.objects.filter(pk=finished.pk).update(quality={"flags": ["fast"]})
    Participation.objects.filter(pk=going_on.pk).update(webdriver=True)
    case.study.exclusions = [{"rule": "webdriver"}, {"rule": "unfinished"}]
    # Stored signals are taken as they are, and these lack what the rule looks at.
    with pytest.raises(ExclusionError, match="webdriver"):
        tables.people(case.study)
    Participation.objects.filter(pk=finished.pk).update(quality=None)
    finished, going_on, _robot, silent = tables.people(case.study)
    assert going_on.participant.signals["answers"] == 1
    assert going_on.participant.flags == ("webdriver",)
    assert going_on.participant.excluded == ("webdriver", "unfinished")
    assert finished.participant.excluded == ()
    assert (silent.participant.signals, silent.participant.excluded) == (None, ("unfinished",))
