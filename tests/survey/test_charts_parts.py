"""Lines, labels and fonts of charts."""

from pathlib import Path
from typing import Any

import pytest

from survey.charts import CHARTS
from survey.charts.cells import compact
from survey.charts.fonts import font_folders, japanese_font
from survey.charts.labels import place_labels
from survey.charts.parts import seconds_ticks
from survey.charts.theme import step, text_width, wrap
from survey.checks import fonts_are_there
from tests.survey.chart_case import make_analysis


def test_wrapping_leaves_nothing_out_and_prefers_spaces() -> None:
    assert wrap("つるつる", 56) == ["つるつる"]
    assert wrap("つるつるの石", 56) == ["つるつる", "の石"]
    assert wrap("smooth stone", 80) == ["smooth", "stone"]
    assert "".join(wrap("a" * 60, 80)) == "a" * 60
    assert wrap("", 80) == [""]
    assert all(text_width(line) <= 80 for line in wrap("a" * 60, 80))


def test_labels_of_close_points_do_not_lie_on_each_other() -> None:
    points = [(200.0 + 6 * i, 150.0) for i in range(6)]
    labels = place_labels(points, ["ふさふさ"] * 6, 400, 300)
    half = text_width("ふさふさ") / 2
    for i, a in enumerate(labels):
        assert half <= a.x <= 400 - half
        for b in labels[:i]:
            assert abs(a.x - b.x) >= 2 * half or abs(a.y - b.y) >= 14


def test_a_single_points_label_is_at_its_side() -> None:
    (label,) = place_labels([(100.0, 100.0)], ["NA"], 300, 200)
    assert not label.far
    assert abs(label.x - 100) + abs(label.y - 100) < 40


@pytest.mark.parametrize(
    ("share", "shade"), [(0, 0), (0.0999, 0), (0.1, 1), (0.5, 5), (0.95, 9), (1, 9)]
)
def test_shades_are_tenths(share: float, shade: int) -> None:
    assert step(share) == shade


def test_counts_are_written_short() -> None:
    assert [compact(n) for n in (7, 999, 1000, 9500, 9990, 14_900, 1_000_000)] == [
        *("7", "999", "1k", "9.5k", "10k", "15k", "1M")
    ]


def test_ticks_of_seconds_are_round_and_inside() -> None:
    assert seconds_ticks([0.4, 60]) == [0.5, 1, 2, 5, 10, 20, 50]
    assert seconds_ticks([0.4, 60], room=250) == [0.5, 2, 10, 50]


def test_a_japanese_font_is_found_by_its_name(tmp_path: Path) -> None:
    assert japanese_font([tmp_path, tmp_path / "none"]) is None
    (tmp_path / "DejaVuSans.ttf").touch()
    (tmp_path / "NotoSansCJK-notes.txt").touch()
    assert japanese_font([tmp_path]) is None
    font = tmp_path / "deep" / "NotoSansCJK-Regular.ttc"
    font.parent.mkdir()
    font.touch()
    assert japanese_font([tmp_path]) == font


def test_check_warns_where_no_font_has_japanese(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FONTS_ROOT = tmp_path / "none"
    (error,) = fonts_are_there(None)
    assert error.id == "survey.E001"
    settings.FONTS_ROOT = tmp_path
    assert font_folders()[0] == tmp_path
    monkeypatch.setattr("survey.checks.font_folders", lambda: [tmp_path])
    (warning,) = fonts_are_there(None)
    assert warning.id == "survey.W001"
    assert "fonts-ipaexfont" in warning.hint
    (tmp_path / "ipaexg.ttf").touch()
    assert fonts_are_there(None) == []


@pytest.mark.parametrize(("width", "apart"), [(720, 0), (340, 18)])
def test_a_correlations_numbers_stand_below_the_heading_on_a_phone(width: int, apart: int) -> None:
    sections = make_analysis(("ふさふさ", "ざらざら", "つるつる"))
    spec = CHARTS["style-distance"].spec(sections, width)
    places = {
        row["text"]: row["y"]
        for rows in spec["datasets"].values()
        for row in rows
        if "text" in row and "y" in row
    }
    (numbers,) = [y for text, y in places.items() if text.startswith("ρ")]
    assert numbers - places["accuracy"] == apart
