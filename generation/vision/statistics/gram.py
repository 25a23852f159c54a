"""Second moments of channels: the Gram matrix."""

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
    Neural Style Transfer", CVPR 2017, eq. 3: activations times a guidance channel T with
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
        rows = rows * shares(weights).sqrt()[:, None]
        return _products(rows)
    return _products(rows) / (height * width)


def _products(rows: Tensor) -> Tensor:
    """Fᵀ F of each member: (N, M, C) → (N, C, C)."""
    return torch.stack([_Product.apply(one) for one in rows])  # type: ignore[no-untyped-call]


class _Product(torch.autograd.Function):
    """Fᵀ F with half the work of its gradient: F (D + Dᵀ) at once instead of F D and F Dᵀ.

    One member at a time: torch's batched product of a single long matrix is several times slower.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return rows.t() @ rows

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        return rows @ (gradients[0] + gradients[0].t())
