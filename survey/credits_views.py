"""Whom the pictures of a study are owed to."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from survey.credits import Credit, as_csv, credits_of, said_once
from survey.models import Study
from survey.pages import about_study, quiet, speak


@require_safe
@quiet
def credits_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Public, as licences ask; of drafts there is none yet."""
    study = _begun(slug)
    speak(study)
    found = credits_of(study.stimulus_set)
    by_subject: dict[tuple[str, str], list[Credit]] = {}
    for credit in found:
        by_subject.setdefault((credit.role, credit.subject), []).append(credit)
    groups = {subject: said_once(credits_) for subject, credits_ in by_subject.items()}
    context = {**about_study(study), "groups": groups, "count": len(found)}
    return render(request, "survey/credits.html", context)


@require_safe
@quiet
def credits_file(request: HttpRequest, slug: str) -> HttpResponse:
    study = _begun(slug)
    # The mark tells spreadsheets that it is UTF-8.
    text = "\ufeff" + as_csv(credits_of(study.stimulus_set))
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="CREDITS.csv"'
    return response


def _begun(slug: str) -> Study:
    return get_object_or_404(Study.objects.exclude(status=Study.Status.DRAFT), slug=slug)
