"""What web code calls: writes rows and, on commit, sends their tasks by name. Free of torch.

``plan`` looks at the rows of a set and writes the work that can be done next; ``advance`` also sends
it. Both may run at any time, any number of times, anywhere: that is how lost messages, killed workers
and restarts are covered.
"""

import contextlib

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.models import (
    Clustering,
    ContentImage,
    Job,
    Mask,
    Recipe,
    RegionChoice,
    State,
    StimulusSet,
    Style,
    StylizedImage,
    Word,
    WorkQuerySet,
)
from generation.vision.errors import BadParams
from stylestudy import leases

TASKS = {
    Job.Kind.COLLECT: "generation.collect_word",
    Job.Kind.EMBED: "generation.embed_word",
    Job.Kind.CLUSTER: "generation.cluster_word",
    Job.Kind.REPRESENT: "generation.represent_word",
}
MASK_TASK = "generation.find_mask"
PICTURE_TASK = "generation.stylize_picture"
RECONCILE_TASK = "generation.reconcile"


def make(stimulus_set: StimulusSet) -> None:
    """Have all pictures of the set made; what failed before is tried again. Returns at once."""
    start(stimulus_set)
    advance(stimulus_set)


def find_mask(content: ContentImage, kind: str, box: list[int] | None = None) -> Mask:
    """Have the mask of a content photograph found, in a box or by the network. Returns at once."""
    mask = Mask.objects.create(content=content, kind=kind, box=box)
    send_ready()
    return mask


def collect(word: Word, source: str, limit: int | None = None) -> Job:
    """Have photographs of a word collected; the run that is there already, if one is. Returns at once."""
    job = collecting_job(word, source, limit)
    send_ready()
    return job


def collecting_job(word: Word, source: str, limit: int | None = None) -> Job:
    """The row of a run that waits or works, written if there is none."""
    while True:
        active = word.jobs.active().filter(kind=Job.Kind.COLLECT, source=source)
        if limit is not None:
            active.filter(state=State.QUEUED).update(limit=limit)
        job = active.first()
        if job is not None:
            return job
        save_once(Job(kind=Job.Kind.COLLECT, word=word, source=source, limit=limit))


def start(stimulus_set: StimulusSet) -> None:
    """Write a row for every picture of the set and put what failed in the queue again."""
    with transaction.atomic():
        _lock(stimulus_set)
        StylizedImage.objects.bulk_create(
            [
                StylizedImage(
                    stimulus_set=stimulus_set,
                    word=word,
                    content=content,
                    recipe=recipe,
                    variant=variant,
                )
                for word in stimulus_set.words.all()
                for content in stimulus_set.contents.all()
                for recipe in stimulus_set.recipes.all()
                for variant in recipe.variants
            ],
            ignore_conflicts=True,
        )
        stimulus_set.wanted().retry_failed()
        Job.objects.filter(word__in=stimulus_set.all_words(), state=State.FAILED).delete()
        _set_status(stimulus_set, StimulusSet.Status.MAKING)


def plan(stimulus_set: StimulusSet) -> None:
    """Write the rows of the work that can be done next, and the set's status."""
    # Locked, so that of two processes none writes a status from rows that it read too early.
    with transaction.atomic():
        _lock(stimulus_set)
        if stimulus_set.status == StimulusSet.Status.DRAFT:
            return
        pictures = stimulus_set.wanted()
        waiting = pictures.filter(state=State.QUEUED, clustering__isnull=True)
        masked = _with_masks(waiting)
        for word in Word.objects.filter(pk__in=waiting.values("word")):
            _plan_word(stimulus_set, masked.filter(word=word), word)
        if not pictures.exists():
            status = StimulusSet.Status.FAILED
        elif pictures.active().exists():
            status = StimulusSet.Status.MAKING
        elif pictures.filter(state=State.FAILED).exists():
            status = StimulusSet.Status.FAILED
        else:
            status = StimulusSet.Status.READY
        _set_status(stimulus_set, status)


def _lock(stimulus_set: StimulusSet) -> None:
    """Hold the set's row until the transaction ends (on SQLite the transaction itself does)."""
    row = StimulusSet.objects.select_for_update().get(pk=stimulus_set.pk)
    stimulus_set.status = row.status


def _with_masks(waiting: QuerySet[StylizedImage]) -> QuerySet[StylizedImage]:
    """The pictures that need not wait for a mask; those that would wait for ever fail."""
    wanting = waiting.exclude(recipe__region=RegionChoice.WHOLE)
    later = []
    for content in ContentImage.objects.filter(pk__in=wanting.values("content")):
        newest = content.masks.exclude(state=State.FAILED).first()
        if newest is None:
            _write(content.no_mask(), wanting.filter(content=content))
        elif newest.state != State.DONE:
            later.append(content.pk)
    return waiting.filter(Q(recipe__region=RegionChoice.WHOLE) | ~Q(content__in=later))


def _plan_word(stimulus_set: StimulusSet, pictures: QuerySet[StylizedImage], word: Word) -> None:
    """Bring one word a stage further: collect, embed, cluster, represent, then its pictures are ready.

    A background's word goes the same way beside it.
    """
    recipes = Recipe.objects.filter(pk__in=pictures.values("recipe"))
    for recipe in recipes.select_related("background"):
        of_recipe = pictures.filter(recipe=recipe)
        single = stimulus_set.as_single_content(recipe)
        clustering = _represented(word, recipe, of_recipe, single_content=single)
        if recipe.background is None:
            ready, background = clustering is not None, None
        else:
            background = _represented(recipe.background, recipe, of_recipe, single_content=single)
            ready = clustering is not None and background is not None
        if ready:
            if recipe.needs_mask:
                _pin_masks(stimulus_set, of_recipe)
            of_recipe.update(
                clustering=clustering,
                background_clustering=background,
                single_content=single,
                sent_at=None,
            )


def _pin_masks(stimulus_set: StimulusSet, pictures: QuerySet[StylizedImage]) -> None:
    """Give pictures their content's mask: that of the set's others, also if a new one came meanwhile.

    Else words, and recipes, could not be compared.
    """
    for content in ContentImage.objects.filter(pk__in=pictures.values("content")):
        others = stimulus_set.wanted().filter(content=content)
        begun = others.exclude(mask=None).order_by("pk").first()
        mask = content.mask if begun is None else begun.mask
        pictures.filter(content=content).update(mask=mask)


def _represented(
    word: Word, recipe: Recipe, pictures: QuerySet[StylizedImage], *, single_content: bool
) -> Clustering | None:
    """The clustering of the word whose style for the recipe is there; else its next stage is written."""
    # Recipes' styles are made beside each other, the stages before them are everybody's.
    active = word.jobs.active().filter(Q(recipe=None) | Q(recipe=recipe))
    if not pictures.exists() or active.exists():
        return None
    clustering = Clustering.objects.current(word, recipe.encoder)
    if clustering is None:
        _write(next_stage(word, recipe.encoder), pictures)
        return None
    # Clusters kept apart: not every word has as many as the recipe allows.
    found = clustering.clusters.filter(chosen=True).count()
    pictures.filter(word=word, variant__gt=found).delete()
    stage = _represent_stage(clustering, recipe, single_content=single_content)
    if stage is None:
        return clustering
    _write(stage, pictures)
    return None


def _write(stage: Job | str, pictures: QuerySet[StylizedImage]) -> None:
    """Store a job, or the reason why these pictures cannot be made."""
    if isinstance(stage, str):
        pictures.update(state=State.FAILED, error=stage, finished_at=timezone.now())
        return
    save_once(stage)


def save_once(job: Job) -> None:
    """Store a new job, unless another process was first with the same one: then that is enough."""
    # In a savepoint, so that a transaction around it goes on.
    with contextlib.suppress(IntegrityError), transaction.atomic():
        job.save(force_insert=True)


def _represent_stage(
    clustering: Clustering, recipe: Recipe, *, single_content: bool
) -> Job | str | None:
    """The job to write, the reason why the recipe cannot go on, or None when the style is there."""
    try:
        params = recipe.transfer_params(single_content=single_content)
    except BadParams as error:
        return str(error)
    word = clustering.word
    this = Q(kind=Job.Kind.REPRESENT, recipe=recipe, fingerprint=clustering.fingerprint)
    # A set of one content may have had the style made, and a set of several now needs its texture.
    bare = Style.objects.filter(clustering=clustering, recipe=recipe, file="")
    lacks_texture = params.initial == "texture" and bare.exists()
    if word.jobs.filter(this, state=State.DONE).exists() and not lacks_texture:
        return None
    if failed := _failure(word, this):
        return failed
    return Job(
        kind=Job.Kind.REPRESENT,
        word=word,
        encoder=clustering.encoder,
        fingerprint=clustering.fingerprint,
        recipe=recipe,
    )


def single_content_only(word: Word, recipe: Recipe) -> bool:
    """Whether all sets whose pictures wait for this style make them as of one content."""
    waiting = StylizedImage.objects.filter(
        Q(word=word) | Q(recipe__background=word),
        recipe=recipe,
        state=State.QUEUED,
        clustering__isnull=True,
    )
    sets = StimulusSet.objects.filter(pictures__in=waiting).distinct()
    return all(stimulus_set.as_single_content(recipe) for stimulus_set in sets)


def next_stage(word: Word, encoder: str) -> Job | str:
    """The job to write, or the reason why the word cannot go on."""
    # A word with a source is collected once, whatever was uploaded beside.
    this = Q(kind=Job.Kind.COLLECT, source=word.source)
    if word.source and not word.jobs.filter(this, state=State.DONE).exists():
        failed = _failure(word, this)
        return failed or Job(kind=Job.Kind.COLLECT, word=word, source=word.source)
    if not word.images.exists():
        return _(
            "%(word)s has no photographs. Upload some, or choose an image source, "
            "then make the pictures again."
        ) % {"word": word}
    key = {"word": word, "encoder": encoder, "fingerprint": word.fingerprint()}
    this = Q(encoder=encoder, fingerprint=key["fingerprint"], recipe=None)
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


def ready_masks() -> QuerySet[Mask]:
    return Mask.objects.filter(state=State.QUEUED).order_by("pk")


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
        leases.send(job, TASKS[Job.Kind(job.kind)])
    for mask in ready_masks().filter(sent_at=None):
        leases.send(mask, MASK_TASK)
    for picture in ready_pictures().filter(sent_at=None):
        leases.send(picture, PICTURE_TASK)


def reconcile(*, starting: bool = False) -> None:
    """Put lost work in the queue again.

    Args:
        starting: a worker has just started, so messages that its predecessor had taken are gone:
            send everything that is unclaimed again.
    """
    leases.unsend(_work(), starting=starting)
    advance_all()


def give_back_lost() -> int:
    """Return to the queue what nobody works on any more; how many rows."""
    return leases.give_back_lost(_work())


def _work() -> list[WorkQuerySet]:
    """All rows that workers claim."""
    return [Job.objects.all(), Mask.objects.all(), StylizedImage.objects.all()]
