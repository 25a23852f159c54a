"""WCAG 2.2 AA by axe-core in every state of the pages between joining and thanks."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from survey.models import StudyText
from tests.e2e.taking_part import DESK, PHONE, joined, taking_part

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = {
    "phone, light": PHONE,
    "desk, dark": DESK | {"color_scheme": "dark"},
    "large zoom": {"viewport": {"width": 640, "height": 400}},
}


def violations(page):
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
    assert len(found.response["passes"]) > 10
    return [(v["id"], [n["html"] for n in v["nodes"]]) for v in found.response["violations"]]


def nothing(page):
    """The question as it is first shown."""


def chosen(page):
    page.keyboard.press("1")


def missing(page):
    page.wait_for_timeout(350)
    page.keyboard.press("Enter")
    page.locator("[data-missing]:visible").wait_for()


def enlarged(page):
    page.get_by_role("button", name="Enlarge").first.click()


def waiting(page):
    page.context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_text("Waiting for the network").wait_for()


def next_step(page):
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.querySelector('input[name=trial][value=\"1\"]')")
    page.wait_for_timeout(100)


STATES = {
    "picture": ({}, nothing),
    "picture, chosen": ({"not_sure": True}, chosen),
    "nothing chosen": ({}, missing),
    "enlarged": ({}, enlarged),
    "waiting": ({}, waiting),
    "word": ({"ask_picture": False, "ask_word": True, "not_sure": True}, chosen),
    "rating": ({"ask_picture": False, "ask_rating": True}, chosen),
    "attention": ({"attention": 4, "questions_each": 4}, nothing),
    "practice": ({"practice": 1}, nothing),
    "feedback": ({"practice": 1}, next_step),
    "feedback, word": ({"practice": 1, "ask_picture": False, "ask_word": True}, next_step),
    "break": ({"break_every": 1}, next_step),
    "comment": ({"ask_comment": True, "questions_each": 1}, next_step),
}


@pytest.mark.parametrize("state", STATES)
def test_no_violations(chromium, live_server, state):
    study, reach = STATES[state]
    participation = joined(words=4, size=640, word_display="both", **study)
    if state == "attention":
        for trial in participation.trials.filter(role="main", position=1):
            check = participation.trials.filter(role="attention").first()
            positions = trial.position, check.position
            trial.position = 999
            trial.save()
            check.position = positions[0]
            check.save()
            trial.position = positions[1]
            trial.save()
    with taking_part(chromium, live_server, participation) as page:
        reach(page)
        for view in VIEWS.values():
            page.set_viewport_size(view["viewport"])
            page.emulate_media(color_scheme=view.get("color_scheme", "light"))
            page.wait_for_timeout(250)
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.emulate_media(forced_colors="active", reduced_motion="reduce")
        assert violations(page) == []


def test_what_a_screen_reader_is_given(chromium, live_server):
    participation = joined(words=3, not_sure=True, size=640)
    word = participation.trials.get(position=1).question.stimulus.word.text
    question = f"Which picture looks most like this word? {word}"
    with taking_part(chromium, live_server, participation) as page:
        page.keyboard.press("2")
        assert page.locator("form[data-quiz]").aria_snapshot() == "\n".join(
            [
                f'- group "{question}":',
                f'  - heading "{question}" [level=1]',
                '  - radio "Picture 1"',
                '  - img "Picture 1"',
                '  - button "Enlarge picture 1"',
                '  - radio "Picture 2" [checked]',
                '  - img "Picture 2"',
                '  - button "Enlarge picture 2"',
                '  - radio "Picture 3"',
                '  - img "Picture 3"',
                '  - button "Enlarge picture 3"',
                '  - radio "Not sure"',
                "  - text: Not sure",
                "  - status",
                '  - button "Next"',
            ]
        )


def test_a_study_words_its_questions_itself(chromium, live_server):
    participation = joined(words=3, language="en")
    StudyText.objects.create(
        study=participation.study, language="en", question_picture="Which one is <most> like it?"
    )
    with taking_part(chromium, live_server, participation) as page:
        assert "Which one is <most> like it?" in page.get_by_role("heading").inner_text()


def test_focus_can_be_seen_on_everything(chromium, live_server):
    participation = joined(words=3, not_sure=True, size=640)
    with taking_part(chromium, live_server, participation) as page:
        seen = []
        for _ in range(12):
            page.keyboard.press("Tab")
            shown_focus = page.evaluate(
                """() => {
                  const e = document.activeElement;
                  if (e === document.body) return null;
                  const marked = [e, e.nextElementSibling, e.closest("label")].filter(Boolean);
                  const ring = marked.some((m) => getComputedStyle(m).outlineStyle === "solid");
                  return [e.name || e.className || e.tagName, ring];
                }"""
            )
            if shown_focus:
                seen.append(tuple(shown_focus))
        assert all(ring for _name, ring in seen)
        assert {"slot", "enlarge", "primary", "language"} <= {name for name, _ring in seen}
