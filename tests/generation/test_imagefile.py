"""Hostile and odd image files: a plain upright RGB image, or a named refusal."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from generation.imagefile import (
    ImageRefused,
    encode_png,
    photograph_fields,
    pixel_sha256,
    read_image,
)


def noise(size: tuple[int, int] = (96, 80)) -> Image.Image:
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that only claims its size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), c) for c in ("red", "blue")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "not-an-image"),
        (b"just text under a .jpg name", "not-an-image"),
        (saved(Image.new("RGB", (64, 64)), "GIF"), "unsupported-format"),
        (saved(Image.new("RGB", (64, 64)), "TIFF"), "unsupported-format"),
        (saved(Image.new("RGB", (64, 64)), "BMP"), "unsupported-format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-format"),
        (b"\xff\xd8\xff\xe0", "truncated"),
        (png_header(60_000, 60_000), "too-large"),
        (png_header(10_000, 9_500), "too-large"),
        (png_header(9_000, 7_000), "too-large"),
        (png_header(100, 100), "truncated"),
        (saved(Image.new("RGB", (63, 300)), "PNG"), "too-small"),
        (animation("PNG"), "animated"),
        (animation("WEBP"), "animated"),
    ],
)
def test_refused_by_name(data: bytes, code: str) -> None:
    with pytest.raises(ImageRefused) as refusal:
        read_image(data)
    assert refusal.value.code == code
    assert refusal.value.reason_code == code
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_file_cut_off_anywhere_is_refused(kind: str, share: float) -> None:
    data = saved(noise(), kind)
    with pytest.raises(ImageRefused) as refusal:
        read_image(data[: int(len(data) * share)])
    assert refusal.value.code == "truncated"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_good_files_come_as_rgb(kind: str) -> None:
    photo = read_image(saved(noise(), kind))
    assert (photo.image.mode, photo.width, photo.height) == ("RGB", 96, 80)
    assert photo.image.info == {}


def test_cmyk_red_is_red() -> None:
    data = saved(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95)
    r, g, b = read_image(data).image.getpixel((30, 30))
    assert r > 240
    assert max(g, b) < 15


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.tile(np.array([0, 257, 32768, 65535], dtype=np.uint16), (64, 16))
    image = read_image(saved(Image.fromarray(ramp), "PNG")).image
    # 32768 / 257 = 127.5, rounded half to even.
    assert [image.getpixel((x, 0))[0] for x in range(4)] == [0, 1, 128, 255]


def test_gray_becomes_rgb() -> None:
    image = read_image(saved(Image.new("L", (64, 64), 77), "PNG")).image
    assert image.getpixel((5, 5)) == (77, 77, 77)


def test_transparent_parts_become_white() -> None:
    rgba = Image.new("RGBA", (64, 64), (255, 0, 0, 128))
    rgba.putpixel((0, 0), (0, 0, 0, 0))
    image = read_image(saved(rgba, "PNG")).image
    assert image.getpixel((0, 0)) == (255, 255, 255)
    # 128/255 red over white: 255 − 128 = 127.
    assert image.getpixel((9, 9)) == (255, 127, 127)


def test_palette_with_transparency() -> None:
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((3, 0), 1)
    image = read_image(saved(palette, "PNG", transparency=b"\x00\xff")).image
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((3, 0)) == (200, 100, 50)


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        (1, (0, 0)),
        (2, (-1, 0)),
        (3, (-1, -1)),
        (4, (0, -1)),
        (5, (0, 0)),
        (6, (-1, 0)),
        (7, (-1, -1)),
        (8, (0, -1)),
    ],
)
def test_exif_orientation_is_applied(orientation: int, corner: tuple[int, int]) -> None:
    """Where the stored upper left corner is seen: EXIF 2.32, tag 0x0112."""
    source = Image.new("RGB", (96, 64), "black")
    source.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read_image(saved(source, "PNG", exif=exif))
    assert (photo.width, photo.height) == ((96, 64) if orientation < 5 else (64, 96))
    x, y = corner[0] % photo.width, corner[1] % photo.height
    assert photo.image.getpixel((x, y)) == (255, 255, 255)


def test_uncompressed_pictures_of_a_size_have_one_length_and_no_metadata() -> None:
    plain, busy = Image.new("RGB", (96, 80), "red"), noise()
    busy.info["dpi"] = (72, 72)
    busy.info["icc_profile"] = b"secret profile"
    files = [encode_png(image, compress=False) for image in (plain, busy)]
    assert len(files[0]) == len(files[1])
    chunks = {
        name for name in (b"tEXt", b"iTXt", b"eXIf", b"pHYs", b"iCCP", b"tIME") if name in files[1]
    }
    assert chunks == set()
    assert len(encode_png(plain)) < 1000
    assert busy.info["icc_profile"] == b"secret profile"


def test_encode_refuses_other_modes() -> None:
    with pytest.raises(ValueError, match="RGB"):
        encode_png(Image.new("L", (64, 64)))


def test_the_digest_is_of_pixels_not_files() -> None:
    image = noise()
    again = read_image(encode_png(image)).image
    assert pixel_sha256(again) == pixel_sha256(image)
    # Same bytes in another shape are another picture.
    other = Image.frombytes("RGB", (80, 96), image.tobytes())
    assert pixel_sha256(other) != pixel_sha256(image)


def test_fields_of_a_row() -> None:
    photo = read_image(saved(noise(), "WEBP"))
    fields = photograph_fields(photo)
    assert (fields["width"], fields["height"]) == (96, 80)
    assert fields["sha256"] == pixel_sha256(Image.open(fields["file"]))
    assert str(fields["file"].name).endswith(".png")
