"""What tests of the question page share: textured pictures, and a browser at somebody's current step."""

import hashlib
import io
from contextlib import contextmanager

import numpy as np
from django.core.files.base import ContentFile
from django.urls import reverse
from PIL import Image

from generation.models import ContentImage, StylizedImage
from survey import session
from survey.lifecycle import open_study
from tests.factories import StudyFactory, copy_of, make_ready_set

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 800}}


def noise(seed, size):
    """A PNG of coloured noise; like a photograph it compresses little."""
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal(rng.integers(60, 190, 3), 40, (size, size, 3)), 0, 255)
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def joined(words=2, contents=1, size=None, **study):
    """Somebody who has just joined a study of so many words; size: pixels of the pictures."""
    stimulus_set = make_ready_set(words=words, contents=contents)
    if size:
        for model in (StylizedImage, ContentImage):
            for row in model.objects.all():
                data = noise(row.pk, size)
                row.sha256 = hashlib.sha256(data).hexdigest()
                row.file.save("noise.png", ContentFile(data), save=False)
                row.save()
    if study.get("practice"):
        study["practice_set"] = copy_of(stimulus_set)
    settings = {"options": min(words, 4), "ask_word": False} | study
    row = open_study(StudyFactory(stimulus_set=stimulus_set, **settings))
    return session.join(row, "en")


@contextmanager
def new_page(chromium, **context):
    """An empty page in a browser of its own."""
    browser_context = chromium.new_context(**({"locale": "en-GB"} | DESK | context))
    try:
        yield browser_context.new_page()
    finally:
        browser_context.close()


@contextmanager
def taking_part(chromium, live_server, participation, **context):
    """A page at the participation's current step, ready to be answered."""
    with new_page(chromium, **context) as page:
        page.goto(address(live_server, participation))
        if context.get("java_script_enabled", True):
            shown(page)
        yield page


def address(live_server, participation):
    return live_server.url + reverse("survey:participate", args=[participation.token])


def shown(page, number=None):
    """Wait until a question can be answered (that of this number)."""
    if number is not None:
        page.locator(f"input[name=trial][value='{number}']").wait_for(state="attached")
    page.locator("[data-quiz] [type=submit]:enabled").wait_for()


def slots(participation):
    """What was answered, in the order asked; trials without an answer are left out."""
    trials = participation.trials.filter(answer__isnull=False).order_by("position")
    return [trial.answer.slot for trial in trials.select_related("answer")]
