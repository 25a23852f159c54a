"""Weights of positions, for statistics of a region."""

from torch import Tensor

from generation.vision.errors import BadImage


def check(features: Tensor, weights: Tensor | None) -> None:
    """Refuse what is not (N, C, H, W) with weights (H, W) or None. Raises `BadImage`."""
    if features.ndim != 4:
        raise BadImage(f"Expected activations (N, C, H, W), got {tuple(features.shape)}.")
    if weights is not None and weights.shape != features.shape[2:]:
        raise BadImage(
            f"Expected weights of {tuple(features.shape[2:])} positions, "
            f"got {tuple(weights.shape)}. Scale the mask to the layer first."
        )


def shares(weights: Tensor) -> Tensor:
    """Weights (H, W) as a vector (H · W,) that sums to 1.

    Raises:
        BadImage: all are 0: the region is empty at this layer.
    """
    total = weights.sum()
    if not total > 0:
        raise BadImage("The region is empty: its mask has no position at this layer.")
    return weights.reshape(-1) / total
