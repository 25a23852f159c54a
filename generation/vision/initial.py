"""Where the optimization starts from.

``random-phase``
    x₀ = lowpass(C′) + ½ highpass(C′) + highpass(R): C′ is the content photograph with the style's
    color mean and covariance, R a texture with the style photographs' spectrum and random phases.
    It has the style's statistics from the first step on, and no photograph's layout. The content's
    part of the variance is bounded below (`LEAST_CONTENT`, `LEAST_CONTRAST`), so that it can be
    seen.
``texture``
    The same with R the texture that was synthesized once from the style representation (`texture`),
    cropped and mirrored by seed: real shapes, still no photograph.
``overlay``
    The same with R a style photograph itself: as fast, but the picture is then a copy of it. For
    comparison only.
``content``
    The content photograph (a published way; it keeps the photograph's own fur and grain).
``noise``
    Uniform white noise (Gatys et al. 2016).

Galerne, Gousseau and Morel, "Random Phase Textures: Theory and Synthesis", IEEE Transactions on
Image Processing 20(1), 2011; Moisan, "Periodic plus Smooth Image Decomposition", Journal of
Mathematical Imaging and Vision 39, 2011.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from generation.vision.color import (
    LUMA,
    ColorMoments,
    color_moments,
    match_color,
    pixels_in,
    pooled_moments,
)
from generation.vision.errors import BadParams
from generation.vision.tensors import Array, check_array

#: Share of the style's color variance that the coarse content always gets in the random-phase
#: start, however strong the grain is, so that it stays recognizable.
LEAST_CONTENT = 0.35

#: Standard deviation of luminance, in [0, 1] units, that the coarse content has at least: on a
#: material without contrast (brushed metal, felt) it would be next to invisible.
LEAST_CONTRAST = 0.08

#: Share of the content's own fine detail that stays beside the grain. With none the rim of an eye
#: comes back only slowly from the blur; with all of it a cat keeps its fur. What was tried:
#: docs/performance.md.
KEPT_DETAIL = 0.5


def low_pass(array: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    """Gaussian blur of (H, W) or (H, W, C) with standard deviation ``sigma`` in pixels.

    Edges are mirrored (the edge pixel repeated), so that no color bleeds in from the opposite
    side; the kernel is cut at 4 σ and sums to 1.

    Raises:
        BadParams: ``sigma`` is not above 0.
    """
    if not sigma > 0:
        raise BadParams(f"Expected a Gaussian sigma above 0 pixels, got {sigma}.")
    radius = max(1, int(np.ceil(4.0 * sigma)))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    out = array.astype(np.float64)
    for axis in (0, 1):
        width = [(0, 0)] * out.ndim
        width[axis] = (radius, radius)
        padded = np.pad(out, width, mode="symmetric")
        length = out.shape[axis]
        total = np.zeros_like(out)
        for tap, shift in zip(kernel, range(2 * radius + 1), strict=True):
            piece: Any = [slice(None)] * out.ndim
            piece[axis] = slice(shift, shift + length)
            total += tap * padded[tuple(piece)]
        out = total
    return out


def high_pass(array: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    """The array minus its `low_pass`."""
    return array - low_pass(array, sigma)


def periodic_component(array: Array) -> Array:
    """The part of a picture that wraps around without a seam (Moisan 2011, eq. 10 and 11).

    A photograph's left and right edges do not meet; to the Fourier transform that is a strong
    cross of horizontal and vertical lines, which random phases would smear over the texture. The
    smooth remainder, taken off here, carries the jump and almost nothing else.

    Args:
        array: (H, W, 3).

    Returns:
        (H, W, 3) float64 with the same mean.

    Raises:
        BadImage: another shape.
    """
    check_array(array)
    height, width = array.shape[:2]
    jump = np.zeros(array.shape, dtype=np.float64)
    rows = array[-1].astype(np.float64) - array[0]
    jump[0] += rows
    jump[-1] -= rows
    columns = array[:, -1].astype(np.float64) - array[:, 0]
    jump[:, 0] += columns
    jump[:, -1] -= columns
    # Solve Δ smooth = jump on the torus: divide by the Laplacian's eigenvalues.
    down = np.cos(2.0 * np.pi * np.arange(height) / height)
    across = np.cos(2.0 * np.pi * np.arange(width) / width)
    laplacian = 2.0 * down[:, None] + 2.0 * across[None, :] - 4.0
    laplacian[0, 0] = 1.0
    spectrum = np.fft.fft2(jump, axes=(0, 1)) / laplacian[:, :, None]
    spectrum[0, 0] = 0.0
    return array - np.fft.ifft2(spectrum, axes=(0, 1)).real


def random_phase(array: Array, rng: np.random.Generator, *, periodic: bool = True) -> Array:
    """A texture with the picture's Fourier magnitudes and random phases (Galerne et al. 2011).

    One random phase field is *added* to the phases of all three channels, so their differences,
    and with them the color covariance, stay (section III-B there). The field is that of white
    noise, which makes it uniform and Hermitian; the mean color stays.

    Args:
        array: (H, W, 3).
        rng: seeded generator; H · W normal numbers are drawn.
        periodic: take the `periodic_component` first.

    Returns:
        (H, W, 3) float64; values may leave [0, 1].

    Raises:
        BadImage: another shape.
    """
    check_array(array)
    base = periodic_component(array) if periodic else array
    phases = np.angle(np.fft.fft2(rng.standard_normal(array.shape[:2])))
    phases[0, 0] = 0.0  # keeps the mean
    spectrum = np.fft.fft2(base, axes=(0, 1)) * np.exp(1j * phases)[:, :, None]
    return np.fft.ifft2(spectrum, axes=(0, 1)).real


def random_phase_mixture(
    arrays: Sequence[Array], shares: Sequence[float], rng: np.random.Generator
) -> Array:
    """The random-phase texture of several photographs.

    Σ √share · (texture − its mean) + Σ share · mean, with independent phases: the sum has the
    photographs' mean power spectrum.

    Args:
        arrays: (H, W, 3) each, all of one size.
        shares: one each, summing to 1.
        rng: seeded generator.

    Raises:
        BadParams: no photograph, another number of shares, or different sizes.
    """
    if not arrays or len(arrays) != len(shares):
        raise BadParams(f"Expected one share a photograph, got {len(shares)} for {len(arrays)}.")
    if len({array.shape for array in arrays}) != 1:
        raise BadParams("Expected photographs of one size; cut them to one square size first.")
    total = np.zeros(arrays[0].shape, dtype=np.float64)
    for array, share in zip(arrays, shares, strict=True):
        mean = array.reshape(-1, 3).mean(axis=0)
        total += np.sqrt(share) * (random_phase(array, rng) - mean) + share * mean
    return total


def texture_crop(texture: Array, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A piece of a texture at a random place, mirrored left to right or not.

    Never turned upside down: light comes from above, and bumps would become dents.

    Args:
        texture: (H', W', 3).
        size: (H, W), at most as large.
        rng: seeded generator.

    Raises:
        BadParams: the texture is smaller.
    """
    check_array(texture)
    room = [have - want for have, want in zip(texture.shape[:2], size, strict=True)]
    if min(room) < 0:
        raise BadParams(
            f"Expected a texture of at least {tuple(size)} pixels, got {texture.shape[:2]}. "
            f"Synthesize a larger one."
        )
    top, left = (int(rng.integers(0, free + 1)) for free in room)
    piece = texture[top : top + size[0], left : left + size[1]]
    return piece[:, ::-1] if rng.random() < 0.5 else piece


def initial_image(
    start: str,
    content: Array,
    photographs: Sequence[Array],
    shares: Sequence[float],
    *,
    sigma: float,
    seed: int,
    texture: Array | None = None,
    mask: Array | None = None,
) -> Array:
    """The picture that the optimization starts from; see the module for the ways.

    Args:
        start: as in `recipe.STARTS`.
        content: (H, W, 3) in [0, 1].
        photographs: style photographs of the same size (not for ``content`` and ``noise``).
        shares: their weights, summing to 1.
        sigma: Gaussian in pixels that parts low (content) from high (texture).
        seed: of the phases, the crop or the noise.
        texture: (H', W', 3) at least as large as the content (only for ``texture``).
        mask: (H, W) in [0, 1], where the picture takes on the style: the colors of the content are
            those in there. None: everywhere.

    Returns:
        (H, W, 3) float64, clipped to [0, 1].

    Raises:
        BadParams: unknown start; no photographs or texture where they are needed; another size.
    """
    check_array(content)
    rng = np.random.default_rng(seed)
    if start == "content":
        return np.clip(content, 0.0, 1.0)
    if start == "noise":
        return rng.random(content.shape)
    if start not in ("random-phase", "texture", "overlay"):
        raise BadParams(f"There is no start {start!r}.")
    if not photographs:
        raise BadParams(f"The start {start!r} needs at least one style photograph, got none.")
    if photographs[0].shape != content.shape:
        raise BadParams(
            f"Expected photographs of the content's size {content.shape[:2]}, "
            f"got {photographs[0].shape[:2]}. Cut them to one square size first."
        )
    style = pooled_moments([color_moments(array) for array in photographs], shares)
    if start == "random-phase":
        detail = random_phase_mixture(photographs, shares, rng)
    elif start == "overlay":
        detail = photographs[int(np.argmax(shares))]
    elif texture is not None:
        detail = texture_crop(texture, content.shape[:2], rng)
    else:
        raise BadParams("The start 'texture' needs a synthesized texture, got none.")
    grain = high_pass(detail, sigma)
    # Coarse content with all of the style's contrast plus the grain on top would have more than
    # the style, and be clipped to black and white: the content takes what the grain leaves.
    total = float(np.trace(style.covariance))
    used = float(np.trace(color_moments(grain).covariance))
    left = max(1.0 - used / total, LEAST_CONTENT) if total > 0 else 0.0
    luminance = float(np.sqrt(LUMA @ style.covariance @ LUMA))
    if luminance > 1e-6:  # else there is no direction of color to stretch: one flat color
        left = max(left, (LEAST_CONTRAST / luminance) ** 2)
    target = ColorMoments(style.mean, left * style.covariance)
    inside = content if mask is None else pixels_in(content, mask)
    matched = match_color(content, target, color_moments(inside))
    coarse = low_pass(matched, sigma)
    return np.clip(coarse + KEPT_DETAIL * (matched - coarse) + grain, 0.0, 1.0)
