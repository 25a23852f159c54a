"""The way in by an open link: list, what to know, consent, once a browser, quota and closing date."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from survey import session, texts
from survey.lifecycle import close_study, open_study
from survey.models import ConsentText, Participation, Question, StudyText
from tests.factories import StudyFactory, make_ready_set
from tests.survey.joining import agree, agreed, hidden, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    stimulus_set = make_ready_set(words=4, contents=2)
    return open_study(StudyFactory(stimulus_set=stimulus_set, contact="Lab A, a@example.org"))


# --- the list ---------------------------------------------------------------------------------


def test_home_lists_open_studies_only(client, study):
    StudyFactory(title="A draft")
    StudyText.objects.create(study=study, language="ja", title="日本語の題")
    text = client.get("/").content.decode()
    assert study.title in text
    assert f"/s/{study.slug}/" in text
    assert "A draft" not in text
    assert "日本語の題" in client.get("/", headers={"accept-language": "ja"}).content.decode()


def test_home_without_studies(client):
    assert "No study is open" in client.get("/").content.decode()


# --- what to know -----------------------------------------------------------------------------


def test_join_says_what_to_know_and_stores_nothing(client, study):
    response = client.get(f"/s/{study.slug}/")
    text = response.content.decode()
    assert "Lab A, a@example.org" in text
    assert "16 questions" in text
    assert "about 2 minutes" in text
    assert "voluntary" in text
    assert "Version 1 of this text" in text
    assert "I do not want to take part" not in text
    assert not Participation.objects.exists()
    assert not ConsentText.objects.exists()
    assert not Session.objects.exists()
    assert "sessionid" not in response.cookies


def test_a_study_has_its_own_text(client, study):
    StudyText.objects.create(study=study, language="en", consent="Own consent", title="Own title")
    text = client.get(f"/s/{study.slug}/").content.decode()
    assert "Own consent" in text
    assert "Own title" in text
    assert "voluntary" not in text
    assert "What you will do" in text


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"questions_each": 5},
        {"questions_each": 16},
        {"ask_rating": True, "repeats": 2},
        {"ask_picture": False, "ask_word": False, "ask_rating": True},
        {"practice": 2, "attention": 1, "questions_each": 6, "ask_word": False},
        {"ask_rating": True, "questions_each": 4, "ask_word": False},
    ],
)
def test_as_many_questions_are_announced_as_are_asked(asked):
    if asked.get("practice"):
        asked = {**asked, "practice_set": make_ready_set(words=4, contents=1)}
    study = open_study(StudyFactory(stimulus_set=make_ready_set(words=4, contents=2), **asked))
    assert session.trials_each(study) == session.join(study, "en").trials.count()


@pytest.mark.parametrize("rating", [True, False])
def test_instructions_say_what_is_asked(client, rating):
    asked = {"ask_picture": not rating, "ask_word": False, "ask_rating": True}
    study = open_study(StudyFactory(stimulus_set=make_ready_set(words=4, contents=1), **asked))
    text = client.get(f"/s/{study.slug}/").content.decode()
    assert ("Choose the picture that looks most like the word" in text) is not rating
    assert "Say how well the word suits the object" in text


# --- consent ----------------------------------------------------------------------------------


def test_consent_is_needed(client, study):
    address = f"/s/{study.slug}/"
    response = client.post(address, hidden(client.get(address)))
    assert response.status_code == 422
    assert "Please tick the box" in response.content.decode()
    assert not Participation.objects.exists()
    assert not ConsentText.objects.exists()


def test_what_was_agreed_to_is_kept_word_for_word_with_its_time(client, study):
    before = timezone.now()
    participation = agreed(client, study)
    assert before <= participation.consented_at <= timezone.now()
    kept = participation.consent
    assert (kept.study, kept.language, kept.version) == (study, "en", 1)
    with translation.override("en"):
        assert kept.text == texts.consent_source(study)


def test_a_changed_text_is_a_new_version(client, study):
    first = agreed(client, study)
    own = StudyText.objects.create(study=study, language="en", consent="Second text")
    other = Client()
    assert "Version 2 of this text" in other.get(f"/s/{study.slug}/").content.decode()
    second = agreed(other, study)
    # A former text is the version that it was.
    own.delete()
    third = Client()
    assert "Version 1 of this text" in third.get(f"/s/{study.slug}/").content.decode()
    versions = [p.consent.version for p in (first, second, agreed(third, study))]
    assert versions == [1, 2, 1]


@pytest.mark.parametrize("posted", ["before", "", "x" * 10_000, None])
def test_a_text_that_changed_under_the_reader_is_shown_again(client, study, posted):
    address = f"/s/{study.slug}/"
    data = {**hidden(client.get(address)), "consent": "on"}
    StudyText.objects.create(study=study, language="en", consent="Changed meanwhile")
    if posted is None:
        del data["shown"]
    elif posted != "before":
        data["shown"] = posted
    response = client.post(address, data)
    assert response.status_code == 422
    text = response.content.decode()
    assert "This text has changed since you opened the page" in text
    assert "Changed meanwhile" in text
    assert "checked" not in text
    assert not Participation.objects.exists()
    assert not ConsentText.objects.exists()
    # Once read, it can be agreed to.
    assert client.post(address, {**hidden(response), "consent": "on"}).status_code == 302
    assert Participation.objects.get().consent.text == "Changed meanwhile"


def test_another_language_is_another_text(client, study):
    """Read in English, sent in Japanese (switched in another tab): shown again."""
    address = f"/s/{study.slug}/"
    data = {**hidden(client.get(address)), "consent": "on"}
    response = client.post(address, data, headers={"accept-language": "ja"})
    assert response.status_code == 422
    assert not Participation.objects.exists()


# --- once a browser -----------------------------------------------------------------------------


def test_joining_and_coming_again(client, study):
    response = agree(client, f"/s/{study.slug}/")
    participation = Participation.objects.get()
    assert not participation.simulated
    assert participation.language == "en"
    assert participation.external == {}
    assert response.status_code == 302
    assert response.headers["Location"] == page_of(participation)
    for method in (client.get, client.post):
        assert method(f"/s/{study.slug}/").headers["Location"] == page_of(participation)
    assert Participation.objects.count() == 1
    # Not before the first person has finished can another begin here.
    assert client.get(f"/s/{study.slug}/?new").status_code == 302
    while trial := session.current_trial(participation):
        session.record(trial, 0)
    assert client.get(f"/s/{study.slug}/").status_code == 302
    assert client.get(f"/s/{study.slug}/?new").status_code == 200
    agree(client, f"/s/{study.slug}/?new")
    assert Participation.objects.count() == 2


def test_a_double_click_joins_once_even_without_cookies(study):
    address = f"/s/{study.slug}/"
    data = {**hidden(Client().get(address)), "consent": "on"}
    goals = {Client().post(address, data).headers["Location"] for _click in range(3)}
    assert goals == {page_of(Participation.objects.get())}
    agree(Client(), address)
    assert Participation.objects.count() == 2


@pytest.mark.parametrize("ticket", ["", "short", "x" * 61, "é" * 30, "a b" * 9])
def test_an_odd_ticket_is_none(study, ticket):
    address = f"/s/{study.slug}/"
    for _person in range(2):
        other = Client()
        agree(other, address, ticket=ticket)
    assert Participation.objects.count() == 2
    assert set(Participation.objects.values_list("person", flat=True)) == {""}


def test_the_language_of_the_page_is_stored(client, study):
    ja = {"accept-language": "ja"}
    address = f"/s/{study.slug}/"
    data = {**hidden(client.get(address, headers=ja)), "consent": "on"}
    client.post(address, data, headers=ja)
    participation = Participation.objects.get()
    assert participation.language == "ja"
    assert participation.consent.language == "ja"


def test_a_study_in_one_language_is_in_it_on_every_page(client, study):
    study.language = "ja"
    study.save()
    response = client.get(f"/s/{study.slug}/", headers={"accept-language": "en"})
    text = response.content.decode()
    assert '<html lang="ja">' in text
    assert "/i18n/setlang/" not in text
    participation = agreed(client, study)
    assert participation.language == "ja"
    session.withdraw(participation, delete=False)
    for address in (page_of(participation), reverse("survey:withdraw", args=[participation.token])):
        assert '<html lang="ja">' in client.get(address).content.decode()


# --- simulated raters -----------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["x", "a:b:c"])
def test_only_the_server_can_mark_as_simulated(client, study, mark):
    response = client.post(f"/s/{study.slug}/", {"consent": "on", "simulated": mark})
    assert response.status_code == 422
    assert not Participation.objects.exists()


# --- closed, full -------------------------------------------------------------------------------


def test_draft_closed_and_unknown_studies(client, study):
    draft = StudyFactory(title="Secret draft")
    text = client.get(f"/s/{draft.slug}/").content.decode()
    assert "has not begun yet" in text
    assert "Secret draft" not in text
    close_study(study)
    assert "has ended" in client.get(f"/s/{study.slug}/").content.decode()
    client.post(f"/s/{study.slug}/", {"consent": "on"})
    assert not Participation.objects.exists()
    response = client.get("/s/nothing-here/")
    assert response.status_code == 404
    assert "does not exist" in response.content.decode()


def test_after_the_closing_date_nobody_new_comes_in(client, study):
    begun = Client()
    participation = agreed(begun, study)
    data = {**hidden(client.get(f"/s/{study.slug}/")), "consent": "on"}
    study.closes_at = timezone.now() - timedelta(seconds=1)
    study.save()
    assert study.title not in client.get("/").content.decode()
    for response in (client.get(f"/s/{study.slug}/"), client.post(f"/s/{study.slug}/", data)):
        text = response.content.decode()
        assert "has ended" in text
        assert "Lab A, a@example.org" in text
        assert "<form" not in text.partition("<main")[2]
    assert Participation.objects.count() == 1
    # Whoever has begun may finish.
    assert begun.get(f"/s/{study.slug}/").headers["Location"] == page_of(participation)
    while trial := session.current_trial(participation):
        sent = {"trial": trial.position, "slot": 0}
        assert begun.post(page_of(participation), sent).status_code == 302
    assert "Thank you" in begun.get(page_of(participation)).content.decode()


def test_a_full_study_says_so(client, study):
    study.quota = 1
    study.save()
    data = {**hidden(client.get(f"/s/{study.slug}/")), "consent": "on"}
    begun = Client()
    participation = agreed(begun, study)
    for response in (client.get(f"/s/{study.slug}/"), client.post(f"/s/{study.slug}/", data)):
        assert "This study is full" in response.content.decode()
    assert Participation.objects.count() == 1
    assert not Session.objects.exclude(session_key=begun.session.session_key).exists()
    assert begun.get(f"/s/{study.slug}/").headers["Location"] == page_of(participation)
    # One who leaves makes room.
    session.withdraw(participation, delete=True)
    assert agree(client, f"/s/{study.slug}/").status_code == 302


# --- forms and frames -----------------------------------------------------------------------------


def test_forms_are_taken_from_our_own_pages_only(study):
    strict = Client(enforce_csrf_checks=True)
    address = f"/s/{study.slug}/"
    page = strict.get(address)
    strict.cookies.clear()
    data = {**hidden(page), "consent": "on"}
    foreign = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ]
    for headers in foreign:
        assert strict.post(address, data, headers=headers).status_code == 403, headers
    assert not Participation.objects.exists()
    # Cookies are off, and the browser says that the form was ours.
    for headers in ({"Origin": "http://testserver"}, {"Sec-Fetch-Site": "same-origin"}):
        assert strict.post(address, data, headers=headers).status_code == 302, headers
    participation = Participation.objects.get()
    strict.cookies.clear()
    sent = {"trial": 1, "slot": 0}
    ours = {"Origin": "http://testserver"}
    assert strict.post(page_of(participation), sent, headers=foreign[1]).status_code == 403
    assert strict.post(page_of(participation), sent, headers=ours).status_code == 302
    assert session.progress(participation).answered == 1


def test_a_form_with_cookie_and_token_needs_no_word_of_the_browser(study):
    strict = Client(enforce_csrf_checks=True)
    address = f"/s/{study.slug}/"
    data = {**hidden(strict.get(address)), "consent": "on"}
    assert "csrfmiddlewaretoken" in data
    assert strict.post(address, data).status_code == 302


def test_no_page_may_be_framed(client, study):
    participation = agreed(client, study)
    withdrawing = reverse("survey:withdraw", args=[participation.token])
    for address in ("/", f"/s/{study.slug}/?new", page_of(participation), withdrawing):
        headers = client.get(address, follow=True).headers
        assert headers["X-Frame-Options"] == "DENY", address
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], address
        assert "form-action 'self';" in headers["Content-Security-Policy"], address


def test_pages_of_the_way_in_carry_nothing_that_the_policy_forbids(client, study):
    text = client.get(f"/s/{study.slug}/").content.decode()
    assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)", text)


def test_questions_of_other_purposes_are_not_counted_twice():
    study = StudyFactory(
        stimulus_set=make_ready_set(words=4, contents=1),
        practice=1,
        practice_set=make_ready_set(words=4, contents=1),
    )
    open_study(study)
    assert study.questions.filter(purpose=Question.Purpose.PRACTICE).exists()
    assert session.trials_each(study) == 4 * 2 + 1
