"""1,000 simulated raters over real HTTP, each with a fault at a random step; the server is killed thrice.

Every rater keeps a ledger: what the server has acknowledged as stored. In the end the ledger and the
database must be equal, answer by answer.
"""

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from tests.services.conftest import Site
from tests.services.web import Server, open_a_study

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(1500)]

RATERS, THREADS, KILLS = 1000, 8, 3
SLUG = "faults"
#: A set of three words and two contents, asked about in one direction, one question asked twice.
TRIALS = 3 * 2 + 1
HEADERS = {"X-Quiz": "1", "Accept-Language": "en"}
#: A server that was killed is back after seconds; longer than this, something is wrong.
PATIENCE = 90


class Fields(HTMLParser):
    """Hidden fields and slots of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.slots: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name, value = found.get("name") or "", found.get("value") or ""
        if name == "slot":
            self.slots.append(value)
        elif tag in ("input", "button") and name:
            self.values.setdefault(name, value)


@dataclass
class Rater:
    """One browser. ``ledger``: position of a trial → the slot that was acknowledged as stored."""

    base: str
    rng: random.Random
    fault: str
    fault_at: int
    ledger: dict[int, int] = field(default_factory=dict)
    address: str = ""
    retries: int = 0
    kept: int = 0

    def __post_init__(self) -> None:
        self.browser = requests.Session()
        self.browser.trust_env = False

    def patiently(self, send: Callable[[], requests.Response]) -> requests.Response:
        """Send until the server answers, as the page's script does: again after a break in the network."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                response = send()
                if response.status_code < 500:
                    return response
                problem = f"status {response.status_code}"
            except requests.RequestException as error:
                problem = repr(error)
            assert time.monotonic() < end, f"No answer for {PATIENCE} s: {problem}"
            self.retries += 1
            time.sleep(0.05 + 0.2 * random.random())

    def get(self) -> Fields:
        response = self.patiently(
            lambda: self.browser.get(self.base + self.address, headers=HEADERS, timeout=20)
        )
        assert response.status_code == 200, response.status_code
        return Fields(response.text)

    def join(self) -> None:
        self.address = f"/s/{SLUG}/"
        page = self.get()
        data = {**page.values, "consent": "on"}
        response = self.patiently(
            lambda: self.browser.post(
                self.base + self.address,
                data=data,
                headers={"Accept-Language": "en"},
                timeout=20,
                allow_redirects=False,
            )
        )
        assert response.status_code == 302, response.text
        self.address = response.headers["Location"]

    def post(self, data: dict[str, Any]) -> requests.Response:
        return self.patiently(
            lambda: self.browser.post(
                self.base + self.address, data=data, headers=HEADERS, timeout=20
            )
        )

    def note(self, data: dict[str, Any], response: requests.Response) -> None:
        assert response.status_code == 200, (response.status_code, data)
        said = response.headers["X-Answer"]
        position, slot = int(data["trial"]), int(data["slot"])
        if said == "stored":
            assert self.ledger.setdefault(position, slot) == slot, "two answers were acknowledged"
        else:
            self.kept += said == "kept"

    def answer(self, page: Fields) -> dict[str, Any]:
        return {
            "csrfmiddlewaretoken": page.values["csrfmiddlewaretoken"],
            "trial": page.values["trial"],
            "slot": self.rng.choice(page.slots),
            "key": f"{self.rng.getrandbits(64):x}",
        }

    def take_part(self) -> None:
        self.join()
        page = self.get()
        for n in range(TRIALS):
            assert "trial" in page.values, (n, page.values)
            data = self.answer(page)
            fault = self.fault if n == self.fault_at else ""
            response = getattr(self, f"with_{fault}")(data) if fault else self.post(data)
            self.note(data, response)
            page = Fields(response.text)
            if "trial" in page.values and int(page.values["trial"]) == int(data["trial"]):
                # What came back is older than what is stored: as after a reload.
                page = self.get()
        assert "trial" not in page.values

    # --- faults: each ends with one answer, acknowledged ---

    def with_double_click(self, data: dict[str, Any]) -> requests.Response:
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(self.post, [data, data])
        self.note(data, first)
        return second

    def with_lost_response(self, data: dict[str, Any]) -> requests.Response:
        """The request arrives; its answer is never read. The same is sent again."""
        self.raw(data, cut=0)
        return self.post(data)

    def with_cut_request(self, data: dict[str, Any]) -> requests.Response:
        """The network breaks off in the middle of the request."""
        self.raw(data, cut=20)
        return self.post(data)

    def with_two_tabs(self, data: dict[str, Any]) -> requests.Response:
        """Both answer the same question differently, at the same moment: the first counts."""
        other = {**data, "slot": str((int(data["slot"]) + 1) % 3), "key": data["key"] + "b"}
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(self.post, [data, other])
        said = sorted([first.headers["X-Answer"], second.headers["X-Answer"]])
        assert said == ["kept", "stored"], said
        self.note(other, second)
        return first

    def with_second_device(self, data: dict[str, Any]) -> requests.Response:
        """The address is opened on another device, which goes on; this one comes back later."""
        device = Rater(self.base, self.rng, "", -1, address=self.address)
        theirs = device.answer(device.get())
        device.note(theirs, device.post(theirs))
        self.ledger |= device.ledger
        return self.post(data)

    def with_back_button(self, data: dict[str, Any]) -> requests.Response:
        """Answered, gone back to the remembered page, answered otherwise."""
        self.note(data, self.post(data))
        again = {**data, "slot": str((int(data["slot"]) + 1) % 3), "key": data["key"] + "b"}
        response = self.post(again)
        assert response.headers["X-Answer"] == "kept"
        return response

    def with_reload(self, data: dict[str, Any]) -> requests.Response:
        for _ in range(3):
            assert self.get().values["trial"] == data["trial"]
        return self.post(data)

    def with_closed_browser(self, data: dict[str, Any]) -> requests.Response:
        """All is forgotten but the address; the pending answer was kept on the device."""
        self.browser = requests.Session()
        self.browser.trust_env = False
        fresh = self.get()
        return self.post({**data, "csrfmiddlewaretoken": fresh.values["csrfmiddlewaretoken"]})

    def with_bad_slot(self, data: dict[str, Any]) -> requests.Response:
        for slot in ("3", "-1", "x", "", "not_sure"):
            assert self.post({**data, "slot": slot}).status_code == 422
        return self.post(data)

    def with_skipping(self, data: dict[str, Any]) -> requests.Response:
        """A question that has not been asked yet is not answered."""
        later = {**data, "trial": str(min(TRIALS, int(data["trial"]) + 1))}
        if later["trial"] != data["trial"]:
            assert self.post(later).headers["X-Answer"] == "none"
        return self.post(data)

    def raw(self, data: dict[str, Any], *, cut: int) -> None:
        """Send by hand and hang up at once, ``cut`` bytes short."""
        request = requests.Request("POST", self.base + self.address, data=data, headers=HEADERS)
        ready = self.browser.prepare_request(request)
        body = str(ready.body).encode()
        lines = [f"POST {ready.path_url} HTTP/1.1", f"Host: {self.base.removeprefix('http://')}"]
        lines += [f"{name}: {value}" for name, value in ready.headers.items()]
        sent = "\r\n".join([*lines, "", ""]).encode() + body
        host, port = self.base.removeprefix("http://").split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(sent[: len(sent) - cut])
        except OSError:
            self.retries += 1


FAULTS = sorted(name.removeprefix("with_") for name in vars(Rater) if name.startswith("with_"))


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    site = make_site()
    open_a_study(site, SLUG, repeats=1)
    return site


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    server = Server(site)
    yield server
    server.kill()


def test_client_ledgers_equal_the_database(site: Site, server: Server) -> None:
    raters = [
        Rater(
            server.base,
            random.Random(n),
            fault=FAULTS[n % len(FAULTS)],
            fault_at=random.Random(f"at {n}").randrange(TRIALS),
        )
        for n in range(RATERS)
    ]
    done: list[int] = []

    def run(n: int) -> None:
        raters[n].take_part()
        done.append(n)

    def kill_now_and_then() -> None:
        for part in range(1, KILLS + 1):
            while len(done) < RATERS * part // (KILLS + 1) and not over.is_set():
                time.sleep(0.05)
            if not over.is_set():
                server.kill()
                time.sleep(0.5)
                server.start()

    over = threading.Event()
    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for _result in pool.map(run, range(RATERS)):
                pass
    finally:
        over.set()
        killer.join()

    rows = json.loads(
        site.shell(
            "import json; from survey.models import Answer, Participation; "
            "print(json.dumps([list(Answer.objects.values_list("
            "'trial__participation__token', 'trial__position', 'slot')), "
            "list(Participation.objects.values_list('token', 'finished_at'))], default=str))"
        )
    )
    answers, participations = rows
    stored = {(token, position): slot for token, position, slot in answers}
    assert len(stored) == len(answers), "one answer a trial"
    ledger = {
        (rater.address.strip("/").split("/")[-1], position): slot
        for rater in raters
        for position, slot in rater.ledger.items()
    }
    lost = {
        rater.fault: (rater.fault_at, key, rater.ledger)
        for rater in raters
        for key in stored.keys() - ledger.keys()
        if key[0] in rater.address
    }
    assert not lost
    assert ledger == stored
    assert len(ledger) == RATERS * TRIALS
    finished = {token for token, finished_at in participations if finished_at is not None}
    assert {rater.address.strip("/").split("/")[-1] for rater in raters} <= finished
    # A kill between joining and hearing of it leaves a participation nobody has; not an answer.
    assert len(participations) - RATERS <= KILLS * THREADS
    assert sum(rater.retries for rater in raters) > 0, "no fault reached the server"
    assert Counter(rater.fault for rater in raters).keys() == set(FAULTS)
