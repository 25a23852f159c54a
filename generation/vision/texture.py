"""What a word became: the texture that its style representation describes, and nothing else.

The reconstruction of Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks",
NIPS 2015: style loss alone. Here from the random-phase start and over a whole cluster. It comes from
the representation and from no photograph; made once a word and larger than a picture, pieces of it are
the start of every picture of the word.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from generation.vision.devices import computing
from generation.vision.encoder import Encoder
from generation.vision.initial import random_phase_mixture
from generation.vision.objective import Objective
from generation.vision.optimize import OnStep, minimize
from generation.vision.recipe import TransferParams
from generation.vision.style import STORED_PRECISION, StyleRepresentation, shares_of
from generation.vision.tensors import Array, array_to_tensor, center_square, to_array, to_image

#: Side of the texture over the side of a picture: room for pieces that differ.
MARGIN = 1.25


def texture_size(size: int) -> int:
    """Side in pixels of the texture for pictures of a size: a multiple of 16."""
    return int(-(-size * MARGIN // 16) * 16)


def synthesize(
    encoder: Encoder,
    style: StyleRepresentation,
    photographs: Sequence[Image.Image],
    params: TransferParams,
    *,
    seed: int,
    photograph_weights: Sequence[float] | None = None,
    on_step: OnStep | None = None,
) -> Image.Image:
    """The texture of a style, RGB, `texture_size` on each side; made in float32, as all that is shared.

    The photographs give the start its spectrum: each is seen at the picture's size, as in the
    style, enlarged by mirroring at its edges, and made a random-phase texture of that larger size.

    Departure from Galerne et al. 2011, who enlarge a sample by laying its periodic component, faded
    out at the edges and scaled up to keep its variance, into a larger field of its mean. Mirroring
    joins without a seam and needs neither fading nor scaling; what does not meet at the new edges
    the periodic component takes off, as always. The price: in the eighth of a side that is repeated
    at each edge a slanted grain slants the other way. This is only the start; what becomes of it
    the style representation decides.

    Args:
        encoder: the one that ``params`` names.
        style: the representation, of the size in ``params``.
        photographs: the style's members.
        params: the recipe; ``texture_evaluations`` is the budget.
        seed: of the phases.
        photograph_weights: one each; None: equal.
        on_step: called after each evaluation; may raise to cancel.

    Raises:
        BadImage, BadParams, BadStyle, OutOfMemory, UnknownLayer, Diverged: as their names say.
    """
    shares = shares_of(photograph_weights, len(photographs), "photographs")
    side = texture_size(params.size)
    squares = [_mirrored(to_array(center_square(p, params.size)), side) for p in photographs]
    rng = np.random.default_rng(seed)
    start = np.clip(random_phase_mixture(squares, shares, rng), 0.0, 1.0)
    with computing(encoder.device, STORED_PRECISION):
        objective = Objective(encoder, None, style, replace(params, content_weight=0.0))
        found = minimize(
            objective,
            array_to_tensor(start, encoder.device),
            evaluations=params.texture_evaluations,
            optimizer=params.optimizer,
            history=params.history,
            learning_rate=params.learning_rate,
            on_step=on_step,
        )
    return to_image(found.pixels)


def _mirrored(array: Array, side: int) -> Array:
    """A square (S, S, 3) enlarged by mirroring at its edges: (side, side, 3)."""
    more = side - array.shape[0]
    before = more // 2
    return np.pad(array, ((before, more - before), (before, more - before), (0, 0)), "symmetric")
