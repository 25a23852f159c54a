"""The site's real web process, to be killed and started again."""

import os
import signal
import socket
import subprocess
import time

from stylestudy.processes import web_command
from tests.services.conftest import ROOT, Site


class Server:
    """The site's web process, which can be killed and started again on the same port."""

    def __init__(self, site: Site) -> None:
        self.site = site
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.site.folder / "web.log").open("ab") as log:
            self.process = subprocess.Popen(
                web_command("127.0.0.1", self.port),
                cwd=ROOT,
                env=self.site.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + 30
        while not self.answers():
            assert time.monotonic() < end, "the web process does not answer"
            time.sleep(0.05)

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def open_a_study(site: Site, slug: str, **fields: object) -> None:
    """Three words and two contents, asked about in one direction: six questions of three options."""
    site.run("manage.py", "collectstatic", "--no-input", "--verbosity", "0")
    site.shell(
        "from tests.factories import StudyFactory, make_ready_set\n"
        "from survey.lifecycle import open_study\n"
        f"open_study(StudyFactory(slug={slug!r}, stimulus_set=make_ready_set(3, 2), options=3, "
        f"ask_word=False, **{fields!r}))"
    )
