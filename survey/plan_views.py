"""The page on which a study is planned, for signed-in people who may see reports."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from survey.chart_views import WIDTHS
from survey.models import Study
from survey.planning import (
    CORRELATION,
    RATERS,
    Wanted,
    asked_of,
    decimal,
    likely_accuracy,
    percent,
    plan_numbers,
    probability,
    sentences,
    table_rows,
)
from survey.preregistration import preregistration
from survey.report_request import for_researchers
from survey.stats.power import Plan, PowerError, design_effect
from survey.texts import text_of


class PlanForm(forms.Form):
    """What is planned for, by GET; shares in percent."""

    raters = forms.IntegerField(label=_("raters"), min_value=1, max_value=10_000)
    accuracy = forms.FloatField(
        label=_("accuracy worth finding (%)"),
        min_value=0.1,
        max_value=100,
        help_text=_("The smallest true share of right answers that should not be missed."),
    )
    power = forms.FloatField(label=_("wanted power (%)"), min_value=1, max_value=99.9)
    half_width = forms.FloatField(
        label=_("wanted interval (± points)"), min_value=0.5, max_value=50
    )
    options = forms.IntegerField(label=_("options of a question"), min_value=2, max_value=100)
    words = forms.IntegerField(label=_("words"), min_value=1, max_value=200)
    answers_each = forms.FloatField(
        label=_("answers about a word"),
        min_value=0.01,
        max_value=500,
        help_text=_("Of one rater: its pictures, times the ways of asking about them."),
    )
    design_effect = forms.FloatField(
        label=_("design effect"),
        min_value=1,
        max_value=500,
        help_text=_(
            "1: the answers of one rater about a word are independent. Better from a pilot's report than guessed."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # As the values are, whatever the steps: 62.5 % is one.
            field.widget.attrs["step"] = "1" if isinstance(field, forms.IntegerField) else "any"

    def numbers(self) -> dict[str, Any]:
        """Of `plan_numbers`.

        Raises:
            PowerError: the values do not go together.
        """
        value = self.cleaned_data
        plan = Plan(value["options"], value["words"], value["answers_each"], value["design_effect"])
        return plan_numbers(
            plan,
            Wanted(
                raters=value["raters"],
                accuracy=value["accuracy"] / 100,
                power=value["power"] / 100,
                half_width=value["half_width"] / 100,
            ),
        )


def defaults(study: Study) -> dict[str, Any]:
    """The form's values where nothing was typed; None for what the study has not settled."""
    asked = asked_of(study)
    return {
        "raters": study.quota or RATERS,
        "accuracy": decimal(100 * likely_accuracy(asked.options)) if asked.options else None,
        "power": 80,
        "half_width": 10,
        "options": asked.options,
        "words": asked.words or None,
        "answers_each": decimal(asked.answers_each, 6) if asked.questions else None,
        "design_effect": decimal(design_effect(asked.answers_each, CORRELATION), 6)
        if asked.questions
        else None,
    }


def _form(request: HttpRequest, study: Study) -> tuple[PlanForm, dict[str, Any] | None]:
    """The form, filled from the address and then from the study, and its numbers if it has any."""
    known = {name: value for name, value in defaults(study).items() if value is not None}
    given = {name: request.GET[name] for name in PlanForm.base_fields if name in request.GET}
    form = PlanForm({**known, **given})
    if not given and not form.is_valid():
        # What a draft has not settled yet is no mistake of the reader's.
        return PlanForm(initial=known), None
    if not form.is_valid():
        return form, None
    try:
        return form, form.numbers()
    except PowerError:
        chance = _whole(percent(1 / form.cleaned_data["options"]))
        if form.cleaned_data["accuracy"] <= 100 / form.cleaned_data["options"]:
            form.add_error(
                "accuracy",
                gettext("This must be above chance, which is %(chance)s.") % {"chance": chance},
            )
        else:
            form.add_error(None, gettext("So many answers about a word cannot be planned for."))
        return form, None


@for_researchers
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    study = get_object_or_404(Study.objects.select_related("stimulus_set"), slug=slug)
    form, numbers = _form(request, study)
    context = {
        "study": study,
        "text": text_of(study),
        "form": form,
        "numbers": numbers,
        "query": request.GET.urlencode(),
        "preregistration": preregistration(study, numbers),
    }
    if numbers is not None:
        context.update(
            sentences=sentences(numbers),
            accuracies=[_whole(percent(p)) for p in numbers["accuracies"]],
            rows=[_row(numbers, row) for row in table_rows(numbers)],
            plots=_plots(numbers),
        )
    return render(request, "survey/plan.html", context, status=422 if form.errors else 200)


@for_researchers
def preregistration_file(request: HttpRequest, slug: str) -> HttpResponse:
    study = get_object_or_404(Study.objects.select_related("stimulus_set"), slug=slug)
    _unused, numbers = _form(request, study)
    response = HttpResponse(
        preregistration(study, numbers), content_type="text/markdown; charset=utf-8"
    )
    response.headers["Content-Disposition"] = (
        f'attachment; filename="{study.slug}-preregistration.md"'
    )
    return response


def _whole(text: str) -> str:
    """Not broken over two lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _row(numbers: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table, as it is printed."""
    return {
        **row,
        "powers": [_whole(probability(p)) for p in row["powers"]],
        "half_width": f"{100 * row['half_width']:.0f}",
        "planned": row["raters"] == numbers["raters"],
    }


def _plots(numbers: dict[str, Any]) -> list[dict[str, str | SafeString]]:
    """The same chart for wide and for narrow screens; the style sheet shows one."""
    # Loaded here: the web process starts without altair and vl_convert.
    from survey.plan_chart import plan_chart

    title = gettext("Power against the number of raters")
    description = gettext(
        "One line for each accuracy, from low to high. The table has the numbers."
    )
    return [
        {
            "size": size,
            "svg": plan_chart(
                numbers,
                width=width,
                axis_title=gettext("raters"),
                title=title,
                description=description,
                name=f"plan-{size}",
            ),
        }
        for size, width in WIDTHS
    ]
