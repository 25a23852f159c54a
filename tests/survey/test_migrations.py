"""What was stored before participations had steps keeps its meaning."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

BEFORE, AFTER = [("survey", "0002_names")], [("survey", "0003_participants")]


@pytest.fixture
def back_to_the_last() -> Any:
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_studies_of_before_keep_what_they_ask_and_show(back_to_the_last: None) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps
    made = old.get_model("generation", "StimulusSet").objects.create(slug="s", name="S")
    Study = old.get_model("survey", "Study")
    for reading in (False, True):
        for gloss in (False, True):
            study = Study.objects.create(
                slug=f"{reading}-{gloss}",
                title="T",
                stimulus_set=made,
                status="open",
                opened_at=timezone.now(),
                options=3,
                show_reading=reading,
                show_gloss=gloss,
            )
            old.get_model("survey", "Participation").objects.create(
                study=study, language="ja", seed=1
            )
    executor = MigrationExecutor(connection)
    executor.migrate(AFTER)
    new = executor.loader.project_state(AFTER).apps
    shown = dict(new.get_model("survey", "Study").objects.values_list("slug", "word_display"))
    assert shown == {
        "False-False": "written",
        "True-False": "reading",
        "False-True": "gloss",
        "True-True": "both",
    }
    for participation in new.get_model("survey", "Participation").objects.select_related("study"):
        assert participation.word_display == participation.study.word_display
        assert (participation.study.options, participation.study.entrance) == (3, "open")
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    again = executor.loader.project_state(BEFORE).apps.get_model("survey", "Study")
    assert {(s.show_reading, s.show_gloss) for s in again.objects.all()} == {
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    }
