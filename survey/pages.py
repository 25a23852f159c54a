"""What all pages for participants share: headers, language, and who is asking."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import translation

from survey.models import Entrance, Participation, Study
from survey.texts import language, text_of

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

View = Callable[..., HttpResponse]


def quiet(view: View) -> View:
    """A page that loads nothing from elsewhere, and that no cache keeps."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and _cut_short(request):
            # Not what was chosen: half an answer would be stored as if it were one.
            raise BadRequest("The form arrived in part only; it must be sent again.")
        response = view(request, *args, **kwargs)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Addresses of participations are secrets.
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return wrapped


def _cut_short(request: HttpRequest) -> bool:
    """The connection broke off in the middle of a form; the server passes on what has come."""
    if request.content_type != "application/x-www-form-urlencoded":
        return False
    announced = request.META.get("CONTENT_LENGTH") or "0"
    return not announced.isdecimal() or len(request.body) != int(announced)


def speak(study: Study) -> None:
    """Answer this request in the study's language, where it has one."""
    if study.language:
        translation.activate(study.language)


def speak_to(participation: Participation) -> None:
    """Answer in the study's language; within another site's frame in the one that was begun in.

    There browsers keep the cookie of the language from us.
    """
    speak(participation.study)
    if participation.study.entrance == Entrance.MTURK:
        translation.activate(participation.language)


def participation_of(token: str) -> Participation:
    return get_object_or_404(Participation.objects.select_related("study"), token=token)


def about_study(study: Study) -> dict[str, Any]:
    """What every template about a study needs.

    ``fixed_language``: pages offer no other; a switch by cookie does nothing within another site's frame.
    """
    fixed = study.language or (language() if study.entrance == Entrance.MTURK else "")
    return {"study": study, "text": text_of(study), "fixed_language": fixed}
