"""Neural style transfer: a content photograph, made of a style.

Gatys, Ecker and Bethge, CVPR 2016 (here: Gatys 2016), eq. 7: minimize over the pixels
content weight · content loss + Σ_l w_l · style loss of layer l.

Departures from the paper, all chosen by the parameters (`recipe.TransferParams`): losses relative to
their targets (``loss="gatys"`` is the published form), a start that already has the style's statistics
(``initial``), a style that is the mean over photographs, color and region steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generation.vision.color import (
    color_moments,
    luminance,
    match_color,
    match_histogram,
    match_luminance,
    pixels_in,
    with_color_of,
)
from generation.vision.correlation import high_frequency_correlation
from generation.vision.devices import computing
from generation.vision.encoder import Encoder
from generation.vision.errors import BadImage, BadParams, BadStyle
from generation.vision.initial import initial_image
from generation.vision.objective import Losses, Objective, Region
from generation.vision.optimize import Minimum, OnStep, Step, minimize
from generation.vision.recipe import TransferParams
from generation.vision.style import StyleRepresentation, represent, shares_of
from generation.vision.tensors import (
    Array,
    array_to_tensor,
    center_square,
    to_array,
    to_image,
    to_tensor,
)


@dataclass(frozen=True)
class Styling:
    """A style with what goes along with it.

    Attributes:
        photographs: its members, RGB. Their spectra shape the random-phase start, their colors are
            matched where the recipe says so, and the picture is compared with each of them.
        weights: one each; None: equal.
        representation: of these photographs at the recipe's size; None: computed when needed.
        texture: the synthesized texture (`texture.synthesize`); only for that start.
    """

    photographs: Sequence[Image.Image] = ()
    weights: Sequence[float] | None = None
    representation: StyleRepresentation | None = None
    texture: Image.Image | None = None


@dataclass(frozen=True)
class TransferResult:
    """A picture and how it came about.

    Attributes:
        image: RGB, size × size.
        losses: of this very picture, clipped and rounded to 8 bits.
        curve: total loss of each evaluation, in order, over all sizes.
        evaluations: how many were spent; always the budget.
        best_evaluation: the evaluation (from 1) at the full size whose pixels were kept.
        initial: the picture that the optimization started from.
        restarts: safer beginnings after a loss or gradient that was not finite.
        high_frequency_correlation: largest aligned correlation with a style photograph given
            (see `correlation.Correlation`); 0 if none was given.
        precision: in which it was made and its losses were computed.
    """

    image: Image.Image
    losses: Losses
    curve: tuple[float, ...]
    evaluations: int
    best_evaluation: int
    initial: Image.Image
    restarts: int
    high_frequency_correlation: float
    precision: str = "float32"

    @property
    def content_loss(self) -> float:
        """Content loss of the picture, unweighted."""
        return self.losses.content

    @property
    def style_loss(self) -> float:
        """Style loss of the picture, weighted sum over layers."""
        return self.losses.style


def stylize(
    encoder: Encoder,
    content_image: Image.Image,
    style: Styling,
    params: TransferParams,
    *,
    seed: int,
    mask: Image.Image | None = None,
    background: Styling | None = None,
    precision: str = "float32",
    on_step: OnStep | None = None,
) -> TransferResult:
    """A content photograph restyled.

    The same arguments give the same bytes on the same machine, threads and versions (on a CPU).

    Args:
        encoder: the one that ``params`` names.
        content_image: RGB; its central square is used.
        style: the style to take on.
        params: the recipe.
        seed: of the start, at least 0.
        mask: gray (mode L), of the content photograph's size: where to restyle, white fully. None:
            everywhere. Outside, the picture keeps the content's pixels.
        background: the style outside the mask, instead of the content's pixels.
        precision: of the optimization, from `devices.resolve_precision`.
        on_step: called after each evaluation; may raise to cancel.

    Raises:
        BadImage, BadParams, BadStyle, OutOfMemory, UnknownLayer, Diverged: as their names say.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadParams(f"Expected a seed that is a whole number of at least 0, got {seed!r}.")
    if background is not None and mask is None:
        raise BadParams("A style for the background needs a mask that says where it is.")
    if mask is not None and (mask.mode != "L" or mask.size != content_image.size):
        raise BadImage(
            f"Expected a mask of mode L and the photograph's size {content_image.size}, "
            f"got {mask.mode} and {mask.size}."
        )
    if mask is not None:
        _check_regions(mask, params.size, both=background is not None)
    work = _Work(encoder, content_image, style, params, seed, mask, background, on_step)
    with computing(encoder.device, precision):
        for side, evaluations in params.coarse:
            work.optimize(side, evaluations)
        found, objective = work.optimize(params.size, params.evaluations)
        image = work.finished(found.pixels)
        with torch.no_grad():
            losses = objective(to_tensor(work.compared(image), encoder.device))[1]
    squares = [
        center_square(photograph, params.size)
        for styling in (style, background)
        if styling is not None
        for photograph in styling.photographs
    ]
    correlations = [high_frequency_correlation(image, square).aligned for square in squares]
    return TransferResult(
        image=image,
        losses=losses,
        curve=tuple(work.curve),
        evaluations=len(work.curve),
        best_evaluation=found.best_evaluation,
        initial=work.initial,
        restarts=work.restarts,
        high_frequency_correlation=max(correlations, default=0.0),
        precision=precision,
    )


class _Work:
    """One picture in the making, over its sizes."""

    def __init__(
        self,
        encoder: Encoder,
        content_image: Image.Image,
        style: Styling,
        params: TransferParams,
        seed: int,
        mask: Image.Image | None,
        background: Styling | None,
        on_step: OnStep | None,
    ) -> None:
        self.encoder, self.content_image, self.params = encoder, content_image, params
        self.stylings = [style] if background is None else [style, background]
        self.mask, self.seed, self.on_step = mask, seed, on_step
        self.curve: list[float] = []
        self.restarts = 0
        self.pixels: Tensor | None = None
        self.initial = content_image

    def optimize(self, side: int, evaluations: int) -> tuple[Minimum, Objective]:
        """At one size, from the result of the size before or from the recipe's start."""
        device, params = self.encoder.device, self.params
        content = to_array(center_square(self.content_image, side))
        mask = None if self.mask is None else _mask_array(self.mask, side)
        seen = luminance(content) if params.color == "luminance" else content
        regions, starts = [], []
        for number, styling in enumerate(self.stylings):
            part = mask if number == 0 or mask is None else 1.0 - mask
            # Colors, too, are those of the region.
            inside = content if part is None else pixels_in(content, part)
            squares = [
                recolored(to_array(center_square(p, side)), inside, params.color)
                for p in styling.photographs
            ]
            shares = shares_of(styling.weights, len(squares), "photographs") if squares else ()
            representation = self._representation(styling, squares, shares, side)
            regions.append(
                Region(
                    representation,
                    None if part is None else torch.from_numpy(part).to(device, torch.float32),
                )
            )
            if self.pixels is None:
                texture = None
                if styling.texture is not None:
                    texture = recolored(
                        _scaled(styling.texture, side, params.size), inside, params.color
                    )
                starts.append(
                    initial_image(
                        params.initial,
                        seen,
                        squares,
                        shares,
                        sigma=params.sigma,
                        # A background of its own has its own phases.
                        seed=self.seed + number,
                        texture=texture,
                        mask=part,
                    )
                )
        objective = Objective(self.encoder, array_to_tensor(seen, device), regions, params)
        if self.pixels is None:
            start = starts[0]
            if mask is not None:
                outside = starts[1] if len(starts) > 1 else seen
                start = mask[:, :, None] * start + (1.0 - mask[:, :, None]) * outside
            self.initial = to_image(start)
            x = array_to_tensor(start, device)
        else:
            x = functional.interpolate(self.pixels, size=(side, side), mode="bicubic").clamp(0, 1)
        kept = None
        if mask is not None and len(self.stylings) == 1:
            kept = (
                array_to_tensor(np.repeat(mask[:, :, None], 3, axis=2), device),
                array_to_tensor(seen, device),
            )

        def composed(pixels: Tensor) -> tuple[Tensor, Losses]:
            return objective(_compose(pixels, kept))

        done = len(self.curve)
        total = params.total_evaluations

        def on_step(step: Step) -> None:
            if self.on_step is not None:
                self.on_step(replace(step, number=done + step.number, total=total))

        found = minimize(
            composed,
            x,
            evaluations=evaluations,
            optimizer=params.optimizer,
            history=params.history,
            learning_rate=params.learning_rate,
            on_step=on_step,
        )
        found = replace(found, pixels=_compose(found.pixels, kept))
        self.curve.extend(found.curve)
        self.restarts += found.restarts
        self.pixels = found.pixels
        return found, objective

    def _representation(
        self, styling: Styling, squares: Sequence[Array], shares: Sequence[float], side: int
    ) -> StyleRepresentation:
        given, params = styling.representation, self.params
        if given is not None and params.color == "style" and side == params.size:
            return given
        if not squares:
            raise BadStyle(
                "A style needs its photographs, or its representation at the picture's size and in "
                "its own colors."
            )
        return represent(
            self.encoder,
            [to_image(square) for square in squares],
            params.style_layers,
            shares,
            size=side,
            statistic=params.statistic,
        )

    def finished(self, pixels: Tensor) -> Image.Image:
        """The picture, with the content's colors where only luminance was restyled."""
        if self.params.color != "luminance":
            return to_image(pixels)
        content = to_array(center_square(self.content_image, self.params.size))
        return to_image(with_color_of(to_array(to_image(pixels)), content))

    def compared(self, image: Image.Image) -> Image.Image:
        """The picture as the objective sees it."""
        if self.params.color != "luminance":
            return image
        return to_image(luminance(to_array(image)))


def recolored(array: Array, content: Array, color: str) -> Array:
    """A style photograph (or texture) as the color step of a recipe makes it, clipped to [0, 1].

    Args:
        array: (H, W, 3).
        content: the content photograph.
        color: as in `recipe.COLORS`.
    """
    if color == "match":
        array = match_color(array, color_moments(content))
    elif color == "histogram":
        array = match_histogram(array, content)
    elif color == "luminance":
        array = match_luminance(array, content)
    return np.clip(array, 0.0, 1.0)


def _compose(pixels: Tensor, kept: tuple[Tensor, Tensor] | None) -> Tensor:
    """Pixels inside the mask, the content's outside."""
    if kept is None:
        return pixels
    mask, outside = kept
    return mask * pixels + (1.0 - mask) * outside


def _check_regions(mask: Image.Image, side: int, *, both: bool) -> None:
    """Refuse a mask that leaves a region empty in the square that is used. Raises `BadImage`."""
    square = _mask_array(mask, side)
    low, high = square.min(), square.max()
    empty = "black" if high == 0 else "white" if both and low == 1 else ""
    if empty:
        raise BadImage(
            f"The region is empty: in the central square of the photograph, which is what is used, "
            f"the mask is {empty} everywhere. Make another mask."
        )


def _mask_array(mask: Image.Image, side: int) -> Array:
    """(side, side) in [0, 1], cut as the content photograph is."""
    square = center_square(Image.merge("RGB", [mask] * 3), side)
    return to_array(square)[:, :, 0]


def _scaled(texture: Image.Image, side: int, size: int) -> Array:
    """The texture for pictures of a smaller side."""
    if side == size:
        return to_array(texture)
    width = max(side, round(texture.width * side / size))
    return to_array(center_square(texture, width))
