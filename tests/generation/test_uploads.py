"""Uploads are judged one by one."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from generation import uploads
from generation.uploads import add_uploads
from tests.factories import WordFactory

pytestmark = pytest.mark.django_db


def png(color: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(stream, "PNG")
    return stream.getvalue()


def upload(name: str = "a.png", color: str = "red") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, png(color), "image/png")


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return stream.getvalue()


def test_one_bad_file_spoils_no_good_one() -> None:
    word = WordFactory()
    files = [
        upload("a.png"),
        SimpleUploadedFile("bad.jpg", b"hello"),
        upload("b.png", "blue"),
        upload("a again.png"),
        SimpleUploadedFile("empty.jpg", b""),
    ]
    result = add_uploads(word, files)
    assert word.images.count() == len(result.added) == 2
    assert result.duplicates == ["a again.png"]
    assert [name for name, _ in result.refused] == ["bad.jpg", "empty.jpg"]


def test_a_file_that_is_too_heavy_is_refused_unread(settings) -> None:
    settings.UPLOAD_MAX_BYTES = 10
    result = add_uploads(WordFactory(), [upload()])
    assert "At most" in result.refused[0][1]


def test_the_photographs_of_a_zip_file() -> None:
    word = WordFactory()
    files = [
        upload("b.png", "blue"),
        SimpleUploadedFile("some.zip", zipped(a_png=png(), b_png=png("blue"), c_jpg=b"hello")),
    ]
    result = add_uploads(word, files)
    assert len(result.added) == 2
    assert result.duplicates == ["some.zip/b.png"]
    assert [name for name, _reason in result.refused] == ["some.zip/c.jpg"]


def test_more_than_are_taken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST", 2)
    word = WordFactory()
    colors = {"a_png": png("red"), "b_png": png("blue"), "c_png": png("green")}
    result = add_uploads(word, [SimpleUploadedFile("some.zip", zipped(**colors))])
    assert result.refused == [
        ("some.zip", "Only the first 2 photographs were taken. Add the others apart.")
    ]
    assert list(word.images.values_list("rank", "origin")) == [
        (0, "some.zip/a.png"),
        (1, "some.zip/b.png"),
    ]


@pytest.mark.parametrize("data", [b"PK\x03\x04 and no more", zipped(a_txt=b"x")])
def test_a_zip_file_without_photographs_is_named_as_people_know_it(data: bytes) -> None:
    result = add_uploads(WordFactory(), [SimpleUploadedFile("mine.zip", data)])
    ((name, reason),) = result.refused
    assert name == "mine.zip"
    assert "mine.zip" in reason
    assert "tmp" not in reason
