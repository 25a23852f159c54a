import pytest
from django.core.management import CommandError, call_command

from survey.lifecycle import close_study, open_study
from survey.management.commands.simulate_raters import StepPage
from survey.models import Answer, Participation
from tests.factories import StudyFactory, make_ready_set


@pytest.fixture
def study(db):
    stimulus_set = make_ready_set(words=4, contents=2)
    return open_study(StudyFactory(slug="sim", stimulus_set=stimulus_set))


def run(raters="3", skill="0.5", seed="1", study="sim"):
    call_command("simulate_raters", study, "--raters", raters, "--skill", skill, "--seed", seed)


def correct():
    return sum(Answer.objects.with_correct().values_list("correct", flat=True))


def answers():
    rows = Answer.objects.order_by("trial__participation_id", "trial__position")
    return list(rows.values_list("trial__question", "trial__options", "slot"))


def test_who_knows_all_is_always_right_and_marked(study, capsys):
    run(raters="2", skill="1")
    assert Participation.objects.filter(simulated=True, finished_at__isnull=False).count() == 2
    assert not Participation.objects.real().exists()
    assert correct() == Answer.objects.count() == 32
    out = capsys.readouterr()
    assert "2 simulated raters gave 32 answers" in out.out
    assert "2/2" in out.err


@pytest.mark.parametrize("skill", [0.0, 0.5])
def test_accuracy_is_skill_plus_luck(study, skill):
    run(raters="20", skill=str(skill))
    expected = skill + (1 - skill) / 4
    # 320 answers: four standard deviations are at most 0.112.
    assert abs(correct() / Answer.objects.count() - expected) < 0.112


def test_the_seed_decides(study):
    run(seed="3")
    first = answers()
    run(seed="3")
    assert answers() == first * 2
    run(seed="4")
    assert answers()[2 * len(first) :] != first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"study": "nothing"}, "no study 'nothing'. Studies: sim"),
        ({"skill": "1.5"}, "from 0 to 1, got '1.5'"),
        ({"skill": "nan"}, "from 0 to 1, got 'nan'"),
        ({"skill": "much"}, "from 0 to 1, got 'much'"),
        ({"raters": "0"}, "at least 1, got '0'"),
    ],
)
def test_bad_arguments(study, arguments, message):
    with pytest.raises(CommandError, match=message):
        run(**arguments)
    assert not Participation.objects.exists()


def test_a_study_that_is_not_open(study):
    close_study(study)
    with pytest.raises(CommandError, match="not open but closed"):
        run()


def test_reading_a_page():
    page = StepPage(
        '<form><input name="trial" value="7"><input type=radio name=slot value=0>'
        '<input type=radio name=slot value="1"></form>'
    )
    assert (page.trial, page.slots) == (7, ["0", "1"])
    assert StepPage("<p>thanks</p>").trial is None


@pytest.mark.django_db
def test_required_fields_about_the_participant_are_filled_in():
    required = {"required": True, "when": "before"}
    choices = [
        {"value": "no", "label": {"en": "No"}, "screen_out": True},
        {"value": "yes", "label": {"en": "Yes"}},
    ]
    fields = [
        {
            "name": "adult",
            "kind": "choice",
            "label": {"en": "Adult"},
            "choices": choices,
            **required,
        },
        {"name": "age", "kind": "number", "label": {"en": "Age"}, "min": 18, **required},
        {"name": "job", "kind": "text", "label": {"en": "Job"}, "required": True},
    ]
    study = open_study(
        StudyFactory(
            stimulus_set=make_ready_set(words=4, contents=1), demographics=fields, break_every=3
        )
    )
    call_command("simulate_raters", study.slug, "--raters", "2", "--skill", "1")
    people = Participation.objects.filter(study=study)
    assert people.exclude(finished_at=None).count() == 2
    assert people[0].about == {"before": {"adult": "yes", "age": 18}, "after": {"job": "simulated"}}
