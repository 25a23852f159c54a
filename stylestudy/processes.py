"""The web process and the worker of one machine, as children of a command."""

import contextlib
import errno
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.http.request import validate_host

STOP_SECONDS = 20
HOSTS_SETTING = "STYLESTUDY_ALLOWED_HOSTS"
ENDED = "The web process or the worker has ended; its message is above."


class CannotServe(Exception):
    """The address cannot be listened on."""


class PortTaken(CannotServe):
    """Something else listens on the port."""


# --- where it is served -------------------------------------------------------------------------


def port_number(text: str) -> int:
    """An argument's value as a port."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise ArgumentTypeError(f"must be a whole number from 1 to 65535; it is {text!r}")
    return int(text)


def add_address(parser: ArgumentParser) -> None:
    """The arguments of a command that serves."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all of this machine's"
    )
    parser.add_argument("--port", type=port_number, default=8000)


def only_for_itself(host: str) -> bool:
    """Whether nobody but this machine can reach it there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _stands_for_all(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def own_address() -> str:
    """The address by which others reach this machine, or localhost. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket only looks up the route (to a documentation address).
            probe.connect(("198.51.100.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "localhost"


def _reached_by(host: str) -> str:
    return _in_url(own_address() if _stands_for_all(host) else host)


def allowed_hosts(host: str) -> list[str]:
    """What the site answers to when it listens on ``host``: as set, else this machine's names too."""
    hosts = list(settings.ALLOWED_HOSTS)
    if not os.environ.get(HOSTS_SETTING, "").strip():
        hosts.append(_reached_by(host))
        if not only_for_itself(host):
            hosts.append(socket.gethostname().lower())
    return list(dict.fromkeys(hosts))


def base_url(host: str, port: int) -> str:
    """An address that works in a browser."""
    allowed = allowed_hosts(host)
    plain = [name for name in allowed if not name.startswith((".", "*"))]
    own = _reached_by(host)
    name = next((n for n in [own, *plain] if validate_host(n.lower(), allowed)), own)
    return f"http://{name}:{port}"


def hosts_hint(host: str) -> str:
    """What to do when another name of this machine is used; empty when only it can reach the site."""
    if only_for_itself(host):
        return ""
    return f"Answers to {', '.join(allowed_hosts(host))}; other names: set {HOSTS_SETTING}."


# --- the processes ------------------------------------------------------------------------------


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
        *(
            "--bind",
            f"{_in_url(host)}:{port}",
            "--workers",
            "1",
            "--threads",
            "8",
            "--log-level",
            "warning",
        ),
    ]


def start(
    command: list[str], log: Path | None = None, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, so that Ctrl-C reaches only the parent.

    Where `setpriv` is there (util-linux), the child also ends when the parent is killed outright.

    Args:
        log: where its output goes; otherwise to this process's own.
        extra: environment variables beside this process's own.
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
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "stylestudy.settings",
                **(extra or {}),
            },
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
        _kill(child)
    except KeyboardInterrupt:
        # Ctrl-C once more: whoever asks does not want to wait.
        _kill(child)
        raise


def _kill(child: subprocess.Popen[bytes]) -> None:
    # A picture in the making is given up: its row goes back to the queue at the next start.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _interrupt(*_signal: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def running(
    command: list[str], log: Path | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    # Ended by a supervisor as by Ctrl-C: the child must not go on alone.
    signal.signal(signal.SIGTERM, _interrupt)
    child = start(command, log, extra)
    try:
        yield child
    finally:
        stop(child)


def check_port(host: str, port: int) -> None:
    """Listen there for a moment, as the web process will.

    Raises:
        PortTaken: something listens there already.
        CannotServe: the host is no address of this machine, or the port is not for everybody.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} is in use. Stop what listens there (an earlier `make serve`?) or choose "
                "another port: `make serve PORT=8001`."
            ) from error
        # The address is named already; create_server adds it to the system's words.
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise CannotServe(
            f"Cannot listen on {host}, port {port}: {reason}. HOST must be an address "
            "of this machine (127.0.0.1: for itself only; 0.0.0.0: for others too), PORT best one "
            "above 1023."
        ) from error


def serve(host: str, port: int) -> int:
    """Run web and worker until Ctrl-C, or until one of them ends by itself (then 1)."""
    check_port(host, port)
    hosts = {HOSTS_SETTING: ",".join(allowed_hosts(host))}
    with (
        running(worker_command(), extra=hosts) as worker,
        running(web_command(host, port), extra=hosts) as web,
    ):
        try:
            while worker.poll() is None and web.poll() is None:
                time.sleep(0.5)
        except KeyboardInterrupt:
            return 0
    return 1
