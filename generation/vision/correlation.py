"""Is a picture a copy of a photograph? High frequencies compared.

A restyled picture shall show the style *representation*. Were a photograph's own detail in it,
the study would measure that photograph. Detail is what is left after a Gaussian of 2 pixels is
taken off; a copy of it shows as correlation.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from generation.vision.color import LUMA
from generation.vision.errors import BadImage
from generation.vision.initial import high_pass
from generation.vision.tensors import to_array

SIGMA = 2.0


@dataclass(frozen=True)
class Correlation:
    """Pearson correlation of high-passed luminance, each in [−1, 1].

    Attributes:
        aligned: pixel on pixel. The stored figure: nothing in the engine moves a photograph, so a
            copy shows here, and chance gives about ± 1/√pixels.
        best_shift: the largest over all circular shifts. It also finds a copy that was moved, but
            is large for honest pictures of regular or finely grained materials too (a grille
            shifted by one mesh *is* a grille): a hint to look, not evidence.
        shift: (rows, columns) by which the photograph is moved to give ``best_shift``.
    """

    aligned: float
    best_shift: float
    shift: tuple[int, int]


def _detail(image: Image.Image) -> npt.NDArray[np.float64]:
    detail = high_pass(to_array(image) @ LUMA, SIGMA)
    detail -= detail.mean()
    return detail


def high_frequency_correlation(picture: Image.Image, photograph: Image.Image) -> Correlation:
    """Correlation of two RGB pictures' detail (luminance minus a Gaussian of σ = 2 pixels).

    All shifts at once by the correlation theorem: the inverse transform of
    FFT(a) · conj(FFT(b)), over ‖a‖ ‖b‖. A picture without detail correlates with nothing: 0.

    Raises:
        BadImage: not RGB, or not of one size.
    """
    if picture.size != photograph.size:
        raise BadImage(
            f"Expected two pictures of one size, got {picture.size} and {photograph.size}. "
            f"Cut the photograph to the picture's size first."
        )
    a, b = _detail(picture), _detail(photograph)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    # Rounding of a flat picture must not pass for detail.
    if norm < 1e-9 * a.size:
        return Correlation(0.0, 0.0, (0, 0))
    surface = np.fft.irfft2(np.fft.rfft2(a) * np.conj(np.fft.rfft2(b)), s=a.shape) / norm
    row, column = np.unravel_index(int(np.argmax(surface)), surface.shape)
    return Correlation(
        aligned=float((a * b).sum() / norm),
        best_shift=float(surface[row, column]),
        shift=(int(row), int(column)),
    )
