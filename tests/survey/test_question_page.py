"""What a page between joining and thanks is made of, without a browser."""

import re
from pathlib import Path

import pytest
from django import forms
from django.template.loader import render_to_string
from django.urls import reverse

from survey import session
from survey.forms import DISPLAY, CommentForm
from survey.lifecycle import open_study
from survey.models import Answer
from tests.factories import StudyFactory, make_ready_set

pytestmark = pytest.mark.django_db

SCRIPTS = Path(__file__).parents[2] / "survey/static/survey"


@pytest.fixture
def participation():
    study = open_study(
        StudyFactory(stimulus_set=make_ready_set(words=4, contents=1), not_sure=True)
    )
    return session.join(study, "en")


def page(client, participation):
    url = reverse("survey:participate", args=[participation.token])
    return client.get(url).content.decode()


def test_nothing_inline_and_nothing_from_elsewhere(client, participation):
    for _ in range(8):
        text = page(client, participation)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)", text)
        addresses = re.findall(r'(?:src|href|action)="([^"]*)"', text)
        assert addresses
        assert all(a.startswith(("/", "#")) and not a.startswith("//") for a in addresses)
        session.record(session.current_trial(participation), 0)


def test_the_script_names_what_the_server_stores():
    script = (SCRIPTS / "quiz.js").read_text(encoding="utf-8")
    for name in (*DISPLAY, "response_ms", "chosen_ms", "onset", "input"):
        assert re.search(rf"\b{name}:", script), name
    pictures = (SCRIPTS / "pictures.js").read_text(encoding="utf-8")
    assert all(f'"{kind}"' in script + pictures for kind in Answer.Onset.values)


def test_right_and_wrong_options_are_written_alike(client, participation):
    """But for numbers, every option of a question is the same text."""
    for _ in range(8):
        trial = session.current_trial(participation)
        text = page(client, participation)
        if trial.question.kind == "picture":
            options = re.findall(r'<div class="option">.*?</div>', text, re.DOTALL)
            shapes = {re.sub(r"\d+", "n", re.sub(r"/p/[^/]+/", "", o)) for o in options}
            assert len(options) == 4
            assert len(shapes) == 1
        session.record(trial, 0)


class AnyForm(forms.Form):
    """One field of each sort."""

    about_age = forms.IntegerField(label="Age", help_text="In years.")
    about_hand = forms.ChoiceField(
        label="Hand", choices=[("l", "left"), ("r", "right")], widget=forms.RadioSelect
    )
    about_land = forms.ChoiceField(label="Land", choices=[("", "–"), ("jp", "Japan")])
    about_work = forms.CharField(label="Work", required=False)
    about_eyes = forms.BooleanField(label="I see well")


def about_page(rf, participation, data=None):
    return render_to_string(
        "survey/about.html",
        {
            "about_form": AnyForm(data),
            "comment": CommentForm(data),
            "asks_comment": True,
            "when": "after",
            "participation": participation,
            "study": participation.study,
        },
        request=rf.get("/"),
    )


def test_questions_about_the_participant(rf, participation):
    text = about_page(rf, participation)
    assert '<input type="hidden" name="about" value="after">' in text
    assert '<label for="id_about_age">Age</label>' in text
    assert re.search(r"<legend>Hand\s*</legend>", text)
    assert re.search(r"Work <span class=\"quiet\">\(optional\)</span>", text)
    assert "<textarea" in text
    assert 'role="alert"' not in text


def test_errors_stand_with_their_fields(rf, participation):
    text = about_page(rf, participation, {"about_age": "x", "about_work": "y"})
    assert text.count('role="alert"') == 1
    for name in ("age", "land", "eyes", "hand"):
        assert f'id="id_about_{name}_error"' in text
        assert re.search(rf'aria-describedby="[^"]*id_about_{name}_error', text)
    assert 'id="id_about_work_error"' not in text
