"""Files and answers that are meant to harm, made here: functions → bytes, none of it large itself."""

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image, ImageCms

MIB = 2**20


# --- good ones --------------------------------------------------------------------------------


def picture(width: int = 96, height: int = 80, seed: int = 1) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def good(kind: str = "JPEG") -> bytes:
    return saved(picture(), kind)


def cmyk_with_profile() -> bytes:
    """CMYK whose profile is not for CMYK, as hosts that recompress leave them."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(
        Image.new("CMYK", (96, 80), (0, 255, 255, 0)), "JPEG", quality=95, icc_profile=profile
    )


def sixteen_bits() -> bytes:
    return saved(Image.fromarray(np.full((80, 96), 32768, dtype=np.uint16)), "PNG")


def half_transparent() -> bytes:
    return saved(Image.new("RGBA", (96, 80), (255, 0, 0, 128)), "PNG")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture(), "JPEG", exif=exif)


# --- damaged ones -----------------------------------------------------------------------------


def truncated(kind: str) -> bytes:
    data = good(kind)
    return data[: len(data) // 2]


def wrong_checksum() -> bytes:
    """A PNG with one bit of its pixels' checksum turned: only verifying notices."""
    data = bytearray(good("PNG"))
    data[-13] ^= 1
    return bytes(data)


# --- bombs ------------------------------------------------------------------------------------


def png_chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *extra: bytes, rows: int | None = None) -> bytes:
    """A black gray PNG, of 1 bit a pixel; ``extra`` chunks before its pixels."""
    row = b"\0" * (1 + (width + 7) // 8)
    squeeze = zlib.compressobj(9)
    packed = b"".join(squeeze.compress(row) for _row in range(height if rows is None else rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
        + b"".join(extra)
        + png_chunk(b"IDAT", packed + squeeze.flush())
        + png_chunk(b"IEND", b"")
    )


@cache
def png_bomb() -> bytes:
    """120 million pixels, all of them there, in some 20 KB."""
    return png(12_000, 10_000)


def png_claim() -> bytes:
    """Says 4 thousand million pixels, holds one row of them."""
    return png(65_000, 65_000, rows=1)


@cache
def png_text_bomb() -> bytes:
    return png(96, 80, png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * 20 * MIB, 9)))


@cache
def png_profile_bomb() -> bytes:
    return png(96, 80, png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"\0" * 20 * MIB, 9)))


@cache
def png_text_flood() -> bytes:
    """Each comment within the limit, all of them together far beyond."""
    one = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * (MIB - 1), 9))
    return png(96, 80, *[one] * 200)


def webp_bomb() -> bytes:
    """The largest WebP, 268 million pixels, all of them one color: a few kilobytes."""
    # Lossless: header, then five prefix codes of one symbol each; pixels take no bits at all.
    bits, size = 0, 0
    for value, width in [
        (0x2F, 8),
        (16_382, 14),
        (16_382, 14),
        (0, 1),
        (0, 3),
        (0, 1),  # no transform
        (0, 1),  # no color cache
        (0, 1),  # no meta prefix codes
        *[(0b0001, 4)] * 5,  # simple code, one symbol, of one bit: 0
    ]:
        bits |= value << size
        size += width
    body = bits.to_bytes((size + 7) // 8, "little") + b"\0" * 16
    body += b"\0" * (len(body) % 2)
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def webp_claim() -> bytes:
    """An extended WebP that says 65,000 × 65,000 around a small picture."""
    inner = good("WEBP")[12:]
    side = (65_000 - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + side + side + inner
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jpeg_of_many_scans() -> bytes:
    """A progressive JPEG that paints its pixels a thousand times more."""
    data = saved(picture(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 1000 + data[-2:]


def jpeg_claim() -> bytes:
    """65,000 × 65,000 in the frame header of a small JPEG."""
    data = bytearray(good("JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    return bytes(data)


@cache
def gzip_bomb(size: int = 200 * MIB) -> bytes:
    """``size`` zeros, in a thousandth of it."""
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as file:
        for _block in range(size // MIB):
            file.write(b"\0" * MIB)
    return stream.getvalue()


# --- two things at once, or another thing -------------------------------------------------------


def jpeg_and_html() -> bytes:
    return good("JPEG") + b"<html><script>alert(1)</script></html>"


def jpeg_with_script_in_comment() -> bytes:
    data = good("JPEG")
    text = b"*/=alert(1)/*"
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]


def png_and_zip() -> bytes:
    return good("PNG") + b"PK\x05\x06" + b"\0" * 18


def gif_and_script() -> bytes:
    return b"GIF89a/*" + b"\0" * 40 + b"*/=1;alert(1)"


def gif_and_jpeg() -> bytes:
    """A GIF header before a JPEG: the first bytes count."""
    return b"GIF89a" + good("JPEG")


def svg() -> bytes:
    return (
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>'
    )


def html() -> bytes:
    return b"<!DOCTYPE html><html><title>Image removed</title></html>"


def mpo() -> bytes:
    """What phones write: a second, larger picture behind the first."""
    return saved(picture(), "MPO", save_all=True, append_images=[picture(192, 160)])


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


# --- answers ------------------------------------------------------------------------------------


def endless(block: bytes = b"\xff\xd8\xff" + b"\0" * 65_536) -> Iterator[bytes]:
    while True:
        yield block


def chunk_without_end() -> Iterator[bytes]:
    """A chunk of −1 bytes: http.client then reads until the connection ends."""
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    yield from endless()


def headers_without_end() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-Filler: " + b"a" * 1000 + b"\r\n"
