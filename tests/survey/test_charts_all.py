"""Every chart of the report, of every size of study."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from survey.charts import CHARTS, page_svg, render
from survey.charts.render import MAX_SVG_BYTES, UnknownFormat
from survey.charts.theme import DARK, LIGHT, STEPS, UnknownTheme, text_width
from tests.survey.chart_case import EMPTY, WORDS, make_analysis

HARD = ("<b>x</b> role='img'", 'a " b', "null", "NA", "つ" * 60)
CASES = {
    "five": make_analysis(),
    "hard": make_analysis(HARD),
    "sixty": make_analysis(WORDS, contents=6, raters=40, seed=2),
    "raters": make_analysis(WORDS[:8], raters=14_500, seed=3),
}
CSS = Path(__file__).parents[2] / "survey/static/survey/report.css"


def drawn(chart: str, case: str, width: int) -> str:
    spec = CHARTS[chart].spec(CASES[case], width)
    return page_svg(spec, title="Title", description="Text", name="chart")


def text_boxes(node: ET.Element, x: float = 0, y: float = 0) -> Iterator[tuple[str, float, float]]:
    """Texts that are written from left to right, with where they begin and end by the upper estimate."""
    found = re.findall(r"(translate|rotate)\(([^)]*)\)", node.get("transform", ""))
    if any(kind == "rotate" and float(value) for kind, value in found):
        return
    for kind, value in found:
        if kind == "translate":
            dx, dy = (float(part) for part in value.split(","))
            x, y = x + dx, y + dy
    if node.tag.endswith("text") and node.text:
        wide = text_width(node.text, float(node.get("font-size", "").removesuffix("px")))
        start = x - wide * {"start": 0, "middle": 0.5, "end": 1}[node.get("text-anchor", "start")]
        yield node.text, start, start + wide
    for child in node:
        yield from text_boxes(child, x, y)


ALL = [(chart, case) for chart in CHARTS for case in ("five", "hard", "sixty")]
MANY = [(chart, "raters") for chart in ("raters", "rater-agreement", "cells", "timeline")]


@pytest.mark.parametrize(("chart", "case"), [*ALL, *MANY])
def test_every_chart_is_small_whole_and_readable(chart: str, case: str) -> None:
    for width in (720, 340) if case in ("sixty", "raters") else (340,):
        svg = drawn(chart, case, width)
        root = ET.fromstring(svg)  # noqa: S314
        assert len(svg.encode()) < MAX_SVG_BYTES
        assert root.get("viewBox", "").split()[2] == str(width)
        assert svg.count("<title") == svg.count("<desc") == 1
        assert not re.search(r"<[^>]*(style=|href=|NaN|undefined)", svg)
        sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)]
        # Where a picture of 340 px is shown on 300, letters still have 11.
        assert min(sizes) * 300 / 340 >= 11
        for text, start, end in text_boxes(root):
            assert start >= -1, text
            assert end <= width + 1, text


@pytest.mark.parametrize("chart", CHARTS)
def test_specs_name_no_network_place_and_keep_texts(chart: str) -> None:
    spec = CHARTS[chart].spec(CASES["hard"])
    assert "http" not in json.dumps(spec)
    table = CHARTS[chart].table(CASES["hard"])
    assert table.rows
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert len(CHARTS[chart].caption(CASES["hard"])) > 40


@pytest.mark.parametrize(
    "chart", ["words", "cells", "confusion", "map", "target-foil", "shrinkage"]
)
def test_words_that_look_like_something_else_stay_texts(chart: str) -> None:
    svg = drawn(chart, "hard", 720)
    # Long words are written in several lines, and numbers may stand before them.
    text = "".join(part.removeprefix(" ") for part in ET.fromstring(svg).itertext())  # noqa: S314
    for word in ("<b>x</b> role='img'", 'a " b', "null", "NA"):
        assert word in text
    assert text.count("つ") >= 60
    assert "<b>" not in svg


@pytest.mark.parametrize("chart", ["words", "cells", "map", "target-foil", "style-distance"])
def test_marks_say_their_word(chart: str) -> None:
    root = ET.fromstring(drawn(chart, "hard", 720))  # noqa: S314
    found = {node.get("data-word") for node in root.iter()} - {None}
    assert found == set(HARD)


@pytest.mark.parametrize("chart", CHARTS)
def test_without_answers_a_chart_says_so(chart: str) -> None:
    for analysis in (EMPTY, {}):
        assert CHARTS[chart].empty(analysis) == "No answers yet."
        svg = page_svg(CHARTS[chart].spec(analysis, 340), title="", description="", name="x")
        assert "No answers yet." in svg
        assert not CHARTS[chart].table(analysis).rows


def test_numbers_that_could_not_be_computed_are_left_out() -> None:
    analysis = make_analysis(seed=4)
    for row in [*analysis["times"]["by_speed"], *analysis["causes"]["shrinkage"]["words"]]:
        row["interval"] = None
    analysis["causes"]["shrinkage"]["mu"] = None
    analysis["times"]["wrong"] = {"n": 0, "median_ms": None}
    analysis["learning"]["slope"] = {"per_10_trials": None, "se": None, "p_value": None}
    analysis["positions"]["m"][0]["p_value"] = None
    analysis["confusions"]["kinds"]["all"]["order"] = None
    analysis["raters"][0]["median_ms"] = None
    analysis["causes"]["correlations"][0] |= {"rho": None, "interval": None}
    for chart in CHARTS.values():
        svg = page_svg(chart.spec(analysis), title="", description="", name="x")
        assert "NaN" not in svg
        assert "None" not in svg + chart.caption(analysis) + chart.table(analysis).as_csv()
    assert "wrong: no answers" in page_svg(
        CHARTS["times"].spec(analysis), title="", description="", name="x"
    )


@pytest.mark.parametrize("chart", [name for name in CHARTS if name not in ("words", "cells")])
def test_a_section_that_is_missing_is_said(chart: str) -> None:
    """There are answers, but not what this chart is made of."""
    analysis = {"accuracy": CASES["five"]["accuracy"]}
    assert CHARTS[chart].empty(analysis) not in ("", "No answers yet.")


def test_colors_are_those_that_the_page_replaces() -> None:
    css = CSS.read_text(encoding="utf-8")
    replaced = set(re.findall(r'\.report-plot svg \[(fill|stroke)="(#\w+)"\]', css))
    for chart, case in [*((chart, "five") for chart in CHARTS), *MANY]:
        used = set(re.findall(r' (fill|stroke)="(#\w+)"', drawn(chart, case, 340)))
        assert used <= replaced, chart


def test_the_pages_dark_colors_are_those_of_dark_files() -> None:
    light, dark = CSS.read_text(encoding="utf-8").split("@media (prefers-color-scheme: dark)")[:2]
    for palette, text in ((LIGHT, light), (DARK, dark)):
        shades = dict(re.findall(r"--shade-(\d): (#\w+);", text))
        assert [shades[str(n)] for n in range(STEPS)] == list(palette.shades)
        assert f"--warm: {palette.warm};" in text
        assert f"--on-shade: {palette.on_shade};" in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_files_have_the_theme_as_background(theme: str) -> None:
    svg = render(CHARTS["words"].spec(CASES["five"], 720, theme), "svg").decode()
    paper = {"light": "#ffffff", "dark": "#1b1a18"}[theme]
    assert f'<rect width="720" height="{ET.fromstring(svg).get("height")}" fill="{paper}"/>' in svg  # noqa: S314


def test_files_begin_as_their_format_does() -> None:
    spec = CHARTS["words"].spec(CASES["five"], 720)
    assert render(spec, "svg").startswith(b"<svg ")
    png = render(spec, "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(png[16:20]) == 2 * 720  # width in the header, PNG specification 11.2.2
    assert render(spec, "pdf").startswith(b"%PDF-1.")


def test_other_formats_and_themes_are_refused() -> None:
    spec = CHARTS["words"].spec(CASES["five"], 720)
    with pytest.raises(UnknownFormat, match="svg, png, pdf; came 'gif'"):
        render(spec, "gif")
    with pytest.raises(UnknownTheme, match="light, dark; came 'sepia'"):
        CHARTS["words"].spec(CASES["five"], 720, "sepia")


def test_csv_is_safe_in_a_spreadsheet() -> None:
    analysis = make_analysis(("=1+1", "NA", "null", "ふさふさ", "a,b"))
    lines = CHARTS["words"].table(analysis).as_csv().split("\r\n")
    assert lines[0].startswith("word,right,answers,accuracy,chance")
    assert {line.partition(",")[0] for line in lines[1:-1]} == {
        "'=1+1",
        "NA",
        "null",
        "ふさふさ",
        '"a',
    }


def test_shades_order_by_lightness_and_letters_on_them_are_readable() -> None:
    """WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for letters; 1.4.11: 3 to 1 for signs."""
    for palette in (LIGHT, DARK):
        lightness = [luminance(color) for color in palette.shades]
        assert lightness == sorted(lightness, reverse=palette is LIGHT)
        for place, color in enumerate(palette.shades):
            letters = palette.ink if place < STEPS // 2 else palette.on_shade
            assert contrast(color, letters) >= 4.45, color
        for color in (palette.ink, palette.muted, palette.accent, palette.warm):
            assert contrast(color, palette.paper) >= 4.5
        assert contrast(palette.weak, palette.paper) >= 2.4


# Machado, Oliveira and Fernandes 2009, table of severity 1.0, on linear RGB.
BLIND = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


@pytest.mark.parametrize("kind", BLIND)
def test_the_two_hues_differ_for_color_blind_people(kind: str) -> None:
    """Distance in OKLab, where .02 is just noticed (Ottosson 2020)."""
    for palette in (LIGHT, DARK):
        a, b = (np.array(BLIND[kind]) @ linear(color) for color in (palette.accent, palette.warm))
        assert np.linalg.norm(oklab(a) - oklab(b)) > 0.1


def linear(color: str) -> Any:
    share = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def oklab(rgb: Any) -> Any:
    cones = np.array(
        (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    )
    axes = np.array(
        (
            (0.2104542553, 0.7936177850, -0.0040720468),
            (1.9779984951, -2.4285922050, 0.4505937099),
            (0.0259040371, 0.7827717662, -0.8086757660),
        )
    )
    return axes @ np.cbrt(cones @ rgb)


def _texts(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter() if node.tag.endswith("text")]  # noqa: S314


def test_confusions_of_few_words_are_printed_under_the_words_themselves() -> None:
    matrix = CASES["five"]["confusions"]["kinds"]["all"]
    pairs = [
        f"{chosen}/{offered}"
        for row in zip(matrix["chosen"], matrix["offered"], matrix["ratio"], strict=True)
        for chosen, offered, ratio in zip(*row, strict=True)
        if ratio is not None
    ]
    for width in (720, 340):
        said = _texts(drawn("confusion", "five", width))
        assert sorted(text for text in said if "/" in text) == sorted(pairs)
        # Each once for its row and once for its column.
        assert [said.count(word) for word in WORDS[:5]] == [2] * 5


def test_confusions_of_many_words_have_numbers_over_the_columns_and_none_in_cells() -> None:
    said = _texts(drawn("confusion", "sixty", 720))
    assert not [text for text in said if "/" in text]
    assert {"5", "10", "60"} <= set(said)
    # A word that fits over no column: numbers there too.
    assert "1" in _texts(drawn("confusion", "hard", 340))
