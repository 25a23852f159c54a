"""Pictures of a question: shown together, equally large, never scaled up, and enlarged on demand."""

import gzip
import re
import time
from itertools import combinations
from urllib.parse import urljoin

import pytest
import requests

from tests.e2e.taking_part import PHONE, address, joined, new_page, shown, taking_part

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

IMAGES = ".stimuli img"
SHIFTS = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      window.shifts.push([entry.value, entry.hadRecentInput, ...entry.sources.map((s) => s.node?.outerHTML)]);
    }
  }).observe({ type: "layout-shift", buffered: true });
"""


def visible(page):
    return page.eval_on_selector_all(
        IMAGES, "all => all.map((i) => getComputedStyle(i).visibility === 'visible')"
    )


@pytest.mark.parametrize("options", [2, 3, 4, 5, 8, 12])
def test_all_options_are_on_the_screen_and_alike(chromium, live_server, options):
    participation = joined(words=options, options=options)
    with taking_part(chromium, live_server, participation) as page:
        for width, height in [(390, 844), (360, 640), (1280, 800), (844, 390), (640, 400)]:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(f"() => innerWidth === {width}")
            _all_fits(page, options, width, height)


def _all_fits(page, options, width, height):
    boxes = [page.locator(IMAGES).nth(i).bounding_box() for i in range(options)]
    sizes = [box[side] for box in boxes for side in ("width", "height")]
    assert max(sizes) - min(sizes) < 0.5
    assert max(sizes) <= 256
    assert min(sizes) >= (160 if options <= 4 and height > 600 else 76)
    send = page.locator("button.primary").bounding_box()
    word = page.locator("legend").bounding_box()
    for box in [*boxes, send, word]:
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert send["y"] + send["height"] <= height
    assert max(box["y"] + box["height"] for box in boxes) <= height
    # Twelve on a phone's side nearly fit: the strip below the last row does not. The way out is below.
    bottom = page.evaluate(
        "document.querySelector('main').getBoundingClientRect().bottom + scrollY"
    )
    assert bottom <= height + 8 * (options == 12)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for one, two in combinations(boxes, 2):
        beside = abs(one["x"] - two["x"]) >= one["width"] + 4
        assert beside or abs(one["y"] - two["y"]) >= one["height"] + 4


def test_the_study_sets_the_size(chromium, live_server):
    participation = joined(display_px=128, size=512)
    with taking_part(chromium, live_server, participation) as page:
        box = page.locator(IMAGES).first.bounding_box()
        assert (box["width"], box["height"]) == (128, 128)


def test_pictures_wait_for_each_other_and_nothing_moves(chromium, live_server):
    participation = joined(words=4, size=64)
    held = []
    with taking_part(chromium, live_server, participation, java_script_enabled=False) as page:
        before = [page.locator(IMAGES).nth(i).bounding_box() for i in range(4)]
    with new_page(chromium) as page:
        page.add_init_script(SHIFTS)
        page.route("**/3/picture", lambda route: held.append(route))  # noqa: PLW0108
        page.goto(address(live_server, participation), wait_until="commit")
        page.wait_for_function(
            f"() => [...document.querySelectorAll('{IMAGES}')].filter((i) => i.naturalWidth).length === 3"
        )
        page.wait_for_timeout(150)
        assert visible(page) == [False] * 4
        page.keyboard.press("1")
        assert page.locator("input:checked").count() == 0
        arrived = page.evaluate("performance.now()")
        held[0].continue_()
        shown(page)
        assert visible(page) == [True] * 4
        assert [page.locator(IMAGES).nth(i).bounding_box() for i in range(4)] == before
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        sent = page.evaluate("performance.now()")
        page.unroute("**/3/picture")
        shown(page, 2)
        page.wait_for_timeout(150)
        assert [s for s in page.evaluate("window.shifts") if not s[1]] == []
    answer = participation.trials.get(position=1).answer
    assert answer.onset == "painted"
    # Counted from when the last picture was there.
    assert answer.response_ms < sent - arrived


def test_pictures_that_were_shown_one_by_one_are_said_to_be(chromium, live_server):
    """After eight seconds the style sheet shows those that are there; times are not of the first sight."""
    participation = joined(words=4, size=64)
    held = []
    with new_page(chromium) as page:
        page.route("**/1/3/picture", lambda route: held.append(route))  # noqa: PLW0108
        page.goto(address(live_server, participation), wait_until="commit")
        page.wait_for_function(
            f"() => getComputedStyle(document.querySelector('{IMAGES}')).visibility === 'visible'"
        )
        held[0].continue_()
        shown(page)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        shown(page, 2)
    assert participation.trials.get(position=1).answer.onset == "loaded"


def test_a_picture_that_does_not_come_can_be_fetched_again(chromium, live_server):
    participation = joined(size=64)
    with new_page(chromium) as page:
        page.route("**/1/1/picture", lambda route: route.abort())
        page.goto(address(live_server, participation))
        page.get_by_text("A picture could not be loaded.").wait_for()
        assert page.locator("input[name=slot]:enabled").count() == 0
        page.get_by_role("button", name="Try again").click()
        page.get_by_text("A picture could not be loaded.").wait_for()
        page.unroute("**/1/1/picture")
        page.get_by_role("button", name="Try again").click()
        shown(page)
        assert visible(page) == [True, True]
        assert page.locator("[data-broken]").is_hidden()


def test_the_next_questions_pictures_are_there_before_they_are_asked(chromium, live_server):
    participation = joined(words=5, size=64)
    asked = []
    with new_page(chromium) as page:
        page.on("request", lambda r: asked.append(r.url) if r.url.endswith("/picture") else None)
        page.goto(address(live_server, participation))
        shown(page)
        page.wait_for_load_state("networkidle")
        fetched = [
            tuple(map(int, re.search(r"/(\d+)/(\d+)/picture", url).groups())) for url in asked
        ]
        # The question's own first, then those of the next three, and each once.
        assert set(fetched[:4]) == {(1, slot) for slot in range(4)}
        assert sorted(fetched) == [(n, slot) for n in (1, 2, 3, 4) for slot in range(4)]
        asked.clear()
        began = time.monotonic()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        shown(page, 2)
        assert time.monotonic() - began < 5
        page.wait_for_load_state("networkidle")
        assert all("/5/" in url for url in asked)


def test_a_page_in_the_background_says_so(chromium, live_server):
    participation = joined()
    with new_page(chromium) as page:
        page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => true })")
        page.goto(address(live_server, participation))
        shown(page)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        shown(page, 2)
    assert participation.trials.get(position=1).answer.onset == "hidden"


def test_a_browser_that_cannot_decode_ahead_still_measures(chromium, live_server):
    participation = joined()
    with new_page(chromium) as page:
        page.add_init_script("delete HTMLImageElement.prototype.decode; delete crypto.randomUUID")
        page.goto(address(live_server, participation))
        shown(page)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        shown(page, 2)
    answer = participation.trials.get(position=1).answer
    assert answer.onset == "loaded"
    assert answer.response_ms > 0
    assert re.fullmatch(r"[0-9a-f-]{32,36}", answer.key)


def test_a_picture_is_enlarged_to_its_own_size_at_most(chromium, live_server):
    participation = joined(size=384)
    with taking_part(chromium, live_server, participation) as page:
        button = page.get_by_role("button", name="Enlarge picture 2")
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
        button.click()
        dialog = page.get_by_role("dialog")
        large = dialog.get_by_role("img", name="Picture 2")
        assert large.bounding_box()["width"] == 384
        grey = "e => getComputedStyle(e).backgroundColor"
        assert (
            dialog.evaluate(grey) == page.locator(".stage").evaluate(grey) == "rgb(119, 119, 119)"
        )
        # Keys mean nothing behind it.
        page.keyboard.press("1")
        page.keyboard.press("Escape")
        assert dialog.count() == 0
        assert button.evaluate("e => e === document.activeElement")
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Close").click()
        button.click()
        large.click()
        assert dialog.count() == 0
        assert page.locator("input:checked").count() == 0
        page.keyboard.press("2")
        page.locator("button.primary").click()
        shown(page, 2)
    answer = participation.trials.get(position=1).answer
    assert answer.slot == 1
    assert answer.display["enlarged"] == 3
    assert answer.display["picture_pixels"] == 384
    assert answer.focus_losses == 0
    with taking_part(chromium, live_server, joined(size=384), **PHONE) as page:
        page.get_by_role("button", name="Enlarge picture 1").tap()
        assert page.get_by_role("dialog").get_by_role("img").bounding_box()["width"] == 390 - 32


@pytest.mark.parametrize(("size", "enlarge"), [(256, True), (384, False)])
def test_enlarging_is_offered_only_where_it_shows_more(chromium, live_server, size, enlarge):
    participation = joined(size=size, enlarge=enlarge)
    with taking_part(chromium, live_server, participation) as page:
        assert page.get_by_role("button", name="Enlarge").count() == 0


def test_a_question_page_weighs_little(live_server):
    participation = joined(words=12, options=12, not_sure=True)
    url = address(live_server, participation)
    page = requests.get(url, timeout=30).content
    assert len(re.findall(rb"/\d+/picture", page)) == 12 + 3 * 12
    addresses = re.findall(rb'(?:href|src)="(/static/[^"]+\.(?:js|css))"', page)
    files = {
        name: requests.get(urljoin(url, name.decode()), timeout=30).content for name in addresses
    }
    assert len(files) == 4
    scripts = [body for name, body in files.items() if name.endswith(b".js")]
    assert sum(len(gzip.compress(body)) for body in scripts) <= 6 * 1024
    assert sum(len(gzip.compress(body)) for body in [page, *files.values()]) <= 40 * 1024
