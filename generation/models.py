"""Rows of the way from words to pictures. The rows are the truth; queues only carry their ids."""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Self, cast

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.licenses import Combined, Terms, combine, parse, terms
from generation.notation import NAMES, overrides, parse_weights
from generation.vision.errors import BadParams
from generation.vision.recipe import PRESETS, TransferParams, get_preset, preset_encoder

ENCODERS = [("vgg16-hed", "VGG-16 (HED)"), ("vgg19", "VGG-19 (ImageNet)")]
SOURCES = [
    ("openverse", "Openverse"),
    ("commons", "Wikimedia Commons"),
    ("flickr", "Flickr"),
    ("brave", _("Brave image search")),
    ("bing", _("Bing images, by SerpAPI")),
    ("samples", _("sample photographs of the demo")),
]


def default_encoder() -> str:
    return str(settings.ENCODER)


# --- work that a worker claims ----------------------------------------------------------------


class State(models.TextChoices):
    QUEUED = "queued", _("waiting")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class WorkQuerySet(models.QuerySet):
    """Rows that workers claim by a conditional UPDATE and hold by a lease."""

    def active(self) -> Self:
        return self.filter(state__in=[State.QUEUED, State.RUNNING])

    def claim(self, pk: int, owner: str) -> bool:
        """Take the row if nobody has it. Only one caller of many gets True."""
        now = timezone.now()
        taken = self.filter(pk=pk, state=State.QUEUED).update(
            state=State.RUNNING,
            owner=owner,
            lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
            attempts=F("attempts") + 1,
            started_at=now,
            error="",
            **cast("type[Work]", self.model).FRESH,
        )
        return taken == 1

    def renew(self, pk: int, owner: str, **progress: Any) -> bool:
        """Hold the row longer and note progress; False when the lease was lost to another owner."""
        until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
        held = self.filter(pk=pk, state=State.RUNNING, owner=owner)
        return held.update(lease_until=until, **progress) == 1

    def finish(self, pk: int, owner: str, **results: Any) -> bool:
        """Store the result of the owner that still holds the row; False (and nothing stored) else."""
        held = self.filter(pk=pk, state=State.RUNNING, owner=owner)
        return (
            held.update(
                state=State.DONE,
                owner="",
                lease_until=None,
                finished_at=timezone.now(),
                error="",
                **results,
            )
            == 1
        )

    def fail(self, pk: int, owner: str, reason: str) -> bool:
        """Mark as failed with a reason that an admin can read."""
        held = self.filter(pk=pk, state=State.RUNNING, owner=owner)
        return (
            held.update(
                state=State.FAILED,
                owner="",
                lease_until=None,
                finished_at=timezone.now(),
                error=reason,
            )
            == 1
        )

    def give_back(self, condition: Q) -> int:
        """Return running rows that match to the queue; rows tried too often fail instead."""
        lost = self.filter(condition, state=State.RUNNING)
        lost.filter(attempts__gte=settings.MAX_ATTEMPTS).update(
            state=State.FAILED,
            owner="",
            lease_until=None,
            finished_at=timezone.now(),
            error=_(
                "Given up: %(n)d times the worker stopped in the middle of this, or could not be "
                "heard of. Look at its log (memory?), then try again."
            )
            % {"n": settings.MAX_ATTEMPTS},
        )
        return lost.update(state=State.QUEUED, owner="", lease_until=None, sent_at=None)

    def retry_failed(self) -> int:
        """Put failed rows in the queue again, as if never tried."""
        return self.filter(state=State.FAILED).update(
            state=State.QUEUED, attempts=0, sent_at=None, error=""
        )


class Work(models.Model):
    """A row that is worked on: state, lease, attempts, reason of failure."""

    # What a new attempt starts from.
    FRESH: ClassVar[dict[str, int]] = {}

    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.QUEUED, editable=False
    )
    owner = models.CharField(max_length=120, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)
    error = models.TextField(_("problem"), blank=True, editable=False)

    class Meta:
        abstract = True


# --- words and photographs --------------------------------------------------------------------


class WordManager(models.Manager["Word"]):
    def get_by_natural_key(self, text: str) -> "Word":
        return self.get(text=text)


class Word(models.Model):
    """A texture or material word, as written, e.g. ふさふさ or 金属製."""

    text = models.CharField(_("word"), max_length=60, unique=True)
    reading = models.CharField(
        _("reading"),
        max_length=120,
        blank=True,
        help_text=_("Kana or romaji, shown if the study says so."),
    )
    gloss = models.CharField(
        _("gloss"), max_length=120, blank=True, help_text=_("A short English meaning.")
    )
    source = models.CharField(
        _("image source"),
        max_length=40,
        blank=True,
        choices=SOURCES,
        help_text=_(
            "Where photographs are collected when pictures are made, beside those uploaded here."
        ),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = WordManager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("word")
        verbose_name_plural = _("words")

    def __str__(self) -> str:
        return self.text

    @property
    def in_pictures(self) -> bool:
        """Pictures show it, or have it behind their object."""
        behind = StylizedImage.objects.filter(background_clustering__word=self)
        return self.pictures.exists() or behind.exists()

    def clean(self) -> None:
        old = Word.objects.filter(pk=self.pk).first() if self.pk else None
        if old is not None and old.text != self.text and self.in_pictures:
            raise ValidationError(
                {
                    "text": _(
                        "There are pictures of %(word)s, so it stays as it is. Add a new word."
                    )
                    % {"word": old.text}
                }
            )

    def natural_key(self) -> tuple[str]:
        return (self.text,)

    def query_texts(self) -> list[str]:
        """What is searched for: its queries in their order, or the word itself."""
        return list(self.queries.values_list("text", flat=True)) or [self.text]

    def fingerprint(self) -> str:
        """Names the photographs that the next clustering would see (hex, 64 characters)."""
        digests = self.images.accepted().order_by("sha256").values_list("sha256", flat=True)
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


class QueryManager(models.Manager["Query"]):
    def get_by_natural_key(self, word: str, text: str) -> "Query":
        return self.get(word__text=word, text=text)


class Query(models.Model):
    """What is searched for to find photographs of a word, in any language."""

    word = models.ForeignKey(
        Word, on_delete=models.CASCADE, related_name="queries", verbose_name=_("word")
    )
    text = models.CharField(_("query"), max_length=200)

    objects = QueryManager()

    class Meta:
        ordering = ["word_id", "pk"]
        verbose_name = _("query")
        verbose_name_plural = _("queries")
        constraints = [
            models.UniqueConstraint(fields=["word", "text"], name="one_query_per_text"),
        ]

    def __str__(self) -> str:
        return self.text

    def natural_key(self) -> tuple[str, str]:
        return (self.word.text, self.text)


class Photograph(models.Model):
    """A verified RGB image file and where it came from."""

    sha256 = models.CharField(
        max_length=64, editable=False, help_text=_("SHA-256 of the RGB pixels.")
    )
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    source = models.CharField(_("source"), max_length=40, default="upload", editable=False)
    page_url = models.CharField(_("page"), max_length=500, blank=True)
    credit = models.CharField(_("credit"), max_length=300, blank=True)
    license = models.CharField(_("licence as stated"), max_length=120, blank=True)
    license_url = models.CharField(_("address of the licence"), max_length=300, blank=True)
    attribution = models.TextField(
        _("attribution"), blank=True, help_text=_("The whole sentence, as the source words it.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        abstract = True

    @property
    def terms(self) -> Terms:
        """What its licence permits, as far as that is known."""
        return terms(parse(self.license, self.license_url))


class SourceImageQuerySet(models.QuerySet["SourceImage"]):
    def accepted(self) -> Self:
        return self.filter(rejected="")

    def used_in(self, stimulus_set: "StimulusSet") -> Self:
        """The photographs whose style the finished pictures of a set took on."""
        pictures = stimulus_set.wanted().done()
        pictures = pictures.only("params", "clustering_id", "background_clustering_id")
        used = {group for picture in pictures for group in picture.groups_used()}
        found = StyleCluster.objects.filter(clustering__in={group[0] for group in used})
        whole, medoids = set(), set()
        for pk, clustering, rank in found.values_list("pk", "clustering", "rank"):
            if (clustering, rank, False) in used:
                whole.add(pk)
            if (clustering, rank, True) in used:
                medoids.add(pk)
        members = ClusterMember.objects.filter(
            Q(cluster__in=whole) | Q(cluster__in=medoids, is_medoid=True)
        )
        return self.filter(pk__in=members.values("image"))


class SourceImage(Photograph):
    """A candidate photograph of a word."""

    word = models.ForeignKey(
        Word, on_delete=models.CASCADE, related_name="images", verbose_name=_("word")
    )
    file = models.ImageField(_("photograph"), upload_to="photographs/", max_length=200)
    query = models.CharField(_("query"), max_length=200, blank=True, editable=False)
    rank = models.PositiveIntegerField(_("rank"), default=0, editable=False)
    origin = models.CharField(
        _("origin"),
        max_length=2000,
        blank=True,
        editable=False,
        help_text=_("Address of the image, or package, member and crop."),
    )
    rejected = models.CharField(
        _("left out because"), max_length=200, blank=True, help_text=_("Empty: accepted.")
    )
    by_person = models.BooleanField(
        _("judged by a person"),
        default=False,
        help_text=_("What a person accepted or left out, the automatic selection never changes."),
    )
    measures = models.JSONField(_("measures"), null=True, blank=True, editable=False)

    objects = SourceImageQuerySet.as_manager()

    class Meta:
        ordering = ["word_id", "rank", "pk"]
        verbose_name = _("photograph")
        verbose_name_plural = _("photographs")
        constraints = [
            models.UniqueConstraint(fields=["word", "sha256"], name="one_photograph_per_word"),
        ]

    def __str__(self) -> str:
        return f"{self.word} #{self.pk}"


class Hit(models.Model):
    """Something that a source found for a word, and what became of it: nothing is fetched twice."""

    class State(models.TextChoices):
        FOUND = "found", _("found, not fetched yet")
        STORED = "stored", _("stored")
        REFUSED = "refused", _("refused")

    word = models.ForeignKey(
        Word, on_delete=models.CASCADE, related_name="hits", verbose_name=_("word")
    )
    source = models.CharField(_("source"), max_length=40, choices=SOURCES)
    query = models.CharField(_("query"), max_length=200)
    rank = models.PositiveIntegerField(_("rank"), help_text=_("Over all queries; 0 is the first."))
    page = models.PositiveIntegerField(_("page of results"), default=1)
    origin = models.CharField(_("origin"), max_length=2000)
    page_url = models.CharField(_("page"), max_length=500, blank=True)
    credit = models.CharField(_("credit"), max_length=300, blank=True)
    license = models.CharField(_("licence as stated"), max_length=120, blank=True)
    license_url = models.CharField(_("address of the licence"), max_length=300, blank=True)
    attribution = models.TextField(_("attribution"), blank=True)
    found_at = models.DateTimeField(_("found"), auto_now_add=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.FOUND)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    detail = models.TextField(_("problem"), blank=True)
    image = models.ForeignKey(
        SourceImage,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="hits",
        verbose_name=_("photograph"),
    )

    class Meta:
        ordering = ["word_id", "source", "rank"]
        verbose_name = _("hit")
        verbose_name_plural = _("hits")
        constraints = [
            models.UniqueConstraint(fields=["word", "source", "origin"], name="one_hit_per_origin"),
        ]

    def __str__(self) -> str:
        return f"{self.word} · {self.get_source_display()} {self.rank}"


class HostSlot(models.Model):
    """A connection to a host that one worker may have at a time: how all workers together are polite.

    ``free_at``: when the one who has it must be done. ``not_before``: what the host itself asked for.
    """

    host = models.CharField(max_length=255)
    number = models.PositiveSmallIntegerField()
    free_at = models.DateTimeField()
    not_before = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "number"], name="one_slot_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.host} {self.number}"


class ContentImage(Photograph):
    """A photograph of an object that is restyled."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    file = models.ImageField(_("photograph"), upload_to="contents/", max_length=200)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("content photograph")
        verbose_name_plural = _("content photographs")
        constraints = [models.UniqueConstraint(fields=["sha256"], name="one_content_per_image")]

    def __str__(self) -> str:
        return self.name

    @property
    def mask(self) -> "Mask | None":
        """The newest one that is made: the one that counts."""
        return self.masks.filter(state=State.DONE).first()

    def no_mask(self) -> str:
        """What to tell who wants its mask and finds none."""
        text = _(
            "%(content)s has no mask. On its page draw a box around the object, have it found by the "
            "network, or upload a mask; then make the pictures again."
        ) % {"content": self}
        last = self.masks.first()
        if last is not None and last.state == State.FAILED:
            return _("%(problem)s The last attempt: %(error)s") % {
                "problem": text,
                "error": last.error,
            }
        return text


class MaskKind(models.TextChoices):
    UPLOAD = "upload", _("uploaded")
    BOX = "box", _("from a box")
    NETWORK = "network", _("by the segmentation network")


class Mask(Work):
    """Where the object of a content photograph is, and how that was found.

    Never changed once it is made: a new one takes its place, and the old one stays for the pictures
    that were made with it.
    """

    content = models.ForeignKey(
        ContentImage, on_delete=models.CASCADE, related_name="masks", verbose_name=_("content")
    )
    kind = models.CharField(_("how"), max_length=10, choices=MaskKind.choices)
    box = models.JSONField(
        _("box"),
        null=True,
        blank=True,
        help_text=_("Left, top, right and bottom in the photograph's pixels."),
    )
    params = models.JSONField(_("parameters"), null=True, blank=True, editable=False)
    file = models.ImageField(_("mask"), upload_to="masks/", max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)

    objects = WorkQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("mask")
        verbose_name_plural = _("masks")
        # It belongs to its content's page, whose permissions count.
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=MaskKind.BOX, box__isnull=False)
                | (~Q(kind=MaskKind.BOX) & Q(box__isnull=True)),
                name="mask_from_a_box_has_one",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.DONE) | ~Q(file=""), name="done_mask_has_file"
            ),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="mask_lease")]

    def __str__(self) -> str:
        return f"{_('mask')} · {self.content}"


# --- clusters ---------------------------------------------------------------------------------


class ClusteringQuerySet(models.QuerySet["Clustering"]):
    def current(self, word: Word, encoder: str) -> "Clustering | None":
        """The newest clustering that saw exactly the word's accepted photographs."""
        return (
            self.filter(word=word, encoder=encoder, fingerprint=word.fingerprint())
            .order_by("-pk")
            .first()
        )


class Clustering(models.Model):
    """An immutable version: the photographs it saw, the parameters, the clusters it found."""

    word = models.ForeignKey(
        Word, on_delete=models.PROTECT, related_name="clusterings", verbose_name=_("word")
    )
    encoder = models.CharField(_("encoder"), max_length=20, choices=ENCODERS)
    descriptor = models.CharField(
        _("descriptor"), max_length=60, help_text=_("fc6, or what stands in for it.")
    )
    params = models.JSONField(_("parameters"))
    fingerprint = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = ClusteringQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("clustering")
        verbose_name_plural = _("clusterings")

    def __str__(self) -> str:
        return f"{self.word} · {self.encoder} · {self.created_at:%Y-%m-%d %H:%M}"


class StyleCluster(models.Model):
    """Photographs of one style. ``rank`` 1 is the best; ``chosen`` ones shape the style."""

    clustering = models.ForeignKey(Clustering, on_delete=models.CASCADE, related_name="clusters")
    rank = models.PositiveIntegerField(_("rank"))
    size = models.PositiveIntegerField(_("photographs"))
    cohesion = models.FloatField(_("cohesion"), help_text=_("Mean cosine similarity of its pairs."))
    score = models.FloatField(_("score"))
    chosen = models.BooleanField(_("chosen"), default=False)
    left_out = models.CharField(_("left out because"), max_length=200, blank=True)

    class Meta:
        ordering = ["clustering_id", "rank"]
        verbose_name = _("style cluster")
        verbose_name_plural = _("style clusters")
        constraints = [
            models.UniqueConstraint(fields=["clustering", "rank"], name="one_cluster_per_rank"),
            models.CheckConstraint(condition=Q(size__gte=1), name="cluster_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.clustering.word} #{self.rank}"


class ClusterMember(models.Model):
    """One photograph that a clustering saw, and the cluster it went to."""

    clustering = models.ForeignKey(Clustering, on_delete=models.CASCADE, related_name="members")
    cluster = models.ForeignKey(StyleCluster, on_delete=models.CASCADE, related_name="members")
    image = models.ForeignKey(SourceImage, on_delete=models.PROTECT, related_name="memberships")
    order = models.PositiveIntegerField(help_text=_("0 is nearest to the cluster's centre."))
    is_medoid = models.BooleanField(default=False)

    class Meta:
        ordering = ["cluster_id", "order"]
        constraints = [
            models.UniqueConstraint(
                fields=["clustering", "image"], name="one_cluster_per_photograph"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cluster} · {self.image_id}"


# --- pictures ---------------------------------------------------------------------------------


class Preset(models.TextChoices):
    FAST = "fast", _("fast: for studies, from a synthesized texture")
    RANDOM_PHASE = "random-phase", _("random phase: where a word has one picture only")
    PREVIEW = "preview", _("preview: a few seconds a picture")
    GATYS = "gatys2015", _("Gatys et al. 2015, as published")
    FIRST_STUDY = "matsuo-yanai", _("the first study, as far as known")


class InitialImage(models.TextChoices):
    TEXTURE = "texture", _("texture synthesized from the style")
    RANDOM_PHASE = "random-phase", _("random phase: the style's spectrum")
    CONTENT = "content", _("the content photograph, as published")
    NOISE = "noise", _("white noise, as published")
    OVERLAY = "overlay", _("a photograph's own detail: for comparison only, a copy")


class Color(models.TextChoices):
    STYLE = "style", _("the style's")
    MATCH = "match", _("the content's mean and covariance")
    HISTOGRAM = "histogram", _("the content's histogram")
    LUMINANCE = "luminance", _("the content's; only light and dark are restyled")


class RegionChoice(models.TextChoices):
    WHOLE = "whole", _("the whole picture")
    FOREGROUND = "foreground", _("the foreground only, by the content's mask")
    BACKGROUND = "background", _("the foreground, and the background in another word's style")


class Statistic(models.TextChoices):
    GRAM = "gram", _("Gram matrices")
    MOMENTS = "moments", _("means and deviations of channels")
    SLICED = "sliced-wasserstein", _("sliced Wasserstein distance")


class Pooling(models.TextChoices):
    MAX = "max", _("maximum, as the network was trained")
    AVERAGE = "average", _("average, as published")


class Loss(models.TextChoices):
    RELATIVE = "relative", _("relative to the style's and the content's own size")
    GATYS = "gatys", _("as published (Gatys et al. 2016); Gram matrices only")


class Optimizer(models.TextChoices):
    LBFGS = "lbfgs", _("L-BFGS, as published")
    ADAM = "adam", _("Adam")


class Members(models.TextChoices):
    ALL = "all", _("all its photographs")
    MEDOID = "medoid", _("its medoid: the one photograph that is most like the others")


class ClusterChoice(models.TextChoices):
    BEST = "best", _("large and cohesive")
    LARGEST = "largest", _("largest")
    COHESIVE = "most-cohesive", _("most cohesive")
    NEAREST = "nearest-content", _("one, nearest to the content photograph")


class Recipe(models.Model):
    """How pictures are made. Pictures keep a whole copy of the parameters they were made with.

    Fields left empty are as the preset has them.
    """

    name = models.CharField(_("name"), max_length=80, unique=True)
    preset = models.CharField(
        _("preset"), max_length=20, choices=Preset.choices, default=Preset.FAST
    )
    encoder = models.CharField(
        _("encoder"),
        max_length=20,
        choices=ENCODERS,
        blank=True,
        help_text=_(
            "As the preset has it: VGG-19 for what is done as published, else the one of this "
            "installation (STYLESTUDY_ENCODER)."
        ),
    )
    initial = models.CharField(
        _("initial image"),
        max_length=20,
        choices=InitialImage.choices,
        blank=True,
        help_text=_(
            "What the optimization starts from. Left to the preset “fast”, it is the texture, but random "
            "phase (with 28 evaluations) in a set of one content photograph, where a texture, half "
            "a minute of work a word, does not pay. What a set has begun with stays, also when contents are "
            "added: so its pictures can be compared. Choose the texture here to have it always."
        ),
    )
    color = models.CharField(_("colours"), max_length=20, choices=Color.choices, blank=True)
    region = models.CharField(
        _("what is restyled"),
        max_length=20,
        choices=RegionChoice.choices,
        default=RegionChoice.WHOLE,
    )
    background = models.ForeignKey(
        Word,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="background_of",
        verbose_name=_("word of the background"),
        help_text=_("Only where the background takes another word's style."),
    )
    statistic = models.CharField(
        _("style statistic"), max_length=20, choices=Statistic.choices, blank=True
    )
    size = models.PositiveIntegerField(
        _("picture size"),
        null=True,
        blank=True,
        validators=[MinValueValidator(64), MaxValueValidator(1024)],
        help_text=_("Side in pixels. Empty: as the preset has it, 256 for most."),
    )
    evaluations = models.PositiveIntegerField(
        _("evaluations"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(2000)],
        help_text=_("How often the loss and its gradient are computed."),
    )
    content_weight = models.FloatField(
        _("content weight"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1e6)],
        help_text=_(
            "Of the content loss against the style loss (α/β in Gatys et al. 2016, eq. 7). Larger: more of "
            "the content can be seen."
        ),
    )
    style_layers = models.CharField(
        _("style layers"),
        max_length=300,
        blank=True,
        help_text=_(
            "Layers whose statistics are compared, with relative weights where they shall not count "
            "alike: “conv1_1 conv2_1*0.5”. Weights are scaled so that their sum is 1. VGG-16 has "
            "conv1_1 … conv5_3, VGG-19 conv1_1 … conv5_4."
        ),
    )
    content_layer = models.CharField(
        _("content layer"),
        max_length=20,
        blank=True,
        help_text=_("The layer whose activations are compared, e.g. conv4_2."),
    )
    pooling = models.CharField(_("pooling"), max_length=20, choices=Pooling.choices, blank=True)
    loss = models.CharField(
        _("form of the loss"),
        max_length=20,
        choices=Loss.choices,
        blank=True,
        help_text=_(
            "Relative: every layer's squared distance over its target's squared norm. The content "
            "weight means something else in each form."
        ),
    )
    optimizer = models.CharField(
        _("optimizer"), max_length=20, choices=Optimizer.choices, blank=True
    )
    learning_rate = models.FloatField(
        _("learning rate"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1e-6), MaxValueValidator(1.0)],
        help_text=_("Of Adam, where black is 0 and white 1. Without effect under L-BFGS."),
    )
    history = models.PositiveIntegerField(
        _("memory of L-BFGS"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("How many earlier steps shape the next one. Without effect under Adam."),
    )
    coarse = models.CharField(
        _("smaller sizes first"),
        max_length=120,
        blank=True,
        help_text=_(
            "Sizes in pixels that are optimized before the picture's own, and how many evaluations each "
            "gets: “128: 20, 192: 10”. Each result, enlarged, is where the next size starts."
        ),
    )
    texture_evaluations = models.PositiveIntegerField(
        _("evaluations of the texture"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(2000)],
        help_text=_("Once for each style. Only where pictures start from the texture."),
    )
    sigma = models.FloatField(
        _("coarse from fine (σ)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.1), MaxValueValidator(64.0)],
        help_text=_(
            "In pixels: the start takes what is coarser than this Gaussian from the content and what "
            "is finer from the style. Only for the starts texture, random phase and a photograph's "
            "own detail."
        ),
    )
    tv_weight = models.FloatField(
        _("weight of the total variation"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1e6)],
        help_text=_("Above 0: smoother pictures with less grain. Not part of Gatys et al. 2016."),
    )
    range_weight = models.FloatField(
        _("weight of colours out of range"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1e6)],
        help_text=_(
            "Above 0: colours darker than black or brighter than white, which the finished picture "
            "cannot have, cost something. 0: as published."
        ),
    )
    clusters = models.PositiveIntegerField(
        _("clusters"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(3)],
        help_text=_("At most so many of the word's clusters are used."),
    )
    cluster_choice = models.CharField(
        _("which clusters"),
        max_length=20,
        choices=ClusterChoice.choices,
        default=ClusterChoice.BEST,
    )
    cluster_weights = models.CharField(
        _("weights of the clusters"),
        max_length=60,
        blank=True,
        help_text=_(
            "Where they are blended, how much each counts, the first one first: “3 2 1”. Empty: by how "
            "many photographs they have."
        ),
    )
    members = models.CharField(
        _("a cluster's style is that of"),
        max_length=10,
        choices=Members.choices,
        default=Members.ALL,
    )
    apart = models.BooleanField(
        _("clusters apart"),
        default=False,
        help_text=_("A picture for each cluster, instead of one of all."),
    )
    seed = models.PositiveIntegerField(_("seed"), default=1)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("recipe")
        verbose_name_plural = _("recipes")
        constraints = [
            models.CheckConstraint(
                condition=Q(region=RegionChoice.BACKGROUND, background__isnull=False)
                | (~Q(region=RegionChoice.BACKGROUND) & Q(background__isnull=True)),
                name="background_word_where_wanted",
                violation_error_message=_(
                    "A word of the background goes with a recipe that restyles the background, and "
                    "only with such a one."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._choose_encoder()
        super().save(*args, **kwargs)

    @property
    def in_use(self) -> bool:
        """Work on its pictures has begun, so it stays as it is."""
        if self._state.adding:
            return False
        return (
            self.jobs.exists()
            or self.styles.exists()
            or self.pictures.exclude(state=State.QUEUED).exists()
        )

    @property
    def needs_mask(self) -> bool:
        return self.region != RegionChoice.WHOLE

    @property
    def variants(self) -> range:
        """0 for one blended picture, else the ranks of clusters kept apart."""
        return range(1, self.clusters + 1) if self.apart else range(1)

    def transfer_params(self, *, single_content: bool = False) -> TransferParams:
        """The preset's parameters with what the recipe sets itself.

        Args:
            single_content: for pictures of one content photograph (see `vision.recipe.Preset`); an
                initial image of the recipe's own takes precedence.

        Raises:
            BadParams: a text cannot be read, or the values do not fit together or the encoder.
        """
        preset = get_preset(self.preset, single_content=single_content and not self.initial)
        given = {name: getattr(self, name) for name in NAMES}
        # Of texts, the empty one stands for none.
        own = overrides({name: None if value == "" else value for name, value in given.items()})
        params = replace(preset, **own)
        params.check_encoder()
        return params

    def _choose_encoder(self) -> None:
        """Once and for all: what the installation's setting will be later is nothing to a recipe."""
        if not self.encoder and self.preset in PRESETS:
            self.encoder = preset_encoder(self.preset, default_encoder())

    def shares(self, sizes: Sequence[int]) -> tuple[float, ...]:
        """How much each of blended clusters counts, in their order; the sum is 1.

        Args:
            sizes: their numbers of photographs, which count where the recipe names no weights.
        """
        weights = parse_weights(self.cluster_weights)[: len(sizes)] or tuple(map(float, sizes))
        total = sum(weights)
        return tuple(weight / total for weight in weights)

    def clean(self) -> None:
        self._choose_encoder()
        self._check_clusters()
        if problems := self._problems():
            raise ValidationError(problems)
        if self.in_use:
            raise ValidationError(
                _("Pictures were made with this recipe, so it stays as it is. Add a new recipe.")
            )

    def _check_clusters(self) -> None:
        nearest = self.cluster_choice == ClusterChoice.NEAREST
        if self.apart and nearest:
            raise ValidationError(
                {"apart": _("Of one nearest cluster there is nothing to keep apart.")}
            )
        try:
            weights = parse_weights(self.cluster_weights)
        except BadParams as error:
            raise ValidationError({"cluster_weights": error.detail}) from error
        if weights and (self.apart or nearest):
            raise ValidationError(
                {"cluster_weights": _("Only clusters that are blended have weights.")}
            )
        if weights and len(weights) != self.clusters:
            raise ValidationError(
                {
                    "cluster_weights": _(
                        "Expected a weight for each of %(n)d clusters, got %(got)d."
                    )
                    % {"n": self.clusters, "got": len(weights)}
                }
            )

    def _problems(self) -> dict[str, str]:
        """By field, all that `transfer_params` refuses."""
        problems: dict[str, str] = {}
        trial = copy(self)
        while True:
            try:
                trial.transfer_params()
            except BadParams as error:
                # The weights are typed with their layers.
                field = "style_layers" if error.field == "style_weights" else error.field
                if field in problems:
                    return problems
                problems[field or NON_FIELD_ERRORS] = error.detail
                if not field:
                    return problems
                # As the preset has it, to find what else is wrong.
                setattr(trial, field, None)
            else:
                return problems


class StimulusSet(models.Model):
    """Words × contents × recipes, and the pictures made of them."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("not made yet")
        MAKING = "making", _("being made")
        READY = "ready", _("ready")
        FAILED = "failed", _("needs attention")

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    words = models.ManyToManyField(Word, related_name="sets", verbose_name=_("words"))
    contents = models.ManyToManyField(
        ContentImage, related_name="sets", verbose_name=_("content photographs")
    )
    recipes = models.ManyToManyField(Recipe, related_name="sets", verbose_name=_("recipes"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("stimulus set")
        verbose_name_plural = _("stimulus sets")

    def __str__(self) -> str:
        return self.name

    @property
    def is_ready(self) -> bool:
        return self.status == self.Status.READY

    def wanted(self) -> "StylizedImageQuerySet":
        """The pictures of what is in the set now; those of a word taken out of it stay, but do not count."""
        return self.pictures.filter(
            word__in=self.words.all(),
            content__in=self.contents.all(),
            recipe__in=self.recipes.all(),
        )

    def missing(self) -> bool:
        """Whether some word, content and recipe have no picture row yet."""
        there = self.wanted().values("word", "content", "recipe").distinct().count()
        return there < self.words.count() * self.contents.count() * self.recipes.count()

    def as_single_content(self, recipe: Recipe) -> bool:
        """Whether pictures of the recipe are made as of one content (see `Recipe.transfer_params`).

        As it was begun, also when contents were exchanged since: pictures of one recipe in a set
        start in the same way, so that contents can be compared.
        """
        begun = self.pictures.filter(recipe=recipe, clustering__isnull=False).order_by("pk")
        first = begun.values_list("single_content", flat=True).first()
        return self.contents.count() == 1 if first is None else first

    def all_words(self) -> "models.QuerySet[Word]":
        """Its words, and those that give a recipe's background its style."""
        recipes = self.recipes.exclude(background=None)
        return Word.objects.filter(
            Q(pk__in=self.words.values("pk")) | Q(pk__in=recipes.values("background"))
        )

    def encoders(self) -> list[str]:
        return sorted(set(self.recipes.values_list("encoder", flat=True)))


class StylizedImageQuerySet(WorkQuerySet):
    def done(self) -> Self:
        return self.filter(state=State.DONE)

    def with_names(self) -> Self:
        return self.select_related("word", "content", "recipe")

    def photographs(self) -> dict[int, list[Photograph]]:
        """Picture's id → the photographs it was made from: its content, and those whose style it took on.

        Four queries.
        """
        found = self.select_related("content").defer("loss_curve")
        pictures = [cast("StylizedImage", row) for row in found]
        groups = {group for picture in pictures for group in picture.groups_used()}
        members: dict[tuple[int, int], list[ClusterMember]] = defaultdict(list)
        for member in (
            ClusterMember.objects.filter(clustering__in={group[0] for group in groups})
            .select_related("image", "cluster")
            .order_by("cluster__rank", "order")
        ):
            members[member.clustering_id, member.cluster.rank].append(member)
        return {
            picture.pk: [
                picture.content,
                *(
                    member.image
                    for clustering, rank, medoid_only in picture.groups_used()
                    for member in members[clustering, rank]
                    if member.is_medoid or not medoid_only
                ),
            ]
            for picture in pictures
        }

    def licenses(self) -> dict[int, Combined]:
        """Picture's id → what it is under, by all photographs it was made from."""
        return {
            pk: combine(photograph.terms for photograph in photographs)
            for pk, photographs in self.photographs().items()
        }

    def retry_failed(self) -> int:
        # Planned anew: what was wrong may have been a photograph of the clustering.
        self.filter(state=State.FAILED).update(
            clustering=None, background_clustering=None, mask=None
        )
        return super().retry_failed()

    def dispersions(self) -> dict[int, float]:
        """Picture → how far the photographs of its style are from their mean, summed over the style's layers.

        Of the word's style, not of the background's; pictures without a style are not among the keys.
        """
        sums = {
            (clustering, recipe, ranks): sum(by_layer.values())
            for clustering, recipe, ranks, by_layer in Style.objects.filter(
                clustering__in=self.values("clustering")
            ).values_list("clustering", "recipe", "ranks", "dispersion")
        }
        keys = {
            pk: (clustering, recipe, Style.join_ranks((params or {}).get("clusters", [])))
            for pk, clustering, recipe, params in self.values_list(
                "pk", "clustering", "recipe", "params"
            )
        }
        return {pk: sums[key] for pk, key in keys.items() if key in sums}


def picture_path(instance: "StylizedImage", filename: str) -> str:
    # A random name: neither the address nor the name may give the word away.
    return f"pictures/{uuid.uuid4().hex}.png"


class StylizedImage(Work):
    """One picture: a content restyled with a word's style. A row exists before its file does."""

    FRESH: ClassVar = {"progress": 0, "budget": 0}

    stimulus_set = models.ForeignKey(
        StimulusSet, on_delete=models.PROTECT, related_name="pictures", verbose_name=_("set")
    )
    word = models.ForeignKey(
        Word, on_delete=models.PROTECT, related_name="pictures", verbose_name=_("word")
    )
    content = models.ForeignKey(
        ContentImage, on_delete=models.PROTECT, related_name="pictures", verbose_name=_("content")
    )
    recipe = models.ForeignKey(
        Recipe, on_delete=models.PROTECT, related_name="pictures", verbose_name=_("recipe")
    )
    variant = models.PositiveIntegerField(
        _("variant"), default=0, help_text=_("0: clusters blended; else the cluster's rank.")
    )
    clustering = models.ForeignKey(
        Clustering,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="pictures",
        verbose_name=_("clustering"),
    )
    single_content = models.BooleanField(
        _("as of one content"),
        default=False,
        editable=False,
        help_text=_("The set had one content photograph when its first picture was planned."),
    )
    background_clustering = models.ForeignKey(
        Clustering,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="background_pictures",
        verbose_name=_("clustering of the background's word"),
    )
    mask = models.ForeignKey(
        Mask,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="pictures",
        verbose_name=_("mask"),
    )
    file = models.ImageField(_("picture"), upload_to=picture_path, blank=True, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)
    progress = models.PositiveIntegerField(_("evaluations so far"), default=0, editable=False)
    budget = models.PositiveIntegerField(_("evaluations in all"), default=0, editable=False)
    params = models.JSONField(_("parameters"), null=True, blank=True, editable=False)
    seed = models.PositiveBigIntegerField(_("seed"), null=True, blank=True, editable=False)
    content_loss = models.FloatField(_("content loss"), null=True, blank=True, editable=False)
    style_loss = models.FloatField(_("style loss"), null=True, blank=True, editable=False)
    loss_curve = models.JSONField(_("loss curve"), null=True, blank=True, editable=False)
    style_distance = models.FloatField(
        _("style distance"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Of the content photograph and the word's style, from 0 to 1."),
    )
    source_correlation = models.FloatField(
        _("correlation with photographs"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Highest correlation of high frequencies with any source photograph."),
    )
    seconds = models.FloatField(_("seconds"), null=True, blank=True, editable=False)

    objects = StylizedImageQuerySet.as_manager()

    class Meta:
        ordering = ["stimulus_set_id", "word_id", "content_id", "recipe_id", "variant"]
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        constraints = [
            models.UniqueConstraint(
                fields=["stimulus_set", "word", "content", "recipe", "variant"],
                name="one_picture_per_combination",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.DONE) | (~Q(file="") & Q(clustering__isnull=False)),
                name="done_picture_has_file",
            ),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="picture_lease")]

    def __str__(self) -> str:
        return f"{self.word} × {self.content}"

    def groups_used(self) -> list[tuple[int, int, bool]]:
        """Clustering, rank and whether only the medoid, of each cluster whose style it took on."""
        made = self.params or {}
        medoid_only = made.get("members") == Members.MEDOID
        behind = made.get("background") or {}
        return [
            (clustering, rank, medoid_only)
            for clustering, ranks in (
                (self.clustering_id, made.get("clusters", [])),
                (self.background_clustering_id, behind.get("clusters", [])),
            )
            if clustering is not None
            for rank in ranks
        ]


class Style(models.Model):
    """What a word became: the representation of some of its clusters, for one recipe.

    The numbers are in a file that can be made again; the texture shows what they describe.
    """

    clustering = models.ForeignKey(
        Clustering, on_delete=models.PROTECT, related_name="styles", verbose_name=_("clustering")
    )
    recipe = models.ForeignKey(
        Recipe, on_delete=models.PROTECT, related_name="styles", verbose_name=_("recipe")
    )
    ranks = models.CharField(_("clusters"), max_length=20, help_text=_("Their ranks."))
    members = models.PositiveIntegerField(_("photographs"))
    dispersion = models.JSONField(
        _("dispersion"), help_text=_("By layer: how far the photographs are from their mean.")
    )
    file = models.ImageField(_("texture"), upload_to="textures/", blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    seconds = models.FloatField(_("seconds"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["clustering_id", "recipe_id", "ranks"]
        verbose_name = _("style")
        verbose_name_plural = _("styles")
        constraints = [
            models.UniqueConstraint(
                fields=["clustering", "recipe", "ranks"], name="one_style_per_groups"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.clustering.word} · {self.recipe} · {self.ranks}"

    @staticmethod
    def join_ranks(ranks: Iterable[int]) -> str:
        """What `ranks` holds."""
        return ",".join(map(str, ranks))


class Job(Work):
    """A stage of one word: collect, embed, cluster, or represent (for one recipe)."""

    FRESH: ClassVar = {"done": 0, "total": 0}

    class Kind(models.TextChoices):
        COLLECT = "collect", _("collect photographs")
        EMBED = "embed", _("compute features")
        CLUSTER = "cluster", _("group by style")
        REPRESENT = "represent", _("represent the style")

    kind = models.CharField(_("stage"), max_length=10, choices=Kind.choices)
    word = models.ForeignKey(
        Word, on_delete=models.CASCADE, related_name="jobs", verbose_name=_("word")
    )
    encoder = models.CharField(_("encoder"), max_length=20, blank=True)
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text=_("The photographs it is about.")
    )
    recipe = models.ForeignKey(
        Recipe,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="jobs",
        verbose_name=_("recipe"),
    )
    source = models.CharField(_("image source"), max_length=40, blank=True, choices=SOURCES)
    limit = models.PositiveIntegerField(
        _("at most"), null=True, blank=True, help_text=_("So many photographs are asked for.")
    )
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    note = models.TextField(_("result"), blank=True)

    objects = WorkQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "word", "encoder", "fingerprint", "source"],
                condition=Q(state__in=[State.QUEUED, State.RUNNING], recipe__isnull=True),
                name="one_active_job_per_stage",
            ),
            models.UniqueConstraint(
                fields=["kind", "word", "recipe", "fingerprint"],
                condition=Q(state__in=[State.QUEUED, State.RUNNING], recipe__isnull=False),
                name="one_active_job_per_recipe",
            ),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="job_lease")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.word}"


# --- files ------------------------------------------------------------------------------------


@receiver(post_delete, sender=SourceImage)
@receiver(post_delete, sender=ContentImage)
@receiver(post_delete, sender=Mask)
@receiver(post_delete, sender=StylizedImage)
@receiver(post_delete, sender=Style)
def delete_file(instance: Any, **kwargs: Any) -> None:
    """A deleted row takes its file along, once the deletion is certain."""
    if instance.file:
        transaction.on_commit(partial(instance.file.delete, save=False))
