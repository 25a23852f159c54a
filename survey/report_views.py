"""Pages of results, for signed-in people who may see reports.

A page shows what was computed last and says of how many answers it is; what is out of date is computed anew
meanwhile (see `survey.jobs`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from generation.models import State, StylizedImage
from survey import jobs
from survey.chart_views import charts_of, word_pictures
from survey.flags import SHORT_FLAGS
from survey.models import Analysis, Question, Study
from survey.report import Report, build_sheet
from survey.report_request import (
    Choice,
    allowed,
    being_computed,
    for_researchers,
    languages_of,
    recipes_of,
    shown_sections,
    study_at,
    version_of,
)
from survey.texts import text_of

QUESTIONS_A_PAGE = 24
RATERS_A_PAGE = 100


@dataclass(frozen=True)
class Tab:
    """One page of the report; its charts come from `survey.charts` by name."""

    title: str | Promise
    template: str
    charts: tuple[str, ...] = ()
    details: bool = True

    @property
    def parts(self) -> tuple[str, ...]:
        """Which analyses it shows."""
        summary = (Analysis.Part.SUMMARY.value,)
        return (*summary, Analysis.Part.DETAILS.value) if self.details else summary


TABS = {
    "": Tab(
        gettext_lazy("Overview"),
        "survey/report.html",
        ("words", "target-foil", "target-foil-word", "cells"),
        details=False,
    ),
    "questions": Tab(gettext_lazy("Questions"), "survey/report_questions.html", details=False),
    "why": Tab(
        gettext_lazy("Why"),
        "survey/report_why.html",
        (
            *("shrinkage", "style-distance", "dispersion", "style-loss", "content-loss"),
            "rating",
        ),
    ),
    "confusions": Tab(
        gettext_lazy("Confusions"),
        "survey/report_confusions.html",
        ("confusion", "confusion-picture", "confusion-word", "map", "positions"),
    ),
    "time": Tab(
        gettext_lazy("Times"), "survey/report_time.html", ("times", "speed", "learning", "timeline")
    ),
    "raters": Tab(
        gettext_lazy("Raters"), "survey/report_raters.html", ("raters", "rater-agreement")
    ),
}


# --- pages ----------------------------------------------------------------------------------------


@for_researchers
def report(request: HttpRequest, slug: str, tab: str = "") -> HttpResponse:
    if tab not in TABS:
        raise Http404(_("A report has no such page."))
    study = study_at(slug)
    choice = Choice.of(request, study)
    rows = [jobs.refresh(study, part, choice.filters) for part in TABS[tab].parts]
    shown = shown_sections(rows, choice.everyone)
    result = None
    if "accuracy" in shown:
        result = Report.of(
            study.slug,
            shown,
            include_simulated=choice.filters.simulated,
            generated_at=rows[0].as_of,
        )
    first = rows[0].result or {}
    context = {
        "study": study,
        "text": text_of(study),
        "tab": tab,
        "tabs": TABS,
        "report": result,
        "sections": shown,
        "excluded": first.get("excluded"),
        "rules_changed": rules_changed(study),
        "choice": choice,
        "simulated": choice.filters.simulated,
        "query": choice.query(),
        "state_query": choice.query(tab=tab),
        "with_query": choice.query(everyone="1"),
        "without_query": choice.query(everyone=""),
        "switches": switches(choice),
        "languages": languages_of(study),
        "recipes": recipes_of(study),
        "rules": rules_of(first["excluded"]) if first.get("excluded") else [],
        # Of several parts, what is said holds for the oldest.
        "made": next(iter(sorted((r for r in rows if r.as_of), key=_as_of)), None),
        "version": version_of(rows),
        "tab_ready": all(row.result is not None for row in rows),
        "state": jobs.state_of(rows),
        "charts": {},
    }
    if result is not None and result.answers:
        context |= _finding(result, shown)
    if result is not None and result.answers and context["tab_ready"]:
        context["charts"] = charts_of(study, shown, TABS[tab].charts, rows, choice.query())
        context["word_pictures"] = word_pictures(study)
        context |= MORE.get(tab, nothing_more)(request, study, shown)
    return render(request, TABS[tab].template, context)


def _as_of(row: Analysis) -> str:
    return row.as_of.isoformat() if row.as_of else ""


def _finding(result: Report, sections: Mapping[str, Any]) -> dict[str, Any]:
    """What is said first: which words, and on which photographs."""
    tests: dict[str, list[bool]] = {}
    for row in sections["recognition"]["words"]:
        # Words that were only foils are not tested.
        if row["p_holm"] is None:
            continue
        tests.setdefault(row["word"], []).append(row["recognised"])
    contents = [row for row in sections["accuracy"]["contents"] if row["answers"]]
    found: dict[str, Any] = {
        # In every direction that was asked.
        "recognised": [row for row in result.above_chance if all(tests.get(row.word, [False]))]
    }
    if len(contents) > 1:
        by_accuracy = sorted(contents, key=lambda row: row["accuracy"])
        found |= {"hardest": by_accuracy[0], "easiest": by_accuracy[-1]}
    return found


def rules_changed(study: Study) -> bool:
    """Whether the rules are not those that were declared before the first answer."""
    return bool(study.opened_at) and study.exclusions != (study.exclusions_declared or [])


def switches(choice: Choice) -> list[dict[str, Any]]:
    """The same page for other people."""
    simulated = choice.filters.simulated
    return [
        {"label": _("People"), "query": choice.query(simulated=""), "current": not simulated},
        {
            "label": _("With simulated raters"),
            "query": choice.query(simulated="1"),
            "current": simulated,
        },
    ]


def nothing_more(
    _request: HttpRequest, _study: Study, _sections: Mapping[str, Any]
) -> dict[str, Any]:
    return {}


def _overview(_request: HttpRequest, _study: Study, sections: Mapping[str, Any]) -> dict[str, Any]:
    # Loaded here: it needs numpy.
    from survey.stats.recognition import MEANINGS

    found, kinds = sections["accuracy"], dict(Question.Kind.choices)

    def labelled(level: str, label: Callable[[Mapping[str, Any]], str]) -> list[dict[str, Any]]:
        rows = [{"label": label(row), "numbers": row} for row in found[level]]
        # One content, one recipe, one language: all answers over again.
        return rows if len(rows) > 1 else []

    return {
        "meanings": [_(text) for text in MEANINGS.values()],
        "logit": [
            _match(str(kinds[kind]), model["match"])
            for kind, model in sections["recognition"]["logit"].items()
            if model and model["match"]
        ],
        "sums": [
            labelled("contents", lambda row: row["content"]),
            labelled("recipes", lambda row: _recipe(row["recipe"], row["variant"])),
            labelled("languages", lambda row: row["language"]),
            labelled("kinds", lambda row: str(kinds[row["kind"]])),
            [{"label": _("all"), "numbers": found["overall"]}],
        ],
    }


def _match(kind: str, match: Mapping[str, Any]) -> dict[str, Any]:
    low, high = match["interval"] or (None, None)
    return {
        "kind": kind,
        "match": match["beta"],
        "low": low,
        "high": high,
        "odds": math.exp(match["beta"]),
    }


def _recipe(name: str, variant: int) -> str:
    return f"{name} · {_('cluster')} {variant}" if variant else name


SORTS = {
    "word": gettext_lazy("by word"),
    "hardest": gettext_lazy("hardest first"),
    "easiest": gettext_lazy("easiest first"),
}


def _questions(request: HttpRequest, study: Study, sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sheet, filtered and in pages."""
    sheet = build_sheet(study, sections["sheet"])
    asked = {name: request.GET.get(name, "") for name in ("word", "content", "kind", "sort")}
    words = list(dict.fromkeys(q.word for q in sheet))
    contents = list(dict.fromkeys(q.content for q in sheet))
    kinds = [(k, label) for k, label in Question.Kind.choices if any(q.kind == k for q in sheet)]
    chosen = [
        q
        for q in sheet
        if asked["word"] in ("", q.word)
        and asked["content"] in ("", q.content)
        and asked["kind"] in ("", q.kind)
    ]
    if asked["sort"] in ("hardest", "easiest"):
        chosen = sorted(
            (q for q in chosen if q.answers),
            key=lambda q: (q.target.percent or 0.0) * (1 if asked["sort"] == "hardest" else -1),
        )
    page = Paginator(chosen, QUESTIONS_A_PAGE).get_page(request.GET.get("page"))
    said = {name: value for name, value in asked.items() if value}
    return {
        "page": page,
        "sheet": page.object_list,
        "found": len(chosen),
        "asked": asked,
        "words": words,
        "contents": contents,
        "kinds": kinds,
        "sorts": SORTS.items(),
        "page_query": urlencode({**dict(_pairs(request)), **said}),
    }


def _pairs(request: HttpRequest) -> list[tuple[str, str]]:
    names = ("simulated", "language", "recipe", "everyone")
    return [(name, request.GET[name]) for name in names if request.GET.get(name)]


def _raters(request: HttpRequest, study: Study, sections: Mapping[str, Any]) -> dict[str, Any]:
    people = sections["raters"]
    flagged = request.GET.get("flagged") == "1"
    chosen = [row for row in people if row["flags"] or row["excluded"]] if flagged else people
    page = Paginator(chosen, RATERS_A_PAGE).get_page(request.GET.get("page"))
    page.object_list = [_rater(row) for row in page.object_list]
    agreement = sections["agreement"]
    labels = {**dict(Question.Kind.choices), "right_wrong": _("right or wrong")}
    found = {**agreement["kinds"], "right_wrong": agreement["right_wrong"]}
    return {
        "page": page,
        "flagged": flagged,
        "flag_count": sum(bool(row["flags"] or row["excluded"]) for row in people),
        "page_query": urlencode([*_pairs(request), *([("flagged", "1")] if flagged else [])]),
        "agreement_rows": [
            {**row, "label": labels.get(kind, kind)} for kind, row in found.items() if row
        ],
    }


def _rater(row: Mapping[str, Any]) -> dict[str, Any]:
    milliseconds = row["median_ms"]
    return {
        **row,
        "flag_names": [SHORT_FLAGS.get(flag, flag) for flag in row["flags"]],
        "seconds": None if milliseconds is None else milliseconds / 1000,
        "checks": row["gold"] + row["attention"],
        "checks_right": row["gold_right"] + row["attention_right"],
    }


def rules_of(excluded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rules in the reader's language, and how many people each leaves out."""
    # Loaded here: it needs numpy.
    from survey.stats import exclusion

    declared = ("code", "sentence", "participants", "only")
    rules = []
    for row in excluded["rules"]:
        (rule,) = exclusion.parse([{k: v for k, v in row.items() if k not in declared}])
        rules.append({**row, "text": exclusion.describe(rule, _)})
    return rules


def _why(_request: HttpRequest, _study: Study, sections: Mapping[str, Any]) -> dict[str, Any]:
    rows = sections["causes"]["cochran"]
    kinds = dict(Question.Kind.choices)
    several = [name for name in ("kind", "recipe", "variant") if len({r[name] for r in rows}) > 1]

    def label(row: Mapping[str, Any]) -> str:
        said = {"kind": str(kinds.get(row["kind"], "")), "recipe": row["recipe"]}
        said["variant"] = str(row["variant"] or "")
        return " · ".join(said[name] for name in several if said[name])

    return {"cochran": [{**row, "label": label(row)} for row in rows]}


MORE: dict[str, Callable[[HttpRequest, Study, Mapping[str, Any]], dict[str, Any]]] = {
    "": _overview,
    "why": _why,
    "questions": _questions,
    "raters": _raters,
}


# --- state, data, pictures ------------------------------------------------------------------------


@for_researchers
def report_state(request: HttpRequest, slug: str) -> HttpResponse:
    """Asked by the page again and again: whether newer numbers are there."""
    study = study_at(slug)
    filters = Choice.of(request, study).filters
    tab = TABS.get(request.GET.get("tab", ""), TABS[""])
    rows = [jobs.refresh(study, part, filters) for part in tab.parts]
    return JsonResponse(
        {
            "working": jobs.state_of(rows)["working"],
            "version": version_of(rows),
        }
    )


@require_POST
@allowed
def try_again(request: HttpRequest, slug: str) -> HttpResponse:
    """Compute again what failed."""
    study = study_at(slug)
    for row in Analysis.objects.filter(study=study, state=State.FAILED):
        jobs.try_again(row)
    return redirect(reverse("survey:report", args=[study.slug]))


@for_researchers
def report_data(request: HttpRequest, slug: str, format: str) -> HttpResponse:  # noqa: A002
    if format not in ("json", "csv"):
        raise Http404(_("Reports come as json or csv."))
    study = study_at(slug)
    choice = Choice.of(request, study)
    row = jobs.refresh(study, Analysis.Part.SUMMARY, choice.filters)
    shown = shown_sections([row], choice.everyone)
    if not shown:
        return being_computed()
    result = Report.of(
        study.slug, shown, include_simulated=choice.filters.simulated, generated_at=row.as_of
    )
    if format == "json":
        return JsonResponse(
            {**result.as_json(), **choice.named()},
            json_dumps_params={"ensure_ascii": False, "indent": 2},
        )
    # The mark tells spreadsheets that it is UTF-8.
    response = HttpResponse(
        "\ufeff" + result.as_csv(choice.named()), content_type="text/csv; charset=utf-8"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{study.slug}-report.csv"'
    return response


@for_researchers
def picture(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    study = study_at(slug)
    row = get_object_or_404(
        StylizedImage, pk=pk, stimulus_set=study.stimulus_set_id, state=State.DONE
    )
    try:
        stream = default_storage.open(str(row.file.name))
    except FileNotFoundError:
        raise Http404(_("The picture's file is missing.")) from None
    response = FileResponse(stream, content_type="image/png")
    # A finished picture never changes.
    response.headers["Cache-Control"] = "private, max-age=86400, immutable"
    return response
