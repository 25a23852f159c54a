"""Every chart with few and many words, without answers and with 14,500 raters, on one page to look at.

    python -m tests.survey.chart_gallery FOLDER

writes index.html. Colors follow the reader's light or dark mode, through the very style sheets of the report.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> int:
    """Draws all; gives the size of the largest SVG in bytes."""
    from survey.charts import CHARTS, page_svg
    from tests.survey.chart_case import EMPTY, WORDS, make_analysis

    cases = {
        "five": make_analysis(),
        "sixty": make_analysis(WORDS, contents=6, raters=40, seed=2),
        "long": make_analysis(("<b>null</b> " * 4 + "NA", "null", "NA", "つ" * 60, "a" * 60)),
        "raters": make_analysis(WORDS[:23], raters=14_500, seed=3),
        "empty": EMPTY,
    }
    largest = 0
    for case, analysis in cases.items():
        parts = []
        for width in (720, 340):
            for name, chart in CHARTS.items():
                svg = page_svg(
                    chart.spec(analysis, width),
                    title=str(chart.title),
                    description="",
                    name=f"{name}-{width}",
                )
                largest = max(largest, len(svg.encode()))
                parts.append(
                    f'<figure class="report-plot" style="width:{width}px">'
                    f"<figcaption>{chart.title} · {len(svg.encode()) // 1000} kB</figcaption>{svg}"
                    f'<p class="report-note">{chart.caption(analysis)}</p></figure>'
                )
        styles = "".join(
            f"<style>{(ROOT / 'survey/static/survey' / name).read_text(encoding='utf-8')}</style>"
            for name in ("quiz.css", "report.css")
        )
        (folder / f"{case}.html").write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{case}</title>{styles}'
            "<style>.report{display:flex;flex-wrap:wrap;gap:2rem;max-width:none}</style>"
            f'<div class="report">{"".join(parts)}</div></html>',
            encoding="utf-8",
        )
    links = "".join(f'<li><a href="{case}.html">{case}</a></li>' for case in cases)
    (folder / "index.html").write_text(f"<ul>{links}</ul>", encoding="utf-8")
    return largest


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    print(f"The largest picture has {build(target):,} bytes.")  # noqa: T201
