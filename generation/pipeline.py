"""One function a stage: rows → vision → rows.

Each takes an id, claims the row by its lease, works, and stores the result only if the lease is still
its own. Running it twice, or killing it anywhere, does no harm.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.translation import gettext as _

from generation import collecting, features, measuring, styles
from generation.download import Downloader, Limits
from generation.imagefile import (
    ImageRefused,
    encode_png,
    mask_file,
    pixel_sha256,
)
from generation.jobs import single_content_only
from generation.models import (
    Clustering,
    ClusterMember,
    Job,
    Mask,
    Recipe,
    Style,
    StyleCluster,
    StylizedImage,
    Word,
)
from generation.packages import PackageError
from generation.selecting import select_word
from generation.sources import get_source
from generation.sources.api import user_agent
from generation.sources.base import SourceError
from generation.turns import host_turns
from generation.vision.clustering import ClusteringParams, cluster
from generation.vision.errors import TooFewImages, VisionError
from generation.vision.masks import NETWORK, GrabCutParams, grabcut, segment
from generation.vision.optimize import Step
from generation.vision.transfer import stylize
from stylestudy.leases import Lease, LeaseLost, run

logger = logging.getLogger(__name__)

# What a person can do something about: the message alone is shown. Anything else is a defect and
# also goes to the log with its traceback.
EXPECTED = (VisionError, ImageRefused, SourceError, PackageError, OSError)


# --- collect ----------------------------------------------------------------------------------


def collect(job_id: int, watch: Callable[[int, int], None] = lambda _done, _total: None) -> bool:
    """Fill a word with photographs from a source.

    Args:
        watch: called with how many hits are done, of how many.
    """
    return run(Job.objects, job_id, partial(_collect, watch=watch), EXPECTED)


def _collect(job: Job, lease: Lease, *, watch: Callable[[int, int], None]) -> None:
    amount = {"done": 0, "total": 0}

    def on_step(done: int, total: int) -> None:
        amount.update(done=done, total=total)
        lease.renew(**amount)
        watch(done, total)

    source = get_source(job.source)
    report = collecting.Report()
    limit = job.limit or settings.COLLECT_LIMIT
    collecting.search(job.word, source, limit, report, lease.renew)
    if report.problems and not report.found:
        # Not done: the next run asks again.
        raise SourceError("\n".join(report.problems))
    collecting.fetch(
        job.word,
        source,
        _downloader(),
        settings.DOWNLOAD_THREADS,
        report,
        on_step,
    )
    if not job.word.images.exists():
        raise SourceError(
            _("No photograph of %(word)s could be used: %(why)s")
            % {"word": job.word, "why": report.text()}
        )
    select_word(job.word, on_step=lambda _done, _total: lease.renew())
    lease.finish(**amount, note=report.text())


def _downloader() -> Downloader:
    limits = Limits(
        max_bytes=settings.DOWNLOAD_MAX_BYTES,
        total_seconds=settings.DOWNLOAD_SECONDS,
        allow_hosts=frozenset(host.lower() for host in settings.DOWNLOAD_ALLOW_HOSTS),
    )
    return Downloader(limits, host_turns(), user_agent(settings.CONTACT))


# --- embed ------------------------------------------------------------------------------------


def embed_word(job_id: int) -> bool:
    """Compute features and Neural Style Vectors of a word's photographs."""
    return run(Job.objects, job_id, _embed_word, EXPECTED)


def _embed_word(job: Job, lease: Lease) -> None:
    images = list(job.word.images.accepted())
    features.embed_missing(
        images, job.encoder, lambda done: lease.renew(done=done, total=len(images))
    )
    lease.finish(done=len(images), total=len(images))


# --- cluster ----------------------------------------------------------------------------------


def cluster_word(job_id: int) -> bool:
    """Group a word's photographs by style and rank the groups."""
    return run(Job.objects, job_id, _cluster_word, EXPECTED)


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
        embeddings.append(features.embedding_of(image, job.encoder))
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


# --- represent --------------------------------------------------------------------------------


def represent_word(job_id: int) -> bool:
    """Make the style representations of a word's groups, for one recipe."""
    return run(Job.objects, job_id, _represent_word, EXPECTED)


def _represent_word(job: Job, lease: Lease) -> None:
    clustering = Clustering.objects.current(job.word, job.encoder)
    if clustering is None or clustering.fingerprint != job.fingerprint or job.recipe is None:
        raise styles.StyleMissing(
            _("The photographs of %(word)s have changed meanwhile. Make the pictures again.")
            % {"word": job.word}
        )
    wanted = _styles_of(clustering, job.recipe)
    single = single_content_only(job.word, job.recipe)
    params = job.recipe.transfer_params(single_content=single)
    each = params.texture_evaluations if params.initial == "texture" else 1
    notes = []
    for number, groups in enumerate(wanted):

        def on_step(done: int, before: int = number * each) -> None:
            lease.renew(done=before + done, total=len(wanted) * each)

        row = styles.style_row(clustering, job.recipe, groups, on_step, single_content=single)
        notes.append(_made(row))
    lease.finish(done=len(wanted) * each, total=len(wanted) * each, note="\n".join(notes))


def _styles_of(clustering: Clustering, recipe: Recipe) -> list[list[StyleCluster]]:
    """The groups of each style to make: for objects, and for the background if it is its word."""
    wanted = styles.styles_wanted(clustering, recipe)
    if recipe.background == clustering.word:
        behind = styles.styles_behind(clustering, recipe)
        wanted += [groups for groups in behind if groups not in wanted]
    return wanted


def _made(style: Style) -> str:
    mean = sum(style.dispersion.values()) / len(style.dispersion)
    return _("%(n)d photographs, dispersion %(spread).2f") % {"n": style.members, "spread": mean}


# --- masks ------------------------------------------------------------------------------------


def find_mask(mask_id: int) -> bool:
    """Find the object of a content photograph, in a box or by the segmentation network."""
    return run(Mask.objects, mask_id, _find_mask, EXPECTED)


def _find_mask(mask: Mask, lease: Lease) -> None:
    photograph = features.open_photograph(mask.content)
    params: dict[str, Any]
    if mask.box is not None:
        left, top, right, bottom = mask.box
        how = GrabCutParams()
        found = grabcut(photograph, (left, top, right, bottom), how)
        params = {"method": "grabcut", **how.to_dict()}
    else:
        found = segment(photograph, features.segmenter())
        params = {"method": NETWORK, "torchvision": version("torchvision")}
    mask.file.save("mask.png", mask_file(found), save=False)
    try:
        lease.finish(file=mask.file.name, sha256=pixel_sha256(found), params=params)
    except LeaseLost:
        mask.file.delete(save=False)
        raise


# --- pictures ---------------------------------------------------------------------------------


def picture_seed(recipe: Recipe, word: Word, content_sha256: str) -> int:
    """A seed by recipe, word and content, the same on every machine."""
    text = f"{recipe.seed}\n{word.text}\n{content_sha256}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def make_picture(picture_id: int) -> bool:
    """Restyle one content photograph."""
    return run(StylizedImage.objects, picture_id, _make_picture, EXPECTED)


def _make_picture(picture: StylizedImage, lease: Lease) -> None:
    began = time.monotonic()
    recipe = picture.recipe
    if picture.clustering is None:
        raise styles.StyleMissing(
            f"{picture} was sent to a worker before its word was grouped by style."
        )
    single = picture.single_content
    params = recipe.transfer_params(single_content=single)
    groups = styles.groups_for(picture.clustering, recipe, picture.variant, picture.content)
    # What can be refused at once comes first.
    network = features.encoder(params.encoder, params.pooling)
    precision = features.precision(network)
    mask, made = styles.mask_for(recipe, picture.content, picture.mask)
    style = styles.styling(picture.clustering, recipe, groups, single_content=single)
    behind = styles.background_groups(picture)
    background = None
    if picture.background_clustering is not None:
        background = styles.styling(
            picture.background_clustering, recipe, behind, single_content=single
        )
    region: dict[str, Any] = {"region": recipe.region}
    if made:
        region["mask"] = made
    if recipe.background is not None:
        region["background"] = {
            "word": recipe.background.text,
            "clusters": [group.rank for group in behind],
        }
    seed = picture_seed(recipe, picture.word, picture.content.sha256)
    style_distance = measuring.distance_of(recipe, groups, picture.content)

    def on_step(step: Step) -> None:
        lease.renew(progress=step.number, budget=step.total)

    result = stylize(
        network,
        features.open_photograph(picture.content),
        style,
        params,
        seed=seed,
        mask=mask,
        precision=precision,
        background=background,
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
            budget=result.evaluations,
            params={
                **params.to_dict(),
                "preset": recipe.preset,
                "clusters": [g.rank for g in groups],
                "cluster_shares": list(recipe.shares([g.size for g in groups])),
                "members": recipe.members,
                **region,
                "precision": result.precision,
                "computed_by": features.computed_by(network),
                "best_evaluation": result.best_evaluation,
                "restarts": result.restarts,
            },
            seed=seed,
            content_loss=result.content_loss,
            style_loss=result.style_loss,
            style_distance=style_distance,
            loss_curve=[round(value, 6) for value in result.curve],
            source_correlation=result.high_frequency_correlation,
            seconds=round(time.monotonic() - began, 2),
        )
    except LeaseLost:
        picture.file.delete(save=False)
        raise
