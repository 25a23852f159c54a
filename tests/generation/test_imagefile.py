"""Hostile and odd image files: a plain upright RGB image, or a named refusal."""

import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms

from generation.imagefile import (
    ImageRefused,
    encode_png,
    photograph_fields,
    pixel_sha256,
    read_image,
)
from generation.refusals import Refusal
from tests import hostile
from tests.hostile import animated as animation
from tests.hostile import picture as noise
from tests.hostile import png, saved


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "html"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML><svg></svg>", "html"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "html"),
        (b"just text under a .jpg name", "not-an-image"),
        (saved(Image.new("RGB", (64, 64)), "GIF"), "unsupported-format"),
        (saved(Image.new("RGB", (64, 64)), "TIFF"), "unsupported-format"),
        (saved(Image.new("RGB", (64, 64)), "BMP"), "unsupported-format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-format"),
        (b"\xff\xd8\xff\xe0", "truncated"),
        (hostile.png_claim(), "too-large"),
        (png(10_000, 9_500, rows=1), "too-large"),
        (png(9_000, 7_000, rows=1), "too-large"),
        (png(100, 100, rows=0), "truncated"),
        (saved(Image.new("RGB", (63, 300)), "PNG"), "too-small"),
        (hostile.gif_and_script(), "unsupported-format"),
        (hostile.gif_and_jpeg(), "unsupported-format"),
        (hostile.svg(), "unsupported-format"),
        (hostile.html(), "html"),
        (hostile.png_bomb(), "too-large"),
        (hostile.webp_bomb(), "too-large"),
        (hostile.webp_claim(), "too-large"),
        (hostile.jpeg_claim(), "too-large"),
        (hostile.png_text_bomb(), "bomb"),
        (hostile.png_profile_bomb(), "bomb"),
        (hostile.png_text_flood(), "bomb"),
        (hostile.jpeg_of_many_scans(), "bomb"),
        (hostile.wrong_checksum(), "truncated"),
        (animation("PNG"), "animated"),
        (animation("WEBP"), "animated"),
    ],
)
def test_refused_by_name(data: bytes, code: str) -> None:
    with pytest.raises(ImageRefused) as refusal:
        read_image(data)
    assert refusal.value.code == code
    assert refusal.value.reason_code == code
    assert Refusal(code).label
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


@pytest.mark.parametrize(
    ("whole", "plain"),
    [
        (hostile.jpeg_and_html(), hostile.good("JPEG")),
        (hostile.jpeg_with_script_in_comment(), hostile.good("JPEG")),
        (hostile.png_and_zip(), hostile.good("PNG")),
        (hostile.mpo(), hostile.good("JPEG")),
        # A film behind the photograph, as phones append it, is no endless work.
        (hostile.good("JPEG") + b"\xff\xda\0\0" * 10_000, hostile.good("JPEG")),
    ],
)
def test_only_pixels_of_a_polyglot_are_kept(whole: bytes, plain: bytes) -> None:
    kept = encode_png(read_image(whole).image)
    assert kept == encode_png(read_image(plain).image)
    assert b"alert" not in kept
    assert b"PK\x05\x06" not in kept


def test_a_bomb_is_refused_where_warnings_are_not_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImageRefused, match="12000 × 10000") as refusal:
            read_image(hostile.png_bomb())
    assert refusal.value.code == "too-large"


def test_colors_of_a_transparent_picture_follow_its_profile() -> None:
    blue = Image.new("RGBA", (64, 64), (0, 0, 255, 255))
    blue.putpixel((0, 0), (0, 0, 0, 0))
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Red and blue change places: whoever follows the profile sees red.
    assert profile.count(b"rXYZ") == profile.count(b"bXYZ") == 1
    red, other = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[other : other + 4] = b"bXYZ", b"rXYZ"
    swapped = bytes(profile).replace(b"s\0R\0G\0B", b"o\0d\0d\0!").replace(b"sRGB", b"odd!")
    image = read_image(saved(blue, "PNG", icc_profile=swapped)).image
    r, _g, b = image.getpixel((30, 30))
    assert r > 240
    assert b < 15
    assert image.getpixel((0, 0)) == (255, 255, 255)


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
