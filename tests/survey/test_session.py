import threading

import pytest
from django.db import connection

from survey import session
from survey.lifecycle import close_study, open_study
from survey.models import Answer, BadSlot, Participation, Trial
from tests.factories import StudyFactory, make_ready_set


@pytest.fixture
def study(db):
    return open_study(StudyFactory(stimulus_set=make_ready_set(words=4, contents=2)))


def test_joining_makes_every_trial_at_once(study):
    participation = session.join(study, "ja")
    trials = list(participation.trials.all())
    assert [t.position for t in trials] == list(range(1, 17))
    assert {t.question_id for t in trials} == set(study.questions.values_list("pk", flat=True))
    for t in trials:
        assert t.options[t.target_slot] == t.question.stimulus_id
    assert not participation.simulated
    assert session.progress(participation) == session.Progress(0, 16)


def test_the_stored_seed_reproduces_the_trials(study):
    first = session.join(study, "ja", seed=5)
    again = session.join(study, "ja", seed=5, simulated=True)
    other = session.join(study, "ja")
    columns = ("question", "options", "target_slot")
    assert list(first.trials.values_list(*columns)) == list(again.trials.values_list(*columns))
    assert list(first.trials.values_list(*columns)) != list(other.trials.values_list(*columns))
    assert again.simulated


def test_nothing_is_left_of_a_join_that_fails(study, monkeypatch):
    def refuse(*args, **kwargs):
        raise session.design.DesignError("no")

    monkeypatch.setattr(session.design, "plan", refuse)
    with pytest.raises(session.design.DesignError):
        session.join(study, "ja")
    assert not Participation.objects.exists()


def test_a_closed_study_takes_nobody_in(study):
    close_study(study)
    with pytest.raises(session.NotOpen):
        session.join(study, "ja")


def test_the_first_answer_counts(study):
    trial = session.current_trial(session.join(study, "ja"))
    first = session.record(trial, 1)
    again = session.record(Trial.objects.get(pk=trial.pk), 2)
    assert again.answer == first.answer
    assert first.stored
    assert not again.stored
    assert Answer.objects.get().slot == 1


@pytest.mark.parametrize("slot", [-1, 4, 10**12])
def test_a_slot_that_is_not_there_is_refused(study, slot):
    trial = session.current_trial(session.join(study, "ja"))
    with pytest.raises(BadSlot, match="from 0 to 3"):
        session.record(trial, slot)
    assert not Answer.objects.exists()


def test_finishing(study):
    participation = session.join(study, "ja")
    for n in range(16):
        participation.refresh_from_db()
        assert participation.finished_at is None
        trial = session.current_trial(participation)
        assert trial.position == n + 1
        session.record(trial, 0)
    participation.refresh_from_db()
    finished = participation.finished_at
    assert finished is not None
    assert session.current_trial(participation) is None
    assert session.finish_if_done(participation)
    participation.refresh_from_db()
    assert participation.finished_at == finished


def test_first_shown_is_kept(study):
    participation = session.join(study, "ja")
    trial = session.current_trial(participation)
    session.show(trial)
    shown = trial.shown_at
    session.show(session.current_trial(participation))
    assert Trial.objects.get(pk=trial.pk).shown_at == shown


def test_a_lost_race_returns_the_winner(study, monkeypatch):
    # Between the look and the insert another request has stored its answer.
    trial = session.current_trial(session.join(study, "ja"))
    real_get = Answer.objects.get_queryset().__class__.get
    calls = []

    def get(self, *args, **kwargs):
        if self.model is Answer and not calls:
            calls.append(1)
            Answer.objects.create(trial=trial, slot=3)
            raise Answer.DoesNotExist
        return real_get(self, *args, **kwargs)

    monkeypatch.setattr(Answer.objects.get_queryset().__class__, "get", get)
    assert session.record(trial, 0).answer.slot == 3
    assert Answer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_threads_that_race_leave_one_answer():
    study = open_study(StudyFactory(stimulus_set=make_ready_set(words=4, contents=2)))
    trial = session.current_trial(session.join(study, "ja"))

    def answer(slot):
        session.record(Trial.objects.get(pk=trial.pk), slot)
        connection.close()

    threads = [threading.Thread(target=answer, args=(slot,)) for slot in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert Answer.objects.count() == 1
