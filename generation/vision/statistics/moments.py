"""Mean and standard deviation of each channel."""

import torch
from torch import Tensor

from generation.vision.statistics.positions import check, shares

#: Added to variances before the root: its slope at 0 is infinite.
_EPSILON = 1e-5


def channel_moments(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean and standard deviation of each channel over positions.

    Li, Wang, Liu and Hou, "Demystifying Neural Style Transfer", IJCAI 2017, section 4.2 (batch
    normalization statistics). Far fewer numbers than the Gram matrix, and no relations of channels.

    Args:
        features: (N, C, H, W).
        weights: (H, W), at least 0 and not all 0.

    Returns:
        (N, 2, C): means, then standard deviations √(variance + 1e-5).

    Raises:
        BadImage: another number of dimensions, or weights of another size.
    """
    check(features, weights)
    flat = features.flatten(2)  # (N, C, H · W)
    if weights is None:
        mean = flat.mean(dim=2)
        variance = (flat - mean[:, :, None]).square().mean(dim=2)
    else:
        share = shares(weights)
        mean = flat @ share
        variance = (flat - mean[:, :, None]).square() @ share
    return torch.stack([mean, (variance + _EPSILON).sqrt()], dim=1)
