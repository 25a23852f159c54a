"""Forms of the admin: content photographs, reasons."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from generation.forms import ContentImageForm, LeaveOutForm
from generation.models import ContentImage

pytestmark = pytest.mark.django_db


def upload(name: str = "a.png", color: str = "red") -> SimpleUploadedFile:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(stream, "PNG")
    return SimpleUploadedFile(name, stream.getvalue(), "image/png")


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
