"""Studies with little in them: ratings only, one option, people without answers, nothing at all."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from survey.stats.confusions import confusions_section
from survey.stats.data import NONE, Data, Trials
from survey.stats.detection import detection_section
from survey.stats.exclusion import exclusion_section
from survey.stats.positions import positions_section
from survey.stats.raters import agreement_section, raters_section
from survey.stats.times import learning_section, times_section
from tests.survey.data_case import make_data

SECTIONS = (
    agreement_section,
    confusions_section,
    detection_section,
    learning_section,
    positions_section,
    raters_section,
    times_section,
    lambda data: exclusion_section(data, ()),
)


def nothing():
    columns = dict.fromkeys(
        ("participant", "question", "role", "position", "target", "chosen"), np.zeros(0, dtype=int)
    )
    floats = dict.fromkeys(("response_ms", "answered_at"), np.zeros(0))
    trials = Trials(**columns, **floats, options=np.zeros((0, 0), dtype=int))
    return Data("case", (), (), (), (), (), (), trials)


def ratings():
    """Points of a scale, for which there are no options."""
    data = make_data(words=3, contents=1, raters=4, kinds=("rating",), m=2)
    bare = replace(
        data.trials,
        options=np.zeros((12, 0), dtype=int),
        target=np.full(12, NONE),
        chosen=np.arange(12) % 7,
    )
    return replace(data, trials=bare)


def unanswered():
    data = make_data(raters=3)
    return replace(data, trials=data.trials.take(np.zeros(24, dtype=bool)))


def unsure():
    data = make_data(raters=3)
    return replace(data, trials=replace(data.trials, chosen=np.full(24, NONE)))


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "make",
    [nothing, ratings, unanswered, unsure, lambda: make_data(words=2, contents=1, raters=1, m=2),
     lambda: make_data(words=3, contents=2, raters=2, m=1)],
    ids=["nothing", "ratings", "unanswered", "unsure", "one rater", "one option"],
)  # fmt: skip
def test_every_section_says_what_can_be_said_and_no_more(section, make):
    found = section(make())
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_who_rated_only_has_a_row_without_accuracy():
    rows = raters_section(ratings())
    assert [row["participant"] for row in rows] == ["p0000", "p0001", "p0002", "p0003"]
    assert {(row["answers"], row["accuracy"], row["median_ms"]) for row in rows} == {
        (0, None, None)
    }


def test_all_not_sure_is_all_wrong_and_no_choice():
    data = unsure()
    (overall,) = detection_section(data)["overall"]
    assert (overall["correct"], overall["answers"], overall["bounded"]) == (0, 24, True)
    assert overall["interval"][0] is None
    assert positions_section(data) == {"m": []}
    matrix = confusions_section(data)["kinds"]["all"]
    assert matrix["luce"] is None
    assert sum(map(sum, matrix["offered"])) == 72
    assert sum(map(sum, matrix["chosen"])) == 0


def test_loading_the_analyses_loads_no_heavy_library():
    code = (
        "import sys; import survey.stats.confusions, survey.stats.detection, survey.stats.exclusion, "
        "survey.stats.positions, survey.stats.raters, survey.stats.times; "
        "print(sorted({'scipy', 'pandas', 'sklearn', 'django', 'mixedlm'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
