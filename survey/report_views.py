"""Pages of results, for signed-in people who may see reports."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from generation.models import State, StylizedImage
from survey.models import Study
from survey.report import Report, build_report, build_sheet
from survey.texts import text_of

# Everything comes from here; no inline style is needed, charts carry attributes only.
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
WIDTHS = (("wide", 720), ("narrow", 340))

View = Callable[..., HttpResponseBase]


def for_researchers(view: View) -> View:
    """Signed in, with the permission; nothing of it is kept by shared caches."""

    @require_safe
    @login_required
    @permission_required("survey.view_report", raise_exception=True)
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return wrapped


def _study(slug: str) -> Study:
    return get_object_or_404(Study, slug=slug)


def _simulated(request: HttpRequest) -> bool:
    return request.GET.get("simulated") == "1"


@for_researchers
def report(request: HttpRequest, slug: str) -> HttpResponse:
    study = _study(slug)
    simulated = _simulated(request)
    result = build_report(study, simulated)
    contents, table = result.table()
    return render(
        request,
        "survey/report.html",
        {
            "study": study,
            "text": text_of(study),
            "report": result,
            "contents": contents,
            "table": table,
            "plots": _plots(result),
            "sheet": build_sheet(study, simulated) if result.answers else (),
            "simulated": simulated,
            "query": "?simulated=1" if simulated else "",
        },
    )


def _plots(result: Report) -> list[dict[str, Any]]:
    """The same chart for wide and for narrow screens; the style sheet shows one."""
    rows = [row for row in result.sorted_words if row.answers]
    if not rows:
        return []
    # Loaded here: the web process starts without altair and vl_convert.
    from survey.charts import dot_plot

    title = _("Share of right answers, word by word")
    description = ngettext(
        "%(n)d word, with its 95 %% interval and the chance level. The table has the numbers.",
        "%(n)d words, best first, with 95 %% intervals and the chance level. The table has the numbers.",
        len(rows),
    ) % {"n": len(rows)}
    return [
        {
            "size": size,
            "svg": dot_plot(
                rows, width=width, title=title, description=description, name=f"plot-{size}"
            ),
        }
        for size, width in WIDTHS
    ]


@for_researchers
def report_data(request: HttpRequest, slug: str, format: str) -> HttpResponse:  # noqa: A002
    if format not in ("json", "csv"):
        raise Http404(_("Reports come as json or csv."))
    study = _study(slug)
    result = build_report(study, _simulated(request))
    if format == "json":
        return JsonResponse(
            result.as_json(), json_dumps_params={"ensure_ascii": False, "indent": 2}
        )
    # The mark tells spreadsheets that it is UTF-8.
    response = HttpResponse("\ufeff" + result.as_csv(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{study.slug}-report.csv"'
    return response


@for_researchers
def picture(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    study = _study(slug)
    row = get_object_or_404(
        StylizedImage, pk=pk, stimulus_set=study.stimulus_set_id, state=State.DONE
    )
    try:
        stream = default_storage.open(str(row.file.name))
    except FileNotFoundError:
        raise Http404(_("The picture's file is missing.")) from None
    response = FileResponse(stream, content_type="image/png")
    # A finished picture never changes.
    response.headers["Cache-Control"] = "private, max-age=86400, immutable"
    return response
