"""The page on which a study is planned."""

import io
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from survey.plan_chart import plan_spec
from survey.planning import Wanted, asked_of, likely_accuracy, percent, plan_numbers, probability
from survey.stats.power import Plan, needed_raters, power
from tests.factories import StudyFactory, make_ready_set

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    user = User.objects.create_user("researcher", password="x")
    user.user_permissions.add(Permission.objects.get(codename="view_report"))
    client.force_login(user)
    return client


def make_study(**fields: Any) -> Any:
    return StudyFactory(stimulus_set=make_ready_set(5, 3), slug="five", **fields)


def plan_page(client: Client, **query: Any) -> Any:
    return client.get(reverse("survey:plan", args=["five"]), query)


def test_strangers_sign_in_and_others_are_refused(client: Client) -> None:
    make_study()
    addresses = [reverse(f"survey:{name}", args=["five"]) for name in ("plan", "preregistration")]
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 302
        assert "login" in response["Location"]
    client.force_login(User.objects.create_user("someone", password="x"))
    assert [client.get(address).status_code for address in addresses] == [403, 403]


def test_nothing_is_changed_by_posting_and_other_studies_are_not_there(researcher: Client) -> None:
    make_study()
    assert researcher.post(reverse("survey:plan", args=["five"])).status_code == 405
    assert researcher.get(reverse("survey:plan", args=["six"])).status_code == 404


def test_the_study_fills_the_form(researcher: Client) -> None:
    make_study(quota=24, options=4)
    response = plan_page(researcher)
    html = response.content.decode()
    values = dict(re.findall(r'<input type="number" name="(\w+)" value="([^"]*)"', html))
    # 5 words × 3 contents × 2 directions: 6 answers a word; 1 + 5 × .1; one word in four known: .4375.
    assert values == {
        "raters": "24",
        "accuracy": "45",
        "power": "80",
        "half_width": "10",
        "options": "4",
        "words": "5",
        "answers_each": "6",
        "design_effect": "1.5",
    }
    plan = Plan(4, 5, 6, 1.5)
    found = f"With 24 raters, a word that people recognise 45 % of the time is found with probability {probability(power(plan, 24, 0.45))}."
    assert found in html.replace("&gt;", ">")
    assert f"Probability .80 takes {needed_raters(plan, 0.45, 0.8)} raters" in html
    assert html.count('role="img"') == 2
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "style=" not in html
    assert "<script" not in html


def test_what_is_typed_counts(researcher: Client) -> None:
    make_study()
    response = plan_page(researcher, raters=12, accuracy="62.5", words=23, power=90)
    numbers = response.context["numbers"]
    assert (numbers["raters"], numbers["accuracy"], numbers["words"]) == (12, 0.625, 23)
    assert numbers["needed"]["power"] == 0.9
    html = response.content.decode()
    assert "62.5 %" in html
    row = re.search(r'<tr class="above">(.*?)</tr>', html, re.DOTALL)
    assert row is not None
    assert "<td>72</td>" in row[1], "12 raters × 6 answers"
    assert "preregistration.md?raters=12&amp;accuracy=62.5&amp;words=23&amp;power=90" in html


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"raters": "many"}, "raters"),
        ({"raters": "0"}, "raters"),
        ({"raters": "10001"}, "raters"),
        ({"accuracy": "25"}, "accuracy"),
        ({"accuracy": "101"}, "accuracy"),
        ({"accuracy": "nan"}, "accuracy"),
        ({"power": "100"}, "power"),
        ({"words": ""}, "words"),
        ({"words": "201"}, "words"),
        ({"options": "1"}, "options"),
        ({"design_effect": "0.9"}, "design_effect"),
        ({"raters": "10000", "answers_each": "500"}, "__all__"),
    ],
)
def test_bad_input_is_said_at_its_field(researcher: Client, query: Any, field: str) -> None:
    make_study()
    response = plan_page(researcher, **query)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert response.context["numbers"] is None
    assert "plan-power" not in response.content.decode()
    # The text can still be had, without a power.
    text = researcher.get(reverse("survey:preregistration", args=["five"]), query)
    assert "[to be decided: smallest accuracy worth finding, and power]" in text.content.decode()


def test_the_largest_plan_is_computed_in_good_time(researcher: Client) -> None:
    make_study()
    response = plan_page(
        researcher, raters=10_000, words=200, options=4, accuracy=26, answers_each=5, half_width=1
    )
    assert response.status_code == 200
    assert response.context["numbers"]["needed"]["raters"] is not None
    assert len(response.context["numbers"]["curve"]) < 200


def test_an_empty_draft_asks_for_what_it_does_not_say(researcher: Client) -> None:
    study = make_study(options=None)
    study.stimulus_set.pictures.all().delete()
    study.stimulus_set.words.clear()
    response = plan_page(researcher)
    assert response.status_code == 200
    html = response.content.decode()
    assert "does not say yet what is asked" in html
    assert 'role="img"' not in html
    assert 'role="alert"' not in html
    response = plan_page(
        researcher, options=4, words=8, answers_each=2, accuracy=50, design_effect=1
    )
    assert response.context["numbers"]["words"] == 8


def test_a_study_of_ratings_only_has_no_power_of_its_own(researcher: Client) -> None:
    make_study(ask_picture=False, ask_word=False, ask_rating=True)
    response = plan_page(researcher)
    assert response.status_code == 200
    assert response.context["numbers"] is None


def test_the_page_is_in_japanese_too(researcher: Client) -> None:
    make_study()
    response = researcher.get(
        reverse("survey:plan", args=["five"]), headers={"accept-language": "ja"}
    )
    assert response.status_code == 200
    assert '<html lang="ja">' in response.content.decode()


def test_it_is_linked_where_a_study_is_run(admin_client: Client) -> None:
    study = make_study()
    address = reverse("survey:plan", args=["five"])
    for page in (
        reverse("survey:participants", args=["five"]),
        reverse("admin:survey_study_change", args=[study.pk]),
    ):
        assert f'href="{address}"' in admin_client.get(page).content.decode()


def test_page_and_command_give_one_number_also_for_thirds(researcher: Client) -> None:
    StudyFactory(stimulus_set=make_ready_set(6, 2), slug="five", quota=30, questions_each=10)
    out = io.StringIO()
    call_command("power", "--study=five", "--format=json", stdout=out)
    said = json.loads(out.getvalue())
    numbers = plan_page(researcher).context["numbers"]
    # 10 questions about 6 words: 5/3 answers a word, 50 of 30 raters.
    assert (said["answers"], numbers["answers"]) == (50, 50)
    for name in ("effective_answers", "critical_count", "needed", "needed_for_half_width"):
        assert numbers[name] == said[name]
    assert numbers["power"] == pytest.approx(said["power"], abs=1e-9)


# --- what the study says ----------------------------------------------------------------------------


def test_what_is_asked_is_counted() -> None:
    asked = asked_of(make_study(questions_each=12, options=None, ask_word=False))
    # 15 questions in one direction, 12 of them each.
    assert (asked.options, asked.words, asked.contents, asked.pictures) == (5, 5, 3, 15)
    assert (asked.directions, asked.questions, asked.answers_each) == (1, 12, 12 / 5)


def test_all_words_are_those_of_the_poorest_content() -> None:
    study = make_study(options=None)
    study.stimulus_set.pictures.first().delete()
    asked = asked_of(study)
    assert (asked.options, asked.pictures, asked.questions) == (4, 14, 28)


def test_clusters_kept_apart_are_pictures_to_be_made() -> None:
    study = make_study()
    study.stimulus_set.pictures.all().delete()
    study.stimulus_set.recipes.update(apart=True, clusters=2)
    assert asked_of(study).pictures == 30


@pytest.mark.parametrize(("options", "accuracy"), [(2, 0.6), (4, 0.45), (5, 0.4)])
def test_planning_begins_with_an_accuracy_above_chance(options: int, accuracy: float) -> None:
    # (3/4)/m + 1/4 = .625, .4375, .4, rounded to 5 %.
    assert likely_accuracy(options) == pytest.approx(accuracy)


def test_shares_and_probabilities_are_printed_as_papers_do() -> None:
    assert [probability(p) for p in (0, 0.004, 0.128, 0.8, 0.995, 0.9951, 1)] == [
        *("< .01", "< .01", ".13", ".80", ".99", "> .99", "> .99")
    ]
    assert [percent(p) for p in (0.45, 0.625, 1)] == ["45 %", "62.5 %", "100 %"]


# --- the chart --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [340, 720])
@pytest.mark.parametrize("raters", [2, 30, 5000])
def test_the_chart_has_a_line_for_each_accuracy(width: int, raters: int) -> None:
    import vl_convert

    numbers = plan_numbers(Plan(4, 23, 3, 1.5), Wanted(raters, 0.45))
    spec = plan_spec(numbers, width, "raters")
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    text = "".join(ET.fromstring(svg).itertext())  # noqa: S314
    for accuracy in numbers["accuracies"]:
        assert percent(accuracy) in text
    assert ".80" in text
    assert "http" not in str(spec)


def test_the_planned_number_is_in_the_chart_whatever_it_is() -> None:
    for raters in (1, 4, 30, 5000):
        numbers = plan_numbers(Plan(4, 23), Wanted(raters, 0.45))
        spec = plan_spec(numbers, 720, "raters")
        lines = next(rows for rows in spec["datasets"].values() if len(rows) > 10)
        shown = [row["raters"] for row in lines]
        assert min(shown) <= raters < max(shown)
        assert raters in shown
        assert min(shown) >= min(raters, max(shown) // 40)
