"""The way out before the end, or after it: stop, and say what becomes of the answers."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from survey import session
from survey.completion import of_last_page
from survey.frames import fit, ours
from survey.pages import about_study, participation_of, quiet, speak_to


@require_http_methods(["GET", "HEAD", "POST"])
@quiet
@ours
def withdraw(request: HttpRequest, token: str) -> HttpResponse:
    """Asks, and does what one of its two buttons says. Doing it again changes nothing."""
    participation = participation_of(token)
    speak_to(participation)
    # Who is through and keeps the answers changes nothing.
    over = (
        participation.finished_at is not None
        or participation.screened_out_at is not None
        or participation.withdrawn_at is not None
    )
    choice = request.POST.get("answers")
    if choice == "delete" or (choice == "keep" and not over):
        session.withdraw(participation, delete=choice == "delete")
    if choice in ("keep", "delete") or participation.deleted_at is not None:
        return redirect("survey:participate", participation.token)
    context = {
        **about_study(participation.study),
        **of_last_page(participation, session.Stage.DONE),
        "participation": participation,
        "over": over,
    }
    return fit(render(request, "survey/withdraw.html", context), participation.study)
