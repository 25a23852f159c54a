"""The same work as the workers', in this process."""

import time
from collections.abc import Callable

from generation import jobs, pipeline
from generation.models import Clustering, Job, State, StimulusSet, Word

STAGES = {
    Job.Kind.COLLECT: pipeline.collect,
    Job.Kind.EMBED: pipeline.embed_word,
    Job.Kind.CLUSTER: pipeline.cluster_word,
    Job.Kind.REPRESENT: pipeline.represent_word,
}
WAIT_SECONDS = 1.0


def run_set(stimulus_set: StimulusSet, after_each: Callable[[], None]) -> None:
    """Do everything that the set needs; wait for what a living worker is doing.

    What a killed run left behind is taken up, at the start and while waiting.
    """
    jobs.give_back_lost()
    while True:
        jobs.plan(stimulus_set)
        after_each()
        job = jobs.ready_jobs().filter(word__in=stimulus_set.all_words()).first()
        if job is not None:
            STAGES[Job.Kind(job.kind)](job.pk)
            continue
        mask = jobs.ready_masks().filter(content__sets=stimulus_set).first()
        if mask is not None:
            pipeline.find_mask(mask.pk)
            continue
        picture = jobs.ready_pictures().filter(stimulus_set=stimulus_set).first()
        if picture is not None:
            pipeline.make_picture(picture.pk)
        elif stimulus_set.status == StimulusSet.Status.MAKING:
            time.sleep(WAIT_SECONDS)
            jobs.give_back_lost()
        else:
            return


class StageFailed(Exception):
    """A word's stage ended without a result; the message is its reason."""


def collect(word: Word, source: str, limit: int | None, on_step: Callable[[int, int], None]) -> Job:
    """Collect photographs of a word, or go on where a run was stopped; the finished job.

    Args:
        on_step: called with how many hits are done, of how many.

    Raises:
        StageFailed: nothing could be collected, or another process is at it.
    """
    jobs.give_back_lost()
    job = jobs.collecting_job(word, source, limit)
    mine = pipeline.collect(job.pk, on_step)
    job.refresh_from_db()
    if not mine:
        raise StageFailed(f"{job} is being done by {job.owner}. Wait for it, then try again.")
    if job.state != State.DONE:
        raise StageFailed(job.error or "Another process has taken it over.")
    return job


def cluster(word: Word, encoder: str, on_stage: Callable[[str], None]) -> Clustering:
    """The word's current clustering, made by the missing stages if it is not there.

    Args:
        on_stage: called with the name of each stage that is begun.

    Raises:
        StageFailed: a stage failed, or another process is at work on the word.
    """
    jobs.give_back_lost()
    word.jobs.filter(state=State.FAILED).delete()
    while (found := Clustering.objects.current(word, encoder)) is None:
        job = word.jobs.active().first() or jobs.next_stage(word, encoder)
        if isinstance(job, str):
            raise StageFailed(job)
        if job.state == State.RUNNING:
            raise StageFailed(f"{job} is being done by {job.owner}. Wait for it, then try again.")
        if job._state.adding:
            # Taken up in the next round: by then it is there, whoever wrote it.
            jobs.save_once(job)
            continue
        on_stage(job.kind)
        STAGES[Job.Kind(job.kind)](job.pk)
    return found
