"""Random-phase textures and starts: same spectrum, no layout, seeded."""

import numpy as np
import pytest

from generation.vision.color import color_moments, match_color
from generation.vision.errors import BadImage, BadParams
from generation.vision.initial import (
    high_pass,
    initial_image,
    low_pass,
    periodic_component,
    random_phase,
    random_phase_mixture,
)
from generation.vision.tensors import Array


def grainy(seed: int, height: int = 48, width: int = 64) -> Array:
    """Correlated noise with color, values well inside [0, 1]."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    mixing = np.array([[1.0, 0.3, 0.1], [0.8, 0.5, 0.0], [0.4, 0.2, 0.3]])
    return np.asarray(0.5 + 0.15 * low_pass(noise, 1.0) @ mixing.T)


def spectrum(array: Array) -> Array:
    return np.abs(np.fft.fft2(array, axes=(0, 1)))


def correlation(a: Array, b: Array) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


# --- filters ------------------------------------------------------------------------------------


def test_low_pass_keeps_constants_and_spreads_a_point_as_a_gaussian() -> None:
    np.testing.assert_allclose(low_pass(np.full((9, 7, 3), 0.4), 2.0), 0.4)
    point = np.zeros((41, 41))
    point[20, 20] = 1.0
    got = low_pass(point, 2.0)
    assert got.sum() == pytest.approx(1.0)
    # exp(−d² / 2σ²): two pixels off the middle e^−½ in one axis, e^−1 in both.
    assert got[20, 22] / got[20, 20] == pytest.approx(np.exp(-0.5))
    assert got[22, 22] / got[20, 20] == pytest.approx(np.exp(-1.0))


def test_low_pass_and_high_pass_add_up() -> None:
    array = grainy(1)
    np.testing.assert_allclose(low_pass(array, 3.0) + high_pass(array, 3.0), array)


def test_low_pass_does_not_wrap_around() -> None:
    step = np.zeros((8, 64))
    step[:, 32:] = 1.0
    assert low_pass(step, 2.0)[:, 0] == pytest.approx(0.0, abs=1e-12)


def test_low_pass_refuses_no_width() -> None:
    for sigma in (0.0, -1.0, float("nan")):
        with pytest.raises(BadParams, match="sigma above 0"):
            low_pass(np.zeros((4, 4)), sigma)


# --- periodic component -------------------------------------------------------------------------


def test_periodic_component_of_a_ramp_loses_the_jump() -> None:
    ramp = np.repeat(np.linspace(0, 1, 64)[None, :, None], 48, axis=0).repeat(3, axis=2)
    got = periodic_component(ramp)
    assert got.mean() == pytest.approx(ramp.mean())
    before = np.abs(ramp[:, 0] - ramp[:, -1]).max()
    after = np.abs(got[:, 0] - got[:, -1]).max()
    assert before == pytest.approx(1.0)
    assert after < 0.05


def test_periodic_component_of_a_periodic_picture_is_the_picture() -> None:
    # Equal first and last row and column: no jump, nothing to take off.
    wave = np.sin(2 * np.pi * np.arange(33) / 32)
    array = 0.5 + 0.2 * np.repeat(np.add.outer(wave, wave)[:, :, None], 3, axis=2)
    np.testing.assert_allclose(periodic_component(array), array, atol=1e-12)


# --- random phases ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(48, 64), (47, 64), (33, 35)])
def test_same_spectrum_other_layout(shape: tuple[int, int]) -> None:
    array = grainy(2, *shape)
    got = random_phase(array, np.random.default_rng(3))
    np.testing.assert_allclose(spectrum(got), spectrum(periodic_component(array)), atol=1e-9)
    np.testing.assert_allclose(got.mean(axis=(0, 1)), array.mean(axis=(0, 1)))
    assert abs(correlation(high_pass(got, 2.0), high_pass(array, 2.0))) < 0.1


def test_plain_form_keeps_the_pictures_own_spectrum() -> None:
    array = grainy(2)
    got = random_phase(array, np.random.default_rng(3), periodic=False)
    np.testing.assert_allclose(spectrum(got), spectrum(array), atol=1e-9)


def test_color_covariance_stays() -> None:
    # Parseval: one phase field on all channels leaves every cross spectrum as it is.
    base = periodic_component(grainy(4))
    got = random_phase(base, np.random.default_rng(5), periodic=False)
    np.testing.assert_allclose(
        np.cov(got.reshape(-1, 3), rowvar=False), np.cov(base.reshape(-1, 3), rowvar=False)
    )


def test_seed_decides() -> None:
    array = grainy(6)
    one, same, other = (random_phase(array, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert abs(correlation(high_pass(one, 2.0), high_pass(other, 2.0))) < 0.1


def test_mixture_has_the_mean_power_spectrum_and_mean_color() -> None:
    arrays, shares = [grainy(7), grainy(8)], [0.25, 0.75]
    draws = [
        random_phase_mixture(arrays, shares, np.random.default_rng(seed)) for seed in range(60)
    ]
    mean = 0.25 * arrays[0].mean(axis=(0, 1)) + 0.75 * arrays[1].mean(axis=(0, 1))
    np.testing.assert_allclose(draws[0].mean(axis=(0, 1)), mean)
    power = np.mean([spectrum(draw - mean) ** 2 for draw in draws])
    expected = sum(
        share * np.mean(spectrum(periodic_component(a) - a.mean(axis=(0, 1))) ** 2)
        for a, share in zip(arrays, shares, strict=True)
    )
    # Cross terms of independent phases average out over 3,072 frequencies and 60 draws.
    assert power == pytest.approx(expected, rel=0.02)


def test_mixture_refuses_what_does_not_go_together() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(BadParams, match="one share a photograph"):
        random_phase_mixture([], [], rng)
    with pytest.raises(BadParams, match="of one size"):
        random_phase_mixture([grainy(1), grainy(1, 20, 20)], [0.5, 0.5], rng)


# --- starts -------------------------------------------------------------------------------------


def test_random_phase_start_is_coarse_content_and_fine_style() -> None:
    content, photograph = grainy(9), grainy(10)
    content[:, :32] -= 0.2
    got = initial_image("random-phase", content, [photograph], [1.0], sigma=2.0, seed=1)
    assert got.min() >= 0
    assert got.max() <= 1
    assert correlation(low_pass(got, 4.0), low_pass(content, 4.0)) > 0.7
    assert abs(correlation(high_pass(got, 1.0), high_pass(photograph, 1.0))) < 0.2
    np.testing.assert_allclose(got.mean(axis=(0, 1)), photograph.mean(axis=(0, 1)), atol=0.02)


def luminance_deviation(array: Array) -> float:
    return float((array @ np.array([0.299, 0.587, 0.114])).std())  # ITU-R BT.601


def smooth(seed: int) -> Array:
    """A picture of coarse shapes, which a low pass hardly changes."""
    noise = np.random.default_rng(seed).normal(size=(96, 96, 3))
    blurred = low_pass(noise, 10.0)
    return np.asarray(0.5 + 0.2 * blurred / blurred.std())


def test_content_and_grain_share_the_styles_variance() -> None:
    blobs = low_pass(grainy(13, 96, 96), 2.0) - 0.5
    photograph = np.asarray(0.5 + 0.15 * blobs / blobs.std())
    got = initial_image("random-phase", smooth(14), [photograph], [1.0], sigma=3.0, seed=1)
    # Added on top of each other the variances would give √2 at the most.
    assert luminance_deviation(got) == pytest.approx(luminance_deviation(photograph), rel=0.15)


def test_content_stays_visible_on_a_material_without_contrast() -> None:
    content = smooth(15)
    faint = 0.5 + 0.05 * (grainy(16, 96, 96) - 0.5)
    got = initial_image("random-phase", content, [faint], [1.0], sigma=3.0, seed=1)
    assert luminance_deviation(faint) < 0.01
    # The least contrast is 0.08; the low pass takes a little of it.
    assert 0.07 < luminance_deviation(got) < 0.085
    assert correlation(got.mean(axis=2), content @ np.array([0.299, 0.587, 0.114])) > 0.9


def test_half_of_the_contents_own_detail_stays() -> None:
    content, photograph = grainy(1, 64, 64), 0.5 + 4.0 * (grainy(2, 64, 64) - 0.5)
    # A texture without grain: what is fine in the start can only be the content's.
    start = initial_image(
        "texture",
        content,
        [photograph],
        [1.0],
        sigma=3.0,
        seed=0,
        texture=np.full((80, 80, 3), 0.5),
    )
    target = color_moments(photograph)
    matched = match_color(content, target)
    expected = low_pass(matched, 3.0) + 0.5 * high_pass(matched, 3.0)
    np.testing.assert_allclose(start, expected, atol=1e-9)


def test_in_a_region_the_contents_colors_are_those_in_there() -> None:
    content, photograph = grainy(1, 64, 64), grainy(2, 64, 64)
    content[:, 32:] += (0.4, -0.4, 0.3)  # what is outside must not count
    mask = np.zeros((64, 64))
    mask[:, :32] = 1.0
    flat = np.full((80, 80, 3), 0.5)
    start, plain = (
        initial_image(
            "texture", content, [photograph], [1.0], sigma=2.0, seed=0, texture=flat, mask=region
        )
        for region in (mask, None)
    )
    wanted = photograph.mean(axis=(0, 1))
    # Away from the edge, over which the low pass carries colors.
    away = np.abs(start[:, :24].mean(axis=(0, 1)) - wanted).max()
    assert away < 0.02 < 0.05 < np.abs(plain[:, :24].mean(axis=(0, 1)) - wanted).max()


def test_a_flat_photograph_gives_its_color() -> None:
    flat = np.full((96, 96, 3), (0.2, 0.4, 0.6))
    got = initial_image("random-phase", smooth(17), [flat], [1.0], sigma=3.0, seed=1)
    np.testing.assert_allclose(got, flat, atol=1e-9)


def test_starts_are_seeded() -> None:
    content, photograph = grainy(9), grainy(10)
    for start in ("random-phase", "noise"):
        one, same, other = (
            initial_image(start, content, [photograph], [1.0], sigma=2.0, seed=seed)
            for seed in (1, 1, 2)
        )
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)


def test_content_start_is_the_content() -> None:
    content = grainy(11)
    np.testing.assert_array_equal(
        initial_image("content", content, [], [], sigma=2.0, seed=0), content
    )


def test_bad_starts_are_refused() -> None:
    content = grainy(12)
    with pytest.raises(BadParams, match="There is no start 'paste'"):
        initial_image("paste", content, [content], [1.0], sigma=2.0, seed=0)
    with pytest.raises(BadParams, match="at least one style photograph"):
        initial_image("random-phase", content, [], [], sigma=2.0, seed=0)
    with pytest.raises(BadParams, match="content's size"):
        initial_image("random-phase", content, [grainy(1, 20, 20)], [1.0], sigma=2.0, seed=0)
    with pytest.raises(BadImage):
        initial_image("content", np.zeros((3, 3)), [], [], sigma=2.0, seed=0)
