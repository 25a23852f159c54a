"""Rows of the way from pictures to answers. A study asks about a finished stimulus set only."""

import secrets
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.models import StimulusSet, StylizedImage


def new_token() -> str:
    """An address that cannot be guessed (128 bits)."""
    return secrets.token_urlsafe(16)


def new_seed() -> int:
    return secrets.randbits(62)


class StudyQuerySet(models.QuerySet["Study"]):
    def open(self) -> Self:
        return self.filter(status=Study.Status.OPEN)


class Study(models.Model):
    """What raters are asked about one stimulus set, and how."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")

    slug = models.SlugField(_("address"), unique=True)
    title = models.CharField(_("title"), max_length=120)
    stimulus_set = models.ForeignKey(
        StimulusSet, on_delete=models.PROTECT, related_name="studies", verbose_name=_("set")
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    ask_picture = models.BooleanField(
        _("word → choose the picture"), default=True, help_text=_("One question a picture.")
    )
    ask_word = models.BooleanField(
        _("picture → choose the word"), default=True, help_text=_("One question a picture.")
    )
    options = models.PositiveSmallIntegerField(
        _("options of a question"),
        default=4,
        validators=[MinValueValidator(2), MaxValueValidator(12)],
    )
    show_reading = models.BooleanField(_("show the reading of words"), default=False)
    show_gloss = models.BooleanField(_("show the English gloss of words"), default=False)
    contact = models.CharField(
        _("contact"),
        max_length=200,
        blank=True,
        help_text=_("Shown to participants: who is responsible, and how to reach them."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    opened_at = models.DateTimeField(_("opened"), null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)

    objects = StudyQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("study")
        verbose_name_plural = _("studies")
        permissions = [("view_report", "Can view reports")]
        constraints = [
            models.CheckConstraint(
                condition=Q(ask_picture=True) | Q(ask_word=True), name="study_asks_something"
            ),
            models.CheckConstraint(condition=Q(options__gte=2), name="study_two_options"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("survey:join", args=[self.slug])

    def clean(self) -> None:
        if not (self.ask_picture or self.ask_word):
            raise ValidationError(_("Choose at least one kind of question."))


class StudyText(models.Model):
    """A study's own words in one language; empty fields take the standard text."""

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, related_name="texts", verbose_name=_("study")
    )
    language = models.CharField(
        _("language"), max_length=10, choices=[("ja", "日本語"), ("en", "English")]
    )
    title = models.CharField(_("title"), max_length=120, blank=True)
    consent = models.TextField(_("consent"), blank=True)
    instructions = models.TextField(_("instructions"), blank=True)
    thanks = models.TextField(_("thanks"), blank=True)

    class Meta:
        verbose_name = _("text in one language")
        verbose_name_plural = _("texts by language")
        constraints = [
            models.UniqueConstraint(fields=["study", "language"], name="one_text_per_language"),
        ]

    def __str__(self) -> str:
        return self.language


class Question(models.Model):
    """One picture asked about in one direction; foils are drawn per participant."""

    class Kind(models.TextChoices):
        CHOOSE_PICTURE = "picture", _("word → choose the picture")
        CHOOSE_WORD = "word", _("picture → choose the word")

    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, related_name="questions", verbose_name=_("study")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    stimulus = models.ForeignKey(
        StylizedImage, on_delete=models.PROTECT, related_name="questions", verbose_name=_("picture")
    )

    class Meta:
        ordering = ["pk"]
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "kind", "stimulus"], name="one_question_per_picture_and_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.stimulus}"


class ParticipationQuerySet(models.QuerySet["Participation"]):
    def real(self) -> Self:
        return self.filter(simulated=False)


class Participation(models.Model):
    """One person's way through one study. No name, no IP address."""

    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, related_name="participations", verbose_name=_("study")
    )
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    seed = models.PositiveBigIntegerField(_("seed"), default=new_seed, editable=False)
    language = models.CharField(_("language"), max_length=10)
    simulated = models.BooleanField(_("simulated"), default=False, editable=False)
    consented_at = models.DateTimeField(_("consented"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)

    objects = ParticipationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("participation")
        verbose_name_plural = _("participations")

    def __str__(self) -> str:
        return f"{self.study} #{self.pk}"


class Trial(models.Model):
    """A question as one participant sees it: the ordered options and the target's slot."""

    participation = models.ForeignKey(
        Participation,
        on_delete=models.PROTECT,
        related_name="trials",
        verbose_name=_("participation"),
    )
    question = models.ForeignKey(
        Question, on_delete=models.PROTECT, related_name="trials", verbose_name=_("question")
    )
    position = models.PositiveIntegerField(_("position"))
    options = models.JSONField(_("options"), help_text=_("Picture ids in the order shown."))
    target_slot = models.PositiveSmallIntegerField(_("slot of the right option"))
    shown_at = models.DateTimeField(_("first shown"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ["participation_id", "position"]
        verbose_name = _("trial")
        verbose_name_plural = _("trials")
        constraints = [
            models.UniqueConstraint(
                fields=["participation", "position"], name="one_trial_per_position"
            ),
            models.UniqueConstraint(
                fields=["participation", "question"], name="one_trial_per_question"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participation_id}/{self.position}"


class AnswerQuerySet(models.QuerySet["Answer"]):
    def with_correct(self) -> Self:
        """Adds ``correct``: the chosen slot is the target's."""
        return self.annotate(
            correct=models.Case(
                models.When(slot=F("trial__target_slot"), then=1),
                default=0,
                output_field=models.IntegerField(),
            )
        )


class Answer(models.Model):
    """The slot that was chosen. At most one a trial, by the database."""

    trial = models.OneToOneField(
        Trial, on_delete=models.PROTECT, related_name="answer", verbose_name=_("trial")
    )
    slot = models.PositiveSmallIntegerField(_("chosen slot"))
    created_at = models.DateTimeField(_("answered"), default=timezone.now, editable=False)

    objects = AnswerQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("answer")
        verbose_name_plural = _("answers")

    def __str__(self) -> str:
        return f"{self.trial}: {self.slot}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not 0 <= self.slot < len(self.trial.options):
            raise ValueError(
                f"An answer's slot must be 0 … {len(self.trial.options) - 1}; it is {self.slot}."
            )
        super().save(*args, **kwargs)
