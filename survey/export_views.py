"""The export of a study for download, for signed-in people who may see reports."""

import tempfile

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from survey.models import Answer, Study
from survey.report_request import for_researchers

# With more answers the analysis would keep a web process too long; the script in the export computes it.
REPORT_UP_TO = 20_000


@for_researchers
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    """A zip; ``?pictures=1`` and ``?simulated=1`` as in the command. It is written to a file first: nothing is held in memory."""
    # Loaded here: it is needed for this page only.
    from survey.charts.files import figure_files
    from survey.export import Choices, ExportError, write
    from survey.tables import TablesError

    study = get_object_or_404(Study, slug=slug)
    answers = Answer.objects.filter(trial__participation__study=study)
    choices = Choices(
        pictures=request.GET.get("pictures") == "1",
        simulated=request.GET.get("simulated") == "1",
        report=not answers[REPORT_UP_TO : REPORT_UP_TO + 1].exists(),
    )
    # The response closes it, and with that it is gone.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        write(study, file, choices, figures=figure_files)
    except (ExportError, TablesError) as error:
        file.close()
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return FileResponse(
        file, as_attachment=True, filename=f"{study.slug}.zip", content_type="application/zip"
    )
