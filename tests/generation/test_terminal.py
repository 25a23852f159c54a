"""The frame about commands that make pictures, without their work."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.core.management.base import OutputWrapper

from generation.management.terminal import at_work
from generation.vision.errors import BadImage

ROOT = Path(__file__).resolve().parents[2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ended_by(error: BaseException, stream: io.StringIO, *expected: type[Exception]) -> None:
    with at_work(OutputWrapper(stream), "Nothing was written.", *expected) as display:
        display.show("half of it")
        raise error


@pytest.mark.parametrize(
    ("error", "expected"), [(BadImage("too dark"), ()), (OSError("too dark"), (OSError,))]
)
def test_what_a_person_can_mend_is_said_without_a_traceback(
    error: Exception, expected: tuple[type[Exception], ...]
) -> None:
    stream = Terminal()
    with pytest.raises(CommandError, match=r"^too dark$"):
        ended_by(error, stream, *expected)
    assert stream.getvalue().endswith("half of it\n"), "the message begins a line of its own"


def test_a_defect_stays_one() -> None:
    with pytest.raises(OSError, match="too dark"):
        ended_by(OSError("too dark"), io.StringIO())


def test_ctrl_c_says_what_it_leaves_and_ends_as_in_a_shell() -> None:
    stream = Terminal()
    with pytest.raises(SystemExit) as end:
        ended_by(KeyboardInterrupt(), stream)
    assert end.value.code == 130
    assert stream.getvalue().endswith("half of it\nStopped. Nothing was written.\n")


def test_the_line_may_be_ended_before() -> None:
    stream = Terminal()
    with at_work(OutputWrapper(stream), "") as display:
        display.show("all of it")
        display.end()
        stream.write("a list\n")
    assert stream.getvalue().endswith("all of it\na list\n")


@pytest.mark.parametrize("command", ["stylize", "reconstruct", "contact_sheet", "nearest"])
def test_help_needs_no_torch(command: str, tmp_path: Path) -> None:
    code = (
        "import sys; from django.core.management import execute_from_command_line as run\n"
        f"try: run(['manage.py', {command!r}, '--help'])\n"
        "except SystemExit: print('heavy:', 'torch' in sys.modules)"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith("STYLESTUDY_")}
    environ |= {
        "DJANGO_SETTINGS_MODULE": "stylestudy.settings",
        "STYLESTUDY_VAR_DIR": str(tmp_path),
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.endswith("heavy: False\n"), result.stderr
