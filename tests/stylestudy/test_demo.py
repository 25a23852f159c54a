"""The commands `demo` and `serve`. Weights, packages and the worker are replaced here; a real run of
the whole demo is a script of its own."""

import contextlib
import io
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation

from generation.models import ContentImage, Recipe, StimulusSet, StylizedImage, Word
from generation.sources import samples
from stylestudy import processes
from stylestudy.management.commands import demo
from survey.models import Question, Study
from tests.factories import make_ready_set, png

pytestmark = pytest.mark.django_db
ALL = "0.0.0.0"  # noqa: S104


def run(command: str = "demo", *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(demo, "fetch_hed", lambda *_paths: False)
    monkeypatch.setattr(demo, "fetch", lambda *_arguments: None)
    names = [content.name for content in samples.CONTENTS]
    # 64 pixels is the least that is taken.
    monkeypatch.setattr(
        samples, "read_content", lambda content, _folder: png(64, names.index(content.name))
    )


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(processes.HOSTS_SETTING, raising=False)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> list[StimulusSet]:
    """Instead of a worker: finished pictures at once. The sets that it was given."""
    given: list[StimulusSet] = []

    @contextlib.contextmanager
    def running(*_arguments: object) -> Iterator[None]:
        yield

    def follow(stimulus_set: StimulusSet, *_stream: object, **_alive: object) -> None:
        given.append(stimulus_set)
        finished = make_ready_set(words=1, contents=1).pictures.get()
        stimulus_set.pictures.update(
            state="done", file=finished.file.name, sha256="0" * 64, clustering=finished.clustering
        )
        stimulus_set.status = StimulusSet.Status.READY
        stimulus_set.save()

    monkeypatch.setattr(processes, "running", running)
    monkeypatch.setattr(demo, "follow", follow)
    monkeypatch.setattr(demo.jobs, "make", demo.jobs.start)
    return given


@pytest.fixture
def ready() -> StimulusSet:
    stimulus_set = make_ready_set(words=5, contents=3)
    StimulusSet.objects.filter(pk=stimulus_set.pk).update(slug="demo")
    return stimulus_set


def rows() -> list[int]:
    models = (Word, ContentImage, Recipe, StimulusSet, StylizedImage, Study, Question, User)
    return [model.objects.count() for model in models]


def test_addresses_and_a_password_that_logs_in(ready: StimulusSet) -> None:
    out = run("demo", "--no-serve")
    assert "Participant  http://127.0.0.1:8000/s/demo/" in out
    assert "Researcher   http://127.0.0.1:8000/studies/demo/report/" in out
    assert "Admin        http://127.0.0.1:8000/admin/" in out
    password = re.search(r"Password +(\S+)", out)
    assert password
    for user, page in (("admin", "/admin/"), ("researcher", "/studies/demo/report/")):
        client = Client()
        assert client.login(username=user, password=password[1])
        assert client.get(page).status_code == 200
    assert Client().get("/s/demo/").status_code == 200


def test_run_again_it_makes_nothing_anew(worker: list[StimulusSet]) -> None:
    first = run("demo", "--no-serve")
    before = rows()
    assert before[:6] == [6, 4, 2, 2, 16, 1], "5 × 3 and the one that the worker's stand-in makes"
    assert run("demo", "--no-serve") == first.partition("\n")[2]
    assert rows() == before
    assert len(worker) == 1


def test_an_empty_set_left_by_a_kill_is_filled(worker: list[StimulusSet]) -> None:
    StimulusSet.objects.create(slug="demo", name="Demo: materials")
    run("demo", "--no-serve")
    stimulus_set = StimulusSet.objects.get(slug="demo")
    assert [word.text for word in stimulus_set.words.all()] == [w.text for w in samples.WORDS]
    assert (stimulus_set.contents.count(), stimulus_set.recipes.count()) == (3, 1)
    assert stimulus_set.wanted().done().count() == 15


@pytest.mark.django_db(transaction=True)
def test_ended_between_the_rows_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_content: object, _folder: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(samples, "read_content", ended)
    with pytest.raises(SystemExit):
        run("demo", "--no-serve")
    assert not StimulusSet.objects.exists()
    assert not Word.objects.exists()


def test_a_photograph_under_another_name_is_used_as_it_is(worker: list[StimulusSet]) -> None:
    run("demo", "--no-serve")
    StimulusSet.objects.get(slug="demo").contents.clear()
    row = ContentImage.objects.get(name=samples.CONTENTS[0].name)
    ContentImage.objects.filter(pk=row.pk).update(name="my cat")
    run("demo", "--no-serve")
    assert row in StimulusSet.objects.get(slug="demo").contents.all()


def test_ctrl_c_while_making_is_answered_calmly(
    monkeypatch: pytest.MonkeyPatch, worker: list[StimulusSet]
) -> None:
    def interrupted(*_arguments: object, **_alive: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "follow", interrupted)
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("demo", "--no-serve", stdout=out)
    assert ended.value.code == 130
    assert "What is done is kept; the same command goes on from there." in out.getvalue()


def test_a_study_that_cannot_be_opened_says_why_in_english(ready: StimulusSet) -> None:
    # The set has five words.
    Study.objects.create(slug="demo", title="x", stimulus_set=ready, options=6)
    # As on a machine of its own: the site's language is Japanese.
    with translation.override("ja"):
        with pytest.raises(
            CommandError, match="A question with 6 options needs pictures of at least 6 words"
        ):
            run("demo", "--no-serve")
        assert translation.get_language() == "ja"


def test_the_password_is_for_its_owner_only_and_an_empty_file_is_no_password(
    ready: StimulusSet, tmp_path: Path
) -> None:
    file = tmp_path / "first_password"
    file.touch()
    out = run("demo", "--no-serve")
    assert len(file.read_text()) >= 12
    assert f"Password     {file.read_text()} " in out
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_changed_password_is_said(ready: StimulusSet) -> None:
    run("demo", "--no-serve")
    user = User.objects.get(username="researcher")
    user.set_password("another")
    user.save()
    assert "(changed since for researcher)" in run("demo", "--no-serve")


# --- where it is served -------------------------------------------------------------------------


@pytest.fixture
def other() -> Iterator[int]:
    """The port of something else that listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize("host", ["127.0.0.1", ALL])
def test_a_taken_port_ends_with_what_to_do(command: str, host: str, other: int) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError, match=rf"Port {other} is in use.*PORT=8001"):
        call_command(command, "--port", str(other), "--host", host, stdout=out)
    assert "http://" not in out.getvalue(), "an address that is not served is not shown"


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    # 192.0.2.0/24 and 203.0.113.0/24 are for documentation; the latter is nobody's.
    with pytest.raises(CommandError, match=r"Cannot listen on 203\.0\.113\.7.*HOST must be"):
        run("serve", "--host", "203.0.113.7")


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_is_a_number_that_can_be_one(port: str) -> None:
    with pytest.raises(CommandError, match="must be a whole number from 1 to 65535"):
        run("serve", f"--port={port}")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "own_address", lambda: "192.168.7.5")
    monkeypatch.setattr(processes.socket, "gethostname", lambda: "Lab-PC")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:80"),
        (ALL, "http://192.168.7.5:80"),
        ("::", "http://192.168.7.5:80"),
        ("::1", "http://[::1]:80"),
        ("10.1.2.3", "http://10.1.2.3:80"),
    ],
)
def test_the_address_shown_is_one_that_is_answered(own: None, host: str, shown: str) -> None:
    assert processes.base_url(host, 80) == shown
    assert shown.removeprefix("http://").removesuffix(":80") in processes.allowed_hosts(host)


def test_only_this_machine_needs_no_more_names(own: None, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
    assert processes.allowed_hosts("127.0.0.1") == ["localhost", "127.0.0.1"]
    assert processes.hosts_hint("127.0.0.1") == ""
    assert "lab-pc" in processes.allowed_hosts(ALL)
    assert "STYLESTUDY_ALLOWED_HOSTS" in processes.hosts_hint(ALL)


def test_names_that_were_set_stay_as_they_are(
    own: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(processes.HOSTS_SETTING, ".example.org,study.example.org")
    settings.ALLOWED_HOSTS = [".example.org", "study.example.org"]
    assert processes.allowed_hosts(ALL) == [".example.org", "study.example.org"]
    assert processes.base_url(ALL, 8000) == "http://study.example.org:8000"


def test_both_processes_are_told_the_names(own: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    @contextlib.contextmanager
    def running(_command: object, extra: dict[str, str]) -> Iterator[Any]:
        told.append(extra[processes.HOSTS_SETTING].split(","))

        class Ended:
            def poll(self) -> int:
                return 1

        yield Ended()

    monkeypatch.setattr(processes, "running", running)
    monkeypatch.setattr(processes, "check_port", lambda *_address: None)
    assert processes.serve(ALL, 8000) == 1
    assert len(told) == 2
    assert all("192.168.7.5" in hosts for hosts in told)


def test_the_own_address_is_found_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoRoute(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError("Network is unreachable")

    monkeypatch.setattr(processes.socket, "socket", NoRoute)
    assert processes.own_address() == "localhost"
