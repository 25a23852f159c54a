"""Charts of the report: sections of the analysis → Vega-Lite → SVG, PNG, PDF, and their data as tables.

`CHARTS` has them by name in the order of the report. In a page the colors are replaced by the page's own,
through attribute selectors of report.css, so that a chart follows dark mode; a file keeps those of its theme.
Nothing is read from the network: the data are in the specification.
"""

from survey.charts.cells import CELLS
from survey.charts.chart import Analysis, Chart, Table
from survey.charts.confusion import CONFUSION, CONFUSION_PICTURE, CONFUSION_WORD, MAP
from survey.charts.curves import LEARNING, POSITIONS, SPEED, TIMELINE, TIMES
from survey.charts.recognition import SHRINKAGE, TARGET_FOIL, TARGET_FOIL_WORD
from survey.charts.render import FORMATS, Spec, explorable, page_svg, render
from survey.charts.scatter import CORRELATIONS, RATER_AGREEMENT, RATERS
from survey.charts.theme import THEMES, text_width
from survey.charts.words import WORDS

CHARTS: dict[str, Chart] = {
    chart.name: chart
    for chart in (
        *(WORDS, CELLS, TARGET_FOIL, TARGET_FOIL_WORD, SHRINKAGE, *CORRELATIONS),
        *(CONFUSION, CONFUSION_PICTURE, CONFUSION_WORD, MAP, POSITIONS),
        *(TIMES, SPEED, LEARNING, RATERS, RATER_AGREEMENT, TIMELINE),
    )
}

__all__ = [
    "CHARTS",
    "FORMATS",
    "THEMES",
    "Analysis",
    "Chart",
    "Spec",
    "Table",
    "explorable",
    "page_svg",
    "render",
    "text_width",
]
