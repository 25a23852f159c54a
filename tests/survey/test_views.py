import hashlib
import re
from itertools import product
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from generation.models import ContentImage, State, StylizedImage, Word
from survey import session
from survey.lifecycle import close_study, open_study
from survey.models import Answer, Participation, Trial
from tests.factories import ClusteringFactory, StudyFactory, WordFactory, make_ready_set, png

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    stimulus_set = make_ready_set(words=4, contents=2)
    return open_study(StudyFactory(stimulus_set=stimulus_set, contact="Lab A, a@example.org"))


@pytest.fixture
def participation(study):
    return session.join(study, "en")


def page_of(participation):
    return reverse("survey:participate", args=[participation.token])


def current(participation):
    return session.current_trial(participation)


def skip_to(participation, kind):
    """Answer until the current question is of that kind."""
    while (trial := current(participation)).question.kind != kind:
        session.record(trial, 0)
    return trial


# --- questions -------------------------------------------------------------------------------


def test_the_whole_way(client, participation):
    address = page_of(participation)
    for n in range(16):
        text = client.get(address).content.decode()
        assert f"Question {n + 1} of 16" in text
        trial = current(participation)
        assert f'name="trial" value="{trial.pk}"' in text
        assert text.count('type="radio"') == 4
        assert "checked" not in text
        response = client.post(address, {"trial": trial.position, "slot": 2})
        assert (response.status_code, response.headers["Location"]) == (302, address)
        assert trial.answer.slot == 2
    text = client.get(address).content.decode()
    assert "Thank you" in text
    assert 'name="trial"' not in text
    participation.refresh_from_db()
    assert participation.finished_at is not None
    assert Trial.objects.filter(shown_at__isnull=True).count() == 0


@pytest.mark.parametrize("data", [{}, {"slot": ""}, {"slot": "4"}, {"slot": "x"}, {"slot": "-1"}])
@pytest.mark.parametrize("kind", ["picture", "word"])
def test_no_choice_loses_nothing(client, participation, data, kind):
    trial = skip_to(participation, kind)
    before = Answer.objects.count()
    response = client.post(page_of(participation), {"trial": trial.position, **data})
    assert response.status_code == 422
    text = response.content.decode()
    assert "Please choose one" in text
    assert f'value="{trial.pk}"' in text
    assert Answer.objects.count() == before
    assert current(participation) == trial


def test_double_click_and_back_button(client, participation):
    trial = current(participation)
    address = page_of(participation)
    client.post(address, {"trial": trial.position, "slot": 1})
    response = client.post(address, {"trial": trial.position, "slot": 3})
    assert (response.status_code, response.headers["Location"]) == (302, address)
    assert Answer.objects.get().slot == 1
    # From the remembered page of an answered question: on to the current one, even without choice.
    assert client.post(address, {"trial": trial.position}).status_code == 302
    assert Answer.objects.count() == 1


def test_a_later_question_cannot_be_answered_yet(client, participation):
    later = participation.trials.get(position=3)
    response = client.post(page_of(participation), {"trial": later.position, "slot": 1})
    assert response.status_code == 302
    assert not Answer.objects.exists()


@pytest.mark.parametrize("posted", ["", "x", "0", "17", "99999999999999999999", "²"])
def test_a_trial_that_is_not_there(client, participation, posted):
    data = {"slot": 1, "trial": posted}
    assert client.post(page_of(participation), data).status_code == 404


def test_a_form_that_says_nothing_leads_to_the_current_step(client, participation):
    assert client.post(page_of(participation), {"slot": 1}).status_code == 302
    assert not Answer.objects.exists()


def test_who_has_begun_may_finish_after_closing(client, study, participation):
    close_study(study)
    trial = current(participation)
    assert client.get(page_of(participation)).status_code == 200
    client.post(page_of(participation), {"trial": trial.position, "slot": 0})
    assert Answer.objects.count() == 1


def test_cross_site_posts_are_refused(participation):
    strict = Client(enforce_csrf_checks=True)
    response = strict.post(
        page_of(participation), {"trial": current(participation).position, "slot": 0}
    )
    assert response.status_code == 403
    assert "Please try again" in response.content.decode()


def test_unknown_token(client):
    assert client.get("/p/nobody/").status_code == 404


def test_other_methods(client, participation):
    assert client.put(page_of(participation)).status_code == 405


def test_headers(client, study, participation):
    for address in ("/", f"/s/{study.slug}/", page_of(participation)):
        headers = client.get(address).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_pages_carry_nothing_that_the_policy_forbids(client, study, participation):
    for address in ("/", f"/s/{study.slug}/", page_of(participation)):
        text = client.get(address).content.decode()
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)", text)


def test_reading_and_gloss_only_if_the_study_says_so(client, study, participation):
    trial = skip_to(participation, "picture")
    word = trial.question.stimulus.word
    text = client.get(page_of(participation)).content.decode()
    assert f'lang="ja">{word.text}<' in text
    assert word.reading not in text
    assert word.gloss not in text
    Participation.objects.update(word_display="both")
    text = client.get(page_of(participation)).content.decode()
    assert word.reading in text
    assert word.gloss in text


def test_queries_stay_few(client, participation, django_assert_max_num_queries):
    address = page_of(participation)
    with django_assert_max_num_queries(8):
        client.get(address)
    with django_assert_max_num_queries(14):
        client.post(address, {"trial": current(participation).position, "slot": 1})


# --- nothing gives the word away ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["picture", "word"])
def test_question_pages_do_not_leak(client, participation, kind):
    trial = skip_to(participation, kind)
    text = client.get(page_of(participation)).content.decode()
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)
    text = text.replace(participation.token, "")
    for name in ContentImage.objects.values_list("name", flat=True):
        assert name not in text
    target = trial.question.stimulus
    for value in (target.sha256, target.file.name, Path(target.file.name).stem, target.seed):
        assert value is None or str(value) not in text
    shown = set(re.findall(r"ことば\d+", text))
    if kind == "picture":
        assert shown == {target.word.text}
    else:
        options = StylizedImage.objects.filter(pk__in=trial.options)
        assert shown == {p.word.text for p in options}
    # Every number in the form is a slot, a size, or the position of this question or of one soon to come.
    form = text[text.index("<form", text.index("<main")) :]
    words = {w.text for w in Word.objects.all()}
    for word in words:
        form = form.replace(word, "")
    ahead = re.search(r'data-ahead="([^"]*)"', text)[1]
    next_ones = [trial.position + n for n in (1, 2, 3)]
    assert {int(n) for n in re.findall(r"/(\d+)/\d/picture", ahead)} <= set(next_ones)
    numbers = set(re.findall(r"\d+", form))
    near = {str(trial.position + n) for n in range(4)}
    assert numbers <= {"0", "1", "2", "3", "4", "256", *near}


@pytest.mark.parametrize("kind", ["picture", "word"])
def test_no_id_of_a_picture_or_word_is_sent(client, kind):
    # Given by hand, as databases count on differently, and so large that they cannot stand in a page by chance.
    stimulus_set = make_ready_set(words=0, contents=2)
    words = [WordFactory(pk=7_000_001 + n) for n in range(4)]
    stimulus_set.words.set(words)
    contents = list(stimulus_set.contents.all())
    for n, (word, content) in enumerate(product(words, contents)):
        data = png()
        StylizedImage.objects.create(
            pk=8_000_001 + n,
            stimulus_set=stimulus_set,
            word=word,
            content=content,
            recipe=stimulus_set.recipes.get(),
            clustering=ClusteringFactory(word=word),
            state=State.DONE,
            file=ContentFile(data, name="picture.png"),
            sha256=hashlib.sha256(data).hexdigest(),
        )
    participation = session.join(open_study(StudyFactory(stimulus_set=stimulus_set)), "en")
    trial = skip_to(participation, kind)
    assert min(trial.options) > 8_000_000
    response = client.get(page_of(participation))
    sent = f"{response.content.decode()}\n{response.headers}"
    assert f'value="{trial.pk}"' in sent, "the trial's own id is there"
    assert not re.search(r"[78]0000\d\d", sent)


@pytest.mark.parametrize("kind", ["picture", "word"])
def test_pictures_by_slot(client, participation, kind):
    trial = skip_to(participation, kind)
    sizes = set()
    for slot in range(4):
        address = reverse("survey:picture", args=[participation.token, trial.position, slot])
        response = client.get(address)
        if kind == "word" and slot > 0:
            assert response.status_code == 404
            continue
        pk = trial.question.stimulus_id if kind == "word" else trial.options[slot]
        assert response.content == Path(StylizedImage.objects.get(pk=pk).file.path).read_bytes()
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["Cache-Control"] == "private, max-age=86400, immutable"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        for name in ("ETag", "Last-Modified", "Content-Disposition"):
            assert name not in response.headers
        sizes.add(len(response.content))
    assert len(sizes) == 1
    address = reverse("survey:picture", args=[participation.token, trial.position, 4])
    assert client.get(address).status_code == 404


def test_pictures_of_later_questions_are_kept_back(client, participation):
    def status(position):
        address = reverse("survey:picture", args=[participation.token, position, 0])
        return client.get(address).status_code

    assert [status(p) for p in (1, 4, 5, 0, 17, 10**15)] == [200, 200, 404, 404, 404, 404]
    session.record(current(participation), 0)
    assert [status(p) for p in (1, 5, 6)] == [200, 200, 404]


def test_a_picture_whose_file_is_lost(client, participation, caplog):
    trial = current(participation)
    for picture in StylizedImage.objects.filter(pk__in=[*trial.options]):
        Path(picture.file.path).unlink()
    address = reverse("survey:picture", args=[participation.token, 1, 0])
    assert client.get(address).status_code == 404


def test_language_switch(client, study):
    address = f"/s/{study.slug}/"
    response = client.post("/i18n/setlang/", {"language": "ja", "next": address})
    assert response.headers["Location"] == address
    assert '<html lang="ja">' in client.get(address).content.decode()
