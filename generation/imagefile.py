"""Image files from outside: bytes → a verified RGB image, or a named refusal. Knows no torch."""

import hashlib
import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from django.core.files.base import ContentFile
from django.utils.translation import gettext as _
from PIL import Image, ImageChops, ImageCms, UnidentifiedImageError

from generation.refusals import Refusal

# Far more pixels than are ever taken: an error for whoever opens an image, not a line in a log.
warnings.simplefilter("error", Image.DecompressionBombWarning)

MIN_SIDE = 64
#: Shorter side of a word's photographs as they are stored, in pixels, at most: recipes make no larger
#: pictures.
STORED_SIDE = 1024
MAX_PIXELS = 60_000_000
# MPO is what phones write: a JPEG with a second picture behind it, of which the first is read.
FORMATS = ("JPEG", "PNG", "WEBP")
# A progressive JPEG has about ten scans, and each costs a pass over all its pixels.
MAX_SCANS = 100
MAX_SEGMENTS = 5000

JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

# What a damaged file makes Pillow's decoders raise.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)

ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageRefused(ValueError):
    """A file that is not taken. ``code`` is for programs, the text for people.

    The codes are those of `Refusal`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = str(code)
        self.message = message

    @property
    def reason_code(self) -> str:
        return self.code


@dataclass(frozen=True)
class RgbImage:
    """An upright 8-bit RGB image without metadata."""

    image: Image.Image
    width: int
    height: int


class PhotographFields(TypedDict):
    """The fields of a SourceImage or ContentImage that its file determines."""

    file: ContentFile
    sha256: str
    width: int
    height: int


def read_image(data: bytes, *, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS) -> RgbImage:
    """Decode a JPEG, PNG or WebP file whole, turn it upright and make it plain RGB.

    Transparent parts become white, CMYK, gray, palette and 16-bit images 8-bit RGB, colors of
    another profile sRGB. All metadata is dropped, and so is whatever else lies in the file: only
    pixels leave here. Raises ImageRefused.
    """
    if not data:
        raise ImageRefused(Refusal.EMPTY, _("The file is empty."))
    # A verified picture cannot be read any more: it is opened again.
    with _open(data, max_pixels) as picture:
        _refuse_at_once(picture, data, min_side, max_pixels)
        try:
            picture.verify()
        except DECODER_ERRORS as error:
            raise _truncated() from error
    with _open(data, max_pixels) as picture:
        try:
            picture.load()
            image = _upright(_to_rgb(picture), _orientation(picture))
        except DECODER_ERRORS as error:
            raise _unreadable(error) from error
    image.info = {}
    return RgbImage(image, image.width, image.height)


def shrunk(photo: RgbImage) -> RgbImage:
    """A photograph whose shorter side is at most `STORED_SIDE`."""
    factor = STORED_SIDE / min(photo.width, photo.height)
    if factor >= 1.0:
        return photo
    size = round(photo.width * factor), round(photo.height * factor)
    image = photo.image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return RgbImage(image, *size)


def encode_png(image: Image.Image, *, compress: bool = True) -> bytes:
    """PNG without metadata. Uncompressed, all pictures of one size have files of one length."""
    if image.mode != "RGB":
        raise ValueError(f"The image must be RGB; it is {image.mode}.")
    plain = image.copy()
    plain.info = {}
    stream = io.BytesIO()
    # Level 1 is several times faster than the default, for files a tenth larger.
    plain.save(stream, "PNG", compress_level=1 if compress else 0)
    return stream.getvalue()


def mask_file(mask: Image.Image) -> ContentFile:
    """A PNG of a gray image (mode L), to be stored."""
    stream = io.BytesIO()
    mask.save(stream, "PNG")
    return ContentFile(stream.getvalue(), name="mask.png")


def pixel_sha256(image: Image.Image) -> str:
    """SHA-256 over mode, size and pixels: the same picture in another file is the same."""
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def photograph_fields(photo: RgbImage) -> PhotographFields:
    """Fields of an unsaved SourceImage or ContentImage: ``SourceImage(word=w, **fields)``."""
    digest = pixel_sha256(photo.image)
    return PhotographFields(
        file=ContentFile(encode_png(photo.image), name=f"{digest[:20]}.png"),
        sha256=digest,
        width=photo.width,
        height=photo.height,
    )


# --- steps ------------------------------------------------------------------------------------


def _refuse_at_once(picture: Image.Image, data: bytes, min_side: int, max_pixels: int) -> None:
    """What the header tells, before any pixel is decoded."""
    width, height = picture.size
    if width * height > max_pixels:
        raise _too_large(max_pixels, width, height)
    if min(width, height) < min_side:
        raise ImageRefused(
            Refusal.TOO_SMALL,
            _(
                "The image has %(width)d × %(height)d pixels. "
                "Each side must have at least %(least)d."
            )
            % {"width": width, "height": height, "least": min_side},
        )
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise ImageRefused(
            Refusal.ANIMATED, _("The image is animated. Save one frame of it and use that.")
        )
    if picture.format in ("JPEG", "MPO") and _endless_work(data):
        raise _bomb()


def _endless_work(jpeg: bytes) -> bool:
    """Whether a JPEG has far more scans or segments than any camera or program writes."""
    position, scans = 2, 0
    for _segment in range(MAX_SEGMENTS):
        found = JPEG_MARKER.search(jpeg, position)
        if found is None:
            return False
        marker, position = jpeg[found.end() - 1], found.end()
        if marker == 0xD9:
            return False  # The end; phones append whole films behind it.
        scans += marker == 0xDA
        if scans > MAX_SCANS:
            return True
        # A segment's length counts its own two bytes.
        position += int.from_bytes(jpeg[position : position + 2], "big")
    return True


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except UnidentifiedImageError as error:
        raise _no_picture(_kind(data)) from error
    except DECODER_ERRORS as error:
        raise _unreadable(error) from error


def _no_picture(kind: str) -> ImageRefused:
    if kind in FORMATS:
        return _truncated()
    if kind == "HTML":
        return ImageRefused(
            Refusal.HTML,
            _(
                "The file is a web page (HTML), not an image. Open the page, save the image itself "
                "as JPEG, PNG or WebP and use that."
            ),
        )
    if kind:
        return ImageRefused(
            Refusal.UNSUPPORTED_FORMAT,
            _("The file is a %(format)s. Use JPEG, PNG or WebP.") % {"format": kind},
        )
    return ImageRefused(Refusal.NOT_AN_IMAGE, _("The file is not an image. Use JPEG, PNG or WebP."))


def _kind(data: bytes) -> str:
    """What a file says it is by its first bytes; empty when unknown. Other decoders never run."""
    starts = [
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"\0\0\1\0", "ICO"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
        (b"\xff\x0a", "JPEG XL"),
        (b"8BPS", "PSD"),
        (b"%PDF", "PDF"),
        (b"%!PS", "PostScript"),
    ]
    for start, name in starts:
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"avis": "AVIF"}.get(data[8:12], "HEIC")
    return _markup(data[:1024].lower().lstrip(b"\xef\xbb\xbf \t\r\n"))


def _markup(start: bytes) -> str:
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "HTML"
    if b"<svg" in start:
        return "SVG"
    # Behind an XML declaration or a comment.
    return "HTML" if start.startswith(b"<") and b"<html" in start else ""


def _too_large(max_pixels: int, width: int = 0, height: int = 0) -> ImageRefused:
    limit = max_pixels // 1_000_000 or max_pixels / 1_000_000
    if width:
        return ImageRefused(
            Refusal.TOO_LARGE,
            _(
                "The image has %(width)d × %(height)d pixels. "
                "At most %(limit)s million are taken: make it smaller."
            )
            % {"width": width, "height": height, "limit": limit},
        )
    return ImageRefused(
        Refusal.TOO_LARGE,
        _("The image has too many pixels. At most %(limit)s million are taken.") % {"limit": limit},
    )


def _unreadable(error: BaseException) -> ImageRefused:
    # Pillow names the limit that metadata of a PNG exceeded, and nothing else tells the two apart.
    return _bomb() if "MAX_TEXT_" in str(error) else _truncated()


def _truncated() -> ImageRefused:
    return ImageRefused(
        Refusal.TRUNCATED,
        _("The image file is damaged or cut off. Get it again and use the new file."),
    )


def _bomb() -> ImageRefused:
    return ImageRefused(
        Refusal.BOMB,
        _(
            "The image file is packed so that reading it would exhaust the machine. Open it with "
            "an image editor that you trust, save it anew and use that."
        ),
    )


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except DECODER_ERRORS:
        return 1  # Unreadable EXIF data: the pixels are as good as any.


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        return _from_16_bit(picture)
    profile = picture.info.get("icc_profile")
    if picture.has_transparency_data:
        rgba = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        colors = _in_srgb(rgba.convert("RGB"), profile)
        colors.paste((255, 255, 255), mask=ImageChops.invert(rgba.getchannel("A")))
        return colors
    plain = picture if picture.mode in ("RGB", "CMYK", "L") else picture.convert("RGB")
    return _in_srgb(plain, profile)


def _from_16_bit(picture: Image.Image) -> Image.Image:
    """16-bit gray scaled to 8 bits; Pillow's own conversion may clip at 255 instead."""
    values = np.asarray(picture)
    # 65535 = 255 × 257; 257 is odd, so that no value lies half way.
    gray = ((np.clip(values, 0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8)
    hole = picture.info.get("transparency")
    if isinstance(hole, int):
        gray[values == hole] = 255
    return Image.fromarray(gray).convert("RGB")


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB with the colors that a browser shows; as they are when there is no usable profile."""
    try:
        converted = _by_profile(picture, profile) if profile else None
    except (ImageCms.PyCMSError, *DECODER_ERRORS):
        converted = None
    return converted or picture.convert("RGB")


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if "sRGB" in ImageCms.getProfileDescription(source):
        return None
    return ImageCms.profileToProfile(
        picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
