"""Every chart of a report as files, for an export."""

from collections.abc import Mapping
from typing import Any

from survey.charts import CHARTS
from survey.charts.render import render


def figure_files(_data: Any, report: Mapping[str, Any]) -> dict[str, bytes]:
    """Name → content: of each chart that can be drawn the SVG, and its data as CSV.

    Args:
        report: what `survey.stats.analysis.analyze` gives; the numbers without whom the rules leave out are drawn.
    """
    sections = report["kept"]
    files: dict[str, bytes] = {}
    for name, chart in CHARTS.items():
        if not chart.empty(sections):
            files[f"figures/{name}.svg"] = render(chart.spec(sections), "svg")
            files[f"figures/{name}.csv"] = chart.table(sections).as_csv().encode()
    return files
