"""Both sections: against counting one by one, as plain values, and with raters of known behavior."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from survey.stats.accuracy import (
    benjamini_hochberg,
    chance_p_value,
    clopper_pearson,
    holm,
    wilson,
)
from survey.stats.choice import conditional_p_value
from survey.stats.data import GOLD, NONE, Data
from survey.stats.intervals import pooled
from survey.stats.recognition import MEANINGS, accuracy_section, recognition_section
from tests.survey.data_case import make_data, skilled, striking


def mixed(raters: int = 8) -> Data:
    """Both kinds, two languages, some "not sure", an obvious question, and trials of two options among those of three."""
    data = make_data(
        words=4, contents=2, raters=raters, kinds=("picture", "word"), language=("ja", "en"), seed=3
    )
    trials = data.trials
    chosen, role, options = trials.chosen.copy(), trials.role.copy(), trials.options.copy()
    chosen[::11] = NONE
    role[::13] = GOLD
    short = (trials.target < 2) & (chosen < 2) & (np.arange(len(trials)) % 5 == 0)
    options[short, 2] = NONE
    return replace(data, trials=replace(trials, chosen=chosen, role=role, options=options))


def empty() -> Data:
    data = mixed()
    return replace(data, trials=data.trials.take(np.zeros(len(data.trials), dtype=bool)))


def one_by_one(data: Data) -> list[dict]:
    """Counted trials as plain rows."""
    trials = data.counted()
    rows = []
    for i in range(len(trials)):
        question = data.questions[trials.question[i]]
        stimulus = data.stimuli[question.stimulus]
        options = [int(s) for s in trials.options[i] if s != NONE]
        sure = trials.chosen[i] != NONE
        rows.append(
            {
                "rater": int(trials.participant[i]),
                "question": question.id,
                "kind": question.kind,
                "word": data.words[stimulus.word],
                "content": data.contents[stimulus.content],
                "recipe": data.recipes[stimulus.recipe],
                "variant": stimulus.variant,
                "language": data.participants[trials.participant[i]].language,
                "options": options,
                "target": options[trials.target[i]],
                "chosen": options[trials.chosen[i]] if sure else None,
            }
        )
    return rows


# --- accuracy -----------------------------------------------------------------------------------

LABELS = {
    "words": ("word",),
    "contents": ("content",),
    "cells": ("word", "content"),
    "recipes": ("recipe", "variant"),
    "languages": ("language",),
    "kinds": ("kind",),
    "questions": ("question", "word", "content", "kind", "recipe", "variant"),
}
SIZES = dict(zip(LABELS, (4, 2, 8, 1, 2, 2, 16), strict=True))


@pytest.mark.parametrize("family", LABELS)
def test_every_row_is_what_counting_one_by_one_gives(family):
    data = mixed()
    trials, section = one_by_one(data), accuracy_section(data)
    assert len(section[family]) == SIZES[family]
    for row in section[family]:
        mine = [t for t in trials if all(t[name] == row[name] for name in LABELS[family])]
        right = sum(t["chosen"] == t["target"] for t in mine)
        options = Counter(len(t["options"]) for t in mine)
        unsure = sum(t["chosen"] is None for t in mine)
        assert (row["correct"], row["answers"], row["not_sure"]) == (right, len(mine), unsure)
        assert row["raters"] == len({t["rater"] for t in mine})
        assert row["accuracy"] == pytest.approx(right / len(mine))
        assert row["accuracy_sure"] == pytest.approx(right / (len(mine) - unsure))
        assert row["chance"] == pytest.approx(np.mean([1 / len(t["options"]) for t in mine]))
        assert row["wilson"] == pytest.approx(wilson(right, len(mine)))
        assert row["clopper_pearson"] == pytest.approx(clopper_pearson(right, len(mine)), abs=1e-9)
        assert row["p_value"] == pytest.approx(chance_p_value(right, options), rel=1e-9)
        by_rater = [[t for t in mine if t["rater"] == r] for r in range(8)]
        alone = pooled(
            [sum(t["chosen"] == t["target"] for t in x) for x in by_rater], list(map(len, by_rater))
        )
        assert row["pooled"] == pytest.approx([alone.low, alone.high])
        assert row["pooled_method"] == alone.method == "effective-n Wilson"
        assert (row["effective_n"], row["design_effect"]) == (
            pytest.approx(alone.effective_n),
            pytest.approx(alone.design_effect),
        )


@pytest.mark.parametrize("family", LABELS)
def test_tests_of_one_table_are_corrected_together(family):
    rows = accuracy_section(mixed())[family]
    p_values = [row["p_value"] for row in rows]
    assert [row["p_holm"] for row in rows] == pytest.approx(holm(p_values))
    assert [row["p_bh"] for row in rows] == pytest.approx(benjamini_hochberg(p_values))
    assert [row["above_chance"] for row in rows] == [row["p_holm"] <= 0.05 for row in rows]


def test_a_direction_above_chance_by_its_own_p_value_only_is_not_above_chance():
    # 12 raters × 4 questions of each direction, m = 2: 31 of 48 right, p = .030, twice that is more than .05.
    data = make_data(4, 1, 12, 2, kinds=("picture", "word"), language=("ja", "en"))
    trials = data.trials
    right = np.zeros(len(trials), dtype=bool)
    for kind, correct in ((0, 31), (1, 24)):
        right[np.flatnonzero(data.question_kind[trials.question] == kind)[:correct]] = True
    chosen = np.where(right, trials.target, 1 - trials.target).astype(np.int8)
    rows = accuracy_section(replace(data, trials=replace(trials, chosen=chosen)))["kinds"]
    assert rows[0]["p_value"] == pytest.approx(stats.binom.sf(30, 48, 0.5))
    assert rows[0]["p_value"] <= 0.05 < rows[0]["p_holm"]
    assert rows[0]["above_chance"] is False


def test_overall_is_one_test():
    data = mixed()
    section = accuracy_section(data)
    row = section["overall"]
    trials = one_by_one(data)
    assert section["answers"] == row["answers"] == len(trials)
    assert section["not_sure"] == row["not_sure"] == sum(t["chosen"] is None for t in trials)
    assert section["raters"] == row["raters"] == 8
    assert row["p_holm"] is row["p_bh"] is None
    assert row["above_chance"] is True


def test_a_word_without_answers_is_still_one_of_the_tests():
    data = make_data(words=3, contents=1, raters=6, m=2)
    data = replace(data, trials=data.trials.take(data.question_word[data.trials.question] != 1))
    rows = accuracy_section(data)["words"]
    assert [row["answers"] for row in rows] == [6, 0, 6]
    assert rows[1]["accuracy"] is rows[1]["chance"] is rows[1]["pooled_method"] is None
    assert (rows[1]["p_value"], rows[1]["above_chance"]) == (1.0, False)
    smallest = min(row["p_value"] for row in rows)
    assert min(row["p_holm"] for row in rows) == pytest.approx(min(1, 3 * smallest))


def test_many_raters_are_drawn_by_a_seed():
    data = make_data(words=3, contents=2, raters=31, m=2)
    first = accuracy_section(data, seed=1)
    assert first == accuracy_section(data, seed=1)
    assert first["words"][0]["pooled_method"] == "rater bootstrap"
    # One answer a rater: nothing to pool.
    assert first["cells"][0]["pooled_method"] == "effective-n Wilson"
    assert first["cells"][0]["pooled"] == pytest.approx(first["cells"][0]["wilson"])


@pytest.mark.parametrize("data", [mixed(), mixed(1), empty()], ids=["mixed", "one rater", "none"])
def test_sections_are_plain_json(data):
    for section in (accuracy_section(data), recognition_section(data)):
        # "NaN" and numpy's own numbers are refused.
        assert json.loads(json.dumps(section, allow_nan=False)) == section


def test_no_answers_are_no_mistake():
    section = accuracy_section(empty())
    assert (section["answers"], section["raters"]) == (0, 0)
    assert section["overall"]["pooled"] == [0.0, 1.0]
    assert len(section["words"]) == 4
    assert section["languages"] == []
    section = recognition_section(empty())
    assert [len(section[name]) for name in ("pictures", "words")] == [8, 8]
    for row in section["pictures"] + section["words"]:
        assert (row["target_shown"], row["p_target"], row["difference_interval"]) == (0, None, None)
        assert (row["p_value"], row["p_holm"], row["recognised"]) == (1.0, 1.0, False)
    assert section["logit"] == section["overall"] == {"picture": None, "word": None}


# --- recognition --------------------------------------------------------------------------------


def check_row(row, shown):
    """``shown``: (rater, number of options, was target, was chosen) of each showing."""
    targets = [s for s in shown if s[2]]
    foils = [s for s in shown if not s[2]]
    assert (row["target_shown"], row["foil_shown"]) == (len(targets), len(foils))
    assert row["target_chosen"] == sum(s[3] for s in targets)
    assert row["foil_chosen"] == sum(s[3] for s in foils)
    assert row["p_target"] == pytest.approx(np.mean([s[3] for s in targets]))
    assert row["p_foil"] == pytest.approx(np.mean([s[3] for s in foils]))
    assert row["difference"] == pytest.approx(row["p_target"] - row["p_foil"])
    low, high = row["difference_interval"]
    assert -1 <= low <= row["difference"] <= high <= 1


def showings(trials, kind, key):
    """Each showing of what ``key`` picks, and its stratum."""
    found, strata = [], {}
    for t in trials:
        for s in t["options"] if t["kind"] == kind else ():
            if key(s):
                hit = (t["rater"], len(t["options"]), s == t["target"], s == t["chosen"])
                found.append(hit)
                counts = strata.setdefault((t["rater"], s, len(t["options"])), np.zeros(3, int))
                counts += (1, hit[2], hit[3])
    return found, np.array(list(strata.values())).T


def test_pictures_as_counted_one_by_one():
    data = mixed()
    trials, rows = one_by_one(data), recognition_section(data)["pictures"]
    assert [row["stimulus"] for row in rows] == [s.id for s in data.stimuli]
    for place, row in enumerate(rows):
        shown, strata = showings(trials, "picture", lambda s, place=place: s == place)
        check_row(row, shown)
        assert row["p_value"] == pytest.approx(conditional_p_value(*strata, row["target_chosen"]))
        assert (row["word"], row["kind"]) == (data.words[data.stimuli[place].word], "picture")
    p_values = [row["p_value"] for row in rows]
    assert [row["p_holm"] for row in rows] == pytest.approx(holm(p_values))
    assert [row["p_bh"] for row in rows] == pytest.approx(benjamini_hochberg(p_values))


@pytest.mark.parametrize("kind", ["picture", "word"])
def test_words_as_counted_one_by_one(kind):
    data = mixed()
    trials, section = one_by_one(data), recognition_section(data)
    rows = [row for row in section["words"] if row["kind"] == kind]
    assert [row["word"] for row in rows] == list(data.words)
    for word, row in enumerate(rows):
        shown, strata = showings(trials, kind, lambda s, word=word: data.stimuli[s].word == word)
        check_row(row, shown)
        assert row["p_value"] == pytest.approx(conditional_p_value(*strata, row["target_chosen"]))
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([r["p_value"] for r in rows]))
    whole = section["overall"][kind]
    check_row(whole, showings(trials, kind, lambda s: True)[0])
    sure = [t for t in trials if t["kind"] == kind and t["chosen"] is not None]
    expected = chance_p_value(whole["target_chosen"], Counter(len(t["options"]) for t in sure))
    assert whole["p_value"] == pytest.approx(expected)


def test_blocks_of_raters_change_nothing(monkeypatch):
    whole = recognition_section(mixed())
    monkeypatch.setattr("survey.stats.recognition.BLOCK", 20)
    assert recognition_section(mixed()) == whole


def test_the_logit_names_its_terms():
    data = mixed(40)
    logit = recognition_section(data)["logit"]
    assert [row["stimulus"] for row in logit["picture"]["salience"]] == [s.id for s in data.stimuli]
    for content in data.contents:
        mine = [r["salience"] for r in logit["picture"]["salience"] if r["content"] == content]
        assert sum(mine) == pytest.approx(0, abs=1e-6)
    assert [row["word"] for row in logit["word"]["salience"]] == list(data.words)
    for kind in ("picture", "word"):
        found = logit[kind]
        assert [row["word"] for row in found["words"]] == list(data.words)
        assert (found["raters"], found["ridge"], found["converged"]) == (40, 0.0, True)
        # A match term for each word fits at least as well as one for all.
        assert found["log_likelihood_words"] >= found["log_likelihood"]
        p_values = [row["p_value"] for row in found["words"]]
        assert [row["p_holm"] for row in found["words"]] == pytest.approx(holm(p_values))
        low, high = found["match"]["interval"]
        assert low < found["match"]["beta"] < high


@pytest.mark.parametrize("raters", [20, 60])
def test_the_logit_says_nothing_of_a_word_that_one_rater_answered(raters):
    data = make_data(5, 3, raters, 3)
    word = data.question_word[data.trials.question]
    data = replace(data, trials=data.trials.take((word != 0) | (data.trials.participant == 0)))
    rows = recognition_section(data)["logit"]["picture"]["words"]
    assert [row["raters"] for row in rows] == [1] + [raters] * 4
    assert all(rows[0][name] is None for name in ("se", "interval", "p_value", "p_holm", "p_bh"))
    # Still one of five tests: it counts as 1.
    p_values = [1.0] + [row["p_value"] for row in rows[1:]]
    assert [row["p_holm"] for row in rows[1:]] == pytest.approx(holm(p_values)[1:])


def test_a_half_filled_study_has_as_many_tests_as_a_full_one():
    data = make_data(6, 2, 12, 2, choose=skilled(0.6))
    word = data.question_word[data.trials.question]
    shown = data.stimulus_word[data.trials.options]
    half = replace(data, trials=data.trials.take((word < 3) & (shown < 3).all(axis=1)))
    section = recognition_section(half)
    for rows in (section["pictures"], section["words"]):
        assert len(rows) == len(
            recognition_section(data)["pictures" if rows[0].get("stimulus") else "words"]
        )
        p_values = [row["p_value"] for row in rows]
        assert p_values[len(rows) // 2 :] == [1.0] * (len(rows) // 2)
        assert [row["p_holm"] for row in rows] == pytest.approx(holm(p_values))
    logit = section["logit"]["picture"]["words"]
    assert [row["word"] for row in logit] == ["word0", "word1", "word2"]
    smallest = min(row["p_value"] for row in logit)
    assert min(row["p_holm"] for row in logit) == pytest.approx(min(1, 6 * smallest))


def test_a_word_that_is_only_ever_a_foil_is_none_of_the_tests():
    data = make_data(4, 2, 12, 3, choose=skilled(0.6))
    questions = tuple(
        replace(q, purpose="gold") if data.stimuli[q.stimulus].word == 3 else q
        for q in data.questions
    )
    trials = data.trials.take(data.question_word[data.trials.question] != 3)
    section = recognition_section(replace(data, questions=questions, trials=trials))
    for rows, foils in ((section["pictures"], 2), (section["words"], 1)):
        assert [row["p_holm"] for row in rows[-foils:]] == [None] * foils
        assert rows[-1]["foil_shown"] > 0
        tested = rows[:-foils]
        expected = holm([row["p_value"] for row in tested])
        assert [row["p_holm"] for row in tested] == pytest.approx(expected)


def test_a_study_of_one_kind_has_no_other():
    section = recognition_section(make_data())
    assert section["logit"]["word"] is section["overall"]["word"] is None
    assert {row["kind"] for row in section["words"]} == {"picture"}


def test_each_test_has_words_on_what_it_means():
    assert set(MEANINGS) == {"accuracy", "recognition", "logit"}


# --- raters of known behavior -------------------------------------------------------------------


def test_guessers_pass_no_test_too_often():
    passed = {"accuracy": [], "cells": [], "pictures": [], "words": [], "logit": [], "overall": []}
    for seed in range(60):
        data = make_data(6, 2, 12, 3, choose=skilled(0.0), seed=seed)
        accuracy, found = accuracy_section(data), recognition_section(data)
        passed["accuracy"].append([row["p_value"] <= 0.05 for row in accuracy["words"]])
        passed["cells"].append([any(row["above_chance"] for row in accuracy["cells"])])
        passed["pictures"].append([row["p_value"] <= 0.05 for row in found["pictures"]])
        passed["words"].append([any(row["recognised"] for row in found["words"])])
        passed["overall"].append([found["overall"]["picture"]["recognised"]])
        passed["logit"].append([found["logit"]["picture"]["match"]["p_value"] <= 0.05])
    for name, rejected in passed.items():
        # At .05: 60 independent ones have an error of .028; more in a study count as one here.
        assert np.mean(rejected) <= 0.05 + 2 * 0.028, name


def test_raters_who_pick_what_strikes_the_eye_fool_the_first_test_and_not_the_second():
    above, recognized, any_passed, match = [], [], [], []
    for seed in range(12):
        salience = np.random.default_rng(seed).normal(0, 1.5, 16)
        data = make_data(8, 2, 40, 3, choose=striking(salience), seed=seed)
        above.append([row["above_chance"] for row in accuracy_section(data)["cells"]])
        found = recognition_section(data)
        recognized.append([row["p_value"] <= 0.05 for row in found["pictures"]])
        match.append(found["logit"]["picture"]["match"])
        any_passed += [any(row["recognised"] for row in found[x]) for x in ("pictures", "words")]
    # Holm's correction does not help the first test: a fifth of the pictures are "above chance".
    assert np.mean(above) > 0.15
    assert np.mean(recognized) <= 0.05
    # 24 families, each with a false positive at most once in 20 times: four or more in 3 % of such simulations.
    assert sum(any_passed) <= 3
    assert sum(m["p_value"] <= 0.05 for m in match) <= 2
    assert sum(m["interval"][0] <= 0 <= m["interval"][1] for m in match) >= 10


def test_the_most_striking_picture_is_above_chance_and_not_recognized():
    """The demonstration in one picture: everybody takes it, whatever the question."""
    data = make_data(6, 1, 30, 3, choose=striking([6.0, 0, 0, 0, 0, 0]))
    first = accuracy_section(data)["cells"][0]
    assert first["accuracy"] > 0.9
    assert first["p_holm"] < 1e-6
    picture = recognition_section(data)["pictures"][0]
    assert picture["p_foil"] > 0.9
    assert picture["p_value"] > 0.05
    low, high = picture["difference_interval"]
    assert low < 0 < high


def test_raters_who_know_the_words_pass_both():
    data = make_data(6, 2, 20, 3, choose=skilled(0.8))
    assert all(row["above_chance"] for row in accuracy_section(data)["words"])
    found = recognition_section(data)
    assert all(row["recognised"] for row in found["words"])
    # Skill .8 among three: right .8667, so odds of 13 to each foil: a match of log 13 = 2.56.
    low, high = found["logit"]["picture"]["match"]["interval"]
    assert low < np.log(13) < high
    assert high - low < 1
