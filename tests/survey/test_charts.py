"""The chart that most people will look at: words, best first."""

import json
import xml.etree.ElementTree as ET

from survey.charts import CHARTS, page_svg, text_width
from survey.stats.recognition import accuracy_section
from tests.survey.data_case import make_data, skilled

WORD_OF = [s // 2 for s in range(6)]


def sections():
    data = make_data(
        words=3, contents=2, raters=12, choose=skilled([0.2, 1.0, 0.0], WORD_OF), seed=5
    )
    return {"accuracy": accuracy_section(data)}


def test_spec_reads_no_network_and_puts_the_best_first() -> None:
    spec = CHARTS["words"].spec(sections(), 720)
    values = next(rows for rows in spec["datasets"].values() if "accuracy" in rows[0])
    assert "http" not in json.dumps(spec)
    assert values[0]["word"] == "word1"
    assert values[0]["clear"] is True
    assert [v["accuracy"] for v in values] == sorted((v["accuracy"] for v in values), reverse=True)


def test_svg_is_one_named_picture_with_words() -> None:
    spec = CHARTS["words"].spec(sections(), 340)
    svg = page_svg(spec, title="A & B", description="numbers", name="plot")
    root = ET.fromstring(svg)  # noqa: S314
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "plot-title plot-desc"
    text = "".join(root.itertext())
    assert "word0" in text
    assert "A & B" in text
    assert svg.count("role=") == 1
    assert "style=" not in svg  # The page's policy allows no inline style.


def test_wide_letters_are_wide() -> None:
    assert text_width("木製") == 28
    assert text_width("ab") < 28
