"""Studies in the admin: made from a ready set, opened, closed, fixed once opened."""

from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from generation.models import StimulusSet
from survey import lifecycle, session
from survey.lifecycle import open_study
from survey.models import Answer, Participation, Question, Study, Trial
from survey.report import build_report
from tests.factories import StimulusSetFactory, StudyFactory, make_ready_set
from tests.survey.report_case import build_case

pytestmark = [
    pytest.mark.django_db,
    # Static files are collected at install, not for tests.
    pytest.mark.filterwarnings("ignore:No directory at:UserWarning"),
]

NO_TEXTS = {"texts-TOTAL_FORMS": "0", "texts-INITIAL_FORMS": "0"}
# What a form of the admin sends of the fields that nobody has changed.
DEFAULTS = {
    name: Study._meta.get_field(name).get_default()
    for name in (
        *("rating_points", "order", "repeats", "practice", "gold", "attention", "break_every"),
        *("word_display", "display_px", "entrance"),
    )
}
MODELS = [m for m in admin.site._registry if m._meta.app_label == "survey"]


@pytest.fixture
def study() -> Study:
    return StudyFactory()


def answered(study: Study) -> Answer:
    picture = study.stimulus_set.pictures.first()
    question = Question.objects.create(study=study, kind="picture", stimulus=picture)
    person = Participation.objects.create(study=study, language="ja")
    trial = Trial.objects.create(
        participation=person, question=question, position=1, options=[picture.pk], target_slot=0
    )
    return Answer.objects.create(trial=trial, slot=0)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_page_opens(admin_client: Client, study: Study, model: Any) -> None:
    answer = answered(study)
    name = f"admin:survey_{model._meta.model_name}"
    assert admin_client.get(reverse(f"{name}_changelist")).status_code == 200
    for row in model.objects.all():
        page = admin_client.get(reverse(f"{name}_change", args=[row.pk]))
        assert page.status_code == 200
        assert answer.trial.participation.token not in page.content.decode()


def test_raters_are_counted_as_in_the_report(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    """People with an answer: of the case's four participations two (see there)."""
    case, empty = build_case(), StudyFactory()
    Participation.objects.create(study=empty, language="ja")
    Participation.objects.create(study=empty, language="ja", simulated=True)
    address = reverse("admin:survey_study_changelist")
    with django_assert_max_num_queries(12):
        page = admin_client.get(address, {"o": "5"})
    model_admin = page.context["cl"].model_admin
    counted = [(s.slug, model_admin.raters(s)) for s in page.context["cl"].result_list]
    assert counted == [(empty.slug, 0), ("small", 2)]
    assert build_report(case.study).raters == 2
    assert build_report(empty).raters == 0


def form(study: Study, **more: Any) -> dict[str, Any]:
    return {
        "title": study.title,
        "slug": study.slug,
        "stimulus_set": study.stimulus_set_id,
        "ask_picture": "on",
        "options": study.options,
        **DEFAULTS,
        **NO_TEXTS,
        **more,
    }


def test_a_study_is_made_from_a_ready_set_only(admin_client: Client) -> None:
    ready, draft = make_ready_set(), StimulusSetFactory()
    url = reverse("admin:survey_study_add")
    base = {"title": "T", "slug": "t", "ask_word": "on", "options": 3, **DEFAULTS, **NO_TEXTS}
    admin_client.post(url, {**base, "stimulus_set": draft.pk})
    assert not Study.objects.exists()
    admin_client.post(url, {**base, "stimulus_set": ready.pk})
    assert Study.objects.get().stimulus_set == ready


def test_open_then_fixed_then_close(admin_client: Client, study: Study) -> None:
    url = reverse("admin:survey_study_change", args=[study.pk])
    assert 'name="_open_study"' in admin_client.get(url).content.decode()
    admin_client.post(url, form(study, _open_study="1"))
    study.refresh_from_db()
    assert study.status == Study.Status.OPEN
    assert study.questions.exists()
    text = admin_client.get(url).content.decode()
    assert 'name="_close_study"' in text
    assert 'name="options"' not in text
    admin_client.post(url, form(study, title="New", options=2, slug="other", _close_study="1"))
    changed = Study.objects.get()
    assert (changed.title, changed.options, changed.slug) == ("New", study.options, study.slug)
    assert changed.status == Study.Status.CLOSED


def test_why_it_does_not_open_is_said(
    admin_client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(study: Study) -> None:
        raise ValidationError("Too few <words>.")

    monkeypatch.setattr(lifecycle, "open_study", refuse)
    url = reverse("admin:survey_study_change", args=[study.pk])
    page = admin_client.post(url, form(study, _open_study="1"), follow=True)
    assert "Too few &lt;words&gt;." in page.content.decode()


def test_a_study_keeps_a_set_that_is_made_again(admin_client: Client, study: Study) -> None:
    StimulusSet.objects.update(status=StimulusSet.Status.MAKING)
    url = reverse("admin:survey_study_change", args=[study.pk])
    admin_client.post(url, form(study, title="Renamed"))
    assert Study.objects.get().title == "Renamed"


def test_an_answered_study_is_protected(admin_client: Client, study: Study) -> None:
    answered(study)
    url = reverse("admin:survey_study_delete", args=[study.pk])
    for page in (admin_client.get(url), admin_client.post(url, {"post": "yes"})):
        assert page.status_code == 200
    assert Study.objects.exists()


def test_signals_of_a_participant_are_shown(admin_client: Client) -> None:
    study = open_study(StudyFactory(stimulus_set=make_ready_set(words=4, contents=2)))
    participation = session.join(study, "en")
    # Always the same place, at once.
    for trial in participation.trials.all():
        session.record(trial, 0, measures=session.Measures(response_ms=150.0, onset="painted"))
    participation.refresh_from_db()
    assert set(participation.quality["flags"]) >= {"fast", "hasty"}
    changelist = admin_client.get(reverse("admin:survey_participation_changelist"))
    assert "fast answers" in changelist.content.decode()
    url = reverse("admin:survey_participation_change", args=[participation.pk])
    text = admin_client.get(url).content.decode()
    assert "Many answers came too fast" in text
    assert "16 / 16" in text
    assert "nobody is left out" in text
    assert participation.token not in text
    # Nothing is left out of the report.
    assert build_report(study).answers == 16
