"""Reading and exporting on PostgreSQL, where times, JSON and cursors are others than on SQLite."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report import database

ROOT = Path(__file__).resolve().parents[2]

CODE = """
import sys, tempfile
from pathlib import Path
import django; django.setup()
from benchmarks.report import SLUG, make
from django.db import connection
make(700)
from survey import tables
from survey.export import Choices, write
from survey.models import Answer, Study
from survey.stats.bundle import read_bundle
from tests.survey.data_equal import assert_equal
study = Study.objects.get(slug=SLUG)
for times in tables.TIMES:
    data = tables.read(study, times=times)
    with tempfile.TemporaryDirectory() as folder:
        write(study, Path(folder) / "out", Choices(times=times))
        assert_equal(data, read_bundle(Path(folder) / "out"))
rows = Answer.objects.select_related("trial").order_by("trial__participation_id", "trial__position")
for place, row in enumerate(rows):
    options = [data.stimuli[s].id for s in data.trials.options[place]]
    assert options == row.trial.options, place
    assert data.trials.chosen[place] == row.slot
    assert data.trials.response_ms[place] == row.response_ms
    # Parts of a millisecond are dropped.
    assert 0 <= row.created_at.timestamp() - data.trials.answered_at[place] < 0.0011
print(connection.vendor, len(data.trials), len(data.participants))
"""


@pytest.mark.service
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_both_databases_read_and_export_the_same(kind: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    try:
        with database(kind) as environ:
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", CODE],
                cwd=ROOT,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    assert done.returncode == 0, done.stderr
    # 69 answers each of ten people, ten of the eleventh, none of the one with unanswered trials.
    assert done.stdout.split() == [kind, "700", "12"]
