"""The whole distribution of activations, seen from many directions."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from generation.vision.errors import BadImage
from generation.vision.statistics.positions import check

#: Quantiles kept of each projection: pictures of different sizes then compare.
QUANTILES = 256
_SEED = 20210607


@lru_cache(maxsize=16)
def directions(channels: int) -> Tensor:
    """Random unit vectors (channels, channels), one a row; always the same ones.

    As many as channels, as in the paper's section 4. Departure: fixed, where the paper draws new
    ones at every step: L-BFGS needs one and the same function throughout.
    """
    generator = torch.Generator().manual_seed(_SEED)
    rows = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    return functional.normalize(rows, dim=1)


def sliced_quantiles(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """Sorted projections of the activations, averaged within 256 bins of equal share.

    Heitz, Vanhoey, Chambon and Belcour, "A Sliced Wasserstein Loss for Neural Texture Synthesis",
    CVPR 2021, eq. 4 and 5: in one dimension the squared Wasserstein distance is that of the
    sorted samples, so the squared distance of two such tensors is the sliced loss (to a constant
    factor). Their mean over photographs is the barycenter of each projection.

    Args:
        features: (N, C, H, W).
        weights: (H, W); positions of more than half the largest weight count, the others do not
            (sorted samples have no fractions).

    Returns:
        (N, C, 256), ascending in the last dimension.

    Raises:
        BadImage: another number of dimensions, weights of another size, or an empty region.
    """
    check(features, weights)
    flat = features.flatten(2)  # (N, C, H · W)
    if weights is not None:
        inside = weights.reshape(-1) > weights.max() / 2
        if not inside.any():
            raise BadImage("The region is empty: its mask has no position at this layer.")
        flat = flat[:, :, inside]
    projected = directions(features.shape[1]).to(flat) @ flat
    ordered = projected.sort(dim=2).values
    return functional.adaptive_avg_pool1d(ordered, QUANTILES)
