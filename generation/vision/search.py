"""Search and classification by style: the first uses of the Neural Style Vector.

Matsuo and Yanai describe a picture's style by the Gram matrices of several layers (here:
`style.neural_style_vector`) and look for pictures of like style, and for their class, by the
distance of these vectors. For unit vectors the order by Euclidean distance is that by cosine
similarity, ‖a − b‖² = 2 − 2 a·b, which is what is computed here.

How good a similarity is, is measured by leaving each picture out in turn and asking the others:
classification by the k nearest (Manning, Raghavan and Schütze, "Introduction to Information
Retrieval", 2008, section 14.3) and mean average precision (section 8.4, eq. 8.8).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from generation.vision.errors import BadParams, BadStyle, UnknownLayer
from generation.vision.specs import EncoderSpec
from generation.vision.style import Embedding
from generation.vision.tensors import to_array

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

#: What a style can be compared by, beside the names of layers.
ALL, DESCRIPTOR = "all", "descriptor"


def require_layer(spec: EncoderSpec, layer: str) -> None:
    """Refuse what `style_vector` cannot give for an encoder. Raises `UnknownLayer`."""
    choices = (ALL, *spec.nsv_layers, DESCRIPTOR)
    if layer not in choices:
        raise UnknownLayer(
            f"Expected a layer among {', '.join(choices)} for the encoder {spec.name!r}, "
            f"got {layer!r}."
        )


def style_vector(embedding: Embedding, layer: str = ALL) -> Float32:
    """What a picture is compared by, as a unit vector.

    Args:
        embedding: of the picture.
        layer: ``all`` (the whole Neural Style Vector), one of its layers, or ``descriptor`` (fc6 or
            its stand-in, which tells what is shown rather than its style).

    Returns:
        (d,) float32 of unit length; zero if the layer is silent.

    Raises:
        UnknownLayer: a name that the embedding does not have.
    """
    if layer == ALL:
        return embedding.style_vector
    if layer == DESCRIPTOR:
        return unit(embedding.descriptor).astype(np.float32)
    if layer not in embedding.nsv:
        choices = (ALL, *embedding.nsv, DESCRIPTOR)
        raise UnknownLayer(f"Expected a layer among {', '.join(choices)}, got {layer!r}.")
    # Half precision is a little off unit length.
    return unit(embedding.nsv[layer]).astype(np.float32)


def unit(vectors: npt.NDArray[Any]) -> Float64:
    """Vectors (…, d) over their L2 norms, float64; zeros stay zeros."""
    values = vectors.astype(np.float64)
    norms = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.where(norms > 0, norms, 1.0)


def similarities(query: Embedding, others: Iterable[Embedding], layer: str = ALL) -> Float64:
    """Cosine similarity of one picture's style to those of many.

    Args:
        query: the picture.
        others: n others, of the same encoder; taken one by one and not kept, so that memory does
            not grow with n.
        layer: as for `style_vector`.

    Returns:
        (n,) float64 in [0, 1] (all these vectors are without negative parts), to rounding.

    Raises:
        BadStyle: an embedding of another encoder.
        UnknownLayer: as for `style_vector`.
    """
    wanted = style_vector(query, layer)
    found: list[float] = []
    for number, other in enumerate(others):
        if other.encoder != query.encoder:
            raise BadStyle(
                f"Number {number} (from 0) was embedded with {other.encoder!r}, the picture to "
                f"compare with {query.encoder!r}. Embed both with one encoder."
            )
        found.append(float(wanted @ style_vector(other, layer)))
    return np.array(found, dtype=np.float64)


def nearest(similarity: npt.NDArray[Any], k: int) -> npt.NDArray[np.intp]:
    """Indices of the k largest similarities, largest first; ties by index, lowest first.

    Args:
        similarity: (n,).
        k: how many, at least 1; all n if there are fewer.

    Raises:
        BadParams: another shape, a value that is not a number, or k below 1.
    """
    if similarity.ndim != 1 or np.isnan(similarity).any():
        raise BadParams(
            f"Expected similarities (n,), each a number; got the shape {similarity.shape} and "
            f"{int(np.isnan(similarity).sum())} that are not numbers."
        )
    if k < 1:
        raise BadParams(f"Expected at least 1 nearest neighbor, got {k}.")
    return np.argsort(-similarity, kind="stable")[:k]


def similarity_matrix(vectors: npt.NDArray[Any]) -> Float64:
    """Cosine similarities (n, n) of vectors (n, d), symmetric. Raises `BadParams`."""
    if vectors.ndim != 2:
        raise BadParams(f"Expected vectors (n, d), got {vectors.shape}.")
    units = unit(vectors)
    products = units @ units.T
    return (products + products.T) / 2


def knn_hits(similarity: npt.NDArray[Any], labels: Sequence[str], k: int) -> npt.NDArray[np.bool_]:
    """Whether each item's label is that of its k nearest others: leave-one-out classification.

    The k nearest are those of `nearest`, the item itself left out. The label that most of them have
    is the answer; among labels with equally many votes, that of the nearest neighbor. The mean of
    the result is the leave-one-out k-nearest-neighbor accuracy.

    Args:
        similarity: (n, n), row i the similarities of item i to all; the diagonal is not looked at.
        labels: n.
        k: how many vote, 1 … n − 1.

    Returns:
        (n,) bool.

    Raises:
        BadParams: other shapes, a value that is not a number, or k out of range.
    """
    rankings = _rankings(similarity, labels)
    if not 1 <= k < len(labels):
        raise BadParams(f"Expected k from 1 to {len(labels) - 1} for {len(labels)}, got {k}.")
    hits = np.zeros(len(labels), dtype=np.bool_)
    for item, ranking in enumerate(rankings):
        votes: dict[str, int] = {}  # in order of nearness, so that max() settles ties
        for other in ranking[:k]:
            votes[labels[other]] = votes.get(labels[other], 0) + 1
        hits[item] = max(votes, key=votes.__getitem__) == labels[item]
    return hits


def average_precisions(similarity: npt.NDArray[Any], labels: Sequence[str]) -> Float64:
    """Average precision of each item as a query among all others.

    Manning et al. 2008, section 8.4: the mean, over the m items of the query's label, of the
    precision at their ranks: AP = (1/m) Σ_j j / rank_j, with rank_j the rank of the j-th of them,
    from 1. All others are ranked; the query itself is not among them. Ties of similarity by index.
    The mean over queries (their eq. 8.8) is the mean average precision.

    Args:
        similarity: (n, n), row i the similarities of item i to all; the diagonal is not looked at.
        labels: n, each at least twice.

    Returns:
        (n,) float64 in (0, 1].

    Raises:
        BadParams: other shapes, a value that is not a number, or a label that occurs once.
    """
    rankings = _rankings(similarity, labels)
    names = np.array(labels)
    found = np.zeros(len(labels))
    for item, ranking in enumerate(rankings):
        ranks = np.flatnonzero(names[ranking] == names[item]) + 1
        if not ranks.size:
            raise BadParams(
                f"The label {labels[item]!r} occurs once, so nothing can be found for it. "
                f"Expected each label at least twice."
            )
        found[item] = np.mean(np.arange(1, ranks.size + 1) / ranks)
    return found


def _rankings(similarity: npt.NDArray[Any], labels: Sequence[str]) -> list[npt.NDArray[np.intp]]:
    """For each item the others, nearest first."""
    count = len(labels)
    if similarity.shape != (count, count) or count < 2:
        raise BadParams(
            f"Expected similarities (n, n) of n items with labels, n at least 2, "
            f"got {similarity.shape} and {count} labels."
        )
    values = similarity.copy()
    np.fill_diagonal(values, 0)
    rankings = []
    for item in range(count):
        ranking = nearest(values[item], count)
        rankings.append(ranking[ranking != item])
    return rankings


def color_histogram(image: Image.Image, bins: int = 8) -> Float32:
    """The colors of a picture without their places: the baseline that a style must beat.

    Swain and Ballard, "Color Indexing", IJCV 7, 1991: shares of pixels in a grid of RGB. Departure:
    the square root of each share, so that the vector has unit length and the dot product of two is
    their Bhattacharyya coefficient (1 − the squared Hellinger distance).

    Args:
        image: RGB, any size.
        bins: equal steps a channel, 1 … 256.

    Returns:
        (bins³,) float32 of unit length; red changes slowest.

    Raises:
        BadImage: not an RGB image.
        BadParams: ``bins`` out of range.
    """
    if not 1 <= bins <= 256:
        raise BadParams(f"Expected 1 to 256 bins a channel, got {bins}.")
    levels = np.rint(to_array(image) * 255).astype(np.intp).reshape(-1, 3)  # (H, W, 3) → (H W, 3)
    steps = levels * bins // 256
    cells = (steps[:, 0] * bins + steps[:, 1]) * bins + steps[:, 2]
    counts = np.bincount(cells, minlength=bins**3)
    histogram: Float32 = np.sqrt(counts / counts.sum()).astype(np.float32)
    return histogram
