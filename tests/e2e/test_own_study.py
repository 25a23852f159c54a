"""A study of one's own in a real browser: words, photographs, pictures that come, questions, report."""

import random
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from PIL import Image

from generation import inline
from generation.models import Recipe, StimulusSet, StylizedImage
from survey.models import Answer, Study

pytestmark = [
    pytest.mark.browser,
    pytest.mark.weights,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    """Six small noisy pictures: three reddish, three bluish."""
    files = []
    for n in range(6):
        rng = random.Random(n)
        base = (170, 90, 60) if n < 3 else (60, 100, 170)
        image = Image.new("RGB", (80, 80))
        image.putdata(
            [tuple(c + rng.randrange(-40, 40) for c in base) for _ in range(image.width**2)]
        )
        files.append(tmp_path / f"{n}.png")
        image.save(files[-1])
    return files


def test_a_study_of_ones_own(chromium: Any, live_server: Any, photographs: list[Path]) -> None:
    if not Path(settings.VGG16_HED_WEIGHTS).exists():
        pytest.skip("the encoder weights are not there: make weights")
    User.objects.create_superuser("admin", password="a-password")
    Recipe.objects.create(name="small", preset="preview", size=64, evaluations=3)
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    problems: list[str] = []
    try:
        page = context.new_page()
        # The theme's own script stumbles over file inputs that are not its own.
        page.on(
            "pageerror",
            lambda error: problems.append(error.stack) if "/unfold/" not in error.stack else None,
        )
        page.goto(f"{live_server.url}/admin/")
        page.fill("#id_username", "admin")
        page.fill("#id_password", "a-password")
        page.press("#id_password", "Enter")
        page.wait_for_url("**/admin/")

        for text, files in (("ふさふさ", photographs[:3]), ("ざらざら", photographs[3:])):
            page.goto(f"{live_server.url}/admin/generation/word/add/")
            page.fill("#id_text", text)
            page.set_input_files("#id_photographs", [str(f) for f in files])
            page.click("button[name=_save]")
            page.get_by_text(f"3 photographs added to {text}").wait_for()
            assert page.locator(".thumbs img").count() == 3

        page.goto(f"{live_server.url}/admin/generation/contentimage/add/")
        page.fill("#id_name", "a square")
        page.set_input_files("#id_upload", str(photographs[0]))
        page.click("button[name=_save]")
        page.get_by_text("a square").first.wait_for()

        page.goto(f"{live_server.url}/admin/generation/stimulusset/add/")
        page.fill("#id_name", "Mine")
        page.press("#id_name", "Tab")
        assert page.input_value("#id_slug") == "mine"
        for box in page.locator(
            "input[type=checkbox][name=words], [name=contents], [name=recipes]"
        ).all():
            box.check()
        page.click("button[name=_make]")
        page.wait_for_url("**/sets/mine/")
        page.get_by_text("0 of 2 pictures").wait_for()
        assert page.locator(".slot img").count() == 0

        # The worker's work in this process; the page has to find out by itself.
        page.evaluate("window.samepage = true")
        inline.run_set(StimulusSet.objects.get(), after_each=lambda: None)
        page.get_by_text("2 of 2 pictures").wait_for(timeout=20_000)
        assert page.locator(".slot img").count() == 2
        assert page.evaluate("window.samepage"), "it was not loaded anew"
        assert all(p.source_correlation is not None for p in StylizedImage.objects.all())

        page.goto(f"{live_server.url}/admin/survey/study/add/")
        page.fill("#id_title", "My study")
        page.press("#id_title", "Tab")
        page.select_option("#id_stimulus_set", label="Mine")
        page.fill("#id_options", "2")
        page.click("button[name=_continue]")
        page.click("button[name=_open_study]")
        page.get_by_text("The study is open.").wait_for()

        page.goto(f"{live_server.url}{Study.objects.get().get_absolute_url()}")
        page.check("input[name=consent]")
        page.click("button.primary")
        for _n in range(4):
            page.locator("label.picture, label.choice").first.click()
            page.click("button.primary")
        page.locator(".centred h1").wait_for()
        assert Answer.objects.count() == 4

        page.goto(f"{live_server.url}/studies/my-study/report/")
        page.get_by_text("ふさふさ").first.wait_for()
    finally:
        context.close()
        connections.close_all()
    assert problems == []
