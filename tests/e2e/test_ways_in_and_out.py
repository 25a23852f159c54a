"""The pages of joining and leaving in a real browser: accessible, alone with our server, and in a frame."""

import os
import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.sessions.models import Session
from django.utils import timezone

from survey import session
from survey.invitations import make_invitations
from survey.lifecycle import close_study, open_study
from survey.models import Participation, StudyText
from tests.factories import StudyFactory, make_ready_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CONTACT = "Lab for Words and Pictures, words@example.org"
DEBRIEFING = "We ask which pictures look like their words.\n\nThey were made from photographs."
# A folder to look at the pages: SHOTS=/tmp/shots pytest tests/e2e/test_ways_in_and_out.py
SHOTS = os.environ.get("SHOTS")
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
# The test's site is on this machine, which a page of the web may not look at unless it is allowed to.
LOCAL = ["local-network-access"]
TURK = "assignmentId=A1&hitId=H1&workerId=W1&turkSubmitTo=https://www.mturk.com"


def a_study(**values):
    study = StudyFactory(
        stimulus_set=make_ready_set(words=4, contents=1), contact=CONTACT, **values
    )
    for language in ("ja", "en"):
        StudyText.objects.create(study=study, language=language, debriefing=DEBRIEFING)
    return open_study(study)


def taking_part(study, *, answered=False, **changes):
    participation = session.join(study, "en", person=os.urandom(8).hex(), external=kept(study))
    while answered and (trial := session.current_trial(participation)):
        session.record(trial, 0)
    Participation.objects.filter(pk=participation.pk).update(**changes)
    return f"/p/{participation.token}/"


def kept(study):
    if study.entrance == "mturk":
        return {"assignmentId": "A1", "workerId": "W1", "turkSubmitTo": "https://www.mturk.com"}
    return {"PROLIFIC_PID": "P1", "SESSION_ID": "Z1"} if study.entrance == "prolific" else {}


@pytest.fixture
def addresses():
    """Name → address of every page on the way in and out."""
    plain = a_study(slug="open", title="Does it look like the word?")
    prolific = a_study(
        slug="prolific", entrance="prolific", completion_code="C1A2B3C4", screen_out_code="NO5555"
    )
    turk = a_study(slug="turk", entrance="mturk")
    invited = a_study(slug="letters", entrance="invitation")
    full = a_study(slug="full", entrance="prolific", screen_out_code="NO5555")
    taking_part(full)
    full.quota = 1
    full.save()
    over = close_study(a_study(slug="over"))
    coded = a_study(slug="coded", completion_code="SHOW-THIS-CODE")
    now = timezone.now()
    began = taking_part(prolific)
    finished = taking_part(prolific, answered=True)
    return {
        "home": "/",
        "join": f"/s/{plain.slug}/",
        "join-prolific": f"/s/{prolific.slug}/?PROLIFIC_PID=P9",
        "preview": f"/s/{turk.slug}/?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE",
        "invited": make_invitations(invited, 1)[0].get_absolute_url(),
        "by-invitation": f"/s/{invited.slug}/",
        "refused": f"/s/{prolific.slug}/",
        "declined": f"/s/{prolific.slug}/declined/?PROLIFIC_PID=P9",
        "full": f"/s/{full.slug}/?PROLIFIC_PID=P9",
        "ended": f"/s/{over.slug}/",
        "not-begun": f"/s/{StudyFactory().slug}/",
        "withdraw": f"{began}withdraw/",
        "withdraw-after": f"{finished}withdraw/",
        "done": taking_part(plain, answered=True),
        "done-prolific": finished,
        "done-code": taking_part(coded, answered=True),
        "done-turk": taking_part(turk, answered=True),
        "screened-out": taking_part(prolific, screened_out_at=now),
        "stopped": taking_part(prolific, withdrawn_at=now),
        "deleted": taking_part(plain, withdrawn_at=now, deleted_at=now),
    }


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [
        ("phone", "ja", "light"),
        ("phone", "en", "dark"),
        ("desk", "en", "light"),
        ("desk", "ja", "dark"),
    ],
)
def test_every_page(chromium, live_server, addresses, size, language, theme):
    axe = Axe()
    width, height = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        locale={"en": "en-GB", "ja": "ja-JP"}[language],
        color_scheme=theme,
    )
    # Within a frame pages are in the language that was begun in.
    Participation.objects.update(language=language)
    asked, said = [], []
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        for name, address in addresses.items():
            response = page.goto(f"{live_server.url}{address}")
            assert response.status == (400 if name == "refused" else 200), name
            assert page.locator("html").get_attribute("lang") == language, name
            found = axe.run(page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name}: {wide} px wide"
            for target in page.locator("main button, main a.primary, main .leave a").all():
                assert target.bounding_box()["height"] >= 44, name
            if SHOTS:
                path = Path(SHOTS) / f"{name}-{size}-{language}-{theme}.png"
                page.screenshot(path=path, full_page=True)
        for name in ("unticked", "changed"):
            page.goto(f"{live_server.url}{addresses['join']}")
            if name == "changed":
                StudyText.objects.filter(study__slug="open").update(consent="A new text.")
                page.locator("input[name=consent]").check()
            page.locator("button.primary").click()
            # Seen at once: the page begins at its top again.
            box = page.locator("[role=alert]").bounding_box()
            assert box["y"] + box["height"] <= height, name
            found = axe.run(page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
            if SHOTS:
                path = Path(SHOTS) / f"{name}-{size}-{language}-{theme}.png"
                page.screenshot(path=path, full_page=True)
    finally:
        context.close()
    assert [url for url in asked if not url.startswith(live_server.url)] == []
    assert [line for line in said if "400" not in line and "422" not in line] == []


def test_stopping_by_keyboard_alone(chromium, live_server, addresses):
    context = chromium.new_context(locale="en-GB", java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{live_server.url}{addresses['withdraw']}")
        reached = []
        for _tab in range(12):
            page.keyboard.press("Tab")
            reached.append(page.locator(":focus").inner_text())
            if reached[-1] == "Stop, and delete my answers":
                break
        assert reached[-2:] == ["Stop, and keep my answers so far", "Stop, and delete my answers"]
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Your answers are deleted").wait_for()
    finally:
        context.close()
    assert Participation.objects.filter(deleted_at__isnull=False).count() == 2


@pytest.mark.parametrize("javascript", [True, False])
def test_a_whole_way_within_mechanical_turk(chromium, live_server, javascript):
    """Its page frames ours; the browser gives a frame's site no cookie; work is submitted from the frame."""
    study = a_study(slug="turk", entrance="mturk", completion_code="C1A2B3C4")
    context = chromium.new_context(
        locale="en-GB", java_script_enabled=javascript, permissions=LOCAL
    )
    submitted, said = [], []

    def turk(route):
        request = route.request
        if request.url == "https://www.mturk.com/mturk/externalSubmit":
            submitted.append(parse_qs(request.post_data))
            route.fulfill(content_type="text/html", body="<h1>Next HIT</h1>")
        elif request.url == "https://worker.mturk.com/hit":
            frame = f"{live_server.url}/s/{study.slug}/?{TURK}"
            body = f'<title>HIT</title><iframe src="{frame}" width="900" height="900"></iframe>'
            route.fulfill(content_type="text/html", body=body)
        else:
            route.abort()

    try:
        context.route(re.compile(r"https://(www|worker)\.mturk\.com/"), turk)
        page = context.new_page()
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.goto("https://worker.mturk.com/hit")
        frame = page.frame_locator("iframe")
        # A click does not wait for the page it leads to.
        frame.get_by_role("link", name="日本語").click()
        frame.locator("html[lang=ja]").wait_for()
        frame.get_by_role("link", name="English").click()
        frame.locator("html[lang=en]").wait_for()
        frame.locator("input[name=consent]").check()
        frame.get_by_role("button", name="Start").click()
        for number in range(1, 9):
            frame.get_by_text(f"Question {number} of 8").wait_for()
            frame.locator("input[name=slot]").nth(number % 4).check()
            frame.get_by_role("button", name="Next").click()
        frame.get_by_role("heading", name="Thank you").wait_for()
        assert context.cookies(live_server.url) == []
        assert submitted == []
        frame.get_by_role("button", name="Submit the HIT").click()
        frame.get_by_role("heading", name="Next HIT").wait_for()
    finally:
        context.close()
    assert submitted == [{"assignmentId": ["A1"], "code": ["C1A2B3C4"]}]
    participation = Participation.objects.get()
    assert participation.finished_at is not None
    chosen = participation.trials.order_by("position").values_list("answer__slot", flat=True)
    assert list(chosen) == [number % 4 for number in range(1, 9)]
    assert not Session.objects.exists()
    assert said == []


def test_no_other_site_can_frame_it(chromium, live_server):
    study = a_study(slug="turk", entrance="mturk")
    context = chromium.new_context(permissions=LOCAL)
    body = f'<iframe src="{live_server.url}/s/{study.slug}/?{TURK}"></iframe>'
    seen = {}
    try:
        for host in ("worker.mturk.com", "mturk.example"):
            context.route(
                f"https://{host}/", lambda r: r.fulfill(content_type="text/html", body=body)
            )
            page = context.new_page()
            page.goto(f"https://{host}/", wait_until="load")
            (frame,) = page.main_frame.child_frames
            frame.wait_for_load_state()
            seen[host] = frame.locator("input[name=consent]").count()
    finally:
        context.close()
    assert seen == {"worker.mturk.com": 1, "mturk.example": 0}
