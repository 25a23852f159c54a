"""The page of collecting in a real browser: it renews itself, and leaves alone what a person opened."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from generation.models import Hit, Job, State
from tests.e2e.test_masks import log_in
from tests.factories import WordFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_reasons_stay_open_while_the_numbers_change(chromium: Any, live_server: Any) -> None:
    User.objects.create_superuser("admin", password="a-password")
    word = WordFactory(text="ふさふさ")
    job = Job.objects.create(
        kind=Job.Kind.COLLECT, word=word, source="openverse", state=State.RUNNING, done=1, total=9
    )
    Hit.objects.create(
        word=word,
        source="openverse",
        query="ふさふさ",
        rank=0,
        origin="https://a.example/1.jpg",
        state=Hit.State.REFUSED,
        reason="not-found",
        detail="a.example/…/1.jpg: gone",
    )
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    problems: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error.stack)))
        log_in(page, live_server.url)
        page.goto(f"{live_server.url}/generation/collect/?word={word.pk}")
        page.get_by_text("Refused, by reason").click()
        assert page.get_by_text("a.example/…/1.jpg: gone").is_visible()
        Job.objects.filter(pk=job.pk).update(done=5)
        page.get_by_text("5 / 9").wait_for()
        assert page.get_by_text("a.example/…/1.jpg: gone").is_visible()
        # Closed again, it stays closed.
        page.get_by_text("Refused, by reason").click()
        Job.objects.filter(pk=job.pk).update(done=9, state=State.DONE)
        page.get_by_text("9 / 9").wait_for()
        assert not page.get_by_text("a.example/…/1.jpg: gone").is_visible()
        assert page.locator("progress").count() == 0
    finally:
        context.close()
    assert problems == []
