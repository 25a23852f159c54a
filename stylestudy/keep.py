"""The folder of everything that is written, and secrets that are made once and kept in it."""

import fcntl
import os
import uuid
from collections.abc import Callable
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """Make the folder, for its owner only, unless it is there (then its mode is left alone).

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def kept_secret(file: Path, make: Callable[[], str]) -> str:
    """The text of a file that is made at the first call, readable by its owner only.

    Of processes that start together one makes it and all read the same. A process killed anywhere
    leaves no half file; an empty file (left by an earlier version) counts as absent.

    Raises:
        OSError: the file cannot be read or made.
    """
    if text := _read(file):
        return text
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Held until the handle is closed, also by being killed. Linking a ready file into place
        # would do for an absent one; taking the place of an empty one needs the lock.
        fcntl.flock(handle, fcntl.LOCK_EX)
        if text := _read(file):
            return text
        text = make()
        temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.part")
        try:
            _write(temporary, text)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        return text
    finally:
        os.close(handle)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _write(file: Path, text: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
