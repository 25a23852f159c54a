"""The admin's pages for studies and what participants answered."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, StackedInline

from generation.models import StimulusSet
from survey import lifecycle
from survey.models import Answer, Participation, Study, StudyText, Trial
from survey.report import raters

DESIGN = [
    "slug",
    "stimulus_set",
    "ask_picture",
    "ask_word",
    "options",
    "show_reading",
    "show_gloss",
]


class StudyTextInline(StackedInline):
    model = StudyText
    extra = 0
    max_num = 2


@admin.register(Study)
class StudyAdmin(ModelAdmin):
    list_display = ["title", "slug", "stimulus_set", "status", "raters", "links"]
    list_filter = ["status"]
    list_select_related = ["stimulus_set"]
    prepopulated_fields = {"slug": ["title"]}
    inlines = [StudyTextInline]
    fields = [
        "title",
        "slug",
        "stimulus_set",
        "ask_picture",
        "ask_word",
        "options",
        "show_reading",
        "show_gloss",
        "contact",
    ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        names = list(super().get_fields(request, obj))
        return ["status", "links", *names] if obj else names

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
            '<a class="underline" href="{}">{}</a> · <a class="underline" href="{}">{}</a>',
            study.get_absolute_url(),
            gettext("for participants"),
            reverse("survey:report", args=[study.slug]),
            gettext("report"),
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "stimulus_set":
            usable = models.Q(status=StimulusSet.Status.READY)
            match = request.resolver_match
            if match is not None and "object_id" in match.kwargs:
                usable |= models.Q(
                    pk__in=Study.objects.filter(pk=match.kwargs["object_id"]).values("stimulus_set")
                )
            kwargs["queryset"] = StimulusSet.objects.filter(usable)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "stimulus_set":
            field.help_text = _("Only sets whose pictures are ready.")
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
    list_display = ["study", "pk", "language", "simulated", "consented_at", "finished_at"]
    list_filter = ["study", "simulated", "language"]
    list_select_related = ["study"]
    # Not the token: who has it can answer in the participant's place.
    fields = ["study", "language", "simulated", "seed", "consented_at", "finished_at"]


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    list_display = ["participation_id", "position", "question", "target_slot", "shown_at"]
    list_filter = ["participation__study", "participation__simulated"]
    list_select_related = ["question__stimulus__word", "question__stimulus__content"]
    fields = ["participation", "position", "question", "options", "target_slot", "shown_at"]


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    list_display = ["pk", "question", "slot", "correct", "created_at"]
    list_filter = ["trial__participation__study", "trial__participation__simulated"]
    list_select_related = [
        "trial__question__stimulus__word",
        "trial__question__stimulus__content",
    ]
    fields = ["trial", "question", "slot", "created_at"]
    readonly_fields = ["question"]

    @admin.display(description=_("question"))
    def question(self, answer: Answer) -> str:
        return str(answer.trial.question)

    @admin.display(description=_("right"), boolean=True)
    def correct(self, answer: Answer) -> bool:
        return answer.slot == answer.trial.target_slot
