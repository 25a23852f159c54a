"""The admin's pages for words, photographs, sets and pictures."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, Model, Prefetch, Q, QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from generation import jobs, review_views
from generation.forms import (
    SIDES,
    ContentChoices,
    ContentImageForm,
    ContentMaskForm,
    LeaveOutForm,
    WordChoices,
    WordForm,
)
from generation.imagefile import mask_file, pixel_sha256
from generation.models import (
    Clustering,
    ContentImage,
    Hit,
    Job,
    MaskKind,
    Preset,
    Recipe,
    SourceImage,
    State,
    StimulusSet,
    Style,
    StylizedImage,
    Word,
)
from generation.refusals import label
from generation.resolved import resolved
from generation.review import Card
from generation.thumbs import address, strip, thumb
from generation.uploads import add_uploads
from generation.views import start_making
from generation.vision.errors import BadParams
from generation.vision.recipe import PRESETS

SHOWN_IN_LIST = 5


class PictureAdmin(ModelAdmin):
    """An admin page with thumbnails."""

    class Media:
        css = {"all": ["generation/admin.css"]}


class ReadOnlyAdmin(PictureAdmin):
    """Rows that only the program writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


# --- words and photographs --------------------------------------------------------------------


@admin.register(Word)
class WordAdmin(PictureAdmin):
    form = WordForm
    list_display = ["text", "gloss", "strip", "accepted", "left_out", "source"]
    search_fields = ["text", "reading", "gloss"]
    readonly_fields = ["photographs_so_far"]
    fields = [
        "text",
        "reading",
        "gloss",
        "source",
        "queries",
        "photographs",
        "photographs_so_far",
    ]
    actions = ["collect_many"]
    actions_detail = ["collect", "review"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .prefetch_related(Prefetch("images", SourceImage.objects.select_related("word")))
            .annotate(
                accepted_count=Count("images", filter=Q(images__rejected="")),
                left_out_count=Count("images", filter=~Q(images__rejected="")),
            )
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Word | None = None) -> list[str]:
        # Raters may have answered about it under this name.
        fixed = ["text"] if obj is not None and obj.in_pictures else []
        return [*fixed, *super().get_readonly_fields(request, obj)]

    def get_fields(self, request: HttpRequest, obj: Word | None = None) -> list[str]:
        names = list(super().get_fields(request, obj))
        if not self.has_change_permission(request, obj):
            names = [name for name in names if name not in ("photographs", "queries")]
        return names

    @admin.display(description=_("photographs"))
    def strip(self, word: Word) -> SafeString | str:
        rows = [image for image in word.images.all() if not image.rejected]
        return strip(rows[:SHOWN_IN_LIST], css="small")

    @admin.display(description=_("accepted"), ordering="accepted_count")
    def accepted(self, word: Any) -> int:
        return int(word.accepted_count)

    @admin.display(description=_("left out"), ordering="left_out_count")
    def left_out(self, word: Any) -> int:
        return int(word.left_out_count)

    @admin.display(description=_("photographs"))
    def photographs_so_far(self, word: Word) -> SafeString | str:
        if word._state.adding:
            return "–"
        return format_html(
            '{}<p style="margin-top:.5rem"><a class="underline" href="{}">{}</a></p>',
            strip(word.images.all()),
            reverse("admin:generation_word_photographs", args=[word.pk]),
            gettext("Go through them, leave some out, see the groups"),
        )

    @action(description=_("Collect photographs"), url_path="collect", permissions=["view"])
    def collect(self, request: HttpRequest, object_id: int) -> HttpResponse:
        word = get_object_or_404(Word, pk=object_id)
        return redirect(f"{reverse('generation:collect')}?word={word.pk}")

    @admin.action(description=_("Collect photographs …"), permissions=["change"])
    def collect_many(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        asked = urlencode({"word": list(queryset.values_list("pk", flat=True))}, doseq=True)
        return redirect(f"{reverse('generation:collect')}?{asked}")

    def get_urls(self) -> list[Any]:
        """The page on which a person goes through the photographs, before the pattern for any row."""
        views = (
            ("photographs/", "photographs", review_views.photographs),
            ("photographs/<int:image>/", "photograph", review_views.photograph),
            ("photographs/judge/", "judge", review_views.judge),
            ("photographs/group/", "group", review_views.group),
            ("photographs/grouping/", "grouping", review_views.grouping),
        )
        own = [
            path(
                f"<int:pk>/{end}", self.admin_site.admin_view(view), name=f"generation_word_{name}"
            )
            for end, name, view in views
        ]
        return [*own, *super().get_urls()]

    # Not by the permission's own name: unfold would look for it in a database that has no tables yet.
    @action(
        description=_("Go through photographs"), url_path="review", permissions=["see_photographs"]
    )
    def review(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:generation_word_photographs", object_id)

    def has_see_photographs_permission(self, request: HttpRequest, *_object: Any) -> bool:
        return request.user.has_perm("generation.change_sourceimage")

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        request.uploaded = (form.instance, form.cleaned_data.get("photographs") or [])

    def changeform_view(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        # After the form's transaction: decoding takes seconds, and meanwhile others must write.
        response = super().changeform_view(request, *args, **kwargs)
        if hasattr(request, "uploaded"):
            self._add_photographs(request, *request.uploaded)
        return response

    def _add_photographs(self, request: HttpRequest, word: Word, uploads: Any) -> None:
        result = add_uploads(word, uploads)
        if result.added:
            messages.success(
                request,
                gettext("%(n)d photographs added to %(word)s.")
                % {"n": len(result.added), "word": word},
            )
        if result.duplicates:
            messages.warning(
                request,
                gettext("Already there, skipped: %(names)s")
                % {"names": ", ".join(result.duplicates)},
            )
        for name, reason in result.refused:
            messages.error(
                request,
                gettext("%(name)s was not taken: %(reason)s") % {"name": name, "reason": reason},
            )

    def response_add(self, request: HttpRequest, obj: Word, *args: Any, **kwargs: Any) -> Any:
        response = super().response_add(request, obj, *args, **kwargs)
        return self._to_photographs(request, obj, response)

    def response_change(self, request: HttpRequest, obj: Word) -> Any:
        return self._to_photographs(request, obj, super().response_change(request, obj))

    def _to_photographs(self, request: HttpRequest, word: Word, response: Any) -> Any:
        """After an upload, show what came of it."""
        uploaded = (
            request.FILES and "_popup" not in request.POST and "_addanother" not in request.POST
        )
        return redirect("admin:generation_word_change", word.pk) if uploaded else response


class AcceptedFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "accepted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("accepted")), ("no", _("left out"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "yes":
            return queryset.filter(rejected="")
        return queryset.exclude(rejected="") if self.value() == "no" else queryset


@admin.register(SourceImage)
class SourceImageAdmin(PictureAdmin):
    list_display = ["thumbnail", "word", "size", "source", "license", "state"]
    list_display_links = ["thumbnail", "word"]
    list_filter = [AcceptedFilter, "word", "source"]
    list_select_related = ["word"]
    list_per_page = 60
    search_fields = ["word__text", "credit", "origin"]
    actions = ["leave_out", "accept"]
    readonly_fields = ["preview", "by_person", "word", "size", "source", "query", "origin"]
    fields = [
        "preview",
        "rejected",
        "by_person",
        "word",
        "size",
        "source",
        "query",
        "origin",
        "credit",
        "license",
        "license_url",
        "attribution",
        "page_url",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # Photographs are uploaded on their word's page.

    @admin.display(description=_("photograph"))
    def thumbnail(self, row: SourceImage) -> SafeString | str:
        return thumb(row, link=False, css="large")

    @admin.display(description=_("photograph"))
    def preview(self, row: SourceImage) -> SafeString | str:
        return thumb(row, size=640, link=False, css="whole")

    @admin.display(description=_("pixels"))
    def size(self, row: SourceImage) -> str:
        return f"{row.width} × {row.height}"

    @admin.display(description=_("state"), ordering="rejected")
    def state(self, row: SourceImage) -> str:
        if not row.rejected:
            return gettext("accepted")
        return gettext("left out: %(reason)s") % {"reason": Card(row).reason}

    def save_model(self, request: HttpRequest, obj: SourceImage, form: Any, change: bool) -> None:
        if "rejected" in form.changed_data:
            obj.by_person = True
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Accept"), permissions=["change"])
    def accept(self, request: HttpRequest, queryset: QuerySet) -> None:
        # Those that are accepted already, too: now a person says so.
        n = queryset.update(rejected="", by_person=True)
        self.message_user(request, gettext("%(n)d photographs accepted.") % {"n": n})

    @admin.action(description=_("Leave out …"), permissions=["change"])
    def leave_out(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = LeaveOutForm(request.POST if "apply" in request.POST else None)
        if form.is_valid():
            n = queryset.update(rejected=form.cleaned_data["text"], by_person=True)
            self.message_user(request, gettext("%(n)d photographs left out.") % {"n": n})
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": gettext("Leave out photographs"),
            "form": form,
            "rows": queryset,
            "strip": strip(queryset),
        }
        return TemplateResponse(request, "generation/leave_out.html", context)


@admin.register(Hit)
class HitAdmin(ReadOnlyAdmin):
    list_display = ["word", "source", "rank", "query", "state", "why", "detail", "host_link"]
    list_filter = ["state", "reason", "source", "word"]
    list_select_related = ["word"]
    list_per_page = 60
    search_fields = ["word__text", "query", "credit", "detail"]
    fields = [
        "word",
        "source",
        "query",
        "rank",
        "page",
        "state",
        "why",
        "detail",
        "origin",
        "page_link",
        "credit",
        "license",
        "license_url",
        "attribution",
        "found_at",
        "image",
    ]
    readonly_fields = ["page_link", "why"]
    actions = ["again"]

    def has_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("generation.change_word")

    @admin.action(description=_("Fetch again at the next run"), permissions=["again"])
    def again(self, request: HttpRequest, queryset: QuerySet) -> None:
        refused = queryset.filter(state=Hit.State.REFUSED)
        n = refused.update(state=Hit.State.FOUND, reason="", detail="")
        self.message_user(
            request, gettext("%(n)d hits are fetched again when the word is collected.") % {"n": n}
        )

    @admin.display(description=_("reason"), ordering="reason")
    def why(self, row: Hit) -> str:
        return label(row.reason)

    @admin.display(description=_("page"))
    def page_link(self, row: Hit) -> SafeString | str:
        return _link(row.page_url, row.page_url)

    @admin.display(description=_("page"))
    def host_link(self, row: Hit) -> SafeString | str:
        # Whole addresses would push the reasons out of sight.
        return _link(row.page_url, row.page_url.partition("://")[2].partition("/")[0])


def _link(address: str, text: str) -> SafeString | str:
    """Only to what a browser may open: a source could name anything."""
    if not address.startswith(("https://", "http://")):
        return address or "–"
    return format_html(
        '<a class="underline" href="{}" rel="noreferrer noopener">{}</a>', address, text
    )


@admin.register(ContentImage)
class ContentImageAdmin(PictureAdmin):
    list_display = ["thumbnail", "name", "size", "license"]
    list_display_links = ["thumbnail", "name"]
    search_fields = ["name", "credit"]
    readonly_fields = ["drawing", "preview", "size", "mask_shown"]

    class Media:
        js = [
            Script("generation/box.js", type="module"),
            Script("generation/progress.js", type="module"),
        ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = ContentMaskForm if change else ContentImageForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        texts = ["credit", "license", "license_url", "attribution", "page_url"]
        if obj is None:
            return [(None, {"fields": ["name", "upload", *texts]})]
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "preview", "size", "mask_shown", *texts]})]
        ways = ["drawing", *SIDES, "by_network", "new_mask"]
        return [
            (None, {"fields": ["name", "size", *texts]}),
            (_("mask"), {"fields": ["mask_shown", *ways]}),
        ]

    def save_model(self, request: HttpRequest, obj: ContentImage, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        asked = form.cleaned_data.get("mask")
        if asked is None:
            return
        kind, what = asked
        request.mask_asked = True  # type: ignore[attr-defined]
        if kind == MaskKind.UPLOAD:
            obj.masks.create(
                kind=kind,
                state=State.DONE,
                finished_at=timezone.now(),
                file=mask_file(what),
                sha256=pixel_sha256(what),
            )
            return
        jobs.find_mask(obj, kind, what)
        messages.info(request, gettext("The mask is being made. This page shows it."))

    def response_change(self, request: HttpRequest, obj: ContentImage) -> Any:
        """After a new mask, show what came of it."""
        response = super().response_change(request, obj)
        if getattr(request, "mask_asked", False) and "_addanother" not in request.POST:
            return redirect("admin:generation_contentimage_change", obj.pk)
        return response

    @admin.display(description=_("mask"))
    def mask_shown(self, row: ContentImage) -> SafeString | str:
        return render_to_string("generation/includes/mask.html", {"content": row})

    @admin.display(description=_("photograph"))
    def drawing(self, row: ContentImage) -> SafeString | str:
        return render_to_string(
            "generation/includes/box.html", {"content": row, "image": address(row, 640)}
        )

    @admin.display(description=_("photograph"))
    def thumbnail(self, row: ContentImage) -> SafeString | str:
        return thumb(row, link=False, css="large")

    @admin.display(description=_("photograph"))
    def preview(self, row: ContentImage) -> SafeString | str:
        return thumb(row, size=640, link=False, css="whole")

    @admin.display(description=_("pixels"))
    def size(self, row: ContentImage) -> str:
        return f"{row.width} × {row.height}"


# --- recipes and sets -------------------------------------------------------------------------


@admin.register(Recipe)
class RecipeAdmin(PictureAdmin):
    list_display = ["name", "preset", "encoder", "color", "statistic", "used"]
    radio_fields = {"preset": admin.VERTICAL}
    readonly_fields = ["finally_is"]
    fieldsets = [
        (None, {"fields": ["name", "preset", "encoder"]}),
        (
            _("instead of the preset's (empty: as the preset has it)"),
            {
                "fields": [
                    "initial",
                    "color",
                    "region",
                    "background",
                    "statistic",
                    "size",
                    "evaluations",
                    "style_layers",
                    "content_layer",
                    "content_weight",
                ]
            },
        ),
        (
            _("advanced: network, loss and optimization (empty: as the preset has it)"),
            {
                "classes": ["collapse"],
                "fields": [
                    "pooling",
                    "loss",
                    "optimizer",
                    "learning_rate",
                    "history",
                    "coarse",
                    "texture_evaluations",
                    "sigma",
                    "tv_weight",
                    "range_weight",
                ],
            },
        ),
        (
            _("clusters and chance"),
            {
                "fields": [
                    "clusters",
                    "cluster_choice",
                    "cluster_weights",
                    "members",
                    "apart",
                    "seed",
                ]
            },
        ),
        (_("what the recipe finally is"), {"fields": ["finally_is"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Recipe | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj else fieldsets[:-1]

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "preset":
            kwargs["choices"] = [
                (
                    name,
                    format_html(
                        '{}<span class="reason">{}</span>', label, gettext(PRESETS[name].reason)
                    ),
                )
                for name, label in Preset.choices
            ]
        elif db_field.blank:
            kwargs["choices"] = [("", gettext("as the preset has it")), *db_field.choices]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    @admin.display(description=_("all parameters, as saved"))
    def finally_is(self, recipe: Recipe) -> SafeString | str:
        try:
            context = {"resolved": resolved(recipe)}
        except BadParams as error:
            return str(error)
        return render_to_string("generation/includes/recipe_params.html", context)

    @admin.display(description=_("in use"), boolean=True)
    def used(self, recipe: Recipe) -> bool:
        return recipe.in_use

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Pictures say which recipe they were made with, so it must stay what it was.
        return super().has_change_permission(request, obj) and not (obj and obj.in_use)


@admin.register(StimulusSet)
class StimulusSetAdmin(PictureAdmin):
    list_display = ["name", "slug", "strip", "status", "made"]
    list_filter = ["status"]
    prepopulated_fields = {"slug": ["name"]}
    fields = ["name", "slug", "words", "contents", "recipes"]
    actions_detail = ["progress"]

    @admin.display(description=_("pictures"))
    def strip(self, row: StimulusSet) -> SafeString | str:
        return strip(row.wanted().done().with_names()[:SHOWN_IN_LIST], css="small")

    @admin.display(description=_("made"))
    def made(self, row: StimulusSet) -> SafeString:
        return format_html(
            '<a class="underline" href="{}">{} / {}</a>',
            reverse("generation:set", args=[row.slug]),
            row.wanted().done().count(),
            row.wanted().count(),
        )

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        words = Word.objects.prefetch_related(
            Prefetch("images", SourceImage.objects.select_related("word"))
        )
        choices: dict[str, dict[str, Any]] = {
            "words": {"form_class": WordChoices, "queryset": words},
            "contents": {"form_class": ContentChoices},
        }
        kwargs = {
            "widget": UnfoldAdminCheckboxSelectMultipleWidget(),
            **choices.get(db_field.name, {}),
            **kwargs,
        }
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @action(description=_("Progress and pictures"), url_path="progress", permissions=["view"])
    def progress(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("generation:set", get_object_or_404(StimulusSet, pk=object_id).slug)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> Any:
        return self._make(request, obj) or super().response_add(request, obj, *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._make(request, obj) or super().response_change(request, obj)

    def _make(self, request: HttpRequest, row: StimulusSet) -> HttpResponseRedirect | None:
        """*Make pictures* saves the form first, so what is made is what is seen."""
        if "_make" not in request.POST:
            return None
        if not start_making(request, row):
            return redirect("admin:generation_stimulusset_change", row.pk)
        return redirect("generation:set", row.slug)


# --- what the program writes ------------------------------------------------------------------


@admin.register(Clustering)
class ClusteringAdmin(ReadOnlyAdmin):
    list_display = ["word", "encoder", "clusters_found", "created_at"]
    list_filter = ["encoder", "word"]
    list_select_related = ["word"]
    fields = ["word", "encoder", "descriptor", "created_at", "clusters_shown", "params"]
    readonly_fields = ["clusters_shown"]

    @admin.display(description=_("clusters"))
    def clusters_found(self, row: Clustering) -> str:
        chosen = [cluster.chosen for cluster in row.clusters.all()]
        return gettext("%(chosen)d of %(all)d chosen") % {"chosen": sum(chosen), "all": len(chosen)}

    @admin.display(description=_("clusters"))
    def clusters_shown(self, row: Clustering) -> SafeString | str:
        blocks = []
        for cluster in row.clusters.prefetch_related("members__image__word"):
            members = sorted(cluster.members.all(), key=lambda m: (not m.is_medoid, m.order))
            thumbs = format_html_join(
                "",
                "{}",
                ((thumb(m.image, css="medoid" if m.is_medoid else ""),) for m in members),
            )
            heading = gettext("%(rank)d · %(n)d photographs · cohesion %(cohesion)s") % {
                "rank": cluster.rank,
                "n": cluster.size,
                "cohesion": number_format(cluster.cohesion, 2),
            }
            blocks.append(
                format_html(
                    '<section class="cluster {}"><h3>{} <span class="reason">{}</span></h3>'
                    '<div class="thumbs">{}</div></section>',
                    "chosen" if cluster.chosen else "",
                    heading,
                    gettext("chosen") if cluster.chosen else cluster.left_out,
                    thumbs,
                )
            )
        return format_html_join("", "{}", ((block,) for block in blocks)) or "–"


def _short(value: float | None) -> str:
    return "–" if value is None else number_format(f"{value:.4f}")


@admin.register(Style)
class StyleAdmin(ReadOnlyAdmin):
    list_display = ["thumbnail", "clustering", "recipe", "ranks", "members", "seconds"]
    list_display_links = ["thumbnail", "clustering"]
    list_filter = ["clustering__word", "recipe"]
    list_select_related = ["clustering__word", "recipe"]
    fields = ["preview", "clustering", "recipe", "ranks", "members", "dispersion", "seconds"]
    readonly_fields = ["preview"]

    @admin.display(description=_("texture"))
    def thumbnail(self, row: Style) -> SafeString | str:
        return thumb(row, link=False, css="large")

    @admin.display(description=_("texture"))
    def preview(self, row: Style) -> SafeString | str:
        return thumb(row, size=640, link=False, css="whole")


@admin.register(StylizedImage)
class StylizedImageAdmin(ReadOnlyAdmin):
    list_display = [
        "thumbnail",
        "word",
        "content",
        "recipe",
        "state",
        "content_loss_short",
        "style_loss_short",
        "correlation_short",
        "seconds",
    ]
    list_display_links = ["thumbnail", "word"]
    list_filter = ["stimulus_set", "state", "word", "content", "recipe"]
    list_select_related = ["word", "content", "recipe"]
    list_per_page = 60
    fields = [
        "preview",
        "stimulus_set",
        "word",
        "content",
        "recipe",
        "variant",
        "state",
        "error",
        "content_loss_short",
        "style_loss_short",
        "style_distance_short",
        "curve",
        "correlation_short",
        "seconds",
        "seed",
        "clustering",
        "params",
        "sha256",
        "finished_at",
    ]
    readonly_fields = [
        "preview",
        "curve",
        "content_loss_short",
        "style_loss_short",
        "style_distance_short",
        "correlation_short",
    ]

    @admin.display(description=_("picture"))
    def thumbnail(self, row: StylizedImage) -> SafeString | str:
        return thumb(row, link=False, css="large")

    @admin.display(description=_("picture"))
    def preview(self, row: StylizedImage) -> SafeString | str:
        return thumb(row, size=640, link=False, css="whole")

    @admin.display(description=_("content loss"), ordering="content_loss")
    def content_loss_short(self, row: StylizedImage) -> str:
        return _short(row.content_loss)

    @admin.display(description=_("style loss"), ordering="style_loss")
    def style_loss_short(self, row: StylizedImage) -> str:
        return _short(row.style_loss)

    @admin.display(description=_("style distance"), ordering="style_distance")
    def style_distance_short(self, row: StylizedImage) -> str:
        return _short(row.style_distance)

    @admin.display(description=_("correlation with photographs"), ordering="source_correlation")
    def correlation_short(self, row: StylizedImage) -> str:
        return _short(row.source_correlation)

    @admin.display(description=_("loss curve"))
    def curve(self, row: StylizedImage) -> SafeString | str:
        values = [v for v in row.loss_curve or [] if isinstance(v, int | float)]
        if len(values) < 2:
            return "–"
        low, high = min(values), max(values)
        points = " ".join(
            f"{100 * i / (len(values) - 1):.2f},{40 - 40 * (v - low) / ((high - low) or 1):.2f}"
            for i, v in enumerate(values)
        )
        return format_html(
            '<svg class="loss-curve" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" '
            'aria-label="{}"><polyline points="{}"/></svg>',
            gettext("from %(first)s to %(last)s")
            % {"first": number_format(values[0], 4), "last": number_format(values[-1], 4)},
            points,
        )


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["stage", "word", "encoder", "state", "amount", "error", "note", "created_at"]
    list_filter = ["state", "kind", "word"]
    list_select_related = ["word"]
    fields = [
        "kind",
        "word",
        "source",
        "limit",
        "encoder",
        "state",
        "amount",
        "attempts",
        "error",
        "note",
        "created_at",
        "started_at",
        "finished_at",
    ]
    readonly_fields = ["amount"]

    @admin.display(description=_("stage"), ordering="kind")
    def stage(self, job: Job) -> str:
        return " · ".join(filter(None, (job.get_kind_display(), job.get_source_display())))

    @admin.display(description=_("done"))
    def amount(self, job: Job) -> str:
        return f"{job.done} / {job.total}" if job.total else "–"


# --- people -----------------------------------------------------------------------------------

# Django's own pages for people, in the look of the rest.
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass
