"""What the page of a set shows of its words' stages."""

import pytest

from generation.models import Job, State, StimulusSet
from generation.set_state import SetState, set_state
from tests.factories import StimulusSetFactory, WordFactory

pytestmark = pytest.mark.django_db


def stages(*runs: tuple[str, str]) -> tuple[SetState, list[tuple[str, str]]]:
    """Of a word that is collected from Openverse, after runs of (source, state)."""
    word = WordFactory(source="openverse")
    stimulus_set = StimulusSetFactory(status=StimulusSet.Status.READY)
    stimulus_set.words.add(word)
    for source, state in runs:
        Job.objects.create(
            kind=Job.Kind.COLLECT, word=word, source=source, state=state, error=f"{source} is down"
        )
    found = set_state(stimulus_set)
    return found, [(job.source, job.state) for job in found.rows[0].stages]


@pytest.mark.parametrize("state", [State.FAILED, State.RUNNING, State.DONE])
def test_a_run_at_another_source_is_no_business_of_the_set(state: str) -> None:
    found, shown = stages(("openverse", State.DONE), ("commons", state))
    assert shown == [("openverse", State.DONE)]
    assert found.problems == []
    assert not found.working


def test_a_run_that_fails_after_one_that_did_not_stops_nothing() -> None:
    found, shown = stages(("openverse", State.DONE), ("openverse", State.FAILED))
    assert shown == [("openverse", State.DONE)]
    assert found.problems == []
    # One that runs again is shown.
    found, shown = stages(("openverse", State.DONE), ("openverse", State.RUNNING))
    assert shown == [("openverse", State.RUNNING)]
    assert found.working


def test_a_word_that_could_not_be_collected_is_a_problem() -> None:
    found, shown = stages(("openverse", State.FAILED))
    assert shown == [("openverse", State.FAILED)]
    assert [problem.reason for problem in found.problems] == ["openverse is down"]
    found, shown = stages(("openverse", State.FAILED), ("openverse", State.DONE))
    assert (shown, found.problems) == ([("openverse", State.DONE)], [])
