"""Uploads are judged one by one."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from generation.forms import ContentImageForm, LeaveOutForm, add_photographs
from generation.models import ContentImage
from tests.factories import WordFactory

pytestmark = pytest.mark.django_db


def upload(name: str = "a.png", color: str = "red") -> SimpleUploadedFile:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(stream, "PNG")
    return SimpleUploadedFile(name, stream.getvalue(), "image/png")


def test_one_bad_file_spoils_no_good_one() -> None:
    word = WordFactory()
    files = [
        upload("a.png"),
        SimpleUploadedFile("bad.jpg", b"hello"),
        upload("b.png", "blue"),
        upload("a again.png"),
        SimpleUploadedFile("empty.jpg", b""),
    ]
    result = add_photographs(word, files)
    assert word.images.count() == len(result.added) == 2
    assert result.duplicates == ["a again.png"]
    assert [name for name, _ in result.refused] == ["bad.jpg", "empty.jpg"]


def test_a_file_that_is_too_heavy_is_refused_unread(settings) -> None:
    settings.UPLOAD_MAX_BYTES = 10
    result = add_photographs(WordFactory(), [upload()])
    assert "At most" in result.refused[0][1]


def test_content_is_verified_and_stored_as_rgb() -> None:
    form = ContentImageForm({"name": "cup"}, {"upload": upload()})
    assert form.is_valid(), form.errors
    row = form.save()
    row.refresh_from_db()
    assert (row.width, row.height, len(row.sha256)) == (64, 64, 64)
    with row.file.open() as file:
        assert Image.open(file).mode == "RGB"


@pytest.mark.parametrize("data", [b"hello", b"\xff\xd8\xff\xe0"])
def test_bad_content_is_refused_with_its_reason(data: bytes) -> None:
    form = ContentImageForm({"name": "cup"}, {"upload": SimpleUploadedFile("x.jpg", data)})
    assert not form.is_valid()
    assert form.errors["upload"]


def test_the_same_content_twice_is_an_error_of_the_form() -> None:
    ContentImageForm({"name": "cup"}, {"upload": upload()}).save()
    form = ContentImageForm({"name": "mug"}, {"upload": upload("other.png")})
    assert not form.is_valid()
    assert "cup" in str(form.errors["upload"])
    assert ContentImage.objects.count() == 1


def test_leaving_out_needs_a_reason() -> None:
    assert not LeaveOutForm({"reason": "", "other": " "}).is_valid()
    form = LeaveOutForm({"reason": "", "other": "a dog"})
    assert form.is_valid()
    assert form.cleaned_data["text"] == "a dog"
