"""Rules of exclusion: what is understood, what is refused and how, whom they hit, and that they can be taken back."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from survey.stats.exclusion import (
    KINDS,
    ExclusionError,
    Rule,
    apply,
    describe,
    exclude,
    exclusion_section,
    parse,
)
from survey.stats.quality import FLAGS, Given, signals
from tests.survey.data_case import make_data

ALL = [
    {"rule": "unfinished"},
    {"rule": "answers", "less_than": 20},
    {"rule": "gold_failed", "more_than": 0.34, "at_least": 3},
    {"rule": "attention_failed", "more_than": 0},
    {"rule": "repeats_changed", "more_than": 0.75, "at_least": 4},
    {"rule": "fast_share", "more_than": 0.1},
    {"rule": "median_ms", "less_than": 800},
    {"rule": "longest_run_p", "less_than": 0.001},
    {"rule": "slot_p", "less_than": 0.001},
    {"rule": "focus_share", "more_than": 0.2},
    {"rule": "not_sure_share", "more_than": 0.5},
    {"rule": "webdriver"},
    {"rule": "flag", "flag": "one_slot"},
    {"rule": "participant", "participant": "p0001", "reason": "a child answered"},
]


def person(**changes):
    """Signals of somebody whom no rule hits, but for the changes."""
    good = signals(
        [
            Given(
                position=i,
                role="main",
                kind="picture",
                question=i,
                options=(1, 2, 3, 4),
                slot=i * 7 % 4,
                target_slot=0,
                response_ms=2000.0 + i,
            )
            for i in range(24)
        ]
    ).to_json()
    return {**good, **changes}


def reasons(rule, finished=True, **changes):
    return apply(parse([rule]), person(**changes), finished)


def test_every_rule_is_read_and_written_back():
    assert {declared["rule"] for declared in ALL} == set(KINDS)
    rules = parse(json.loads(json.dumps(ALL)))
    assert [rule.to_json() for rule in rules] == ALL
    assert parse([rule.to_json() for rule in rules]) == rules
    assert parse([]) == ()


def test_who_did_nothing_wrong_is_hit_by_none():
    assert apply(parse(ALL), person(), True) == ()


@pytest.mark.parametrize(
    ("rule", "hit", "spared"),
    [
        # Two of three failed are more than 34 %; one of three is not; with fewer than three nothing is said.
        (
            ALL[2],
            {"gold_failed": 2, "gold_asked": 3},
            [{"gold_failed": 1, "gold_asked": 3}, {"gold_failed": 2, "gold_asked": 2}],
        ),
        (
            ALL[3],
            {"attention_failed": 1, "attention_asked": 9},
            [{"attention_failed": 0, "attention_asked": 2}],
        ),
        (
            ALL[4],
            {"repeats_changed": 4, "repeats_asked": 5},
            [
                {"repeats_changed": 3, "repeats_asked": 4},
                {"repeats_changed": 3, "repeats_asked": 3},
            ],
        ),
        # Three of 24 are 12.5 %; two are 8.3 %.
        (ALL[5], {"fast": [3, 4, 5]}, [{"fast": [3, 4]}, {"fast": [], "timed": 0}]),
        (ALL[6], {"median_ms": 799.5}, [{"median_ms": 800.0}, {"median_ms": None}]),
        (
            ALL[7],
            {"longest_run_p": 0.0009},
            [{"longest_run_p": 0.001}, {"longest_run_p": None}],
        ),
        (ALL[8], {"slot_p": 0.0}, [{"slot_p": 0.2}]),
        # Five of 24 are 20.8 %, four 16.7 %.
        (ALL[9], {"focus_questions": 5}, [{"focus_questions": 4, "focus_losses": 40}]),
        (ALL[10], {"not_sure": 13}, [{"not_sure": 12}]),
        (ALL[11], {"webdriver": True}, [{"webdriver": False}]),
        (ALL[12], {"flags": ["gold", "one_slot"]}, [{"flags": ["gold", "run"]}]),
        (ALL[1], {"answers": 19}, [{"answers": 20}]),
    ],
)
def test_each_rule_hits_whom_it_says(rule, hit, spared):
    (code,) = reasons(rule, **hit)
    assert code.split(":")[0] == rule["rule"]
    for changes in spared:
        assert reasons(rule, **changes) == ()


def test_a_limit_itself_is_allowed_however_it_is_rounded():
    third = {"rule": "gold_failed", "more_than": 0.3333333333}
    assert reasons(third, gold_failed=1, gold_asked=3) == ()
    assert reasons(third, gold_failed=2, gold_asked=3) == ("gold_failed",)


def test_unfinished_needs_no_signals_and_nothing_else_is_said_without_them():
    assert apply(parse(ALL), None, False) == ("unfinished",)
    assert apply(parse(ALL), None, True) == ()


def test_reasons_come_in_the_order_of_the_rules_and_name_the_flag():
    rules = parse([ALL[12], ALL[0], ALL[2]])
    found = apply(rules, person(gold_failed=3, gold_asked=3, flags=["one_slot"]), False)
    assert found == ("flag:one_slot", "unfinished", "gold_failed")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"rule": "unfinished"}, "Expected a list of rules"),
        ("unfinished", "Write [] for none"),
        (["unfinished"], "Rule 1: expected an object"),
        ([{"rule": "accuracy", "less_than": 0.3}], "came 'accuracy'"),
        ([{"gold_failed": 0.3}], "came None"),
        ([ALL[0], {"rule": "gold_failed"}], 'Rule 2: expected "more_than" to be a share'),
        ([{"rule": "gold_failed", "more_than": 1}], "from 0 to below 1, such as 0.25; came 1"),
        ([{"rule": "gold_failed", "more_than": 34}], "came 34"),
        ([{"rule": "gold_failed", "more_than": True}], "came True"),
        ([{"rule": "gold_failed", "more_than": "0.3"}], "came '0.3'"),
        ([{"rule": "gold_failed", "more_than": float("nan")}], "came nan"),
        (
            [{"rule": "gold_failed", "less_than": 0.3}],
            'expected "rule", "at_least", "more_than" with gold_failed; came \'less_than\'',
        ),
        ([{"rule": "gold_failed", "more_than": 0.3, "at_least": 0}], '"at_least" to be a whole'),
        ([{"rule": "median_ms", "less_than": 0}], "milliseconds above 0"),
        ([{"rule": "answers", "less_than": 2.5}], "a whole number from 1"),
        ([{"rule": "slot_p", "less_than": 0}], "a probability above 0"),
        ([{"rule": "unfinished", "more_than": 0}], "came 'more_than' as well"),
        ([{"rule": "flag", "flag": "slow"}], "one of fast, hasty"),
        ([{"rule": "flag"}], "came None"),
        ([ALL[3], ALL[0], {**ALL[3], "more_than": 0.5}], "Rule 3: expected each rule once"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_a_reason(rules, said):
    with pytest.raises(ExclusionError) as refused:
        parse(rules)
    assert said in str(refused.value)


def test_two_flags_are_two_rules():
    rules = parse([{"rule": "flag", "flag": "run"}, {"rule": "flag", "flag": "gold"}])
    assert [rule.code for rule in rules] == ["flag:run", "flag:gold"]


def test_signals_of_another_kind_are_refused():
    with pytest.raises(ExclusionError, match="gold_asked"):
        apply(parse([ALL[2]]), {"answers": 4}, True)
    with pytest.raises(ExclusionError, match="Make rules by `parse`"):
        apply((Rule("gold_failed"),), person(), True)


def test_sentences_have_their_numbers():
    said = [describe(rule) for rule in parse(ALL)]
    assert said[1] == "Fewer than 20 questions were answered."
    assert said[2] == (
        "More than 34 % of the obvious questions were answered wrongly. "
        "Only where there were at least 3 of them."
    )
    assert said[6] == "The typical answer came within less than 800 ms."
    assert said[7].endswith("with a probability below 0.001.")
    assert said[12] == f"Flagged: {FLAGS['one_slot']}"
    assert not any("%(" in sentence for sentence in said)
    german = {"Flagged: %(flag)s": "Auffällig: %(flag)s", FLAGS["run"]: "Immer dieselbe Stelle."}
    assert describe(Rule("flag", flag="run"), german.__getitem__) == (
        "Auffällig: Immer dieselbe Stelle."
    )


def test_excluding_takes_nothing_away_and_can_be_taken_back():
    data = make_data(raters=4)
    people = tuple(
        replace(p, finished=i != 1, signals=person(gold_failed=3 * (i == 2), gold_asked=3))
        for i, p in enumerate(data.participants)
    )
    data = replace(data, participants=people)
    rules = parse([ALL[0], ALL[2]])
    ruled = exclude(data, rules)
    assert [p.excluded for p in ruled.participants] == [(), ("unfinished",), ("gold_failed",), ()]
    assert len(ruled.trials) == len(data.trials)
    assert set(ruled.where(excluded=False).trials.participant.tolist()) == {0, 3}
    assert exclude(ruled, ()).participants == people


def test_the_section_counts_who_is_left_out_and_whom_only_one_rule_hits():
    data = make_data(words=4, contents=2, raters=4)
    people = [
        replace(p, finished=i not in (1, 2), signals=person(webdriver=i == 2))
        for i, p in enumerate(data.participants)
    ]
    data = replace(data, participants=tuple(people))
    # The last one joined and answered nothing.
    data = replace(data, trials=data.trials.take(np.asarray(data.trials.participant != 3)))
    rules = parse([ALL[0], ALL[11], ALL[6]])
    found = exclusion_section(exclude(data, rules), rules)
    assert (found["participants"], found["excluded"]) == (3, 2)
    assert (found["answers"], found["answers_excluded"]) == (24, 16)
    assert [(row["code"], row["participants"], row["only"]) for row in found["rules"]] == [
        ("unfinished", 2, 1),
        ("webdriver", 1, 0),
        ("median_ms", 0, 0),
    ]
    assert found["rules"][2]["less_than"] == 800


def test_the_document_has_every_rule_with_an_example_that_is_understood():
    text = (Path(__file__).parents[2] / "docs" / "exclusions.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*?`(\{.*?\})`", text, re.MULTILINE)
    assert [name for name, _example in rows] == list(KINDS)
    for name, example in rows:
        (rule,) = parse([json.loads(example)])
        assert rule.name == name
    parse(json.loads(text.split("```json")[1].split("```")[0]))


def test_a_participant_is_left_out_by_hand_with_a_reason() -> None:
    declared = {"rule": "participant", "participant": "p0001", "reason": "a child answered"}
    (rule,) = parse([declared])
    assert rule.to_json() == declared
    assert describe(rule) == "p0001, by hand: a child answered"
    data = exclude(make_data(raters=3), [rule])
    assert [p.excluded for p in data.participants] == [(), ("participant:p0001",), ()]
    # Two people are two rules.
    assert len(parse([declared, {**declared, "participant": "p0002"}])) == 2
    with pytest.raises(ExclusionError, match='Rule 1: expected "reason" to be a text; came None'):
        parse([{"rule": "participant", "participant": "p0001"}])
