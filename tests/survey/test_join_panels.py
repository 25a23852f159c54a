"""Prolific, Mechanical Turk and any panel: who comes, once each, and the way back."""

import logging
import re
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from survey import entrances, session
from survey.lifecycle import close_study, open_study
from survey.models import ConsentText, Participation, StudyText
from tests.factories import StudyFactory, make_ready_set
from tests.survey.joining import agree, agreed, hidden, page_of

pytestmark = pytest.mark.django_db

TURK = {"hitId": "H1", "turkSubmitTo": "https://www.mturk.com"}
QUERIES = {
    "prolific": "?PROLIFIC_PID=P1&STUDY_ID=S1&SESSION_ID=Z1",
    "mturk": "?" + urlencode({"assignmentId": "A1", "workerId": "W1", **TURK}),
    "panel": "?pid=me&sid=5",
}
PREVIEW = "?" + urlencode({"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE", **TURK})


def a_study(entrance, **values):
    defaults = {"completion_code": "DONE-1"}
    if entrance == "panel":
        defaults["panel_parameters"] = {"person": "pid", "session": "sid"}
        defaults["completion_url"] = "https://panel.example/done?s={session}"
    study = StudyFactory(
        stimulus_set=make_ready_set(words=4, contents=1), entrance=entrance, **defaults | values
    )
    return open_study(study)


@pytest.fixture(params=list(QUERIES))
def study(request):
    return a_study(request.param)


def came(study):
    return QUERIES[study.entrance]


def finish(participation):
    while trial := session.current_trial(participation):
        session.record(trial, 0)
    participation.refresh_from_db()


# --- once a person ------------------------------------------------------------------------------


def test_a_person_is_known_again_on_any_device(study):
    participation = agreed(Client(), study, came(study))
    assert re.fullmatch("[0-9a-f]{64}", participation.person)
    address = f"/s/{study.slug}/{came(study)}"
    for method in (Client().get, Client().post):
        assert method(address).headers["Location"] == page_of(participation)
    # No cookie says who somebody is.
    assert not Session.objects.exists()
    other = came(study).replace("P1", "P2").replace("W1", "W2").replace("=me", "=you")
    assert agreed(Client(), study, other) != participation
    assert Participation.objects.count() == 2


def test_the_same_id_is_somebody_else_in_another_study(study):
    first = agreed(Client(), study, came(study))
    second = agreed(Client(), a_study(study.entrance), came(study))
    assert first.person != second.person


def test_what_came_is_kept():
    kept = {s: agreed(Client(), a_study(s), QUERIES[s]).external for s in QUERIES}
    assert kept == {
        "prolific": {"PROLIFIC_PID": "P1", "STUDY_ID": "S1", "SESSION_ID": "Z1"},
        "mturk": {"assignmentId": "A1", "workerId": "W1", **TURK},
        "panel": {"person": "me", "session": "5"},
    }


def test_a_new_visit_is_kept_in_place_of_the_former_one():
    study = a_study("prolific")
    participation = agreed(Client(), study, came(study))
    Client().get(f"/s/{study.slug}/?PROLIFIC_PID=P1&SESSION_ID=Z2")
    participation.refresh_from_db()
    assert participation.external == {"PROLIFIC_PID": "P1", "STUDY_ID": "S1", "SESSION_ID": "Z2"}


def test_what_was_deleted_does_not_come_back_with_the_person(study):
    participation = agreed(Client(), study, came(study))
    session.withdraw(participation, delete=True)
    address = f"/s/{study.slug}/{came(study)}"
    assert Client().get(address).headers["Location"] == page_of(participation)
    assert Client().post(address, {"consent": "on"}).status_code == 302
    participation.refresh_from_db()
    assert participation.external == {}
    assert Participation.objects.count() == 1


def test_two_at_once_are_one_person(study):
    """A double click on Start: both read the page before either was there."""
    address = f"/s/{study.slug}/{came(study)}"
    data = {**hidden(Client().get(address)), "consent": "on"}
    goals = {Client().post(address, data).headers["Location"] for _click in range(2)}
    assert goals == {page_of(Participation.objects.get())}


# --- addresses that say too little or too much ----------------------------------------------------


@pytest.mark.parametrize(
    "query", ["", "?PROLIFIC_PID=", "?PROLIFIC_PID=a%00b", "?PROLIFIC_PID=" + "x" * 900]
)
def test_without_the_person_nobody_joins(query, caplog):
    study = a_study("prolific", contact="Lab A")
    secret = "x" * 900
    with caplog.at_level(logging.DEBUG):
        for response in (
            Client().get(f"/s/{study.slug}/{query}"),
            Client().post(f"/s/{study.slug}/{query}", {"consent": "on"}),
        ):
            assert response.status_code == 400
            text = response.content.decode()
            assert "This link is not complete" in text
            assert "PROLIFIC_PID" in text
            assert "through Prolific" in text
            assert "Lab A" in text
    assert secret not in caplog.text
    assert "PROLIFIC_PID" not in caplog.text
    assert not Participation.objects.exists()


def test_hostile_values_are_text_on_every_page():
    evil = '"><script>alert(1)</script>'
    study = a_study("panel", completion_url="https://panel.example/?s={session}&p={pid}")
    query = "?" + urlencode({"pid": evil, "sid": evil, "next": "//evil.example", "language": evil})
    client = Client()
    pages = [client.get(f"/s/{study.slug}/{query}")]
    pages.append(client.get(f"/s/{study.slug}/declined/{query}"))
    participation = agreed(client, study, query)
    assert participation.external == {"person": evil, "session": evil}
    finish(participation)
    pages.append(client.get(page_of(participation)))
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.content.decode()
        assert 'href="//evil' not in page.content.decode()
    assert "s=%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E&amp;p=%22" in pages[-1].content.decode()


def test_ids_are_in_no_log(study, caplog):
    with caplog.at_level(logging.DEBUG):
        participation = agreed(Client(), study, came(study))
        Client().get(f"/s/{study.slug}/{came(study)}")
        Client(enforce_csrf_checks=True).post(f"/s/{study.slug}/{came(study)}", {})
        finish(participation)
    said = [r.getMessage() for r in caplog.records if r.name != "django.db.backends"]
    for value in ("P1", "W1", "pid=", "Z1"):
        assert not any(value in line for line in said)


def test_a_closed_study_asks_for_no_link():
    study = a_study("prolific")
    close_study(study)
    assert "has ended" in Client().get(f"/s/{study.slug}/").content.decode()


# --- the language switch ----------------------------------------------------------------------------


def test_the_switch_keeps_what_the_panel_said(client):
    study = a_study("panel")
    # Signs that mean something in addresses, and a name that is Japanese.
    query = "?" + urlencode({"pid": "a&b=c/d?e#f%20 +日本", "sid": "5;6"})
    address = f"/s/{study.slug}/{query}"
    page = client.get(address).content.decode()
    goal = re.search(r'name="next" value="([^"]*)"', page)[1].replace("&amp;", "&")
    for language in ("ja", "en", "ja"):
        response = client.post("/i18n/setlang/", {"language": language, "next": goal})
        assert response.status_code == 302
        page = client.get(response.headers["Location"])
        assert f'<html lang="{language}">' in page.content.decode()
        goal = re.search(r'name="next" value="([^"]*)"', page.content.decode())[1].replace(
            "&amp;", "&"
        )
    data = {**hidden(page), "consent": "on"}
    assert client.post(goal, data).status_code == 302
    participation = Participation.objects.get()
    assert participation.external == {"person": "a&b=c/d?e#f%20 +日本", "session": "5;6"}
    assert participation.language == "ja"


# --- not taking part ----------------------------------------------------------------------------------


def test_who_would_rather_not_is_told_what_to_do(client, study):
    address = f"/s/{study.slug}/{came(study)}"
    page = client.get(address).content.decode()
    assert "I do not want to take part" in page
    link = re.search(r'href="(/s/[^"]*/declined/[^"]*)"', page)[1].replace("&amp;", "&")
    response = client.get(link)
    text = response.content.decode()
    says = {
        "prolific": "return your submission",
        "mturk": "return the HIT",
        "panel": "go back to the panel",
    }
    assert says[study.entrance] in text
    assert "DONE-1" not in text
    # And back, with all that the panel said.
    back = re.search(r'href="(/s/[^"]*)">Back to the study', text)[1].replace("&amp;", "&")
    assert client.get(back).status_code == 200
    assert "I do not want to take part" in client.get(back).content.decode()
    assert not Participation.objects.exists()
    assert not Session.objects.exists()
    assert client.post(link).status_code == 405


def test_a_draft_tells_nothing_there_either(client):
    draft = StudyFactory(entrance="prolific", title="Secret")
    assert client.get(f"/s/{draft.slug}/declined/").status_code == 404
    assert "Secret" not in client.get(f"/s/{draft.slug}/{QUERIES['prolific']}").content.decode()


# --- the way back -----------------------------------------------------------------------------------


def test_the_way_back_is_shown_only_after_the_last_answer_is_stored(client, study):
    participation = agreed(client, study, came(study))
    StudyText.objects.create(study=study, language="en", debriefing="Now you know why.")
    goal = {
        "prolific": "https://app.prolific.com/submissions/complete?cc=DONE-1",
        "mturk": "https://www.mturk.com/mturk/externalSubmit",
        "panel": "https://panel.example/done?s=5",
    }[study.entrance]
    address = page_of(participation)
    trials = list(participation.trials.order_by("position"))
    for trial in trials:
        text = client.get(address).content.decode()
        assert "DONE-1" not in text
        assert goal not in text
        assert "Now you know why" not in text
        client.post(address, {"trial": trial.position, "slot": 0})
    text = client.get(address).content.decode()
    participation.refresh_from_db()
    assert participation.finished_at is not None
    assert participation.trials.filter(answer=None).count() == 0
    assert goal in text
    assert "DONE-1" in text
    assert "Now you know why" in text
    assert 'http-equiv="refresh"' not in text
    assert "/withdraw/" in text


@pytest.mark.parametrize("url", ["", "https://panel.example/out?p={pid}"])
def test_the_screened_out_have_a_way_of_their_own(client, study, url):
    if study.entrance == "mturk":
        url = ""
    url = url.replace("{pid}", "{PROLIFIC_PID}") if study.entrance == "prolific" else url
    study.screen_out_code, study.screen_out_url = "OUT-2", url
    study.save()
    assert entrances.problems(study) == {}
    participation = agreed(client, study, came(study))
    Participation.objects.update(screened_out_at=participation.consented_at)
    text = client.get(page_of(participation)).content.decode()
    assert "OUT-2" in text
    assert "DONE-1" not in text
    if url:
        assert (
            f"https://panel.example/out?p={'P1' if study.entrance == 'prolific' else 'me'}" in text
        )
    study.screen_out_code = study.screen_out_url = ""
    study.save()
    text = client.get(page_of(participation)).content.decode()
    assert "DONE-1" not in text
    assert "submission" in text or "HIT" in text or "panel" in text


def test_a_full_study_sends_back(study):
    study.quota, study.screen_out_code = 1, "OUT-2"
    study.save()
    first = agreed(Client(), study, came(study))
    other = came(study).replace("P1", "P2").replace("W1", "W2").replace("=me", "=you")
    text = Client().get(f"/s/{study.slug}/{other}").content.decode()
    assert "This study is full" in text
    assert "OUT-2" in text
    # Whoever has begun goes on.
    assert Client().get(f"/s/{study.slug}/{came(study)}").headers["Location"] == page_of(first)
    study.screen_out_code = ""
    study.save()
    text = Client().get(f"/s/{study.slug}/{other}").content.decode()
    assert "return" in text or "go back to the panel" in text


# --- Mechanical Turk ----------------------------------------------------------------------------------


def test_a_preview_records_nothing(client):
    study = a_study("mturk")
    for query in (PREVIEW, f"{PREVIEW}&language=ja"):
        response = client.get(f"/s/{study.slug}/{query}")
        assert response.status_code == 200
        assert not response.cookies
        assert "<form" not in response.content.decode()
    text = client.get(f"/s/{study.slug}/{PREVIEW}").content.decode()
    assert "To begin, accept the HIT" in text
    assert "What you will do" in text
    assert "voluntary" in text
    # Whatever is sent: there is nobody to agree.
    response = client.post(f"/s/{study.slug}/{PREVIEW}", {"consent": "on", "shown": "x"})
    assert response.status_code == 200
    assert not client.cookies
    for rows in (Participation, ConsentText, Session):
        assert not rows.objects.exists()


def test_a_preview_of_a_study_that_lets_nobody_in_says_so(client):
    study = a_study("mturk", quota=1)
    agreed(client, study, came(study))
    for response, says in (
        (client.get(f"/s/{study.slug}/{PREVIEW}"), "This study is full"),
        (client.get(f"/s/{close_study(study).slug}/{PREVIEW}"), "has ended"),
    ):
        assert says in response.content.decode()
        assert "accept the HIT" not in response.content.decode()


def test_a_whole_way_in_a_frame_without_cookies():
    """As browsers do that keep third parties' cookies back: each request comes without any."""
    study = a_study("mturk")
    strict = Client(enforce_csrf_checks=True)
    ours = {
        "Origin": "http://testserver",
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Dest": "iframe",
    }

    def ask(address, data=None):
        strict.cookies.clear()
        if data is None:
            response = strict.get(address, headers={"Sec-Fetch-Site": "cross-site"})
        else:
            response = strict.post(address, data, headers=ours)
        if response.status_code == 200:
            policy = response.headers["Content-Security-Policy"]
            assert "frame-ancestors https://*.mturk.com" in policy
            assert "X-Frame-Options" not in response.headers
        return response

    address = f"/s/{study.slug}/{QUERIES['mturk']}&language=ja"
    page = ask(address)
    assert '<html lang="ja">' in page.content.decode()
    response = ask(address, {**hidden(page), "consent": "on"})
    participation = Participation.objects.get()
    assert response.headers["Location"] == page_of(participation)
    for trial in participation.trials.order_by("position"):
        page = ask(page_of(participation))
        assert '<html lang="ja">' in page.content.decode()
        ask(page_of(participation), {"trial": trial.position, "slot": 1})
    page = ask(page_of(participation))
    text = page.content.decode()
    assert 'method="post" action="https://www.mturk.com/mturk/externalSubmit"' in text
    assert hidden(page)["assignmentId"] == "A1"
    assert hidden(page)["code"] == "DONE-1"
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' https://www.mturk.com https://worker.mturk.com;" in policy
    # Our own token is not given away to where the form goes.
    form = text[text.index("externalSubmit") :].partition("</form>")[0]
    assert "csrf" not in form


def test_only_the_last_page_may_send_to_mturk(client):
    study = a_study("mturk")
    participation = agreed(client, study, came(study))
    withdrawing = reverse("survey:withdraw", args=[participation.token])
    for address in (f"/s/{study.slug}/{PREVIEW}", page_of(participation), withdrawing):
        policy = client.get(address).headers["Content-Security-Policy"]
        assert "form-action 'self';" in policy
    finish(participation)
    assert "form-action 'self';" in client.get(withdrawing).headers["Content-Security-Policy"]
    policy = client.get(page_of(participation)).headers["Content-Security-Policy"]
    assert "form-action 'self' https://www.mturk.com" in policy


@pytest.mark.parametrize(
    "submit_to", ["https://evil.example", "http://www.mturk.com", "javascript:x"]
)
def test_work_is_submitted_nowhere_else(client, submit_to):
    study = a_study("mturk")
    query = urlencode({"assignmentId": "A1", "workerId": "W1", "turkSubmitTo": submit_to})
    response = client.get(f"/s/{study.slug}/?{query}")
    assert response.status_code == 400
    text = response.content.decode()
    assert "turkSubmitTo does not lead to Mechanical Turk" in text
    assert submit_to not in text
    assert "frame-ancestors https://*.mturk.com" in response.headers["Content-Security-Policy"]
    assert agree(client, f"/s/{study.slug}/?{query}").status_code == 400
    assert not Participation.objects.exists()


def test_another_assignment_of_the_same_worker_is_the_one_to_submit(client):
    study = a_study("mturk")
    participation = agreed(client, study, came(study))
    finish(participation)
    client.get(f"/s/{study.slug}/{came(study).replace('A1', 'A2')}")
    assert hidden(client.get(page_of(participation)))["assignmentId"] == "A2"


def test_no_other_study_may_be_framed(client):
    for entrance in ("prolific", "panel"):
        study = a_study(entrance)
        for address in (
            f"/s/{study.slug}/{came(study)}",
            f"/s/{study.slug}/",
            f"/s/{study.slug}/declined/",
        ):
            headers = client.get(address).headers
            assert headers["X-Frame-Options"] == "DENY"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
