"""Content, style and their vectors: what the optimization compares and clustering sees.

A style is made of statistics (see `statistics`), the Gram matrix unless another is asked for.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016
(here: Gatys 2016); Matsuo and Yanai, Neural Style Vectors (here: NSV).

Two forms of each loss. The published form (`gatys_content_loss`, `gatys_style_loss`) is there for
comparison. The engine's default divides by the target's squared norm instead (`relative_loss`):
layers of very different magnitude then weigh the same whatever the encoder's scale, a loss of 1
means "as far from the target as nothing at all", and one content weight serves all words.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generation.vision.devices import computing
from generation.vision.encoder import EMBED_SIZE, Encoder
from generation.vision.errors import BadImage, BadParams, BadStyle, OutOfMemory
from generation.vision.params import is_number
from generation.vision.statistics import get_statistic
from generation.vision.statistics.gram import gram
from generation.vision.tensors import center_square, to_tensor

Float32 = npt.NDArray[np.float32]
Float16 = npt.NDArray[np.float16]

logger = logging.getLogger(__name__)

STYLE_FORMAT = 3
EMBEDDING_FORMAT = 2

#: Of everything that is stored and compared: embeddings and representations (see
#: `devices.resolve_precision`). A file that says another one is not read.
STORED_PRECISION = "float32"

#: At most so many clusters are blended into one style (the first study's number).
MAX_BLENDED = 3


def gatys_content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Gatys 2016, eq. 1: ½ Σ (F − P)², a scalar. Both (1, C, H, W)."""
    return (features - target).square().sum() / 2


def gatys_style_loss(gram_matrix: Tensor, target: Tensor) -> Tensor:
    """Gatys 2016, eq. 4, for one layer: Σ (G − A)² / (4 C² M²), a scalar.

    Both arguments are (…, C, C) from `gram`, already divided by M: what is left of the paper's
    normalizer is 4 C². Eq. 5, the weighted sum over layers, is the caller's.
    """
    channels = gram_matrix.shape[-1]
    return (gram_matrix - target).square().sum() / (4 * channels**2)


def relative_loss(values: Tensor, target: Tensor) -> Tensor:
    """‖values − target‖² / ‖target‖², a scalar: the engine's default for content and Grams.

    A target that is zero everywhere would divide by zero; the smallest normal number guards it.
    """
    floor = torch.finfo(target.dtype).tiny
    return (values - target).square().sum() / target.square().sum().clamp_min(floor)


@dataclass(frozen=True)
class StyleRepresentation:
    """A style: per layer the mean of a statistic (the Gram matrix) over photographs.

    The gradient of Σ_i w_i ‖G − G_i‖² (one common normalizer) equals that of ‖G − Ḡ‖² with the
    weighted mean Ḡ; the two differ by a constant, the dispersion. So a cluster is represented
    without loss by its mean, and `dispersion` says how far its members are from it. That holds for
    every statistic whose loss is a squared distance.

    Attributes:
        encoder: name of the encoder.
        pooling: the encoder's pooling.
        size: side in pixels at which the photographs were seen.
        targets: layer → float32, the mean statistic; (C, C) for the Gram matrix.
        dispersion: layer → Σ_i w_i ‖G_i − Ḡ‖² / ‖Ḡ‖², at least 0.
        members: number of photographs.
        weights: their weights if one group, or those of the blended groups; they sum to 1.
        statistic: name of the statistic, as in `statistics.STATISTICS`.
    """

    encoder: str
    pooling: str
    size: int
    targets: Mapping[str, Float32]
    dispersion: Mapping[str, float]
    members: int
    weights: tuple[float, ...]
    statistic: str = "gram"

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers it has."""
        return tuple(self.targets)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for ``numpy.savez``; `from_arrays` reads them back."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "format": np.array(STYLE_FORMAT),
            "precision": np.array(STORED_PRECISION),
            "encoder": np.array(self.encoder),
            "pooling": np.array(self.pooling),
            "size": np.array(self.size),
            "members": np.array(self.members),
            "weights": np.array(self.weights, dtype=np.float64),
            "statistic": np.array(self.statistic),
        }
        for layer, target in self.targets.items():
            arrays[f"target/{layer}"] = target
            arrays[f"dispersion/{layer}"] = np.array(self.dispersion[layer], dtype=np.float64)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "StyleRepresentation":
        """The representation that `to_arrays` wrote (a dictionary or an opened .npz file).

        Raises:
            BadStyle: another format version or precision, or a missing part.
        """
        try:
            version = int(arrays["format"])
            if version != STYLE_FORMAT:
                raise BadStyle(
                    f"Style representation: expected format {STYLE_FORMAT}, got {version}. "
                    f"Represent the cluster again."
                )
            _check_precision("Style representation", arrays)
            layers = [key.removeprefix("target/") for key in arrays if key.startswith("target/")]
            return cls(
                encoder=str(arrays["encoder"]),
                pooling=str(arrays["pooling"]),
                size=int(arrays["size"]),
                targets={layer: arrays[f"target/{layer}"].astype(np.float32) for layer in layers},
                dispersion={layer: float(arrays[f"dispersion/{layer}"]) for layer in layers},
                members=int(arrays["members"]),
                weights=tuple(float(weight) for weight in arrays["weights"]),
                statistic=str(arrays["statistic"]),
            )
        except KeyError as error:
            raise BadStyle(
                f"Style representation: the part {error} is missing. Represent the cluster again."
            ) from error


def _check_precision(what: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    found = str(arrays["precision"])
    if found != STORED_PRECISION:
        raise BadStyle(
            f"{what}: expected the precision {STORED_PRECISION}, got {found!r}. Make it again."
        )


def shares_of(weights: Sequence[float] | None, count: int, what: str) -> tuple[float, ...]:
    """Weights that sum to 1; equal ones for None. Raises `BadParams`."""
    if weights is None:
        return (1.0 / count,) * count
    if len(weights) != count:
        raise BadParams(f"Expected one weight for each of {count} {what}, got {len(weights)}.")
    total = sum(weights) if all(is_number(w) and w >= 0 for w in weights) else 0.0
    if total <= 0:
        raise BadParams(
            f"Expected weights of at least 0 and not all 0 for {what}, got {list(weights)}."
        )
    return tuple(float(weight) / total for weight in weights)


def represent(
    encoder: Encoder,
    images: Sequence[Image.Image],
    layers: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
    *,
    size: int = 256,
    statistic: str = "gram",
) -> StyleRepresentation:
    """The style of one group of photographs: the weighted mean of their raw statistics.

    In float32 (`STORED_PRECISION`), also where the picture is made in less.

    Args:
        encoder: the encoder the pictures will be optimized with.
        images: RGB photographs; each is cut to its central square and scaled to ``size``.
        layers: style layers; the encoder's default (conv1_1 … conv5_1) for None.
        weights: one a photograph, at least 0; None: equal.
        size: side in pixels; the size of the pictures to make, so that grain keeps its scale.
        statistic: name of the statistic.

    Raises:
        BadStyle: no photograph, or no layer.
        BadImage, BadParams, OutOfMemory, UnknownLayer: as their names say.
    """
    if not images:
        raise BadStyle("A style needs at least one photograph, got none.")
    names = encoder.spec.require_layers(encoder.spec.style_layers if layers is None else layers)
    if not names or "fc6" in names:
        raise BadStyle(f"A style needs convolutional layers, got {list(names)}.")
    shares = shares_of(weights, len(images), "photographs")
    measure = get_statistic(statistic)
    mean: dict[str, Tensor] = {}
    power = dict.fromkeys(names, 0.0)  # Σ w ‖G‖²
    with computing(encoder.device, STORED_PRECISION), torch.inference_mode():
        for image, share in zip(images, shares, strict=True):
            x = to_tensor(center_square(image, size), encoder.device).to(encoder.mean.dtype)
            for layer, values in encoder(x, names).items():
                one = measure(values)[0]
                # In float64, which Apple's GPUs do not have: the dispersion is a difference of such sums.
                power[layer] += share * float(one.cpu().double().square().sum())
                mean[layer] = mean[layer] + share * one if layer in mean else share * one
    targets = {layer: mean[layer].cpu().to(torch.float32).numpy() for layer in names}
    return StyleRepresentation(
        encoder=encoder.spec.name,
        pooling=encoder.pooling,
        size=size,
        targets=targets,
        dispersion=_dispersion(targets, power),
        members=len(images),
        weights=shares,
        statistic=statistic,
    )


def blend(
    styles: Sequence[StyleRepresentation], weights: Sequence[float] | None = None
) -> StyleRepresentation:
    """One style from up to three groups: the weighted mean of their means.

    Args:
        styles: 1 to 3 representations of the same encoder, pooling, size, layers and statistic.
        weights: one a group; None: proportional to the number of members, which makes the blend
            the plain mean over all photographs.

    Raises:
        BadStyle: none, more than three, or representations that do not go together.
        BadParams: bad weights.
    """
    if not 1 <= len(styles) <= MAX_BLENDED:
        raise BadStyle(f"Expected 1 to {MAX_BLENDED} styles to blend, got {len(styles)}.")
    first = styles[0]
    for other in styles[1:]:
        for name in ("encoder", "pooling", "size", "layers", "statistic"):
            if getattr(other, name) != getattr(first, name):
                raise BadStyle(
                    f"Styles to blend must have the same {name}, got {getattr(first, name)!r} and "
                    f"{getattr(other, name)!r}. Represent them with the same settings."
                )
    given = [float(style.members) for style in styles] if weights is None else weights
    shares = shares_of(given, len(styles), "styles")
    targets: dict[str, Float32] = {}
    power: dict[str, float] = {}
    for layer in first.layers:
        total = np.zeros(first.targets[layer].shape, dtype=np.float64)
        power[layer] = 0.0
        for style, share in zip(styles, shares, strict=True):
            one = style.targets[layer].astype(np.float64)
            total += share * one
            power[layer] += share * float((one**2).sum()) * (1.0 + style.dispersion[layer])
        targets[layer] = total.astype(np.float32)
    return StyleRepresentation(
        encoder=first.encoder,
        pooling=first.pooling,
        size=first.size,
        targets=targets,
        dispersion=_dispersion(targets, power),
        members=sum(style.members for style in styles),
        weights=shares,
        statistic=first.statistic,
    )


def _dispersion(targets: Mapping[str, Float32], power: Mapping[str, float]) -> dict[str, float]:
    """Σ w ‖G_i − Ḡ‖² / ‖Ḡ‖² = Σ w ‖G_i‖² / ‖Ḡ‖² − 1; rounding may not make it negative."""
    spread: dict[str, float] = {}
    for layer, target in targets.items():
        norm = float((target.astype(np.float64) ** 2).sum())
        spread[layer] = max(0.0, power[layer] / norm - 1.0) if norm > 0 else 0.0
    return spread


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The vector over its L2 norm; a zero vector stays zero."""
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm > 0 else vector


def layer_style_vector(features: Tensor) -> Float32:
    """One layer's part of the Neural Style Vector.

    Lower half of the Gram matrix with its diagonal, row by row; signed square root
    (sign(g) √|g|); L2 norm. The Gram's normalizer cancels.

    Args:
        features: (1, C, H, W) post-ReLU.

    Returns:
        (C (C + 1) / 2,) float32 of unit length (zero if the layer is silent everywhere).

    Raises:
        BadImage: not exactly one picture.
    """
    if features.ndim != 4 or features.shape[0] != 1:
        raise BadImage(f"Expected activations (1, C, H, W), got {tuple(features.shape)}.")
    return _style_vectors(features)[0].detach().cpu().to(torch.float32).numpy()


@lru_cache(maxsize=16)
def _lower_half(channels: int, device: torch.device) -> Tensor:
    """Where the lower half with the diagonal, row by row, lies in a flattened C × C matrix."""
    # Made outside the caller's inference mode, since it is kept and may be used elsewhere.
    with torch.inference_mode(False):
        rows, columns = torch.tril_indices(channels, channels, device=device)
        index: Tensor = rows * channels + columns
        return index


def _style_vectors(features: Tensor) -> Tensor:
    """`layer_style_vector` of several pictures, on their device: (N, C, H, W) → (N, C (C + 1) / 2)."""
    matrices = gram(features)
    index = _lower_half(matrices.shape[-1], matrices.device)
    half = matrices.flatten(1).index_select(1, index)  # (N, C, C) → (N, C (C + 1) / 2)
    roots = half.sign() * half.abs().sqrt()
    # Of length 1; a vector of zeros stays zero.
    return functional.normalize(roots, dim=1, eps=torch.finfo(roots.dtype).tiny)


def neural_style_vector(features: Mapping[str, Tensor]) -> Float32:
    """The Neural Style Vector of one picture.

    Each layer's vector (`layer_style_vector`), concatenated in the order given with equal weight,
    and L2-normalized again. On VGG-19's conv1_2, conv2_2, conv3_4, conv4_4, conv5_4 these are
    2,080 + 8,256 + 32,896 + 131,328 + 131,328 = 305,888 numbers.

    Args:
        features: layer → (1, C, H, W), at the fixed input size 224.

    Returns:
        (Σ C (C + 1) / 2,) float32 of unit length.

    Raises:
        BadParams: no layer.
    """
    if not features:
        raise BadParams("A Neural Style Vector needs at least one layer, got none.")
    return join_style_vectors([layer_style_vector(values) for values in features.values()])


def join_style_vectors(parts: Sequence[npt.NDArray[Any]]) -> Float32:
    """Unit vectors of layers → one unit vector, float32, equal weight a layer."""
    return _unit(np.concatenate([np.asarray(p, dtype=np.float64) for p in parts])).astype(
        np.float32
    )


@dataclass(frozen=True)
class Embedding:
    """What clustering sees of one photograph, taken at 224 × 224.

    Attributes:
        encoder: name of the encoder.
        descriptor_name: ``fc6`` or what stands in for it.
        descriptor: (d,) float32, not normalized.
        nsv: layer → unit vector in half precision (0.6 MB for all five layers).
    """

    encoder: str
    descriptor_name: str
    descriptor: Float32
    nsv: Mapping[str, Float16] = field(default_factory=dict)

    @property
    def style_vector(self) -> Float32:
        """The whole Neural Style Vector, unit length, float32."""
        return join_style_vectors(list(self.nsv.values()))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for ``numpy.savez``; `from_arrays` reads them back."""
        return {
            "format": np.array(EMBEDDING_FORMAT),
            "precision": np.array(STORED_PRECISION),
            "encoder": np.array(self.encoder),
            "descriptor_name": np.array(self.descriptor_name),
            "descriptor": self.descriptor,
            **{f"nsv/{layer}": vector for layer, vector in self.nsv.items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Embedding":
        """The embedding that `to_arrays` wrote. Raises `BadStyle` if it cannot be read."""
        try:
            version = int(arrays["format"])
            if version != EMBEDDING_FORMAT:
                raise BadStyle(
                    f"Features: expected format {EMBEDDING_FORMAT}, got {version}. "
                    f"Embed the photograph again."
                )
            _check_precision("Features", arrays)
            return cls(
                encoder=str(arrays["encoder"]),
                descriptor_name=str(arrays["descriptor_name"]),
                descriptor=arrays["descriptor"].astype(np.float32),
                nsv={
                    key.removeprefix("nsv/"): arrays[key].astype(np.float16)
                    for key in arrays
                    if key.startswith("nsv/")
                },
            )
        except KeyError as error:
            raise BadStyle(
                f"Features: the part {error} is missing. Embed the photograph again."
            ) from error


def mean_style_vector(embeddings: Sequence[Embedding], weights: Sequence[float]) -> Float32:
    """The Neural Style Vector of the mean of photographs, at the size and from the layers of `Embedding`.

    A layer's part v of a photograph is the square root of its Gram matrix's lower half over the half's sum, so
    √(Σ w v²) is that of the weighted mean of the Gram matrices, each scaled to the same sum; the parts
    are then joined as for one photograph. The scaling is a departure from `represent`, where a bright photograph
    counts for more; and whatever statistic, layers and size a recipe takes, this stays the same.

    Args:
        embeddings: at least one, of one encoder.
        weights: one each, at least 0, not all 0.

    Returns:
        Unit length, float32, at least 0 (activations are post-ReLU).

    Raises:
        BadStyle: none, or of different encoders.
        BadParams: bad weights.
    """
    if not embeddings:
        raise BadStyle("The mean of photographs needs at least one, got none.")
    encoders = {embedding.encoder for embedding in embeddings}
    if len(encoders) > 1:
        raise BadStyle(
            f"Expected features of one encoder, got {sorted(encoders)}. Embed the photographs again."
        )
    shares = shares_of(weights, len(embeddings), "photographs")
    parts = []
    for layer in embeddings[0].nsv:
        total = np.zeros(embeddings[0].nsv[layer].shape, dtype=np.float64)
        for embedding, share in zip(embeddings, shares, strict=True):
            total += share * embedding.nsv[layer].astype(np.float64) ** 2
        parts.append(np.sqrt(total))
    return join_style_vectors(parts)


def style_distance(content: Embedding, style: Float32) -> float:
    """Cosine distance, 1 − cos, of a photograph's Neural Style Vector and a style's (`mean_style_vector`).

    From 0 (the same statistics at every layer) to 1, as no entry is negative.

    Raises:
        BadStyle: vectors of different lengths (another encoder).
    """
    vector = content.style_vector
    if vector.shape != style.shape:
        raise BadStyle(
            f"Expected style vectors of one encoder, got lengths {len(vector)} and {len(style)}."
        )
    cosine = float(vector.astype(np.float64) @ style.astype(np.float64))
    return min(1.0, max(0.0, 1.0 - cosine))


def embed(encoder: Encoder, image: Image.Image) -> Embedding:
    """Descriptor and Neural Style Vector of a photograph, in one pass at 224 × 224, in float32.

    Raises:
        BadImage: not an RGB image.
        BadParams: the encoder's pooling is not ``max``, as it was trained; features are stored
            without their pooling, so there is only one.
        OutOfMemory: as its name says.
    """
    return next(embed_many(encoder, [image], batch=1))


def embed_many(
    encoder: Encoder, images: Iterable[Image.Image], batch: int = 8
) -> Iterator[Embedding]:
    """`embed` of many photographs, in order, so many at a time.

    Photographs are taken from ``images`` as they are needed and nothing is kept, so that memory
    does not grow with their number. A batch that does not fit in the device's memory is done in
    halves, and so are those after it; that is logged once.

    A library may choose another way to convolve for another size of batch, and sum in another order.
    So the numbers are those of `embed` not to the last bit, but to 10⁻⁵ of the descriptor's
    largest value and one step of half precision in the Neural Style Vector.

    Raises:
        BadImage: not an RGB image, when its turn comes.
        BadParams: ``batch`` below 1, or as for `embed`.
        OutOfMemory: one photograph alone does not fit.
    """
    if batch < 1:
        raise BadParams(f"Expected a batch of at least 1 photograph, got {batch}.")
    if encoder.pooling != "max":
        raise BadParams(
            f"Features are taken with max pooling, as the network was trained; this encoder has "
            f"{encoder.pooling!r} pooling. Load it with pooling='max'."
        )
    # Cut at once: of a photograph in the batch only its small square is kept.
    squares = (center_square(image, EMBED_SIZE) for image in images)
    # A second generator: what is wrong with the arguments is said at the call, not at the first use.
    return _embedded(encoder, squares, batch)


def _embedded(encoder: Encoder, rest: Iterator[Image.Image], batch: int) -> Iterator[Embedding]:
    said = False
    while group := list(islice(rest, batch)):
        while group:
            try:
                with computing(encoder.device, STORED_PRECISION):
                    found = _embed_batch(encoder, group[:batch])
            except OutOfMemory:
                tried = min(batch, len(group))
                if tried == 1:
                    raise
                batch = tried // 2
                if not said:
                    logger.warning(
                        "%d photographs at once do not fit in the memory of the device '%s'; "
                        "going on with fewer at a time.",
                        tried,
                        encoder.device,
                    )
                    said = True
                continue
            group = group[batch:]
            yield from found


def _embed_batch(encoder: Encoder, squares: Sequence[Image.Image]) -> list[Embedding]:
    layers = encoder.spec.nsv_layers
    # N × (1, 3, 224, 224) → (N, 3, 224, 224)
    x = torch.cat([to_tensor(square) for square in squares]).to(encoder.device, encoder.mean.dtype)
    with torch.inference_mode():
        features = encoder(x, [*layers, encoder.descriptor_layer])
        descriptors = encoder.descriptor_of(features).cpu().to(torch.float32).numpy()
        # One layer after the other, its activations given up at once.
        nsv = {
            layer: _style_vectors(features.pop(layer)).to(torch.float16).cpu().numpy()
            for layer in layers
        }
    return [
        Embedding(
            encoder.spec.name,
            encoder.descriptor_name,
            # Copies: a view would keep the whole batch in memory.
            descriptors[number].copy(),
            {layer: vectors[number].copy() for layer, vectors in nsv.items()},
        )
        for number in range(len(squares))
    ]
