"""Forms of the participants' pages."""

from typing import Any

from django import forms
from django.core import signing
from django.utils.translation import gettext_lazy as _

SIMULATED_SALT = "survey.simulated"
SIMULATED_MAX_AGE = 3600


def sign_simulated(slug: str, seed: int) -> str:
    """What marks a participation as simulated: only this server can make it."""
    return signing.dumps({"study": slug, "seed": seed}, salt=SIMULATED_SALT)


class JoinForm(forms.Form):
    consent = forms.BooleanField(
        error_messages={"required": _("Please tick the box if you would like to take part.")}
    )
    simulated = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, slug: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slug = slug

    def clean_simulated(self) -> int | None:
        """The seed of a simulated participation, or None for a person."""
        value = self.cleaned_data["simulated"]
        if not value:
            return None
        try:
            signed = signing.loads(value, salt=SIMULATED_SALT, max_age=SIMULATED_MAX_AGE)
        except signing.BadSignature:
            raise forms.ValidationError(_("This page is out of date. Please try again.")) from None
        if signed["study"] != self.slug:
            raise forms.ValidationError(_("This page is out of date. Please try again."))
        return int(signed["seed"])


class AnswerForm(forms.Form):
    """Which option was chosen."""

    slot = forms.TypedChoiceField(coerce=int)

    def __init__(self, *args: Any, options: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slot"].choices = [(i, str(i)) for i in range(options)]  # type: ignore[attr-defined]
