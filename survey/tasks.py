"""Celery tasks, imported by workers only."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from survey import analyses, jobs


@shared_task(name=jobs.ANALYZE_TASK)
def analyze(analysis_id: int) -> None:
    analyses.analyze_row(analysis_id)


@shared_task(name=jobs.RECONCILE_TASK)
def reconcile() -> None:
    jobs.reconcile()


@worker_ready.connect
def begin(sender: Any, **kwargs: Any) -> None:
    """Take up what a killed worker left."""
    jobs.reconcile(starting=True)
