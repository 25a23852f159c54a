"""The participants' pages: list of studies, consent, one question a page, thanks.

Nothing that is sent before the answer may give it away: pictures are addressed by position and slot.
"""

import logging
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from generation.models import StylizedImage
from survey import session
from survey.credits import Credit, as_csv, credits_of, said_once
from survey.forms import AnswerForm, JoinForm
from survey.models import Participation, Question, Study, StudyText, Trial
from survey.texts import language, text_of

log = logging.getLogger(__name__)

SECONDS_A_QUESTION = 7
PICTURE_MAX_AGE = 24 * 3600
SESSION_KEY = "participations"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

View = Callable[..., HttpResponse]


def quiet(view: View) -> View:
    """A page that loads nothing from elsewhere, and that no cache keeps."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return wrapped


@require_safe
@quiet
def home(request: HttpRequest) -> HttpResponse:
    own_text = Prefetch(
        "texts", StudyText.objects.filter(language=language()), to_attr="texts_here"
    )
    studies = [
        {"slug": s.slug, "title": next((t.title for t in s.texts_here if t.title), s.title)}
        for s in Study.objects.open().prefetch_related(own_text)
    ]
    return render(request, "survey/home.html", {"studies": studies})


@require_http_methods(["GET", "HEAD", "POST"])
@quiet
def join(request: HttpRequest, slug: str) -> HttpResponse:
    study = get_object_or_404(Study, slug=slug)
    known = _known_participation(request, study)
    if known is not None:
        return redirect("survey:participate", known.token)
    if study.status != Study.Status.OPEN:
        return _closed(request, study)
    form = JoinForm(request.POST if request.method == "POST" else None, slug=slug)
    if request.method == "POST" and form.is_valid():
        seed = form.cleaned_data["simulated"]
        try:
            participation = session.join(study, language(), simulated=seed is not None, seed=seed)
        except session.NotOpen:
            return _closed(request, study)
        tokens = request.session.get(SESSION_KEY, {})
        request.session[SESSION_KEY] = {**tokens, slug: participation.token}
        return redirect("survey:participate", participation.token)
    questions = study.questions.count()
    context = {
        "study": study,
        "text": text_of(study),
        "form": form,
        "questions": questions,
        "minutes": max(1, math.ceil(questions * SECONDS_A_QUESTION / 60)),
    }
    return render(request, "survey/join.html", context, status=422 if form.errors else 200)


def _known_participation(request: HttpRequest, study: Study) -> Participation | None:
    """Where this browser has begun before, unless another person asks to take part on it."""
    token = request.session.get(SESSION_KEY, {}).get(study.slug)
    if not token:
        return None
    known = Participation.objects.filter(study=study, token=token).first()
    if known is not None and known.finished_at is not None and "new" in request.GET:
        return None
    return known


def _closed(request: HttpRequest, study: Study) -> HttpResponse:
    context = {
        "study": study,
        "text": text_of(study),
        "closed": study.status == study.Status.CLOSED,
    }
    # A study in preparation tells no more than that.
    return render(request, "survey/closed.html", context)


@require_safe
@quiet
def credits_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Whom the pictures are owed to. Public, as licences ask; of drafts there is none yet."""
    study = _begun(slug)
    found = credits_of(study.stimulus_set)
    by_subject: dict[tuple[str, str], list[Credit]] = {}
    for credit in found:
        by_subject.setdefault((credit.role, credit.subject), []).append(credit)
    groups = {subject: said_once(credits_) for subject, credits_ in by_subject.items()}
    context = {"study": study, "text": text_of(study), "groups": groups, "count": len(found)}
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


@require_http_methods(["GET", "HEAD", "POST"])
@quiet
def participate(request: HttpRequest, token: str) -> HttpResponse:
    participation = _participation(token)
    trial = session.current_trial(participation)
    if request.method == "POST":
        return _answer(request, participation, trial)
    if trial is None:
        if participation.finished_at is None:
            session.finish_if_done(participation.pk)
        study = participation.study
        return render(
            request,
            "survey/thanks.html",
            {"study": study, "text": text_of(study), "open": study.status == Study.Status.OPEN},
        )
    session.show(trial)
    return _question(request, participation, trial)


def _answer(
    request: HttpRequest, participation: Participation, current: Trial | None
) -> HttpResponse:
    posted = request.POST.get("trial", "")
    if current is None or posted != str(current.pk):
        # Answered before (back button, second click) or not yet asked: go on to what is current.
        if not (posted.isascii() and posted.isdecimal() and len(posted) < 19):
            raise Http404
        get_object_or_404(participation.trials.only("pk"), pk=int(posted))
        return _go_on(participation)
    form = AnswerForm(request.POST, options=len(current.options))
    if not form.is_valid():
        return _question(request, participation, current, missing=True)
    session.record(current, form.cleaned_data["slot"])
    return _go_on(participation)


def _go_on(participation: Participation) -> HttpResponseRedirect:
    return redirect("survey:participate", participation.token)


def _question(
    request: HttpRequest, participation: Participation, trial: Trial, *, missing: bool = False
) -> HttpResponse:
    progress = session.progress(participation)
    context: dict[str, Any] = {
        "study": participation.study,
        "text": text_of(participation.study),
        "participation": participation,
        "trial": trial,
        "number": progress.answered + 1,
        "progress": progress,
        "missing": missing,
    }
    if trial.question.kind == Question.Kind.CHOOSE_PICTURE:
        template = "survey/question_picture.html"
        context["word"] = trial.question.stimulus.word
        context["slots"] = list(range(len(trial.options)))
    else:
        template = "survey/question_word.html"
        words = {
            p.pk: p.word
            for p in StylizedImage.objects.filter(pk__in=trial.options).select_related("word")
        }
        context["words"] = [words[pk] for pk in trial.options]
    return render(request, template, context, status=422 if missing else 200)


@require_safe
def picture(request: HttpRequest, token: str, position: int, slot: int) -> HttpResponse:
    """A picture of a trial that has been reached (or is next), by its slot.

    A trial that asks for the word has one picture, in slot 0 whichever word is right.
    """
    participation = _participation(token)
    if position > 2**31:
        raise Http404
    trial = get_object_or_404(
        participation.trials.select_related("question__stimulus"), position=position
    )
    if _unanswered_before(trial) > 1:
        raise Http404
    if trial.question.kind == Question.Kind.CHOOSE_WORD:
        shown = trial.question.stimulus if slot == 0 else None
    elif slot < len(trial.options):
        shown = StylizedImage.objects.filter(pk=trial.options[slot]).first()
    else:
        shown = None
    if shown is None:
        raise Http404
    try:
        with shown.file.open("rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        log.error("The file of picture %d is missing: %s", shown.pk, shown.file.name)  # noqa: TRY400
        raise Http404 from None
    response = HttpResponse(data, content_type="image/png")
    response.headers["Cache-Control"] = f"private, max-age={PICTURE_MAX_AGE}, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    return response


def _unanswered_before(trial: Trial) -> int:
    return Trial.objects.filter(
        participation=trial.participation_id, position__lt=trial.position, answer__isnull=True
    ).count()


def _participation(token: str) -> Participation:
    return get_object_or_404(Participation.objects.select_related("study"), token=token)
