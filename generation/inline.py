"""The same work as the workers', in this process."""

from collections.abc import Callable

from generation import jobs, pipeline
from generation.models import Job, StimulusSet

STAGES = {
    Job.Kind.COLLECT: pipeline.collect,
    Job.Kind.EMBED: pipeline.embed_word,
    Job.Kind.CLUSTER: pipeline.cluster_word,
}


def run_set(stimulus_set: StimulusSet, after_each: Callable[[], None]) -> None:
    """Do everything that the set needs and that nobody else is doing."""
    while True:
        jobs.plan(stimulus_set)
        after_each()
        job = jobs.ready_jobs().filter(word__sets=stimulus_set).first()
        if job is not None:
            STAGES[Job.Kind(job.kind)](job.pk)
            continue
        picture = jobs.ready_pictures().filter(stimulus_set=stimulus_set).first()
        if picture is None:
            return
        pipeline.make_picture(picture.pk)
