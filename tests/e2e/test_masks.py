"""A mask from a box that is drawn on a content photograph, in a real browser."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from PIL import Image

from generation import pipeline
from generation.imagefile import RgbImage, photograph_fields
from generation.models import ContentImage, Mask
from tests.generation.vision.test_masks import overlap, scene

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def log_in(page: Any, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "a-password")
    page.press("#id_password", "Enter")
    page.wait_for_url("**/admin/")


@pytest.fixture
def content() -> ContentImage:
    User.objects.create_superuser("admin", password="a-password")
    image, _truth = scene(scale=4)
    fields = photograph_fields(RgbImage(image, image.width, image.height))
    return ContentImage.objects.create(name="an ellipse", **fields)


@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desk"])
def test_a_box_is_drawn_and_becomes_a_mask(
    chromium: Any, live_server: Any, content: ContentImage, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, locale="en-GB")
    problems: list[str] = []
    try:
        page = context.new_page()
        # The theme's own script stumbles over file inputs that are not its own.
        page.on(
            "pageerror",
            lambda error: problems.append(error.stack) if "/unfold/" not in error.stack else None,
        )
        log_in(page, live_server.url)
        page.goto(f"{live_server.url}/admin/generation/contentimage/{content.pk}/change/")
        photograph = page.locator("[data-box] img")
        # In the middle: the buttons lie over the page's lower edge.
        photograph.evaluate("image => image.scrollIntoView({block: 'center', behavior: 'instant'})")
        frame = photograph.bounding_box()
        assert frame["x"] >= 0
        assert frame["x"] + frame["width"] <= width
        assert page.locator("[data-box-outline]").is_hidden()

        # From the lower right to the upper left: a tenth away from each edge.
        page.mouse.move(frame["x"] + 0.9 * frame["width"], frame["y"] + 0.9 * frame["height"])
        page.mouse.down()
        page.mouse.move(frame["x"] + 0.5 * frame["width"], frame["y"] + 0.5 * frame["height"])
        page.mouse.move(frame["x"] + 0.1 * frame["width"], frame["y"] + 0.1 * frame["height"])
        page.mouse.up()
        drawn = [int(page.input_value(f"#id_{s}")) for s in ("left", "top", "right", "bottom")]
        # Of 480 × 360; a pixel of the screen is at most two of the photograph's.
        assert all(abs(a - b) <= 2 for a, b in zip(drawn, (48, 36, 432, 324), strict=True))

        # The numbers can be changed, and the outline follows them.
        page.fill("#id_left", "96")
        outline = page.locator("[data-box-outline]").bounding_box()
        assert abs(outline["x"] - frame["x"] - 0.2 * frame["width"]) <= 2
        assert abs(outline["width"] - 0.7 * frame["width"]) <= 4

        page.click("button[name=_save]")
        page.get_by_text("A new mask waits for a worker.").wait_for()
        row = Mask.objects.get()
        assert row.box == [96, *drawn[1:]]
        # The worker's work in this process; the page has to find out by itself.
        page.evaluate("window.samepage = true")
        assert pipeline.find_mask(row.pk)
        shown = page.locator("[data-part=mask] img")
        shown.wait_for(timeout=20_000)
        shown.scroll_into_view_if_needed()
        page.wait_for_function(
            "document.querySelector('[data-part=mask] img').naturalWidth === 480"
        )
        assert page.evaluate("window.samepage"), "it was not loaded anew"
        assert page.get_by_text("from a box").count()
        with Mask.objects.get().file.open("rb") as stream:
            assert overlap(Image.open(stream), scene(scale=4)[1]) > 0.95
    finally:
        context.close()
        connections.close_all()
    assert problems == []
