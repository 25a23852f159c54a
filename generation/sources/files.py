"""Photographs that a person brings: a folder, or a zip file, which is never unpacked to disk.

A ``credits.csv`` beside the photographs says whose they are: ``file`` and any of ``credit``,
``license``, ``license_url``, ``page_url``, ``attribution``. Without it their licence is unknown.

A zip file is as hostile as whoever made it: names are only names (nothing is written), sizes are
checked as declared and as read, and only the two compressions that zip files of pictures have are read.
"""

import csv
import io
import os
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from generation.sources.base import SearchHit, SourceError
from generation.sources.hits import (
    ATTRIBUTION,
    CREDIT,
    LICENSE,
    LICENSE_URL,
    ORIGIN,
    PAGE_URL,
    license_fields,
    text,
    web_address,
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
CREDITS = "credits.csv"
MAX_FILES = 20_000
MAX_DIRECTORY = 16 * 2**20
MAX_CREDITS = 5 * 2**20
CHUNK = 2**18
ENCRYPTED = 0x1
UTF8_NAME = 0x800
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)

Rows = dict[str, dict[str, str]]


class Box(Protocol):
    """Files by name."""

    names: list[str]

    def size(self, name: str) -> int:
        """Bytes that the file has, or says to have."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Raises SourceError, or one of BROKEN."""
        ...


class FileSource:
    """The image files of a folder or zip file as an image source; every query finds all of them.

    The hits come in the order of their names, numbers by value. Origin is the name within.

    Args:
        path: of the folder or zip file.
        max_bytes: of one file, when unpacked.
        max_total: of all photographs of a zip file, when unpacked.
    """

    name = "files"

    def __init__(
        self, path: Path, *, max_bytes: int = 40 * 2**20, max_total: int = 4 * 2**30
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_total = max_total
        self._opened: Box | None = None

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        box = self._box()
        images = sorted(filter(_is_image, box.names), key=_order)
        if not images:
            raise SourceError(
                f"{self._path} has no photographs. Put JPEG, PNG or WebP files into it."
            )
        rows = self._rows(box)
        for rank, name in enumerate(images[: max(0, limit)]):
            row = rows.get(_key(name), {})
            yield SearchHit(
                source=self.name,
                query=query,
                rank=rank,
                origin=name,
                page_url=web_address(row.get("page_url"), PAGE_URL),
                **license_fields(
                    credit=text(row.get("credit"), CREDIT),
                    license_text=text(row.get("license"), LICENSE),
                    license_url=text(row.get("license_url"), LICENSE_URL),
                    attribution=text(row.get("attribution"), ATTRIBUTION),
                ),
            )

    def read(self, hit: SearchHit) -> bytes:
        box = self._box()
        if hit.origin not in box.names or not _is_image(hit.origin):
            raise SourceError(f"{self._path} has no photograph {hit.origin!r}.")
        return self._bytes(box, hit.origin, self._max_bytes)

    def _box(self) -> Box:
        if self._opened is None:
            if self._path.is_dir():
                self._opened = _Folder(self._path)
            elif self._path.is_file():
                self._opened = _Zip(self._path, self._max_total)
            else:
                raise SourceError(f"There is no folder and no zip file {self._path}.")
        return self._opened

    def _bytes(self, box: Box, name: str, limit: int) -> bytes:
        """A file whole; no more than ``limit`` is ever read, whatever it says of itself."""
        told = f"{name!r} in {self._path}"
        try:
            if box.size(name) <= limit:
                with box.open(name) as stream:
                    data = bytearray()
                    while len(data) <= limit and (chunk := stream.read(CHUNK)):
                        data += chunk
                if len(data) <= limit:
                    return bytes(data)
        except BROKEN as error:
            raise SourceError(f"{told} is damaged and cannot be read: {error}.") from error
        raise SourceError(f"{told} has more than {limit} bytes when unpacked. Make it smaller.")

    def _rows(self, box: Box) -> Rows:
        """What credits.csv says, by the key of a file's name."""
        rows: Rows = {}
        for name in box.names:
            if PurePosixPath(name).name.lower() == CREDITS and not _is_hidden(name):
                words = _decoded(self._bytes(box, name, MAX_CREDITS))
                try:
                    rows |= _parsed(words, PurePosixPath(name).parent)
                except (csv.Error, KeyError):
                    raise SourceError(
                        f"{name!r} in {self._path} must be a table separated by commas, whose first row "
                        "names its columns: file, credit, license, license_url, page_url, attribution."
                    ) from None
        return rows


class _Folder:
    """The files of a folder and its folders; links that lead out of it are no part of it."""

    def __init__(self, root: Path) -> None:
        self._files: dict[str, Path] = {}
        inside = root.resolve()
        for folder, _folders, files in os.walk(root):
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(root).as_posix()
                if path.is_file() and path.resolve().is_relative_to(inside) and _is_name(name):
                    self._files[name] = path
            if len(self._files) > MAX_FILES:
                raise SourceError(f"{root} has more than {MAX_FILES} files. Use a smaller folder.")
        self.names = list(self._files)

    def size(self, name: str) -> int:
        return self._files[name].stat().st_size

    def open(self, name: str) -> IO[bytes]:
        return self._files[name].open("rb")


class _Zip:
    """The files of a zip file."""

    def __init__(self, path: Path, max_total: int) -> None:
        try:
            if _directory_bytes(path) > MAX_DIRECTORY:
                raise SourceError(f"{path} has too many files. Use a folder, or fewer files.")
            self._archive = zipfile.ZipFile(path)
        except BROKEN as error:
            raise SourceError(f"{path} is no zip file, or damaged: {error}.") from error
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        if len(infos) > MAX_FILES:
            raise SourceError(f"{path} has more than {MAX_FILES} files. Use fewer.")
        self._files = {name: info for info in infos if _is_name(name := _real_name(info))}
        self.names = list(self._files)
        total = sum(info.file_size for name, info in self._files.items() if _is_image(name))
        if total > max_total:
            raise SourceError(
                f"The photographs of {path} have {total} bytes when unpacked; at most {max_total} are "
                "taken from a zip file. Use a folder, or several zip files."
            )

    def size(self, name: str) -> int:
        return self._files[name].file_size

    def open(self, name: str) -> IO[bytes]:
        info = self._files[name]
        if info.flag_bits & ENCRYPTED:
            raise SourceError(f"{name!r} is encrypted. Make a zip file without a password.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Others may ask for as much memory as they like.
            raise SourceError(f"{name!r} is compressed in an unusual way. Make the zip file anew.")
        return self._archive.open(info)


def _directory_bytes(path: Path) -> int:
    """Size of the directory at the end of a zip file, which ``zipfile`` reads whole into memory."""
    with path.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, end - 22 - 0xFFFF))
        tail = stream.read()
    at = len(tail) - 22 if tail[-22:-18] == b"PK\5\6" else tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile("it has no directory")
    if tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        return MAX_DIRECTORY + 1  # the 64-bit form, for more than 65,535 files or 4 GiB
    return int.from_bytes(tail[at + 12 : at + 16], "little")


def _real_name(info: zipfile.ZipInfo) -> str:
    """The name as its maker wrote it: older programs in Japan write Shift JIS and do not say so."""
    if info.flag_bits & UTF8_NAME:
        return info.filename
    for encoding in ("utf-8", "cp932"):
        try:
            return info.filename.encode("cp437").decode(encoding)
        except UnicodeError:
            continue
    return info.filename


def _is_name(name: str) -> bool:
    """A database can keep it."""
    return 0 < len(name) <= ORIGIN and not any(
        unicodedata.category(c) in ("Cc", "Cs") for c in name
    )


def _is_hidden(name: str) -> bool:
    """Made by a computer, not a person: ``.DS_Store``, ``__MACOSX/._a.jpg``."""
    parts = name.replace("\\", "/").split("/")
    return any(
        part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in parts
    )


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not _is_hidden(name)


def _order(name: str) -> list[str | int]:
    # Text and numbers take turns, so that like is compared with like.
    parts = re.split(r"([0-9]+)", name.lower())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _key(name: str) -> str:
    """Names that a table and a file may write in two ways, made one."""
    return str(PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/"))))


def _decoded(data: bytes) -> str:
    """UTF-8, or what Excel writes in Japan."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp932", errors="replace")


def _parsed(words: str, folder: PurePosixPath) -> Rows:
    """Raises KeyError without a column ``file``, csv.Error for what is no table."""
    table = csv.reader(io.StringIO(words, newline=""))
    columns = [name.strip().lower() for name in next(table, [])]
    if "file" not in columns:
        raise KeyError("file")
    rows: Rows = {}
    for cells in table:
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
        if row.get("file"):
            rows[_key(str(folder / row["file"].replace("\\", "/")))] = row
    return rows
