"""Pictures to numbers and back; expected values by hand."""

import numpy as np
import pytest
import torch
from PIL import Image

from generation.vision.errors import BadImage
from generation.vision.tensors import (
    array_to_tensor,
    center_square,
    to_array,
    to_image,
    to_tensor,
)


def test_tensor_has_channels_first_and_values_in_unit_range() -> None:
    image = Image.new("RGB", (3, 2))
    image.putpixel((2, 1), (255, 51, 0))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.dtype == torch.float32
    # 255/255, 51/255, 0 at row 1, column 2.
    assert tensor[0, :, 1, 2].tolist() == pytest.approx([1.0, 0.2, 0.0])
    assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_every_level_survives_the_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(np.dstack([levels, levels[::-1], levels.T]))
    assert to_image(to_tensor(image)).tobytes() == image.tobytes()
    assert to_image(to_array(image)).tobytes() == image.tobytes()


def test_values_outside_the_range_are_clipped() -> None:
    array = np.array([[[-0.5, 0.5, 1.5]]])
    # 0.5 · 255 = 127.5, rounded half to even: 128.
    assert to_image(array).getpixel((0, 0)) == (0, 128, 255)


def test_center_square_takes_the_middle_of_a_wide_picture() -> None:
    wide = Image.new("RGB", (300, 100), (255, 0, 0))
    wide.paste((0, 255, 0), (100, 0, 200, 100))
    square = center_square(wide, 50)
    assert square.size == (50, 50)
    assert square.getcolors() == [(2500, (0, 255, 0))]


def test_center_square_of_the_right_size_changes_nothing() -> None:
    image = Image.effect_noise((20, 20), 50).convert("RGB")
    assert center_square(image, 20).tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_modes_are_refused_with_the_remedy(mode: str) -> None:
    with pytest.raises(BadImage, match=rf"got mode '{mode}'.*convert\('RGB'\)"):
        to_tensor(Image.new(mode, (4, 4)))


def test_pictures_without_pixels_are_refused() -> None:
    with pytest.raises(BadImage, match="with pixels"):
        to_array(Image.new("RGB", (0, 4)))


def test_size_below_one_is_refused() -> None:
    with pytest.raises(BadImage, match="at least 1 pixel"):
        center_square(Image.new("RGB", (4, 4)), 0)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(BadImage, match=r"\(height, width, 3\)"):
        array_to_tensor(np.zeros((4, 4)))
    with pytest.raises(BadImage, match=r"\(1, 3, H, W\)"):
        to_image(torch.zeros(2, 3, 4, 4))


def test_nan_does_not_become_a_picture() -> None:
    with pytest.raises(BadImage, match="finite"):
        to_image(np.full((2, 2, 3), np.nan))
