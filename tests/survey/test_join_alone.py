"""Participants' pages load nothing from elsewhere, and nobody's network address is kept."""

import json
import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.contrib.staticfiles import finders
from django.core import serializers
from django.test import Client

from stylestudy import processes
from survey import session
from survey.invitations import make_invitations
from survey.lifecycle import close_study, open_study
from survey.models import Participation, StudyText
from tests.factories import StudyFactory, make_ready_set
from tests.survey.joining import agreed, page_of

pytestmark = pytest.mark.django_db

# Attributes that make a browser load something by itself, or name where it may.
LOADING = {
    "src",
    "srcset",
    "poster",
    "data",
    "background",
    "action",
    "formaction",
    "ping",
    "manifest",
}
# Elsewhere: with a scheme or with two slashes before the host.
ELSEWHERE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:|//|\\)", re.IGNORECASE)


class Loads(HTMLParser):
    """Every address that a page loads, or sends forms to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loads = name in LOADING or (name == "href" and tag in ("link", "base", "use", "image"))
            if loads and value:
                self.found.append(value)
            assert name != "style"
            assert not (tag == "meta" and name == "http-equiv")
        assert tag not in ("iframe", "object", "embed")


def of_style(text: str) -> list[str]:
    return re.findall(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""", text)


def of_script(text: str) -> list[str]:
    """All literals that could be an address elsewhere, whatever is done with them."""
    return re.findall(r"""["'`]((?:[a-z]+:)?//[^"'`]*)["'`]""", text)


def elsewhere(addresses):
    return [address for address in addresses if ELSEWHERE.match(address)]


def test_the_search_finds_what_it_looks_for():
    html = '<img src="https://a.example/x.png"><link href="//b.example/y.css"><a href="https://c.example">'
    assert elsewhere(Loads(html).found) == ["https://a.example/x.png", "//b.example/y.css"]
    assert elsewhere(
        of_style('@import "https://a.example"; b { background: url(//c.example/d) }')
    ) == [
        "https://a.example",
        "//c.example/d",
    ]
    assert of_script('fetch("https://a.example/"); import("//b.example/c.js"); 4 // "x"') == [
        "https://a.example/",
        "//b.example/c.js",
    ]


def pages():
    """Each page of the way in, through and out, as text."""
    asked = {"ask_rating": True, "practice": 1, "break_every": 2, "ask_comment": True}
    asked["practice_set"] = make_ready_set(words=4, contents=1)
    study = open_study(
        StudyFactory(
            stimulus_set=make_ready_set(words=4, contents=1),
            completion_url="https://elsewhere.example/done",
            contact="https://lab.example.org",
            **asked,
        )
    )
    StudyText.objects.create(study=study, language="en", debriefing="https://lab.example.org/why")
    client = Client()
    for address in ("/", study.get_absolute_url(), f"/s/{study.slug}/credits/"):
        yield client.get(address).content.decode()
    participation = agreed(client, study)
    address = page_of(participation)
    stages = set()
    for _page in range(60):
        text = client.get(address).content.decode()
        yield text
        step = session.next_step(participation)
        stages.add(step.stage)
        if step.stage == session.Stage.DONE:
            break
        data = {"trial": step.trial.position, "slot": 0} if step.trial else {"about": "after"}
        if step.stage in (session.Stage.FEEDBACK, session.Stage.BREAK):
            data = {"go_on": re.search(r'name="go_on" value="([^"]*)"', text)[1]}
        client.post(address, data)
        participation = Participation.objects.get(pk=participation.pk)
    assert {session.Stage.FEEDBACK, session.Stage.BREAK, session.Stage.END} < stages
    assert session.Stage.DONE in stages
    yield client.get(f"{address}withdraw/").content.decode()
    client.post(f"{address}withdraw/", {"answers": "delete"})
    yield client.get(address).content.decode()
    yield client.get("/p/nobody/").content.decode()
    for entrance in ("prolific", "mturk", "invitation"):
        other = open_study(StudyFactory(entrance=entrance))
        kept = "?PROLIFIC_PID=1&assignmentId=1&workerId=1&turkSubmitTo=https://www.mturk.com"
        yield client.get(f"/s/{other.slug}/").content.decode()
        yield client.get(f"/s/{other.slug}/{kept}").content.decode()
        yield client.get(f"/s/{other.slug}/declined/{kept}").content.decode()
        yield client.get(make_invitations(other, 1)[0].get_absolute_url()).content.decode()
        yield client.get(close_study(other).get_absolute_url()).content.decode()


def test_pages_load_nothing_from_elsewhere():
    seen, files = 0, set()
    for text in pages():
        loaded = Loads(text).found
        assert elsewhere(loaded) == []
        files |= {address for address in loaded if address.startswith("/static/")}
        seen += 1
    assert seen > 30
    assert {Path(file).suffix for file in files} >= {".css", ".js", ".svg"}
    while files:
        found = finders.find(files.pop().removeprefix("/static/"))
        assert found is not None
        text = Path(found).read_text(encoding="utf-8")
        if found.endswith(".css"):
            assert elsewhere(of_style(text)) == []
        elif found.endswith(".js"):
            assert of_script(text) == []
        else:
            assert elsewhere(re.findall(r'(?:href|src)="([^"]*)"', text)) == []


ADDRESSES = {"REMOTE_ADDR": "203.0.113.77", "HTTP_X_FORWARDED_FOR": "198.51.100.78"}


def test_no_network_address_is_kept(caplog):
    study = open_study(StudyFactory(stimulus_set=make_ready_set(words=4, contents=1)))
    client = Client(**ADDRESSES)
    with caplog.at_level(logging.DEBUG):
        participation = agreed(client, study)
        client.post(
            page_of(participation), {"trial": 1, "slot": 2, "measures": '{"response_ms": 5}'}
        )
        client.post(page_of(participation), {"trial": "x"})
        client.post("/i18n/setlang/", {"language": "ja", "next": "/"})
    assert participation.trials.filter(answer__slot=2).exists()
    rows = [row for model in apps.get_models() for row in model._base_manager.all()]
    kept = serializers.serialize("json", rows) + json.dumps(
        [row.get_decoded() for row in Session.objects.all()]
    )
    assert participation.token in kept
    assert Session.objects.exists()
    for address in ADDRESSES.values():
        assert address not in kept
        assert address not in caplog.text


def test_the_server_writes_no_access_log():
    """gunicorn writes one only if it is told where; addresses of people and pages would stand in it."""
    command = processes.web_command("127.0.0.1", 8000)
    assert not any("access" in part for part in command)
