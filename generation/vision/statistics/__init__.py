"""What a style is: numbers of a layer's activations that do not say where something is.

Every statistic is a function of the activations (N, C, H, W) and, for a region, of a weight for each
position (H, W); it gives one tensor for each of N pictures. A style's target is the mean of its
photographs' statistics, and the loss the squared distance from it (`style.relative_loss`): so all
of them can be compared, averaged over clusters, blended and guided in the same way.
"""

from typing import Protocol

from torch import Tensor

from generation.vision.errors import BadParams
from generation.vision.statistics.gram import gram
from generation.vision.statistics.moments import channel_moments
from generation.vision.statistics.sliced import sliced_quantiles


class Statistic(Protocol):
    """(N, C, H, W) and weights (H, W) at least 0, or None for equal ones → (N, …)."""

    def __call__(self, features: Tensor, weights: Tensor | None = None) -> Tensor: ...


#: By the name that recipes store.
STATISTICS: dict[str, Statistic] = {
    "gram": gram,
    "moments": channel_moments,
    "sliced-wasserstein": sliced_quantiles,
}


def get_statistic(name: str) -> Statistic:
    """The statistic of a name. Raises `BadParams` if there is none."""
    if name not in STATISTICS:
        raise BadParams(f"Expected a statistic among {', '.join(STATISTICS)}, got {name!r}.")
    return STATISTICS[name]
