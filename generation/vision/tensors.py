"""Between Pillow images, numpy arrays and torch tensors.

One convention throughout: RGB, values in [0, 1]; arrays are (H, W, 3) float64, tensors are
(1, 3, H, W) float32. Arrays serve the parts before the optimization (spectra, covariances), where
double precision costs nothing.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from generation.vision.errors import BadImage

Array = npt.NDArray[np.float64]  # (H, W, 3) in [0, 1] unless a docstring says otherwise


def require_rgb(image: Image.Image) -> None:
    """Refuse what is not an RGB image with at least one pixel.

    Raises:
        BadImage: another mode (grayscale, palette, with transparency …) or no pixels.
    """
    if image.mode != "RGB":
        raise BadImage(
            f"Expected an RGB image, got mode {image.mode!r}. "
            f"Convert it first: image.convert('RGB')."
        )
    if not all(image.size):
        raise BadImage(f"Expected an image with pixels, got size {image.size}.")


def center_square(image: Image.Image, size: int) -> Image.Image:
    """The largest centered square of an RGB image, resampled (Lanczos) to size × size pixels.

    Raises:
        BadImage: the image is not RGB, or ``size`` is below 1.
    """
    require_rgb(image)
    if size < 1:
        raise BadImage(f"Expected a size of at least 1 pixel, got {size}.")
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    if (width, height) == (size, size):
        return image.copy()
    # Cut before resampling: resize(box=…) would let the filter look outside the square.
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.LANCZOS)


def to_array(image: Image.Image) -> Array:
    """An RGB image as float64 (H, W, 3) in [0, 1]. Raises `BadImage` if it is not RGB."""
    require_rgb(image)
    return np.asarray(image, dtype=np.float64) / 255.0


def to_tensor(image: Image.Image, device: torch.device | str = "cpu") -> Tensor:
    """An RGB image as float32 (1, 3, H, W) in [0, 1], channels_last in memory.

    Raises:
        BadImage: the image is not RGB.
    """
    return array_to_tensor(to_array(image), device)


def array_to_tensor(array: Array, device: torch.device | str = "cpu") -> Tensor:
    """An array (H, W, 3) as a float32 tensor (1, 3, H, W), values unchanged, channels_last.

    Raises:
        BadImage: another shape.
    """
    check_array(array)
    # (H, W, 3) → (1, 3, H, W); the permuted view of HWC memory already is channels_last.
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    return tensor.permute(2, 0, 1).unsqueeze(0).to(device)


def to_image(values: Tensor | Array) -> Image.Image:
    """A tensor (1, 3, H, W) or array (H, W, 3) as an RGB image.

    Values are clipped to [0, 1] and rounded to the nearest of 256 levels.

    Raises:
        BadImage: another shape, or a value that is not a finite number.
    """
    if isinstance(values, Tensor):
        if values.ndim != 4 or values.shape[:2] != (1, 3):
            raise BadImage(f"Expected a tensor (1, 3, H, W), got {tuple(values.shape)}.")
        array: Array = values.detach()[0].permute(1, 2, 0).cpu().to(torch.float64).numpy()
    else:
        array = values
    check_array(array)
    if not np.isfinite(array).all():
        raise BadImage("Expected finite pixel values, got NaN or infinity.")
    return Image.fromarray(np.rint(np.clip(array, 0.0, 1.0) * 255.0).astype(np.uint8), "RGB")


def check_array(array: npt.NDArray[Any]) -> None:
    """Refuse what is not (H, W, 3) with at least one pixel. Raises `BadImage`."""
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise BadImage(f"Expected an array (height, width, 3), got {array.shape}.")
