"""A study → a folder or a zip that stands by itself: data, analysis, pictures, words about it all."""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.utils import translation

from generation.models import StimulusSet, StylizedImage
from survey import tables
from survey.credits import Credit, as_csv, credits_of
from survey.export import columns, rows, texts
from survey.export.columns import COLUMNS, Column
from survey.export.files import Folder, zip_folder
from survey.models import Study
from survey.stats.data import Data

STATS = Path(__file__).resolve().parent.parent / "stats"
SCRIPT = Path(__file__).resolve().parent / "analyze.py"

Analyze = Callable[..., dict[str, Any]]
Draw = Callable[[Data, dict[str, Any]], Mapping[str, bytes]]
"""(data, report) → name of a file → its bytes."""


class ExportError(RuntimeError):
    """The export cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Choices:
    """What goes into an export.

    Attributes:
        pictures: the files of the pictures that may be passed on by their photographs' licences.
        simulated: simulated raters too.
        about: what participants said about themselves.
        times: ``day`` or ``exact``, see `tables.people`.
        license: of the data, by its SPDX identifier, one of `texts.LICENSES`; empty: none chosen.
        report: run the analysis and add its output. Without, analysis/report.json is missing.
        rules: by which the analysis leaves participants out; those of the study unless given.
        seed: of what the analysis draws at random.
    """

    pictures: bool = False
    simulated: bool = False
    about: bool = False
    times: str = tables.DAY
    license: str = ""
    report: bool = True
    rules: tuple[Any, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.license and self.license not in texts.LICENSES:
            raise ExportError(
                f"Expected a licence of {', '.join(texts.LICENSES)}; came {self.license!r}. Give one of them, or none."
            )


@dataclass(frozen=True)
class Made:
    """What went into an export: rows by table, and pictures (by id) that were left out, and why."""

    counts: Mapping[str, int]
    pictures: int
    left_out: Mapping[int, str]


def write(
    study: Study,
    target: Path | IO[bytes],
    choices: Choices | None = None,
    *,
    analyze: Analyze | None = None,
    figures: Draw | None = None,
) -> Made:
    """Make the export.

    Args:
        target: a new or empty folder; a new file whose name ends in .zip; or an open binary file, which gets the
            zip. A folder or file that was begun is taken away again if something goes wrong.
        analyze: what computes the report; `survey.stats.analysis.analyze` unless given. It is called with
            the data as they are read back from the export's own tables.
        figures: draws what goes to results/.

    Raises:
        ExportError: the place is taken, or the licence is not known.
        tables.TablesError: a picture that was offered is gone.
    """
    choices = choices or Choices()
    if isinstance(target, Path) and target.suffix == ".zip" and target.exists():
        raise ExportError(f"{target} is there already. Give a new name.")
    # Files of an export are the same in every language.
    with translation.override(None):
        return _write(study, target, choices, analyze, figures)


def _write(
    study: Study,
    target: Path | IO[bytes],
    choices: Choices,
    analyze: Analyze | None,
    figures: Draw | None,
) -> Made:
    name = f"{study.slug}-{_today().isoformat()}"
    if isinstance(target, Path) and target.suffix != ".zip":
        return _write_folder(study, target, choices, analyze, figures)
    with tempfile.TemporaryDirectory(prefix="stylestudy-export-") as scratch:
        root = Path(scratch) / name
        root.mkdir()
        made = _fill(study, Folder(root), choices, analyze, figures)
        if not isinstance(target, Path):
            zip_folder(root, target, name)
            return made
        target.parent.mkdir(parents=True, exist_ok=True)
        begun, place = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        part = Path(place)
        try:
            with os.fdopen(begun, "wb") as file:
                zip_folder(root, file, name)
            # Readable by whom the umask lets, as other files are.
            part.chmod(0o666 & ~_umask())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return made


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_folder(
    study: Study, target: Path, choices: Choices, analyze: Analyze | None, figures: Draw | None
) -> Made:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(f"{target} is not an empty folder. Give a new name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        # Readable by whom the umask lets, as other folders are.
        root = part / target.name
        root.mkdir()
        made = _fill(study, Folder(root), choices, analyze, figures)
        root.replace(target)
    finally:
        shutil.rmtree(part)
    return made


def _today() -> Any:
    return datetime.now(UTC).date()


# --- parts --------------------------------------------------------------------------------------


def _fill(
    study: Study, folder: Folder, choices: Choices, analyze: Analyze | None, figures: Draw | None
) -> Made:
    source = rows.Source.of(study, simulated=choices.simulated, times=choices.times)
    seen = write_data(study, folder, source, choices)
    pictures = tables.pictures_of(study, seen.offered)
    licenses = StylizedImage.objects.filter(pk__in=[row.pk for row in pictures]).licenses()
    left_out = {pk: why for pk, combined in licenses.items() if (why := combined.why_not)}
    files = _copy_pictures(folder, pictures, left_out) if choices.pictures else {}
    with folder.open_text(texts.data_file(study, "stimuli")) as stream:
        stimuli = rows.write_stimuli(stream, pictures, files)
    about = _about(study, source, seen, choices, pictures, left_out, stimuli)
    _write_materials(folder, pictures)
    _write_texts(folder, about)
    _write_analysis(study, folder, choices, analyze, figures)
    folder.write_manifest()
    return Made(
        counts=about.counts,
        pictures=len(files),
        left_out=left_out if choices.pictures else {},
    )


def write_data(study: Study, folder: Folder, source: rows.Source, choices: Choices) -> rows.Seen:
    """The tables but that of the stimuli, which says which pictures are there."""
    fields = rows.about_fields(study) if choices.about else ()
    with folder.open_text(texts.data_file(study, "trials")) as stream:
        seen = rows.write_trials(stream, source)
    with folder.open_text(texts.data_file(study, "participants")) as stream:
        rows.write_participants(stream, source, seen, fields)
    with folder.open_text(texts.data_file(study, "questions")) as stream:
        rows.write_questions(stream, source)
    with folder.open_text(texts.data_file(study, "design")) as stream:
        rows.write_design(stream, source)
    return seen


def _copy_pictures(
    folder: Folder, pictures: list[StylizedImage], left_out: dict[int, str]
) -> dict[int, str]:
    """Picture's id → its place in the export. What has no file (any more) is added to those left out."""
    files = {}
    for row in pictures:
        if row.pk in left_out:
            continue
        path = f"materials/pictures/{row.pk}.png"
        try:
            with row.file.open("rb") as file:
                folder.copy(path, file)
        except (OSError, ValueError):
            # A picture without a name of a file raises ValueError.
            left_out[row.pk] = "its file is missing"
        else:
            files[row.pk] = path
    return files


def _about(
    study: Study,
    source: rows.Source,
    seen: rows.Seen,
    choices: Choices,
    pictures: list[StylizedImage],
    left_out: Mapping[int, str],
    stimuli: int,
) -> texts.About:
    fields = rows.about_fields(study) if choices.about else ()
    answered = [row for row in source.people if seen.answers[row.pk]]
    return texts.About(
        study=study,
        today=_today(),
        times=choices.times,
        simulated=choices.simulated,
        license=choices.license,
        headers={
            "trials": _columns(columns.TRIALS),
            "participants": [*_columns(columns.PARTICIPANTS), *columns.about_columns(fields)],
            "stimuli": _columns(columns.STIMULI),
            "questions": _columns(columns.QUESTIONS),
            "design": _columns(columns.DESIGN),
        },
        counts={
            "trials": seen.rows,
            "participants": len(source.people),
            "stimuli": stimuli,
            "questions": len(source.asked),
            "design": len(tables.settings_of(study)) + 1,
        },
        pictures=pictures,
        with_pictures=choices.pictures,
        with_report=choices.report,
        left_out=left_out,
        credits=_credits(pictures),
        answered=len(answered),
        finished=sum(row.participant.finished for row in source.people),
        languages=Counter(row.participant.language for row in answered),
    )


def _columns(names: tuple[str, ...]) -> list[Column]:
    return [COLUMNS[name] for name in names]


def _credits(pictures: list[StylizedImage]) -> list[Credit]:
    sets = StimulusSet.objects.filter(pk__in={row.stimulus_set_id for row in pictures})
    return [credit for one in sets.order_by("pk") for credit in credits_of(one)]


def _write_materials(folder: Folder, pictures: list[StylizedImage]) -> None:
    """materials/stimuli.json: whatever is stored of how each picture was made."""
    photographs = StylizedImage.objects.filter(pk__in=[row.pk for row in pictures]).photographs()
    found = [
        {
            "stimulus": row.pk,
            "word": row.word.text,
            "content": row.content.name,
            "recipe": row.recipe.name,
            "variant": row.variant,
            "seed": row.seed,
            "sha256": row.sha256,
            "params": row.params,
            "photographs": [photograph.sha256 for photograph in photographs[row.pk]],
        }
        for row in pictures
    ]
    folder.write_text("materials/stimuli.json", pretty(found))


def _write_texts(folder: Folder, about: texts.About) -> None:
    description = texts.dataset_description(about, folder.sums)
    folder.write_text("dataset_description.json", pretty(description))
    folder.write_text("README.md", texts.readme(about))
    folder.write_text("CHANGES.md", f"# Changes\n\n- {about.today.isoformat()}: exported.\n")
    folder.write_text("LICENSE", texts.license_text(about))
    folder.write_text("CITATION.cff", texts.citation(about))
    folder.write_text("CREDITS.md", texts.credits_text(about))
    folder.write_text("CREDITS.csv", as_csv(list(about.credits)))
    folder.write_text("documentation/CODEBOOK.md", texts.codebook(about))
    folder.write_text("documentation/METHODS.md", texts.methods(about))
    # Not of Psych-DS, and not to be warned of by its validator.
    folder.write_text(
        ".psychds-ignore", "LICENSE\nCITATION.cff\nCREDITS.*\nmanifest-sha256.txt\nanalysis/\n"
    )


def _write_analysis(
    study: Study, folder: Folder, choices: Choices, analyze: Analyze | None, figures: Draw | None
) -> None:
    """The modules as they are here, so that what was run is what is read; and what they give."""
    for path in sorted(STATS.glob("*.py")):
        folder.write_bytes(f"analysis/survey/stats/{path.name}", path.read_bytes())
    folder.write_text("analysis/survey/__init__.py", "")
    folder.write_bytes("analysis/analyze.py", SCRIPT.read_bytes())
    folder.write_bytes("analysis/LICENSE", (settings.BASE_DIR / "LICENSE").read_bytes())
    folder.write_text("analysis/requirements.txt", texts.requirements())
    rules = study.exclusions if choices.rules is None else list(choices.rules)
    parameters = {"rules": rules, "seed": choices.seed}
    folder.write_text("analysis/parameters.json", pretty(parameters))
    if not choices.report:
        return
    from survey.stats.bundle import read_bundle

    data = read_bundle(folder.root)
    report = (analyze or _analyze)(data, **parameters)
    folder.write_text("analysis/report.json", pretty(report))
    for name, content in (figures(data, report) if figures else {}).items():
        folder.write_bytes(f"results/{name}", content)


def _analyze(data: Data, **parameters: Any) -> dict[str, Any]:
    # Loaded here: the web process starts without it.
    from survey.stats.analysis import analyze

    return analyze(data, **parameters)


def pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
