"""The page on which a study is planned: readable and usable at both widths, light and dark, without JavaScript.

With ``--screenshots FOLDER`` each is kept as a picture.
"""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tests.factories import StudyFactory, make_ready_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE, DESK = (390, 844), (1280, 800)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def cookie_of_a_researcher(url: str) -> dict[str, str]:
    user = User.objects.create_user("researcher", password="x")
    user.user_permissions.add(Permission.objects.get(codename="view_report"))
    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}


@pytest.mark.parametrize(
    ("size", "theme"),
    [(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")],
    ids=lambda value: value if isinstance(value, str) else str(value[0]),
)
def test_the_plan_without_javascript(
    chromium: Any, live_server: Any, request: pytest.FixtureRequest, size: Any, theme: str
) -> None:
    study = StudyFactory(
        stimulus_set=make_ready_set(8, 3), slug="plan", title="Words for materials", quota=20
    )
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        locale="en-GB",
        color_scheme=theme,
        java_script_enabled=False,
    )
    context.add_cookies([cookie_of_a_researcher(live_server.url)])
    try:
        page = context.new_page()
        page.goto(live_server.url + reverse("survey:plan", args=[study.slug]))
        page.get_by_label("raters", exact=True).fill("35")
        page.get_by_label("accuracy worth finding").fill("50")
        page.get_by_role("button", name="Compute").click()
        assert page.locator(".report-finding").inner_text().startswith("With 35 raters, a word")
        assert page.locator(".report-plot:visible svg").count() == 1
        folder = request.config.getoption("--screenshots")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"plan-{width}-{theme}.png", full_page=True)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as text").click()
        text = download.value.path().read_text(encoding="utf-8")
        assert "with 35 participants" in text
        page.get_by_label("accuracy worth finding").fill("10")
        page.get_by_role("button", name="Compute").click()
        assert "must be above chance" in page.locator(".field.wrong").inner_text()
        if folder:
            page.screenshot(path=Path(folder) / f"plan-wrong-{width}-{theme}.png", full_page=True)
    finally:
        context.close()


@pytest.mark.parametrize(("size", "theme"), [(PHONE, "dark"), (DESK, "light")])
def test_the_plan_is_accessible(chromium: Any, live_server: Any, size: Any, theme: str) -> None:
    study = StudyFactory(stimulus_set=make_ready_set(8, 3), title="Words for materials", quota=20)
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, locale="en-GB", color_scheme=theme
    )
    context.add_cookies([cookie_of_a_researcher(live_server.url)])
    try:
        page = context.new_page()
        page.goto(live_server.url + reverse("survey:plan", args=[study.slug]))
        found = Axe().run(page, options=RULES).response["violations"]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        context.close()
