"""Charts in a real browser, under the report's policy: pictures of a word, exploring, dark mode."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.test import Client
from django.utils.html import json_script

from survey import chart_views
from survey.report_request import POLICY
from tests.survey.chart_case import make_analysis
from tests.survey.report_case import build_case

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMES = ("words", "cells", "map", "raters", "times", "timeline", "confusion")


@pytest.fixture
def charts(chromium, live_server, monkeypatch, settings, tmp_path):
    """Opens a page of charts: (scheme, width) → page. Nothing may be refused by the policy or fail."""
    settings.VAR_DIR = tmp_path
    case = build_case()
    words = [picture.word.text for picture in case.pictures[::2]]
    analysis = make_analysis([*words, "<b>null</b>", "つるつる"], raters=30)
    monkeypatch.setattr(chart_views, "analysis_of", lambda request, study, name: analysis)
    figures = chart_views.figures(case.study, analysis, NAMES)
    body = "".join(
        render_to_string("survey/includes/report_chart.html", {"chart": chart, "study": case.study})
        for chart in figures
    )
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<link rel="stylesheet" href="{static("survey/quiz.css")}">'
        f'<link rel="stylesheet" href="{static("survey/report.css")}">'
        f'<script type="module" src="{static("survey/charts.js")}"></script>'
        f'<body><main class="report">{body}</main>'
        f"{json_script(chart_views.word_pictures(case.study), 'word-pictures')}</body></html>"
    )
    user = User.objects.create_user("researcher", password="x")
    user.user_permissions.add(Permission.objects.get(codename="view_report"))
    client = Client()
    client.force_login(user)
    opened, problems = [], []

    def open_page(scheme="light", width=1280):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=width < 600
        )
        opened.append(context)
        session = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda line: line.type == "error" and problems.append(line.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.route(
            "**/charts-page",
            lambda route: route.fulfill(
                body=html,
                content_type="text/html; charset=utf-8",
                headers={"Content-Security-Policy": POLICY},
            ),
        )
        page.goto(f"{live_server.url}/charts-page")
        page.wait_for_selector("[data-explore]:not([hidden])")
        page.words = words
        return page

    hosts: set[str] = set()
    yield open_page
    for context in opened:
        context.close()
    assert hosts == {urlsplit(live_server.url).netloc}
    assert [line for line in problems if "404" not in line] == []


def test_hovering_a_word_shows_its_pictures(charts):
    page = charts()
    card = page.locator(".report-card:not(.report-tip)")
    assert card.is_hidden()
    page.locator(f'#chart-words .report-plot-wide [data-word="{page.words[0]}"]').last.hover()
    assert card.is_visible()
    assert card.locator("strong").inner_text() == page.words[0]
    sources = card.locator("img").evaluate_all("all => all.map((i) => i.getAttribute('src'))")
    assert len(sources) == 2
    assert all("/pictures/" in source for source in sources)
    box = card.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    page.keyboard.press("Escape")
    assert card.is_hidden()


def test_tapping_a_word_on_a_phone_and_tapping_elsewhere(charts):
    page = charts(width=360)
    card = page.locator(".report-card:not(.report-tip)")
    page.locator(f'#chart-cells .report-plot-narrow text[data-word="{page.words[1]}"]').first.tap()
    assert card.is_visible()
    assert card.bounding_box()["x"] + card.bounding_box()["width"] <= 360
    page.locator("#chart-cells h3").tap()
    assert card.is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_by_keyboard_the_tables_words_show_pictures_and_lead_to_the_questions(charts):
    page = charts()
    page.locator("#chart-words summary").click()
    link = page.locator(f'#chart-words td a, #chart-words th a[data-word="{page.words[0]}"]').first
    link.focus()
    assert page.locator(".report-card:not(.report-tip) img").count() == 2
    assert "/report/questions/?word=" in link.get_attribute("href")


@pytest.mark.parametrize(("scheme", "ink"), [("light", "#1f2933"), ("dark", "#ece8df")])
def test_exploring_runs_under_the_policy_and_back(charts, scheme, ink):
    page = charts(scheme)
    for name in NAMES:
        button = page.locator(f"#chart-{name} [data-explore]")
        plot = page.locator(f"#chart-{name} [data-plot]")
        button.click()
        page.wait_for_selector(f"#chart-{name} [data-plot] svg.marks")
        assert button.get_attribute("aria-pressed") == "true"
        assert plot.locator("svg.marks text").count() > 2
    words = page.locator("#chart-words [data-plot]")
    assert words.locator(f'text[fill="{ink}"]').count() > 4
    words.locator('path[aria-roledescription="point"]').first.hover()
    tip = page.locator(".report-tip")
    assert tip.is_visible()
    assert "accuracy" in tip.inner_text()
    page.locator("#chart-words [data-explore]").click()
    assert words.locator("svg.marks").count() == 0
    assert words.locator('[role="img"]').count() == 2


def test_raters_can_be_zoomed(charts):
    page = charts()
    page.locator("#chart-raters [data-explore]").click()
    frame = page.wait_for_selector("#chart-raters svg.marks")
    labels = page.locator("#chart-raters svg.marks .role-axis-label text")
    assert "100%" in labels.all_text_contents()
    box = frame.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -900)
    labels.filter(has_text="100%").wait_for(state="detached")


def test_a_chart_that_cannot_be_loaded_says_so_and_stays(charts):
    page = charts()
    page.route("**/words.json*", lambda route: route.fulfill(status=404, body=""))
    page.locator("#chart-words [data-explore]").click()
    # Not wait_for_function: it evaluates a string, which the policy refuses.
    said = page.locator("#chart-words [role=status]", has_text="could not be loaded")
    said.wait_for()
    assert page.locator("#chart-words [data-plot] [role='img']").count() == 2


def test_dark_mode_has_the_pages_colors(charts):
    page = charts("dark")
    color = page.locator("#chart-words .report-plot-wide text").first.evaluate(
        "node => getComputedStyle(node).fill"
    )
    assert color in ("rgb(236, 232, 223)", "rgb(170, 163, 151)")
