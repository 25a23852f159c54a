"""The data of an export, read back: the same `Data` as the database gave.

Files are found by name: ``data/study-…_table-trials_data.csv`` and its siblings ``participants``, ``stimuli``,
``questions`` and ``design``. What each column means is in documentation/CODEBOOK.md of the export.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from survey.stats.csvfile import CSVError, optional, read, table, truth, unescape
from survey.stats.data import NONE, ROLES, Data, Participant, Question, Stimulus, Trials

TABLES = ("trials", "participants", "stimuli", "questions", "design")
SEPARATOR = "|"
"""Between the options of a trial."""
CHUNK = 20_000

MEASURES = ("style_loss", "content_loss", "style_distance", "dispersion")
TRIAL_COLUMNS = (
    *("participant", "question", "role", "position", "options", "target", "chosen"),
    *("response_ms", "elapsed_ms"),
)


def path_of(folder: Path, name: str) -> Path:
    """The file of one table.

    Raises:
        CSVError: there is not exactly one.
    """
    found = sorted((folder / "data").glob(f"study-*_table-{name}_data.csv"))
    if len(found) != 1:
        raise CSVError(
            f"Expected one file data/study-…_table-{name}_data.csv; came {len(found)}. Read the folder of "
            "one whole export."
        )
    return found[0]


def read_bundle(folder: Path) -> Data:
    """All of it.

    Args:
        folder: where dataset_description.json is.

    Raises:
        CSVError: a table, a column or a row is missing or cannot be read.
    """
    settings = {
        row["setting"]: json.loads(row["value"])
        for row in read(path_of(folder, "design"), ("setting", "value"))
    }
    stimuli = list(read(path_of(folder, "stimuli"), ("stimulus", "word_id", "word", *MEASURES)))
    words, contents, recipes = (_names(stimuli, name) for name in ("word", "content", "recipe"))
    stimulus = {int(row["stimulus"]): place for place, row in enumerate(stimuli)}
    questions = [
        Question(
            id=int(row["question"]),
            kind=row["kind"],
            stimulus=stimulus[int(row["stimulus"])],
            purpose=row["purpose"],
        )
        for row in read(path_of(folder, "questions"), ("question", "kind", "stimulus", "purpose"))
    ]
    people = list(read(path_of(folder, "participants"), ("participant", "started", "signals")))
    started = np.array([_milliseconds(row["started"]) for row in people], dtype=np.int64)
    return Data(
        study=settings.pop("study"),
        words=tuple(words.values()),
        contents=tuple(contents.values()),
        recipes=tuple(recipes.values()),
        stimuli=tuple(_stimulus(row, words, contents, recipes) for row in stimuli),
        questions=tuple(questions),
        participants=tuple(map(_participant, people)),
        trials=_trials(
            path_of(folder, "trials"),
            {row["participant"]: place for place, row in enumerate(people)},
            {row.id: place for place, row in enumerate(questions)},
            np.array(list(stimulus), dtype=np.int64),
            started,
        ),
        rating_points=settings["rating_points"],
        settings=settings,
    )


def _names(stimuli: Iterable[Mapping[str, str]], name: str) -> dict[int, str]:
    """Id → name, in the order of ids, which is that of places."""
    return dict(sorted({int(row[f"{name}_id"]): row[name] for row in stimuli}.items()))


def _stimulus(
    row: Mapping[str, str], words: dict[int, str], contents: dict[int, str], recipes: dict[int, str]
) -> Stimulus:
    return Stimulus(
        id=int(row["stimulus"]),
        word=list(words).index(int(row["word_id"])),
        content=list(contents).index(int(row["content_id"])),
        recipe=list(recipes).index(int(row["recipe_id"])),
        variant=int(row["variant"]),
        **{name: optional(float, row[name]) for name in MEASURES},
    )


def _participant(row: Mapping[str, str]) -> Participant:
    return Participant(
        id=row["participant"],
        language=row["language"],
        simulated=truth(row["simulated"]),
        finished=truth(row["finished"]),
        flags=tuple(row["flags"].split()),
        signals=optional(json.loads, row["signals"]),
        excluded=tuple(json.loads(row["excluded"])),
    )


def _milliseconds(text: str) -> int:
    """A day, or a moment with its offset from UTC, in milliseconds since 1970."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


# --- trials -------------------------------------------------------------------------------------


def _trials(
    path: Path,
    people: Mapping[str, int],
    questions: Mapping[int, int],
    stimuli: npt.NDArray[np.int64],
    started: npt.NDArray[np.int64],
) -> Trials:
    blocks = []
    with path.open(encoding="utf-8", newline="") as stream:
        found = table(stream, TRIAL_COLUMNS, path.name)
        places = [found.places[name] for name in TRIAL_COLUMNS]
        while rows := list(islice(found.rows, CHUNK)):
            columns = [[row[place] for row in rows] for place in places]
            try:
                blocks.append(_block(columns, people, questions, stimuli, started))
            except (KeyError, ValueError) as error:
                raise CSVError(
                    f"Expected values of the other tables and numbers in {path.name}; came {error}. "
                    "Was the file changed by another program?"
                ) from error
    if not blocks:
        blocks.append(_block([[] for _ in places], people, questions, stimuli, started))
    lengths = np.concatenate([block.pop("lengths") for block in blocks])
    offered = np.concatenate([block.pop("offered") for block in blocks])
    options = np.full((len(lengths), int(lengths.max(initial=0))), NONE, dtype=np.int32)
    options[np.arange(options.shape[1]) < lengths[:, None]] = offered
    return Trials(
        options=options,
        **{name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]},
    )


def _block(
    columns: list[list[str]],
    people: Mapping[str, int],
    questions: Mapping[int, int],
    stimuli: npt.NDArray[np.int64],
    started: npt.NDArray[np.int64],
) -> dict[str, npt.NDArray[Any]]:
    who, asked, role, position, options, target, chosen, response, elapsed = columns
    participant = np.array([people[unescape(name)] for name in who], dtype=np.int32)
    shown = SEPARATOR.join(row for row in options if row)
    ids = np.fromstring(shown, dtype=np.int64, sep=SEPARATOR)
    since = np.array([int(value) for value in elapsed], dtype=np.int64)
    places = np.searchsorted(stimuli, ids)
    if unknown := set(ids.tolist()) - set(stimuli.tolist()):
        raise ValueError(f"stimuli {sorted(unknown)}")
    return {
        "participant": participant,
        "question": np.array([questions[int(value)] for value in asked], dtype=np.int32),
        "role": np.array([ROLES.index(name) for name in role], dtype=np.int8),
        "position": np.array([int(value) for value in position], dtype=np.int32),
        "target": _slots(target),
        "chosen": _slots(chosen),
        "response_ms": np.array(
            [float(value) if value else np.nan for value in response], dtype=np.float64
        ),
        "answered_at": (started[participant] + since) / 1000.0,
        "lengths": np.array(
            [row.count(SEPARATOR) + 1 if row else 0 for row in options], dtype=np.int16
        ),
        # Stimuli are in the order of their ids.
        "offered": places,
    }


def _slots(values: Iterable[str]) -> npt.NDArray[np.int16]:
    return np.array([int(value) if value else NONE for value in values], dtype=np.int16)
