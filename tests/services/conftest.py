"""Real processes on a scratch data folder: nothing here is mocked."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from stylestudy.processes import worker_command

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """An installation of its own in a scratch folder, driven from outside by its commands."""

    def __init__(self, folder: Path, database_url: str = "", broker_url: str = "") -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("STYLESTUDY_")},
            "STYLESTUDY_VAR_DIR": str(folder),
            "STYLESTUDY_PACKAGES_DIR": str(ROOT / "var/packages"),
            "STYLESTUDY_VGG16_HED_WEIGHTS": str(settings.VGG16_HED_WEIGHTS),
            "STYLESTUDY_RECONCILE_SECONDS": "2",
            "STYLESTUDY_DEVICE": "cpu",
            # Pictures of 64 pixels gain nothing by more threads, and beside other programs these
            # wait for each other by spinning: .9 s an evaluation instead of .2.
            "OMP_NUM_THREADS": "1",
            "DJANGO_SETTINGS_MODULE": "stylestudy.settings",
        }
        if database_url:
            self.env["DATABASE_URL"] = database_url
        if broker_url:
            self.env["CELERY_BROKER_URL"] = broker_url
            self.env["STYLESTUDY_EMBED_BEAT"] = "1"
        self.run("manage.py", "migrate", "--verbosity", "0")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        """Run code with the site's models at hand and return what it prints."""
        head = "import django; django.setup(); from generation.models import *; from generation import jobs\n"
        return self.run("-W", "ignore", "-c", head + code).strip()

    def start_worker(self) -> subprocess.Popen[bytes]:
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                worker_command(),
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def log(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")[-4000:]

    def wait(self, code: str, until: Callable[[str], bool], seconds: float = 280) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.shell(code)
            if until(value):
                return value
            time.sleep(0.3)
        raise AssertionError(f"Still {value!r} after {seconds} s. Worker's log:\n{self.log()}")


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    if not Path(settings.VGG16_HED_WEIGHTS).exists():
        pytest.skip("the encoder weights are not there: make weights")
    sites: list[Site] = []

    def make(**urls: str) -> Site:
        sites.append(Site(tmp_path, **urls))
        return sites[-1]

    yield make
    for site in sites:
        for worker in site.workers:
            if worker.poll() is None:
                site.kill(worker)
