"""What a layer knows: pictures made from activations alone, or from statistics alone.

Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style", arXiv 1508.06576 (2015), figure 1:
content reconstructions from one layer's activations F, style reconstructions from the Gram matrices G
of conv1_1 up to a layer. (After Mahendran and Vedaldi, CVPR 2015.)

Departures: losses relative to their targets, values outside [0, 1] cost something, and content
reconstructions a little total variation (as in Mahendran and Vedaldi).
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generation.vision.devices import computing
from generation.vision.encoder import Encoder
from generation.vision.errors import BadParams
from generation.vision.objective import Losses, Objective, total_variation
from generation.vision.optimize import OnStep, minimize
from generation.vision.recipe import TransferParams
from generation.vision.style import relative_loss, represent
from generation.vision.tensors import array_to_tensor, center_square, to_image, to_tensor

KINDS: tuple[str, ...] = ("content", "style")

#: Sides in pixels, as recipes have them.
LEAST_SIZE, MOST_SIZE = 32, 4096

#: Weights, against a relative loss, of values outside [0, 1] and of total variation. Shallow layers
#: need neither; from deep ones noise remains that the network does not see. Tried on a cat's face
#: (vgg16-hed, 128 px): 0.1 instead of 0.02 brings conv1_1 and conv5_1 nearer to the photograph.
RANGE_WEIGHT, TV_WEIGHT = 100.0, 0.1


def layers_up_to(encoder: Encoder, layer: str) -> tuple[str, ...]:
    """The style layers (first of each block) before a layer, and the layer itself.

    Raises:
        UnknownLayer: the encoder has no such layer.
        BadParams: the layer is no convolution (fc6).
    """
    every = encoder.spec.conv_layers
    encoder.spec.require_layers([layer])
    if layer not in every:
        raise BadParams(f"Expected a convolution among {', '.join(every)}, got {layer!r}.")
    before = every[: every.index(layer)]
    return (*(one for one in before if one.endswith("_1")), layer)


def reconstruct(
    encoder: Encoder,
    image: Image.Image,
    *,
    of: str,
    layer: str,
    size: int = 256,
    evaluations: int = 200,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Image.Image:
    """A picture with the same activations, or the same statistics, as the one given.

    Starts from white noise: nothing of the picture is in the result but what the layer says.

    Args:
        encoder: any. The paper proposes average pooling; networks trained with max pooling, as
            these are, came nearer to the activations with max in as many evaluations.
        image: RGB; its central square is used.
        of: ``content``: the activations of one layer; ``style``: the Gram matrices of the first
            layer of each block up to the layer.
        layer: a convolution.
        size: side in pixels, 32 to 4096.
        evaluations: the budget, at least 1.
        seed: of the noise, at least 0.
        on_step: called after each evaluation; may raise to cancel.

    Returns:
        RGB, size × size; the same bytes for the same arguments (on a CPU).

    Raises:
        BadImage, BadParams, UnknownLayer, Diverged: as their names say.
    """
    if of not in KINDS:
        raise BadParams(f"Expected one of {', '.join(KINDS)}, got {of!r}.")
    layers = layers_up_to(encoder, layer)
    _check_whole("size in pixels", size, LEAST_SIZE, MOST_SIZE)
    _check_whole("budget of evaluations", evaluations, 1)
    _check_whole("seed", seed, 0)
    with computing(encoder.device):
        return _reconstructed(encoder, image, of, layers, size, evaluations, seed, on_step)


def _reconstructed(
    encoder: Encoder,
    image: Image.Image,
    of: str,
    layers: tuple[str, ...],
    size: int,
    evaluations: int,
    seed: int,
    on_step: OnStep | None,
) -> Image.Image:
    layer = layers[-1]
    square = center_square(image, size)
    noise = np.random.default_rng(seed).random((size, size, 3))
    start = array_to_tensor(noise, encoder.device)
    if of == "style":
        params = TransferParams(
            encoder=encoder.spec.name,
            pooling=encoder.pooling,
            style_layers=layers,
            style_weights=(1.0 / len(layers),) * len(layers),
            content_weight=0.0,
            size=size,
            range_weight=RANGE_WEIGHT,
        )
        style = represent(encoder, [square], layers, size=size)
        objective = Objective(encoder, None, style, params)
        found = minimize(objective, start, evaluations=evaluations, on_step=on_step)
        return to_image(found.pixels)
    with torch.no_grad():
        target = encoder(to_tensor(square, encoder.device), [layer])[layer]

    def same_activations(x: Tensor) -> tuple[Tensor, Losses]:
        content = relative_loss(encoder(x, [layer])[layer], target)
        excess = (x - x.clamp(0.0, 1.0)).square().mean()
        variation = total_variation(x)
        total = content + RANGE_WEIGHT * excess + TV_WEIGHT * variation
        numbers = torch.stack([total, content, excess, variation]).detach().cpu().tolist()
        return total, Losses(numbers[0], numbers[1], 0.0, numbers[2], numbers[3], {})

    found = minimize(same_activations, start, evaluations=evaluations, on_step=on_step)
    return to_image(found.pixels)


def _check_whole(what: str, value: int, low: int, high: int | None = None) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        span = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise BadParams(f"Expected a {what} that is a whole number {span}, got {value!r}.")
