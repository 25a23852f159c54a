"""Statistics of activations against independent numpy code and cases worked out by hand."""

import numpy as np
import pytest
import torch

from generation.vision.errors import BadImage, BadParams
from generation.vision.statistics import STATISTICS, get_statistic
from generation.vision.statistics.gram import gram
from generation.vision.statistics.moments import channel_moments
from generation.vision.statistics.sliced import QUANTILES, directions, sliced_quantiles


def activations(seed: int, channels: int = 3, side: int = 8) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random((1, channels, side, side)))


@pytest.mark.parametrize("name", STATISTICS)
def test_weights_of_all_ones_equal_no_weights(name: str) -> None:
    features = activations(1)
    measure = get_statistic(name)
    torch.testing.assert_close(measure(features, torch.ones(8, 8).double()), measure(features))


@pytest.mark.parametrize("name", STATISTICS)
def test_a_region_is_measured_as_if_it_were_alone(name: str) -> None:
    # Left half against the same half as a picture of its own.
    features = activations(2)
    weights = torch.zeros(8, 8).double()
    weights[:, :4] = 1.0
    measure = get_statistic(name)
    torch.testing.assert_close(measure(features, weights), measure(features[:, :, :, :4]))


@pytest.mark.parametrize("name", STATISTICS)
def test_positions_do_not_matter(name: str) -> None:
    features = activations(3)
    order = torch.from_numpy(np.random.default_rng(4).permutation(64))
    mixed = features.flatten(2)[:, :, order].reshape(features.shape)
    measure = get_statistic(name)
    torch.testing.assert_close(measure(mixed), measure(features))


@pytest.mark.parametrize("name", STATISTICS)
def test_gradients_equal_finite_differences(name: str) -> None:
    measure = get_statistic(name)
    features = activations(5, side=4).requires_grad_()
    assert torch.autograd.gradcheck(measure, (features,), eps=1e-7, atol=1e-5)


def test_guided_gram_by_hand() -> None:
    # Two positions (1, 2) and (3, 4), weights 1 and 3, so shares 1/4 and 3/4:
    # G11 = 1/4·1 + 3/4·9 = 7, G12 = 1/4·2 + 3/4·12 = 9.5, G22 = 1/4·4 + 3/4·16 = 13.
    features = torch.tensor([[[[1.0, 3.0]], [[2.0, 4.0]]]])
    expected = torch.tensor([[[7.0, 9.5], [9.5, 13.0]]])
    torch.testing.assert_close(gram(features, torch.tensor([[1.0, 3.0]])), expected)


def test_moments_equal_numpy() -> None:
    features = activations(6)
    values = features[0].flatten(1).numpy()
    got = channel_moments(features)[0].numpy()
    np.testing.assert_allclose(got[0], values.mean(axis=1))
    np.testing.assert_allclose(got[1], np.sqrt(values.var(axis=1) + 1e-5))


def test_sliced_wasserstein_in_one_dimension_is_sorting() -> None:
    # One channel: the only directions are +1 and −1; 256 positions fill the 256 bins one by one.
    rng = np.random.default_rng(7)
    a, b = rng.random(QUANTILES), rng.random(QUANTILES)
    sign = directions(1).item()
    assert abs(sign) == 1.0
    qa, qb = (
        sliced_quantiles(torch.from_numpy(v).reshape(1, 1, 16, 16))[0, 0].numpy() for v in (a, b)
    )
    np.testing.assert_allclose(qa, np.sort(sign * a))
    # W₂² of two samples of one size: the mean squared difference of the sorted values.
    np.testing.assert_allclose(((qa - qb) ** 2).mean(), ((np.sort(a) - np.sort(b)) ** 2).mean())


def test_quantiles_of_a_finer_field_are_means_within_bins() -> None:
    values = np.arange(4 * QUANTILES, dtype=np.float64)
    np.random.default_rng(8).shuffle(values)
    got = sliced_quantiles(torch.from_numpy(values).reshape(1, 1, 32, 32))[0, 0].numpy()
    expected = np.sort(directions(1).item() * values).reshape(QUANTILES, 4).mean(axis=1)
    np.testing.assert_allclose(got, expected)


def test_directions_are_unit_vectors_and_always_the_same() -> None:
    first = directions(5).clone()
    directions.cache_clear()
    torch.testing.assert_close(directions(5), first)
    torch.testing.assert_close(first.norm(dim=1), torch.ones(5).double())


@pytest.mark.parametrize("name", STATISTICS)
def test_what_does_not_fit_is_refused(name: str) -> None:
    measure = get_statistic(name)
    with pytest.raises(BadImage, match=r"Expected activations \(N, C, H, W\)"):
        measure(torch.zeros(3, 4))
    with pytest.raises(BadImage, match="Expected weights of"):
        measure(activations(9), torch.ones(4, 4))
    with pytest.raises(BadImage, match="region is empty"):
        measure(activations(9), torch.zeros(8, 8).double())
    with pytest.raises(BadParams, match="Expected a statistic among gram"):
        get_statistic("mean")
