"""The admin's pages for studies and what participants answered."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, StackedInline

from generation.models import StimulusSet
from survey import lifecycle
from survey.flags import SHORT_FLAGS
from survey.models import Answer, Participation, Study, StudyText, Trial
from survey.report import raters
from survey.session import signals_of
from survey.stats import quality

FIELDSETS: list[tuple[Any, dict[str, Any]]] = [
    (None, {"fields": ["title", "slug", "stimulus_set", "contact"]}),
    (
        _("Questions"),
        {
            "fields": [
                *("ask_picture", "ask_word", "options", "questions_each", "order", "not_sure"),
                *("ask_rating", "rating_points"),
            ]
        },
    ),
    (
        _("Around the questions"),
        {
            "fields": [
                *("practice", "practice_set", "repeats", "gold", "gold_set", "attention"),
                *("break_every", "demographics", "ask_comment"),
            ]
        },
    ),
    (
        _("How it is shown"),
        {"fields": ["word_display", "display_px", "one_tap", "enlarge", "language"]},
    ),
    (
        _("Who takes part"),
        {
            "fields": [
                *("entrance", "panel_parameters", "quota", "closes_at"),
                *("completion_code", "completion_url", "screen_out_code", "screen_out_url"),
            ]
        },
    ),
    (_("The report"), {"fields": ["exclusions"]}),
]
# What may change while people take part: it is not part of what they were asked.
LATER = {
    *("title", "contact", "quota", "closes_at", "exclusions"),
    *("completion_code", "completion_url", "screen_out_code", "screen_out_url"),
}
DESIGN = [name for _label, part in FIELDSETS for name in part["fields"] if name not in LATER]


class StudyTextInline(StackedInline):
    model = StudyText
    extra = 0

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # As the rest of what raters are asked.
        opened = obj is not None and obj.opened_at is not None
        names = ["instructions", "question_picture", "question_word", "question_rating"]
        return names if opened else []


@admin.register(Study)
class StudyAdmin(ModelAdmin):
    list_display = ["title", "slug", "stimulus_set", "status", "raters", "links"]
    list_filter = ["status"]
    list_select_related = ["stimulus_set"]
    prepopulated_fields = {"slug": ["title"]}
    inlines = [StudyTextInline]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        first = (
            ["status", "links", *FIELDSETS[0][1]["fields"]] if obj else FIELDSETS[0][1]["fields"]
        )
        return [(None, {"fields": first}), *FIELDSETS[1:]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # What raters were asked must stay what it was.
        opened = obj is not None and (obj.status != Study.Status.DRAFT or obj.opened_at)
        return ["status", "links", *(DESIGN if opened else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> Any:
        # As the report counts them: people with at least one answer.
        counted = (
            raters()
            .filter(study=models.OuterRef("pk"))
            .order_by()
            .values("study")
            .annotate(n=models.Count("pk"))
            .values("n")
        )
        return (
            super()
            .get_queryset(request)
            .annotate(rater_count=Coalesce(models.Subquery(counted), 0))
        )

    @admin.display(description=_("raters"), ordering="rater_count")
    def raters(self, study: Any) -> int:
        return int(study.rater_count)

    @admin.display(description=_("pages"))
    def links(self, study: Study) -> SafeString | str:
        if study._state.adding:
            return "–"
        return format_html(
            '<a class="underline" href="{}">{}</a> · <a class="underline" href="{}">{}</a>'
            ' · <a class="underline" href="{}">{}</a> · <a class="underline" href="{}">{}</a>',
            study.get_absolute_url(),
            gettext("for participants"),
            reverse("survey:plan", args=[study.slug]),
            gettext("plan"),
            reverse("survey:participants", args=[study.slug]),
            gettext("participants"),
            reverse("survey:report", args=[study.slug]),
            gettext("report"),
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        of_pictures = db_field.name in ("stimulus_set", "practice_set", "gold_set")
        if of_pictures:
            usable = models.Q(status=StimulusSet.Status.READY)
            match = request.resolver_match
            if match is not None and "object_id" in match.kwargs:
                usable |= models.Q(
                    pk__in=Study.objects.filter(pk=match.kwargs["object_id"]).values(db_field.name)
                )
            kwargs["queryset"] = StimulusSet.objects.filter(usable)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and of_pictures:
            ready = gettext("Only sets whose pictures are ready.")
            field.help_text = f"{field.help_text} {ready}" if field.help_text else ready
        return field

    def response_change(self, request: HttpRequest, obj: Study) -> Any:
        steps = {
            "_open_study": (lifecycle.open_study, gettext("The study is open.")),
            "_close_study": (lifecycle.close_study, gettext("The study is closed.")),
        }
        for name, (step, done) in steps.items():
            if name in request.POST:
                try:
                    with transaction.atomic():
                        step(obj)
                except ValidationError as error:
                    for message in error.messages:
                        messages.error(request, message)
                else:
                    messages.success(request, done)
                return redirect("admin:survey_study_change", obj.pk)
        return super().response_change(request, obj)


class ReadOnlyAdmin(ModelAdmin):
    """Rows that only participants write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Participation)
class ParticipationAdmin(ReadOnlyAdmin):
    list_display = [
        *("study", "pk", "language", "simulated", "consented_at", "ended", "answered", "flags"),
    ]
    list_filter = ["study", "simulated", "language", "webdriver"]
    list_select_related = ["study"]
    # Not the token: who has it can answer in the participant's place.
    fields = [
        *("study", "language", "word_display", "simulated", "seed", "row"),
        *(
            "consented_at",
            "consent",
            "finished_at",
            "screened_out_at",
            "withdrawn_at",
            "deleted_at",
        ),
        *("external", "about", "comment", "signals"),
    ]
    readonly_fields = ["signals"]

    def get_queryset(self, request: HttpRequest) -> Any:
        answers = (
            Answer.objects.filter(trial__participation=models.OuterRef("pk"))
            .order_by()
            .values("trial__participation")
            .annotate(n=models.Count("pk"))
            .values("n")
        )
        return super().get_queryset(request).annotate(n=Coalesce(models.Subquery(answers), 0))

    @admin.display(description=_("answers"), ordering="n")
    def answered(self, participation: Any) -> int:
        return int(participation.n)

    @admin.display(description=_("ended"))
    def ended(self, participation: Participation) -> str:
        if participation.deleted_at:
            return gettext("withdrawn, data deleted")
        if participation.withdrawn_at:
            return gettext("withdrawn")
        if participation.screened_out_at:
            return gettext("screened out")
        return gettext("finished") if participation.finished_at else "–"

    @admin.display(description=_("signals"))
    def flags(self, participation: Participation) -> str:
        """Stored when somebody finishes; nobody is left out because of them."""
        found = (participation.quality or {}).get("flags", [])
        return ", ".join(str(SHORT_FLAGS.get(code, code)) for code in found) or "–"

    @admin.display(description=_("signals about the answers"))
    def signals(self, participation: Participation) -> SafeString | str:
        # Computed from the answers as they are now, also of those who have not finished.
        if not participation.pk or not Answer.objects.filter(trial__participation=participation):
            return "–"
        found = signals_of(participation)
        flags = [(SHORT_FLAGS[code], gettext(quality.FLAGS[code])) for code in found.flags]
        return render_to_string("admin/survey/signals.html", {"signals": found, "flags": flags})


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    list_display = ["participation_id", "position", "role", "question", "target_slot", "shown_at"]
    list_filter = ["role", "participation__study", "participation__simulated"]
    list_select_related = ["question__stimulus__word", "question__stimulus__content"]
    fields = [
        *("participation", "position", "role", "question", "options", "target_slot"),
        *("shown_at", "showings", "feedback_at"),
    ]


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    list_display = ["pk", "question", "slot", "correct", "response_ms", "input", "created_at"]
    list_filter = [
        *("trial__role", "trial__participation__study", "trial__participation__simulated"),
    ]
    list_select_related = [
        "trial__question__stimulus__word",
        "trial__question__stimulus__content",
    ]
    fields = [
        *("trial", "question", "slot", "created_at", "response_ms", "chosen_ms", "onset", "input"),
        *("focus_losses", "display"),
    ]
    readonly_fields = ["question"]

    @admin.display(description=_("question"))
    def question(self, answer: Answer) -> str:
        return str(answer.trial.question)

    @admin.display(description=_("right"), boolean=True)
    def correct(self, answer: Answer) -> bool | None:
        """A rating is neither right nor wrong."""
        target = answer.trial.target_slot
        return None if target is None else answer.slot == target
