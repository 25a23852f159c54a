"""The way in: list of studies, what to know, consent."""

import math
import secrets
from typing import Any

from django.conf import settings
from django.db.models import Max, Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.views.decorators.http import require_http_methods, require_safe

from survey import entrances, session
from survey.completion import screened_out
from survey.entrances import Arrival, Refused
from survey.forms import BadMark, JoinForm, simulated_seed
from survey.frames import fit, ours
from survey.invitations import accept
from survey.models import (
    ConsentText,
    Entrance,
    Invitation,
    Participation,
    Study,
    StudyText,
)
from survey.pages import about_study, quiet, speak
from survey.texts import consent_shown, consent_source, digest, language

SECONDS_A_QUESTION = 7
SESSION_KEY = "participations"


@require_safe
@quiet
def home(request: HttpRequest) -> HttpResponse:
    own_text = Prefetch(
        "texts", StudyText.objects.filter(language=language()), to_attr="texts_here"
    )
    studies = [
        {"slug": s.slug, "title": next((t.title for t in s.texts_here if t.title), s.title)}
        for s in Study.objects.listed().prefetch_related(own_text)
    ]
    return render(request, "survey/home.html", {"studies": studies})


@require_http_methods(["GET", "HEAD", "POST"])
@quiet
@ours
def join(request: HttpRequest, slug: str) -> HttpResponse:
    study = get_object_or_404(Study, slug=slug)
    _speak(request, study)
    if study.status == Study.Status.DRAFT:
        return _closed(request, study, "not_begun")
    if request.POST.get("simulated"):
        return _simulated(request, study)
    if study.entrance == Entrance.INVITATION:
        return _page(request, study, "survey/by_invitation.html", {})
    try:
        arrival = entrances.arrive(study, request.GET)
    except Refused as refusal:
        if study.status != Study.Status.OPEN:
            return _closed(request, study, "ended")
        return _page(request, study, "survey/refused.html", {"refusal": refusal}, status=400)
    known = _known(request, study, arrival)
    if known is not None:
        return redirect("survey:participate", known.token)
    return _consent(request, study, arrival)


@require_http_methods(["GET", "HEAD", "POST"])
@quiet
@ours
def invited(request: HttpRequest, token: str) -> HttpResponse:
    """A link for one person: whoever agrees first. Afterwards it leads that person back, on any device."""
    invitation = get_object_or_404(
        Invitation.objects.select_related("study", "participation"), token=token
    )
    _speak(request, invitation.study)
    if invitation.participation is not None:
        return redirect("survey:participate", invitation.participation.token)
    if invitation.study.status == Study.Status.DRAFT:
        return _closed(request, invitation.study, "not_begun")
    if invitation.study.entrance != Entrance.INVITATION:
        # Made before the way in was changed to another one.
        raise Http404
    return _consent(request, invitation.study, Arrival(), invitation)


@require_safe
@quiet
def declined(request: HttpRequest, slug: str) -> HttpResponse:
    """For those whom a panel sent and who would rather not; nothing is stored."""
    study = get_object_or_404(Study.objects.exclude(status=Study.Status.DRAFT), slug=slug)
    _speak(request, study)
    back = f"{study.get_absolute_url()}?{request.GET.urlencode()}"
    return _page(request, study, "survey/declined.html", {"back": back})


# --- steps on the way in --------------------------------------------------------------------------


def _speak(request: HttpRequest, study: Study) -> None:
    """The study's language; within another site's frame, where no cookie is, the address's."""
    speak(study)
    chosen = request.GET.get("language")
    links = study.entrance == Entrance.MTURK and not study.language
    if links and chosen in dict(settings.LANGUAGES):
        translation.activate(chosen)


def _known(request: HttpRequest, study: Study, arrival: Arrival) -> Participation | None:
    """The participation of somebody who comes again, with what the panel says anew of their visit."""
    if arrival.preview:
        return None
    if not arrival.person:
        return _known_by_cookie(request, study)
    known = Participation.objects.filter(study=study, person=arrival.person).first()
    if known is not None and known.deleted_at is None and known.external != arrival.external:
        # Whatever was deleted meanwhile stays so: a condition, not a read before.
        kept = {**known.external, **arrival.external}
        Participation.objects.filter(pk=known.pk, deleted_at=None).update(external=kept)
    return known


def _known_by_cookie(request: HttpRequest, study: Study) -> Participation | None:
    """Where this browser has begun before, unless another person asks to take part on it."""
    token = request.session.get(SESSION_KEY, {}).get(study.slug)
    if not token:
        return None
    known = Participation.objects.filter(study=study, token=token).first()
    if known is not None and known.ended and "new" in request.GET:
        return None
    return known


def _consent(
    request: HttpRequest, study: Study, arrival: Arrival, invitation: Invitation | None = None
) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    form = JoinForm(posted, shown=f"{language()}.{digest(consent_source(study))}")
    try:
        session.check_open(study)
        if arrival.preview:
            # Nobody yet who could agree.
            return _page(request, study, "survey/join.html", _what_to_know(study))
        if form.is_valid():
            participation = _join(study, arrival, invitation, form.cleaned_data["ticket"])
            if invitation is None and not arrival.person:
                tokens = request.session.get(SESSION_KEY, {})
                request.session[SESSION_KEY] = {**tokens, study.slug: participation.token}
            return redirect("survey:participate", participation.token)
    except session.Full:
        return _closed(request, study, "full", arrival)
    except session.NotOpen:
        return _closed(request, study, "ended", arrival)
    context = {**_what_to_know(study), "form": form, "invitation": invitation}
    context |= {"shown": form.expected, "ticket": secrets.token_urlsafe(24)}
    status = 422 if form.errors else 200
    return _page(request, study, "survey/join.html", context, status=status)


def _join(
    study: Study, arrival: Arrival, invitation: Invitation | None, ticket: str
) -> Participation:
    consent = consent_shown(study)
    if invitation is not None:
        return accept(invitation, language(), consent)
    person = arrival.person
    if not person and ticket:
        person = entrances.person_key(study.pk, entrances.OPEN, ticket)
    return session.join(
        study, language(), person=person, external=arrival.external, consent=consent
    )


def _simulated(request: HttpRequest, study: Study) -> HttpResponse:
    """Marked by this server itself, by whatever way people come."""
    try:
        seed = simulated_seed(request.POST["simulated"], study.slug)
    except BadMark:
        return _page(request, study, "survey/refused.html", {"refusal": None}, status=422)
    try:
        participation = session.join(
            study, language(), simulated=True, seed=seed, consent=consent_shown(study)
        )
    except session.Full:
        return _closed(request, study, "full")
    except session.NotOpen:
        return _closed(request, study, "ended")
    return redirect("survey:participate", participation.token)


# --- pages ----------------------------------------------------------------------------------------


def _what_to_know(study: Study) -> dict[str, Any]:
    consent = consent_source(study)
    questions = session.trials_each(study)
    return {
        "consent": consent,
        "version": _version(study, consent),
        "questions": questions,
        "minutes": max(1, math.ceil(questions * SECONDS_A_QUESTION / 60)),
    }


def _version(study: Study, text: str) -> int:
    """The version that agreeing to this text is stored under; looking stores nothing."""
    versions = ConsentText.objects.filter(study=study, language=language())
    known = versions.filter(sha256=digest(text)).values_list("version", flat=True).first()
    if known is not None:
        return known
    return int(versions.aggregate(last=Max("version"))["last"] or 0) + 1


def _closed(
    request: HttpRequest, study: Study, why: str, arrival: Arrival | None = None
) -> HttpResponse:
    """Nobody new is let in. A study in preparation tells no more than that."""
    way = screened_out(study, arrival.external) if arrival is not None else None
    return _page(request, study, "survey/closed.html", {"why": why, "way": way})


def _page(
    request: HttpRequest, study: Study, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    whole = {**about_study(study), **context, "panel": study.entrance in entrances.PANELS}
    if study.entrance == Entrance.MTURK and not study.language:
        whole["language_links"] = [
            (code, f"?{_with(request, language=code)}") for code, _name in settings.LANGUAGES
        ]
    response = render(request, template, whole, status=status)
    way = whole.get("way")
    return fit(response, study, way) if way else fit(response, study)


def _with(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = value
    return query.urlencode()
