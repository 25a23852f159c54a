"""The export of a study: complete, readable, private, and giving the same numbers again."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command, load_command_class

from generation.models import ClusterMember, ContentImage, StyleCluster, StylizedImage, Word
from survey import tables
from survey.export import Choices, ExportError, write
from survey.export.columns import COLUMNS
from survey.export.texts import LICENSES
from survey.models import Answer, Participation, Question, Study, Trial
from survey.stats import csvfile
from survey.stats.analysis import analyze
from survey.stats.bundle import read_bundle
from tests.factories import SourceImageFactory, png
from tests.survey.data_equal import assert_equal
from tests.survey.report_case import Case, build_case
from tests.survey.test_csvfile import AWKWARD

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
# What a word may be and what programs take for something else; the database keeps no NUL.
WORDS = ("NA", "1e5", "=1+1", "'007", 'a,"b"\r\nc', "ふさふさ")
BEGAN = datetime(2026, 5, 4, 13, 30, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def case() -> Case:
    """The small study, with awkward names, a rating, "not sure", times, measures, flags and a form."""
    case = build_case()
    study = case.study
    words = list(dict.fromkeys(p.word for p in case.pictures))
    for word, text in zip(words, WORDS, strict=False):
        Word.objects.filter(pk=word.pk).update(text=text)
    content = case.pictures[0].content
    ContentImage.objects.filter(pk=content.pk).update(name='-an, "object"')
    case.pictures[0].style_loss, case.pictures[0].seed = 0.1 + 0.2, 2**62 + 1
    case.pictures[0].params = {"encoder": "vgg16-hed", "clusters": [], "size": 256}
    case.pictures[0].save()
    study.not_sure, study.contact = True, "Lab A"
    study.demographics = [
        {
            "name": "hand",
            "kind": "choice",
            "label": {"en": "Which hand?", "ja": "どちらの手"},
            "choices": [
                {"value": "left", "label": {"en": "Left"}},
                {"value": "right", "label": {"en": "Right"}},
            ],
        }
    ]
    study.save()
    person = Participation.objects.create(
        study=study,
        language="en",
        consented_at=BEGAN,
        person="keyed-hash-of-a-person",
        external={"PROLIFIC_PID": "PERSON-77"},
        comment="my name is Hanako",
        about={"after": {"hand": "left"}},
        quality={"version": 1, "flags": ["fast", "run"], "share": 0.1},
    )
    first, last = case.pictures[0], case.pictures[-1]
    question = Question.objects.get(study=study, kind="picture", stimulus=first)
    rating = Question.objects.create(study=study, kind="rating", stimulus=last)
    ids = [first.pk, case.pictures[2].pk]
    for position, (asked, role, options, target, slot, ms) in enumerate(
        [
            (question, "main", ids, 0, None, None),
            (question, "repeat", ids[::-1], 1, 1, 812.3000000001),
            (question, "attention", ids, 1, 0, 5e-05),
            (rating, "main", [], None, 6, 100.0),
        ],
        start=1,
    ):
        trial = Trial.objects.create(
            participation=person,
            question=asked,
            role=role,
            position=position,
            options=options,
            target_slot=target,
        )
        Answer.objects.create(
            trial=trial,
            slot=slot,
            response_ms=ms,
            onset="painted",
            created_at=BEGAN + timedelta(milliseconds=1500.7 * position),
        )
    return case


def rows_of(folder: Path, table: str) -> list[dict[str, str]]:
    return list(csvfile.read(next((folder / "data").glob(f"*_table-{table}_data.csv"))))


# --- the data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("times", tables.TIMES)
@pytest.mark.parametrize("simulated", [True, False])
def test_what_is_read_back_is_what_the_database_gives(
    case: Case, tmp_path: Path, times: str, simulated: bool
) -> None:
    write(case.study, tmp_path / "out", Choices(times=times, simulated=simulated))
    expected = tables.read(case.study, times=times, simulated=simulated)
    assert len(expected.trials) == (9 if simulated else 8)
    assert_equal(expected, read_bundle(tmp_path / "out"))


def test_a_study_without_answers_reads_back_too(case: Case, tmp_path: Path) -> None:
    Answer.objects.all().delete()
    write(case.study, tmp_path / "out", Choices(simulated=True))
    assert_equal(tables.read(case.study), read_bundle(tmp_path / "out"))


def test_every_awkward_word_comes_back(case: Case, tmp_path: Path) -> None:
    pictures = {p.word_id: p for p in case.pictures}
    words = [text for text in AWKWARD if "\x00" not in text and len(text) < 60]
    for start in range(0, len(words), len(pictures)):
        for pk, text in zip(pictures, words[start : start + len(pictures)], strict=False):
            Word.objects.filter(pk=pk).update(text=text)
        out = tmp_path / str(start)
        write(case.study, out, Choices(simulated=True, report=False))
        assert_equal(tables.read(case.study), read_bundle(out))


def test_more_answers_than_a_chunk_read_back(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK", 2)
    monkeypatch.setattr("survey.stats.bundle.CHUNK", 3)
    write(case.study, tmp_path / "out", Choices(simulated=True))
    assert_equal(tables.read(case.study), read_bundle(tmp_path / "out"))
    assert [row["row_id"] for row in rows_of(tmp_path / "out", "trials")] == list("123456789")


@pytest.mark.parametrize(
    ("old", "new"),
    [("|", "|999999|"), (",main,", ",other,"), (",p", ",q"), (",false,", ",false,x")],
)
def test_a_table_that_was_changed_is_refused(
    case: Case, tmp_path: Path, old: str, new: str
) -> None:
    write(case.study, tmp_path / "out", Choices(report=False))
    path = tmp_path / "out/data/study-small_table-trials_data.csv"
    header, rows = path.read_bytes().split(b"\r\n", 1)
    path.write_bytes(header + b"\r\n" + rows.replace(old.encode(), new.encode(), 1))
    with pytest.raises(csvfile.CSVError, match=r"table-trials_data\.csv; came"):
        read_bundle(tmp_path / "out")


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(csvfile.CSVError, match=r"table-design_data\.csv; came 0"):
        read_bundle(tmp_path)


def test_a_row_of_the_trials_says_what_happened(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out")
    a, c = case.pictures[0].pk, case.pictures[2].pk
    unsure, repeat, attention, rating = rows_of(tmp_path / "out", "trials")[-4:]
    assert unsure["word"] == "NA"
    assert unsure["content"] == '-an, "object"'
    assert (unsure["options"], unsure["target"]) == (f"{a}|{c}", "0")
    assert (unsure["chosen"], unsure["chosen_stimulus"], unsure["correct"]) == ("", "", "false")
    assert (repeat["options"], repeat["chosen_stimulus"]) == (f"{c}|{a}", str(a))
    assert (repeat["correct"], repeat["response_ms"]) == ("true", "812.3000000001")
    assert (attention["correct"], attention["role"]) == ("false", "attention")
    assert (rating["options"], rating["chosen"], rating["correct"]) == ("", "6", "")
    # 13:30:00.250 is the beginning; 1.5007 s later came the first answer. The clock begins at midnight.
    assert [row["elapsed_ms"] for row in (unsure, rating)] == ["1500", "6002"]
    people = rows_of(tmp_path / "out", "participants")
    assert people[-1]["started"] == "2026-05-04"
    assert (people[-1]["answers"], people[-1]["status"]) == ("4", "unfinished")
    assert (people[0]["status"], people[0]["finished"]) == ("finished", "true")


def test_stimuli_have_their_parameters(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out")
    first = rows_of(tmp_path / "out", "stimuli")[0]
    assert (first["encoder"], first["seed"], first["style_loss"]) == (
        "vgg16-hed",
        str(2**62 + 1),
        "0.30000000000000004",
    )
    assert (first["republish"], first["licenses"]) == ("unknown", "Licence unknown")
    made = json.loads((tmp_path / "out/materials/stimuli.json").read_text())[0]
    assert made["params"]["size"] == 256
    assert made["photographs"] == [case.pictures[0].content.sha256]
    methods = (tmp_path / "out/documentation/METHODS.md").read_text()
    assert "| `size` | 2 different values |" in methods
    assert "had 4 options" in methods


# --- privacy ------------------------------------------------------------------------------------


def everything(folder: Path) -> str:
    texts = [
        path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()
    ]
    return "\n".join(texts)


def test_nobody_can_be_found_by_it(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out", Choices(simulated=True))
    text = everything(tmp_path / "out")
    person = Participation.objects.get(person="keyed-hash-of-a-person")
    for secret in (
        person.token,
        person.person,
        str(person.seed),
        str(case.study.seed),
        "PERSON-77",
        "Hanako",
        "13:30",
        '"left"',
    ):
        assert secret not in text, secret
    assert tables.people(case.study)[-1].participant.id in text


def test_the_form_is_in_it_when_asked_for_and_the_comment_never(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out", Choices(about=True))
    people = rows_of(tmp_path / "out", "participants")
    assert [row["about_hand"] for row in people] == ["", "", "", '"left"']
    assert "Hanako" not in everything(tmp_path / "out")
    described = json.loads((tmp_path / "out/dataset_description.json").read_text())
    assert any(v["name"] == "about_hand" for v in described["variableMeasured"])


def test_exact_times_are_told_when_asked_for(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out", Choices(times="exact"))
    people = rows_of(tmp_path / "out", "participants")
    assert people[-1]["started"] == "2026-05-04T13:30:00.250+00:00"


# --- the analysis -------------------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script of the export in an environment that knows nothing of this project.

    ``-S`` keeps out site-packages' own .pth files, which would find this checkout; the packages are then put on the path alone.
    """
    packages = next(p for p in sys.path if p.endswith("site-packages"))
    code = (
        f"import sys, runpy; sys.path.append({packages!r}); sys.argv = sys.argv[1:];"
        f"sys.path[0] = 'analysis'; runpy.run_path('analysis/analyze.py', run_name='__main__')"
    )
    clean = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    return subprocess.run(
        [sys.executable, "-S", "-c", code, "analyze.py", *arguments],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_gives_the_reports_numbers_exactly(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out")
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "out", moved)
    done = run(moved)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    # As the site computes it: from the database, without simulated raters.
    assert report == json.loads(json.dumps(analyze(tables.read(case.study, simulated=False))))
    assert report == json.loads((moved / "analysis/report.json").read_text())
    assert report["kept"]["accuracy"]["answers"] == 5
    check = run(moved, "--check")
    assert (check.returncode, check.stdout) == (0, "All numbers are equal.\n")


def test_the_script_says_which_numbers_differ(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out")
    path = tmp_path / "out/analysis/report.json"
    report = json.loads(path.read_text())
    path.write_text(json.dumps({**report, "seed": 77}))
    check = run(tmp_path / "out", "--check")
    assert check.returncode == 1
    assert check.stdout == "seed: 77 became 0\n"


def test_the_script_runs_without_the_project(case: Case, tmp_path: Path) -> None:
    """The check of the checks: what it imports comes from the export, and Django cannot be there."""
    write(case.study, tmp_path / "out")
    script = tmp_path / "out/analysis/analyze.py"
    script.write_text(
        script.read_text().replace(
            "    parser =",
            "    import survey.stats.bundle\n"
            "    print(survey.stats.bundle.__file__, 'django' in sys.modules)\n"
            "    parser =",
            1,
        )
    )
    out = run(tmp_path / "out").stdout.splitlines()[0]
    assert Path(out.split()[0]).resolve().is_relative_to((tmp_path / "out").resolve())
    assert out.endswith("False")


def test_modules_of_the_analysis_are_these_and_versions_those_that_ran(
    case: Case, tmp_path: Path
) -> None:
    write(case.study, tmp_path / "out")
    shipped = tmp_path / "out/analysis/survey/stats"
    for path in (ROOT / "survey/stats").glob("*.py"):
        assert (shipped / path.name).read_bytes() == path.read_bytes()
    lines = (tmp_path / "out/analysis/requirements.txt").read_text().splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch(r"[a-z]+==\d+(\.\d+)+\S*", line) for line in lines)


def test_rules_and_seed_reach_the_script(case: Case, tmp_path: Path) -> None:
    case.study.exclusions = [{"rule": "unfinished"}]
    write(case.study, tmp_path / "out", Choices(seed=5))
    report = json.loads(run(tmp_path / "out").stdout)
    assert [rule["code"] for rule in report["excluded"]["rules"]] == ["unfinished"]
    assert report["everyone"] is not None
    assert report["seed"] == 5


def test_figures_are_drawn_from_the_report(case: Case, tmp_path: Path) -> None:
    def drawn(data, report):
        return {"accuracy.svg": f"<svg>{report['excluded']['answers']}</svg>".encode()}

    write(case.study, tmp_path / "out", figures=drawn)
    assert (tmp_path / "out/results/accuracy.svg").read_text() == "<svg>8</svg>"


# --- Psych-DS -----------------------------------------------------------------------------------
# Rules of its schema 1.5.0 (schema_model/versions/1.5.0/rules), by the names of their errors.

FILE_REGEX = re.compile(r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.csv")


@pytest.fixture
def folder(case: Case, tmp_path: Path) -> Path:
    case.study.slug = "my-study-2"
    case.study.save()
    write(case.study, tmp_path / "out", Choices(about=True, license="CC-BY-4.0"))
    return tmp_path / "out"


def described(folder: Path) -> dict[str, object]:
    # JSON_ENCODING_ERROR, INVALID_JSON_FORMATTING: UTF-8, no byte order mark.
    data = (folder / "dataset_description.json").read_bytes()
    assert not data.startswith(b"\xef\xbb\xbf")
    found = json.loads(data.decode("utf-8"))
    assert isinstance(found, dict)
    return found


def test_psychds_metadata_have_the_required_keys(folder: Path) -> None:
    metadata = described(folder)
    # MISSING_DATASET_TYPE, INCORRECT_DATASET_TYPE, JSON_KEY_REQUIRED.
    assert metadata["@type"] == "Dataset"
    assert metadata["@context"] in ("https://schema.org", "https://schema.org/")
    assert all(metadata[key] for key in ("name", "description", "variableMeasured"))
    # Recommended ones that can be known.
    assert metadata["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert metadata["author"] == [{"@type": "Organization", "name": "Lab A"}]
    assert metadata["keywords"]
    assert metadata["privacyPolicy"]
    # OBJECT_TYPE_MISSING: every object has a type.
    stack: list[object] = [metadata]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            assert "@type" in one
            stack += one.values()
        elif isinstance(one, list):
            stack += one


def test_psychds_files_are_where_and_as_they_should_be(folder: Path) -> None:
    found = sorted(path.name for path in (folder / "data").iterdir())
    assert found == [
        f"study-mystudy2_table-{name}_data.csv"
        for name in ("design", "participants", "questions", "stimuli", "trials")
    ]
    # FILENAME_KEYWORD_FORMATTING_ERROR, EXTENSION_MISMATCH.
    assert all(FILE_REGEX.fullmatch(name) for name in found)
    # Recommended: README, CHANGES, and folders.
    for name in (
        "README.md",
        "CHANGES.md",
        "analysis",
        "documentation",
        "materials",
        ".psychds-ignore",
    ):
        assert (folder / name).exists()
    for path in folder.rglob("*"):
        assert path.relative_to(folder).as_posix().isascii()


def test_psychds_columns_and_variables_are_the_same(folder: Path) -> None:
    variables = described(folder)["variableMeasured"]
    assert isinstance(variables, list)
    names = [variable["name"] for variable in variables]
    assert len(names) == len(set(names))
    headers = []
    for path in (folder / "data").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, strict=True))
        header = rows[0]
        # CSV_HEADER_MISSING, CSV_HEADER_REPEATED, CSV_HEADER_LENGTH_MISMATCH, ROWID_VALUES_NOT_UNIQUE.
        assert header[0] == "row_id"
        assert len(set(header)) == len(header) > 1
        assert {len(row) for row in rows} == {len(header)}
        assert len({row[0] for row in rows}) == len(rows) > 1
        headers += header
    # CSV_COLUMN_MISSING_FROM_METADATA, VARIABLE_MISSING_FROM_CSV_COLUMNS.
    assert set(headers) == set(names)
    assert all(variable["description"] for variable in variables)


def test_levels_are_all_the_values_there_are(folder: Path) -> None:
    for table in ("trials", "participants", "stimuli", "questions"):
        for row in rows_of(folder, table):
            for name, value in row.items():
                column = COLUMNS.get(name)
                if column is not None and column.levels and value:
                    assert value in column.levels, (name, value)
                if column is not None and not value and column.kind != "text":
                    assert column.empty, (
                        f"{name} is empty, and the codebook does not say what that is"
                    )


# --- words about it, checksums, forms -----------------------------------------------------------


def test_the_codebook_explains_every_column(folder: Path) -> None:
    text = (folder / "documentation/CODEBOOK.md").read_text()
    for path in (folder / "data").glob("*.csv"):
        for name in path.read_text().splitlines()[0].split(","):
            assert f"| `{name}` |" in text
    assert "8 rows" in text


def test_checksums_are_right_and_complete(folder: Path) -> None:
    lines = (folder / "manifest-sha256.txt").read_text().splitlines()
    sums = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert set(sums) == set(files) - {"manifest-sha256.txt"}
    for path, digest in sums.items():
        assert hashlib.sha256(files[path].read_bytes()).hexdigest() == digest
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", "manifest-sha256.txt"], cwd=folder, check=False
    )
    assert checked.returncode == 0


def test_licence_and_citation_say_what_was_chosen(folder: Path, case: Case, tmp_path: Path) -> None:
    assert "Attribution 4.0 International (CC-BY-4.0)" in (folder / "LICENSE").read_text()
    citation = (folder / "CITATION.cff").read_text()
    assert "license: CC-BY-4.0\n" in citation
    assert '  - name: "Lab A"\n' in citation
    write(case.study, tmp_path / "none")
    assert (tmp_path / "none/LICENSE").read_text().startswith("No licence was chosen")
    assert "license:" not in (tmp_path / "none/CITATION.cff").read_text()
    assert "MIT License" in (tmp_path / "none/analysis/LICENSE").read_text()


def test_an_unknown_licence_is_refused() -> None:
    with pytest.raises(ExportError, match="came 'WTFPL'"):
        Choices(license="WTFPL")


def test_a_zip_holds_the_same_files(case: Case, tmp_path: Path) -> None:
    write(case.study, tmp_path / "out")
    write(case.study, tmp_path / "out.zip")
    stream = io.BytesIO()
    write(case.study, stream)
    expected = {
        p.relative_to(tmp_path / "out").as_posix(): p.read_bytes()
        for p in (tmp_path / "out").rglob("*")
        if p.is_file()
    }
    for source in (tmp_path / "out.zip", stream):
        with zipfile.ZipFile(source) as archive:
            assert archive.testzip() is None
            tops = {name.partition("/")[0] for name in archive.namelist()}
            assert len(tops) == 1
            found = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        assert found == expected
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("out")) == [
        "out",
        "out.zip",
    ]


def test_nothing_is_written_over_and_nothing_half_made_stays(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="not an empty folder"):
        write(case.study, taken)
    (tmp_path / "taken.zip").write_bytes(b"mine")
    with pytest.raises(ExportError, match="is there already"):
        write(case.study, tmp_path / "taken.zip")

    def broken(data: object, **_parameters: object) -> dict[str, object]:
        raise RuntimeError("no numbers")

    before = sorted(tmp_path.iterdir())
    for name in ("new", "new.zip"):
        with pytest.raises(RuntimeError, match="no numbers"):
            write(case.study, tmp_path / name, analyze=broken)
    assert sorted(tmp_path.iterdir()) == before
    empty = tmp_path / "empty"
    empty.mkdir()
    write(case.study, empty)
    assert (empty / "README.md").exists()


# --- pictures -----------------------------------------------------------------------------------


@pytest.fixture
def licensed(case: Case) -> Case:
    """Contents are free; of the words' photographs one is CC BY, one may not be changed, one is unknown."""
    ContentImage.objects.update(license="CC0")
    for word, license_ in zip(
        dict.fromkeys(p.word for p in case.pictures), ("by 4.0", "by-nd 4.0", ""), strict=True
    ):
        clustering = word.clusterings.get()
        image = SourceImageFactory(word=word, license=license_, credit=f"maker of {license_}")
        cluster = StyleCluster.objects.create(
            clustering=clustering, rank=1, size=1, cohesion=1, score=1, chosen=True
        )
        ClusterMember.objects.create(clustering=clustering, cluster=cluster, image=image, order=0)
        StylizedImage.objects.filter(word=word).update(params={"clusters": [1]})
    return case


def test_pictures_are_in_it_if_their_licences_allow(licensed: Case, tmp_path: Path) -> None:
    made = write(licensed.study, tmp_path / "out", Choices(pictures=True))
    allowed = [p.pk for p in licensed.pictures[:2]]
    files = sorted((tmp_path / "out/materials/pictures").iterdir())
    assert [path.name for path in files] == [f"{pk}.png" for pk in allowed]
    assert made.pictures == 2
    for path, picture in zip(files, licensed.pictures, strict=False):
        with picture.file.open("rb") as stream:
            assert path.read_bytes() == stream.read()
    rows = {int(row["stimulus"]): row for row in rows_of(tmp_path / "out", "stimuli")}
    assert [rows[p.pk]["republish"] for p in licensed.pictures[::2]] == ["yes", "no", "unknown"]
    assert [rows[pk]["picture"] for pk in allowed] == [
        f"materials/pictures/{pk}.png" for pk in allowed
    ]
    assert rows[licensed.pictures[2].pk]["picture"] == ""
    credits_ = (tmp_path / "out/CREDITS.md").read_text()
    assert "CC BY-ND 4.0, CC0 1.0 |" in credits_
    assert "the licence of one of its photographs is not known |" in credits_
    assert "maker of by 4.0" in credits_
    assert "4 are left out" in (tmp_path / "out/README.md").read_text()
    names = [row["creator"] for row in csvfile.read(tmp_path / "out/CREDITS.csv")]
    assert "maker of by-nd 4.0" in names


def test_a_picture_whose_file_is_gone_is_named(licensed: Case, tmp_path: Path) -> None:
    first = licensed.pictures[0]
    first.file.storage.delete(first.file.name)
    made = write(licensed.study, tmp_path / "out", Choices(pictures=True))
    assert made.left_out[first.pk] == "its file is missing"
    assert made.pictures == 1
    StylizedImage.objects.filter(pk=first.pk).update(file=ContentFile(png(), "x.png").name)


# --- the command --------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(
    licensed: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.zip"
    call_command("export_study", "small", "--out", str(out), "--pictures", "--license", "CC0-1.0")
    said = capsys.readouterr().out
    assert f"{out}: 8 trials, 4 participants, 6 stimuli, 13 questions" in said
    assert "2 pictures; 4 left out:" in said
    with zipfile.ZipFile(out) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/LICENSE") and "analysis" not in n)
        assert b"CC0-1.0" in archive.read(name)


def test_the_command_names_what_is_wrong(case: Case, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no study 'nope'"):
        call_command("export_study", "nope", "--out", str(tmp_path / "out"))
    (tmp_path / "a.zip").touch()
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_study", "small", "--out", str(tmp_path / "a.zip"))


def test_simulated_raters_are_in_it_when_asked_for(case: Case, tmp_path: Path) -> None:
    call_command(
        "export_study", "small", "--out", str(tmp_path / "a"), "--include-simulated", "--no-report"
    )
    people = rows_of(tmp_path / "a", "participants")
    assert [row["simulated"] for row in people] == ["false", "false", "true", "false", "false"]
    assert not (tmp_path / "a/analysis/report.json").exists()


def test_every_study_has_a_keyword_of_letters_and_digits(case: Case, tmp_path: Path) -> None:
    Study.objects.filter(pk=case.study.pk).update(slug="--_")
    case.study.refresh_from_db()
    write(case.study, tmp_path / "out")
    assert (tmp_path / "out/data/study-study_table-trials_data.csv").exists()


def test_the_guide_names_every_option() -> None:
    guide = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    for app, name in (("survey", "export_study"), ("generation", "export_textures")):
        parser = load_command_class(app, name).create_parser("manage.py", name)
        standard = load_command_class("survey", "report").create_parser("manage.py", "report")
        known = {option for action in standard._actions for option in action.option_strings}
        for action in parser._actions:
            for option in set(action.option_strings) - known:
                assert f"{option}" in guide, option
    for license_ in LICENSES:
        assert license_ in guide
