"""The web process and the worker of one machine, as children of a command."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

STOP_SECONDS = 20


class PortTaken(Exception):
    """Something else listens on the port."""


def worker_command() -> list[str]:
    """One solo worker of all queues: torch uses every core by itself."""
    return [
        *(sys.executable, "-m", "celery", "--app", "stylestudy", "--quiet", "worker"),
        *("--pool", "solo", "--queues", "gpu,io,default", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def web_command(host: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn", "stylestudy.wsgi:application"),
        *("--bind", f"{host}:{port}", "--workers", "1", "--threads", "8", "--log-level", "warning"),
    ]


def start(command: list[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, so that Ctrl-C reaches only the parent.

    Where `setpriv` is there (util-linux), the child also ends when the parent is killed outright.
    """
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig", "TERM", "--", *command]
    stream = None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        stream = log.open("ab")
    try:
        return subprocess.Popen(  # noqa: S603
            command,
            cwd=settings.BASE_DIR,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "stylestudy.settings"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    finally:
        if stream is not None:
            stream.close()


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child: politely first, then for sure."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # A picture in the making is given up: its row goes back to the queue at the next start.
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _interrupt(*_signal: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def running(command: list[str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    # Ended by a supervisor as by Ctrl-C: the child must not go on alone.
    signal.signal(signal.SIGTERM, _interrupt)
    child = start(command, log)
    try:
        yield child
    finally:
        stop(child)


def check_port(host: str, port: int) -> None:
    """Raises PortTaken if something listens there already."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) == 0:  # noqa: S104
            raise PortTaken(
                f"Port {port} is in use. Stop what listens there (an earlier `make serve`?) or choose "
                "another port: `make serve PORT=8001`."
            )


def serve(host: str, port: int) -> int:
    """Run web and worker until Ctrl-C, or until one of them ends by itself (then 1)."""
    check_port(host, port)
    with running(worker_command()) as worker, running(web_command(host, port)) as web:
        try:
            while worker.poll() is None and web.poll() is None:
                time.sleep(0.5)
        except KeyboardInterrupt:
            return 0
    return 1
