"""Nothing but the pixels tells the right option: a predictor is trained on all else, and must guess.

What it is given of every option: the page's HTML about it, length and headers of its picture, how long the
answer took, its place; and of the participation so far: how often the same picture was shown, how long ago,
with which others. Pictures are told apart (by their bytes), but not looked at.
"""

import hashlib
import math
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from survey import session
from survey.lifecycle import open_study
from survey.models import Study, Trial
from survey.session import Stage
from tests.factories import StudyFactory, make_ready_set

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(900)]

PEOPLE = 60
#: A predictor as good as this by luck: once in ten thousand runs.
UNLIKELY = 1e-4


class Options(HTMLParser):
    """The tags of every option of a question, without what names the option itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[list[str]] = []
        self.addresses: list[str] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "label" and {"picture", "choice"} & set(values.get("class", "").split()):
            self.seen.append([])
            self.inside = True
        if tag == "img" and "src" in values:
            self.addresses.append(values["src"])
        if self.inside:
            named = {k: re.sub(r"\d+", "n", v) for k, v in sorted(values.items()) if k != "src"}
            self.seen[-1].append(f"{tag} {named}")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "label"


def gather(
    study: Study,
    client: Client,
    spoil: Callable[[bool, bytes], bytes] = lambda _right, body: body,
    people: int = PEOPLE,
) -> list[dict[str, Any]]:
    """Every trial of many participations: features of each option, and which is right (for the teacher)."""
    trials = []
    for seed in range(people):
        participation = session.join(study, "en", seed=seed)
        address = reverse("survey:participate", args=[participation.token])
        shown: Counter[str] = Counter()
        last: dict[str, int] = {}
        together: defaultdict[str, Counter[str]] = defaultdict(Counter)
        words_shown: Counter[str] = Counter()
        rng = random.Random(seed)
        right = dict(participation.trials.values_list("position", "target_slot"))
        # For the word's pictures of earlier questions: what the page has said so far.
        for position in sorted(right):
            page = client.get(address)
            parsed = Options(page.content.decode())
            m = len(parsed.seen)
            assert m == study.options
            asks_picture = len(parsed.addresses) == m
            pictures = []
            for slot, picture in enumerate(parsed.addresses):
                begun = time.perf_counter()
                response = client.get(picture)
                took = time.perf_counter() - begun
                body = spoil(slot == right[position] and asks_picture, response.content)
                pictures.append((body, sorted(response.headers.items()), took))
            names = [hashlib.sha256(body).hexdigest() for body, _headers, _took in pictures]
            if not asks_picture:
                words = re.findall(r'word-text" lang="ja">([^<]+)<', page.content.decode())
                names = words[-m:]
            longest = max(len(body) for body, *_rest in pictures)
            options = []
            for slot in range(m):
                body, headers, took = pictures[slot if asks_picture else 0]
                html = "".join(parsed.seen[slot])
                options.append(
                    [
                        slot,
                        slot / m,
                        position % m == slot,
                        len(body) - longest,
                        int(hashlib.sha256(str(headers).encode()).hexdigest()[:6], 16)
                        if asks_picture
                        else 0,
                        took * 1000,
                        len(html),
                        int(hashlib.sha256(html.encode()).hexdigest()[:6], 16),
                        shown[names[slot]],
                        shown[names[slot]] - np.mean([shown[n] for n in names]),
                        position - last.get(names[slot], -99),
                        sum(together[names[slot]][n] for n in names if n != names[slot]),
                        words_shown[names[slot]],
                        asks_picture,
                    ]
                )
            trials.append({"options": options, "right": right[position], "person": seed})
            for name in names:
                shown[name] += 1
                last[name] = position
                together[name].update(n for n in names if n != name)
            client.post(address, {"trial": position, "slot": rng.randrange(m)})
        assert (
            session.next_step(type(participation).objects.get(pk=participation.pk)).stage
            == Stage.DONE
        )
    return trials


def hits(trials: list[dict[str, Any]]) -> tuple[int, int]:
    """Right predictions for people whom the predictor has not seen, and how many there were."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    right = total = 0
    for fold in range(3):
        known = [t for t in trials if t["person"] % 3 != fold]
        new = [t for t in trials if t["person"] % 3 == fold]
        model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        model.fit(
            np.array([row for t in known for row in t["options"]], dtype=float),
            [slot == t["right"] for t in known for slot in range(len(t["options"]))],
        )
        score = model.predict_proba(
            np.array([row for t in new for row in t["options"]], dtype=float)
        )[:, 1]
        at = 0
        for t in new:
            m = len(t["options"])
            right += int(np.argmax(score[at : at + m])) == t["right"]
            at += m
        total += len(new)
    return right, total


def bound(total: int, chance: float) -> float:
    """Hits that guessing reaches with probability below UNLIKELY, by the normal approximation."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf(1 - UNLIKELY)
    return total * chance + z * math.sqrt(total * chance * (1 - chance))


@pytest.fixture
def study() -> Study:
    return open_study(
        StudyFactory(
            stimulus_set=make_ready_set(words=8, contents=3),
            options=4,
            repeats=0,
            questions_each=None,
        )
    )


def test_a_predictor_is_at_chance(client: Client, study: Study) -> None:
    trials = gather(study, client)
    assert len(trials) == PEOPLE * 48
    right, total = hits(trials)
    assert total == len(trials)
    assert right < bound(total, 1 / 4), f"{right} of {total} predicted"


def test_a_part_of_the_questions_tells_nothing_either(client: Client) -> None:
    """With few questions a participant the circles are not closed; nor does a Latin square tell."""
    study = open_study(
        StudyFactory(
            stimulus_set=make_ready_set(words=6, contents=3),
            options=3,
            questions_each=20,
            order="latin",
        )
    )
    right, total = hits(gather(study, client))
    assert total == PEOPLE * 20
    assert right < bound(total, 1 / 3), f"{right} of {total} predicted"


def test_the_predictor_finds_one_byte(client: Client, study: Study) -> None:
    """If the right picture's file were one byte longer, the same predictor would know it."""
    trials = gather(study, client, lambda right, body: body + b"\0" * right, people=15)
    right, total = hits(trials)
    assert right > 0.5 * total > bound(total, 1 / 4)


def test_pictures_carry_no_metadata(client: Client, study: Study) -> None:
    participation = session.join(study, "en")
    for trial in Trial.objects.filter(participation=participation)[:4]:
        for slot in range(len(trial.options) if trial.question.kind == "picture" else 1):
            response = client.get(
                reverse("survey:picture", args=[participation.token, trial.position, slot])
            )
            chunks = re.findall(rb"(tEXt|iTXt|zTXt|tIME|eXIf|iCCP)", response.content)
            assert response.content.startswith(b"\x89PNG")
            assert not chunks
            for name in ("ETag", "Last-Modified", "Content-Disposition"):
                assert name not in response.headers
