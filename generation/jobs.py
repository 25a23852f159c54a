"""What web code calls: writes rows and, on commit, sends their tasks by name. Free of torch.

``plan`` looks at the rows of a set and writes the work that can be done next; ``advance`` also sends
it. Both may run at any time, any number of times, anywhere: that is how lost messages, killed workers
and restarts are covered.
"""

import os
import socket
from datetime import timedelta

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.models import (
    Clustering,
    Job,
    State,
    StimulusSet,
    StylizedImage,
    Word,
    Work,
)

TASKS = {
    Job.Kind.COLLECT: "generation.collect_word",
    Job.Kind.EMBED: "generation.embed_word",
    Job.Kind.CLUSTER: "generation.cluster_word",
}
PICTURE_TASK = "generation.stylize_picture"
RECONCILE_TASK = "generation.reconcile"

# A message that nobody claimed for so long is taken for lost and sent again. A second message for
# the same row does no harm: only one worker can claim it.
RESEND_AFTER = timedelta(minutes=15)


def owner_name() -> str:
    """This process, as the owner of leases."""
    return f"{socket.gethostname()}/{os.getpid()}"


def make(stimulus_set: StimulusSet) -> None:
    """Have all pictures of the set made; what failed before is tried again. Returns at once."""
    start(stimulus_set)
    advance(stimulus_set)


def start(stimulus_set: StimulusSet) -> None:
    """Write a row for every picture of the set and put what failed in the queue again."""
    with transaction.atomic():
        StylizedImage.objects.bulk_create(
            [
                StylizedImage(stimulus_set=stimulus_set, word=word, content=content, recipe=recipe)
                for word in stimulus_set.words.all()
                for content in stimulus_set.contents.all()
                for recipe in stimulus_set.recipes.all()
            ],
            ignore_conflicts=True,
        )
        stimulus_set.wanted().retry_failed()
        Job.objects.filter(word__sets=stimulus_set, state=State.FAILED).delete()
        _set_status(stimulus_set, StimulusSet.Status.MAKING)


def plan(stimulus_set: StimulusSet) -> None:
    """Write the rows of the work that can be done next, and the set's status."""
    if stimulus_set.status == StimulusSet.Status.DRAFT:
        return
    pictures = stimulus_set.wanted()
    waiting = pictures.filter(state=State.QUEUED, clustering__isnull=True)
    for word in Word.objects.filter(pk__in=waiting.values("word")):
        for encoder in stimulus_set.encoders():
            _plan_word(waiting.filter(word=word, recipe__encoder=encoder), word, encoder)
    if not pictures.exists():
        status = StimulusSet.Status.FAILED
    elif pictures.active().exists():
        status = StimulusSet.Status.MAKING
    elif pictures.filter(state=State.FAILED).exists():
        status = StimulusSet.Status.FAILED
    else:
        status = StimulusSet.Status.READY
    _set_status(stimulus_set, status)


def _plan_word(pictures: QuerySet[StylizedImage], word: Word, encoder: str) -> None:
    """Bring one word a stage further: collect, embed, cluster, then its pictures are ready."""
    if not pictures.exists():
        return
    clustering = Clustering.objects.current(word, encoder)
    if clustering is not None:
        pictures.update(clustering=clustering, sent_at=None)
        return
    if word.jobs.active().exists():
        return
    stage = _next_stage(word, encoder)
    if isinstance(stage, str):
        pictures.update(state=State.FAILED, error=stage, finished_at=timezone.now())
        return
    try:
        # A savepoint: when another process wrote the same job first, that one is enough.
        with transaction.atomic():
            stage.save()
    except IntegrityError:
        return


def _next_stage(word: Word, encoder: str) -> Job | str:
    """The job to write, or the reason why the word cannot go on."""
    if not word.images.exists():
        if not word.source:
            return _(
                "%(word)s has no photographs. Upload some, or choose an image source, "
                "then press Make pictures again."
            ) % {"word": word}
        failed = _failure(word, Q(kind=Job.Kind.COLLECT))
        return failed or Job(kind=Job.Kind.COLLECT, word=word)
    key = {"word": word, "encoder": encoder, "fingerprint": word.fingerprint()}
    this = Q(encoder=encoder, fingerprint=key["fingerprint"])
    if failed := _failure(word, this):
        return failed
    embedded = word.jobs.filter(this, kind=Job.Kind.EMBED, state=State.DONE).exists()
    return Job(kind=Job.Kind.CLUSTER if embedded else Job.Kind.EMBED, **key)


def _failure(word: Word, condition: Q) -> str:
    failed = word.jobs.filter(condition, state=State.FAILED).order_by("-pk").first()
    return failed.error if failed else ""


def _set_status(stimulus_set: StimulusSet, status: str) -> None:
    StimulusSet.objects.filter(pk=stimulus_set.pk).update(status=status)
    stimulus_set.status = status


def ready_jobs() -> QuerySet[Job]:
    return Job.objects.filter(state=State.QUEUED).order_by("pk")


def ready_pictures() -> QuerySet[StylizedImage]:
    return StylizedImage.objects.filter(state=State.QUEUED, clustering__isnull=False).order_by("pk")


def advance(stimulus_set: StimulusSet) -> None:
    """Plan, and send what is ready."""
    plan(stimulus_set)
    send_ready()


def advance_all() -> None:
    for stimulus_set in StimulusSet.objects.filter(status=StimulusSet.Status.MAKING):
        plan(stimulus_set)
    send_ready()


def send_ready() -> None:
    """Send a message for every row that is ready and was not sent yet."""
    for job in ready_jobs().filter(sent_at=None):
        _send(job, TASKS[Job.Kind(job.kind)])
    for picture in ready_pictures().filter(sent_at=None):
        _send(picture, PICTURE_TASK)


def _send(row: Work, task: str) -> None:
    model = type(row)
    marked = model._default_manager.filter(pk=row.pk, sent_at=None).update(sent_at=timezone.now())
    if marked:
        transaction.on_commit(lambda: current_app.send_task(task, args=[row.pk]))


def reconcile(*, starting: bool = False) -> None:
    """Put lost work in the queue again.

    Args:
        starting: a worker has just started, so messages that its predecessor had taken are gone:
            send everything that is unclaimed again.
    """
    lost = Q(lease_until__lt=timezone.now()) | Q(owner__in=_dead_owners())
    unclaimed = Q() if starting else Q(sent_at__lt=timezone.now() - RESEND_AFTER)
    for rows in (Job.objects.all(), StylizedImage.objects.all()):
        rows.give_back(lost)
        rows.filter(unclaimed, state=State.QUEUED).update(sent_at=None)
    advance_all()


def _dead_owners() -> list[str]:
    """Owners of leases on this machine whose process is gone: no need to wait for the lease."""
    host = socket.gethostname()
    owners: set[str] = set()
    for rows in (Job.objects.all(), StylizedImage.objects.all()):
        running = rows.filter(state=State.RUNNING, owner__startswith=f"{host}/")
        owners.update(running.values_list("owner", flat=True).distinct())
    return [owner for owner in owners if not _alive(int(owner.rpartition("/")[2]))]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def lease_seconds() -> int:
    return int(settings.LEASE_SECONDS)
