"""Photographs that a person brings: files, a zip file, a folder."""

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from generation.imagefile import ImageRefused, RgbImage, photograph_fields, read_image, shrunk
from generation.models import SourceImage, Word
from generation.sources.base import SourceError
from generation.sources.files import FileSource

#: Photographs of one zip file or folder, at most.
MOST = 2000
ZIP = b"PK\x03\x04"


@dataclass
class UploadResult:
    """What became of photographs: those added, names of those there already, names and reasons."""

    added: list[SourceImage] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def read_upload(upload: UploadedFile) -> RgbImage:
    """The verified image of an uploaded file. Raises ImageRefused."""
    if (upload.size or 0) > settings.UPLOAD_MAX_BYTES:
        raise ImageRefused(
            "too-large",
            _("The file has %(size)s. At most %(limit)s are taken.")
            % {
                "size": filesizeformat(upload.size or 0),
                "limit": filesizeformat(settings.UPLOAD_MAX_BYTES),
            },
        )
    upload.seek(0)
    return read_image(upload.read())


def add_uploads(word: Word, uploads: Iterable[UploadedFile]) -> UploadResult:
    """Store each good file as a photograph of the word; bad ones never spoil the others.

    Not to be called in a transaction: on SQLite nobody else could write while files are decoded.
    """
    result = UploadResult()
    for upload in uploads:
        name = str(upload.name)
        if _is_zip(upload):
            _add_zip(word, upload, result)
            continue
        try:
            photo = read_upload(upload)
        except ImageRefused as refusal:
            result.refused.append((name, refusal.message))
            continue
        _add(word, name, photo, result)
    return result


def add_files(word: Word, path: Path) -> UploadResult:
    """The same for the image files of a folder or a zip file, with their credits.csv."""
    result = UploadResult()
    _add_files(word, path, path.name, result)
    return result


def _is_zip(upload: UploadedFile) -> bool:
    upload.seek(0)
    return bool(upload.read(len(ZIP)) == ZIP)


def _add_zip(word: Word, upload: UploadedFile, result: UploadResult) -> None:
    upload.seek(0)
    with tempfile.NamedTemporaryFile(suffix=".zip") as copy:
        shutil.copyfileobj(upload, copy)
        copy.flush()
        _add_files(word, Path(copy.name), str(upload.name), result)


def _add_files(word: Word, path: Path, name: str, result: UploadResult) -> None:
    """``name``: how people know the folder or zip file."""
    source = FileSource(path, max_bytes=settings.UPLOAD_MAX_BYTES)
    try:
        hits = list(source.search(word.text, MOST + 1))
    except SourceError as error:
        result.refused.append((name, str(error).replace(str(path), name)))
        return
    if len(hits) > MOST:
        more = _("Only the first %(n)d photographs were taken. Add the others apart.")
        result.refused.append((name, more % {"n": MOST}))
    for hit in hits[:MOST]:
        shown = f"{name}/{hit.origin}"
        try:
            photo = read_image(source.read(hit))
        except (ImageRefused, SourceError) as error:
            result.refused.append((shown, str(error).replace(str(path), name)))
            continue
        _add(
            word,
            shown,
            photo,
            result,
            rank=hit.rank,
            origin=shown,
            credit=hit.credit,
            license=hit.license,
            license_url=hit.license_url,
            page_url=hit.page_url,
            attribution=hit.attribution,
        )


def _add(word: Word, name: str, photo: RgbImage, result: UploadResult, **more: Any) -> None:
    fields = photograph_fields(shrunk(photo))
    if word.images.filter(sha256=fields["sha256"]).exists():
        result.duplicates.append(name)
        return
    try:
        with transaction.atomic():
            result.added.append(
                SourceImage.objects.create(word=word, source="upload", **fields, **more)
            )
    except IntegrityError:
        # Another upload of the same photograph was faster.
        result.duplicates.append(name)
