"""What a request for a report may see, whose answers it asks for, and the numbers that there are of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from generation.models import Recipe
from survey.jobs import Filters
from survey.models import Analysis, Study

# Everything comes from here; no inline style is needed, charts carry attributes only.
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

View = Callable[..., HttpResponseBase]


def private(view: View) -> View:
    """Nothing of it is kept by shared caches, and nothing foreign is loaded."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return wrapped


def allowed(view: View) -> View:
    """Signed in, with the permission to see reports."""
    return login_required(permission_required("survey.view_report", raise_exception=True)(view))


def for_researchers(view: View) -> View:
    """Read by people who may see reports."""
    return require_safe(allowed(private(view)))


# --- whose answers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What the address asks for: whose answers, and whether also of those whom the rules leave out."""

    filters: Filters
    everyone: bool

    @classmethod
    def of(cls, request: HttpRequest, study: Study) -> "Choice":
        """Raises Http404 for a language or a recipe that the study does not have."""
        asked = request.GET
        language, recipe = asked.get("language", ""), asked.get("recipe", "")
        if language and language not in languages_of(study):
            raise Http404(_("Nobody has taken part in that language."))
        if recipe and recipe not in recipes_of(study):
            raise Http404(_("The study has no pictures of that recipe."))
        return cls(
            Filters(simulated=asked.get("simulated") == "1", language=language, recipe=recipe),
            asked.get("everyone") == "1",
        )

    def named(self) -> dict[str, Any]:
        """For a file that is taken along; empty texts mean all."""
        return {
            "language": self.filters.language,
            "recipe": self.filters.recipe,
            "with_excluded": self.everyone,
        }

    def query(self, **changes: str) -> str:
        """The same choice for an address, with ``?`` if there is anything to say."""
        said = {
            "simulated": "1" if self.filters.simulated else "",
            "language": self.filters.language,
            "recipe": self.filters.recipe,
            "everyone": "1" if self.everyone else "",
        } | changes
        given = {name: value for name, value in said.items() if value}
        return f"?{urlencode(given)}" if given else ""


def languages_of(study: Study) -> list[str]:
    return sorted(set(study.participations.order_by().values_list("language", flat=True)))


def recipes_of(study: Study) -> list[str]:
    rows = Recipe.objects.filter(pictures__questions__study=study).order_by("pk").distinct()
    return list(rows.values_list("name", flat=True))


def study_at(slug: str) -> Study:
    return get_object_or_404(Study, slug=slug)


def shown_sections(rows: Iterable[Analysis], everyone: bool) -> dict[str, Any]:
    """All sections that there are, of all parts, without or with whom the rules leave out."""
    shown: dict[str, Any] = {}
    for row in rows:
        if row.result is not None:
            shown |= (row.result["everyone"] if everyone else None) or row.result["kept"]
    return shown


def version_of(rows: Iterable[Analysis]) -> str:
    return "/".join(row.version for row in rows)


def being_computed() -> HttpResponse:
    """Instead of a file whose numbers are not there yet."""
    return HttpResponse(
        _("The numbers are being computed. Try again in a moment."),
        status=503,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": "10"},
    )
