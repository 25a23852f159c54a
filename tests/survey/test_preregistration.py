"""The text to register before anybody takes part: it says every setting of the study, and what is missing."""

import io
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from survey import session
from survey.lifecycle import open_study
from survey.markdown import render
from survey.models import Entrance, Order, Study
from survey.planning import Wanted, plan_numbers
from survey.preregistration import preregistration
from survey.stats.power import Plan
from tests.factories import StudyFactory, make_ready_set

pytestmark = pytest.mark.django_db

HEADINGS = [
    "Data collection so far",
    "Question and hypotheses",
    "Design",
    "How it is shown",
    "Measures",
    "Participants, sample size and stopping rule",
    "Exclusion",
    "Confirmatory analyses",
    "Secondary and exploratory analyses",
    "Anything else",
]


def make_study(**fields: Any) -> Study:
    return StudyFactory(
        stimulus_set=make_ready_set(5, 3), slug="five", title="Five words", **fields
    )


def section(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def missing(text: str) -> list[str]:
    return re.findall(r"\[to be decided: (.*?)\]", text)


def test_the_headings_are_those_of_a_registration() -> None:
    text = preregistration(make_study())
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert text.startswith("# Preregistration: Five words\n")


def test_what_the_study_leaves_open_is_to_be_decided() -> None:
    assert missing(preregistration(make_study())) == [
        "authors, affiliations and date",
        "hypotheses about single words, objects or recipes, with their direction",
        "where the address is given out",
        "sample size",
        "when collection ends",
        "smallest accuracy worth finding, and power",
        "rules by which participants are left out, or that there are none",
        "ethics approval, payment, anything else a reader should know",
    ]


def test_every_setting_is_said() -> None:
    study = make_study(
        options=3,
        questions_each=12,
        order=Order.LATIN,
        not_sure=True,
        ask_rating=True,
        rating_points=5,
        repeats=2,
        practice=4,
        gold=6,
        attention=7,
        break_every=9,
        demographics=[
            {"name": "age", "kind": "number", "label": {"en": "Age", "ja": "年齢"}},
            {
                "name": "sight",
                "kind": "choice",
                "when": "before",
                "label": {"en": "Eyesight"},
                "choices": [
                    {"value": "good", "label": {"en": "good"}},
                    {"value": "poor", "label": {"en": "poor"}, "screen_out": True},
                ],
            },
        ],
        ask_comment=True,
        word_display="both",
        display_px=320,
        one_tap=True,
        enlarge=False,
        language="ja",
        entrance=Entrance.PROLIFIC,
        quota=48,
        closes_at=datetime(2027, 3, 1, 3, 0, tzinfo=UTC),
    )
    text = preregistration(study)
    for said in (
        "is above chance (33.3 %)",
        "Each question has 3 options (m-alternative forced choice)",
        "Each participant gets 12 of the 30 questions",
        "Order: Latin square over participants.",
        "“Not sure” can be chosen, and counts as wrong.",
        "on 5 points",
        "with the right answer shown: 4.",
        "Questions asked twice, far apart, with other slots: 2.",
        "strewn among the others: 6.",
        "Attention checks (“please choose picture 3”): 7.",
        "after every 9 questions",
        "Asked about the participant: Age, Eyesight.",
        "Who may take part depends on the answers to: Eyesight.",
        "A comment in the participant's own words",
        "Words are shown: with reading and gloss.",
        "320 CSS px",
        "One tap answers.",
        "They cannot be enlarged.",
        "Language: Japanese.",
        "Participants join by Prolific.",
        "Sample size: 48 participants.",
        "Collection ends at the latest on 2027-03-01",
        "Share of repeated questions that were answered alike.",
        "rated suitability of word and object",
    ):
        assert said in text, said
    words = study.stimulus_set.words.order_by("pk").values_list("text", flat=True)
    assert f"Words (5): {', '.join(words)}." in text
    assert "Content photographs (3)" in text
    assert "Pictures: 15" in text
    assert "sample size" not in missing(text)
    assert "when collection ends" not in missing(text)


def test_settings_that_are_off_are_not_said() -> None:
    text = preregistration(make_study(ask_word=False))
    assert "Word → picture" in text
    for absent in ("Picture → word", "picture → word", "rating", "break", "Asked about"):
        assert absent not in text, absent
    assert "No practice, repeated or obvious questions, and no attention checks." in text
    assert "there is no “not sure”" in text
    assert "all 15 questions" in text


def test_a_study_of_ratings_has_no_power_to_decide() -> None:
    text = preregistration(make_study(ask_picture=False, ask_word=False, ask_rating=True))
    assert "binomial" not in text
    assert "power" not in text
    assert "analysis of the ratings" in missing(text)


def test_an_empty_draft_is_all_to_be_decided() -> None:
    study = make_study(options=None)
    study.stimulus_set.pictures.all().delete()
    for rows in (study.stimulus_set.words, study.stimulus_set.contents, study.stimulus_set.recipes):
        rows.clear()
    found = missing(preregistration(study))
    assert {"words", "content photographs", "recipe", "pictures", "number of options"} <= set(found)


def test_the_power_is_that_of_the_plan() -> None:
    study = make_study(quota=30)
    text = preregistration(study, plan_numbers(Plan(4, 23, 3, 1.5), Wanted(30, 0.45)))
    sample = section(text, "Participants, sample size and stopping rule")
    # .6499 of 60 effective answers: see test_power.py for the same number by SciPy.
    assert "true accuracy 45 % is found with probability .65" in sample
    assert "at level .05 / 23, design effect 1.5, thus 60 effective answers" in sample
    assert missing(sample) == ["where the address is given out"]
    other = preregistration(study, plan_numbers(Plan(4, 23, 3, 1.5), Wanted(40, 0.45)))
    assert "this power is for 40 participants, the study lets in 30" in missing(other)


def test_data_that_exist_are_said() -> None:
    study = open_study(make_study())
    assert "No data have been collected" in preregistration(study)
    session.join(study, "en", simulated=True)
    assert "No data have been collected" in preregistration(study)
    session.join(study, "en")
    assert "1 person has begun this study already; data exist." in preregistration(study)


def test_rules_of_exclusion_are_said() -> None:
    study = make_study()
    study.exclusions = [{"rule": "gold_failed", "more_than": 0.34}]
    text = section(preregistration(study), "Exclusion")
    assert "More than 34 % of the obvious questions were answered wrongly." in text
    assert "with and without those who are left out" in text
    assert missing(text) == []


def test_names_stay_what_they_are() -> None:
    study = make_study()
    word = study.stimulus_set.words.order_by("pk").first()
    word.text = "*ふさ*_ふさ_ <b> [a](b)"
    word.save()
    html = render(preregistration(study))
    assert "*ふさ*_ふさ_ &lt;b&gt; [a](b)" in html


# --- the command ------------------------------------------------------------------------------------


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("preregister", *args, stdout=out)
    return out.getvalue()


def test_the_command_prints_the_text() -> None:
    study = make_study(quota=30)
    assert run("five") == preregistration(study)
    text = run("five", "--accuracy=0.5", "--design-effect=1")
    assert "true accuracy 50 % is found with probability" in text
    assert "smallest accuracy worth finding, and power" not in missing(text)
    with translation.override("ja"):
        assert run("five", "--language=ja") == preregistration(study)


def test_the_command_says_what_is_wrong() -> None:
    make_study()
    with pytest.raises(CommandError, match="above chance"):
        run("five", "--accuracy=0.1")
    with pytest.raises(CommandError, match="There is no study 'four'"):
        run("four")
