"""Another language is a catalogue and a line in the settings."""

import pytest
from django.utils import translation

from survey import session
from survey.lifecycle import open_study
from survey.models import Study, StudyText
from tests.factories import StudyFactory, make_ready_set

pytestmark = pytest.mark.django_db


def test_a_third_language(client, settings):
    settings.LANGUAGES = [*settings.LANGUAGES, ("fr", "French")]
    study = open_study(
        StudyFactory(stimulus_set=make_ready_set(words=4, contents=1), word_display="language")
    )
    StudyText.objects.create(
        study=study, language="fr", title="Des mots", instructions="Choisissez."
    )
    text = client.get(f"/s/{study.slug}/", headers={"Accept-Language": "fr"}).content.decode()
    assert '<html lang="fr">' in text
    assert ">français</button>" in text
    assert "Des mots" in text
    assert "Choisissez." in text
    with translation.override("fr"):
        # What no catalogue has yet is said in English.
        assert session.join(study, "fr").word_display == "both"
    assert StudyText(study=study, language="fr").clean_fields() is None
    assert ("fr", "French") in Study._meta.get_field("language").flatchoices


def test_both_languages_are_offered_by_their_own_names(client):
    text = client.get("/").content.decode()
    assert ">日本語</button>" in text
    assert ">English</button>" in text
