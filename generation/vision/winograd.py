"""3 × 3 convolutions by Winograd's minimal filtering, for the CPU.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016 (here: Lavin 2016):
F(4 × 4, 3 × 3) of section 4.3, eq. 8 there, Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, computes 4 × 4 outputs from
6 × 6 inputs by 36 multiplications a pair of channels instead of 144. The products of all tiles are
36 matrix products.

It gives the same numbers as a direct convolution but for rounding (relative error about 3e-6 in
float32, with which the network's own rounding compares). Only what a frozen network needs: stride 1,
padding 1, the gradient by the input and none by the weights. The gradient is itself such a
convolution, with the kernels turned by 180° and their channels exchanged.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

#: Side of a tile of outputs, and of the inputs it needs.
OUT, IN = 4, 6
PRODUCTS = IN * IN

#: The transforms of Lavin 2016, section 4.3 (interpolation at 0, 1, −1, 2, −2 and ∞).
_B_T = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_A_T = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)

#: Fewer channels than this leave too little work a transformed value: measured on two cores, 64
#: channels were slower than a direct convolution, 128 faster.
LEAST_CHANNELS = 128

#: Tiles transformed at once: enough for full speed of the matrix products, few enough for the cache.
BLOCK = 256


def pays(weight: Tensor, x: Tensor) -> bool:
    """Whether this way is faster than a direct convolution.

    Args:
        weight: (K, C, 3, 3).
        x: (N, C, H, W).
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and weight.shape[1] >= LEAST_CHANNELS
        and x.shape[2] * x.shape[3] >= BLOCK
    )


class Kernels:
    """The kernels of one layer, transformed when they are first used.

    Four times their memory for each direction: 320 MB for VGG-16 up to conv5_1.
    """

    def __init__(self, weight: Tensor) -> None:
        """``weight`` is (K, C, 3, 3)."""
        self._weight = weight.detach()
        self._forward: Tensor | None = None
        self._backward: Tensor | None = None

    @property
    def forward(self) -> Tensor:
        """(36, C, K)."""
        if self._forward is None:
            self._forward = _transformed(self._weight)
        return self._forward

    @property
    def backward(self) -> Tensor:
        """(36, K, C), of the convolution that takes the gradient back."""
        if self._backward is None:
            self._backward = _transformed(self._weight.flip(2, 3).transpose(0, 1))
        return self._backward


def convolve(x: Tensor, kernels: Kernels) -> Tensor:
    """The convolution with padding 1, without bias: (N, C, H, W) → (N, K, H, W), channels_last."""
    result: Tensor = _Convolution.apply(x, kernels)
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Kernels) -> Tensor:
        ctx.kernels = kernels
        return _filtered(x, kernels.forward)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None]:
        if not ctx.needs_input_grad[0]:
            return None, None
        return _filtered(gradients[0], ctx.kernels.backward), None


def _transformed(weight: Tensor) -> Tensor:
    """G g Gᵀ of every kernel: (K, C, 3, 3) → (36, C, K)."""
    g = torch.tensor(_G, dtype=torch.float64)
    kernels = torch.einsum("ij,kcjl,ml->imck", g, weight.double(), g)
    return kernels.reshape(PRODUCTS, *kernels.shape[2:]).to(weight.dtype).contiguous()


@lru_cache(maxsize=4)
def _transforms(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Both sides of a transform in one matrix: Bᵀ d B as (36, 36) on tiles of inputs laid out in a
    row, Aᵀ m A as (16, 36) on products."""
    b, a = (torch.tensor(rows, dtype=torch.float64) for rows in (_B_T, _A_T))
    return torch.kron(b, b).to(dtype), torch.kron(a, a).to(dtype)


def _filtered(x: Tensor, kernels: Tensor) -> Tensor:
    """(N, C, H, W) and (36, C, K) → (N, K, H, W)."""
    count, channels, height, width = x.shape
    outs = kernels.shape[2]
    down, across = -(-height // OUT), -(-width // OUT)
    # One pixel of padding, and what the last tiles lack: (N, 4 · down + 2, 4 · across + 2, C).
    right, below = OUT * across - width + 1, OUT * down - height + 1
    padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, right, 1, below)).contiguous()
    of_image, of_row, of_column, _ = padded.stride()
    into, out_of = _transforms(x.dtype)
    result = torch.empty(
        (count, outs, OUT * down, OUT * across),
        dtype=x.dtype,
        memory_format=torch.channels_last,
    )
    tiled = result.permute(0, 2, 3, 1).view(count, down, OUT, across, OUT, outs)
    # Blocks of rows of tiles; where an image has few, several images at once.
    rows = max(1, min(down, BLOCK // across))
    images = max(1, BLOCK // (down * across)) if rows == down else 1
    for first in range(0, count, images):
        n = min(images, count - first)
        for top in range(0, down, rows):
            r = min(rows, down - top)
            tiles = padded.as_strided(
                (IN, IN, n, r, across, channels),
                (of_row, of_column, of_image, OUT * of_row, OUT * of_column, 1),
                first * of_image + OUT * top * of_row,
            )
            # (36, tiles · C) → (36, tiles, C) → (36, tiles, K) → (16, tiles · K)
            inputs = (into @ tiles.reshape(PRODUCTS, -1)).view(PRODUCTS, -1, channels)
            products = torch.bmm(inputs, kernels)
            outputs = (out_of @ products.view(PRODUCTS, -1)).view(OUT, OUT, n, r, across, outs)
            tiled[first : first + n, top : top + r] = outputs.permute(2, 3, 0, 4, 1, 5)
    if result.shape[2:] == (height, width):
        return result
    return result[:, :, :height, :width].contiguous(memory_format=torch.channels_last)
