"""Raters of known skill, through the real pages: shows that page, record and report agree."""

import argparse
import random
import time
from html.parser import HTMLParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http.request import validate_host
from django.test import Client, override_settings
from django.urls import reverse

from survey import about
from survey.forms import sign_simulated
from survey.management.studies import study_named
from survey.models import Study, Trial


class StepPage(HTMLParser):
    """What a participant's page asks for: its hidden fields and slots. Nothing on the last page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.slots: list[str] = []
        self.feed(html)

    @property
    def trial(self) -> int | None:
        return int(self.hidden["trial"]) if "trial" in self.hidden else None

    @property
    def asks(self) -> bool:
        return not self.hidden.keys().isdisjoint({"trial", "go_on", "about"})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name, value = values.get("name") or "", values.get("value") or ""
        if tag in ("input", "button") and name in ("trial", "go_on", "about"):
            self.hidden[name] = value
        elif tag == "input" and name == "slot":
            self.slots.append(value)


def probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


class Command(BaseCommand):
    help = (
        "Takes part in an open study as N simulated raters who know the answer with probability P "
        "and otherwise guess. They are marked as simulated and left out of reports unless asked for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="the study's address (slug)")
        parser.add_argument("--raters", type=positive, required=True, metavar="N")
        parser.add_argument("--skill", type=probability, required=True, metavar="P")
        parser.add_argument("--seed", type=int, default=0, metavar="S")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["study"]
        study = study_named(slug)
        if study.status != Study.Status.OPEN:
            raise CommandError(
                f"The study {slug!r} is not open but {study.status}; open it in the admin first."
            )
        begun = time.monotonic()
        answers = 0
        # In this process only: pages without static files, which need not have been collected.
        plain = {
            "STORAGES": {
                **settings.STORAGES,
                "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            },
            "MIDDLEWARE": [m for m in settings.MIDDLEWARE if not m.startswith("whitenoise.")],
        }
        with override_settings(**plain):
            client = Client(HTTP_HOST=_host())
            for rater in range(options["raters"]):
                # A string seeds by its SHA-512, the same in every process.
                rng = random.Random(f"{options['seed']}/{rater}")  # noqa: S311
                client.cookies.clear()
                answers += _take_part(client, slug, options["skill"], rng)
                self._progress(rater + 1, options["raters"], begun)
        self.stdout.write(
            f"{options['raters']} simulated raters gave {answers} answers "
            f"in {time.monotonic() - begun:.0f} s (skill {options['skill']}, seed {options['seed']})."
        )

    def _progress(self, done: int, total: int, begun: float) -> None:
        left = (time.monotonic() - begun) / done * (total - done)
        bar = "█" * round(24 * done / total)
        line = f"raters {bar:░<24} {done}/{total}, {left:.0f} s left"
        if self.stderr.isatty():
            self.stderr.write(
                f"\r{line}\x1b[K", style_func=str, ending="\n" if done == total else ""
            )
        elif done == total or done % max(1, total // 10) == 0:
            self.stderr.write(line, style_func=str)


def _host() -> str:
    """A host name that the pages answer to."""
    allowed = settings.ALLOWED_HOSTS
    if settings.DEBUG or validate_host("localhost", allowed):
        return "localhost"
    return next((h.lstrip(".") for h in allowed if h != "*"), "localhost")


def _take_part(client: Client, slug: str, skill: float, rng: random.Random) -> int:
    """One rater from consent to thanks; the number of answers given."""
    secure = bool(settings.SECURE_SSL_REDIRECT)
    mark = sign_simulated(slug, rng.getrandbits(62))
    address = reverse("survey:join", args=[slug])
    response: Any = client.post(address, {"simulated": mark}, secure=secure)
    if response.status_code != 302:
        raise CommandError(
            f"Joining at {address} answered {response.status_code} instead of a redirect; "
            "has the study been closed meanwhile?"
        )
    address = response.headers["Location"]
    token = address.rstrip("/").rsplit("/", 1)[-1]
    right = dict(
        Trial.objects.filter(participation__token=token).values_list("position", "target_slot")
    )
    answered = 0
    about_them = _about(Study.objects.get(slug=slug))
    # At most a break and one more page about each answer, and the forms before and after.
    for _page in range(3 * len(right) + 5):
        response = client.get(address, secure=secure)
        page = StepPage(response.content.decode())
        if not page.asks:
            return answered
        sent: dict[str, Any] = {**page.hidden, **about_them}
        if page.trial is not None:
            knows = rng.random() < skill
            target = right[page.trial]
            chosen = [slot for slot in page.slots if slot.isdecimal()]
            sent["slot"] = str(target) if knows and target is not None else rng.choice(chosen)
            answered += 1
        response = client.post(address, sent, secure=secure)
        if response.status_code != 302:
            raise CommandError(
                f"{address} answered {response.status_code} instead of a redirect to {sent}."
            )
    raise CommandError(f"After {answered} answers {address} still asks.")


def _about(study: Study) -> dict[str, Any]:
    """What simulated raters say of themselves: in required fields something that lets them take part."""
    said: dict[str, Any] = {}
    for field in about.parse(study.demographics):
        if not field.required:
            continue
        chosen = next((c.value for c in field.choices if not c.screen_out), "")
        if field.kind == "number":
            low = field.minimum if field.minimum is not None else min(0, field.maximum or 0)
            chosen = str(low)
        elif field.kind == "text":
            chosen = "simulated"
        said[about.PREFIX + field.name] = [chosen] if field.kind == "checks" else chosen
    return said
