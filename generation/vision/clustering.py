"""A word's photographs, grouped by what they show and by style.

Both blocks (the descriptor, and the Neural Style Vector) are L2-normalized and weighted, so that
the combined vector of a photograph has unit length. Only inner products of photographs are needed:
n × n numbers instead of n × 305,888. k-means runs on coordinates that reproduce all distances
exactly (classical scaling of the centered kernel), so the result is that of k-means on the full
vectors, up to rounding.
"""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from generation.vision.errors import BadParams, NoUsableCluster, TooFewImages
from generation.vision.params import Params

Float64 = npt.NDArray[np.float64]

#: Squared distance of unit vectors below which two photographs count as the same picture.
SAME = 1e-5

_COLUMNS_AT_ONCE = 16_384  # of the NSV, converted from half precision: bounds the memory


@dataclass(frozen=True, kw_only=True)
class ClusteringParams(Params):
    """How photographs are grouped.

    Attributes:
        clusters: a fixed number of clusters; None: chosen by silhouette.
        max_clusters: the largest number tried.
        min_size: distinct photographs a cluster must have to become a style; at least 2, because
            a cluster of one is a photograph and not a style.
        silhouette_tolerance: of the numbers of clusters whose mean silhouette comes so close to the
            best, the smallest is taken: splitting on for a hair would leave clusters too small.
        min_silhouette: below this mean silhouette the photographs stay together in one cluster.
        descriptor_weight: weight of the descriptor block.
        nsv_weight: weight of the style block.
        seed: of k-means.
    """

    FORMAT: ClassVar[int] = 1

    clusters: int | None = None
    max_clusters: int = 6
    min_size: int = 3
    min_silhouette: float = 0.05
    silhouette_tolerance: float = 0.02
    descriptor_weight: float = 1.0
    nsv_weight: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values. Raises `BadParams`."""
        if self.clusters is not None:
            self._check_int("clusters", 1)
        self._check_int("max_clusters", 1)
        self._check_int("min_size", 2)
        self._check_int("seed", 0, 2**32 - 1)
        self._check_number("min_silhouette", -1.0)
        self._check_number("silhouette_tolerance", 0.0)
        self._check_number("descriptor_weight", 0.0)
        self._check_number("nsv_weight", 0.0)
        if self.descriptor_weight + self.nsv_weight <= 0:
            raise BadParams("ClusteringParams: descriptor_weight and nsv_weight are both 0.")


@dataclass(frozen=True)
class Cluster:
    """One group of photographs.

    Attributes:
        label: its number in `ClusteringResult.labels`.
        members: indices of photographs, nearest to the centroid first.
        distances: their Euclidean distances to the centroid, same order, in [0, √2].
        distinct: how many of them are distinct pictures.
        medoid: index of the member with the largest mean similarity to the others.
        cohesion: mean cosine similarity of pairs of members, in [−1, 1]; 1 for a single member.
        score: rank value: share of the photographs × cohesion.
        left_out: why it cannot become a style, or empty.
    """

    label: int
    members: tuple[int, ...]
    distances: tuple[float, ...]
    distinct: int
    medoid: int
    cohesion: float
    score: float
    left_out: str = ""


@dataclass(frozen=True)
class ClusteringResult:
    """A grouping.

    Attributes:
        clusters: those that may become styles, best score first; never empty.
        left_out: those that are too small, each with its reason.
        labels: cluster label of each photograph, labels by rank (0 is the best).
        silhouettes: number of clusters tried → mean silhouette.
        params: what it was made with.
    """

    clusters: tuple[Cluster, ...]
    left_out: tuple[Cluster, ...]
    labels: tuple[int, ...]
    silhouettes: dict[int, float]
    params: ClusteringParams


def similarity(
    descriptors: npt.NDArray[Any], nsv: npt.NDArray[Any], params: ClusteringParams
) -> Float64:
    """Cosine similarities of the combined vectors.

    Args:
        descriptors: (n, d), any float type.
        nsv: (n, D), any float type; half precision is converted in pieces.
        params: the weights of the two blocks.

    Returns:
        (n, n) float64, symmetric, ones on the diagonal.

    Raises:
        BadParams: not two-dimensional, different n, a value that is not finite, or a vector of
            zeros (which has no direction).
    """
    if descriptors.ndim != 2 or nsv.ndim != 2 or len(descriptors) != len(nsv):
        raise BadParams(
            f"Expected descriptors (n, d) and style vectors (n, D) of the same photographs, "
            f"got {descriptors.shape} and {nsv.shape}."
        )
    total = params.descriptor_weight + params.nsv_weight
    combined = np.zeros((len(nsv), len(nsv)))
    for name, block, weight in (
        ("descriptor", descriptors, params.descriptor_weight),
        ("style vector", nsv, params.nsv_weight),
    ):
        if weight == 0:
            continue
        products = np.zeros_like(combined)
        for start in range(0, block.shape[1], _COLUMNS_AT_ONCE):
            piece = block[:, start : start + _COLUMNS_AT_ONCE].astype(np.float32)
            products += piece @ piece.T
        norms = np.sqrt(np.diag(products))
        bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
        if bad.size:
            raise BadParams(
                f"The {name} of photograph number {bad[0]} (from 0) is zero or not finite. "
                f"Embed it again, or leave it out."
            )
        combined += weight / total * products / np.outer(norms, norms)
    combined = (combined + combined.T) / 2
    np.fill_diagonal(combined, 1.0)
    return combined


def cluster(
    descriptors: npt.NDArray[Any],
    nsv: npt.NDArray[Any],
    params: ClusteringParams | None = None,
) -> ClusteringResult:
    """Group photographs by k-means on descriptor and style together.

    The number of clusters is the smallest whose mean silhouette (Rousseeuw 1987) comes within
    ``silhouette_tolerance`` of the best among 2 … ``max_clusters``, but at most one for each
    ``min_size`` distinct photographs, so that the largest cluster is always large enough; one
    cluster if the best silhouette does not exceed ``min_silhouette``.

    Ranked by score = (members / all photographs) × cohesion: with cohesion between about .7 and 1
    for photographs of one word, size decides unless sizes are close.

    Args:
        descriptors: (n, d).
        nsv: (n, D), half precision is welcome.
        params: defaults for None.

    Raises:
        TooFewImages: fewer than ``min_size`` distinct photographs.
        NoUsableCluster: a fixed number of clusters left none of ``min_size``.
        BadParams: arrays that do not go together.
    """
    # Imported here: scikit-learn takes a second, and only this stage needs it. All of it before the
    # limit, which holds for libraries that are loaded already.
    import sklearn.cluster
    import sklearn.metrics  # noqa: F401
    from threadpoolctl import threadpool_limits

    # In one thread: the work is many small steps, and the threads of two BLAS and two OpenMP
    # libraries (torch's among them) wait for each other by spinning. Measured with another program
    # beside it on two cores: .45 s instead of 6.8 s (docs/performance.md).
    with threadpool_limits(1):
        return _cluster(descriptors, nsv, params or ClusteringParams())


def _cluster(
    descriptors: npt.NDArray[Any], nsv: npt.NDArray[Any], params: ClusteringParams
) -> ClusteringResult:
    alike = similarity(descriptors, nsv, params)
    count = len(alike)
    first = _first_of_same(alike)
    distinct = len(set(first))
    if distinct < params.min_size:
        again = f", {distinct} of them distinct" if distinct < count else ""
        raise TooFewImages(
            f"Clustering needs at least {params.min_size} distinct photographs, "
            f"got {count}{again}. Collect or upload {params.min_size - distinct} more.",
            needed=params.min_size,
            found=distinct,
        )
    points = _coordinates(alike)
    if params.clusters is not None:
        if params.clusters > distinct:
            raise TooFewImages(
                f"{params.clusters} clusters need as many distinct photographs, got {distinct}. "
                f"Collect more, or ask for fewer clusters.",
                needed=params.clusters,
                found=distinct,
            )
        labels = _k_means(points, params.clusters, params.seed)
        silhouettes: dict[int, float] = {}
    else:
        labels, silhouettes = _choose(points, distinct, params)
    groups = [
        _describe(label, np.flatnonzero(labels == label), alike, points, first, params)
        for label in np.unique(labels)
    ]
    return _ranked(groups, count, silhouettes, params)


def _first_of_same(alike: Float64) -> list[int]:
    """For each photograph the index of the first one that is the same picture."""
    same = 2.0 - 2.0 * alike < SAME  # ‖a − b‖² of unit vectors
    return [int(np.argmax(row)) for row in same]


def _coordinates(alike: Float64) -> Float64:
    """Points (n, r) with exactly the distances of the full vectors; r < n."""
    count = len(alike)
    centering = np.eye(count) - 1.0 / count
    values, vectors = np.linalg.eigh(centering @ alike @ centering)
    alive = values > 1e-9 * max(float(values[-1]), 1e-12)
    vectors = vectors[:, alive]
    # eigh leaves each vector's sign open; fix it, so that the seed means the same everywhere.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    coordinates: Float64 = vectors * signs * np.sqrt(values[alive])
    return coordinates


def _k_means(points: Float64, k: int, seed: int) -> npt.NDArray[np.int64]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if k == 1:
        return np.zeros(len(points), dtype=np.int64)
    with warnings.catch_warnings():
        # Copies of one picture may leave fewer clusters than asked for; that is handled.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(n_clusters=k, n_init=10, random_state=seed).fit(points)
    labels: npt.NDArray[np.int64] = model.labels_.astype(np.int64)
    return labels


def _choose(
    points: Float64, distinct: int, params: ClusteringParams
) -> tuple[npt.NDArray[np.int64], dict[int, float]]:
    from sklearn.metrics import silhouette_score

    tried: dict[int, npt.NDArray[np.int64]] = {}
    silhouettes: dict[int, float] = {}
    for k in range(2, min(params.max_clusters, distinct // params.min_size) + 1):
        labels = _k_means(points, k, params.seed)
        # Fewer may come out where photographs are copies; a silhouette needs 2 … n − 1.
        if 2 <= len(np.unique(labels)) < len(points):
            tried[k], silhouettes[k] = labels, float(silhouette_score(points, labels))
    best = max(silhouettes.values(), default=-1.0)
    if best <= params.min_silhouette:
        return np.zeros(len(points), dtype=np.int64), silhouettes
    chosen = min(k for k, s in silhouettes.items() if s >= best - params.silhouette_tolerance)
    return tried[chosen], silhouettes


def _describe(
    label: int,
    members: npt.NDArray[np.int64],
    alike: Float64,
    points: Float64,
    first: list[int],
    params: ClusteringParams,
) -> Cluster:
    size = len(members)
    distances = np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1)
    order = np.lexsort((members, distances))  # nearest first, then by index
    among = alike[np.ix_(members, members)]
    cohesion = float((among.sum() - size) / (size * (size - 1))) if size > 1 else 1.0
    distinct = len({first[member] for member in members})
    reason = ""
    if distinct == 1:
        reason = "it is a single photograph, and one photograph is not a style"
    elif distinct < params.min_size:
        reason = f"it has {distinct} distinct photographs, and {params.min_size} are needed"
    return Cluster(
        label=int(label),
        members=tuple(int(member) for member in members[order]),
        distances=tuple(float(distance) for distance in distances[order]),
        distinct=distinct,
        medoid=int(members[int(np.argmax(among.sum(axis=1)))]),
        cohesion=cohesion,
        score=size / len(alike) * cohesion,
        left_out=reason,
    )


def _ranked(
    groups: list[Cluster], count: int, silhouettes: dict[int, float], params: ClusteringParams
) -> ClusteringResult:
    # Usable ones first; ties by the lowest photograph, which every run sees the same.
    groups = sorted(groups, key=lambda c: (bool(c.left_out), -c.score, min(c.members)))
    labels = [0] * count
    renamed: list[Cluster] = []
    for rank, group in enumerate(groups):
        renamed.append(Cluster(**{**vars(group), "label": rank}))
        for member in group.members:
            labels[member] = rank
    usable = tuple(c for c in renamed if not c.left_out)
    if not usable:
        sizes = ", ".join(str(c.distinct) for c in renamed)
        raise NoUsableCluster(
            f"No cluster has the {params.min_size} distinct photographs a style needs; with "
            f"{len(renamed)} clusters the sizes are {sizes}. Collect more photographs, or ask for "
            f"fewer clusters."
        )
    return ClusteringResult(
        clusters=usable,
        left_out=tuple(c for c in renamed if c.left_out),
        labels=tuple(labels),
        silhouettes=silhouettes,
        params=params,
    )
