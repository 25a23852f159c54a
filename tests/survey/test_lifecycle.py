import pytest
from django.core.exceptions import ValidationError

from generation.models import StimulusSet
from survey.lifecycle import close_study, open_study
from survey.models import Question, Study
from tests.factories import StudyFactory, WordFactory, make_ready_set

pytestmark = pytest.mark.django_db


def test_opening_makes_a_question_a_picture_and_kind_once():
    study = StudyFactory()
    assert open_study(study) is study
    open_study(study)
    assert study.status == Study.Status.OPEN
    assert study.opened_at is not None
    assert study.questions.count() == 2 * 5 * 3
    assert study.questions.filter(kind=Question.Kind.CHOOSE_WORD).count() == 15
    study.refresh_from_db()
    assert study.status == Study.Status.OPEN


def test_one_kind_only():
    study = open_study(StudyFactory(ask_word=False))
    assert set(study.questions.values_list("kind", flat=True)) == {"picture"}


def test_closing_and_opening_again():
    study = open_study(StudyFactory())
    opened = study.opened_at
    close_study(close_study(study))
    assert (study.status, study.closed_at is None) == (Study.Status.CLOSED, False)
    open_study(study)
    assert (study.status, study.closed_at, study.opened_at) == ("open", None, opened)
    assert study.questions.count() == 30


def test_a_word_taken_out_of_the_set_is_not_asked_about():
    study = StudyFactory(stimulus_set=make_ready_set(words=5, contents=1))
    gone = study.stimulus_set.words.first()
    study.stimulus_set.words.remove(gone)
    open_study(study)
    assert study.questions.count() == 8
    assert not study.questions.filter(stimulus__word=gone).exists()


def test_opened_again_it_asks_what_it_asked_before():
    study = open_study(StudyFactory())
    close_study(study)
    study.stimulus_set.words.add(WordFactory())
    open_study(study)
    assert study.questions.count() == 30


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("not ready", "not_ready"),
        ("a word without pictures", "not_ready"),
        ("few words", "too_few_words"),
        ("no picture", "no_pictures"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_stored(change, code):
    study = StudyFactory(stimulus_set=make_ready_set(words=3))
    if change == "not ready":
        StimulusSet.objects.update(status=StimulusSet.Status.DRAFT)
    elif change == "a word without pictures":
        study.stimulus_set.words.add(WordFactory())
    elif change == "no picture":
        study.stimulus_set.words.clear()
    with pytest.raises(ValidationError) as caught:
        open_study(Study.objects.get())
    assert caught.value.code == code
    assert str(caught.value.messages[0])
    assert not Question.objects.exists()
    assert Study.objects.get().status == Study.Status.DRAFT


def test_a_draft_cannot_be_closed():
    with pytest.raises(ValidationError, match="not been opened"):
        close_study(StudyFactory())
