"""Second moments of channels: the Gram matrix."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from generation.vision.statistics.positions import check, shares


def gram(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """Gram matrix of activations, divided by the number of positions.

    Gatys 2016, eq. 3: G_ij = Σ_k F_ik F_jk over positions k. Departure: divided by the number of
    positions M, so that pictures of different sizes can be averaged and compared; their eq. 4
    divides by M² later, which is the same (see `style.gatys_style_loss`).

    With weights it is the guided Gram matrix of Gatys et al., "Controlling Perceptual Factors in
    Neural Style Transfer", CVPR 2017: activations times a guidance channel T with
    Σ T_k² = 1; here the weights are T², scaled to sum to 1. Equal weights give the plain one.

    Args:
        features: (N, C, H, W), post-ReLU activations.
        weights: (H, W), at least 0 and not all 0.

    Returns:
        (N, C, C), symmetric, positive semidefinite, same dtype.

    Raises:
        BadImage: another number of dimensions, or weights of another size.
    """
    check(features, weights)
    count, channels, height, width = features.shape
    # (N, C, H, W) → (N, H · W, C): a view, no copy, when memory is channels_last.
    rows = features.permute(0, 2, 3, 1).reshape(count, height * width, channels)
    if weights is not None:
        return _product(rows * shares(weights).sqrt()[:, None])
    return _product(rows) / (height * width)


def _product(rows: Tensor) -> Tensor:
    """Fᵀ F of each member: (N, M, C) → (N, C, C)."""
    result: Tensor = _Product.apply(rows)
    return result


class _Product(torch.autograd.Function):
    """Fᵀ F, whose gradient is one product, F (D + Dᵀ), and not F D and F Dᵀ apart.

    One member at a time: torch's batched product of few long matrices is several times slower.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return _each(lambda n: rows[n].t() @ rows[n], len(rows))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        both = gradients[0] + gradients[0].transpose(1, 2)
        return _each(lambda n: rows[n] @ both[n], len(rows))


def _each(product: Callable[[int], Tensor], count: int) -> Tensor:
    if count == 1:
        return product(0)[None]  # without the copy of stack
    return torch.stack([product(n) for n in range(count)])
