"""Every page in every state: axe finds nothing, nothing overflows, nothing is loaded from elsewhere.

With ``--screenshots FOLDER`` (`make screenshots`) each is also kept as a picture, at both widths, light and
dark, in Japanese and English.
"""

import io
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from tests.e2e.pages import Gallery, pictures_of_the_demo

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]

ROOT = Path(__file__).resolve().parents[2]
PHONE, DESK = (390, 844), (1280, 800)
#: (width and height, theme, language). Light and dark, Japanese and English at both widths for pictures.
USUAL = [(PHONE, "dark", "ja"), (DESK, "light", "en")]
ALL = [*USUAL, (PHONE, "light", "en"), (DESK, "dark", "ja")]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def screenshot(page: Any, file: Path) -> None:
    """A small WebP: what is seen without scrolling on a question, the whole of other pages."""
    whole = "asking" not in (page.locator("body").get_attribute("class") or "")
    image = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
    file.parent.mkdir(parents=True, exist_ok=True)
    image.convert("RGB").save(file, "WEBP", quality=82, method=6)


def problems_of(page: Any, width: int) -> list[str]:
    """What is wrong with the page that is open."""
    found = [
        f"axe {v['id']}: {[n['html'] for n in v['nodes']][:3]}"
        for v in Axe().run(page, options=RULES).response["violations"]
    ]
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append("scrolls sideways")
    for selector in (
        "button",
        "label:has(input)",
        "input[type=radio]",
        "input[type=checkbox]",
        "a.primary",
    ):
        for element in page.locator(f"main {selector}:visible").all():
            box = element.bounding_box()
            inside = selector.startswith("input") and element.evaluate("e => !!e.closest('label')")
            if box and not inside and min(box["width"], box["height"]) < 43.5:
                found.append(
                    f"small target {selector}: {element.evaluate('e => e.outerHTML')[:120]}"
                )
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    looks = ALL if metafunc.config.getoption("--screenshots") else USUAL
    names = [f"{size[0]}-{theme}-{language}" for size, theme, language in looks]
    metafunc.parametrize(("size", "theme", "language"), looks, ids=names)


def test_every_page(
    chromium: Any,
    live_server: Any,
    request: pytest.FixtureRequest,
    size: Any,
    theme: str,
    language: str,
) -> None:
    folder = request.config.getoption("--screenshots")
    gallery = Gallery(pictures_of_the_demo(ROOT / "var") if folder else None)
    locale = {"en": "en-GB", "ja": "ja-JP"}[language]
    width, height = size
    wrong: dict[str, list[str]] = {}
    elsewhere: list[str] = []
    for name, make in gallery.states():
        address = make()
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            color_scheme=theme,
            reduced_motion="reduce",
        )
        try:
            page = context.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda e: errors.append(str(e)))  # noqa: B023
            page.on(
                "request",
                lambda r: (
                    elsewhere.append(r.url)
                    if urlsplit(r.url).hostname not in (urlsplit(live_server.url).hostname, None)
                    else None
                ),
            )
            page.goto(live_server.url + address, wait_until="networkidle")
            assert page.locator("html").get_attribute("lang") == language
            found = [*problems_of(page, width), *errors]
            if found:
                wrong[name] = found
            if folder:
                screenshot(page, Path(folder) / f"{name}-{width}-{theme}-{language}.webp")
        finally:
            context.close()
    assert elsewhere == []
    assert wrong == {}
