"""Neural style transfer: a content photograph, made of a style.

Gatys, Ecker and Bethge, CVPR 2016 (here: Gatys 2016), eq. 7: minimize over the pixels
content weight · content loss + Σ_l w_l · style loss of layer l, by L-BFGS.

Departures from the paper, all chosen by the parameters: losses relative to their targets
(``loss="relative"``; ``"gatys"`` is the published form), a start that already has the style's
statistics (``initial``), a style that is the mean over photographs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from generation.vision.correlation import high_frequency_correlation
from generation.vision.encoder import POOLINGS, Encoder
from generation.vision.errors import BadParams, BadStyle, Diverged
from generation.vision.initial import STARTS, initial_image
from generation.vision.params import Params, is_number
from generation.vision.style import (
    StyleRepresentation,
    gatys_content_loss,
    gatys_style_loss,
    gram,
    relative_loss,
    shares_of,
)
from generation.vision.tensors import (
    array_to_tensor,
    center_square,
    to_array,
    to_image,
    to_tensor,
)

LOSSES: tuple[str, ...] = ("relative", "gatys")


@dataclass(frozen=True, kw_only=True)
class TransferParams(Params):
    """Everything that decides a picture, apart from photographs and seed.

    Attributes:
        encoder: name of the encoder.
        pooling: ``max`` or ``average``.
        style_layers: layers whose Grams are compared.
        style_weights: one a layer (Gatys 2016, eq. 5).
        content_layer: layer whose activations are compared.
        content_weight: weight of the content loss against the style loss (α/β in eq. 7).
        loss: ``relative`` or ``gatys``; the weights mean something else in each.
        size: side of the picture in pixels.
        evaluations: budget of forward and backward passes, used up exactly.
        range_weight: weight of the mean squared excess of values outside [0, 1]. The picture is
            clipped in the end; without this (no part of the paper) the optimum uses values that
            do not exist, and clipping undoes part of it.
        initial: ``random-phase``, ``content`` or ``noise``.
        sigma: Gaussian of the random-phase start, in pixels.
        history: L-BFGS memory.
    """

    FORMAT: ClassVar[int] = 1

    encoder: str = "vgg16-hed"
    pooling: str = "max"
    style_layers: tuple[str, ...] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    style_weights: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    content_layer: str = "conv4_2"
    content_weight: float = 0.05
    loss: str = "relative"
    size: int = 256
    evaluations: int = 32
    range_weight: float = 100.0
    initial: str = "random-phase"
    sigma: float = 3.0
    history: int = 20

    def __post_init__(self) -> None:
        """Check the values. Raises `BadParams` (`UnknownLayer` comes when an encoder is met)."""
        self._check_choice("pooling", POOLINGS)
        self._check_choice("loss", LOSSES)
        self._check_choice("initial", STARTS)
        self._check_int("size", 32, 4096)
        self._check_int("evaluations", 1, 100_000)
        self._check_int("history", 1, 1000)
        self._check_number("content_weight", 0.0)
        self._check_number("range_weight", 0.0)
        self._check_number("sigma", 0.0, above=True)
        if not isinstance(self.encoder, str) or not self.encoder:
            raise self._bad("encoder", "the name of an encoder")
        if not isinstance(self.content_layer, str):
            raise self._bad("content_layer", "the name of a layer")
        layers, weights = self.style_layers, self.style_weights
        if (
            not isinstance(layers, tuple)
            or not layers
            or not all(isinstance(layer, str) for layer in layers)
            or len(set(layers)) != len(layers)
        ):
            raise self._bad("style_layers", "different names of layers, at least one")
        if (
            not isinstance(weights, tuple)
            or len(weights) != len(layers)
            or not all(is_number(weight) and weight >= 0 for weight in weights)
        ):
            raise self._bad("style_weights", "one number of at least 0 a style layer")
        if not any(weights) and self.content_weight == 0:
            raise BadParams("TransferParams: all style weights and content_weight are 0.")


@dataclass(frozen=True)
class Losses:
    """Losses of one evaluation.

    ``total = style + content_weight · content + range_weight · excess``.

    Attributes:
        total: what is minimized.
        content: content loss, unweighted.
        style: weighted sum over layers.
        excess: mean squared excess of values outside [0, 1]; 0 for a finished picture.
        layers: layer → its style loss, unweighted.
    """

    total: float
    content: float
    style: float
    excess: float
    layers: dict[str, float]

    @property
    def finite(self) -> bool:
        """Whether the total is a number."""
        return math.isfinite(self.total)


@dataclass(frozen=True)
class TransferResult:
    """A picture and how it came about.

    Attributes:
        image: RGB, size × size.
        losses: of this very picture, clipped and rounded to 8 bits.
        curve: total loss of each evaluation, in order.
        evaluations: how many were spent; always the budget.
        best_evaluation: the evaluation (from 1) whose pixels were kept: the lowest total.
        initial: the picture that the optimization started from.
        high_frequency_correlation: largest aligned correlation with a style photograph given
            (see `correlation.Correlation`); 0 if none was given.
        shifted_correlation: the same over all shifts; a hint only.
    """

    image: Image.Image
    losses: Losses
    curve: tuple[float, ...]
    evaluations: int
    best_evaluation: int
    initial: Image.Image
    high_frequency_correlation: float
    shifted_correlation: float

    @property
    def content_loss(self) -> float:
        """Content loss of the picture, unweighted."""
        return self.losses.content

    @property
    def style_loss(self) -> float:
        """Style loss of the picture, weighted sum over layers."""
        return self.losses.style


#: Called after each evaluation with its number (from 1), the budget and the losses. It may renew a
#: lease; whatever it raises ends the run and reaches the caller.
OnStep = Callable[[int, int, Losses], None]


class Objective:
    """The function of the pixels that is minimized, its targets fixed.

    Also the common evaluator of pictures that were made in other ways.
    """

    def __init__(
        self,
        encoder: Encoder,
        content: Tensor,
        style: StyleRepresentation,
        params: TransferParams,
    ) -> None:
        """Compute the targets.

        Args:
            encoder: must be the one of ``params`` and ``style``.
            content: (1, 3, H, W) RGB in [0, 1] on the encoder's device.
            style: must have all style layers.
            params: layers, weights, form of the loss.

        Raises:
            BadStyle: the style is of another encoder or pooling, or lacks a layer.
            BadParams: the encoder is another one than in ``params``.
            UnknownLayer: a layer that the encoder does not have.
        """
        if (encoder.spec.name, encoder.pooling) != (params.encoder, params.pooling):
            raise BadParams(
                f"The parameters ask for the encoder {params.encoder!r} with {params.pooling} "
                f"pooling, got {encoder.spec.name!r} with {encoder.pooling}. Load that one."
            )
        if (style.encoder, style.pooling) != (encoder.spec.name, encoder.pooling):
            raise BadStyle(
                f"The style is of the encoder {style.encoder!r} with {style.pooling} pooling, the "
                f"transfer uses {encoder.spec.name!r} with {encoder.pooling}. Represent it again."
            )
        missing = [layer for layer in params.style_layers if layer not in style.grams]
        if missing:
            raise BadStyle(
                f"The style has the layers {', '.join(style.layers)}, but not "
                f"{', '.join(missing)}. Represent it again with the layers of the recipe."
            )
        self.encoder = encoder
        self.params = params
        self.layers = encoder.spec.require_layers([*params.style_layers, params.content_layer])
        if "fc6" in self.layers:
            raise BadParams("A transfer needs convolutional layers; fc6 has no positions.")
        self.grams = {
            layer: torch.from_numpy(style.grams[layer]).to(content) for layer in params.style_layers
        }
        for layer, matrix in self.grams.items():
            channels = encoder.spec.channels(layer)[1]
            if tuple(matrix.shape) != (channels, channels):
                raise BadStyle(
                    f"The style's Gram of {layer}: expected ({channels}, {channels}), "
                    f"got {tuple(matrix.shape)}. Represent it again."
                )
        with torch.no_grad():
            self.content = encoder(content, [params.content_layer])[params.content_layer]

    def __call__(self, x: Tensor) -> tuple[Tensor, Losses]:
        """The total as a differentiable scalar, and all terms as numbers.

        Args:
            x: (1, 3, H, W), of the content's size.
        """
        params = self.params
        published = params.loss == "gatys"
        features = self.encoder(x, self.layers)
        style = x.new_zeros(())
        parts: list[Tensor] = []
        for layer, weight in zip(params.style_layers, params.style_weights, strict=True):
            matrix, target = gram(features[layer])[0], self.grams[layer]
            part = (gatys_style_loss if published else relative_loss)(matrix, target)
            style = style + weight * part
            parts.append(part)
        content = (gatys_content_loss if published else relative_loss)(
            features[params.content_layer], self.content
        )
        excess = (x - x.clamp(0.0, 1.0)).square().mean()
        total = style + params.content_weight * content + params.range_weight * excess
        # One copy to the CPU for all terms: on a GPU each would wait for the queue.
        numbers = torch.stack([total, content, style, excess, *parts]).detach().cpu().tolist()
        return total, Losses(
            total=numbers[0],
            content=numbers[1],
            style=numbers[2],
            excess=numbers[3],
            layers=dict(zip(params.style_layers, numbers[4:], strict=True)),
        )


class _BudgetSpent(Exception):
    """Ends the optimizer from inside: all evaluations are used."""


@dataclass(frozen=True)
class Minimum:
    """What `minimize` found: pixels (1, 3, H, W), their evaluation (from 1), and the curve."""

    pixels: Tensor
    best_evaluation: int
    curve: tuple[float, ...]


#: Mean change of a pixel in the very first step. torch's L-BFGS makes that step 1 in the L1 norm,
#: which over 200,000 values is nothing and costs several evaluations to grow; so the optimizer is
#: given pixels in units in which 1 in the L1 norm is this mean change.
_FIRST_STEP = 0.002


def minimize(
    objective: Callable[[Tensor], tuple[Tensor, Losses]],
    start: Tensor,
    *,
    evaluations: int,
    history: int,
    on_step: OnStep | None = None,
) -> Minimum:
    """Minimize over pixels by L-BFGS with a strong Wolfe line search.

    Counts evaluations, not iterations, because they are what takes time; stops in the middle of a
    line search when the budget is used up, and keeps the best pixels seen. Should the optimizer
    find nothing more to do, it is started again from there.

    Args:
        objective: pixels → (scalar with gradient, losses).
        start: (1, 3, H, W).
        evaluations: the budget.
        history: L-BFGS memory.
        on_step: see `OnStep`.

    Raises:
        Diverged: a loss or gradient that is not finite.
        Exception: whatever ``on_step`` raises.
    """
    unit = start.numel() * _FIRST_STEP
    # torch's L-BFGS flattens with view(), so its variable is plainly contiguous; the encoder puts
    # pixels in channels_last itself.
    x = (start.detach() / unit).contiguous().requires_grad_()
    curve: list[float] = []
    best_value, best_pixels, best_evaluation = math.inf, start.detach().clone(), 0

    def closure() -> Tensor:
        nonlocal best_value, best_evaluation
        if len(curve) == evaluations:
            raise _BudgetSpent
        number = len(curve) + 1
        optimizer.zero_grad()
        pixels = x * unit
        total, losses = objective(pixels)
        total.backward()  # type: ignore[no-untyped-call]
        curve.append(losses.total)
        slope = math.nan if x.grad is None else float(x.grad.abs().sum())
        if not losses.finite or not math.isfinite(slope):
            raise Diverged(
                f"Evaluation {number} of {evaluations}: expected a finite loss and gradient, got "
                f"{losses.total} and {slope}. Try a smaller content weight, fewer style layers, or "
                f"another photograph.",
                evaluation=number,
            )
        if losses.total < best_value:
            best_value, best_evaluation = losses.total, number
            best_pixels.copy_(pixels.detach())
        if on_step is not None:
            on_step(number, evaluations, losses)
        return total

    try:
        while True:
            # Tolerances 0: only the budget ends it.
            optimizer = torch.optim.LBFGS(
                [x],
                max_iter=evaluations,
                max_eval=evaluations + 1,
                tolerance_grad=0.0,
                tolerance_change=0.0,
                history_size=history,
                line_search_fn="strong_wolfe",
            )
            optimizer.step(closure)  # type: ignore[no-untyped-call]
            with torch.no_grad():
                x.copy_(best_pixels / unit)
    except _BudgetSpent:
        pass
    return Minimum(best_pixels, best_evaluation, tuple(curve))


def stylize(
    encoder: Encoder,
    content_image: Image.Image,
    style: StyleRepresentation,
    photographs: Sequence[Image.Image],
    params: TransferParams,
    *,
    seed: int,
    photograph_weights: Sequence[float] | None = None,
    on_step: OnStep | None = None,
) -> TransferResult:
    """A content photograph restyled.

    The same arguments give the same bytes on the same machine, threads and versions (on a CPU).

    Args:
        encoder: the one that ``params`` names.
        content_image: RGB; its central square is used.
        style: the representation to take on.
        photographs: the style's members, RGB: their spectra shape the random-phase start, and the
            picture is compared with each of them. May be empty for the other starts.
        params: the recipe.
        seed: of the start, at least 0.
        photograph_weights: one each; None: equal.
        on_step: called after each evaluation; may raise to cancel.

    Raises:
        BadImage, BadParams, BadStyle, UnknownLayer, Diverged: as their names say.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadParams(f"Expected a seed that is a whole number of at least 0, got {seed!r}.")
    size, device = params.size, encoder.device
    content = center_square(content_image, size)
    squares = [center_square(photograph, size) for photograph in photographs]
    shares = shares_of(photograph_weights, len(squares), "photographs") if squares else ()
    objective = Objective(encoder, to_tensor(content, device), style, params)
    start = initial_image(
        params.initial,
        to_array(content),
        [to_array(square) for square in squares],
        shares,
        sigma=params.sigma,
        seed=seed,
    )
    found = minimize(
        objective,
        array_to_tensor(start, device),
        evaluations=params.evaluations,
        history=params.history,
        on_step=on_step,
    )
    image = to_image(found.pixels)
    with torch.no_grad():
        losses = objective(to_tensor(image, device))[1]
    correlations = [high_frequency_correlation(image, square) for square in squares]
    return TransferResult(
        image=image,
        losses=losses,
        curve=found.curve,
        evaluations=len(found.curve),
        best_evaluation=found.best_evaluation,
        initial=to_image(start),
        high_frequency_correlation=max((c.aligned for c in correlations), default=0.0),
        shifted_correlation=max((c.best_shift for c in correlations), default=0.0),
    )
