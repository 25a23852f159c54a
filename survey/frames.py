"""Pages inside another site's frame, and forms that are ours without a cookie.

Mechanical Turk shows a study in a frame, where browsers keep cookies from it. So a form is known to come
from our own page by what the browser says of its origin, which no page can forge; where it says nothing,
Django's cookie decides as everywhere else.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from survey.completion import NONE, WayBack
from survey.models import Entrance, Study
from survey.pages import CONTENT_SECURITY_POLICY

FRAMED_BY = "https://*.mturk.com"

View = Callable[..., HttpResponse]


def fit(response: HttpResponse, study: Study, way: WayBack = NONE) -> HttpResponse:
    """Give a participant's page the headers of its way in: framed by whom, forms sent where."""
    policy = CONTENT_SECURITY_POLICY
    if way.fields:
        policy = policy.replace("form-action 'self'", f"form-action 'self' {' '.join(way.hosts)}")
    if study.entrance == Entrance.MTURK:
        policy = policy.replace("frame-ancestors 'none'", f"frame-ancestors {FRAMED_BY}")
        # The old header knows no pattern of hosts.
        response.xframe_options_exempt = True
    response.headers["Content-Security-Policy"] = policy
    return response


def ours(view: View) -> View:
    """Forms are taken from our own pages only, with a cookie or without.

    A browser names the origin of what it sends (``Sec-Fetch-Site``, in older ones and without https
    ``Origin``). Where it names neither, the cookie and the form's token must agree.
    """
    checked = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        chosen = view if _from_here(request) else checked
        return chosen(request, *args, **kwargs)

    return wrapped


def _from_here(request: HttpRequest) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"
