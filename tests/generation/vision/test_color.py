"""Color matching: the moments must really match, also for gray pictures."""

import numpy as np
import pytest

from generation.vision.color import (
    ColorMoments,
    color_moments,
    luminance,
    match_color,
    match_histogram,
    match_luminance,
    pooled_moments,
    with_color_of,
)
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


# --- histogram matching -------------------------------------------------------------------------


def opponent(array: Array) -> Array:
    """Luminance (ITU-R BT.601), red − green, blue − yellow, one column each; written out."""
    red, green, blue = (array[..., n].ravel() for n in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, red - green, blue - (red + green) / 2], axis=1)


def test_histogram_of_equal_size_is_the_targets_and_the_order_stays() -> None:
    source, target = colorful(12), colorful(13).reshape(30, 24, 3)
    before, after = opponent(source), opponent(match_histogram(source, target))
    np.testing.assert_allclose(
        np.sort(after, axis=0), np.sort(opponent(target), axis=0), atol=1e-12
    )
    # All values differ here, so ranks are unique.
    np.testing.assert_array_equal(np.argsort(before, axis=0), np.argsort(after, axis=0))


def test_histogram_of_another_size_has_the_targets_quantiles() -> None:
    source = colorful(14)  # 720 pixels
    target = colorful(15)[:11, :17]
    after = opponent(match_histogram(source, target))
    # The value of rank r among n takes the target's quantile r / (n − 1); numpy's own definition.
    expected = np.quantile(opponent(target), np.linspace(0, 1, 720), axis=0)
    np.testing.assert_allclose(np.sort(after, axis=0), expected, atol=1e-12)


def test_histogram_matched_to_itself_is_itself() -> None:
    rng = np.random.default_rng(16)
    photograph = rng.integers(0, 256, (20, 20, 3)) / 255.0  # many equal levels
    np.testing.assert_allclose(match_histogram(photograph, photograph), photograph, atol=1e-9)


def test_equal_levels_stay_equal() -> None:
    """By hand: levels 0, 0, 1, 1 and a target of 0.1, 0.3, 0.5, 0.9 give 0.2, 0.2, 0.7, 0.7."""
    source = np.array([0.0, 1.0, 0.0, 1.0])[None, :, None] * np.ones(3)
    target = np.array([0.9, 0.1, 0.5, 0.3])[None, :, None] * np.ones(3)
    expected = np.array([0.2, 0.7, 0.2, 0.7])[None, :, None] * np.ones(3)
    np.testing.assert_allclose(match_histogram(source, target), expected, atol=1e-12)


def test_the_mean_is_exact_with_as_many_pixels_and_not_with_fewer() -> None:
    """By hand: two pixels read a target of 0, 0.1, 0.2, 0.9 (mean 0.3) at its ends: 0 and 0.9."""
    levels = np.random.default_rng(28).integers(0, 9, (12, 10, 1)) / 8.0  # most are equal
    target = colorful(29)[:12, :10]
    matched = match_histogram(np.repeat(levels, 3, axis=2), target)
    np.testing.assert_allclose(matched.mean(axis=(0, 1)), target.mean(axis=(0, 1)), atol=1e-12)
    few = np.array([0.2, 0.4])[None, :, None] * np.ones(3)
    target = np.array([0.9, 0.1, 0.0, 0.2])[None, :, None] * np.ones(3)
    expected = np.array([0.0, 0.9])[None, :, None] * np.ones(3)
    np.testing.assert_allclose(match_histogram(few, target), expected, atol=1e-12)


def test_equal_levels_are_equal_however_they_are_rounded() -> None:
    """8-bit pixels whose red − green is 0 or 51 levels: as floats 1.0 − 0.8 is not 0.6 − 0.4."""
    green = np.arange(200)
    red = green + 51 * (green % 2)
    source = np.stack([red, green, green], axis=1)[None] / 255.0
    assert len(np.unique(opponent(source)[:, 1])) > 2
    got = np.sort(opponent(match_histogram(source, colorful(27)))[:, 1])
    assert np.ptp(got[:100]) < 1e-9
    assert np.ptp(got[100:]) < 1e-9
    assert got[100] - got[99] > 0.01


def test_gray_photograph_gets_no_gradient_of_colors() -> None:
    levels = np.random.default_rng(17).integers(0, 256, (20, 20, 1))
    gray = np.repeat(levels / 255.0, 3, axis=2)
    target = colorful(18)
    got = opponent(match_histogram(gray, target))
    np.testing.assert_allclose(got.mean(axis=0), opponent(target).mean(axis=0), atol=1e-2)
    np.testing.assert_allclose(got[:, 1:].std(axis=0), 0.0, atol=1e-12)


def test_flat_picture_stays_flat_under_histogram_matching() -> None:
    flat = np.full((9, 7, 3), (0.2, 0.4, 0.6))
    target = colorful(19)
    got = match_histogram(flat, target)
    np.testing.assert_allclose(got, np.broadcast_to(target.mean(axis=(0, 1)), got.shape))


# --- luminance ----------------------------------------------------------------------------------

# RGB → YIQ as NTSC has it (Python's colorsys rounds the same numbers to two digits).
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def test_luminance_is_y_in_three_equal_channels() -> None:
    array = colorful(20)
    got = luminance(array)
    for channel in range(3):
        np.testing.assert_allclose(got[..., channel], array @ YIQ[0])


def test_luminance_takes_mean_and_deviation_of_the_target() -> None:
    array, target = colorful(21), colorful(22)[:9]
    got, wanted = match_luminance(array, target), target @ YIQ[0]
    assert got.shape == array.shape
    assert np.ptp(got, axis=2).max() == 0
    assert got.mean() == pytest.approx(wanted.mean())
    assert got.std() == pytest.approx(wanted.std())
    assert np.corrcoef(got[..., 0].ravel(), (array @ YIQ[0]).ravel())[0, 1] == pytest.approx(1.0)


def test_flat_picture_stays_flat_at_the_targets_luminance() -> None:
    target = colorful(23)
    # Less than half an 8-bit level: rounding, which would only be amplified.
    flat = 0.3 + 1e-4 * np.random.default_rng(24).random((8, 8, 3))
    np.testing.assert_allclose(match_luminance(flat, target), (target @ YIQ[0]).mean())


def test_only_y_changes_where_the_color_is_the_contents() -> None:
    restyled, content = colorful(25), colorful(26)
    got = with_color_of(restyled, content) @ YIQ.T
    np.testing.assert_allclose(got[..., 0], restyled @ YIQ[0], atol=1e-12)
    np.testing.assert_allclose(got[..., 1:], (content @ YIQ.T)[..., 1:], atol=1e-12)


def test_bad_pictures_are_refused() -> None:
    good, bad = np.zeros((4, 4, 3)), np.zeros((4, 4))
    for function in (match_histogram, match_luminance, with_color_of):
        for pair in ((good, bad), (bad, good)):
            with pytest.raises(BadImage, match=r"\(height, width, 3\), got \(4, 4\)"):
                function(*pair)
    with pytest.raises(BadImage, match=r"one size, got \(4, 4\) and \(1, 1\)"):
        with_color_of(good, np.zeros((1, 1, 3)))
