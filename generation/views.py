"""Staff pages: the progress of a set and of collecting, thumbnails."""

import hashlib
import io
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from PIL import Image, ImageOps, UnidentifiedImageError

from generation import jobs
from generation.collect_state import collect_state
from generation.forms import CollectForm
from generation.models import (
    ContentImage,
    Mask,
    SourceImage,
    StimulusSet,
    Style,
    StylizedImage,
    Word,
)
from generation.set_licenses import by_license
from generation.set_state import set_state as state_of

KINDS: dict[str, type[models.Model]] = {
    "photograph": SourceImage,
    "content": ContentImage,
    "mask": Mask,
    "picture": StylizedImage,
    "style": Style,
}
SIZES = (96, 160, 320, 640, 1024)


def _set_or_refuse(request: HttpRequest, slug: str, permission: str) -> StimulusSet:
    if not request.user.has_perm(f"generation.{permission}_stimulusset"):
        raise PermissionDenied
    return get_object_or_404(StimulusSet, slug=slug)


def _context(request: HttpRequest, stimulus_set: StimulusSet) -> dict[str, Any]:
    return {
        "set": stimulus_set,
        "state": state_of(stimulus_set),
        "may_make": request.user.has_perm("generation.change_stimulusset"),
    }


@require_GET
@never_cache
@staff_member_required
def set_progress(request: HttpRequest, slug: str) -> HttpResponse:
    """The page that shows pictures as they come."""
    stimulus_set = _set_or_refuse(request, slug, "view")
    context = {
        **admin.site.each_context(request),
        **_context(request, stimulus_set),
        "title": stimulus_set.name,
    }
    return render(request, "generation/progress.html", context)


@require_GET
@never_cache
@staff_member_required
def set_state(request: HttpRequest, slug: str) -> HttpResponse:
    """The parts of that page that change, as an HTML fragment."""
    stimulus_set = _set_or_refuse(request, slug, "view")
    return render(
        request, "generation/includes/progress_state.html", _context(request, stimulus_set)
    )


@require_GET
@never_cache
@staff_member_required
def set_licenses(request: HttpRequest, slug: str) -> HttpResponse:
    """The photographs that shaped a set's pictures, by licence: which may be shown and published."""
    stimulus_set = _set_or_refuse(request, slug, "view")
    groups = by_license(stimulus_set)
    context = {
        **admin.site.each_context(request),
        "title": _("Photographs and licences: %(set)s") % {"set": stimulus_set},
        "set": stimulus_set,
        "groups": groups,
        "total": sum(len(group.photographs) for group in groups),
        "withheld": sum(len(group.photographs) for group in groups if not group.may_show),
    }
    return render(request, "generation/licenses.html", context)


@require_POST
@staff_member_required
def set_make(request: HttpRequest, slug: str) -> HttpResponse:
    """Start making, or try failed parts again. Finished pictures are kept."""
    stimulus_set = _set_or_refuse(request, slug, "change")
    start_making(request, stimulus_set)
    return redirect("generation:set", slug=slug)


def start_making(request: HttpRequest, stimulus_set: StimulusSet) -> bool:
    """Ask for the pictures unless something is missing, and say which."""
    missing = [
        label
        for label, rows in (
            (_("words"), stimulus_set.words),
            (_("content photographs"), stimulus_set.contents),
            (_("recipes"), stimulus_set.recipes),
        )
        if not rows.exists()
    ]
    if missing:
        messages.error(
            request,
            _("Nothing was started: choose at least one each of %(missing)s first.")
            % {"missing": ", ".join(missing)},
        )
        return False
    jobs.make(stimulus_set)
    messages.success(request, _("The pictures are being made. This page shows them as they come."))
    return True


# --- collecting -------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@never_cache
@staff_member_required
def collect(request: HttpRequest) -> HttpResponse:
    """The page on which photographs of words (``?word=1&word=2``) are asked for and come."""
    words = _words_or_refuse(request)
    may_collect = request.user.has_perm("generation.change_word")
    first = words[0].source if len({word.source for word in words}) == 1 else ""
    form = CollectForm(request.POST or None, initial={"source": first})
    if request.method == "POST":
        if not may_collect:
            raise PermissionDenied
        if form.is_valid():
            for word in words:
                jobs.collect(word, form.cleaned_data["source"], form.cleaned_data["limit"])
            messages.success(
                request, _("Photographs are being collected. This page shows how far.")
            )
            return redirect(request.get_full_path())
    context = {
        **admin.site.each_context(request),
        "title": _("Collect photographs"),
        "words": words,
        **_collect_context(request, words),
        "form": form,
        "may_collect": may_collect,
        "asked": request.GET.urlencode(),
    }
    return render(request, "generation/collect.html", context)


@require_GET
@never_cache
@staff_member_required
def collecting(request: HttpRequest) -> HttpResponse:
    """The parts of that page that change, as an HTML fragment."""
    context = _collect_context(request, _words_or_refuse(request))
    return render(request, "generation/includes/collect_state.html", context)


def _collect_context(request: HttpRequest, words: list[Word]) -> dict[str, Any]:
    state = collect_state(words)
    return {
        "state": state,
        "working": any(row.working for row in state),
        "may_review": request.user.has_perm("generation.change_sourceimage"),
    }


def _words_or_refuse(request: HttpRequest) -> list[Word]:
    if not request.user.has_perm("generation.view_word"):
        raise PermissionDenied
    asked = [pk for pk in request.GET.getlist("word") if pk.isdecimal() and len(pk) < 19]
    words = list(Word.objects.filter(pk__in=asked))
    if not words:
        raise Http404(_("No word of that number."))
    return words


@require_GET
@staff_member_required
def thumbnail(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """A small JPEG of a photograph, content, mask or picture; ``size`` is the longer side at most."""
    model = KINDS.get(kind)
    if model is None:
        raise Http404
    # A mask is a part of its content.
    name = (ContentImage if model is Mask else model)._meta.model_name
    if not request.user.has_perm(f"generation.view_{name}"):
        raise PermissionDenied
    row: Any = get_object_or_404(model, pk=pk)
    if not row.file:
        raise Http404
    size = _size(request.GET.get("size", ""))
    etag = f'"{hashlib.sha256(f"{row.sha256} {row.file.name} {size}".encode()).hexdigest()[:32]}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = HttpResponse(_small(row, size), content_type="image/jpeg")
    response["ETag"] = etag
    patch_cache_control(response, private=True, max_age=3600)
    return response


def _size(text: str) -> int:
    """The smallest offered size that is enough, so that few versions exist."""
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else SIZES[1]
    return next((size for size in SIZES if size >= wanted), SIZES[-1])


def _small(row: Any, size: int) -> bytes:
    stream = io.BytesIO()
    try:
        small = _over_photograph(row, size) if isinstance(row, Mask) else _opened(row, "RGB", size)
    except (FileNotFoundError, UnidentifiedImageError) as error:
        raise Http404 from error
    small.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _opened(row: Any, mode: str, size: int) -> Image.Image:
    with (
        row.file.open("rb") as file,
        Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image,
    ):
        small = ImageOps.contain(image.convert(mode), (min(size, image.width), size))
    small.info = {}
    return small


def _over_photograph(mask: Mask, size: int) -> Image.Image:
    """The photograph as it is where the mask is white, pale and gray where it is black."""
    photograph = _opened(mask.content, "RGB", size)
    pale = Image.blend(photograph.convert("L"), Image.new("L", photograph.size, 255), 0.7)
    return Image.composite(photograph, pale.convert("RGB"), _opened(mask, "L", size))


@require_GET
@never_cache
@staff_member_required
def mask_state(request: HttpRequest, pk: int) -> HttpResponse:
    """The mask of a content photograph and how far it is, as an HTML fragment."""
    if not request.user.has_perm("generation.view_contentimage"):
        raise PermissionDenied
    content = get_object_or_404(ContentImage, pk=pk)
    return render(request, "generation/includes/mask.html", {"content": content})
