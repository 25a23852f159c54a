"""One function a stage: rows → vision → rows.

Each takes an id, claims the row by its lease, works, and stores the result only if the lease is still
its own. Running it twice, or killing it anywhere, does no harm.
"""

import hashlib
import io
import json
import logging
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.utils.translation import gettext as _
from PIL import Image

from generation.imagefile import (
    ImageRefused,
    encode_png,
    photograph_fields,
    pixel_sha256,
    read_image,
)
from generation.jobs import owner_name
from generation.models import (
    Clustering,
    ClusterMember,
    Job,
    Recipe,
    SourceImage,
    StyleCluster,
    StylizedImage,
    Word,
)
from generation.packages import PackageError
from generation.sources import get_source
from generation.sources.base import SourceError
from generation.storage import write_atomically
from generation.vision.clustering import ClusteringParams, cluster
from generation.vision.devices import resolve_device
from generation.vision.encoder import Encoder, load_encoder
from generation.vision.errors import TooFewImages, VisionError
from generation.vision.style import Embedding, StyleRepresentation, blend, embed, represent
from generation.vision.tensors import center_square
from generation.vision.transfer import Losses, TransferParams, stylize

logger = logging.getLogger(__name__)

T = TypeVar("T")

FEATURE_FORMAT = 1
COLLECT_LIMIT = 60
RENEW_SECONDS = 2.0
# How long a step may report nothing before its row is given to another worker (seconds).
PATIENCE = 1800.0

# What a person can do something about: the message alone is shown. Anything else is a defect and
# also goes to the log with its traceback.
EXPECTED = (VisionError, ImageRefused, SourceError, PackageError, OSError)

# What numpy raises for a stored file that is cut off, empty or something else.
UNREADABLE = (
    *(ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error),
    VisionError,
)


class StyleMissing(VisionError):
    """A picture has no style to take on."""


class DamagedPhotograph(VisionError):
    """A stored photograph cannot be read any more."""


class LeaseLost(Exception):
    """Another worker has the row now; this one's work is thrown away."""


class Lease:
    """Holds a claimed row while it is worked on.

    As a context it also holds the row through long steps that report nothing (loading weights, one
    large picture): a thread renews it, but for no longer than ``PATIENCE`` without a sign of life.

    Args:
        rows: manager of the row's model.
        pk: the row.
        owner: this process.
    """

    def __init__(self, rows: Any, pk: int, owner: str) -> None:
        self._rows, self._pk, self._owner = rows, pk, owner
        self._renewed = 0.0
        self._heard = time.monotonic()
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        self._keeper.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._keeper.join()

    def _keep(self) -> None:
        try:
            while not self._ended.wait(settings.LEASE_SECONDS / 3):
                if time.monotonic() - self._heard < PATIENCE:
                    self._rows.renew(self._pk, self._owner)
        finally:
            connection.close()

    def renew(self, **progress: Any) -> None:
        """Hold it longer and store progress, at most every two seconds.

        Raises:
            LeaseLost: the row was given to another worker meanwhile.
        """
        now = self._heard = time.monotonic()
        if now - self._renewed < RENEW_SECONDS:
            return
        self._renewed = now
        if not self._rows.renew(self._pk, self._owner, **progress):
            raise LeaseLost

    def finish(self, **results: Any) -> None:
        if not self._rows.finish(self._pk, self._owner, **results):
            raise LeaseLost


def _run(rows: Any, pk: int, work: Callable[[Any, Lease], None]) -> bool:
    """Claim a row and work on it; False when somebody else has it or it is done."""
    owner = owner_name()
    if not rows.claim(pk, owner):
        return False
    try:
        with Lease(rows, pk, owner) as lease:
            work(rows.get(pk=pk), lease)
    except LeaseLost:
        logger.warning("%s %s was taken over by another worker", rows.model.__name__, pk)
    except EXPECTED as error:
        rows.fail(pk, owner, str(error))
        logger.warning("%s %s failed: %s", rows.model.__name__, pk, error)
    except Exception as error:
        # The boundary of the worker: whatever it is, the row must say so and the worker must go on.
        rows.fail(pk, owner, f"{type(error).__name__}: {error}")
        logger.exception("%s %s failed", rows.model.__name__, pk)
    return True


# --- collect ----------------------------------------------------------------------------------


def collect(job_id: int) -> bool:
    """Fill a word with photographs from its source."""
    return _run(Job.objects, job_id, _collect)


def _collect(job: Job, lease: Lease) -> None:
    source = get_source(job.word.source)
    hits = list(source.search(job.word.text, COLLECT_LIMIT))
    refused: list[str] = []
    for number, hit in enumerate(hits):
        lease.renew(done=number, total=len(hits))
        try:
            photograph = read_image(source.read(hit))
        except (ImageRefused, SourceError) as error:
            refused.append(f"{hit.credit or hit.origin}: {error}")
            continue
        fields = photograph_fields(photograph)
        SourceImage.objects.get_or_create(
            word=job.word,
            sha256=fields["sha256"],
            defaults={
                **fields,
                "source": hit.source,
                "query": hit.query,
                "rank": hit.rank,
                "origin": hit.origin,
                "page_url": hit.page_url,
                "credit": hit.credit,
                "license": hit.license,
            },
        )
    if not job.word.images.exists():
        raise SourceError(
            _("No photograph of %(word)s could be used: %(why)s")
            % {"word": job.word, "why": "; ".join(refused) or _("the source has none")}
        )
    lease.finish(done=len(hits), total=len(hits), note="\n".join(refused))


# --- embed ------------------------------------------------------------------------------------


def embed_word(job_id: int) -> bool:
    """Compute features and Neural Style Vectors of a word's photographs."""
    return _run(Job.objects, job_id, _embed_word)


def _embed_word(job: Job, lease: Lease) -> None:
    images = list(job.word.images.accepted())
    for number, image in enumerate(images):
        lease.renew(done=number, total=len(images))
        embedding_of(image, job.encoder)
    lease.finish(done=len(images), total=len(images))


@lru_cache(maxsize=1)
def encoder(name: str) -> Encoder:
    """The encoder on the configured device; one at a time is kept."""
    weights = {"vgg19": settings.VGG19_WEIGHTS, "vgg16-hed": settings.VGG16_HED_WEIGHTS}[name]
    return load_encoder(name, weights, str(resolve_device(settings.DEVICE)))


def feature_path(sha256: str, encoder_name: str) -> Path:
    folder = Path(settings.FEATURES_ROOT) / encoder_name / f"v{FEATURE_FORMAT}"
    return folder / sha256[:2] / f"{sha256}.npz"


def embedding_of(image: SourceImage, encoder_name: str) -> Embedding:
    """Stored features of a photograph, computed if they are not there or cannot be read."""
    path = feature_path(image.sha256, encoder_name)
    stored = _stored(path, Embedding.from_arrays)
    if stored is not None:
        return stored
    result = embed(encoder(encoder_name), open_photograph(image))
    _store(path, result.to_arrays())
    return result


def _stored(path: Path, read: Callable[[dict[str, Any]], T]) -> T | None:
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


def _store(path: Path, arrays: dict[str, Any]) -> None:
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


# --- cluster ----------------------------------------------------------------------------------


def cluster_word(job_id: int) -> bool:
    """Group a word's photographs by style and rank the groups."""
    return _run(Job.objects, job_id, _cluster_word)


def _cluster_word(job: Job, lease: Lease) -> None:
    images = list(job.word.images.accepted().order_by("rank", "pk"))
    fingerprint = job.word.fingerprint()
    params = ClusteringParams()
    if len(images) < params.min_size:
        raise TooFewImages(
            _(
                "%(word)s has %(found)d usable photographs; grouping by style needs at least "
                "%(needed)d. Upload more, then make the pictures again."
            )
            % {"word": job.word, "found": len(images), "needed": params.min_size},
            needed=params.min_size,
            found=len(images),
        )
    embeddings = []
    for number, image in enumerate(images):
        lease.renew(done=number, total=len(images))
        embeddings.append(embedding_of(image, job.encoder))
    result = cluster(
        np.stack([e.descriptor for e in embeddings]),
        np.stack([np.concatenate(list(e.nsv.values())) for e in embeddings]),
        params,
    )
    with transaction.atomic():
        clustering = Clustering.objects.create(
            word=job.word,
            encoder=job.encoder,
            descriptor=embeddings[0].descriptor_name,
            params=result.params.to_dict(),
            fingerprint=fingerprint,
        )
        for rank, group in enumerate([*result.clusters, *result.left_out], start=1):
            row = StyleCluster.objects.create(
                clustering=clustering,
                rank=rank,
                size=len(group.members),
                cohesion=group.cohesion,
                score=group.score,
                chosen=not group.left_out and rank <= MAX_CHOSEN,
                left_out=group.left_out,
            )
            ClusterMember.objects.bulk_create(
                ClusterMember(
                    clustering=clustering,
                    cluster=row,
                    image=images[member],
                    order=order,
                    is_medoid=member == group.medoid,
                )
                for order, member in enumerate(group.members)
            )
        lease.finish(done=len(images), total=len(images), note=_summary(clustering))


# As in the first study, which used three clusters a word.
MAX_CHOSEN = 3


def _summary(clustering: Clustering) -> str:
    sizes = [str(c.size) for c in clustering.clusters.filter(chosen=True)]
    return _("clusters used, by size: %(sizes)s") % {"sizes": ", ".join(sizes)}


# --- represent and stylize --------------------------------------------------------------------


STYLE_FORMAT = 1


def represent_word(job_id: int) -> bool:
    """Make the style representation of a word's best groups, for one recipe."""
    return _run(Job.objects, job_id, _represent_word)


def _represent_word(job: Job, lease: Lease) -> None:
    clustering = Clustering.objects.current(job.word, job.encoder)
    if clustering is None or clustering.fingerprint != job.fingerprint or job.recipe is None:
        raise StyleMissing(
            _("The photographs of %(word)s have changed meanwhile. Make the pictures again.")
            % {"word": job.word}
        )
    total = sum(group.size for group in chosen_groups(clustering, job.recipe))

    def on_group(done: int) -> None:
        lease.renew(done=done, total=total)

    style = style_of(clustering, job.recipe, on_group)
    lease.finish(done=total, total=total, note=_spread(style))


def _spread(style: StyleRepresentation) -> str:
    mean = sum(style.dispersion.values()) / len(style.dispersion)
    return _("%(n)d photographs, dispersion %(spread).2f") % {"n": style.members, "spread": mean}


def chosen_groups(clustering: Clustering, recipe: Recipe) -> list[StyleCluster]:
    """The best groups, at most as many as the recipe blends."""
    return list(clustering.clusters.filter(chosen=True)[: recipe.clusters])


def style_of(
    clustering: Clustering, recipe: Recipe, on_group: Callable[[int], None] | None = None
) -> StyleRepresentation:
    """The stored style representation, computed if it is not there or cannot be read.

    A clustering is immutable, so the file is named by what it was made of.

    Args:
        on_group: called with the number of photographs done so far.

    Raises:
        StyleMissing: the clustering is of another encoder than the recipe.
        DamagedPhotograph: a member cannot be read.
    """
    if clustering.encoder != recipe.encoder:
        raise StyleMissing(
            f"The photographs were grouped with {clustering.encoder}, the recipe asks for "
            f"{recipe.encoder}. Add a new recipe to the set and make the pictures again."
        )
    groups = chosen_groups(clustering, recipe)
    members = [list(group.members.select_related("image")) for group in groups]
    params = transfer_params(recipe)
    path = _style_path(params, [[m.image.sha256 for m in group] for group in members])
    stored = _stored(path, StyleRepresentation.from_arrays)
    if stored is not None:
        return stored
    styles, done = [], 0
    for group in members:
        images = [open_photograph(member.image) for member in group]
        styles.append(
            represent(encoder(params.encoder), images, params.style_layers, size=params.size)
        )
        done += len(images)
        if on_group is not None:
            on_group(done)
    style = blend(styles)
    _store(path, style.to_arrays())
    return style


def _style_path(params: TransferParams, members: list[list[str]]) -> Path:
    """Named by everything that the representation depends on."""
    made_of = {
        "pooling": params.pooling,
        "layers": params.style_layers,
        "size": params.size,
        "members": members,
    }
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    folder = Path(settings.FEATURES_ROOT) / params.encoder / f"styles-v{STYLE_FORMAT}"
    return folder / f"{digest}.npz"


@lru_cache(maxsize=1)
def style_photographs(clustering_id: int, clusters: int, size: int) -> tuple[Image.Image, ...]:
    """The members of the best groups as squares of the picture's size; kept for the next content."""
    best = StyleCluster.objects.filter(clustering=clustering_id, chosen=True)[:clusters]
    return tuple(
        center_square(open_photograph(member.image), size)
        for group in best
        for member in group.members.select_related("image")
    )


def transfer_params(recipe: Recipe) -> TransferParams:
    return TransferParams(
        encoder=recipe.encoder,
        initial=recipe.initial,
        size=recipe.size,
        evaluations=recipe.evaluations,
        content_weight=recipe.content_weight,
    )


def picture_seed(recipe: Recipe, word: Word, content_sha256: str) -> int:
    """A seed by recipe, word and content, the same on every machine."""
    text = f"{recipe.seed}\n{word.text}\n{content_sha256}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def make_picture(picture_id: int) -> bool:
    """Restyle one content photograph."""
    return _run(StylizedImage.objects, picture_id, _make_picture)


def _make_picture(picture: StylizedImage, lease: Lease) -> None:
    began = time.monotonic()
    recipe = picture.recipe
    if picture.clustering is None:
        raise StyleMissing(f"{picture} was sent to a worker before its word was grouped by style.")
    params = transfer_params(recipe)
    style = style_of(picture.clustering, recipe)
    photographs = style_photographs(picture.clustering_id, recipe.clusters, recipe.size)
    seed = picture_seed(recipe, picture.word, picture.content.sha256)

    def on_step(evaluation: int, total: int, losses: Losses) -> None:
        lease.renew(progress=evaluation)

    result = stylize(
        encoder(recipe.encoder),
        open_photograph(picture.content),
        style,
        photographs,
        params,
        seed=seed,
        on_step=on_step,
    )
    # Not compressed: files of one size have one length, which says nothing about the word.
    picture.file.save(
        "picture.png", ContentFile(encode_png(result.image, compress=False)), save=False
    )
    try:
        lease.finish(
            file=picture.file.name,
            sha256=pixel_sha256(result.image),
            progress=result.evaluations,
            params={**params.to_dict(), "clusters": recipe.clusters},
            seed=seed,
            content_loss=result.content_loss,
            style_loss=result.style_loss,
            loss_curve=[round(value, 6) for value in result.curve],
            source_correlation=result.high_frequency_correlation,
            seconds=round(time.monotonic() - began, 2),
        )
    except LeaseLost:
        picture.file.delete(save=False)
        raise
