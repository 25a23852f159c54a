import io
import json

import pytest
from django.core.management import CommandError, call_command

from survey.lifecycle import open_study
from survey.stats.power import Plan, needed_raters, power
from tests.factories import StudyFactory, make_ready_set

FIRST_STUDY = ["--options=4", "--words=23", "--contents=3", "--accuracy=0.45", "--raters=9"]


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("power", *args, stdout=out)
    return out.getvalue()


def numbers(*args: str) -> dict:
    return json.loads(run(*args, "--format=json"))


def test_the_table_and_the_sentences_say_the_numbers():
    text = run(*FIRST_STUDY, "--design-effect=1.5")
    plan = Plan(4, 23, 3, 1.5)
    assert needed_raters(plan, 0.45, 0.8) == 41
    assert "23 words, 4 options (chance 25 %), 3 answers of each rater" in text
    rows = [line.split() for line in text.splitlines()]
    # Of 27 answers, 18 effective ones; 11 right are needed (SciPy's binomial, by hand: see test_power.py).
    assert next(row for row in rows if row[:1] == ["9"])[:4] == ["9", "27", "18", "11"]
    assert f"{power(plan, 9, 0.45):.3f}" == "0.128"
    assert "With 9 raters, a word that people recognise 45 % of the time is found with" in text
    assert "probability .13." in text
    assert "Probability .80 takes 41 raters" in text
    assert "counts all 27" in text


def test_json_has_the_same_numbers():
    found = numbers(*FIRST_STUDY, "--correlation=0.25", "--power=0.9")
    assert found["design_effect"] == 1.5
    assert found["power"] == power(Plan(4, 23, 3, 1.5), 9, 0.45)
    assert found["needed"] == {
        "power": 0.9,
        "raters": needed_raters(Plan(4, 23, 3, 1.5), 0.45, 0.9),
    }
    assert {row["raters"] for row in found["curve"]} >= {1, 9, found["needed"]["raters"]}


def test_skill_stands_for_accuracy():
    # 0.2 known and a quarter of the rest guessed.
    assert numbers(*FIRST_STUDY[:3], "--skill=0.2")["accuracy"] == pytest.approx(0.4)


def test_fewer_questions_make_fewer_answers_a_word():
    assert numbers(*FIRST_STUDY, "--directions=2")["answers_each"] == 6
    assert numbers(*FIRST_STUDY, "--questions-each=46")["answers_each"] == 2
    assert numbers(*FIRST_STUDY, "--questions-each=900")["answers_each"] == 3


@pytest.mark.django_db
def test_a_study_says_what_is_asked():
    study = StudyFactory(stimulus_set=make_ready_set(5, 3), slug="five", quota=12, options=3)
    found = numbers("--study=five")
    assert (found["options"], found["words"], found["answers_each"]) == (3, 5, 6)
    assert found["raters"] == 12
    # Two answers of six correlate by .1 unless said otherwise: 1 + 5 × .1.
    assert found["design_effect"] == pytest.approx(1.5)
    assert numbers("--study=five", "--directions=1")["answers_each"] == 3
    assert numbers("--study=five", "--raters=40", "--words=8")["words"] == 8
    study.questions_each = 10
    study.save()
    assert numbers("--study=five")["answers_each"] == 2
    # Opened, it is its questions that count.
    open_study(study)
    study.stimulus_set.words.remove(study.stimulus_set.words.first())
    assert numbers("--study=five")["words"] == 5


@pytest.mark.django_db
def test_a_study_whose_pictures_are_to_be_made_counts_what_will_be_there():
    made = make_ready_set(4, 2)
    made.pictures.all().delete()
    StudyFactory(stimulus_set=made, slug="early", options=None, ask_word=False)
    found = numbers("--study=early")
    assert (found["options"], found["words"], found["answers_each"]) == (4, 4, 2)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--words=23"], "give --options, --words and --contents, or a --study"),
        ([*FIRST_STUDY, "--accuracy=0.2"], r"accuracy above chance \(0.25"),
        ([*FIRST_STUDY, "--raters=0"], "raters from 1; came 0"),
        ([*FIRST_STUDY, "--raters=20000000"], "raters from 0 to 1000000; came 20000000"),
        ([*FIRST_STUDY, "--design-effect=0.5"], "design effect from 1"),
        ([*FIRST_STUDY, "--power=1.5"], "power between 0 and 1"),
        ([*FIRST_STUDY, "--half-width=0"], "half width from"),
        ([*FIRST_STUDY, "--raters=900000"], "answers about a word from 0 to 100000"),
        ([*FIRST_STUDY, "--alpha=nan"], "alpha between 0 and 1"),
        ([*FIRST_STUDY, "--contents=-3"], "answers of a rater"),
        (["--options=1", *FIRST_STUDY[1:]], "options of a question from 2"),
        ([*FIRST_STUDY, "--correlation=2"], "correlation from 0 to 1"),
    ],
)
def test_bad_input_says_what_was_expected(args, message):
    with pytest.raises(CommandError, match=message):
        run(*args)


@pytest.mark.django_db
def test_a_study_that_asks_for_no_choice_has_nothing_to_plan():
    study = StudyFactory(
        stimulus_set=make_ready_set(3, 1), ask_picture=False, ask_word=False, ask_rating=True
    )
    with pytest.raises(CommandError, match="questions to choose in"):
        run(f"--study={study.slug}")
    with pytest.raises(CommandError, match="There is no study 'none'"):
        run("--study=none")
