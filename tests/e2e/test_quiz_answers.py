"""Each way of answering ends with one answer a question, and with what was measured."""

import re

import pytest

from survey.models import Answer
from tests.e2e.taking_part import PHONE, joined, shown, slots, taking_part

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_by_keyboard_alone(chromium, live_server):
    participation = joined(words=3)
    with taking_part(chromium, live_server, participation) as page:
        page.keyboard.press("2")
        page.keyboard.press("Shift+Numpad3")
        page.keyboard.press("Enter")
        shown(page, 2)
        # A screen reader is told what is asked now; from there Tab leads into the options.
        assert page.evaluate("document.activeElement.tagName") == "H1"
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        assert page.locator("input[name=slot]").nth(1).is_checked()
        page.keyboard.press("Enter")
        shown(page, 3)
        # Keys that mean something else, and options that there are not.
        for key in ("Control+1", "Numpad1", "Alt+1", "9", "0", "a"):
            page.keyboard.press(key)
        assert page.locator("input[name=slot]:checked").count() == 0
        page.wait_for_timeout(350)
        page.keyboard.press("Enter")
        assert page.locator("[data-missing]").is_visible()
        page.keyboard.press("1")
        assert page.locator("[data-missing]").is_hidden()
        page.keyboard.press("Enter")
        page.locator("h1", has_text="Thank you").wait_for()
    assert slots(participation) == [2, 1, 0]
    first = participation.trials.get(position=1).answer
    assert first.input == "key"
    assert first.onset == "painted"
    assert 0 < first.chosen_ms <= first.response_ms < 60_000
    assert first.focus_losses == 0
    assert re.fullmatch(r"[0-9a-f-]{32,36}", first.key)
    assert first.display == {
        "language": "en",
        "viewport_width": 1280,
        "viewport_height": 800,
        "device_pixel_ratio": 1,
        "picture_width": 256,
        "picture_pixels": 16,
        "changes": 1,
        "enlarged": 0,
        "attempts": 1,
        "hidden_ms": 0,
    }
    participation.refresh_from_db()
    assert participation.finished_at is not None
    assert participation.webdriver


def test_a_tap_chooses_and_a_second_one_confirms(chromium, live_server):
    participation = joined()
    with taking_part(chromium, live_server, participation, **PHONE) as page:
        options = page.locator("label.picture")
        options.nth(0).tap()
        # Twice at once is a slip, not a decision.
        options.nth(0).tap()
        assert page.locator("input[name=trial]").input_value() == "1"
        options.nth(1).tap()
        page.wait_for_timeout(400)
        options.nth(1).tap()
        shown(page, 2)
        page.locator("label.picture").nth(0).tap()
        page.locator("button.primary").tap()
        page.locator("h1", has_text="Thank you").wait_for()
    assert slots(participation) == [1, 0]
    answer = participation.trials.get(position=1).answer
    assert answer.input == "touch"
    assert answer.display["changes"] == 1
    assert answer.response_ms - answer.chosen_ms > 300


def test_one_tap_answers_where_the_study_says_so(chromium, live_server):
    participation = joined(words=4, one_tap=True)
    with taking_part(chromium, live_server, participation, **PHONE) as page:
        page.wait_for_timeout(200)
        page.locator("label.picture").nth(3).tap()
        shown(page, 2)
        page.wait_for_timeout(200)
        page.keyboard.press("2")
        shown(page, 3)
        # Arrow keys only walk.
        page.locator("input[name=slot]").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(200)
        assert Answer.objects.count() == 2
        page.keyboard.press("Enter")
        shown(page, 4)
    assert slots(participation) == [3, 1, 2]


def test_not_sure(chromium, live_server):
    participation = joined(not_sure=True)
    with taking_part(chromium, live_server, participation) as page:
        # It is no picture, so no digit means it.
        page.keyboard.press("3")
        assert page.locator("input:checked").count() == 0
        page.get_by_label("Not sure").check()
        page.locator("button.primary").click()
        shown(page, 2)
    assert slots(participation) == [None]


def test_practice_break_and_comment(chromium, live_server):
    participation = joined(practice=1, break_every=1, ask_comment=True)
    with taking_part(chromium, live_server, participation) as page:
        assert page.get_by_text("Practice", exact=True).is_visible()
        right = participation.trials.get(position=1).target_slot
        page.keyboard.press(str(2 - right))
        page.keyboard.press("Enter")
        marked = page.locator(".option.right")
        marked.wait_for()
        assert page.locator(".option").nth(right).inner_text() == "✓ right"
        assert page.locator(".option").nth(1 - right).inner_text() == "● your choice"
        page.reload()
        page.get_by_role("button", name="Go on").click()
        shown(page, 2)
        assert page.get_by_text("Practice", exact=True).count() == 0
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Time for a short rest").wait_for()
        page.keyboard.press("Enter")
        shown(page, 3)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        comment = page.get_by_label("Is there anything you would like to tell us?")
        comment.fill("1 2 3")
        page.get_by_role("button", name="Finish").click()
        page.locator("h1", has_text="Thank you").wait_for()
    participation.refresh_from_db()
    assert participation.comment == "1 2 3"
    assert slots(participation) == [1 - right, 0, 0]


def test_an_attention_check_names_what_to_choose(chromium, live_server):
    participation = joined(words=4, attention=1)
    check = participation.trials.get(role="attention")
    with taking_part(chromium, live_server, participation) as page:
        while page.locator(".check").count() == 0:
            position = int(page.locator("input[name=trial]").input_value())
            page.keyboard.press("1")
            page.keyboard.press("Enter")
            shown(page, position + 1)
        heading = page.get_by_role("heading").inner_text()
        named = re.search(r"please choose picture (\d)\.", heading)[1]
        # Which one that is can be seen.
        assert page.locator(".ordinal").all_inner_texts() == ["1", "2", "3", "4"]
        page.keyboard.press(named)
        page.keyboard.press("Enter")
        shown(page, position + 2)
    check.refresh_from_db()
    assert check.answer.slot == check.target_slot


@pytest.mark.parametrize("points", [5, 7])
def test_a_rating(chromium, live_server, points):
    participation = joined(ask_picture=False, ask_rating=True, rating_points=points)
    with taking_part(chromium, live_server, participation, **PHONE) as page:
        scale = page.locator("label.point")
        boxes = [scale.nth(i).bounding_box() for i in range(scale.count())]
        assert len(boxes) == points
        assert {box["y"] for box in boxes} == {boxes[0]["y"]}
        assert all(min(box["width"], box["height"]) >= 44 for box in boxes)
        ends = [page.get_by_label(text) for text in ("does not suit at all", "suits very well")]
        assert [end.input_value() for end in ends] == ["0", str(points - 1)]
        ends[1].check()
        page.locator("button.primary").tap()
        shown(page, 2)
    assert slots(participation) == [points - 1]


def test_without_javascript_nothing_is_hidden(chromium, live_server):
    participation = joined(words=4, not_sure=True)
    options = PHONE | {"java_script_enabled": False}
    with taking_part(chromium, live_server, participation, **options) as page:
        for n in range(4):
            assert page.locator("label.picture img").nth(n).is_visible()
            assert page.locator(".enlarge").nth(n).is_hidden()
            page.locator("label.picture").nth(n).tap()
            page.locator("button.primary").tap()
        page.locator("h1", has_text="Thank you").wait_for()
    assert slots(participation) == [0, 1, 2, 3]


def test_leaving_the_page_for_a_while_is_counted(chromium, live_server):
    participation = joined()
    with taking_part(chromium, live_server, participation) as page:
        # Headless pages neither lose focus nor hide, so the browser's own signs are played.
        page.evaluate(
            """async () => {
              const hide = (hidden) => {
                Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
                document.hasFocus = () => !hidden;
                window.dispatchEvent(new Event(hidden ? "blur" : "focus"));
                document.dispatchEvent(new Event("visibilitychange"));
              };
              for (const _ of [1, 2]) {
                hide(true);
                await new Promise((done) => setTimeout(done, 60));
                hide(false);
              }
            }"""
        )
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        shown(page, 2)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.locator("h1", has_text="Thank you").wait_for()
    first, second = (t.answer for t in participation.trials.order_by("position"))
    assert first.focus_losses == 2
    assert 110 < first.display["hidden_ms"] < 2000
    assert second.focus_losses == 0


def test_a_language_switch_is_shown_unless_the_study_has_one_language(chromium, live_server):
    for fixed in ("", "ja"):
        participation = joined(language=fixed)
        with taking_part(chromium, live_server, participation) as page:
            assert page.locator(".language").count() == (0 if fixed else 1)
            assert page.locator("html").get_attribute("lang") == (fixed or "en")


def test_back_and_reload_at_every_step_loses_and_doubles_nothing(chromium, live_server):
    participation = joined(words=3, practice=1, break_every=2)
    with taking_part(chromium, live_server, participation) as page:
        steps = 0
        while page.locator("h1", has_text="Thank you").count() == 0:
            assert (steps := steps + 1) < 10
            page.goto(live_server.url)
            page.go_back()
            shown(page)
            if page.locator("input[name=slot]").count():
                page.keyboard.press("1")
                page.reload()
                shown(page)
                assert page.locator("input:checked").count() == 0
                page.keyboard.press("2")
            page.evaluate("() => { document.body.dataset.old = '' }")
            page.keyboard.press("Enter")
            page.locator("body:not([data-old])").wait_for()
    # Four questions, the answer to the practice question, and a break.
    assert steps == 6
    assert slots(participation) == [1, 1, 1, 1]
