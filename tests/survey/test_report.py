import csv
import io
from typing import Any

import pytest

from survey.report import build_report, build_sheet, safe_cell
from survey.stats.accuracy import wilson
from tests.factories import StudyFactory
from tests.survey.report_case import build_case

pytestmark = pytest.mark.django_db


def test_numbers_of_people() -> None:
    case = build_case()
    report = build_report(case.study)
    assert (report.study, report.raters, report.finished, report.answers) == ("small", 2, 1, 4)
    first, second, third = report.words
    assert (first.correct, first.answers, first.accuracy) == (2, 3, pytest.approx(2 / 3))
    # 1/3, 1/3 and 1/2.
    assert first.chance == pytest.approx(7 / 18)
    assert (first.low, first.high) == wilson(2, 3)
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


def test_queries_do_not_grow(django_assert_num_queries: Any) -> None:
    case = build_case()
    with django_assert_num_queries(3):
        build_report(case.study)
    with django_assert_num_queries(3):
        build_sheet(case.study)


def test_json_keys() -> None:
    data = build_report(build_case().study).as_json()
    assert list(data)[:5] == ["study", "raters", "answers", "words", "cells"]
    numbers = ["correct", "answers", "accuracy", "chance", "low", "high"]
    assert list(data["words"][0]) == ["word", *numbers]
    assert list(data["cells"][0]) == ["word", "content", *numbers]
    assert data["words"][2]["accuracy"] is None


def test_csv_prints_words_then_cells_safely() -> None:
    case = build_case()
    word = case.pictures[0].word
    word.text = "=1+1"
    word.save()
    rows = list(csv.reader(io.StringIO(build_report(case.study).as_csv())))
    assert ",".join(rows[0]) == "level,word,content,correct,answers,accuracy,chance,low,high"
    assert [row[0] for row in rows[1:]] == ["word"] * 3 + ["cell"] * 6
    assert rows[1][1] == "'=1+1"


@pytest.mark.parametrize("text", ["=a", "+a", "-a", "@a", "\ta"])
def test_formulas_are_made_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell("ふさふさ") == "ふさふさ"


def test_best_words_first() -> None:
    report = build_report(build_case().study)
    assert report.sorted_words == report.words
    assert report.recognised == ()


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
