"""All numbers together, and the small sections that are made with them."""

from dataclasses import replace

import numpy as np
import pytest

from survey.stats.analysis import (
    analyze,
    people_section,
    plain,
    sections,
    sheet_section,
    timeline_section,
)
from tests.survey.data_case import make_data, skilled


def test_plain_values_only():
    value = {"a": np.float64(1.5), 2: (np.int64(3), float("nan")), "c": np.array([True]), "d": None}
    assert plain(value) == {"a": 1.5, "2": [3, None], "c": [True], "d": None}


def test_people_are_those_with_answers():
    data = make_data(raters=3)
    people = (*data.participants, replace(data.participants[0], id="silent"))
    first = replace(people[0], finished=False, simulated=True)
    data = replace(data, participants=(first, *people[1:]))
    assert people_section(data) == {"raters": 3, "finished": 2, "simulated": 1}


def test_the_sheet_counts_chosen_of_offered():
    data = make_data(words=3, contents=1, raters=4, m=2, choose=skilled(1.0))
    sheet = sheet_section(data)
    assert [row["question"] for row in sheet] == [500, 501, 502]
    for place, row in enumerate(sheet):
        counts = {o["stimulus"]: (o["chosen"], o["offered"]) for o in row["options"]}
        # Everybody is shown the right one and chooses it; one of the others stands beside it.
        assert counts.pop(100 + place) == (4, 4)
        assert sum(offered for _chosen, offered in counts.values()) == 4
        assert {chosen for chosen, _offered in counts.values()} <= {0}


def test_the_timeline_counts_every_answer_once():
    data = make_data(words=3, contents=1, raters=5, m=2)
    line = timeline_section(data, bins=7)
    assert [b["answers"] for b in line["bins"]] == [2, 2, 2, 2, 2, 2, 3]
    assert line["bins"][-1]["cumulative"] == 15
    # 15 answers, five seconds apart; 1,790,000,000 s after 1970 it was 14:13:20.
    assert (line["begun"], line["ended"]) == (
        "2026-09-21T14:13:20+00:00",
        "2026-09-21T14:14:30+00:00",
    )
    assert line["bins"][0]["at"] == "2026-09-21T14:13:30+00:00"
    empty = replace(data, trials=data.trials.take(np.zeros(15, dtype=bool)))
    assert timeline_section(empty) == {"begun": None, "ended": None, "bins": []}


def test_a_rule_leaves_out_and_both_numbers_are_given():
    data = make_data(raters=4)
    people = tuple(replace(p, finished=i != 1) for i, p in enumerate(data.participants))
    data = replace(data, participants=people)
    result = analyze(data, rules=[{"rule": "unfinished"}], only=("people",))
    assert (result["excluded"]["excluded"], result["excluded"]["participants"]) == (1, 4)
    assert result["kept"]["people"]["raters"] == 3
    assert result["everyone"]["people"]["raters"] == 4
    # Taken back, everybody is there again.
    again = analyze(data, only=("people",))
    assert (again["kept"]["people"]["raters"], again["everyone"]) == (4, None)


@pytest.mark.parametrize("answers", ["some", "none"])
def test_every_section_is_there_and_the_same_twice(answers):
    data = make_data(words=4, contents=3, raters=6, m=3, kinds=("picture", "word"), seed=3)
    if answers == "none":
        data = replace(data, trials=data.trials.take(np.zeros(len(data.trials), dtype=bool)))
    result = analyze(data)
    assert list(result["kept"]) == list(sections())
    assert analyze(data) == result
