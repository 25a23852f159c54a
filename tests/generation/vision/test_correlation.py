"""A copy of a photograph must show, an honest texture must not."""

import numpy as np
import pytest
from PIL import Image

from generation.vision.correlation import high_frequency_correlation
from generation.vision.errors import BadImage
from generation.vision.initial import high_pass, low_pass, random_phase
from generation.vision.tensors import Array, to_array, to_image


def grain(seed: int) -> Array:
    noise = np.random.default_rng(seed).normal(size=(96, 96, 1)).repeat(3, axis=2)
    return np.asarray(0.5 + 0.3 * low_pass(noise, 0.8))


@pytest.fixture
def photograph() -> Image.Image:
    return to_image(grain(1))


@pytest.fixture
def content() -> Array:
    ramp = np.add.outer(np.linspace(0, 0.5, 96), np.linspace(0, 0.3, 96))
    return np.asarray(ramp[:, :, None].repeat(3, axis=2))


def test_same_picture_is_one_and_its_negative_minus_one(photograph: Image.Image) -> None:
    got = high_frequency_correlation(photograph, photograph)
    assert (got.aligned, got.best_shift) == (pytest.approx(1.0), pytest.approx(1.0))
    assert got.shift == (0, 0)
    negative = to_image(1.0 - to_array(photograph))
    assert high_frequency_correlation(negative, photograph).aligned == pytest.approx(-1.0)


def test_aligned_equals_numpys_pearson(photograph: Image.Image) -> None:
    other = to_image(0.5 * grain(1) + 0.5 * grain(2))
    luma = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    a, b = (high_pass(to_array(i) @ luma, 2.0).ravel() for i in (other, photograph))
    expected = np.corrcoef(a, b)[0, 1]
    assert high_frequency_correlation(other, photograph).aligned == pytest.approx(expected)


def test_overlay_shows(photograph: Image.Image, content: Array) -> None:
    overlay = to_image(low_pass(content, 2.0) + high_pass(to_array(photograph), 2.0) * 0.7)
    assert high_frequency_correlation(overlay, photograph).aligned > 0.8


def test_moved_overlay_shows_over_all_shifts(photograph: Image.Image) -> None:
    moved = to_image(np.roll(to_array(photograph), (13, 40), axis=(0, 1)))
    got = high_frequency_correlation(moved, photograph)
    assert abs(got.aligned) < 0.3
    assert got.best_shift > 0.8
    assert got.shift == (13, 40)


def test_random_phase_does_not_show(photograph: Image.Image, content: Array) -> None:
    texture = random_phase(to_array(photograph), np.random.default_rng(3))
    picture = to_image(low_pass(content, 2.0) + high_pass(texture, 2.0))
    got = high_frequency_correlation(picture, photograph)
    assert abs(got.aligned) < 0.1
    assert got.best_shift < 0.3


def test_flat_picture_correlates_with_nothing(photograph: Image.Image) -> None:
    flat = Image.new("RGB", photograph.size, (90, 120, 30))
    got = high_frequency_correlation(flat, photograph)
    assert (got.aligned, got.best_shift) == (0.0, 0.0)


def test_other_sizes_are_refused(photograph: Image.Image) -> None:
    with pytest.raises(BadImage, match="of one size"):
        high_frequency_correlation(photograph, photograph.resize((20, 20)))
