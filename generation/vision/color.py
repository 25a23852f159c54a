"""Mean and covariance of colors, and how to give one picture another's.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer",
arXiv 1606.05897 (here: Gatys 2016b), linear color transfer: x ↦ A x + b of the pixels, A the product
of a square root of the target's covariance and the inverse of one of the source's. Any pair of
square roots gives the same moments. Theirs are the symmetric root or the Cholesky factor in RGB.
Departure: the Cholesky factor in a basis that begins with luminance. Then the new luminance is
an affine function of the old luminance alone, and light and shadow stay where they were; a
symmetric root mixes faint colors, blown up to full strength, into the luminance (an astronaut's
face vanished into the wall behind it).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generation.vision.errors import BadImage, BadParams
from generation.vision.tensors import Array, check_array

#: Standard deviation of a color direction, in [0, 1] units, below which it counts as flat: half of
#: one 8-bit level. To stretch less than that would only amplify rounding.
FLAT = 0.5 / 255.0


#: Luminance of RGB by ITU-R BT.601, as in Pillow's ``convert("L")``.
LUMA = np.array([0.299, 0.587, 0.114])

# Rows: luminance, red − green, blue − yellow. After the first any independent rows do.
_OPPONENT = np.array([LUMA, [1.0, -1.0, 0.0], [-0.5, -0.5, 1.0]])


@dataclass(frozen=True)
class ColorMoments:
    """Mean (3,) and covariance (3, 3) of RGB pixels in [0, 1], float64."""

    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]


def color_moments(array: Array) -> ColorMoments:
    """Moments of one picture (H, W, 3); the covariance divides by the number of pixels.

    Raises:
        BadImage: another shape.
    """
    check_array(array)
    pixels = array.reshape(-1, 3).astype(np.float64)  # (H · W, 3)
    mean = pixels.mean(axis=0)
    centered = pixels - mean
    return ColorMoments(mean, centered.T @ centered / len(pixels))


def pooled_moments(parts: Sequence[ColorMoments], shares: Sequence[float]) -> ColorMoments:
    """Moments of all pixels together, each picture counting by its share (shares sum to 1).

    Covariance within pictures plus that of their means, as in the mean of raw Grams.

    Raises:
        BadParams: no picture, or another number of shares.
    """
    if not parts or len(parts) != len(shares):
        raise BadParams(f"Expected one share a picture, got {len(shares)} for {len(parts)}.")
    mean = sum((s * p.mean for p, s in zip(parts, shares, strict=True)), np.zeros(3))
    second = np.zeros((3, 3))
    for part, share in zip(parts, shares, strict=True):
        away = part.mean - mean
        second += share * (part.covariance + np.outer(away, away))
    return ColorMoments(mean, second)


def pixels_in(array: Array, mask: Array) -> Array:
    """The pixels of a region in one column: (N, 1, 3), a picture as far as colors go.

    Args:
        array: (H, W, 3).
        mask: (H, W), at least 0; inside is what has at least half of its largest value.
    """
    inside: Array = array[mask >= 0.5 * mask.max()][:, None]
    return inside


def match_color(array: Array, target: ColorMoments, source: ColorMoments | None = None) -> Array:
    """The picture with the target's color mean and covariance.

    Exact whenever the picture has color in all directions. A direction in which it is flat (in a
    gray photograph all but luminance) cannot be stretched and stays flat: a gray photograph takes
    the target's mean and the variance of its luminance, and varies along one line of colors.

    Args:
        array: (H, W, 3) in [0, 1].
        target: moments to take on.
        source: moments that become the target's, those of a region of the picture; None: its own.

    Returns:
        (H, W, 3) float64; values may leave [0, 1] (clipping here would spoil the moments).

    Raises:
        BadImage: another shape.
    """
    if source is None:
        source = color_moments(array)
    from_rgb, to_rgb = _OPPONENT, np.linalg.inv(_OPPONENT)
    whiten = _whitening(from_rgb @ source.covariance @ from_rgb.T, FLAT)  # lower triangular
    wanted = from_rgb @ target.covariance @ from_rgb.T
    factor = wanted @ _whitening(wanted, 1e-9).T  # Cholesky: factor @ factor.T is wanted
    matrix = to_rgb @ factor @ whiten @ from_rgb
    matched: Array = (array - source.mean) @ matrix.T + target.mean
    return matched


def match_histogram(array: Array, target: Array) -> Array:
    """The picture with the target's distribution of colors, channel by channel.

    Classic histogram matching: the value of rank r takes the target's value of rank r. Where the
    linear map matches means and covariance only, this matches each channel's whole distribution, but
    not how channels go together. In luminance, red − green and blue − yellow, not in RGB: channels
    matched one by one in RGB make colors that neither picture has.

    Equal values stay equal: they take the mean of the target's values of their ranks. (To tell
    them apart by their place would draw the target's histogram over a gray photograph as a
    gradient from top to bottom.) A channel that is flat takes the target's mean.

    With as many pixels as the target the match is exact where all values differ, and the mean always
    is. With another number neither is: the target's values are then read at evenly spaced ranks from
    the lowest to the highest, so that few pixels give the extremes too much weight.

    Args:
        array: (H, W, 3) in [0, 1].
        target: (H', W', 3) in [0, 1]; of another size, its values are interpolated between ranks.

    Returns:
        (H, W, 3) float64; values may leave [0, 1].

    Raises:
        BadImage: another shape.
    """
    check_array(array)
    check_array(target)
    source = array.reshape(-1, 3) @ _OPPONENT.T  # (H · W, 3)
    wanted = np.sort(target.reshape(-1, 3) @ _OPPONENT.T, axis=0)  # (H' · W', 3)
    places = np.linspace(0.0, 1.0, len(wanted))
    ranks = np.linspace(0.0, 1.0, len(source))
    matched = np.empty_like(source)
    for channel in range(3):
        if source[:, channel].std() <= FLAT:
            matched[:, channel] = wanted[:, channel].mean()
            continue
        # Rounded: 0.6 − 0.4 and 0.4 − 0.2 are one level of red − green, but not one float.
        values = np.round(source[:, channel], 9)
        _levels, level, counts = np.unique(values, return_inverse=True, return_counts=True)
        quantiles = np.interp(ranks, places, wanted[:, channel])  # one a rank
        means = np.add.reduceat(quantiles, np.cumsum(counts) - counts) / counts
        matched[:, channel] = means[level]
    result: Array = (matched @ np.linalg.inv(_OPPONENT).T).reshape(array.shape)
    return result


def luminance(array: Array) -> Array:
    """Light and dark alone.

    Args:
        array: (H, W, 3) in [0, 1].

    Returns:
        (H, W, 3) float64, three equal channels.

    Raises:
        BadImage: another shape.
    """
    check_array(array)
    return np.repeat((array @ LUMA)[:, :, None], 3, axis=2)


def match_luminance(array: Array, target: Array) -> Array:
    """A gray picture with the mean and standard deviation of the target's luminance.

    The step before the luminance-only transfer of Gatys 2016b. A flat picture stays flat, at the target's mean.

    Args:
        array: (H, W, 3) in [0, 1].
        target: (H', W', 3) in [0, 1].

    Returns:
        (H, W, 3) float64, three equal channels; values may leave [0, 1].

    Raises:
        BadImage: another shape.
    """
    gray, wanted = luminance(array), luminance(target)
    spread = float(gray.std())
    scale = float(wanted.std()) / spread if spread > FLAT else 0.0
    result: Array = (gray - gray.mean()) * scale + wanted.mean()
    return result


def with_color_of(gray: Array, content: Array) -> Array:
    """The luminance of one picture with the colors of another (luminance-only transfer, Gatys 2016b).

    In YIQ terms: Y of the first, I and Q of the second; adding the difference of luminance to all
    three channels changes Y alone.

    Args:
        gray: (H, W, 3) in [0, 1]; of a colored one the luminance is taken.
        content: (H, W, 3) in [0, 1].

    Returns:
        (H, W, 3) float64; values may leave [0, 1].

    Raises:
        BadImage: another shape, or pictures of two sizes.
    """
    check_array(gray)
    check_array(content)
    if gray.shape != content.shape:
        raise BadImage(
            f"Expected two pictures of one size, got {gray.shape[:2]} and {content.shape[:2]}. "
            f"Cut them to one square size first."
        )
    result: Array = content + ((gray @ LUMA) - (content @ LUMA))[:, :, None]
    return result


def _whitening(covariance: npt.NDArray[np.float64], flat: float) -> npt.NDArray[np.float64]:
    """Lower triangular W with W Σ Wᵀ = 1: the inverse of the Cholesky factor.

    By Gram-Schmidt with Σ as inner product, so that a direction with a standard deviation of at
    most ``flat`` can be left out: its row is zero, and so is its place on the diagonal.
    """
    rows = np.zeros((3, 3))
    for index in range(3):
        row = np.eye(3)[index]
        for earlier in rows[:index]:
            row = row - (row @ covariance @ earlier) * earlier
        deviation = float(np.sqrt(max(row @ covariance @ row, 0.0)))
        if deviation > flat:
            rows[index] = row / deviation
    return rows
