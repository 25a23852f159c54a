"""A participant's pages after joining: one step a page, until thanks.

Nothing that is sent before the answer may give it away: pictures are addressed by position and slot, and a
page is told neither role nor target.

Forms post to the page's own address and are answered by a redirect to the next step. The page's script
asks for the next step in the same answer (``X-Quiz: 1``) and is told in ``X-Answer`` what became of what
it sent: ``stored``, ``kept`` (another answer was first), or ``none``.
"""

import io
import logging
from dataclasses import replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe
from PIL import Image, ImageOps

from generation.models import ContentImage, StylizedImage
from survey import about, session
from survey.completion import of_last_page
from survey.forms import AnswerForm, CommentForm, measures_of
from survey.frames import fit, ours
from survey.models import Participation, Question, Trial
from survey.pages import about_study, participation_of, quiet, speak_to
from survey.session import Stage, Step
from survey.texts import language

log = logging.getLogger(__name__)

PICTURE_MAX_AGE = 24 * 3600
# How many questions' pictures a page may have before they are asked.
AHEAD = 3
PHOTOGRAPH_SIDE = 768


@require_http_methods(["GET", "HEAD", "POST"])
@quiet
@ours
def participate(request: HttpRequest, token: str) -> HttpResponse:
    participation = participation_of(token)
    speak_to(participation)
    if request.method == "POST":
        return _posted(request, participation)
    return _render(request, participation, session.next_step(participation))


def _posted(request: HttpRequest, participation: Participation) -> HttpResponse:
    step = session.next_step(participation)
    said = "none"
    if "trial" in request.POST:
        trial = _posted_trial(request, participation)
        form = AnswerForm(request.POST, slots=trial.slots, not_sure=_may_be_unsure(trial))
        if not form.is_valid():
            if step.stage == Stage.QUESTION and step.trial == trial:
                return _render(request, participation, step, missing=True)
        elif (step.stage == Stage.QUESTION and step.trial == trial) or _answered(trial):
            # One answered before gets the first answer back: a back button, a second click or device.
            said = _record(request, participation, trial, form)
    elif "about" in request.POST:
        when = "before" if step.stage == Stage.ABOUT else "after"
        if step.stage in (Stage.ABOUT, Stage.END) and request.POST["about"] == when:
            fields = session.about_fields(participation.study, when)
            about_form = about.AboutForm(request.POST, asked=fields, language=language())
            comment = CommentForm(request.POST)
            if not (about_form.is_valid() and comment.is_valid()):
                return _render(request, participation, step, about_form=about_form, comment=comment)
            text = comment.cleaned_data["comment"] if participation.study.ask_comment else ""
            session.tell(participation, when, about.answers(about_form), text)
            said = "stored"
    elif "go_on" in request.POST and request.POST["go_on"] == _step_name(step):
        session.go_on(participation)
    if request.headers.get("X-Quiz") == "1":
        participation = participation_of(participation.token)
        response = _render(request, participation, session.next_step(participation))
    else:
        response = redirect("survey:participate", participation.token)
    response.headers["X-Answer"] = said
    return response


def _posted_trial(request: HttpRequest, participation: Participation) -> Trial:
    posted = request.POST["trial"]
    if not (posted.isascii() and posted.isdecimal() and len(posted) < 9):
        raise Http404
    trials = participation.trials.select_related("question__stimulus", "participation__study")
    return get_object_or_404(trials, position=int(posted))


def _may_be_unsure(trial: Trial) -> bool:
    return trial.participation.study.not_sure and trial.question.kind != Question.Kind.RATING


def _answered(trial: Trial) -> bool:
    return hasattr(trial, "answer")


def _record(
    request: HttpRequest, participation: Participation, trial: Trial, form: AnswerForm
) -> str:
    if form.cleaned_data["webdriver"]:
        # Before the answer, which may be the last one and settle the signals.
        Participation.objects.filter(pk=participation.pk, deleted_at=None).update(webdriver=True)
    measures = measures_of(request.POST) or session.Measures()
    # With the switch, or on another device, not always the language of joining.
    display = {**measures.display, "language": language()}
    try:
        recorded = session.record(
            trial,
            form.cleaned_data["slot"],
            key=form.cleaned_data["key"],
            measures=replace(measures, display=display),
        )
    except session.Withdrawn:
        return "none"
    return "stored" if recorded.stored else "kept"


# --- rendering ----------------------------------------------------------------------------------


def _step_name(step: Step) -> str:
    """What a form that goes on names, so that a second click does not skip the next stop."""
    return f"{step.stage}-{step.trial.position}" if step.trial else str(step.stage)


def _render(
    request: HttpRequest, participation: Participation, step: Step, **more: Any
) -> HttpResponse:
    progress = session.progress(participation)
    context: dict[str, Any] = {
        **about_study(participation.study),
        "participation": participation,
        "step": _step_name(step),
        "progress": progress,
        "number": min(progress.answered + 1, progress.total),
        **of_last_page(participation, step.stage),
        **more,
    }
    if step.stage in (Stage.QUESTION, Stage.FEEDBACK) and step.trial is not None:
        context |= _question(participation, step.trial)
    if step.stage == Stage.QUESTION and step.trial is not None:
        session.show(step.trial)
        template = f"survey/question_{step.trial.question.kind}.html"
        status = 422 if more.get("missing") else 200
    elif step.stage in (Stage.ABOUT, Stage.END):
        when = "before" if step.stage == Stage.ABOUT else "after"
        fields = session.about_fields(participation.study, when)
        context.setdefault("about_form", about.AboutForm(asked=fields, language=language()))
        context.setdefault("comment", CommentForm())
        context["asks_comment"] = when == "after" and participation.study.ask_comment
        context["when"] = when
        template, status = "survey/about.html", 422 if more else 200
    else:
        template, status = f"survey/{step.stage}.html", 200
    response = render(request, template, context, status=status)
    return fit(response, participation.study, context["way"])


def _question(participation: Participation, trial: Trial) -> dict[str, Any]:
    kind = trial.question.kind
    context: dict[str, Any] = {
        "trial": trial,
        "word": _asked_about(trial).word,
        "slots": list(range(trial.slots)),
        # A check says which slot to choose; no other page is told a slot.
        "named_slot": None,
        "practice": trial.role == Trial.Role.PRACTICE,
        "not_sure": _may_be_unsure(trial),
        "ahead": [
            (coming.position, slot)
            for coming in session.coming(participation, trial, AHEAD)
            for slot in range(_pictures_of(coming))
        ],
    }
    if trial.role == Trial.Role.ATTENTION and trial.target_slot is not None:
        context["named_slot"] = trial.target_slot + 1
    if kind == Question.Kind.CHOOSE_WORD:
        words = {
            p.pk: p.word
            for p in StylizedImage.objects.filter(pk__in=trial.options).select_related("word")
        }
        context["words"] = [words[pk] for pk in trial.options]
    if _answered(trial):
        context["chosen_slot"] = trial.answer.slot
        context["right_slot"] = trial.target_slot
    return context


def _asked_about(trial: Trial) -> StylizedImage:
    """The picture whose word is shown, or that is shown with words.

    An attention check shows one that belongs to another slot than the named one: who answers the usual
    question fails it.
    """
    if trial.role != Trial.Role.ATTENTION or trial.target_slot is None:
        return trial.question.stimulus
    other = trial.options[(trial.target_slot + 1) % len(trial.options)]
    return StylizedImage.objects.select_related("word").get(pk=other)


def _pictures_of(trial: Trial) -> int:
    """How many pictures a page of this trial shows."""
    return len(trial.options) if trial.question.kind == Question.Kind.CHOOSE_PICTURE else 1


@require_safe
def picture(request: HttpRequest, token: str, position: int, slot: int) -> HttpResponse:
    """A picture of a trial that has been reached (or is near), by its slot.

    A trial that asks for the word has one picture, in slot 0 whichever word is right; one that asks for a
    rating has the content photograph there.
    """
    participation = participation_of(token)
    if position > 2**31:
        raise Http404
    trial = get_object_or_404(
        participation.trials.select_related("question__stimulus__content"), position=position
    )
    if slot >= _pictures_of(trial) or _unanswered_before(trial) > AHEAD:
        raise Http404
    kind = "image/png"
    try:
        if trial.question.kind == Question.Kind.RATING:
            data, kind = _photograph(trial.question.stimulus.content), "image/jpeg"
        elif trial.question.kind == Question.Kind.CHOOSE_WORD:
            data = _bytes(_asked_about(trial))
        else:
            data = _bytes(get_object_or_404(StylizedImage, pk=trial.options[slot]))
    except FileNotFoundError as error:
        log.error("A picture's file is missing: %s", error)  # noqa: TRY400
        raise Http404 from None
    response = HttpResponse(data, content_type=kind)
    response.headers["Cache-Control"] = f"private, max-age={PICTURE_MAX_AGE}, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    return response


def _bytes(row: StylizedImage | ContentImage) -> bytes:
    with row.file.open("rb") as stream:
        return bytes(stream.read())


def _photograph(content: ContentImage) -> bytes:
    """The content photograph as the pictures show it: its square middle, light enough for a phone."""
    image = Image.open(io.BytesIO(_bytes(content)))
    square = ImageOps.fit(image, (PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE))
    stream = io.BytesIO()
    square.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _unanswered_before(trial: Trial) -> int:
    return Trial.objects.filter(
        participation=trial.participation_id, position__lt=trial.position, answer__isnull=True
    ).count()
