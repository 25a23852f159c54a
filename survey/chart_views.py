"""Charts of the report: in the page, and as files."""

import gzip
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from generation.models import StylizedImage
from survey import jobs
from survey.models import Analysis as AnalysisRow
from survey.models import Question, Study
from survey.report_request import Choice, being_computed, for_researchers, shown_sections, study_at

# The same chart for wide and for narrow screens; the style sheet shows one.
WIDTHS = (("wide", 720), ("narrow", 340))
# Charts that need the summary only.
OF_SUMMARY = {"words", "cells", "target-foil", "target-foil-word", "timeline"}
FORMATS = ("svg", "png", "pdf", "csv", "json")
MAX_TABLE = 200
"""Rows of a data table in the page; the CSV has all."""


def analysis_of(request: HttpRequest, study: Study, name: str) -> dict[str, Any] | None:
    """What that chart is drawn from, of the answers that the request asks for; None where it is not computed yet."""
    choice = Choice.of(request, study)
    parts = [AnalysisRow.Part.SUMMARY.value]
    if name not in OF_SUMMARY:
        parts.append(AnalysisRow.Part.DETAILS.value)
    rows = [jobs.refresh(study, part, choice.filters) for part in parts]
    if any(row.result is None for row in rows):
        return None
    return shown_sections(rows, choice.everyone)


@for_researchers
def report_chart(request: HttpRequest, slug: str, name: str, format: str) -> HttpResponse:  # noqa: A002
    """One chart as a file; json is its Vega-Lite specification, of the ``width`` and ``theme`` asked for."""
    from survey.charts import CHARTS

    if name not in CHARTS or format not in FORMATS:
        raise Http404(_("No such chart, or not in this format."))
    study = study_at(slug)
    chart = CHARTS[name]
    analysis = analysis_of(request, study, name)
    if analysis is None:
        return being_computed()
    if format == "json":
        return _explorable(request, chart, analysis)
    if format == "csv":
        # The mark tells spreadsheets that it is UTF-8.
        text = "\ufeff" + chart.table(analysis).as_csv()
        response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    else:
        from survey.charts import FORMATS as TYPES
        from survey.charts import render

        file = render(chart.spec(analysis, 720, _theme(request)), format)
        response = HttpResponse(file, content_type=TYPES[format])
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-{name}.{format}"'
    return response


def _explorable(request: HttpRequest, chart: Any, analysis: Mapping[str, Any]) -> HttpResponse:
    from survey.charts import explorable

    spec = chart.spec(analysis, _width(request), _theme(request))
    return JsonResponse(explorable(spec, chart.zoom))


def _theme(request: HttpRequest) -> str:
    return "dark" if request.GET.get("theme") == "dark" else "light"


def _width(request: HttpRequest) -> int:
    raw = request.GET.get("width", "")
    return min(max(int(raw), 320), 1200) if raw.isascii() and raw.isdigit() else 720


@require_safe
def vega(request: HttpRequest, version: str) -> HttpResponse:
    """The library for exploring charts, the same for everybody and for ever."""
    from survey.charts.bundle import bundle, bundle_version

    if version != bundle_version():
        raise Http404(_("Another version of the library is installed."))
    packed = bundle().read_bytes()
    accepts = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(
        packed if accepts else gzip.decompress(packed),
        content_type="text/javascript; charset=utf-8",
    )
    if accepts:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers["Vary"] = "Accept-Encoding"
    return response


# --- for the page -------------------------------------------------------------------------------


# Drawn charts by what they are of, the last used last. Of the numbers themselves nothing is kept.
_drawn: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
DRAWN_MOST = 256


def charts_of(
    study: Study,
    sections: Mapping[str, Any],
    names: Iterable[str],
    rows: Iterable[AnalysisRow],
    query: str,
) -> dict[str, Any]:
    """By name, what `report_chart.html` shows. Each is drawn once for the same numbers and language."""
    made = tuple((row.pk, row.version, row.as_of) for row in rows)
    found = {}
    for name in names:
        # With the choice in it: without and with whom the rules leave out are of one version.
        key = (study.slug, query, made, name, get_language())
        if key not in _drawn:
            _drawn[key] = figures(study, sections, [name], query)[0]
        _drawn.move_to_end(key)
        while len(_drawn) > DRAWN_MOST:
            _drawn.popitem(last=False)
        # Templates cannot look up a name with a hyphen.
        found[name.replace("-", "_")] = _drawn[key]
    return found


def figures(
    study: Study, analysis: Mapping[str, Any], names: Iterable[str], query: str = ""
) -> list[Any]:
    """What `report_chart.html` shows, for charts in this order. Drawn for both widths: slow."""
    from survey.charts import CHARTS
    from survey.charts.bundle import bundle_version

    library = reverse("survey:vega", args=[bundle_version()])
    return [_figure(study, CHARTS[name], analysis, query, library) for name in names]


def _figure(study: Study, chart: Any, analysis: Mapping[str, Any], query: str, library: str) -> Any:
    from survey.charts import page_svg

    empty = chart.empty(analysis)
    table = chart.table(analysis)
    title, caption = str(chart.title), chart.caption(analysis)
    return {
        "name": chart.name,
        "title": title,
        "caption": caption,
        "empty": empty,
        "library": library,
        "svgs": []
        if empty
        else [
            {
                "size": size,
                "svg": page_svg(
                    chart.spec(analysis, width),
                    title=title,
                    description=caption,
                    name=f"{chart.name}-{size}",
                ),
            }
            for size, width in WIDTHS
        ],
        "header": table.header,
        "rows": [_row(row, table.words) for row in table.rows[:MAX_TABLE]],
        "total": len(table.rows),
        "left_out": max(len(table.rows) - MAX_TABLE, 0),
        "files": [
            {
                "format": format_.upper(),
                "url": reverse("survey:report_chart", args=[study.slug, chart.name, format_])
                + query,
            }
            for format_ in FORMATS
            if format_ != "json"
        ],
        "spec": reverse("survey:report_chart", args=[study.slug, chart.name, "json"]) + query,
    }


def _row(row: tuple[Any, ...], words: bool) -> Any:
    return {"word": row[0] if words else "", "cells": [_cell(cell) for cell in row]}


def _cell(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return _("yes") if cell else _("no")
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def word_pictures(study: Study) -> dict[str, list[dict[str, str]]]:
    """Word → its pictures that the study asks about, for the page's script (by ``json_script``)."""
    pictures = (
        StylizedImage.objects.filter(
            pk__in=Question.objects.counted().filter(study=study).values("stimulus")
        )
        .order_by("word_id", "content_id", "pk")
        .values_list("pk", "word__text", "content__name")
    )
    found: dict[str, list[dict[str, str]]] = {}
    for pk, word, content in pictures:
        address = reverse("survey:report_picture", args=[study.slug, pk])
        found.setdefault(word, []).append({"src": address, "alt": f"{word} × {content}"})
    return found
