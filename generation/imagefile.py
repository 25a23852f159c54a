"""Image files from outside: bytes → a verified RGB image, or a named refusal. Knows no torch."""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from django.core.files.base import ContentFile
from django.utils.translation import gettext as _
from PIL import Image, ImageCms, UnidentifiedImageError

MIN_SIDE = 64
MAX_PIXELS = 60_000_000
# MPO is what phones write: a JPEG with a second picture behind it, of which the first is read.
FORMATS = ("JPEG", "PNG", "WEBP")

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

    Codes: empty, not-an-image, unsupported-format, truncated, animated, too-large, too-small.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
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
    another profile sRGB. All metadata is dropped. Raises ImageRefused.
    """
    if not data:
        raise ImageRefused("empty", _("The file is empty."))
    picture = _open(data, max_pixels)
    with picture:
        width, height = picture.size
        if width * height > max_pixels:
            raise _too_large(max_pixels, width, height)
        if min(width, height) < min_side:
            raise ImageRefused(
                "too-small",
                _(
                    "The image has %(width)d × %(height)d pixels. "
                    "Each side must have at least %(least)d."
                )
                % {"width": width, "height": height, "least": min_side},
            )
        if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
            raise ImageRefused(
                "animated", _("The image is animated. Save one frame of it and use that.")
            )
        try:
            picture.load()
            image = _upright(_to_rgb(picture), _orientation(picture))
        except DECODER_ERRORS as error:
            raise _truncated() from error
    image.info = {}
    return RgbImage(image, image.width, image.height)


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


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except UnidentifiedImageError as error:
        kind = _kind(data)
        if kind in FORMATS:
            raise _truncated() from error
        if kind:
            raise ImageRefused(
                "unsupported-format",
                _("The file is a %(format)s. Use JPEG, PNG or WebP.") % {"format": kind},
            ) from error
        raise ImageRefused(
            "not-an-image", _("The file is not an image. Use JPEG, PNG or WebP.")
        ) from error
    except DECODER_ERRORS as error:
        raise _truncated() from error


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
    if b"<svg" in data[:1024].lower():
        return "SVG"
    return ""


def _too_large(max_pixels: int, width: int = 0, height: int = 0) -> ImageRefused:
    limit = max_pixels // 1_000_000 or max_pixels / 1_000_000
    if width:
        return ImageRefused(
            "too-large",
            _(
                "The image has %(width)d × %(height)d pixels. "
                "At most %(limit)s million are taken: make it smaller."
            )
            % {"width": width, "height": height, "limit": limit},
        )
    return ImageRefused(
        "too-large",
        _("The image has too many pixels. At most %(limit)s million are taken.") % {"limit": limit},
    )


def _truncated() -> ImageRefused:
    return ImageRefused(
        "truncated", _("The image file is damaged or cut off. Get it again and use the new file.")
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
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return _from_profile(picture) or picture.convert("RGB")


def _from_16_bit(picture: Image.Image) -> Image.Image:
    """16-bit gray scaled to 8 bits; Pillow's own conversion may clip at 255 instead."""
    values = np.asarray(picture).astype(np.float64)
    gray = np.clip(np.rint(values / 257.0), 0, 255).astype(np.uint8)
    hole = picture.info.get("transparency")
    if isinstance(hole, int):
        gray[values == hole] = 255
    return Image.fromarray(gray).convert("RGB")


def _from_profile(picture: Image.Image) -> Image.Image | None:
    """Colors of an embedded profile in sRGB, as a browser shows them; None without a usable one."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK"):
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, *DECODER_ERRORS):
        return None
