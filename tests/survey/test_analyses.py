"""When numbers are computed, kept, and computed anew."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from generation.models import State, Word
from stylestudy import leases
from survey import analyses, jobs
from survey.jobs import Filters
from survey.models import Analysis, Answer, Participation, Study, Trial
from survey.tables import TablesError
from tests.survey.report_case import Case, build_case

pytestmark = pytest.mark.django_db

PEOPLE = Filters()
SUMMARY, DETAILS = Analysis.Part.SUMMARY, Analysis.Part.DETAILS


@pytest.fixture
def case() -> Case:
    return build_case()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> list[Any]:
    messages: list[Any] = []
    monkeypatch.setattr(
        leases.current_app, "send_task", lambda name, args: messages.append((name, args[0]))
    )
    monkeypatch.setattr(leases.transaction, "on_commit", lambda do: do())
    return messages


def one_more_answer(case: Case) -> Answer:
    """The second rater sees once more what was right before."""
    trial = Trial.objects.filter(answer__slot__isnull=False).order_by("pk").first()
    again = Trial.objects.create(
        participation=Participation.objects.create(study=case.study, language="en"),
        question=trial.question,
        position=50,
        options=trial.options,
        target_slot=trial.target_slot,
    )
    return Answer.objects.create(trial=again, slot=trial.target_slot)


def test_a_small_summary_is_there_at_once(case: Case, sent: list[Any]) -> None:
    row = jobs.refresh(case.study, SUMMARY, PEOPLE)
    assert (row.state, row.answers, sent) == (State.DONE, 4, [])
    assert row.result["kept"]["people"] == {"raters": 2, "finished": 1, "simulated": 0}
    assert jobs.is_current(row)


def test_details_are_left_to_a_worker(case: Case, sent: list[Any]) -> None:
    row = jobs.refresh(case.study, DETAILS, PEOPLE)
    assert (row.state, row.result) == (State.QUEUED, None)
    assert sent == [(jobs.ANALYZE_TASK, row.pk)]
    # Asked again, the message is not sent twice.
    jobs.refresh(case.study, DETAILS, PEOPLE)
    assert len(sent) == 1
    assert analyses.analyze_row(row.pk)
    row.refresh_from_db()
    assert row.state == State.DONE
    assert set(row.result["kept"]) >= {"causes", "confusions", "times", "agreement", "raters"}
    # Nobody computes what is done.
    assert not analyses.analyze_row(row.pk)


def test_a_large_summary_is_left_to_a_worker_too(
    case: Case, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AT_ONCE", 3)
    row = jobs.refresh(case.study, SUMMARY, PEOPLE)
    assert (row.state, sent) == (State.QUEUED, [(jobs.ANALYZE_TASK, row.pk)])


def test_a_new_answer_is_counted_the_next_time(case: Case, sent: list[Any]) -> None:
    jobs.refresh(case.study, SUMMARY, PEOPLE)
    one_more_answer(case)
    row = jobs.refresh(case.study, SUMMARY, PEOPLE)
    assert row.answers == 5
    version = row.version
    assert jobs.refresh(case.study, SUMMARY, PEOPLE).version == version


def test_what_is_current_is_not_computed_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.refresh(case.study, SUMMARY, PEOPLE)
    monkeypatch.setattr(analyses, "study_data", None)
    assert jobs.refresh(case.study, SUMMARY, PEOPLE).state == State.DONE


def test_details_rest_between_two_times(case: Case, sent: list[Any]) -> None:
    row = jobs.refresh(case.study, DETAILS, PEOPLE)
    analyses.analyze_row(row.pk)
    one_more_answer(case)
    assert jobs.refresh(case.study, DETAILS, PEOPLE).state == State.DONE, "just now computed"
    long_ago = timezone.now() - jobs.PAUSE - timedelta(hours=1)
    Analysis.objects.filter(pk=row.pk).update(as_of=long_ago)
    row = jobs.refresh(case.study, DETAILS, PEOPLE)
    assert row.state == State.QUEUED
    assert len(sent) == 2
    assert row.answers == 4, "the old numbers stay while new ones are made"
    assert row.result is not None


@pytest.mark.parametrize("how", ["answer below", "deletion", "rules", "code", "measure", "name"])
def test_versions_tell(case: Case, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = jobs.data_version(case.study)
    newest = int(before.partition("-")[0])
    assert jobs.data_version(case.study, newest) == before
    if how == "answer below":
        # On PostgreSQL a transaction may bring in a lower number later.
        answer = one_more_answer(case)
        Answer.objects.filter(pk=answer.pk).update(id=newest - 100)
    elif how == "deletion":
        some = Participation.objects.filter(study=case.study).first()
        Participation.objects.filter(pk=some.pk).update(deleted_at=timezone.now())
    elif how == "measure":
        type(case.pictures[0]).objects.filter(pk=case.pictures[0].pk).update(style_distance=0.5)
    elif how == "name":
        Word.objects.filter(pk=case.pictures[0].word_id).update(text="another")
    elif how == "rules":
        case.study.exclusions = [{"rule": "unfinished"}]
    else:
        monkeypatch.setattr(jobs, "code_version", lambda: "another")
    assert jobs.data_version(case.study, newest) != before


def test_another_study_changes_nothing(case: Case) -> None:
    row = jobs.refresh(case.study, SUMMARY, PEOPLE)
    other = Study.objects.create(slug="other", title="o", stimulus_set=case.study.stimulus_set)
    trial = Trial.objects.order_by("pk").first()
    elsewhere = Trial.objects.create(
        participation=Participation.objects.create(study=other, language="ja"),
        question=trial.question,
        position=0,
        options=trial.options,
        target_slot=0,
    )
    Answer.objects.create(trial=elsewhere, slot=0)
    assert jobs.is_current(row)


def test_exclusion_rules_give_both_numbers(case: Case) -> None:
    case.study.exclusions = [{"rule": "unfinished"}]
    case.study.save()
    result = jobs.refresh(case.study, SUMMARY, PEOPLE).result
    assert result["kept"]["people"]["raters"] == 1
    assert result["everyone"]["people"]["raters"] == 2


def test_filters_are_apart(case: Case) -> None:
    one_more_answer(case)
    assert jobs.refresh(case.study, SUMMARY, Filters(language="en")).answers == 1
    assert jobs.refresh(case.study, SUMMARY, Filters(simulated=True)).answers == 6
    recipe = case.pictures[0].recipe.name
    assert jobs.refresh(case.study, SUMMARY, Filters(recipe=recipe)).answers == 5
    assert Analysis.objects.count() == 3
    assert Filters.of(Filters(recipe='毛 "a"').key) == Filters(recipe='毛 "a"')


def test_a_failure_is_told_and_tried_again(
    case: Case, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise TablesError("a picture is gone")

    with monkeypatch.context() as patch:
        patch.setattr(analyses, "study_data", broken)
        row = jobs.refresh(case.study, SUMMARY, PEOPLE)
    assert (row.state, row.error) == (State.FAILED, "a picture is gone")
    # Not again and again by itself.
    assert jobs.refresh(case.study, SUMMARY, PEOPLE).state == State.FAILED
    jobs.try_again(row)
    assert sent == [(jobs.ANALYZE_TASK, row.pk)]


def test_what_failed_long_ago_is_tried_again(case: Case, sent: list[Any]) -> None:
    row = jobs.refresh(case.study, SUMMARY, PEOPLE)
    failed = Analysis.objects.filter(pk=row.pk)
    failed.update(state=State.FAILED, finished_at=timezone.now(), error="locked", version="old")
    assert jobs.refresh(case.study, SUMMARY, PEOPLE).state == State.FAILED
    failed.update(finished_at=timezone.now() - jobs.AGAIN - timedelta(seconds=1))
    assert jobs.refresh(case.study, SUMMARY, PEOPLE).state == State.DONE


def test_a_filtered_summary_of_many_answers_rests_too(
    case: Case, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_more_answer(case)
    row = jobs.refresh(case.study, SUMMARY, Filters(language="en"))
    assert row.answers == 1
    monkeypatch.setattr(jobs, "AT_ONCE", 2)
    one_more_answer(case)
    row = jobs.refresh(case.study, SUMMARY, Filters(language="en"))
    assert (row.state, row.answers, sent) == (State.DONE, 1, [])


def test_a_deletion_while_numbers_are_made_begins_anew(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = analyses.study_data

    def overtaken(*arguments: Any) -> Any:
        Analysis.objects.all().delete()
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(analyses, "study_data", overtaken)
        row = jobs.refresh(case.study, SUMMARY, PEOPLE)
    assert (row.state, row.result) == (State.QUEUED, None)
    assert jobs.refresh(case.study, SUMMARY, PEOPLE).answers == 4


def test_what_a_killed_worker_held_goes_back(case: Case, sent: list[Any]) -> None:
    row = jobs.refresh(case.study, DETAILS, PEOPLE)
    dead = f"{leases.owner_name().rpartition('/')[0]}/999999999-1"
    assert Analysis.objects.claim(row.pk, dead)
    jobs.reconcile()
    row.refresh_from_db()
    assert row.state == State.QUEUED
    assert sent == [(jobs.ANALYZE_TASK, row.pk)] * 2
