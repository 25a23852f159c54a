"""Which photographs are no material at all: what is measured, and what is judged by it.

Pure numerics for workers: pixels in, numbers and reasons out. Knows no rows and no Django; rows are
in `generation.selecting`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Changes whenever a measure means something else: older ones are measured again.
FORMAT = 1

#: Longest side in pixels at which contrast, detail and color are measured, and text is looked for.
#: Larger photographs are shrunk by area, smaller ones stay: enlarging shows nothing new.
TONE_SIDE = 1024
TEXT_SIDE = 640

#: The low-pass of `detail`: a Gaussian whose σ is this share of the shorter side.
DETAIL_SIGMA = 0.02

#: Two colors count as one if no channel differs by more (of 255): grain and JPEG stay below.
SAME_COLOR = 10

HASH_BITS = 64


class BadMeasures(ValueError):
    """Stored measures are not what this version writes."""


# --- measures ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is known of one photograph.

    Attributes:
        width: in pixels, as stored.
        height: in pixels, as stored.
        elongation: longer over shorter side, at least 1.
        phash: perceptual hash of the whole picture, 64 bits as 16 hex digits (`perceptual_hash`).
        contrast: standard deviation of luminance, 0 … 0.5.
        detail: share of the luminance's variance that is finer than a Gaussian of 2 % of the shorter
            side, 0 … 1; 0 where there is no variance at all.
        plain: share of pixels that have the most frequent color, 0 … 1.
        text: share of the picture that is covered by lines of writing, 0 … 1 (`text_share`).
    """

    width: int
    height: int
    elongation: float
    phash: str
    contrast: float
    detail: float
    plain: float
    text: float

    def to_dict(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From `to_dict`; other keys are passed over.

        Raises:
            BadMeasures: another format, or something is missing.
        """
        if values.get("format") != FORMAT:
            raise BadMeasures(
                f"Expected measures of format {FORMAT}, got {values.get('format')!r}. "
                "Measure the photograph again."
            )
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in values]:
            raise BadMeasures(f"Measures lack {', '.join(missing)}. Measure the photograph again.")
        return cls(**{name: values[name] for name in names})


def measure(image: Image.Image) -> Measures:
    """All measures of an RGB photograph; the same pixels give the same numbers.

    Raises:
        ValueError: the image is not RGB.
    """
    if image.mode != "RGB":
        raise ValueError(f"Expected an RGB image, got {image.mode}.")
    width, height = image.size
    small = _shrunk(image, TONE_SIDE)
    luminance = np.asarray(small.convert("L"), dtype=np.float32) / np.float32(255)  # (h, w)
    return Measures(
        width=width,
        height=height,
        elongation=round(max(width, height) / min(width, height), 4),
        phash=perceptual_hash(image),
        contrast=round(float(luminance.std()), 5),
        detail=round(_detail(luminance), 5),
        plain=round(_plain(np.asarray(small)), 5),
        text=round(text_share(np.asarray(_shrunk(image, TEXT_SIDE).convert("L"))), 5),
    )


def perceptual_hash(image: Image.Image) -> str:
    """pHash of the whole picture: signs about the median of the 8 × 8 lowest cosine frequencies.

    Of the whole, not of a central square: a photograph and its own crop are two photographs of the
    material, but the same file in two sizes or qualities is one. After Zauner, "Implementation and
    benchmarking of perceptual image hash functions" (2010), section 3.2.1, as in imagehash: scaled to
    32 × 32, DCT-II, 64 bits.
    """
    return str(imagehash.phash(image, hash_size=8))


def _shrunk(image: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def _detail(luminance: NDArray[np.float32]) -> float:
    """Share of the variance that a Gaussian low-pass takes away.

    Seen away from the edges, where the low-pass has nothing to look at on one side.
    """
    total = float(luminance.var())
    if total < 1e-8:
        return 0.0
    sigma = max(1.0, DETAIL_SIGMA * min(luminance.shape))
    coarse = cv2.GaussianBlur(luminance, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    edge = min(round(3 * sigma), min(luminance.shape) // 4)
    inside = (slice(edge, -edge or None),) * 2
    return min(1.0, float((luminance - coarse)[inside].var()) / total)


def _plain(rgb: NDArray[np.uint8]) -> float:
    """Share of pixels near the most frequent color.

    The most frequent of 16³ cells, then all pixels within `SAME_COLOR` of that cell's mean: a color at
    the border of two cells is counted whole.
    """
    pixels = rgb.reshape(-1, 3)
    cells = (pixels >> 4).astype(np.int32) @ np.array([256, 16, 1], dtype=np.int32)
    counts = np.bincount(cells, minlength=4096)
    center = pixels[cells == counts.argmax()].mean(axis=0)
    near = np.abs(pixels - center.astype(np.float32)).max(axis=1) <= SAME_COLOR
    return float(near.mean())


# --- text -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextRules:
    """When strokes are a line of writing. Lengths are relative to the height of the letters.

    Found by trying: on rendered pages in Latin and Japanese, on photographs written over, and against
    the packaged textures and photographs (tests/generation/test_selection.py says the rates).

    Attributes:
        sizes: heights of letters that are looked for, in pixels: each class goes up to 2.2 times that.
        stroke: widest stroke, in pixels, that is told from its background.
        contrast: least difference of a stroke from its background, of 255.
        gap: what is closed between letters of a line.
        parts: letters, or parts of letters, that a line has at least.
        length: a line is at least so many times as long as high.
        ragged: how far tops, or bottoms, may lie about the line: a standard deviation. The other
            ones may lie twice as far.
        uniform: largest coefficient of variation of the strokes' widths in a line.
        varied: least coefficient of variation of the letters' widths: a grill or a weave repeats one
            shape, writing does not.
        two_tones: least share of a line's variance of brightness that is between ink and paper
            (`two_tones`).
    """

    sizes: tuple[int, ...] = (6, 10, 17, 28, 48)
    stroke: int = 25
    contrast: int = 40
    gap: float = 1.5
    parts: int = 5
    length: float = 2.5
    ragged: float = 0.25
    uniform: float = 0.55
    varied: float = 0.25
    two_tones: float = 0.78


TEXT = TextRules()


def text_share(gray: NDArray[np.uint8], rules: TextRules = TEXT) -> float:
    """Share of the picture that lies in lines of writing.

    Strokes are what a morphological top-hat or black-hat leaves: light on dark and dark on light, so
    also on a photograph. Connected strokes of about one height are smeared along the line (run-length
    smoothing: Wong, Casey and Wahl, "Document analysis system", 1982); the result is writing if it is
    long, and has several parts that stand on one line, differ, have strokes of one width, and are of
    two tones. Done along rows and along columns, for Japanese is written both ways. It does not read:
    no dictionary, no network. Letters below 6 or above 105 pixels, slanted lines and single words are
    not found.

    Args:
        gray: (h, w) luminance, 8 bits.
    """
    covered = np.zeros(gray.shape, dtype=np.uint8)
    for light in (False, True):
        for upright in (False, True):
            strokes = _Strokes(np.ascontiguousarray(gray.T) if upright else gray, light, rules)
            target = covered.T if upright else covered
            for size in rules.sizes:
                for box in strokes.lines(size):
                    target[box] = 1
    return float(covered.mean())


class _Strokes:
    """Thin things in a picture, and the lines of writing among them.

    Args:
        gray: (h, w) luminance, 8 bits; lines are looked for along its rows.
        light: strokes that are lighter than their background, else darker.
    """

    def __init__(self, gray: NDArray[np.uint8], light: bool, rules: TextRules) -> None:
        kernel = _rectangle(rules.stroke, rules.stroke)
        hat = cv2.morphologyEx(gray, cv2.MORPH_TOPHAT if light else cv2.MORPH_BLACKHAT, kernel)
        # Otsu's threshold, as long as it does not find grain.
        threshold, _binary = cv2.threshold(hat, 0, 255, cv2.THRESH_OTSU)
        strokes = (hat > max(threshold, rules.contrast)).astype(np.uint8)
        _n, self.labels, self.stats, _c = cv2.connectedComponentsWithStats(strokes, connectivity=8)
        self.gray, self.rules = gray, rules

    def lines(self, size: int) -> list[tuple[slice, slice]]:
        """Boxes (rows, columns) of lines of letters of that size."""
        letters = self._letters(size)
        if letters.sum() < self.rules.parts:
            return []
        kept = letters[self.labels].astype(np.uint8)  # (h, w)
        # Smeared along the line, and a little across it: a letter may have parts above each other.
        along, across = _rectangle(self.rules.gap * size, 1), _rectangle(1, 0.3 * size)
        smeared = cv2.morphologyEx(kept, cv2.MORPH_CLOSE, along)
        smeared = cv2.morphologyEx(smeared, cv2.MORPH_CLOSE, across)
        _n, lines, found, _c = cv2.connectedComponentsWithStats(smeared, connectivity=8)
        parts = self.stats[letters]
        line_of = self._line_of(np.flatnonzero(letters), lines)
        distance = cv2.distanceTransform(kept, cv2.DIST_L2, 3)
        ridge = (kept > 0) & (distance >= cv2.dilate(distance, _rectangle(3, 3)))
        boxes = []
        for number, (left, top, width, height, _area) in enumerate(found.tolist()):
            box = (slice(top, top + height), slice(left, left + width))
            own = parts[line_of == number]
            if (
                number > 0
                and 0.8 * size <= height <= 3.2 * size
                and width >= self.rules.length * height
                # Not only at its ends.
                and len(own) >= max(self.rules.parts, width / (3.5 * height))
                and self._stands(own)
                and self._is_uniform(distance[box][ridge[box] & (lines[box] == number)])
                and two_tones(self.gray[box]) >= self.rules.two_tones
            ):
                boxes.append(box)
        return boxes

    def _letters(self, size: int) -> NDArray[np.bool_]:
        """Which components may be letters of this height, or parts of such."""
        width, height, area = self.stats[
            :, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA]
        ].T
        fill = area / (width * height)
        fit = (
            (height >= size)
            & (height <= 2.2 * size)
            & (width <= 4 * size)
            & (width >= 0.1 * size)
            & (area >= 8)
            & (fill >= 0.12)
            # A bar is a letter only upright: i, l, 1.
            & ((fill <= 0.95) | (width < 0.4 * height))
        )
        fit[0] = False  # the background
        return np.asarray(fit)

    def _line_of(self, parts: NDArray[np.intp], lines: NDArray[Any]) -> NDArray[np.int32]:
        """The line of each component: that of its first pixel."""
        numbers = []
        for part in parts:
            left, top, width = self.stats[part, :3]
            row = slice(left, left + width)
            numbers.append(lines[top, row][self.labels[top, row] == part][0])
        return np.array(numbers, dtype=np.int32)

    def _stands(self, parts: NDArray[np.int32]) -> bool:
        """Whether the parts stand on one line, and are not all alike."""
        tops, widths, heights = parts[:, 1], parts[:, 2], parts[:, 3]
        height = float(np.median(heights))
        ragged = sorted((float(np.std(tops)) / height, float(np.std(tops + heights)) / height))
        varied = float(np.std(widths)) / float(np.median(widths))
        most = self.rules.ragged
        return ragged[0] <= most and ragged[1] <= 2 * most and varied >= self.rules.varied

    def _is_uniform(self, half_widths: NDArray[np.float32]) -> bool:
        """Whether strokes have one width, by what lies on their middle lines."""
        if half_widths.size == 0:
            return False
        return float(half_widths.std() / half_widths.mean()) <= self.rules.uniform


def _rectangle(width: float, height: float) -> NDArray[np.uint8]:
    """Of the nearest odd lengths: an even one would shift by a pixel what it closes."""
    odd = [max(1, 2 * round((length - 1) / 2) + 1) for length in (width, height)]
    return np.ones((odd[1], odd[0]), dtype=np.uint8)


def two_tones(gray: NDArray[np.uint8]) -> float:
    """How well two tones describe the brightness: Otsu's η, between 0 and 1.

    The largest share of the variance that lies between the two sides of a threshold: Otsu, "A threshold
    selection method from gray-level histograms" (1979), equation 15. 1 for two tones only, 2/π for a
    Gaussian, 3/4 for a uniform distribution. 0 where there is no variance.
    """
    histogram = np.bincount(gray.ravel(), minlength=256).astype(np.float64)
    share = histogram / histogram.sum()
    levels = np.arange(256)
    mean = float(share @ levels)
    variance = float(share @ (levels - mean) ** 2)
    if variance == 0:
        return 0.0
    below = np.cumsum(share)
    moment = np.cumsum(share * levels)
    weight = below * (1 - below)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.where(weight > 1e-12, (mean * below - moment) ** 2 / weight, 0.0)
    return min(1.0, float(between.max()) / variance)


# --- judgement --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When a photograph is left out. Each default leaves out what is surely no material.

    A photograph that is wrongly left out costs little (image search has more), one that is wrongly
    kept goes into a style; but a rule must not prefer one kind of material to another, so all are
    set far from what the packaged textures have (tests/generation/test_selection.py measures it).

    Attributes:
        min_side: least length of the shorter side in pixels. Photographs are seen at 224 and 256
            pixels; below half of that, what is seen is the enlarging.
        max_elongation: most of longer over shorter side. Only the central square is seen; at 3 that
            is a third of the picture. Banners and strips, mostly.
        max_plain: most of the picture that may have one color. Objects on white have up to about 0.9;
            beyond 0.97 there is nothing but a color, or a small sign on it. The packaged textures have
            at most 0.68.
        min_contrast: least standard deviation of luminance (of 1): 0.015 is 4 of 255, little more than
            JPEG and sensor noise. The plainest of the packaged textures has 0.027.
        min_detail: least standard deviation of what is finer than 2 % of the shorter side (of 1):
            `contrast` × √`detail`. 0.002 is half a step of 255: smooth shades without any surface.
            The packaged textures have 0.018 and more.
        max_text: most of the picture that lines of writing may cover. Pages, whose lines lie apart,
            begin at 0.07; a caption covers 0.03 or so.
        distance: bits of 64 by which the hashes of near-duplicates differ at most. Of the packaged
            textures and photographs in half the size, half as large again, or as JPEG of quality 30 to
            60, 99 % stay within 8; other places of one texture begin at 16, and two unrelated hashes
            are within 8 by a chance of 3 · 10⁻¹⁰.
        format: of these rules.
    """

    min_side: int = 128
    max_elongation: float = 3.0
    max_plain: float = 0.97
    min_contrast: float = 0.015
    min_detail: float = 0.002
    max_text: float = 0.06
    distance: int = 8
    format: int = 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


RULES = Rules()


@dataclass(frozen=True)
class Verdict:
    """Why a photograph is left out: a code, what was measured, and what is allowed.

    Codes: too-small, too-elongated, blank, low-variance, text-heavy.
    """

    code: str
    value: float
    limit: float


def judge(measures: Measures, rules: Rules = RULES) -> Verdict | None:
    """The first reason to leave the photograph out, or None."""
    shorter = min(measures.width, measures.height)
    fine = measures.contrast * math.sqrt(measures.detail)
    found = (
        (shorter < rules.min_side, "too-small", shorter, rules.min_side),
        (
            measures.elongation > rules.max_elongation,
            "too-elongated",
            measures.elongation,
            rules.max_elongation,
        ),
        (measures.plain > rules.max_plain, "blank", measures.plain, rules.max_plain),
        (
            measures.contrast < rules.min_contrast,
            "low-variance",
            measures.contrast,
            rules.min_contrast,
        ),
        (fine < rules.min_detail, "low-variance", fine, rules.min_detail),
        (measures.text > rules.max_text, "text-heavy", measures.text, rules.max_text),
    )
    return next((Verdict(code, value, limit) for bad, code, value, limit in found if bad), None)


# --- near-duplicates --------------------------------------------------------------------------


def near_duplicates(hashes: Sequence[str], distance: int = RULES.distance) -> list[list[int]]:
    """Groups of pictures that are the same one: indices into ``hashes``.

    Two belong together if their hashes differ in at most ``distance`` bits, and so do all that are
    connected by such pairs. All pairs are compared, a block of rows at a time.

    Args:
        hashes: 16 hex digits each.

    Returns:
        The groups of two or more, each in ascending order, in the order of their first members.

    Raises:
        ValueError: a hash has another form, or the distance is not within 0 … 64.
    """
    if not 0 <= distance <= HASH_BITS:
        raise ValueError(f"Expected a distance of 0 to {HASH_BITS} bits, got {distance}.")
    bits = np.array([_bits(text) for text in hashes], dtype=np.uint64)  # (n,)
    parent = list(range(len(bits)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for start, other in _close_pairs(bits, distance):
        first, second = sorted((root(start), root(other)))
        parent[second] = first
    groups: dict[int, list[int]] = {}
    for index in range(len(bits)):
        groups.setdefault(root(index), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _bits(text: str) -> int:
    if len(text) * 4 != HASH_BITS:
        raise ValueError(f"Expected a hash of {HASH_BITS // 4} hex digits, got {text!r}.")
    return int(text, 16)


def _close_pairs(
    bits: NDArray[np.uint64], distance: int, block: int = 512
) -> Iterable[tuple[int, int]]:
    """All pairs i < j whose hashes differ in at most ``distance`` bits."""
    for start in range(0, len(bits), block):
        rows = bits[start : start + block]
        apart = np.bitwise_count(rows[:, None] ^ bits[None, start:])  # (block, n - start)
        for i, j in np.argwhere(apart <= distance):
            if i < j:
                yield start + int(i), start + int(j)
