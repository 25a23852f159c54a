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

from survey.forms import sign_simulated
from survey.models import Study, Trial


class QuestionPage(HTMLParser):
    """The trial and the slots that a question page offers; no trial on the last page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.trial: int | None = None
        self.slots: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "input" and values.get("name") == "trial":
            self.trial = int(values.get("value") or 0)
        elif tag == "input" and values.get("name") == "slot":
            self.slots.append(int(values.get("value") or 0))


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
        study = Study.objects.filter(slug=slug).first()
        if study is None:
            known = ", ".join(Study.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no study {slug!r}. Studies: {known}.")
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
    response: Any = client.post(address, {"consent": "on", "simulated": mark}, secure=secure)
    if response.status_code != 302:
        raise CommandError(
            f"Joining at {address} answered {response.status_code} instead of a redirect; "
            "has the study been closed meanwhile?"
        )
    address = response.headers["Location"]
    token = address.rstrip("/").rsplit("/", 1)[-1]
    right = dict(Trial.objects.filter(participation__token=token).values_list("pk", "target_slot"))
    for answered in range(len(right) + 1):
        response = client.get(address, secure=secure)
        page = QuestionPage(response.content.decode())
        if page.trial is None:
            return answered
        knows = rng.random() < skill
        slot = right[page.trial] if knows else rng.choice(page.slots)
        response = client.post(address, {"trial": page.trial, "slot": slot}, secure=secure)
        if response.status_code != 302:
            raise CommandError(
                f"Answering at {address} gave status {response.status_code} instead of a redirect."
            )
    raise CommandError(f"After {len(right)} answers {address} still asks.")
