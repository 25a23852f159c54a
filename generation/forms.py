"""Forms of the admin: uploads that are verified, choices with thumbnails."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from PIL import Image
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from generation.imagefile import ImageRefused, photograph_fields
from generation.models import SOURCES, ContentImage, MaskKind, Query, Word
from generation.sources import get_source
from generation.sources.base import SourceError
from generation.thumbs import thumb
from generation.uploads import read_upload

ACCEPT = "image/jpeg,image/png,image/webp"


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.Field):
    """Any number of files, unverified: each is judged alone when it is stored."""

    widget = ManyFilesInput

    def clean(self, value: Any) -> list[UploadedFile]:
        uploads = value if isinstance(value, (list, tuple)) else [value]
        return [upload for upload in uploads if isinstance(upload, UploadedFile)]


class WordForm(forms.ModelForm):
    photographs = ManyFilesField(
        label=_("Add photographs"),
        required=False,
        help_text=_(
            "Choose many at once: JPEG, PNG or WebP, at least 64 pixels a side; or a zip file of them, "
            "with a credits.csv if you have one."
        ),
        widget=ManyFilesInput(attrs={"accept": f"{ACCEPT},.zip"}),
    )

    queries = forms.CharField(
        label=_("Queries"),
        required=False,
        help_text=_(
            "What is searched for, one a line, in any language; without any, the word itself. What "
            "they find is merged by rank."
        ),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    class Meta:
        model = Word
        fields = ["text", "reading", "gloss", "source"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            texts = self.instance.queries.values_list("text", flat=True)
            self.initial["queries"] = "\n".join(texts)

    def clean_queries(self) -> list[str]:
        lines = (line.strip() for line in self.cleaned_data["queries"].splitlines())
        texts = list(dict.fromkeys(line for line in lines if line))
        longest = Query._meta.get_field("text").max_length or 0
        if any(len(text) > longest for text in texts):
            raise ValidationError(
                _("A query has at most %(n)d letters. Make it shorter."), params={"n": longest}
            )
        return texts

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]  # Django's, absent from the stubs
        texts = self.cleaned_data["queries"]
        word = self.instance
        if texts != list(word.queries.values_list("text", flat=True)):
            # Anew, so that they stand in the order in which they were typed.
            word.queries.all().delete()
            Query.objects.bulk_create([Query(word=word, text=text) for text in texts])


def sources() -> list[tuple[str, str]]:
    """Image sources that can be used here; what the others need is in docs/sources.md."""
    found = []
    for name, label in SOURCES:
        try:
            get_source(name)
        except SourceError:
            continue
        found.append((name, str(label)))
    return found


class CollectForm(forms.Form):
    """Where photographs are looked for, and how many."""

    source = forms.ChoiceField(
        label=_("Image source"),
        choices=sources,
        help_text=_("Those that lack a key or a contact in the settings are not offered."),
    )
    limit = forms.IntegerField(
        label=_("At most"),
        min_value=1,
        max_value=2000,
        initial=lambda: settings.COLLECT_LIMIT,
        help_text=_("Photographs a word, over all of its queries."),
    )


class PhotographField(forms.FileField):
    """One file, verified and made a plain RGB PNG; ``photo`` fields are in ``clean``'s result."""

    widget = forms.FileInput

    def clean(self, data: Any, initial: Any = None) -> Any:
        upload = super().clean(data, initial)
        if not isinstance(upload, UploadedFile):
            return upload
        try:
            return photograph_fields(read_upload(upload))
        except ImageRefused as refusal:
            raise ValidationError(refusal.message, code=refusal.code) from refusal


class ContentImageForm(forms.ModelForm):
    """A new content photograph. Later its texts can be changed, never its pixels."""

    upload = PhotographField(
        label=_("Photograph"),
        help_text=_("JPEG, PNG or WebP, at least 64 pixels a side."),
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
    )

    class Meta:
        model = ContentImage
        fields = ["name", "credit", "license", "license_url", "attribution", "page_url"]

    def clean_upload(self) -> Any:
        fields = self.cleaned_data["upload"]
        same = ContentImage.objects.filter(sha256=fields["sha256"]).first()
        if same is not None:
            raise ValidationError(
                _("This photograph is already there: %(name)s."),
                code="duplicate",
                params={"name": same.name},
            )
        return fields

    def _post_clean(self) -> None:
        for name, value in (self.cleaned_data.get("upload") or {}).items():
            setattr(self.instance, name, value)
        super()._post_clean()  # type: ignore[misc]  # Django's, absent from the stubs


SIDES = ("left", "top", "right", "bottom")


PIXELS: dict[str, Any] = {
    "required": False,
    "min_value": 0,
    "widget": UnfoldAdminIntegerFieldWidget,
}


class ContentMaskForm(forms.ModelForm):
    """A content photograph that is there: its texts, and one way at a time to a new mask.

    ``cleaned_data["mask"]`` is what was asked for: a kind, with the box or the uploaded mask; or None.
    """

    left = forms.IntegerField(
        label=_("Left"), help_text=_("The box, in pixels of the photograph."), **PIXELS
    )
    top = forms.IntegerField(label=_("Top"), **PIXELS)
    right = forms.IntegerField(label=_("Right"), **PIXELS)
    bottom = forms.IntegerField(label=_("Bottom"), **PIXELS)
    by_network = forms.BooleanField(
        label=_("Find it by the network"),
        required=False,
        help_text=_(
            "A segmentation network finds people, animals, vehicles, furniture, bottles and plants in "
            "pots. Its weights must be at hand."
        ),
        widget=UnfoldBooleanWidget(),
    )
    new_mask = forms.FileField(
        label=_("New mask"),
        required=False,
        help_text=_(
            "White where the object is, black elsewhere; a picture of the same size. "
            "For recipes that restyle only the foreground."
        ),
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
    )

    class Meta:
        model = ContentImage
        fields = ["name", "credit", "license", "license_url", "attribution", "page_url"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.newest = self.instance.masks.first()
        if self.newest is not None and self.newest.box is not None:
            self.initial.update(zip(SIDES, self.newest.box, strict=True))

    def clean_new_mask(self) -> Image.Image | None:
        upload = self.cleaned_data.get("new_mask")
        if not upload:
            return None
        try:
            image = read_upload(upload).image.convert("L")
        except ImageRefused as refusal:
            raise ValidationError(refusal.message, code=refusal.code) from refusal
        width, height = self.instance.width, self.instance.height
        if image.size != (width, height):
            raise ValidationError(
                _("The mask has %(got)s pixels, the photograph %(wanted)s. Make them the same."),
                code="size",
                params={
                    "got": f"{image.width} × {image.height}",
                    "wanted": f"{width} × {height}",
                },
            )
        if not image.getextrema()[1]:
            raise ValidationError(_("The mask is black everywhere: nothing would be restyled."))
        return image

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        upload, by_network = cleaned.get("new_mask"), bool(cleaned.get("by_network"))
        others = (upload is not None) + by_network
        # What stands there from the last time is not asked for again.
        drawn = any(side in self.changed_data for side in SIDES)
        box = self._box(cleaned) if drawn and not self.errors else None
        if others + (box is not None) > 1:
            raise ValidationError(
                _("Choose one way to a mask: a box, the network or a file."), code="ways"
            )
        cleaned["mask"] = None
        if upload is not None:
            cleaned["mask"] = (MaskKind.UPLOAD, upload)
        elif by_network:
            cleaned["mask"] = (MaskKind.NETWORK, None)
        elif box is not None:
            cleaned["mask"] = (MaskKind.BOX, box)
        return cleaned

    def _box(self, cleaned: dict[str, Any]) -> list[int] | None:
        """The four numbers as a box in the photograph; None if all are empty."""
        numbers = [cleaned.get(side) for side in SIDES]
        if all(number is None for number in numbers):
            return None
        left, top, right, bottom = box = [-1 if n is None else n for n in numbers]
        width, height = self.instance.width, self.instance.height
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise ValidationError(
                _(
                    "The box needs four numbers inside the photograph of %(width)d × %(height)d "
                    "pixels: left less than right, top less than bottom."
                ),
                code="box",
                params={"width": width, "height": height},
            )
        return box


class WordChoices(forms.ModelMultipleChoiceField):
    """Words with a few of their photographs."""

    def label_from_instance(self, obj: Any) -> SafeString:
        images = list(obj.images.all())
        accepted = [image for image in images if not image.rejected]
        count = gettext("%(n)d photographs") % {"n": len(accepted)}
        if not accepted and obj.source:
            count = gettext("collected when pictures are made")
        return format_html(
            '<span class="thumb-label">{}{}{} {} <span class="muted">{} {}</span></span>',
            *[thumb(image, size=96, css="small", link=False) for image in accepted[:3]],
            *[""] * (3 - len(accepted[:3])),
            obj.text,
            obj.gloss,
            f"· {count}",
        )


class ContentChoices(forms.ModelMultipleChoiceField):
    """Content photographs with their thumbnails."""

    def label_from_instance(self, obj: Any) -> SafeString:
        return format_html(
            '<span class="thumb-label">{} {}</span>',
            thumb(obj, size=96, css="small", link=False),
            obj.name,
        )


REASONS = [
    (_("not the material"), _("It does not show the material.")),
    (_("text or logo"), _("There is text or a logo on it.")),
    (_("drawing"), _("It is a drawing or rendering, no photograph.")),
    (_("poor quality"), _("It is blurred, tiny or badly lit.")),
    ("", _("Another reason:")),
]


class LeaveOutForm(forms.Form):
    """Why photographs are left out."""

    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=REASONS,
        required=False,
        widget=forms.RadioSelect,
        initial=REASONS[0][0],
    )
    other = forms.CharField(label=_("Another reason"), max_length=200, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        text = cleaned.get("reason") or cleaned.get("other", "").strip()
        if not text:
            raise ValidationError(_("Choose or write a reason."))
        cleaned["text"] = text
        return cleaned
