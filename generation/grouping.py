"""The groups of a word for the encoder of this installation: how things stand, and grouping again.

Free of torch: rows are read, and the next stage is written for a worker.
"""

from copy import copy
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch

from generation import jobs
from generation.models import (
    ENCODERS,
    Clustering,
    ClusterMember,
    Job,
    State,
    StyleCluster,
    Word,
)

STAGES = (Job.Kind.EMBED, Job.Kind.CLUSTER)


@dataclass(frozen=True)
class Group:
    """A cluster with its photographs, the medoid first."""

    cluster: StyleCluster
    members: list[ClusterMember]


@dataclass(frozen=True)
class Grouping:
    """How far the grouping of a word is.

    Attributes:
        clustering: the newest one of the encoder.
        current: it saw exactly the photographs that are accepted now.
        job: what is waiting or running.
        error: why the last attempt with these photographs failed.
    """

    word: Word
    encoder: str
    clustering: Clustering | None
    current: bool
    job: Job | None
    error: str

    @property
    def encoder_name(self) -> str:
        return str(dict(ENCODERS).get(self.encoder, self.encoder))

    @property
    def groups(self) -> list[Group]:
        if self.clustering is None:
            return []
        members = ClusterMember.objects.select_related("image__word").order_by(
            "-is_medoid", "order"
        )
        clusters = self.clustering.clusters.prefetch_related(Prefetch("members", members))
        return [Group(cluster, list(cluster.members.all())) for cluster in clusters]


def grouping_of(word: Word) -> Grouping:
    """How the grouping of a word stands, for the encoder of this installation."""
    encoder = settings.ENCODER
    fingerprint = word.fingerprint()
    stages = word.jobs.filter(encoder=encoder, kind__in=STAGES)
    newest = Clustering.objects.filter(word=word, encoder=encoder).order_by("-pk").first()
    current = Clustering.objects.current(word, encoder)
    last = stages.filter(fingerprint=fingerprint).order_by("-pk").first()
    failed = current is None and last is not None and last.state == State.FAILED
    return Grouping(
        word=word,
        encoder=encoder,
        clustering=current or newest,
        current=current is not None,
        job=stages.active().order_by("-pk").first(),
        error=last.error if last is not None and failed else "",
    )


def group_again(word: Word) -> str:
    """Have the accepted photographs grouped; what failed is tried again. Returns at once.

    Returns:
        Why that cannot be done; empty: it is being done, or was done already.
    """
    encoder = settings.ENCODER
    with transaction.atomic():
        stages = word.jobs.filter(encoder=encoder, kind__in=STAGES)
        stages.filter(state=State.FAILED).delete()
        problem = _next(word, encoder)
    jobs.send_ready()
    return problem


def go_on(job_id: int) -> None:
    """After a stage: write the next one up to the groups, whoever asked for the first.

    The rows of a set's stages are written by its plan as well; the same one twice is one.
    """
    job = Job.objects.select_related("word").filter(pk=job_id, state=State.DONE).first()
    if job is not None and job.kind == Job.Kind.EMBED:
        _next(job.word, job.encoder)


def _next(word: Word, encoder: str) -> str:
    """Write the stage that comes next, unless the groups are there or one is at work."""
    if Clustering.objects.current(word, encoder) is not None:
        return ""
    if word.jobs.active().filter(encoder=encoder, kind__in=STAGES).exists():
        return ""
    # Of the photographs there are: collecting is asked for elsewhere.
    as_it_is = copy(word)
    as_it_is.source = ""
    stage = jobs.next_stage(as_it_is, encoder)
    if isinstance(stage, str):
        return stage
    stage.word = word
    jobs.save_once(stage)
    return ""
