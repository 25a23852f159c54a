"""Second moments of channels: the Gram matrix."""

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
    if weights is None:
        return rows.transpose(1, 2) @ rows / (height * width)
    return rows.transpose(1, 2) @ (rows * shares(weights)[:, None])
