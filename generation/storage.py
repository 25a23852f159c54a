"""File storage that never shows half a file."""

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path`` and move it into place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, [data])


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class AtomicFileSystemStorage(FileSystemStorage):
    """Django's file storage, with every write through a temporary name.

    A process killed in the middle leaves a ``.part`` file or an empty one that nothing refers to,
    never half a picture.
    """

    def _save(self, name: str, content: File) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                # Take the name first: of two that save under one name each gets a file of its own.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
                break
            except FileExistsError:
                name = self.get_available_name(name)
                path = Path(self.path(name))
        try:
            _write(path, content.chunks())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return name
