"""What a participant is shown next: every stop of a study that uses them all, over the pages."""

import io
from datetime import timedelta

import pytest
from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.models import StylizedImage
from survey import session, views
from survey.lifecycle import open_study
from survey.models import Answer, Participation, Question, Study, Trial
from survey.session import Stage
from tests.factories import StudyFactory, make_ready_set

pytestmark = pytest.mark.django_db

BEFORE = {
    "name": "age",
    "kind": "choice",
    "when": "before",
    "required": True,
    "label": {"en": "Age", "ja": "年齢"},
    "choices": [
        {"value": "adult", "label": {"en": "18 or older", "ja": "18歳以上"}},
        {"value": "child", "label": {"en": "younger", "ja": "18歳未満"}, "screen_out": True},
    ],
}
AFTER = {"name": "vision", "kind": "text", "label": {"en": "Vision", "ja": "視力"}}


def make_study(**fields) -> Study:
    fields = {"stimulus_set": make_ready_set(words=4, contents=2), "ask_word": False, **fields}
    return open_study(StudyFactory(**fields))


def page_of(participation) -> str:
    return reverse("survey:participate", args=[participation.token])


def step(participation) -> session.Step:
    return session.next_step(Participation.objects.get(pk=participation.pk))


def answer_all(participation, slot=0) -> None:
    while (now := step(participation)).stage == Stage.QUESTION:
        session.record(now.trial, slot)


def test_the_whole_way(client: Client) -> None:
    study = make_study(
        practice=2,
        practice_set=make_ready_set(words=4, contents=1),
        gold=1,
        gold_set=make_ready_set(words=4, contents=1),
        repeats=1,
        attention=1,
        break_every=4,
        ask_rating=True,
        rating_points=5,
        demographics=[BEFORE, AFTER],
        ask_comment=True,
    )
    participation = session.join(study, "en")
    address = page_of(participation)
    seen = []
    while (now := step(participation)).stage != Stage.DONE:
        seen.append(now.stage)
        assert client.get(address).status_code == 200
        if now.stage == Stage.ABOUT:
            sent = {"about": "before", "about_age": "adult"}
        elif now.stage == Stage.END:
            sent = {"about": "after", "about_vision": "good", "comment": "Nice."}
        elif now.stage == Stage.QUESTION:
            sent = {"trial": now.trial.position, "slot": 1}
        else:
            sent = {"go_on": f"{now.stage}-{now.trial.position}"}
        assert client.post(address, sent).status_code == 302
        assert len(seen) < 60
    # 8 pictures, 1 repeat, 1 obvious, 1 check, 8 ratings of word and object; breaks after 4, 8, 12, 16.
    assert seen.count(Stage.QUESTION) == 2 + 8 + 1 + 1 + 1 + 8
    assert seen.count(Stage.BREAK) == 4
    assert seen[0] == Stage.ABOUT
    assert seen[1:5] == [Stage.QUESTION, Stage.FEEDBACK] * 2
    assert seen[-1] == Stage.END
    participation.refresh_from_db()
    assert participation.finished_at is not None
    assert participation.about == {"before": {"age": "adult"}, "after": {"vision": "good"}}
    assert participation.comment == "Nice."
    assert participation.quality is not None
    roles = list(participation.trials.values_list("role", flat=True))
    assert roles[:2] == ["practice"] * 2
    assert [roles.count(r) for r in ("repeat", "gold", "attention", "main")] == [1, 1, 1, 16]
    # The practice and obvious pictures are the other sets'.
    for role, pictures in (("practice", study.practice_set), ("gold", study.gold_set)):
        for trial in participation.trials.filter(role=role).select_related("question__stimulus"):
            assert trial.question.stimulus.stimulus_set == pictures
            assert trial.question.purpose == role


def test_a_break_is_offered_once_and_a_second_click_skips_nothing(client: Client) -> None:
    participation = session.join(make_study(break_every=3), "en")
    for _n in range(3):
        session.record(step(participation).trial, 0)
    assert step(participation).stage == Stage.BREAK
    address = page_of(participation)
    # An answer is not taken while resting: the question has not been shown.
    client.post(address, {"trial": 4, "slot": 0})
    assert Answer.objects.count() == 3
    for _click in range(2):
        client.post(address, {"go_on": "break-4"})
    assert step(participation).stage == Stage.QUESTION
    for _n in range(3):
        session.record(step(participation).trial, 0)
    client.post(address, {"go_on": "break-4"})
    assert step(participation).stage == Stage.BREAK
    # None after the last question.
    client.post(address, {"go_on": "break-7"})
    for _n in range(2):
        session.record(step(participation).trial, 0)
    assert step(participation).stage == Stage.DONE


def test_feedback_shows_what_was_right_and_only_then(client: Client) -> None:
    study = make_study(practice=1, practice_set=make_ready_set(words=4, contents=1))
    participation = session.join(study, "en")
    trial = step(participation).trial
    assert trial.role == Trial.Role.PRACTICE
    before = client.get(page_of(participation))
    assert "right_slot" not in before.context
    wrong = (trial.target_slot + 1) % 4
    client.post(page_of(participation), {"trial": 1, "slot": wrong})
    shown = client.get(page_of(participation))
    assert shown.context["right_slot"] == trial.target_slot
    assert shown.context["chosen_slot"] == wrong
    client.post(page_of(participation), {"go_on": "feedback-1"})
    assert step(participation).trial.position == 2
    # Practice is neither counted nor in the report.
    assert Answer.objects.counted().count() == 0


@pytest.mark.parametrize("kind", ["picture", "word"])
def test_who_answers_the_usual_question_fails_an_attention_check(client: Client, kind) -> None:
    study = make_study(ask_picture=kind == "picture", ask_word=kind == "word", attention=2)
    participation = session.join(study, "en")
    while (now := step(participation)).trial.role != Trial.Role.ATTENTION:
        session.record(now.trial, 0)
    trial = now.trial
    page = client.get(page_of(participation))
    assert page.context["named_slot"] == trial.target_slot + 1
    words = [StylizedImage.objects.get(pk=pk).word for pk in trial.options]
    assert page.context["word"] in words
    usual = words.index(page.context["word"])
    assert usual != trial.target_slot
    if kind == "word":
        shown = client.get(reverse("survey:picture", args=[participation.token, trial.position, 0]))
        with StylizedImage.objects.get(pk=trial.options[usual]).file.open("rb") as stream:
            assert shown.content == stream.read()
    session.record(trial, usual)
    assert session.signals_of(participation).attention_failed == 1


def test_whoever_cannot_take_part_is_screened_out(client: Client) -> None:
    participation = session.join(make_study(demographics=[BEFORE]), "en")
    address = page_of(participation)
    page = client.post(address, {"about": "before", "about_age": ""})
    assert page.status_code == 422
    client.post(address, {"about": "before", "about_age": "child"})
    assert step(participation).stage == Stage.SCREENED_OUT
    assert client.get(address).status_code == 200
    client.post(address, {"trial": 1, "slot": 0})
    assert not Answer.objects.exists()
    # The form is not asked again, so nobody tries until it fits.
    client.post(address, {"about": "before", "about_age": "adult"})
    assert step(participation).stage == Stage.SCREENED_OUT


def test_withdrawing_keeps_or_deletes() -> None:
    study = make_study(ask_comment=True, demographics=[BEFORE])
    kept = session.join(study, "en", person="a", external={"pid": "A"})
    gone = session.join(study, "en", person="b", external={"pid": "B"})
    for participation in (kept, gone):
        session.tell(participation, "before", {"age": "adult"})
        session.record(step(participation).trial, 0)
    session.withdraw(kept, delete=False)
    session.withdraw(gone, delete=True)
    assert Answer.objects.get().trial.participation == kept
    gone.refresh_from_db()
    assert (gone.about, gone.comment, gone.external, gone.quality) == (None, "", {}, None)
    assert gone.trials.count() == 0
    assert step(kept).stage == step(gone).stage == Stage.WITHDRAWN
    # Later, all the same: whoever has left may still have the data deleted.
    session.withdraw(kept, delete=True)
    assert not Answer.objects.exists()
    # The person is known by the keyed hash, so that nobody takes part twice.
    assert session.join(study, "en", person="b") == gone


def test_an_answer_after_withdrawing_is_refused() -> None:
    participation = session.join(make_study(), "en")
    trial = step(participation).trial
    session.withdraw(participation, delete=False)
    with pytest.raises(session.Withdrawn):
        session.record(trial, 0)
    assert not Answer.objects.exists()


def test_a_server_killed_while_finishing_leaves_no_finish_without_signals(monkeypatch) -> None:
    participation = session.join(make_study(), "en")
    *others, last = participation.trials.order_by("position")
    for trial in others:
        session.record(trial, 0)

    def killed(_participation: Participation) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "signals_of", killed)
        with pytest.raises(KeyboardInterrupt):
            session.record(last, 0)
    participation.refresh_from_db()
    assert participation.finished_at is None
    # The answer is there; opening the page again finishes.
    assert step(participation).stage == Stage.DONE
    participation.refresh_from_db()
    assert participation.quality["flags"] is not None


def test_a_deletion_while_finishing_leaves_no_signals(monkeypatch) -> None:
    participation = session.join(make_study(), "en")
    *others, last = participation.trials.order_by("position")
    for trial in others:
        session.record(trial, 0)
    computed = session.signals_of

    def overtaken(given: Participation):
        found = computed(given)
        session.withdraw(Participation.objects.get(pk=given.pk), delete=True)
        return found

    monkeypatch.setattr(session, "signals_of", overtaken)
    session.record(last, 0)
    participation.refresh_from_db()
    assert participation.deleted_at is not None
    assert (participation.finished_at, participation.quality) == (None, None)


# --- what is recorded ---------------------------------------------------------------------------


def test_the_same_answer_sent_again_is_known_by_its_key() -> None:
    trial = step(session.join(make_study(), "en")).trial
    first = session.record(trial, 1, key="k1")
    again = session.record(Trial.objects.get(pk=trial.pk), 1, key="k1")
    other = session.record(Trial.objects.get(pk=trial.pk), 1, key="k2")
    assert [r.stored for r in (first, again, other)] == [True, True, False]
    assert Answer.objects.get().key == "k1"


@pytest.mark.parametrize(
    ("sent", "said", "slot"),
    [(("k1", 1), "stored", 1), (("k2", 2), "kept", 1), (("", 3), "kept", 1)],
)
def test_the_script_is_told_what_became_of_its_answer(client: Client, sent, said, slot) -> None:
    participation = session.join(make_study(), "en")
    session.record(step(participation).trial, 1, key="k1")
    response = client.post(
        page_of(participation),
        {"trial": 1, "key": sent[0], "slot": sent[1]},
        headers={"X-Quiz": "1"},
    )
    # The next question comes in the same answer.
    assert response.status_code == 200
    assert response.headers["X-Answer"] == said
    assert response.context["trial"].position == 2
    assert Answer.objects.get().slot == slot


def test_not_sure_only_where_the_study_allows_it(client: Client) -> None:
    for allowed in (True, False):
        participation = session.join(make_study(not_sure=allowed, ask_rating=True), "en")
        response = client.post(page_of(participation), {"trial": 1, "slot": "not_sure"})
        assert response.status_code == (302 if allowed else 422)
        assert Answer.objects.filter(trial__participation=participation).exists() == allowed
    # A rating has no "not sure".
    participation = Participation.objects.order_by("pk").first()
    trial = participation.trials.filter(question__kind=Question.Kind.RATING).first()
    assert trial.slots == 7
    with pytest.raises(ValueError, match="not sure"):
        session.record(trial, None)
    session.record(trial, 6)
    with pytest.raises(ValueError, match="from 0 to 6"):
        session.record(trial, 7)


def test_a_rating_is_asked_again_after_a_not_sure_that_its_page_does_not_have(client) -> None:
    study = make_study(not_sure=True, ask_picture=False, ask_rating=True)
    participation = session.join(study, "en")
    response = client.post(page_of(participation), {"trial": 1, "slot": "not_sure"})
    assert response.status_code == 422
    assert not Answer.objects.exists()


MEASURES = (
    '{"response_ms": 1234.5, "chosen_ms": 900, "onset": "painted", "input": "touch",'
    ' "focus_losses": 2, "viewport_width": 390, "device_pixel_ratio": 3, "attempts": 1,'
    ' "picture_width": 171.5, "name": "x"}'
)


def test_what_the_page_measured_is_stored(client: Client) -> None:
    participation = session.join(make_study(), "en")
    sent = {"trial": 1, "slot": 0, "key": "k", "measures": MEASURES, "webdriver": "true"}
    client.post(page_of(participation), sent)
    answer = Answer.objects.get()
    assert (answer.response_ms, answer.chosen_ms) == (1234.5, 900)
    assert (answer.onset, answer.input, answer.focus_losses) == ("painted", "touch", 2)
    assert answer.display == {
        "viewport_width": 390,
        "device_pixel_ratio": 3,
        "attempts": 1,
        "picture_width": 171.5,
        "language": "en",
    }
    participation.refresh_from_db()
    assert participation.webdriver


@pytest.mark.parametrize(
    "measures",
    [
        "",
        "{",
        "[]",
        "null",
        '{"response_ms": -5, "onset": "never", "input": ["x"], "viewport_width": 1e99}',
        '{"response_ms": NaN, "chosen_ms": Infinity, "onset": [], "focus_losses": NaN}',
        '{"response_ms": true, "focus_losses": true, "viewport_width": "390"}',
        '{"focus_losses": 9999999}' + " " * 3000,
        "[" * 1500,
    ],
)
def test_an_answer_is_stored_whatever_was_measured(client: Client, measures) -> None:
    participation = session.join(make_study(), "en")
    client.post(page_of(participation), {"trial": 1, "slot": 2, "measures": measures})
    answer = Answer.objects.get()
    assert (answer.slot, answer.response_ms, answer.onset, answer.display) == (
        *(2, None, ""),
        {"language": "en"},
    )


def test_half_a_form_is_refused() -> None:
    """A connection that breaks off: the server hands on a body shorter than announced."""
    participation = session.join(make_study(), "en")
    for body in (b"trial=1&slot=1&key=ab", b"trial=1&slot=1"):
        request = WSGIRequest(
            {
                "REQUEST_METHOD": "POST",
                "CONTENT_TYPE": "application/x-www-form-urlencoded",
                "CONTENT_LENGTH": "30",
                "wsgi.input": io.BytesIO(body),
            }
        )
        with pytest.raises(BadRequest, match="in part only"):
            views.participate(request, participation.token)
    assert not Answer.objects.exists()


# --- who is let in ------------------------------------------------------------------------------


def test_the_quota_counts_who_finished_or_is_at_it() -> None:
    study = make_study(quota=2)
    left = session.join(study, "en")
    session.join(study, "en", simulated=True)
    session.withdraw(left, delete=False)
    lost = session.join(study, "en")
    done = session.join(study, "en")
    answer_all(done)
    with pytest.raises(session.Full):
        session.join(study, "en")
    # One that was begun long ago and never finished makes room; a finished one does not.
    Participation.objects.filter(pk__in=[lost.pk, done.pk]).update(
        consented_at=timezone.now() - session.BELIEVED_RUNNING - timedelta(seconds=1)
    )
    session.join(study, "en")
    with pytest.raises(session.Full):
        session.join(study, "en")


def test_nobody_new_after_the_closing_date() -> None:
    study = make_study()
    known = session.join(study, "en", person="p")
    Study.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(session.NotOpen, match="until"):
        session.join(study, "en")
    assert session.join(study, "en", person="p") == known
    assert not Study.objects.listed().exists()


def test_a_person_takes_part_once() -> None:
    study, other = make_study(), make_study()
    first = session.join(study, "en", person="p")
    assert session.join(study, "ja", person="p") == first
    assert session.join(other, "ja", person="p") != first
    # Nobody in particular may come any number of times.
    assert session.join(study, "ja") != session.join(study, "ja")


def test_rows_of_the_latin_square_are_filled_up_again() -> None:
    study = make_study(order="latin")
    people = [session.join(study, "en") for _n in range(3)]
    assert [p.row for p in people] == [0, 1, 2]
    session.withdraw(people[1], delete=False)
    assert session.join(study, "en").row == 1
    assert session.join(study, "en").row == 3


def test_questions_are_spread_over_participants() -> None:
    study = make_study(questions_each=4)
    assert study.questions.count() == 8
    for _n in range(6):
        participation = session.join(study, "en")
        assert participation.trials.count() == 4
        answer_all(participation)
    asked = [Trial.objects.filter(question=q).count() for q in study.questions.all()]
    assert sum(asked) == 24
    assert max(asked) - min(asked) <= 1


def test_how_words_are_shown_is_settled_when_somebody_joins() -> None:
    study = make_study(word_display="language")
    assert session.join(study, "ja").word_display == "written"
    assert session.join(study, "en").word_display == "both"
    assert session.join(make_study(word_display="gloss"), "ja").word_display == "gloss"


def test_as_many_options_as_words() -> None:
    study = make_study(options=None)
    assert study.options == 4
    study.refresh_from_db()
    assert study.options == 4


def test_a_rating_shows_the_photograph(client: Client) -> None:
    study = make_study(ask_picture=False, ask_word=False, ask_rating=True)
    participation = session.join(study, "en")
    assert participation.trials.count() == 8
    address = reverse("survey:picture", args=[participation.token, 1, 0])
    response = client.get(address)
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.content[:2] == b"\xff\xd8"
    assert b"Exif" not in response.content
    missing = reverse("survey:picture", args=[participation.token, 1, 1])
    assert client.get(missing).status_code == 404
