"""Forms of the participants' pages."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core import signing
from django.utils.translation import gettext_lazy as _

from survey.models import Answer
from survey.session import Measures

SIMULATED_SALT = "survey.simulated"
SIMULATED_MAX_AGE = 3600
TICKET = re.compile(r"[A-Za-z0-9_-]{20,60}")


def sign_simulated(slug: str, seed: int) -> str:
    """What marks a participation as simulated: only this server can make it."""
    return signing.dumps({"study": slug, "seed": seed}, salt=SIMULATED_SALT)


class BadMark(ValueError):
    """Not this server's mark of a simulated participation, or one of long ago."""


def simulated_seed(mark: str, slug: str) -> int:
    """The seed of a simulated participation.

    Raises:
        BadMark: the mark was not made by `sign_simulated` for that study within the last hour.
    """
    try:
        signed = signing.loads(mark, salt=SIMULATED_SALT, max_age=SIMULATED_MAX_AGE)
    except signing.BadSignature:
        raise BadMark("Expected a mark made by sign_simulated.") from None
    if signed["study"] != slug:
        raise BadMark(f"Expected a mark for the study {slug!r}.")
    return int(signed["seed"])


class JoinForm(forms.Form):
    """Consent to a text word for word: ``shown`` names the one that was on the page."""

    consent = forms.BooleanField(
        error_messages={"required": _("Please tick the box if you would like to take part.")}
    )
    shown = forms.CharField(required=False)
    # Made anew for every page, so that a second click on its button joins nobody else.
    ticket = forms.CharField(required=False)

    def __init__(self, *args: Any, shown: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = shown

    def clean_ticket(self) -> str:
        value = str(self.cleaned_data["ticket"])
        return value if TICKET.fullmatch(value) else ""

    def clean(self) -> None:
        if self.cleaned_data.get("shown") != self.expected:
            # Whatever was ticked, it was another text.
            self.errors.clear()
            self.add_error(
                None,
                _(
                    "This text has changed since you opened the page. Please read it once more and tick "
                    "the box again."
                ),
            )


NOT_SURE = "not_sure"


class AnswerForm(forms.Form):
    """Which option was chosen; a slot, or None for "not sure"."""

    slot = forms.TypedChoiceField(coerce=lambda value: None if value == NOT_SURE else int(value))
    key = forms.CharField(required=False, max_length=40)
    webdriver = forms.BooleanField(required=False)

    def __init__(self, *args: Any, slots: int, not_sure: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(i), str(i)) for i in range(slots)]
        if not_sure:
            choices.append((NOT_SURE, NOT_SURE))
        self.fields["slot"].choices = choices  # type: ignore[attr-defined]


class CommentForm(forms.Form):
    """Anything a participant would like to say at the end."""

    comment = forms.CharField(required=False, max_length=5000, widget=forms.Textarea)


def measures_of(posted: Mapping[str, Any]) -> Measures | None:
    """What the page measured, None where it measured nothing.

    A participant's browser sends it, so nothing is believed that cannot be: such values are left out, and
    the answer is stored all the same.
    """
    text = posted.get("measures", "")
    if not text or len(text) > 2000:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    display = {
        name: value
        for name in DISPLAY
        if isinstance(value := found.get(name), int | float)
        and not isinstance(value, bool)
        and 0 <= value < 1e7
    }
    return Measures(
        response_ms=_milliseconds(found.get("response_ms")),
        chosen_ms=_milliseconds(found.get("chosen_ms")),
        onset=found["onset"] if found.get("onset") in Answer.Onset.values else "",
        input=found["input"] if found.get("input") in Answer.Input.values else "",
        focus_losses=min(int(display.pop("focus_losses", 0)), 32767),
        display=display,
    )


# What a page says of its display, all numbers: viewport and shown picture in CSS px, device pixel ratio,
# pixels of the picture's file; how often the choice was changed and a picture enlarged; how often the
# answer was sent; ms in the background.
DISPLAY = (
    *("viewport_width", "viewport_height", "picture_width", "picture_pixels", "device_pixel_ratio"),
    *("focus_losses", "hidden_ms", "changes", "enlarged", "attempts"),
)
DAY_MS = 24 * 3600 * 1000


def _milliseconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < DAY_MS else None
