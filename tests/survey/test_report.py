import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from generation.models import StylizedImage
from survey.analyses import build
from survey.jobs import Filters
from survey.models import Answer, Participation, Question, Study, Trial
from survey.report import Option, SheetQuestion, build_report
from survey.report import build_sheet as sheet_of
from survey.stats.accuracy import wilson
from tests.factories import StudyFactory, make_ready_set
from tests.survey.report_case import build_case, give_answers

pytestmark = pytest.mark.django_db


def build_sheet(study: Study) -> tuple[SheetQuestion, ...]:
    return sheet_of(study, build(study, Filters(), ("sheet",))["kept"]["sheet"])


def test_numbers_of_people() -> None:
    case = build_case()
    report = build_report(case.study)
    assert (report.study, report.raters, report.finished, report.answers) == ("small", 2, 1, 4)
    first, second, third = report.words
    assert (first.correct, first.answers, first.accuracy) == (2, 3, pytest.approx(2 / 3))
    # 1/3, 1/3 and 1/2.
    assert first.chance == pytest.approx(7 / 18)
    assert (first.low, first.high) == wilson(2, 3)
    # Both, or all three, of two guesses among 3 and one among 2: 1 × 1 + 2 × 2 × 1 ways and 1, of 18.
    assert first.p_value == pytest.approx(6 / 18)
    # Three words: the smallest of the p values, the others are 1.
    assert [row.p_holm for row in report.words] == [1.0, 1.0, 1.0]
    assert (second.correct, second.answers, second.chance) == (0, 1, 0.5)
    assert (third.answers, third.accuracy, third.chance) == (0, None, None)
    assert [row.word for row in report.words] == [case.pictures[i].word.text for i in (0, 2, 4)]
    assert len(report.cells) == 6
    assert [row.answers for row in report.cells] == [3, 0, 1, 0, 0, 0]
    assert [(row.kind, row.correct, row.answers) for row in report.kinds] == [
        ("picture", 1, 3),
        ("word", 1, 1),
    ]
    assert (report.overall.correct, report.overall.answers) == (2, 4)


def test_simulated_raters_only_when_asked() -> None:
    case = build_case()
    report = build_report(case.study, include_simulated=True)
    assert (report.raters, report.answers, report.words[0].correct) == (3, 5, 3)


def test_no_answers() -> None:
    report = build_report(StudyFactory())
    assert (report.raters, report.answers, report.words, report.overall.accuracy) == (
        0,
        0,
        (),
        None,
    )
    assert report.as_json()["words"] == []


def test_queries_do_not_grow(django_assert_max_num_queries: Any) -> None:
    case = build_case()
    with django_assert_max_num_queries(8):
        build_report(case.study)
    counts = build(case.study, Filters(), ("sheet",))["kept"]["sheet"]
    with django_assert_max_num_queries(2):
        sheet_of(case.study, counts)


def test_json_keys() -> None:
    data = build_report(build_case().study).as_json()
    assert list(data)[:5] == ["study", "raters", "answers", "words", "cells"]
    numbers = ["correct", "answers", "accuracy", "chance", "low", "high"]
    test = ["p_value", "p_holm", "above_chance", "not_sure", "accuracy_sure"]
    more = ["pooled_low", "pooled_high", "exact_low", "exact_high"]
    assert list(data["words"][0]) == ["word", *numbers, *test, *more, "p_bh"]
    assert list(data["cells"][0]) == ["word", "content", *numbers, *test, *more, "p_bh"]
    assert list(data["overall"]) == [
        *(*numbers, "p_value", "not_sure", "accuracy_sure"),
        *more,
    ]
    assert list(data["kinds"][0]) == ["kind", *numbers, *test, *more, "p_bh"]
    assert data["words"][2]["accuracy"] is None


def test_csv_prints_words_cells_kinds_and_all_safely() -> None:
    case = build_case()
    word = case.pictures[0].word
    word.text = "=1+1"
    word.save()
    rows = list(csv.reader(io.StringIO(build_report(case.study).as_csv())))
    assert ",".join(rows[0]).startswith(
        "level,word,content,correct,answers,accuracy,chance,low,high,kind,"
    )
    levels = ["word"] * 3 + ["cell"] * 6 + ["kind"] * 2 + ["overall"]
    assert [row[0] for row in rows[1:]] == levels
    assert rows[1][1] == "'=1+1"


def test_csv_has_what_json_has() -> None:
    report = build_report(build_case().study, include_simulated=True)
    data = report.as_json()
    rows = list(csv.DictReader(io.StringIO(report.as_csv())))
    *details, overall = rows
    for name in ("study", "raters", "finished", "generated_at"):
        assert overall[name] == str(data[name])
    assert {row["study"] for row in rows} == {"small"}
    assert {row["include_simulated"] for row in rows} == {"true"}
    # Raters of the study are not those of a word.
    assert {row["raters"] for row in details} == {""}

    def as_text(value: Any) -> str:
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    numbers = [*data["words"], *data["cells"], *data["kinds"], data["overall"]]
    for row, expected in zip(rows, numbers, strict=True):
        for name, value in expected.items():
            assert row[name] == as_text(value), name
    assert [row["kind"] for row in rows if row["level"] == "kind"] == ["picture", "word"]
    assert [row["above_chance"] for row in rows[-3:]] == ["false", "false", ""]


def answered_words(counts: Sequence[tuple[int, int]]) -> tuple[Study, list[str]]:
    """A study of one content, four options, and so many right and wrong answers for each word."""
    study = StudyFactory(stimulus_set=make_ready_set(len(counts), 1), status="open")
    pictures = list(StylizedImage.objects.order_by("word_id").select_related("word"))
    for n, (right, wrong) in enumerate(counts):
        others = [p for p in pictures if p != pictures[n]][:3]
        give_answers(study, pictures[n], others, right, wrong)
    return study, [p.word.text for p in pictures]


def test_best_words_first() -> None:
    study, (poor, nobody, best, good, also_good) = answered_words(
        [(1, 5), (0, 0), (6, 0), (3, 3), (2, 2)]
    )
    report = build_report(study)
    assert [row.word for row in report.words] == [poor, nobody, best, good, also_good]
    # Ties in the order of words, those without answers last.
    assert [row.word for row in report.sorted_words] == [best, good, also_good, poor, nobody]
    assert [row.word for row, _cells in report.table()[1]] == [
        best,
        good,
        also_good,
        poor,
        nobody,
    ]


def test_recognised_by_the_exact_test_corrected_for_the_words() -> None:
    study, (_unlucky, lucky, clear, almost) = answered_words([(1, 5), (2, 0), (6, 0), (4, 2)])
    report = build_report(study)
    p_values = {row.word: row.p_value for row in report.words}
    assert p_values[clear] == 1 / 4**6
    assert p_values[lucky] == 1 / 4**2
    # 15 × 9 ways to have four of six, 6 × 3 five, 1 six.
    assert p_values[almost] == pytest.approx(154 / 4**6)
    assert p_values[almost] < 0.05, "by itself it would be recognised"
    p_holm = {row.word: row.p_holm for row in report.words}
    assert p_holm[clear] == 4 / 4**6
    assert p_holm[almost] == pytest.approx(3 * 154 / 4**6)
    assert p_holm[lucky] == 2 / 4**2
    assert [row.word for row in report.above_chance] == [clear]
    # By Wilson's interval all three would have been.
    assert [row.word for row in report.words if row.low > 0.25] == [lucky, clear, almost]


def test_recognised_best_first() -> None:
    study, (good, _chance, best) = answered_words([(9, 1), (2, 6), (10, 0)])
    assert [row.word for row in build_report(study).above_chance] == [best, good]


def test_cells_are_corrected_among_themselves() -> None:
    """A study of one content: as many cells as words, the same tests."""
    study, _words = answered_words([(1, 5), (2, 0), (6, 0), (4, 2)])
    report = build_report(study)
    assert [c.p_holm for c in report.cells] == [w.p_holm for w in report.words]
    assert [c.above_chance for c in report.cells] == [False, False, True, False]


def test_correction_counts_every_row() -> None:
    """Also one that nobody was asked about: whether a word is recognised must not hang on that."""
    study, words = answered_words([(4, 0), (0, 0), (0, 0)])
    rows = build_report(study).words
    assert [row.word for row in rows] == words
    # Three options, since there are three words.
    assert rows[0].p_value == pytest.approx(1 / 81)
    assert [row.p_holm for row in rows] == [pytest.approx(3 / 81), 1.0, 1.0]
    assert [row.above_chance for row in rows] == [True, False, False]


def test_sheet_counts_chosen_of_offered() -> None:
    case = build_case()
    sheet = build_sheet(case.study)
    assert len(sheet) == 12
    question = next(q for q in sheet if q.asks_picture and q.picture == case.pictures[0].pk)
    assert [(o.chosen, o.offered, o.target) for o in question.options] == [
        (1, 2, True),
        (1, 2, False),
        (0, 1, False),
    ]
    assert [o.picture for o in question.options] == [case.pictures[i].pk for i in (0, 2, 4)]
    assert (question.answers, question.target.percent) == (2, 50.0)
    words = next(q for q in sheet if not q.asks_picture and q.picture == case.pictures[0].pk)
    assert [(o.chosen, o.offered) for o in words.options] == [(1, 1), (0, 1), (0, 1)]


def test_only_first_presentations_of_main_questions_count() -> None:
    case = build_case()
    before = build_report(case.study)
    one = Participation.objects.order_by("pk")[0]
    asked = Question.objects.get(study=case.study, kind="picture", stimulus=case.pictures[0])
    rating = Question.objects.create(study=case.study, kind="rating", stimulus=case.pictures[0])
    practice = Question.objects.create(
        study=case.study, kind="word", stimulus=case.pictures[0], purpose="practice"
    )
    ids = [p.pk for p in case.pictures[::2]]
    for position, (question, role) in enumerate(
        [(asked, "repeat"), (asked, "attention"), (practice, "practice"), (rating, "main")], 90
    ):
        trial = Trial.objects.create(
            participation=one,
            question=question,
            role=role,
            position=position,
            options=[] if question == rating else ids,
            target_slot=None if question == rating else 0,
        )
        Answer.objects.create(trial=trial, slot=0)
    after = build_report(case.study)
    assert replace(after, generated_at=before.generated_at) == before
    assert build_sheet(case.study)[0].answers == 2


def test_not_sure_is_wrong_and_reported_without() -> None:
    case = build_case()
    case.study.not_sure = True
    case.study.save()
    a, c, e = case.pictures[0].pk, case.pictures[2].pk, case.pictures[4].pk
    question = Question.objects.get(study=case.study, kind="picture", stimulus=a)
    trial = Trial.objects.create(
        participation=Participation.objects.create(study=case.study, language="ja"),
        question=question,
        position=1,
        options=[a, c, e],
        target_slot=0,
    )
    Answer.objects.create(trial=trial, slot=None)
    # Of people: A right (picture), A as C, A right (word), now "not sure": 2 of 4, or 2 of 3.
    word = build_report(case.study).words[0]
    assert (word.correct, word.answers, word.not_sure) == (2, 4, 1)
    assert word.accuracy == 0.5
    assert word.accuracy_sure == pytest.approx(2 / 3)
    assert build_report(case.study).as_json()["words"][0]["not_sure"] == 1
    option = build_sheet(case.study)[0].target
    assert (option.chosen, option.offered) == (1, 3)


def test_of_many_options_the_right_one_and_those_chosen_most_come_first() -> None:
    options = tuple(Option(n, f"word {n}", n == 7, chosen=n % 5, offered=9) for n in range(20))
    few = SheetQuestion("picture", "word 7", "cat", "", 7, options[:12])
    assert (few.first, few.rest) == (few.options, ())
    many = SheetQuestion("picture", "word 7", "cat", "", 7, options)
    assert [option.picture for option in many.first] == [7, 4, 9, 14, 19, 3]
    assert [o.picture for o in many.rest] == [n for n in range(20) if n not in (7, 4, 9, 14, 19, 3)]
