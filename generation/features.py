"""Encoders, stored features and stored photographs: what every stage that computes needs."""

import io
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image
from torch import nn

from generation.imagefile import ImageRefused, read_image
from generation.models import ContentImage, SourceImage
from generation.storage import write_atomically
from generation.vision.devices import resolve_device, resolve_precision
from generation.vision.encoder import Encoder, load_encoder
from generation.vision.errors import VisionError
from generation.vision.masks import load_segmenter
from generation.vision.style import EMBEDDING_FORMAT, Embedding, embed, embed_many

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Photographs seen by the encoder at once. More gains nothing on a CPU, and a killed worker loses at
#: most so many (docs/performance.md).
EMBED_BATCH = 8

# What numpy raises for a stored file that is cut off, empty or something else.
UNREADABLE = (
    *(ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error),
    VisionError,
)


class DamagedPhotograph(VisionError):
    """A stored photograph cannot be read any more."""


@lru_cache(maxsize=1)
def encoder(name: str, pooling: str) -> Encoder:
    """An encoder on the configured device; one at a time is kept."""
    weights = {"vgg19": settings.VGG19_WEIGHTS, "vgg16-hed": settings.VGG16_HED_WEIGHTS}.get(name)
    return load_encoder(name, weights, str(resolve_device(settings.DEVICE)), pooling)


def precision(network: Encoder) -> str:
    """The configured precision of pictures, on the device of an encoder.

    Raises:
        PrecisionUnavailable: the device cannot do it.
    """
    return resolve_precision(settings.PRECISION, network.device)


def computed_by(network: Encoder) -> dict[str, Any]:
    """What else the bytes of a picture depend on, to be kept with it (JSON types).

    Returns:
        ``device`` (as torch names it), ``torch`` (version and build) and ``threads`` (of torch, on the CPU).
    """
    return {
        "device": str(network.device),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }


def segmenter() -> nn.Module:
    """The segmentation network on the configured device. Not kept: a mask is made once a photograph."""
    return load_segmenter(settings.SEGMENTATION_WEIGHTS, str(resolve_device(settings.DEVICE)))


def feature_path(sha256: str, encoder_name: str) -> Path:
    folder = Path(settings.FEATURES_ROOT) / encoder_name / f"v{EMBEDDING_FORMAT}"
    return folder / sha256[:2] / f"{sha256}.npz"


def embed_missing(
    images: Sequence[SourceImage | ContentImage],
    encoder_name: str,
    on_step: Callable[[int], None],
) -> None:
    """Compute and store the features of those that have none, in batches.

    Each photograph is read when its batch comes and its features are stored as soon as the batch is
    done, so that memory does not grow with their number and what is stored is never lost.

    Args:
        on_step: called before each photograph is read and after each is stored, with the number of
            those stored; may raise to cancel.

    Raises:
        DamagedPhotograph: one cannot be read. Those of the batches before it are stored.
    """
    missing = [image for image in images if _stored_embedding(image, encoder_name) is None]
    done = len(images) - len(missing)

    def photographs() -> Iterator[Image.Image]:
        for image in missing:
            on_step(done)
            yield open_photograph(image)

    on_step(done)
    if not missing:
        return  # no weights need be read
    found = embed_many(encoder(encoder_name, "max"), photographs(), batch=EMBED_BATCH)
    for image, embedding in zip(missing, found, strict=True):
        store(feature_path(image.sha256, encoder_name), embedding.to_arrays())
        done += 1
        on_step(done)


def embedding_of(image: SourceImage | ContentImage, encoder_name: str) -> Embedding:
    """Stored features of a photograph, computed if they are not there or cannot be read."""
    kept = _stored_embedding(image, encoder_name)
    if kept is not None:
        return kept
    result = embed(encoder(encoder_name, "max"), open_photograph(image))
    store(feature_path(image.sha256, encoder_name), result.to_arrays())
    return result


def _stored_embedding(image: SourceImage | ContentImage, encoder_name: str) -> Embedding | None:
    return stored(feature_path(image.sha256, encoder_name), Embedding.from_arrays)


def stored(path: Path, read: Callable[[dict[str, Any]], T]) -> T | None:
    """What a file holds; None if it is not there or cannot be read, so that it is made again."""
    try:
        # Opened here: numpy leaves the file of a broken archive open.
        with path.open("rb") as stream, np.load(stream) as arrays:
            return read(dict(arrays))
    except FileNotFoundError:
        return None
    except UNREADABLE as error:
        logger.warning("%s cannot be read (%s); computing it again", path, error)
        return None


def store(path: Path, arrays: dict[str, Any]) -> None:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    write_atomically(path, stream.getvalue())


def open_photograph(row: Any) -> Image.Image:
    """The RGB image of a photograph's row.

    Raises:
        DamagedPhotograph: the stored file is not there or cannot be read.
    """
    try:
        with row.file.open("rb") as stream:
            return read_image(stream.read()).image
    except (ImageRefused, OSError) as error:
        raise DamagedPhotograph(
            _(
                "The stored photograph %(name)s cannot be read: %(why)s "
                "Leave it out in the admin, then make the pictures again."
            )
            % {"name": f"{row} ({row.file.name})", "why": error}
        ) from error
