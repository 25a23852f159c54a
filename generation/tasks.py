"""Celery tasks, imported by workers only: an id in, the pipeline, then whatever is next."""

import logging
from typing import Any

from celery import shared_task
from celery.beat import EmbeddedService
from celery.signals import worker_ready
from django.conf import settings

from generation import grouping, jobs, pipeline
from generation.models import Job

logger = logging.getLogger(__name__)


@shared_task(name=jobs.TASKS[Job.Kind.COLLECT])
def collect_word(job_id: int) -> None:
    pipeline.collect(job_id)
    jobs.advance_all()


@shared_task(name=jobs.TASKS[Job.Kind.EMBED])
def embed_word(job_id: int) -> None:
    pipeline.embed_word(job_id)
    grouping.go_on(job_id)
    jobs.advance_all()


@shared_task(name=jobs.TASKS[Job.Kind.CLUSTER])
def cluster_word(job_id: int) -> None:
    pipeline.cluster_word(job_id)
    jobs.advance_all()


@shared_task(name=jobs.TASKS[Job.Kind.REPRESENT])
def represent_word(job_id: int) -> None:
    pipeline.represent_word(job_id)
    jobs.advance_all()


@shared_task(name=jobs.MASK_TASK)
def find_mask(mask_id: int) -> None:
    pipeline.find_mask(mask_id)
    jobs.advance_all()


@shared_task(name=jobs.PICTURE_TASK)
def stylize_picture(picture_id: int) -> None:
    pipeline.make_picture(picture_id)
    jobs.advance_all()


@shared_task(name=jobs.RECONCILE_TASK)
def reconcile() -> None:
    jobs.reconcile()


@worker_ready.connect
def begin(sender: Any, **kwargs: Any) -> None:
    """Take up what a killed worker left, and keep the clock if this is the only worker."""
    jobs.reconcile(starting=True)
    if settings.EMBED_BEAT:
        # In a thread, unlike `celery worker -B`: its process would outlive a killed worker and go on.
        clock: Any = EmbeddedService(
            sender.app,
            max_interval=5,
            schedule_filename=str(settings.VAR_DIR / "beat-schedule"),
            thread=True,
        )
        clock.start()
