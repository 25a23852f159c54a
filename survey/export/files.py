"""The files of an export: written once, with their checksums taken on the way."""

import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MANIFEST = "manifest-sha256.txt"
# The lowest level is several times faster than the usual one, and the files little larger.
LEVEL = 1
BUFFER = 1 << 20


class _Hashing(io.RawIOBase):
    """A file that is written through and hashed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)


class Folder:
    """A folder that gets files. ``sums`` are SHA-256 by path in the folder, with / between its parts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sums: dict[str, str] = {}

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            raw = _Hashing(file)
            buffered = io.BufferedWriter(raw, BUFFER)
            yield buffered
            buffered.flush()
            self.sums[path] = raw.digest.hexdigest()

    @contextmanager
    def open_text(self, path: str) -> Iterator[IO[str]]:
        """UTF-8; line ends as they are written."""
        with self.open(path) as file:
            stream = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            yield stream
            stream.detach()

    def write_text(self, path: str, text: str) -> None:
        with self.open_text(path) as stream:
            stream.write(text)

    def write_bytes(self, path: str, data: bytes) -> None:
        with self.open(path) as stream:
            stream.write(data)

    def copy(self, path: str, file: IO[bytes]) -> None:
        with self.open(path) as stream:
            shutil.copyfileobj(file, stream, BUFFER)

    def write_manifest(self) -> None:
        """As ``sha256sum --check`` reads it. Last, as it is not in itself."""
        lines = [f"{self.sums[path]}  {path}\n" for path in sorted(self.sums)]
        self.write_text(MANIFEST, "".join(lines))


def zip_folder(root: Path, target: IO[bytes], name: str) -> None:
    """All files of a folder, in the order of their paths, in one folder of that name."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, f"{name}/{path.relative_to(root).as_posix()}")
