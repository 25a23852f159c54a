"""Children of a command: stopped with it, however it ends."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stylestudy import processes

PARENT = """
import time, django
from stylestudy import processes
child = processes.start(["sleep", "60"])
print(child.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            # The state after the name: Z has ended and waits for a parent to ask.
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv of util-linux")
def test_a_child_ends_with_a_parent_that_was_killed_outright() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        # setpriv asks for the signal and then becomes the command: only from then on it holds.
        end = time.monotonic() + 60
        while not Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep"):
            assert time.monotonic() < end
            time.sleep(0.01)
        parent.kill()
    try:
        assert gone(child)
    finally:
        if Path(f"/proc/{child}").exists():
            os.kill(child, signal.SIGKILL)


def test_a_child_ends_with_its_block() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with processes.running(["sleep", "60"]) as child:
            assert child.poll() is None
    finally:
        signal.signal(signal.SIGTERM, before)
    assert child.poll() is not None


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(processes.PortTaken, match=f"Port {port} is in use.*PORT=8001"):
            processes.check_port("127.0.0.1", port)
