import json
import xml.etree.ElementTree as ET

from survey.charts import dot_plot, dot_plot_spec, text_width
from survey.report import AccuracyRow, corrected

ROWS = corrected(
    (
        AccuracyRow.of(28, {4: 30}, word="ふさふさ"),
        AccuracyRow.of(8, {4: 30}, word="<b>&木製"),
        AccuracyRow.of(0, {}, word="無"),
    )
)


def test_spec_reads_no_network_and_keeps_the_order() -> None:
    spec = dot_plot_spec(ROWS, 720)
    (values,) = spec["datasets"].values()
    assert "http" not in json.dumps(spec)
    assert [v["word"] for v in values] == ["ふさふさ", "<b>&木製"]
    assert [v["clear"] for v in values] == [True, False]


def test_svg_is_one_named_picture_with_words() -> None:
    svg = dot_plot(ROWS, width=340, title="A & B", description="numbers", name="plot")
    root = ET.fromstring(svg)  # noqa: S314
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "plot-title plot-desc"
    text = "".join(root.itertext())
    assert "ふさふさ" in text
    assert "<b>&木製" in text
    assert "A & B" in text
    assert svg.count("role=") == 1
    assert "style=" not in svg  # The page's policy allows no inline style.


def test_wide_letters_are_wide() -> None:
    assert text_width("木製") == 28
    assert text_width("ab") < 28
