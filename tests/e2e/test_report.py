"""The report in a real browser: every page in every look is accessible, whole, and loads nothing from elsewhere.

With ``--screenshots FOLDER`` each is also kept as a picture, and those of large studies too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from generation.models import State
from survey.analyses import analyze_row
from survey.jobs import Filters
from survey.models import Analysis, Answer, Participation, Study, Trial
from survey.report_views import TABS
from tests.e2e.report_rows import RULES, Size, answer, make_study
from tests.survey.chart_case import WORDS, make_analysis

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]

PHONE, DESK = (390, 844), (1280, 800)
# Closely in the first look of a language, in the second its shape alone: colors do not depend on the width.
LOOKS = {
    "ja": [(PHONE, "dark"), (DESK, "dark")],
    "en": [(DESK, "light"), (PHONE, "light")],
}
RULES_OF_AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
}
TARGETS = "button, select, summary, .report-tabs a, .report-switch a, .report-files a, .report-downloads a, .report-pages a"

# Targets too small for a finger, and texts that are cut off or stick out: by a box that hides what does not fit, of a chart's frame, of the window
# (unless what holds them can be scrolled).
MISSHAPEN = """(targets) => {
  const found = [];
  const scrolls = (e) => e.closest(".report-scroll") !== null;
  for (const e of document.querySelectorAll("main *")) {
    if (e instanceof SVGElement) continue;
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(".visually-hidden")) continue;
    const style = getComputedStyle(e);
    const box = e.getBoundingClientRect();
    if (["hidden", "clip"].includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1) found.push("cut: " + e.outerHTML.slice(0, 90));
    if (!scrolls(e) && (box.left < -1 || box.right > innerWidth + 1)) found.push("outside: " + e.outerHTML.slice(0, 90));
  }
  for (const svg of document.querySelectorAll("main svg[role=img]")) {
    if (!svg.checkVisibility()) continue;
    const frame = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 2 || box.bottom > frame.bottom + 2)
        found.push(`out of the chart ${svg.closest("figure")?.id}: ${text.textContent}`);
    }
  }
  for (const e of document.querySelectorAll(targets.split(", ").map((t) => `main ${t}`).join(", "))) {
    if (e.checkVisibility() && e.getBoundingClientRect().height < 43.5) found.push("small target: " + e.outerHTML.slice(0, 90));
  }
  return found.slice(0, 5);
}"""


def problems_of(page: Any) -> list[str]:
    """What is wrong with the page that is open."""
    found = [
        f"axe {v['id']}: {[n['html'] for n in v['nodes']][:3]}"
        for v in Axe().run(page, options=RULES_OF_AXE).response["violations"]
    ]
    return found + misshapen(page)


def misshapen(page: Any) -> list[str]:
    """What sticks out, is cut off, or is too small for a finger."""
    found: list[str] = page.evaluate(MISSHAPEN, TARGETS)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("scrolls sideways")
    return found


class Reader:
    """Somebody who may see reports, with a browser of any look; keeps what went wrong."""

    def __init__(self, chromium: Any, live_server: Any) -> None:
        self.chromium, self.live_server = chromium, live_server
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        user = User.objects.create_user("researcher", password="x")
        user.user_permissions.add(Permission.objects.get(codename="view_report"))
        client = Client()
        client.force_login(user)
        self.session = client.cookies["sessionid"].value

    @contextmanager
    def browser(
        self, size: Any = DESK, theme: str = "light", language: str = "en"
    ) -> Iterator[Any]:
        """A page of that look."""
        width, height = size
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            locale={"en": "en-GB", "ja": "ja-JP"}[language],
            color_scheme=theme,
            has_touch=width < 600,
            reduced_motion="reduce",
        )
        context.add_cookies(
            [{"name": "sessionid", "value": self.session, "url": self.live_server.url}]
        )
        page = context.new_page()
        page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._note)
        try:
            yield page
        finally:
            context.close()

    def _note(self, request: Any) -> None:
        if urlsplit(request.url).hostname not in (urlsplit(self.live_server.url).hostname, None):
            self.elsewhere.append(request.url)

    def open(self, page: Any, address: str) -> None:
        response = page.goto(self.live_server.url + address)
        assert response.ok, response.status


@pytest.fixture
def reader(chromium: Any, live_server: Any) -> Iterator[Reader]:
    someone = Reader(chromium, live_server)
    yield someone
    assert someone.errors == []
    assert someone.elsewhere == []


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[Any, str], None]:
    folder = request.config.getoption("--screenshots")

    def kept(page: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            # Pictures that wait to be scrolled to.
            page.evaluate("document.querySelectorAll('img').forEach((i) => (i.loading = 'eager'))")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return kept


def address(study: Study, tab: str = "", query: str = "") -> str:
    if tab == "plan":
        return reverse("survey:plan", args=[study.slug]) + query
    named = reverse("survey:report_tab", args=[study.slug, tab]) if tab else ""
    return (named or reverse("survey:report", args=[study.slug])) + query


def compute(study: Study, **filters: Any) -> None:
    """What the worker does: all parts of the report."""
    key = Filters(**filters).key
    for part in Analysis.Part.values:
        row, _made = Analysis.objects.get_or_create(study=study, part=part, filters=key)
        if row.state == State.QUEUED:
            assert analyze_row(row.pk)
            row.refresh_from_db()
        assert row.state == State.DONE, row.error


def look_at_all(reader: Reader, keep: Any, study: Study, name: str) -> dict[str, list[str]]:
    """Opens every page of the report in all looks; what is wrong with which."""
    wrong: dict[str, list[str]] = {}
    for language, looks in LOOKS.items():
        with reader.browser(*looks[0], language) as page:
            for tab in (*TABS, "plan"):
                page.set_viewport_size({"width": looks[0][0][0], "height": looks[0][0][1]})
                reader.open(page, address(study, tab))
                assert page.locator("html").get_attribute("lang") == language
                assert page.locator("progress").count() == 0
                for number, ((width, height), theme) in enumerate(looks):
                    page.set_viewport_size({"width": width, "height": height})
                    found = misshapen(page) if number else problems_of(page)
                    label = f"{name}-{tab or 'overview'}-{width}-{theme}-{language}"
                    if found:
                        wrong[label] = found
                    keep(page, label)
    return wrong


def test_every_page_in_every_look(reader: Reader, keep: Any) -> None:
    size = Size()
    study = make_study(size, "five")
    answer(study, size)
    compute(study)
    assert look_at_all(reader, keep, study, "five") == {}


def test_without_answers(reader: Reader, keep: Any) -> None:
    study = make_study(Size(raters=0), "none")
    wrong = look_at_all(reader, keep, study, "none")
    assert wrong == {}
    with reader.browser() as page:
        reader.open(page, address(study))
        assert page.get_by_role("heading", name="No answers yet").is_visible()
        assert page.locator("figure").count() == 0


def test_details_that_are_computed_come_by_themselves(reader: Reader, keep: Any) -> None:
    size = Size(3, 2, 4)
    study = make_study(size, "soon")
    answer(study, size)
    with reader.browser(PHONE, "dark") as page:
        reader.open(page, address(study, "why"))
        assert page.locator("progress").is_visible()
        assert page.get_by_text("The numbers are being computed").is_visible()
        assert problems_of(page) == []
        keep(page, "soon-why-390-dark-en")
        row = Analysis.objects.get(study=study, part=Analysis.Part.DETAILS)
        assert analyze_row(row.pk)
        page.locator("#content").wait_for()
        assert page.locator("progress").count() == 0


def test_newer_numbers_are_announced_and_nothing_jumps(reader: Reader) -> None:
    size = Size(3, 2, 4)
    study = make_study(size, "news")
    answer(study, size)
    with reader.browser() as page:
        page.clock.install()
        reader.open(page, address(study))
        news = page.get_by_role("link", name="Newer numbers are there")
        before = page.locator(".report-files span").inner_text()
        assert before.startswith(f"as of {Answer.objects.counted().count()} answers")
        assert not news.is_visible()
        trial = Trial.objects.filter(role=Trial.Role.MAIN, options__0__isnull=False).first()
        assert trial is not None
        person = Participation.objects.create(study=study, language="ja")
        trial.pk, trial._state.adding, trial.participation = None, True, person
        trial.save()
        Answer.objects.create(trial=trial, slot=0)
        page.clock.fast_forward(25_000)
        news.wait_for()
        assert page.locator(".report-files span").inner_text() == before
        news.click()
        page.get_by_text(f"as of {Answer.objects.counted().count()} answers").wait_for()


def test_what_failed_is_said_and_can_be_tried_again(reader: Reader, keep: Any) -> None:
    size = Size(3, 2, 4)
    study = make_study(size, "failed")
    answer(study, size)
    compute(study)
    details = Analysis.objects.filter(study=study, part=Analysis.Part.DETAILS)
    failed: dict[str, Any] = {
        "state": State.FAILED,
        "error": "A trial has no options: ask who made it.",
    }
    with reader.browser(PHONE) as page:
        # Numbers that were there stay, under a warning.
        details.update(**failed)
        reader.open(page, address(study, "why"))
        assert page.locator(".report-warning").get_by_text("A trial has no options").is_visible()
        assert page.locator("#content").is_visible()
        assert problems_of(page) == []
        keep(page, "failed-why-390-light-en")
        details.update(result=None, version="", **failed)
        reader.open(page, address(study, "why"))
        assert page.get_by_role("heading", name="could not be computed").is_visible()
        assert problems_of(page) == []
        page.get_by_role("button", name="Try again").last.click()
        page.get_by_role("heading", name="Word by word", exact=True).wait_for()
    assert details.get().state == State.QUEUED


def test_with_and_without_whom_the_rules_leave_out(reader: Reader, keep: Any) -> None:
    size = Size(4, 2, 10)
    study = make_study(size, "rules", exclusions=RULES)
    answer(study, size)
    compute(study)
    with reader.browser(PHONE, "light") as page:
        for tab in ("", "raters"):
            reader.open(page, address(study, tab))
            assert problems_of(page) == []
            keep(page, f"rules-{tab or 'overview'}-390-light-en")
        assert page.locator("tr.out").count() == 0
        assert page.get_by_role("heading", name="Exclusion rules").is_visible()
        reader.open(page, address(study))
        without = page.locator(".report-facts dd").first.inner_text()
        page.get_by_role("link", name="Show the numbers with everybody").click()
        page.get_by_role("link", name="Leave them out").wait_for()
        assert int(page.locator(".report-facts dd").first.inner_text()) == 10 > int(without)
        assert problems_of(page) == []
        page.get_by_role("link", name="Raters", exact=True).click()
        page.wait_for_url("**/raters/?everyone=1")
        assert page.locator("tr.out").count() == 10 - int(without)
        assert problems_of(page) == []
        keep(page, "rules-raters-everyone-390-light-en")


def test_several_languages_and_recipes_are_told_apart(reader: Reader, keep: Any) -> None:
    size = Size(4, 2, 6, recipes=2, languages=("ja", "en"))
    study = make_study(size, "several")
    answer(study, size)
    compute(study)
    with reader.browser(PHONE, "dark", "en") as page:
        for tab in ("", "questions", "why"):
            reader.open(page, address(study, tab))
            assert problems_of(page) == []
            keep(page, f"several-{tab or 'overview'}-390-dark-en")
        reader.open(page, address(study))
        everybody = page.locator(".report-facts dd").first.inner_text()
        page.locator("select[name=language]").select_option("ja")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**language=ja**")
        assert everybody == "6"
        assert page.locator(".report-facts dd").first.inner_text() == "3"
        # The next page is of the same people.
        page.get_by_role("link", name="Questions").click()
        page.wait_for_url("**/questions/?language=ja")
        assert page.locator("select[name=language]").input_value() == "ja"


@pytest.mark.slow
def test_sixty_words_of_six_contents(reader: Reader, keep: Any) -> None:
    size = Size(60, 6, 8)
    study = make_study(size, "sixty")
    answer(study, size)
    compute(study)
    assert look_at_all(reader, keep, study, "sixty") == {}


@pytest.mark.slow
def test_as_many_raters_as_there_may_be(reader: Reader, keep: Any) -> None:
    """14,500, whose numbers are made up."""
    size = Size(23, 3, 9)
    study = make_study(size, "many")
    answer(study, size)
    compute(study)
    made = make_analysis(WORDS[:23], raters=14_500)
    for row in Analysis.objects.filter(study=study):
        kept = row.result["kept"]
        for name in {"times", "timeline", "learning", "positions", "raters"} & set(kept):
            example = kept[name][0] if name == "raters" else {}
            kept[name] = [{**example, **rater} for rater in made[name]] if example else made[name]
        if "accuracy" in kept:
            found, large = kept["accuracy"], made["accuracy"]
            found |= {"answers": large["answers"], "raters": large["raters"]}
            found["overall"] |= large["overall"]
            for level in ("words", "cells"):
                found[level] = [a | b for a, b in zip(found[level], large[level], strict=True)]
            kept["people"] = {"raters": 14_500, "finished": 14_211, "simulated": 0}
        row.save()
    assert look_at_all(reader, keep, study, "many") == {}
