"""The admin's page on which a person goes through a word's photographs."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from generation import review
from generation.forms import LeaveOutForm
from generation.grouping import group_again, grouping_of
from generation.models import Word
from generation.review import Card, Undo

# The page's script says that it asked, and takes a fragment; a plain form takes the whole page.
FETCHED = "x-requested-with"


def _word_or_refuse(request: HttpRequest, pk: int) -> Word:
    if not request.user.has_perm("generation.change_sourceimage"):
        raise PermissionDenied
    return get_object_or_404(Word, pk=pk)


def _context(request: HttpRequest, word: Word) -> dict[str, Any]:
    return {
        "word": word,
        "grouping": grouping_of(word),
        "counts": review.counts(word),
        "can_undo": len(Undo(request.session, word)) > 0,
    }


@require_GET
@never_cache
def photographs(request: HttpRequest, pk: int) -> HttpResponse:
    """A word's photographs, or its groups."""
    word = _word_or_refuse(request, pk)
    what = request.GET.get("show", "")
    what = what if what in review.FILTERS else "all"
    page = Paginator(review.shown(word, what), review.PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **admin.site.each_context(request),
        **_context(request, word),
        "title": _("Photographs of %(word)s") % {"word": word},
        "opts": Word._meta,
        "object": word,
        "part": "groups" if request.GET.get("part") == "groups" else "photographs",
        "show": what,
        "page": page,
        "cards": [Card(row) for row in page],
        "form": LeaveOutForm(),
    }
    return render(request, "generation/photographs.html", context)


@require_GET
@never_cache
def photograph(request: HttpRequest, pk: int, image: int) -> HttpResponse:
    """One photograph, large, with where it comes from: an HTML fragment."""
    word = _word_or_refuse(request, pk)
    row = get_object_or_404(word.images.select_related("word"), pk=image)
    return render(request, "generation/includes/photograph_large.html", {"card": Card(row)})


@require_GET
@never_cache
def grouping(request: HttpRequest, pk: int) -> HttpResponse:
    """How far the grouping is, and the groups: an HTML fragment."""
    word = _word_or_refuse(request, pk)
    context = {"grouping": grouping_of(word), "with_groups": "groups" in request.GET}
    return render(request, "generation/includes/grouping.html", context)


@require_POST
def judge(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept photographs, leave them out, hand them back to the selection, or take the last back."""
    word = _word_or_refuse(request, pk)
    action = request.POST.get("action", "")
    chosen = _chosen(request, word)
    undo = Undo(request.session, word)
    problem, said, pks = "", "", chosen
    if action == "undo":
        last = undo.pop()
        pks = review.take_back(word, last or [])
        if last is None:
            problem = _("There is nothing to take back.")
        else:
            said = _taken_back(len(pks), len(last))
    elif not chosen:
        problem = _("Choose photographs first.")
    else:
        problem, said = _say(word, action, chosen, undo, request)
    if request.headers.get(FETCHED) != "fetch":
        if problem:
            messages.error(request, problem)
        else:
            messages.success(request, said)
        return redirect(_back(request, word))
    if problem:
        return HttpResponse(problem, status=400, content_type="text/plain; charset=utf-8")
    rows = word.images.select_related("word").filter(pk__in=pks).order_by("rank", "pk")
    context = {**_context(request, word), "cards": [Card(row) for row in rows], "said": said}
    context["show"] = request.POST.get("show", "all")
    return render(request, "generation/includes/photographs_changed.html", context)


def _chosen(request: HttpRequest, word: Word) -> list[int]:
    """Which of the word's photographs the form names; what else it says is passed over."""
    named = request.POST.getlist("photographs")
    pks = {int(n) for n in named if n.isascii() and n.isdigit() and len(n) < 18}
    return list(word.images.filter(pk__in=pks).values_list("pk", flat=True))


def _taken_back(undone: int, of: int) -> str:
    if undone < of:
        return _("Taken back: %(n)d of %(all)d; the others were judged again meanwhile.") % {
            "n": undone,
            "all": of,
        }
    return ngettext("%(n)d photograph taken back.", "%(n)d photographs taken back.", undone) % {
        "n": undone
    }


def _say(
    word: Word, action: str, chosen: list[int], undo: Undo, request: HttpRequest
) -> tuple[str, str]:
    """Do what was asked for; the problem, or what was done."""
    n = len(chosen)
    if action == "accept":
        undo.push(review.accept(word, chosen))
        said = ngettext("%(n)d photograph accepted.", "%(n)d photographs accepted.", n)
    elif action == "leave_out":
        form = LeaveOutForm(request.POST)
        if not form.is_valid():
            return " ".join(str(line) for lines in form.errors.values() for line in lines), ""
        undo.push(review.leave_out(word, chosen, form.cleaned_data["text"]))
        said = ngettext("%(n)d photograph left out.", "%(n)d photographs left out.", n)
    elif action == "hand_back":
        undo.push(review.hand_back(word, chosen))
        said = ngettext(
            "%(n)d photograph handed back to the automatic selection.",
            "%(n)d photographs handed back to the automatic selection.",
            n,
        )
    else:
        return _("This page does not know what to do. Load it again."), ""
    return "", said % {"n": n}


@require_POST
def group(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the photographs grouped again."""
    word = _word_or_refuse(request, pk)
    if problem := group_again(word):
        messages.error(request, problem)
    return redirect(_back(request, word))


def _back(request: HttpRequest, word: Word) -> str:
    """The page as it was: its part, filter and number."""
    query = {
        name: value
        for name in ("part", "show", "page")
        if (value := request.POST.get(name, "")) and len(value) < 20
    }
    url = reverse("admin:generation_word_photographs", args=[word.pk])
    return f"{url}?{urlencode(query)}" if query else url
