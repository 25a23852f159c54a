"""A report and an export of a million answers, on SQLite and on PostgreSQL.

    .venv/bin/python benchmarks/report.py [--answers 1000000] [--only sqlite|postgresql] [--json]

23 words × 3 contents = 69 questions of 4 options; raters answer all of them (14,500 for a million answers), the last one
as many as are left. Rows are made in bulk, as `session.record` leaves them, in a database of its own that is
dropped afterwards: a file, and a new database on 127.0.0.1:5432 (user and password postgres, or PGUSER and PGPASSWORD).
Each figure is measured in a process of its own:

- ``analysis_s``: what a worker does: reading the answers and computing every number, once for the summary
  (``summary_s`` of it) and once for the details; ``analysis_peak_mib``: its largest resident memory.
- ``page_ms``: the overview of the report as a researcher gets it, median of five; before them comes ``page_first_ms``, for
  which charts are drawn and modules are loaded, once for new numbers.
- ``export_rows_per_s``: answers a second of the whole export as a zip, without running the analysis.
- ``export_rows_per_cpu_s``: the same by the process's own time, which other programs on the machine slow less.
- ``export_peak_mib``: the largest resident memory of that process, Python and Django included.
- ``insert_slowdown``: what is kept beside the answers (`KEPT`) costs an insert, as a fraction: medians of rounds of
  single inserts with and without it, in turns, each rolled back. With nothing kept both do the same, and the
  figure is the noise of the measurement.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORDS, CONTENTS, OPTIONS, FRESH = 23, 3, 4, 1000
ROUNDS, INSERTS = 9, 300
SLUG = "million"

# Names of indexes that are there for reports only.
KEPT: tuple[str, ...] = ()

TRIAL = "id participation_id question_id role position options target_slot shown_at showings feedback_at"
ANSWER = "id trial_id slot key created_at response_ms chosen_ms onset input focus_losses display"


# --- the study ----------------------------------------------------------------------------------


def make(answers: int) -> dict[str, Any]:
    """The study, with so many answers, and one more participant's `FRESH` trials without answers."""
    from datetime import UTC, datetime, timedelta

    from django.core.management import call_command
    from django.core.management.color import no_style
    from django.db import connection

    from survey.models import Answer, Participation, Trial

    call_command("migrate", verbosity=0)
    study, questions = _study()
    count = -(-answers // len(questions))
    began = datetime(2026, 5, 4, tzinfo=UTC)
    people = Participation.objects.bulk_create(
        [
            Participation(
                study=study,
                language="en" if n % 5 == 0 else "ja",
                consented_at=began + timedelta(minutes=n),
                finished_at=began + timedelta(minutes=n + 10),
                quality={"version": 1, "flags": ["fast"] if n % 20 == 0 else []},
            )
            for n in range(count)
        ],
        batch_size=1000,
    )
    rows = islice(_rows(people, questions), answers)
    while chunk := list(islice(rows, 50_000)):
        _bulk("survey_trial", TRIAL, (trial for trial, _answer in chunk))
        _bulk("survey_answer", ANSWER, (answer for _trial, answer in chunk))
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Trial, Answer]):
            cursor.execute(statement)
    # Practice, as a participant has a question only once among the main ones.
    fresh = Participation.objects.create(study=study, language="ja")
    Trial.objects.bulk_create(
        Trial(
            participation=fresh,
            question_id=questions[n % len(questions)][0],
            role="practice",
            position=n,
            options=[],
            target_slot=0,
        )
        for n in range(FRESH)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"raters": count, "answers": Answer.objects.count()}


def _study() -> tuple[Any, list[tuple[int, int, list[int]]]]:
    """The study, and of each question its id, its picture, and the other pictures of its content."""
    from generation.models import (
        Clustering,
        ContentImage,
        Recipe,
        State,
        StimulusSet,
        StylizedImage,
        Word,
    )
    from survey.models import Question, Study

    made = StimulusSet.objects.create(slug=SLUG, name="Million", status=StimulusSet.Status.READY)
    recipe = Recipe.objects.create(name="none")
    made.recipes.add(recipe)
    study = Study.objects.create(
        slug=SLUG, title="Million", stimulus_set=made, options=OPTIONS, status="open"
    )
    words = [Word.objects.create(text=f"ことば{n}") for n in range(WORDS)]
    made.words.add(*words)
    clusterings = [
        Clustering.objects.create(
            word=word, encoder="vgg16-hed", descriptor="none", params={}, fingerprint="0" * 64
        )
        for word in words
    ]
    questions = []
    for n in range(CONTENTS):
        content = ContentImage.objects.create(
            name=f"content {n}", file=f"contents/{n}.png", sha256=f"{n:064d}", width=1, height=1
        )
        made.contents.add(content)
        pictures = [
            StylizedImage.objects.create(
                stimulus_set=made,
                word=word,
                content=content,
                recipe=recipe,
                clustering=clustering,
                state=State.DONE,
                file=f"pictures/{n}-{word.pk}.png",
                sha256="0" * 64,
            ).pk
            for word, clustering in zip(words, clusterings, strict=True)
        ]
        for pk in pictures:
            question = Question.objects.create(study=study, kind="picture", stimulus_id=pk)
            questions.append((question.pk, pk, [other for other in pictures if other != pk]))
    return study, questions


def _rows(
    people: list[Any], questions: list[tuple[int, int, list[int]]]
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Trials with their answers; words are known with probabilities from .1 to .9."""
    rng = random.Random(0)
    number = 0
    for person in people:
        second = 0
        for position, at in enumerate(rng.sample(range(len(questions)), len(questions)), start=1):
            question, picture, others = questions[at]
            options = [picture, *rng.sample(others, OPTIONS - 1)]
            rng.shuffle(options)
            target = options.index(picture)
            known = rng.random() < 0.1 + 0.8 * (at % WORDS) / (WORDS - 1)
            number += 1
            # Browsers' clocks tick in tenths of a millisecond.
            took = round(rng.lognormvariate(7.5, 0.4), 1)
            second += round(took / 1000) + 1
            when = f"{person.consented_at:%Y-%m-%d %H}:{second // 60 % 60:02d}:{second % 60:02d}.123456"
            yield (
                (
                    number,
                    person.pk,
                    question,
                    "main",
                    position,
                    str(options),
                    target,
                    when,
                    1,
                    None,
                ),
                (
                    *(number, number, target if known else rng.randrange(OPTIONS)),
                    *("", when, took, round(took - 150, 1), "painted", "touch", 0, "{}"),
                ),
            )


def _bulk(table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    from django.db import connection, transaction

    names = ", ".join(columns.split())
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns.split()))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(rows))


# --- figures ------------------------------------------------------------------------------------


def page(_answers: int) -> dict[str, Any]:
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.STORAGES["staticfiles"] = {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
    }
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("researcher"))
    times = []
    for _n in range(6):
        begun = time.perf_counter()
        response = client.get(reverse("survey:report", args=[SLUG]))
        times.append(1000 * (time.perf_counter() - begun))
        if response.status_code != 200:
            raise RuntimeError(f"Expected the report page; came status {response.status_code}.")
    return {"page_ms": statistics.median(times[1:]), "page_first_ms": times[0]}


def analysis(_answers: int) -> dict[str, Any]:
    from survey.analyses import analyze_row
    from survey.jobs import Filters
    from survey.models import Analysis, Study

    study = Study.objects.get(slug=SLUG)
    seconds = {}
    for part in Analysis.Part.values:
        row = Analysis.objects.create(study=study, part=part, filters=Filters().key)
        begun = time.perf_counter()
        analyze_row(row.pk)
        seconds[part] = time.perf_counter() - begun
        row.refresh_from_db()
        if row.state != "done":
            raise RuntimeError(f"Expected numbers; came {row.state}: {row.error}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _unit()
    return {
        "analysis_s": sum(seconds.values()),
        "summary_s": seconds["summary"],
        "analysis_peak_mib": peak / 2**20,
    }


def _unit() -> int:
    # In KiB on Linux, in bytes on macOS.
    return 1 if sys.platform == "darwin" else 1024


def export(answers: int) -> dict[str, Any]:
    from survey.export import Choices, write
    from survey.models import Study

    with tempfile.TemporaryDirectory(prefix="stylestudy-report-") as folder:
        target = Path(folder) / "export.zip"
        begun, worked = time.perf_counter(), time.process_time()
        made = write(Study.objects.get(slug=SLUG), target, Choices(report=False))
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
        size = target.stat().st_size
    if made.counts["trials"] != answers:
        raise RuntimeError(f"Expected {answers} rows; came {made.counts['trials']}.")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _unit()
    return {
        "export_rows_per_s": answers / seconds,
        "export_rows_per_cpu_s": answers / worked,
        "export_peak_mib": peak / 2**20,
        "export_mib": size / 2**20,
    }


def insert(_answers: int) -> dict[str, Any]:
    from survey.models import Trial

    trials = list(
        Trial.objects.filter(role="practice").order_by("pk").values_list("pk", flat=True)[:INSERTS]
    )
    _insert_round(trials, without=True)
    times: dict[bool, list[float]] = {True: [], False: []}
    for n in range(2 * ROUNDS):
        without = n % 2 == (n // 2) % 2
        times[without].append(_insert_round(trials, without=without))
    kept, bare = (statistics.median(times[without]) for without in (False, True))
    return {"insert_ms": 1000 * kept, "insert_slowdown": kept / bare - 1}


def _insert_round(trials: list[int], *, without: bool) -> float:
    """Median seconds of an insert."""
    from django.db import connection, transaction

    from survey.models import Answer

    times = []
    with transaction.atomic():
        if without:
            with connection.cursor() as cursor:
                for name in KEPT:
                    cursor.execute(f"DROP INDEX {name}")
        for trial in trials:
            answer = Answer(trial_id=trial, slot=0, response_ms=812.5, onset="painted")
            begun = time.perf_counter()
            # What may be answered is checked elsewhere, with queries of its own.
            answer.save_base(force_insert=True)
            times.append(time.perf_counter() - begun)
        transaction.set_rollback(True)
    return statistics.median(times)


STEPS: dict[str, Callable[[int], dict[str, Any]]] = {
    step.__name__: step for step in (make, analysis, page, export, insert)
}


# --- processes ----------------------------------------------------------------------------------


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """Variables that name a new database and a folder, both gone afterwards."""
    folder = tempfile.mkdtemp(prefix="stylestudy-report-")
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("STYLESTUDY_")
    }
    environ |= {"STYLESTUDY_VAR_DIR": folder, "DJANGO_SETTINGS_MODULE": "stylestudy.settings"}
    environ.pop("DATABASE_URL", None)
    name = f"stylestudy_report_{os.getpid()}"
    user, password = environ.get("PGUSER", "postgres"), environ.get("PGPASSWORD", "postgres")
    try:
        if kind == "postgresql":
            _postgres(user, password, f"CREATE DATABASE {name}")
            environ["DATABASE_URL"] = f"postgres://{user}:{password}@127.0.0.1:5432/{name}"
        yield environ
    finally:
        shutil.rmtree(folder)
        if kind == "postgresql":
            _postgres(user, password, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _postgres(user: str, password: str, statement: str) -> None:
    import psycopg

    place = {"host": "127.0.0.1", "port": 5432, "dbname": "postgres"}
    with psycopg.connect(user=user, password=password, autocommit=True, **place) as connection:  # type: ignore[arg-type]
        connection.execute(statement)  # type: ignore[call-overload]


def measure(kind: str, answers: int) -> dict[str, Any]:
    """All figures of one database. Each step is a process, so that memory is its own."""
    result: dict[str, Any] = {}
    with database(kind) as environ:
        for step in STEPS:
            command = [sys.executable, __file__, "--answers", str(answers), "--step", step]
            done = subprocess.run(
                command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
            )
            result |= json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.answers < 1:
        parser.error("--answers needs at least 1")
    if given.step:
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        print(json.dumps(STEPS[given.step](given.answers)))
        return
    kinds = [given.only] if given.only else ["sqlite", "postgresql"]
    result = {kind: measure(kind, given.answers) for kind in kinds}
    if given.json:
        print(json.dumps(result, indent=2))
        return
    names = list(dict.fromkeys(name for found in result.values() for name in found))
    print(f"{'':20}" + "".join(f"{kind:>14}" for kind in result))
    for name in names:
        print(f"{name:20}" + "".join(f"{found[name]:14.3f}" for found in result.values()))


if __name__ == "__main__":
    main()
