"""The function of the pixels that is minimized, and the common evaluator of pictures.

Gatys, Ecker and Bethge, CVPR 2016 (here: Gatys 2016), eq. 7; guidance by regions as in Gatys et al.,
"Controlling Perceptual Factors in Neural Style Transfer", CVPR 2017 (here: Gatys 2017), spatial control.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generation.vision.encoder import Encoder
from generation.vision.errors import BadImage, BadParams, BadStyle
from generation.vision.recipe import TransferParams
from generation.vision.statistics import get_statistic
from generation.vision.style import (
    StyleRepresentation,
    gatys_content_loss,
    gatys_style_loss,
    relative_loss,
)


@dataclass(frozen=True)
class Region:
    """A part of the picture and the style it shall take on.

    Attributes:
        style: the representation.
        mask: (H, W) in [0, 1] at the picture's size; None: everywhere.
    """

    style: StyleRepresentation
    mask: Tensor | None = None


@dataclass(frozen=True)
class Losses:
    """Losses of one evaluation.

    ``total = style + content_weight · content + range_weight · excess + tv_weight · variation``.

    Attributes:
        total: what is minimized.
        content: content loss, unweighted; 0 where there is no content.
        style: weighted sum over layers, each region counting by its share of the area.
        excess: mean squared excess of values outside [0, 1]; 0 for a finished picture.
        variation: total variation, see `total_variation`.
        layers: layer → its style loss, unweighted.
    """

    total: float
    content: float
    style: float
    excess: float
    variation: float
    layers: dict[str, float]

    @property
    def finite(self) -> bool:
        """Whether the total is a number."""
        return math.isfinite(self.total)


def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbors, down and across, a scalar ≥ 0.

    The anisotropic total variation (Rudin, Osher and Fatemi 1992) over the number of values. No part
    of Gatys 2016; usual in later work against grain.
    """
    down = (x[:, :, 1:] - x[:, :, :-1]).abs().mean()
    across = (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean()
    return down + across


class Objective:
    """The function of the pixels that is minimized, its targets fixed.

    Also the common evaluator of pictures that were made in other ways.
    """

    def __init__(
        self,
        encoder: Encoder,
        content: Tensor | None,
        style: StyleRepresentation | Sequence[Region],
        params: TransferParams,
    ) -> None:
        """Compute the targets.

        Args:
            encoder: must be the one of ``params`` and ``style``.
            content: (1, 3, H, W) RGB in [0, 1] on the encoder's device; None: style alone (a texture).
            style: must have all style layers; or regions, each with its own.
            params: layers, weights, form of the loss.

        Raises:
            BadStyle: the style is of another encoder, pooling or statistic, or lacks a layer.
            BadParams: the encoder is another one than in ``params``, or there is no region.
            BadImage: a region is empty at some layer, or its mask has another size.
            UnknownLayer: a layer that the encoder does not have.
        """
        if (encoder.spec.name, encoder.pooling) != (params.encoder, params.pooling):
            raise BadParams(
                f"The parameters ask for the encoder {params.encoder!r} with {params.pooling} "
                f"pooling, got {encoder.spec.name!r} with {encoder.pooling}. Load that one."
            )
        regions = [Region(style)] if isinstance(style, StyleRepresentation) else list(style)
        if not regions:
            raise BadParams("Expected at least one region with a style, got none.")
        self.encoder = encoder
        self.params = params
        self.measure = get_statistic(params.statistic)
        wanted = [*params.style_layers] + ([params.content_layer] if content is not None else [])
        self.layers = encoder.spec.require_layers(wanted)
        if "fc6" in self.layers:
            raise BadParams("A transfer needs convolutional layers; fc6 has no positions.")
        self.regions = [
            _Target(region, encoder, params, like=encoder.mean if content is None else content)
            for region in regions
        ]
        area = sum(region.area for region in self.regions)
        self.shares = [region.area / area for region in self.regions]
        self.content = None
        if content is not None:
            with torch.no_grad():
                self.content = encoder(content, [params.content_layer])[params.content_layer]

    def __call__(self, x: Tensor) -> tuple[Tensor, Losses]:
        """The total as a differentiable scalar, and all terms as numbers.

        Args:
            x: (1, 3, H, W), of the content's size.
        """
        params = self.params
        features = self.encoder(x, self.layers)
        form = gatys_style_loss if params.loss == "gatys" else relative_loss
        style = x.new_zeros(())
        parts: list[Tensor] = []
        for layer, weight in zip(params.style_layers, params.style_weights, strict=True):
            part = x.new_zeros(())
            for region, share in zip(self.regions, self.shares, strict=True):
                values = self.measure(features[layer], region.weights(features[layer]))[0]
                part = part + share * form(values, region.targets[layer])
            style = style + weight * part
            parts.append(part)
        content = x.new_zeros(())
        if self.content is not None:
            compare = gatys_content_loss if params.loss == "gatys" else relative_loss
            content = compare(features[params.content_layer], self.content)
        excess = (x - x.clamp(0.0, 1.0)).square().mean()
        variation = total_variation(x)
        total = style + params.content_weight * content + params.range_weight * excess
        if params.tv_weight:
            total = total + params.tv_weight * variation
        # One copy to the CPU for all terms: on a GPU each would wait for the queue.
        numbers = torch.stack([total, content, style, excess, variation, *parts])
        values_now = numbers.detach().cpu().tolist()
        return total, Losses(
            total=values_now[0],
            content=values_now[1],
            style=values_now[2],
            excess=values_now[3],
            variation=values_now[4],
            layers=dict(zip(params.style_layers, values_now[5:], strict=True)),
        )


class _Target:
    """A region's targets on the device, and its mask at every layer's size."""

    def __init__(
        self, region: Region, encoder: Encoder, params: TransferParams, like: Tensor
    ) -> None:
        style = region.style
        if (style.encoder, style.pooling) != (encoder.spec.name, encoder.pooling):
            raise BadStyle(
                f"The style is of the encoder {style.encoder!r} with {style.pooling} pooling, the "
                f"transfer uses {encoder.spec.name!r} with {encoder.pooling}. Represent it again."
            )
        if style.statistic != params.statistic:
            raise BadStyle(
                f"The style is made of the statistic {style.statistic!r}, the transfer compares "
                f"{params.statistic!r}. Represent it again."
            )
        missing = [layer for layer in params.style_layers if layer not in style.targets]
        if missing:
            raise BadStyle(
                f"The style has the layers {', '.join(style.layers)}, but not "
                f"{', '.join(missing)}. Represent it again with the layers of the recipe."
            )
        self.targets = {
            layer: torch.from_numpy(style.targets[layer]).to(like) for layer in params.style_layers
        }
        for layer, target in self.targets.items():
            channels = encoder.spec.channels(layer)[1]
            if channels not in target.shape:
                raise BadStyle(
                    f"The style's target of {layer}: expected {channels} channels, "
                    f"got {tuple(target.shape)}. Represent it again."
                )
        self.mask = None if region.mask is None else region.mask.to(like)
        self.area = 1.0 if self.mask is None else float(self.mask.mean())
        if not self.area > 0:
            raise BadImage("The region is empty: its mask is black everywhere.")
        self._weights: dict[tuple[int, int], Tensor] = {}

    def weights(self, features: Tensor) -> Tensor | None:
        """The mask at the size of these activations: the share of each position inside.

        Departure from Gatys 2017, which compares ways to carry guidance into the
        network: plain averaging over the pixels of a position, the simplest of them.
        """
        if self.mask is None:
            return None
        size = (features.shape[2], features.shape[3])
        if size not in self._weights:
            self._weights[size] = functional.adaptive_avg_pool2d(self.mask[None, None], size)[0, 0]
        return self._weights[size]
