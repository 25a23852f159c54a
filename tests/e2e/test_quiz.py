"""A whole participation in a real browser."""

import pytest

from survey.lifecycle import open_study
from survey.models import Answer, Participation, Trial
from tests.factories import StudyFactory, make_ready_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXTS = {"en": "en-GB", "ja": "ja-JP"}


@pytest.fixture
def study():
    stimulus_set = make_ready_set(words=4, contents=1)
    return open_study(StudyFactory(slug="quiz", stimulus_set=stimulus_set))


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)], ids=["phone", "desk"])
@pytest.mark.parametrize("javascript", [True, False], ids=["script", "plain"])
def test_a_whole_participation(chromium, live_server, study, language, width, height, javascript):
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        locale=TEXTS[language],
        java_script_enabled=javascript,
    )
    problems = []
    try:
        page = context.new_page()
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.goto(f"{live_server.url}/s/quiz/")
        assert page.locator("html").get_attribute("lang") == language
        page.locator("input[name=consent]").check()
        page.locator("button.primary").click()
        for n in range(8):
            page.locator(f"input[name=trial][value='{n + 1}']").wait_for(state="attached")
            page.locator("[type=submit]:enabled").last.wait_for()
            # Sent before choosing, once: a message, and the question is still there.
            if n == 1:
                page.wait_for_timeout(400)
                page.locator("button.primary").click()
                assert page.locator("[data-missing]").is_visible()
                problems.clear()
            images = page.locator(".stimuli img")
            for i in range(images.count()):
                # Equal sizes, inside the window, really loaded.
                box = images.nth(i).bounding_box()
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= width
                assert abs(box["width"] - box["height"]) < 1
                assert box["width"] >= 170
            button = page.locator("button.primary").bounding_box()
            assert button["height"] >= 44
            assert button["y"] + button["height"] <= height
            options = page.locator("label.picture, label.choice")
            assert options.count() == 4
            for i in range(4):
                assert options.nth(i).bounding_box()["height"] >= 44
            if javascript and n == 0:
                page.keyboard.press("2")
                assert page.locator("input[name=slot]").nth(1).is_checked()
            options.nth(n % 4).click()
            page.locator("button.primary").click()
        page.locator(".centred h1").wait_for()
        assert not page.locator("[data-quiz]").count()
    finally:
        context.close()
    assert problems == []
    # Answers = trials = what was chosen.
    answers = Answer.objects.order_by("trial__position").values_list("trial__position", "slot")
    assert list(answers) == [(n + 1, n % 4) for n in range(8)]
    assert Trial.objects.count() == 8
    measured = Answer.objects.filter(onset="painted", response_ms__gt=0).count()
    assert measured == (8 if javascript else 0)
    participation = Participation.objects.get()
    assert participation.finished_at is not None
    assert participation.language == language
