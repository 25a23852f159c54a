"""Networks, servers, tabs and browsers fail in the middle: one answer a question, and none lost."""

import pytest

from survey.models import Answer
from tests.e2e.taking_part import address, joined, shown, slots, taking_part

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WAITING = "Waiting for the network – your answer is kept on this device and will be sent."


def answer(page, key="1"):
    page.keyboard.press(key)
    page.keyboard.press("Enter")


def status(page):
    return page.locator("[role=status]")


def closed(page):
    """Close an offline page: with it goes the browser's pretence, and its last breath would be to send."""
    page.evaluate("void (window.fetch = () => new Promise(() => {}))")
    page.close()


def test_offline_in_the_middle(chromium, live_server):
    participation = joined(words=3)
    with taking_part(chromium, live_server, participation) as page:
        answer(page, "2")
        shown(page, 2)
        page.context.set_offline(True)
        answer(page, "3")
        status(page).get_by_text(WAITING).wait_for()
        # What was sent stays as it is, and nothing is shown before it is stored.
        page.keyboard.press("1")
        page.locator("label.picture").first.click(force=True)
        assert page.locator("input[name=slot]:checked").input_value() == "2"
        assert page.locator("input[name=slot]:disabled").count() == 3
        assert slots(participation) == [1]
        page.context.set_offline(False)
        shown(page, 3)
        assert status(page).inner_text() == "Saved"
        assert page.evaluate("Object.keys(localStorage).length") == 0
        answer(page)
        page.locator("h1", has_text="Thank you").wait_for()
    assert slots(participation) == [1, 2, 0]
    late = participation.trials.get(position=2).answer
    assert late.display["attempts"] > 1
    # When it was decided, not when it arrived.
    assert late.response_ms < 2000


def test_a_closed_page_sends_its_answer_when_it_is_opened_again(chromium, live_server):
    participation = joined(words=3)
    with taking_part(chromium, live_server, participation) as page:
        page.context.set_offline(True)
        answer(page, "3")
        status(page).get_by_text(WAITING).wait_for()
        kept = page.evaluate("JSON.parse(Object.values(localStorage)[0])")
        closed(page)
        page.context.set_offline(False)
        again = page.context.new_page()
        again.goto(address(live_server, participation))
        shown(again, 2)
        assert again.evaluate("Object.keys(localStorage).length") == 0
    assert slots(participation) == [2]
    stored = Answer.objects.get()
    assert stored.key == kept["key"]
    assert stored.response_ms == kept["measures"]["response_ms"]


def test_an_answer_of_long_ago_is_forgotten(chromium, live_server):
    participation = joined(words=3)
    with taking_part(chromium, live_server, participation) as page:
        page.context.set_offline(True)
        answer(page, "3")
        status(page).get_by_text(WAITING).wait_for()
        closed(page)
        page.context.set_offline(False)
        # Meanwhile on another device.
        with taking_part(chromium, live_server, participation) as other:
            answer(other, "1")
            shown(other, 2)
        again = page.context.new_page()
        again.goto(address(live_server, participation))
        shown(again, 2)
        assert again.locator("input:checked").count() == 0
        assert again.evaluate("Object.keys(localStorage).length") == 0
    assert slots(participation) == [0]


@pytest.mark.parametrize("failure", ["500", "dropped", "stored but not heard", "hotel"])
def test_a_server_in_trouble_is_asked_again(chromium, live_server, failure):
    participation = joined(words=3)
    left = [2 if failure == "500" else 1]

    def trouble(route):
        if route.request.method != "POST" or not left[0]:
            route.continue_()
            return
        left[0] -= 1
        if failure == "500":
            route.fulfill(status=500, body="<h1>Oops</h1>")
        elif failure == "dropped":
            route.abort()
        elif failure == "hotel":
            route.fulfill(status=200, body="<h1>Log in to the hotel</h1>")
        else:
            route.fetch()
            route.abort()

    with taking_part(chromium, live_server, participation) as page:
        page.route("**/p/*/", trouble)
        answer(page, "2")
        status(page).get_by_text(WAITING).wait_for()
        shown(page, 2)
        assert status(page).inner_text() == "Saved"
        assert page.locator("input:checked").count() == 0
    assert slots(participation) == [1]


def test_slow_is_said_and_quick_is_not(chromium, live_server):
    participation = joined(words=3)
    with taking_part(chromium, live_server, participation) as page:
        answer(page)
        shown(page, 2)
        assert status(page).inner_text() == ""
        held = []
        page.route("**/p/*/", lambda route: held.append(route))  # noqa: PLW0108
        answer(page)
        status(page).get_by_text("Saving…").wait_for()
        # A second click, and a third, send nothing more.
        page.keyboard.press("Enter")
        page.locator("button.primary").click(force=True)
        held[0].continue_()
        shown(page, 3)
        assert len(held) == 1
    assert slots(participation) == [0, 0]


def test_a_stalled_network_is_asked_again_more_and_more_slowly(chromium, live_server):
    participation = joined()
    attempts = []
    stalls = True

    def unanswered(route):
        attempts.append(route)
        if not stalls:
            route.abort()

    with taking_part(chromium, live_server, participation) as page:
        page.clock.install()
        page.clock.pause_at(page.evaluate("Date.now() + 1000"))
        page.evaluate("() => { Math.random = () => 1 }")
        page.route("**/p/*/", unanswered)
        answer(page, "2")
        page.wait_for_timeout(50)
        # Ten seconds for each attempt, then a pause of 1, 2, 4, 8, 16 and never more than 30 seconds.
        for n, pause in enumerate([1, 2, 4, 8, 16, 30], start=1):
            assert len(attempts) == n
            page.clock.run_for(10_100)
            page.wait_for_timeout(30)
            page.clock.run_for(pause * 1000 - 900)
            page.wait_for_timeout(30)
            assert len(attempts) == n
            page.clock.run_for(950)
            page.wait_for_timeout(30)
        status(page).get_by_text(WAITING).wait_for()
        # Back on line it does not wait for the end of the pause.
        stalls = False
        page.clock.run_for(41_000)
        page.wait_for_timeout(50)
        before = len(attempts)
        page.evaluate("() => { dispatchEvent(new Event('online')) }")
        page.wait_for_timeout(100)
        assert len(attempts) == before + 1
        page.unroute("**/p/*/")
        page.evaluate("() => { dispatchEvent(new Event('online')) }")
        page.clock.resume()
        shown(page, 2)
    assert slots(participation) == [1]


def test_without_storage_it_waits_in_memory(chromium, live_server):
    participation = joined()
    with taking_part(chromium, live_server, participation) as page:
        page.evaluate(
            "() => { Storage.prototype.setItem = () => { throw new DOMException('', 'Quota') } }"
        )
        page.context.set_offline(True)
        answer(page, "2")
        status(page).get_by_text("please keep this page open").wait_for()
        page.context.set_offline(False)
        shown(page, 2)
    assert slots(participation) == [1]


def test_two_tabs(chromium, live_server):
    participation = joined(words=3)
    with taking_part(chromium, live_server, participation) as page:
        second = page.context.new_page()
        second.goto(address(live_server, participation))
        shown(second, 1)
        answer(page, "1")
        shown(page, 2)
        answer(second, "3")
        # The first answer stays, and who gave the second is told.
        shown(second, 2)
        assert "answered before" in status(second).inner_text()
        answer(second, "2")
        shown(second, 3)
        answer(page, "3")
        shown(page, 3)
    assert slots(participation) == [0, 1]


def test_a_lost_cookie_loses_no_answer(chromium, live_server):
    participation = joined()
    with taking_part(chromium, live_server, participation) as page:
        page.context.clear_cookies()
        answer(page, "2")
        shown(page, 2)
    assert slots(participation) == [1]


def test_what_cannot_be_saved_is_said(chromium, live_server):
    participation = joined()
    with taking_part(chromium, live_server, participation) as page:
        page.route("**/p/*/", lambda route: route.fulfill(status=404, body="gone"))
        answer(page, "2")
        status(page).get_by_text("could not be saved").wait_for()
        assert page.locator("input[name=slot]:enabled").count() == 2
        # It may have been somebody else who said so: the answer is kept, until another one takes its place.
        assert page.evaluate("Object.keys(localStorage).length") == 1
        page.unroute("**/p/*/")
        answer(page, "1")
        shown(page, 2)
        assert page.evaluate("Object.keys(localStorage).length") == 0
    assert slots(participation) == [0]
