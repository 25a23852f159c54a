"""Where the object is in a photograph: from a box around it, or by a network that knows objects.

Two methods, never one silently for the other:

``grabcut``
    Rother, Kolmogorov and Blake, "GrabCut: Interactive Foreground Extraction using Iterated Graph
    Cuts", SIGGRAPH 2004, as in OpenCV: two mixtures of Gaussians in color and a minimum cut. It
    knows colors, not objects: it needs a box with some of the background outside.
``deeplabv3-resnet50``
    Chen, Papandreou, Schroff and Adam, "Rethinking Atrous Convolution for Semantic Image
    Segmentation", arXiv 1706.05587, 2017; torchvision's weights, trained on the COCO photographs
    that show one of Pascal VOC's 20 classes. Foreground is all that is not background.

A mask is gray (mode L), of the photograph's size, white where the object is. Its edge is soft, about
``softness`` pixels to each side: a hard one leaves stairs in the picture.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from generation.vision.devices import computing
from generation.vision.encoder import RGB_MEAN, RGB_STD, read_state
from generation.vision.errors import BadParams, BadWeights, NothingFound
from generation.vision.params import Params, is_number
from generation.vision.tensors import require_rgb, to_tensor

Box = tuple[int, int, int, int]

#: The network of `segment`.
NETWORK = "deeplabv3-resnet50"
#: What it knows, in the order of its outputs; the first is the background.
CLASSES: tuple[str, ...] = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa",
    "train", "TV monitor",
)  # fmt: skip

#: Least side of a box, in pixels of the size worked at: color models need samples.
LEAST_SIDE = 16
# Parts of the object, and holes in it, that are smaller than this share of it are noise.
_SPECK = 0.01
# The shorter side that the network was trained and measured with, and the most for the longer one.
_NETWORK_SIDE, _NETWORK_LONGEST = 520, 1300


@dataclass(frozen=True, kw_only=True)
class GrabCutParams(Params):
    """How `grabcut` works.

    Attributes:
        iterations: of models and cut in turn; the paper's own figures need about that many.
        side: the longer side worked at, in pixels; larger photographs are reduced to it.
        softness: standard deviation of the Gaussian that softens the edge, in pixels of the size
            worked at; 0: hard.
        seed: of the k-means that begins the mixtures.
    """

    FORMAT: ClassVar[int] = 1

    iterations: int = 5
    side: int = 512
    softness: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values. Raises `BadParams`."""
        self._check_int("iterations", 1, 100)
        self._check_int("side", 64, 4096)
        self._check_int("seed", 0, 2**31 - 1)
        self._check_number("softness", 0.0)


DEFAULT = GrabCutParams()


def grabcut(image: Image.Image, box: Box, params: GrabCutParams = DEFAULT) -> Image.Image:
    """The mask of the object in a box.

    The same arguments give the same bytes (same machine and versions). OpenCV's random numbers are
    seeded for that, those of the calling thread.

    Departures from the paper: no border matting, a Gaussian softens the edge instead; specks of
    either kind, smaller than 1 % of the object, are taken away. The object must lie inside the box,
    as in the paper: whatever is outside is background for good.

    Args:
        image: RGB, W × H.
        box: left, top, right, bottom in pixels, 0 ≤ left < right ≤ W, 0 ≤ top < bottom ≤ H. Some
            of the photograph must stay outside.
        params: see `GrabCutParams`.

    Returns:
        Mode L, W × H, 0 … 255.

    Raises:
        BadImage: the image is not RGB.
        BadParams: the box is no box, not inside the photograph, too small, or all of it.
        NothingFound: in the box all looks as outside.
    """
    require_rgb(image)
    scale = min(1.0, params.side / max(image.size))
    left, top, right, bottom = _checked(box, image.size, scale)
    import cv2  # here: only this function needs it

    small = image
    if scale < 1.0:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image.resize(size, Image.Resampling.LANCZOS)
        left, top = math.floor(left * scale), math.floor(top * scale)
        right = min(small.width, math.ceil(right * scale))
        bottom = min(small.height, math.ceil(bottom * scale))
    if (left, top, right, bottom) == (0, 0, *small.size):
        raise BadParams(
            f"Expected a box smaller than the photograph of {image.width} × {image.height} pixels, "
            f"got {_named(box)}: what is outside tells what the background looks like. Draw it "
            f"closer around the object, or upload a mask."
        )
    pixels = np.ascontiguousarray(np.asarray(small)[:, :, ::-1])  # BGR, as OpenCV has it
    labels = np.zeros(pixels.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(params.seed)
    cv2.grabCut(
        pixels,
        labels,
        (left, top, right - left, bottom - top),
        *models,
        params.iterations,
        cv2.GC_INIT_WITH_RECT,
    )
    found = _without_specks((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    if not found.any():
        raise NothingFound(
            f"No object was found in the box {_named(box)}: all of it looks like what is outside. "
            f"Draw the box closer around the object, or upload a mask."
        )
    return _softened(found, params.softness, image.size)


def _checked(box: Box, size: tuple[int, int], scale: float) -> Box:
    """The box, if it can be worked with. Raises `BadParams`."""
    width, height = size
    whole = f"the photograph of {width} × {height} pixels"
    if len(box) != 4 or not all(isinstance(n, int) and not isinstance(n, bool) for n in box):
        raise BadParams(f"Expected a box of four whole numbers (left top right bottom), got {box}.")
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise BadParams(
            f"Expected a box inside {whole}, left < right and top < bottom, got {_named(box)}. "
            f"Draw another one."
        )
    least = math.ceil(LEAST_SIDE / scale)
    if min(right - left, bottom - top) < least:
        raise BadParams(
            f"Expected a box of at least {least} × {least} pixels, got {right - left} × "
            f"{bottom - top}. Draw a larger one around the object."
        )
    return box


def _named(box: Box) -> str:
    return "left {}, top {}, right {}, bottom {}".format(*box)


def _without_specks(found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Without small parts, then without small holes; (H, W) both."""
    import cv2

    found = found.copy()
    for value, connectivity in ((True, 8), (False, 4)):
        least = _SPECK * found.sum()
        # Label 0 is whatever is not of this value.
        _n, labels, stats, _centers = cv2.connectedComponentsWithStats(
            (found == value).astype(np.uint8), connectivity=connectivity
        )
        small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < least)
        found[np.isin(labels, small[small > 0])] = not value
    return found


def _softened(found: npt.NDArray[np.bool_], softness: float, size: tuple[int, int]) -> Image.Image:
    mask = Image.fromarray(found.astype(np.uint8) * 255)
    if softness:
        mask = mask.filter(ImageFilter.GaussianBlur(softness))
    return mask if mask.size == size else mask.resize(size, Image.Resampling.BILINEAR)


# --- by a network -----------------------------------------------------------------------------


def load_segmenter(weights: Path | None = None, device: torch.device | str = "cpu") -> nn.Module:
    """The network of `segment`, trained and frozen, on a device.

    Args:
        weights: torchvision's state dict (``deeplabv3_resnet50_coco-cd0a2569.pth``); None lets
            torchvision read its cache or download.
        device: where to compute (see `devices.resolve_device`).

    Raises:
        MissingWeights: no file, or no network to download it; the message names both remedies.
        BadWeights: the file is unreadable or another network's.
    """
    from torchvision.models.segmentation import DeepLabV3_ResNet50_Weights, deeplabv3_resnet50

    state = read_state(
        f"the segmentation network {NETWORK!r}",
        weights,
        lambda: DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.get_state_dict(
            progress=False, check_hash=True
        ),
        "Either run once on a machine with internet, so that torchvision downloads "
        "deeplabv3_resnet50_coco-cd0a2569.pth (160 MB) into its cache; or copy that file here and "
        "name it in the setting STYLESTUDY_SEGMENTATION_WEIGHTS. Without it, draw a box or upload "
        "a mask.",
    )
    with torch.device("meta"):
        network: nn.Module = deeplabv3_resnet50(
            weights=None, weights_backbone=None, num_classes=len(CLASSES), aux_loss=False
        )
    # The second classifier only helped the training.
    used = {name: value for name, value in state.items() if not name.startswith("aux_classifier.")}
    if not all(bool(value.isfinite().all()) for value in used.values()):
        raise BadWeights(
            f"Weights for {NETWORK!r}: not all values are finite numbers. The file is damaged: get "
            f"it again."
        )
    try:
        network.load_state_dict(used, assign=True)
    except RuntimeError as error:
        raise BadWeights(
            f"Weights for {NETWORK!r}: it is another network's file. {error}"
        ) from error
    return network.requires_grad_(False).eval().to(device)


def segment(image: Image.Image, network: nn.Module, *, softness: float = 1.0) -> Image.Image:
    """The mask of all objects that the network knows (`CLASSES`).

    The photograph is reduced or enlarged to a shorter side of 520 pixels, as the network was
    measured; where any class is likelier than the background, there is foreground.

    Args:
        image: RGB, W × H.
        network: from `load_segmenter`.
        softness: as in `GrabCutParams`, in pixels of the size worked at.

    Returns:
        Mode L, W × H, 0 … 255.

    Raises:
        BadImage: the image is not RGB.
        BadParams: a softness that is not a number of at least 0.
        NothingFound: none of the classes is there, or nothing else.
    """
    require_rgb(image)
    if not is_number(softness) or softness < 0:
        raise BadParams(f"Expected a softness of at least 0, got {softness!r}.")
    scale = min(_NETWORK_SIDE / min(image.size), _NETWORK_LONGEST / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BILINEAR)
    like = next(network.parameters())
    x = to_tensor(small, like.device)  # (1, 3, h, w)
    mean, std = (torch.tensor(v, device=like.device).view(1, 3, 1, 1) for v in (RGB_MEAN, RGB_STD))
    with torch.no_grad(), computing(like.device, "float32"):
        scores: Tensor = network((x - mean) / std)["out"]  # (1, 21, h, w), not normalized
    found = (scores[0].argmax(dim=0) != 0).cpu().numpy()
    if not found.any():
        raise NothingFound(
            f"The network found nothing that it knows ({', '.join(CLASSES[1:])}). Draw a box "
            f"around the object, or upload a mask."
        )
    if found.all():
        raise NothingFound(
            "The network takes the whole photograph for an object. Draw a box around the object, "
            "or upload a mask."
        )
    return _softened(found, softness, image.size)
