import csv
import gzip
import io
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from survey.analyses import analyze_row
from survey.chart_views import MAX_TABLE, figures, word_pictures
from survey.charts import CHARTS
from survey.models import Analysis
from tests.survey.chart_case import EMPTY, WORDS, make_analysis
from tests.survey.report_case import build_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    user = User.objects.create_user("researcher", password="x")
    user.user_permissions.add(Permission.objects.get(codename="view_report"))
    client.force_login(user)
    return client


def address(name: str = "words", format: str = "svg") -> str:  # noqa: A002
    return reverse("survey:report_chart", args=["small", name, format])


def test_strangers_sign_in_and_others_are_refused(client: Client) -> None:
    build_case()
    assert client.get(address()).status_code == 302
    client.force_login(User.objects.create_user("someone", password="x"))
    assert client.get(address()).status_code == 403


@pytest.mark.parametrize(
    ("format_", "kind", "start"),
    [
        ("svg", "image/svg+xml", b"<svg "),
        ("png", "image/png", b"\x89PNG"),
        ("pdf", "application/pdf", b"%PDF-"),
        ("csv", "text/csv; charset=utf-8", b"\xef\xbb\xbfword,"),
    ],
)
def test_downloads(researcher: Client, format_: str, kind: str, start: bytes) -> None:
    build_case()
    response = researcher.get(address("words", format_))
    assert response["Content-Type"] == kind
    assert response.content.startswith(start)
    assert response["Content-Disposition"] == f'attachment; filename="small-words.{format_}"'
    assert "private" in response["Cache-Control"]


def test_the_csv_has_the_reports_numbers(researcher: Client) -> None:
    case = build_case()
    text = researcher.get(address("words", "csv")).content.decode("utf-8-sig")
    rows = {row["word"]: row for row in csv.DictReader(io.StringIO(text))}
    # A: 2 of 3 right (one by word), C: 0 of 1; see build_case.
    first = rows[case.pictures[0].word.text]
    assert (first["right"], first["answers"]) == ("2", "3")


def test_simulated_answers_by_the_query(researcher: Client) -> None:
    build_case()
    text = researcher.get(address("words", "csv"), {"simulated": "1"}).content.decode("utf-8-sig")
    assert [row["answers"] for row in csv.DictReader(io.StringIO(text))] == ["4", "1"]


def test_specification_has_the_width_and_theme_asked_for(researcher: Client) -> None:
    build_case()
    spec = researcher.get(address("words", "json"), {"width": "400", "theme": "dark"}).json()
    padding = spec["padding"]
    assert spec["width"] + padding["left"] + padding["right"] == 400
    assert spec["background"] is None
    assert "#7cc0bf" in json.dumps(spec)
    for width, given in (("9999999", 1200), ("-5", 720), ("١٢", 720), ("1", 320)):
        spec = researcher.get(address("words", "json"), {"width": width}).json()
        assert spec["width"] + spec["padding"]["left"] + spec["padding"]["right"] == given


def test_unknown_charts_and_formats_are_not_found(researcher: Client) -> None:
    build_case()
    assert researcher.get(address("nothing")).status_code == 404
    assert researcher.get(address("words", "gif")).status_code == 404


def test_only_clouds_of_points_zoom() -> None:
    from survey.charts import explorable

    def zooms(name: str, analysis: Any) -> int:
        return json.dumps(explorable(CHARTS[name].spec(analysis), CHARTS[name].zoom)).count(
            '"zoom"'
        )

    few = make_analysis()
    assert [zooms(name, few) for name in ("raters", "style-distance", "words", "map")] == [
        1,
        1,
        0,
        0,
    ]
    assert zooms("raters", make_analysis(raters=900)) == 0, "bins cannot follow"


def test_library_is_served_once_and_for_ever(client: Client, settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path
    from survey.charts.bundle import bundle_version

    url = reverse("survey:vega", args=[bundle_version()])
    packed = client.get(url, headers={"accept-encoding": "gzip"})
    plain = client.get(url)
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert b"stylestudyVega" in plain.content
    assert "immutable" in plain["Cache-Control"]
    assert [path.suffix for path in (tmp_path / "charts").iterdir()] == [".gz"]
    assert client.get(reverse("survey:vega", args=["0"])).status_code == 404


def page(analysis: Any, name: str, query: str = "") -> str:
    case = build_case()
    (chart,) = figures(case.study, analysis, [name], query)
    return render_to_string(
        "survey/includes/report_chart.html", {"chart": chart, "query": query, "study": case.study}
    )


def test_figure_has_both_sizes_caption_table_and_files() -> None:
    html = page(make_analysis(("<b>", "つるつる")), "words", "?simulated=1")
    assert html.count('role="img"') == 2
    assert "exact one-sided binomial test" in html
    assert re.findall(r"words\.(\w+)\?simulated=1\" download", html) == ["svg", "png", "pdf", "csv"]
    sheet = "/studies/small/report/questions/?word=%3Cb%3E&amp;simulated=1#sheet"
    assert f'href="{sheet}" data-word="&lt;b&gt;"' in html
    assert "<b>" not in html
    assert "style=" not in html
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_figure_without_answers_says_so_and_offers_nothing() -> None:
    html = page(EMPTY, "times")
    assert "No answers yet." in html
    assert "<svg" not in html
    assert "download" not in html


def test_a_long_table_is_cut_in_the_page_and_says_so() -> None:
    html = page(make_analysis(WORDS[:3], raters=MAX_TABLE + 5), "raters")
    assert html.count('<th scope="row">') == MAX_TABLE
    assert f"The first rows of {MAX_TABLE + 5}" in html


def test_words_have_the_pictures_that_are_asked_about() -> None:
    case = build_case()
    found = word_pictures(case.study)
    assert len(found) == 3
    word = case.pictures[0].word.text
    assert [row["src"] for row in found[word]] == [
        reverse("survey:report_picture", args=["small", picture.pk])
        for picture in case.pictures[:2]
    ]
    assert found[word][0]["alt"].startswith(f"{word} × ")


def test_a_chart_of_details_waits_for_them(researcher: Client) -> None:
    case = build_case()
    response = researcher.get(address("learning", "csv"))
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    analyze_row(Analysis.objects.get(study=case.study, part="details").pk)
    assert researcher.get(address("learning", "csv")).status_code == 200
