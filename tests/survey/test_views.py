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
from survey.models import Answer, Participation, StudyText, Trial
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


# --- home and join ---------------------------------------------------------------------------


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


def test_join_says_what_to_know_and_stores_nothing(client, study):
    response = client.get(f"/s/{study.slug}/")
    text = response.content.decode()
    assert "Lab A, a@example.org" in text
    assert "16 questions" in text
    assert "about 2 minutes" in text
    assert "voluntary" in text
    assert not Participation.objects.exists()
    assert "set-cookie" not in response or "sessionid" not in response.cookies


def test_a_study_has_its_own_text(client, study):
    StudyText.objects.create(study=study, language="en", consent="Own consent", title="Own title")
    text = client.get(f"/s/{study.slug}/").content.decode()
    assert "Own consent" in text
    assert "Own title" in text
    assert "voluntary" not in text
    assert "What you will do" in text


def test_consent_is_needed(client, study):
    response = client.post(f"/s/{study.slug}/", {})
    assert response.status_code == 422
    assert "Please tick the box" in response.content.decode()
    assert not Participation.objects.exists()


def test_joining_and_coming_again(client, study):
    response = client.post(f"/s/{study.slug}/", {"consent": "on"})
    participation = Participation.objects.get()
    assert not participation.simulated
    assert participation.language == "en"
    assert response.status_code == 302
    assert response.headers["Location"] == page_of(participation)
    for method in (client.get, client.post):
        assert method(f"/s/{study.slug}/").headers["Location"] == page_of(participation)
    assert Participation.objects.count() == 1
    # Not before the first person has finished can another begin here.
    assert client.get(f"/s/{study.slug}/?new").status_code == 302
    while trial := current(participation):
        session.record(trial, 0)
    assert client.get(f"/s/{study.slug}/").status_code == 302
    assert client.get(f"/s/{study.slug}/?new").status_code == 200
    client.post(f"/s/{study.slug}/?new", {"consent": "on"})
    assert Participation.objects.count() == 2


def test_the_language_of_the_page_is_stored(client, study):
    client.post(f"/s/{study.slug}/", {"consent": "on"}, headers={"accept-language": "ja"})
    assert Participation.objects.get().language == "ja"


@pytest.mark.parametrize("mark", ["x", "a:b:c"])
def test_only_the_server_can_mark_as_simulated(client, study, mark):
    response = client.post(f"/s/{study.slug}/", {"consent": "on", "simulated": mark})
    assert response.status_code == 422
    assert not Participation.objects.exists()


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
        response = client.post(address, {"trial": trial.pk, "slot": 2})
        assert (response.status_code, response.headers["Location"]) == (302, address)
        assert trial.answer.slot == 2
    text = client.get(address).content.decode()
    assert "Thank you" in text
    assert '<form method="post" class="question"' not in text
    participation.refresh_from_db()
    assert participation.finished_at is not None
    assert Trial.objects.filter(shown_at__isnull=True).count() == 0


@pytest.mark.parametrize("data", [{}, {"slot": ""}, {"slot": "4"}, {"slot": "x"}, {"slot": "-1"}])
@pytest.mark.parametrize("kind", ["picture", "word"])
def test_no_choice_loses_nothing(client, participation, data, kind):
    trial = skip_to(participation, kind)
    before = Answer.objects.count()
    response = client.post(page_of(participation), {"trial": trial.pk, **data})
    assert response.status_code == 422
    text = response.content.decode()
    assert "Please choose one" in text
    assert f'value="{trial.pk}"' in text
    assert Answer.objects.count() == before
    assert current(participation) == trial


def test_double_click_and_back_button(client, participation):
    trial = current(participation)
    address = page_of(participation)
    client.post(address, {"trial": trial.pk, "slot": 1})
    response = client.post(address, {"trial": trial.pk, "slot": 3})
    assert (response.status_code, response.headers["Location"]) == (302, address)
    assert Answer.objects.get().slot == 1
    # From the remembered page of an answered question: on to the current one, even without choice.
    assert client.post(address, {"trial": trial.pk}).status_code == 302
    assert Answer.objects.count() == 1


def test_a_later_question_cannot_be_answered_yet(client, participation):
    later = participation.trials.get(position=3)
    response = client.post(page_of(participation), {"trial": later.pk, "slot": 1})
    assert response.status_code == 302
    assert not Answer.objects.exists()


@pytest.mark.parametrize("posted", ["", "x", "0", "99999999999999999999", "²", None])
def test_a_trial_that_is_not_there(client, participation, posted):
    data = {"slot": 1} | ({} if posted is None else {"trial": posted})
    assert client.post(page_of(participation), data).status_code == 404


def test_another_persons_trial_is_refused(client, study, participation):
    other = current(session.join(study, "en"))
    response = client.post(page_of(participation), {"trial": other.pk, "slot": 1})
    assert response.status_code == 404
    assert not Answer.objects.exists()


def test_who_has_begun_may_finish_after_closing(client, study, participation):
    close_study(study)
    trial = current(participation)
    assert client.get(page_of(participation)).status_code == 200
    client.post(page_of(participation), {"trial": trial.pk, "slot": 0})
    assert Answer.objects.count() == 1


def test_cross_site_posts_are_refused(participation):
    strict = Client(enforce_csrf_checks=True)
    response = strict.post(page_of(participation), {"trial": current(participation).pk, "slot": 0})
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
    study.show_reading = study.show_gloss = True
    study.save()
    text = client.get(page_of(participation)).content.decode()
    assert word.reading in text
    assert word.gloss in text


def test_queries_stay_few(client, participation, django_assert_max_num_queries):
    address = page_of(participation)
    with django_assert_max_num_queries(6):
        client.get(address)
    with django_assert_max_num_queries(10):
        client.post(address, {"trial": current(participation).pk, "slot": 1})


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
    # Every number in the form is a position, a slot, a size or the trial's own id.
    form = text[text.index('<form method="post" class="question"') :]
    words = {w.text for w in Word.objects.all()}
    for word in words:
        form = form.replace(word, "")
    numbers = set(re.findall(r"\d+", form))
    assert numbers <= {"0", "1", "2", "3", "4", "256", str(trial.position), str(trial.pk)}


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

    assert [status(p) for p in (1, 2, 3, 0, 17, 10**15)] == [200, 200, 404, 404, 404, 404]
    session.record(current(participation), 0)
    assert [status(p) for p in (1, 3, 4)] == [200, 200, 404]


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
