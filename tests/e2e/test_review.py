"""A word's photographs gone through by keyboard, in a real browser; then grouped again."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connections
from django.test import Client

from generation import grouping, jobs
from generation.models import ClusterMember, Job, State, StyleCluster, Word
from tests.e2e.test_masks import log_in
from tests.factories import ClusteringFactory, SourceImageFactory, WordFactory, grain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def word(monkeypatch: pytest.MonkeyPatch) -> Word:
    monkeypatch.setattr(jobs, "send_ready", lambda: None)
    User.objects.create_superuser("admin", password="a-password")
    row = WordFactory(text="ふさふさ")
    for n in range(12):
        data = grain(n, ((40 * n) % 256, 120, 90))
        file = ContentFile(data, name="p.png")
        SourceImageFactory(word=row, rank=n, file=file, width=72, height=72, credit=f"person {n}")
    return row


def states(word: Word) -> list[str]:
    return list(word.images.order_by("rank").values_list("rejected", flat=True))


def current(page: Any) -> int:
    """The rank of the photograph that has the focus."""
    return int(
        page.evaluate(
            "[...document.querySelectorAll('[data-photo]')]"
            ".findIndex((card) => card.contains(document.activeElement))"
        )
    )


def test_a_word_is_gone_through_by_keyboard(chromium: Any, live_server: Any, word: Word) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    problems: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error.stack)))
        log_in(page, live_server.url)
        page.goto(f"{live_server.url}/admin/generation/word/{word.pk}/change/")
        page.get_by_role("link", name="Go through them").click()
        page.wait_for_selector(".review-ready")
        said = page.locator("[data-said]")
        page.evaluate("window.samepage = true")

        # The first has the focus; what is judged makes way for the next one.
        assert current(page) == 0
        page.keyboard.press("ArrowRight")
        page.keyboard.press("a")
        said.get_by_text("1 photograph accepted.").wait_for()
        assert current(page) == 2
        page.keyboard.press("x")
        page.keyboard.press("3")
        said.get_by_text("1 photograph left out.").wait_for()
        assert states(word)[2] == "drawing"
        assert page.locator("[data-photo]").nth(2).get_by_text("drawing").count() == 1
        # As the last time.
        page.keyboard.press("x")
        page.keyboard.press("x")
        page.wait_for_selector("[data-photo]:nth-child(4).out")
        assert states(word)[2:4] == ["drawing", "drawing"]
        assert current(page) == 4

        # Several: by space, and a range by shift.
        page.keyboard.press(" ")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert page.locator("[data-selected]").inner_text() == "3 selected"
        page.keyboard.press("x")
        page.keyboard.press("5")
        page.keyboard.type("a dog, xau 1")
        page.keyboard.press("Enter")
        said.get_by_text("3 photographs left out.").wait_for()
        assert states(word)[4:7] == ["a dog, xau 1"] * 3
        assert page.locator("[data-selected]").inner_text() == ""
        page.keyboard.press("u")
        said.get_by_text("3 photographs taken back.").wait_for()
        page.keyboard.press("u")
        said.get_by_text("1 photograph taken back.").wait_for()
        assert states(word) == ["", "", "drawing", *[""] * 9]
        assert current(page) == 3
        filters = page.locator("[data-part=filters]").inner_text()
        assert re.findall(r"\d+", filters) == ["12", "11", "1", "10"]

        # Rows: down is the one below.
        page.keyboard.press("Home")
        page.keyboard.press("ArrowDown")
        below = page.evaluate(
            "[...document.querySelectorAll('[data-photo]')]"
            ".findIndex((card, n, all) => card.offsetTop > all[0].offsetTop)"
        )
        assert current(page) == below

        # Large: with its credit, and judged there.
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        dialog = page.locator("[data-large]")
        dialog.get_by_text("person 0").wait_for()
        page.keyboard.press("x")
        page.keyboard.press("Escape")
        assert dialog.is_visible(), "only the reasons were closed"
        page.keyboard.press("x")
        page.keyboard.press("1")
        dialog.get_by_text("person 1").wait_for()
        page.keyboard.press("Escape")
        page.wait_for_function("document.activeElement.matches('[data-photo]:nth-child(2) input')")
        page.wait_for_selector("[data-photo]:nth-child(1).out")
        assert states(word)[0] == "not the material"

        # By pointer: a click on a photograph opens it, one on its box selects.
        page.locator("[data-photo] input").nth(8).check()
        page.locator("[data-photo] input").nth(10).click(modifiers=["Shift"])
        assert page.locator("[data-selected]").inner_text() == "3 selected"
        page.get_by_role("button", name="Accept").click()
        said.get_by_text("3 photographs accepted.").wait_for()
        page.locator("[data-photo] [data-open]").nth(7).click()
        dialog.get_by_text("person 7").wait_for()
        page.get_by_role("button", name="Close").click()
        assert page.evaluate("window.samepage"), "it was not loaded anew"
    finally:
        context.close()
        connections.close_all()
    assert problems == []


def test_grouped_again_while_one_looks(chromium: Any, live_server: Any, word: Word) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    problems: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error.stack)))
        log_in(page, live_server.url)
        page.goto(f"{live_server.url}/admin/generation/word/{word.pk}/photographs/?part=groups")
        page.get_by_role("button", name="Group by style").click()
        page.get_by_text("The photographs wait for a worker").wait_for()
        page.evaluate("window.samepage = true")
        # The worker's part, as far as rows go.
        embed = Job.objects.get()
        Job.objects.filter(pk=embed.pk).update(state=State.DONE)
        grouping.go_on(embed.pk)
        page.get_by_text("group by style").wait_for(timeout=15_000)
        row = ClusteringFactory(word=word, encoder=settings.ENCODER, fingerprint=word.fingerprint())
        found = StyleCluster.objects.create(
            clustering=row, rank=1, size=2, cohesion=0.9, score=1, chosen=True
        )
        for order, image in enumerate(word.images.all()[:2]):
            ClusterMember.objects.create(
                clustering=row, cluster=found, image=image, order=order, is_medoid=order == 1
            )
        Job.objects.filter(kind="cluster").update(state=State.DONE)
        page.get_by_text("as the photographs are now").wait_for(timeout=15_000)
        assert page.locator(".cluster.chosen .thumb").count() == 2
        assert "medoid" in page.locator(".cluster .thumb").first.get_attribute("class")
        assert page.evaluate("window.samepage"), "it was not loaded anew"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        context.close()
        connections.close_all()
    assert problems == []


def test_without_a_script(chromium: Any, live_server: Any, word: Word) -> None:
    # The theme's page for logging in shows nothing without a script.
    client = Client()
    client.force_login(User.objects.get())
    session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    context = chromium.new_context(locale="en-GB", java_script_enabled=False)
    context.add_cookies([{**session, "url": live_server.url}])
    try:
        page = context.new_page()
        page.goto(f"{live_server.url}/admin/generation/word/{word.pk}/photographs/?show=accepted")
        for n in (0, 3):
            page.locator("[data-photo] input").nth(n).check()
        page.locator("summary", has_text="Leave out").click()
        page.get_by_label("There is text or a logo on it.").check()
        page.get_by_role("button", name="Leave out", exact=True).click()
        page.get_by_text("2 photographs left out.").wait_for()
        assert page.url.endswith("show=accepted&page=1")
        assert page.locator("[data-photo]").count() == 10
        assert states(word)[0] == states(word)[3] == "text or logo"
        page.get_by_role("button", name="Take back").click()
        page.get_by_text("2 photographs taken back.").wait_for()
        assert states(word) == [""] * 12
    finally:
        context.close()
        connections.close_all()
