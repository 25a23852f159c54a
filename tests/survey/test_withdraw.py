"""Stopping at any time, and having one's answers deleted."""

import json

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client
from django.urls import reverse

from survey import jobs, session
from survey.lifecycle import open_study
from survey.models import Analysis, Answer, Participation, StudyText, Trial
from tests.factories import StudyFactory, make_ready_set
from tests.survey.joining import agreed, hidden, page_of

pytestmark = pytest.mark.django_db

SAID = "something that only this person would say"
QUERY = "?PROLIFIC_PID=PERSON-77&STUDY_ID=ST-77&SESSION_ID=SE-77"


@pytest.fixture
def study():
    study = StudyFactory(
        stimulus_set=make_ready_set(words=4, contents=1),
        entrance="prolific",
        completion_code="DONE-1",
        contact="Lab A",
    )
    StudyText.objects.create(study=study, language="en", debriefing="Now you know why.")
    return open_study(study)


@pytest.fixture
def participation(client, study):
    return agreed(client, study, QUERY)


def answer_some(participation, n=None):
    for trial in list(participation.trials.order_by("position"))[:n]:
        measures = session.Measures(response_ms=777.5, display={"viewport_width": 391})
        session.record(trial, 1, key="key-of-this-person", measures=measures)


def leave(client, participation, answers):
    return client.post(address_of(participation), {"answers": answers})


def address_of(participation):
    return reverse("survey:withdraw", args=[participation.token])


def everything_said_of(participation):
    """All rows of all tables, without those that were there for everybody."""
    rows = [row for model in apps.get_models() for row in model._base_manager.all()]
    return json.loads(serializers.serialize("json", rows))


def test_looking_changes_nothing(client, participation):
    text = client.get(address_of(participation)).content.decode()
    assert "Stop, and keep my answers so far" in text
    assert "Stop, and delete my answers" in text
    assert "no completion code" in text
    assert "Now you know why" not in text
    participation.refresh_from_db()
    assert participation.withdrawn_at is None


@pytest.mark.parametrize("answers", ["", "x", "DELETE"])
def test_a_form_that_says_nothing_asks_again(client, participation, answers):
    assert leave(client, participation, answers).status_code == 200
    participation.refresh_from_db()
    assert participation.withdrawn_at is None


def test_stopping_keeps_what_was_answered(client, participation):
    answer_some(participation, 3)
    response = leave(client, participation, "keep")
    assert response.headers["Location"] == page_of(participation)
    text = client.get(page_of(participation)).content.decode()
    assert "You have stopped" in text
    assert "Your answers so far are kept" in text
    assert "Now you know why" in text
    assert "return your submission" in text
    assert "DONE-1" not in text
    assert Answer.objects.count() == 3
    participation.refresh_from_db()
    assert participation.withdrawn_at is not None
    assert participation.deleted_at is None
    # No more is asked or taken.
    trial = participation.trials.get(position=4)
    client.post(page_of(participation), {"trial": trial.position, "slot": 0})
    assert Answer.objects.count() == 3
    # Nor does the way in begin anew.
    response = Client().get(f"/s/{participation.study.slug}/{QUERY}")
    assert response.headers["Location"] == page_of(participation)


def test_deleting_leaves_nothing_that_was_said(client, participation):
    answer_some(participation, 5)
    Participation.objects.filter(pk=participation.pk).update(
        about={"before": {"age": SAID}}, comment=SAID, quality={"flags": [SAID]}, webdriver=True
    )
    before = json.dumps(everything_said_of(participation))
    for value in (SAID, "PERSON-77", "ST-77", "SE-77", "777.5", "key-of-this-person", "391"):
        assert value in before
    leave(client, participation, "delete")
    rows = everything_said_of(participation)
    after = json.dumps(rows)
    for value in (SAID, "PERSON-77", "ST-77", "SE-77", "777.5", "key-of-this-person"):
        assert value not in after
    models = [row["model"] for row in rows]
    assert "survey.answer" not in models
    assert "survey.trial" not in models
    # What stays, all of it: that somebody joined, agreed and left, and the keyed hash.
    (left,) = [row["fields"] for row in rows if row["model"] == "survey.participation"]
    kept = {name for name, value in left.items() if value not in (None, "", {}, False, 0)}
    assert kept == {
        *("study", "token", "seed", "language", "word_display", "person", "consent"),
        *("consented_at", "withdrawn_at", "deleted_at"),
    }
    assert left["person"] not in ("", "PERSON-77")
    text = client.get(page_of(participation)).content.decode()
    assert "Your answers are deleted" in text
    assert "Now you know why" in text


def test_of_one_person_only(client, study, participation):
    other = agreed(Client(), study, QUERY.replace("PERSON-77", "PERSON-78"))
    answer_some(participation, 2)
    answer_some(other, 2)
    leave(client, participation, "delete")
    assert Answer.objects.filter(trial__participation=other).count() == 2
    other.refresh_from_db()
    assert other.withdrawn_at is None
    assert other.external["PROLIFIC_PID"] == "PERSON-78"


def test_who_has_finished_may_still_have_everything_deleted(client, participation):
    answer_some(participation)
    text = client.get(page_of(participation)).content.decode()
    assert "Have my answers deleted" in text
    text = client.get(address_of(participation)).content.decode()
    assert "Delete your answers?" in text
    assert 'value="keep"' not in text
    assert "go back and do so first" in text
    # Keeping them is no withdrawal.
    leave(client, participation, "keep")
    participation.refresh_from_db()
    assert participation.withdrawn_at is None
    leave(client, participation, "delete")
    assert not Answer.objects.exists()
    # The code was earned by then, and tells nothing of the person.
    text = client.get(page_of(participation)).content.decode()
    assert "Your answers are deleted" in text
    assert "cc=DONE-1" in text


def test_who_stopped_may_change_their_mind_about_the_answers(client, participation):
    answer_some(participation, 2)
    leave(client, participation, "keep")
    participation.refresh_from_db()
    first = participation.withdrawn_at
    assert "Have my answers deleted" in client.get(page_of(participation)).content.decode()
    leave(client, participation, "delete")
    participation.refresh_from_db()
    assert not Answer.objects.exists()
    assert participation.withdrawn_at == first


def test_who_was_screened_out_may_have_everything_deleted(client, participation):
    Participation.objects.update(
        screened_out_at=participation.consented_at, about={"before": {"age": SAID}}
    )
    assert "Have my answers deleted" in client.get(page_of(participation)).content.decode()
    leave(client, participation, "keep")
    participation.refresh_from_db()
    assert participation.withdrawn_at is None
    leave(client, participation, "delete")
    participation.refresh_from_db()
    assert participation.about is None


def test_doing_it_again_changes_nothing(client, participation):
    leave(client, participation, "delete")
    participation.refresh_from_db()
    first = participation.deleted_at
    for answers in ("delete", "keep"):
        assert leave(client, participation, answers).status_code == 302
    assert client.get(address_of(participation)).headers["Location"] == page_of(participation)
    participation.refresh_from_db()
    assert participation.deleted_at == first
    assert "/withdraw/" not in client.get(page_of(participation)).content.decode()


def test_turk_is_told_to_submit_before_deleting(client):
    study = StudyFactory(stimulus_set=make_ready_set(words=4, contents=1), entrance="mturk")
    open_study(study)
    query = "?assignmentId=A1&workerId=W1&turkSubmitTo=https://www.mturk.com"
    participation = agreed(client, study, query)
    answer_some(participation)
    assert hidden(client.get(page_of(participation)))["assignmentId"] == "A1"
    assert "submit it first" in client.get(address_of(participation)).content.decode()
    leave(client, participation, "delete")
    text = client.get(page_of(participation)).content.decode()
    assert "A1" not in text
    assert "externalSubmit" not in text


def test_an_open_link_knows_no_panel(client):
    study = open_study(StudyFactory(stimulus_set=make_ready_set(words=4, contents=1)))
    participation = agreed(client, study)
    assert "completion code" not in client.get(address_of(participation)).content.decode()
    leave(client, participation, "keep")
    text = client.get(page_of(participation)).content.decode()
    assert "submission" not in text
    assert Trial.objects.filter(participation=participation).exists()


def test_unknown_tokens_and_other_methods(client, participation):
    assert client.get("/p/nobody/withdraw/").status_code == 404
    assert client.post("/p/nobody/withdraw/", {"answers": "delete"}).status_code == 404
    assert client.delete(address_of(participation)).status_code == 405


def test_another_site_cannot_make_somebody_leave(participation):
    strict = Client(enforce_csrf_checks=True)
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    data = {"answers": "delete"}
    assert strict.post(address_of(participation), data, headers=foreign).status_code == 403
    participation.refresh_from_db()
    assert participation.withdrawn_at is None


def test_deleted_answers_leave_the_kept_numbers_too() -> None:
    study = open_study(StudyFactory(stimulus_set=make_ready_set(4, 1)))
    participation = session.join(study, "en")
    stay = session.join(study, "en")
    for kept in (participation, stay):
        session.record(kept.trials.order_by("position")[0], 0)
    row = jobs.refresh(study, Analysis.Part.SUMMARY, jobs.Filters())
    assert row.answers == 2
    session.withdraw(stay, delete=False)
    assert Analysis.objects.exists()
    session.withdraw(participation, delete=True)
    assert not Analysis.objects.exists()
    assert jobs.refresh(study, Analysis.Part.SUMMARY, jobs.Filters()).answers == 1
