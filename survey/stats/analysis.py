"""All numbers of a report, from one study's answers: what the page, the command and an export print alike."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from survey.stats.data import Data
from survey.stats.exclusion import exclude, exclusion_section, parse

FORMAT = 1
"""Counts up when a key of the result changes its meaning or goes; new keys may come at any time."""

Section = Callable[[Data], Any]


def sections(seed: int = 0) -> dict[str, Section]:
    """Name → function, in the order of the report. ``seed`` is that of what is drawn at random (resampling)."""
    from survey.stats.causes import causes_section
    from survey.stats.confusions import confusions_section
    from survey.stats.detection import detection_section
    from survey.stats.positions import positions_section
    from survey.stats.raters import agreement_section, raters_section
    from survey.stats.recognition import accuracy_section, recognition_section
    from survey.stats.times import learning_section, times_section

    return {
        "people": people_section,
        "accuracy": partial(accuracy_section, seed=seed),
        "sheet": sheet_section,
        "recognition": recognition_section,
        "causes": partial(causes_section, seed=seed),
        "confusions": partial(confusions_section, seed=seed),
        "positions": partial(positions_section, seed=seed),
        "detection": partial(detection_section, seed=seed),
        "learning": partial(learning_section, seed=seed),
        "times": partial(times_section, seed=seed),
        "agreement": partial(agreement_section, seed=seed),
        "raters": raters_section,
        "timeline": timeline_section,
    }


SUMMARY = ("people", "accuracy", "sheet", "recognition", "timeline")
"""What the first page of a report shows."""


def analyze(
    data: Data,
    *,
    rules: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
    only: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """The whole report of ``data``, as plain values for JSON.

    ``data`` has the answers to be counted, filtered by `Data.where`; ``rules`` are those by which the study leaves
    participants out, as it declares them (see `survey.stats.exclusion`). Returns:

    - ``format``, ``study``, ``seed``;
    - ``excluded``: how many participants and answers the rules leave out, and which rule how many;
    - ``kept``: the sections without them, which is what the report shows first;
    - ``everyone``: the same sections with all; None where nobody is left out.

    Deterministic: the same data give the same numbers, in whatever order participants come (with the same versions of numpy, SciPy and mixedlm).
    ``only`` names the sections wanted; all by default. Raises ExclusionError for rules that cannot be understood.
    """
    parsed = parse(rules)
    data = exclude(data, parsed).by_pseudonym()
    out = exclusion_section(data, parsed)
    return {
        "format": FORMAT,
        "study": data.study,
        "seed": seed,
        "excluded": plain(out),
        "kept": _sections(data.where(excluded=False), seed, only),
        "everyone": _sections(data, seed, only) if out["excluded"] else None,
    }


def _sections(data: Data, seed: int, only: tuple[str, ...] | None) -> dict[str, Any]:
    return {
        name: plain(section(data))
        for name, section in sections(seed).items()
        if only is None or name in only
    }


def people_section(data: Data) -> dict[str, Any]:
    """Who gave an answer that counts: how many people, how many of them finished, how many are simulated."""
    answered = np.unique(data.counted().participant).tolist()
    people = [data.participants[place] for place in answered]
    return {
        "raters": len(people),
        "finished": sum(p.finished for p in people),
        "simulated": sum(p.simulated for p in people),
    }


def sheet_section(data: Data) -> list[dict[str, Any]]:
    """Of every question that counts, how often each picture was offered and chosen; pictures by their id."""
    trials = data.counted()
    shape = (len(data.questions), len(data.stimuli))
    offered, chosen = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for slot in range(trials.options.shape[1]):
        shown = trials.options[:, slot] >= 0
        np.add.at(offered, (trials.question[shown], trials.options[shown, slot]), 1)
    sure = trials.chosen >= 0
    np.add.at(chosen, (trials.question[sure], trials.chosen_stimulus[sure]), 1)
    return [
        {
            "question": data.questions[place].id,
            "options": [
                {
                    "stimulus": data.stimuli[s].id,
                    "offered": int(offered[place, s]),
                    "chosen": int(chosen[place, s]),
                }
                for s in np.flatnonzero(offered[place])
            ],
        }
        for place in data.asked
    ]


def timeline_section(data: Data, *, bins: int = 60) -> dict[str, Any]:
    """When answers came: ``bins`` equal stretches between the first and the last.

    ``begun`` and ``ended`` are the first and the last answer's time; each stretch has ``at`` (its end), how many
    ``answers`` came in it, and how many until then (``cumulative``). Times are texts (ISO 8601, UTC). In an export whose
    clocks were put back (see `survey.tables`) they are those of the export.
    """
    times = data.counted().answered_at
    if not len(times):
        return {"begun": None, "ended": None, "bins": []}
    begun, ended = float(times.min()), float(times.max())
    length = max(ended - begun, float(bins)) / bins
    counts = np.bincount(
        np.minimum(((times - begun) / length).astype(int), bins - 1), minlength=bins
    )
    return {
        "begun": _iso(begun),
        "ended": _iso(ended),
        "bins": [
            {"at": _iso(begun + (i + 1) * length), "answers": int(n), "cumulative": int(total)}
            for i, (n, total) in enumerate(zip(counts, counts.cumsum(), strict=True))
        ],
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def plain(value: Any) -> Any:
    """Only dict, list, str, int, float, bool and None: what JSON has. NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
