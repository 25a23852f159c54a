"""A study's people, for its researcher: how it goes, the address to give out, invitations."""

import secrets
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from survey.flags import SHORT_FLAGS
from survey.forms import sign_simulated
from survey.invitations import MAX_AT_ONCE, make_invitations
from survey.models import Entrance, Study
from survey.participants import address_to_give, going, sharp_up_to
from survey.stats import csvfile

SHOWN = 200


class InvitationsForm(forms.Form):
    """How many, or for whom."""

    count = forms.IntegerField(
        label=_("number"), min_value=1, max_value=MAX_AT_ONCE, required=False
    )
    notes = forms.CharField(
        label=_("or notes, one a line"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("For yourself, for example whom a link is for. Never shown to participants."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        notes = [line.strip() for line in cleaned.get("notes", "").splitlines() if line.strip()]
        cleaned["notes"] = notes
        cleaned["count"] = cleaned.get("count") or len(notes)
        if not self.errors and not cleaned["count"]:
            raise forms.ValidationError(_("Say how many, or write a note for each."))
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@permission_required("survey.change_study", raise_exception=True)
def participants(request: HttpRequest, slug: str) -> HttpResponse:
    study = get_object_or_404(Study.objects.select_related("stimulus_set"), slug=slug)
    invites = study.entrance == Entrance.INVITATION
    form = InvitationsForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and invites and form.is_valid():
        try:
            made = make_invitations(study, form.cleaned_data["count"], form.cleaned_data["notes"])
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            n = len(made)
            messages.success(
                request, ngettext("%(n)d invitation made.", "%(n)d invitations made.", n) % {"n": n}
            )
            return redirect("survey:participants", study.slug)
    invitations = study.invitations.select_related("participation").order_by("-pk")
    site = f"{request.scheme}://{request.get_host()}"
    now = going(study)
    context = {
        **_admin_context(request),
        "title": gettext("Participants"),
        "study": study,
        "going": now,
        "flags": [(SHORT_FLAGS.get(code, code), n) for code, n in now.flags],
        "give": address_to_give(study, site),
        "sharp": sharp_up_to(study),
        "invites": invites,
        "form": form,
        "invitations": [(i, site + i.get_absolute_url()) for i in invitations[:SHOWN]],
        "invitation_count": invitations.count(),
        "used_count": invitations.exclude(participation=None).count(),
        "mark": sign_simulated(study.slug, secrets.randbits(62)),
    }
    return render(request, "survey/participants.html", context, status=422 if form.errors else 200)


@require_safe
@login_required
@permission_required("survey.change_study", raise_exception=True)
def invitations_file(request: HttpRequest, slug: str) -> HttpResponse:
    """All links as a table. They are secrets: who has one can take part with it."""
    study = get_object_or_404(Study, slug=slug)
    site = f"{request.scheme}://{request.get_host()}"
    rows = [
        (site + row.get_absolute_url(), row.note, row.participation_id is not None)
        for row in study.invitations.order_by("pk")
    ]
    table = csvfile.as_text(("link", "note", "used"), rows)
    response = HttpResponse("\ufeff" + table, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-invitations.csv"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _admin_context(request: HttpRequest) -> dict[str, Any]:
    from django.contrib import admin

    return admin.site.each_context(request)
