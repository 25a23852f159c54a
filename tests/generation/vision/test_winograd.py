"""Winograd's filtering against torch's own convolution, in double precision and in float32."""

import pytest
import torch
from torch.nn import functional

from generation.vision import winograd
from generation.vision.encoder import VGG16_HED, untrained_encoder

# Sizes that are and are not whole tiles; one row of tiles, one image a block, several.
SHAPES = [(1, 4, 4), (1, 5, 7), (2, 9, 3), (3, 16, 16), (1, 70, 66), (5, 33, 20)]


def pair(count: int, height: int, width: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(height * width)
    x = torch.randn(count, 6, height, width, generator=generator, dtype=dtype)
    weight = torch.randn(5, 6, 3, 3, generator=generator, dtype=dtype)
    return x.contiguous(memory_format=torch.channels_last), weight


@pytest.mark.parametrize(("count", "height", "width"), SHAPES)
def test_it_is_the_convolution(count: int, height: int, width: int) -> None:
    x, weight = pair(count, height, width, torch.float64)
    got = winograd.convolve(x, winograd.Kernels(weight))
    torch.testing.assert_close(got, functional.conv2d(x, weight, padding=1))
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("count", "height", "width"), SHAPES)
def test_so_is_its_gradient(count: int, height: int, width: int) -> None:
    x, weight = pair(count, height, width, torch.float64)
    x.requires_grad_()
    ours = winograd.convolve(x, winograd.Kernels(weight))
    towards = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1)).double()
    (got,) = torch.autograd.grad(ours, x, towards)
    (expected,) = torch.autograd.grad(functional.conv2d(x, weight, padding=1), x, towards)
    torch.testing.assert_close(got, expected)


def test_rounding_in_float32_is_that_of_a_network() -> None:
    x, weight = pair(1, 32, 32, torch.float64)
    exact = functional.conv2d(x, weight, padding=1)
    got = winograd.convolve(x.float(), winograd.Kernels(weight.float())).double()
    assert float((got - exact).norm() / exact.norm()) < 1e-5


def test_memory_in_another_order_gives_the_same() -> None:
    x, weight = pair(1, 16, 16, torch.float64)
    kernels = winograd.Kernels(weight)
    assert torch.equal(
        winograd.convolve(x.contiguous(), kernels), winograd.convolve(x.clone(), kernels)
    )


def test_it_is_used_for_wide_layers_of_large_pictures_in_float32_on_a_cpu() -> None:
    wide, narrow = torch.zeros(128, 128, 3, 3), torch.zeros(128, 64, 3, 3)
    picture = torch.zeros(1, 128, 16, 16)
    assert winograd.pays(wide, picture)
    assert not winograd.pays(narrow, torch.zeros(1, 64, 16, 16))
    assert not winograd.pays(wide, torch.zeros(1, 128, 8, 8))
    assert not winograd.pays(wide, picture.double())
    assert not winograd.pays(wide, picture.to("meta"))


def test_an_encoder_gives_what_it_gives_by_direct_convolutions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = untrained_encoder(VGG16_HED, seed=3)
    layers = VGG16_HED.style_layers
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(1, 3, 64, 64, generator=generator)

    def features_and_gradient() -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        pixels = x.clone().requires_grad_()
        found = encoder(pixels, layers)
        sum(values.square().mean() for values in found.values()).backward()
        assert pixels.grad is not None
        return {layer: values.detach() for layer, values in found.items()}, pixels.grad

    ours, gradient = features_and_gradient()
    monkeypatch.setattr(winograd, "pays", lambda weight, x: False)
    direct, expected = features_and_gradient()
    for layer in layers:
        assert float((ours[layer] - direct[layer]).norm() / direct[layer].norm()) < 1e-5, layer
    assert float((gradient - expected).norm() / expected.norm()) < 1e-3
