"""Color matching: the moments must really match, also for gray pictures."""

import numpy as np
import pytest

from generation.vision.color import ColorMoments, color_moments, match_color, pooled_moments
from generation.vision.errors import BadImage, BadParams
from generation.vision.tensors import Array


def colorful(seed: int, spread: float = 0.1) -> Array:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(3, 3)) * spread
    return np.asarray(rng.normal(size=(24, 30, 3)) @ mixing.T + rng.random(3))


def test_moments_equal_numpy() -> None:
    array = colorful(1)
    moments = color_moments(array)
    np.testing.assert_allclose(moments.mean, array.mean(axis=(0, 1)))
    expected = np.cov(array.reshape(-1, 3), rowvar=False, bias=True)
    np.testing.assert_allclose(moments.covariance, expected)


def test_mean_and_covariance_match_exactly() -> None:
    source, target = colorful(2), color_moments(colorful(3))
    got = color_moments(match_color(source, target))
    np.testing.assert_allclose(got.mean, target.mean, atol=1e-12)
    np.testing.assert_allclose(got.covariance, target.covariance, atol=1e-12)


def test_a_picture_matched_to_itself_is_itself() -> None:
    array = colorful(4)
    np.testing.assert_allclose(match_color(array, color_moments(array)), array, atol=1e-10)


def test_luminance_of_the_result_depends_on_luminance_alone() -> None:
    source, target = colorful(2), color_moments(colorful(3))
    luma = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    before, after = (a @ luma for a in (source, match_color(source, target)))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] == pytest.approx(1.0)


def test_gray_picture_takes_the_mean_and_the_luminance_variance() -> None:
    gray = np.repeat(np.random.default_rng(5).random((20, 20, 1)), 3, axis=2)
    target = color_moments(colorful(6))
    got = color_moments(match_color(gray, target))
    np.testing.assert_allclose(got.mean, target.mean, atol=1e-12)
    luma = np.array([0.299, 0.587, 0.114])
    variance = luma @ target.covariance @ luma
    assert luma @ got.covariance @ luma == pytest.approx(variance)
    # One line of colors: the regression of color on luminance, Σ l / (lᵀ Σ l) by hand.
    slope = target.covariance @ luma / variance
    np.testing.assert_allclose(got.covariance, variance * np.outer(slope, slope), atol=1e-10)


def test_gray_target_makes_a_gray_picture() -> None:
    target = color_moments(np.repeat(np.random.default_rng(7).random((20, 20, 1)), 3, axis=2))
    got = match_color(colorful(8), target)
    np.testing.assert_allclose(got[..., 0], got[..., 1], atol=1e-7)
    np.testing.assert_allclose(color_moments(got).covariance, target.covariance, atol=1e-10)


def test_flat_picture_becomes_the_mean_color() -> None:
    flat = np.full((5, 6, 3), 0.3)
    target = color_moments(colorful(9))
    np.testing.assert_allclose(match_color(flat, target), np.broadcast_to(target.mean, (5, 6, 3)))


def test_pooled_moments_are_those_of_all_pixels_together() -> None:
    one, two = colorful(10), colorful(11)
    got = pooled_moments([color_moments(one), color_moments(two)], [0.5, 0.5])
    expected = color_moments(np.concatenate([one, two]))
    np.testing.assert_allclose(got.mean, expected.mean)
    np.testing.assert_allclose(got.covariance, expected.covariance)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(BadImage, match=r"\(height, width, 3\), got \(4, 4\)"):
        color_moments(np.zeros((4, 4)))
    with pytest.raises(BadParams, match="one share a picture, got 0 for 1"):
        pooled_moments([ColorMoments(np.zeros(3), np.eye(3))], [])
