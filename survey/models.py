"""Rows of the way from pictures to answers. A study asks about a finished stimulus set only."""

import hashlib
import secrets
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.models import StimulusSet, StylizedImage, Work, WorkQuerySet
from survey import entrances


def new_token() -> str:
    """An address that cannot be guessed (128 bits)."""
    return secrets.token_urlsafe(16)


def new_seed() -> int:
    return secrets.randbits(62)


class RatingPoints(models.IntegerChoices):
    FIVE = 5, "5"
    SEVEN = 7, "7"


class Order(models.TextChoices):
    SHUFFLE = "shuffle", _("shuffled for each participant")
    LATIN = "latin", _("Latin square over participants")


class WordDisplay(models.TextChoices):
    """What stands with a word. ``LANGUAGE`` becomes one of the others when somebody joins."""

    WRITTEN = "written", _("as written")
    READING = "reading", _("with its reading")
    GLOSS = "gloss", _("with its English gloss")
    BOTH = "both", _("with reading and gloss")
    LANGUAGE = "language", _("as written in Japanese, with reading and gloss elsewhere")


class Entrance(models.TextChoices):
    """How people come to a study."""

    OPEN = "open", _("open link")
    INVITATION = "invitation", _("invitations (each for one person)")
    PROLIFIC = "prolific", "Prolific"
    MTURK = "mturk", "Amazon Mechanical Turk"
    PANEL = "panel", _("another panel")


def languages() -> list[tuple[str, Any]]:
    """Those of the site; a function, so that another language is no change of the database."""
    return list(settings.LANGUAGES)


class StudyQuerySet(models.QuerySet["Study"]):
    def open(self) -> Self:
        return self.filter(status=Study.Status.OPEN)

    def listed(self) -> Self:
        """Open to anybody who comes by."""
        return self.open().filter(
            Q(closes_at=None) | Q(closes_at__gt=timezone.now()), entrance=Entrance.OPEN
        )


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
    seed = models.PositiveBigIntegerField(_("seed"), default=new_seed, editable=False)

    # What is asked.
    ask_picture = models.BooleanField(
        _("word → choose the picture"), default=True, help_text=_("One question a picture.")
    )
    ask_word = models.BooleanField(
        _("picture → choose the word"), default=True, help_text=_("One question a picture.")
    )
    ask_rating = models.BooleanField(
        _("rate how well word and object go together"),
        default=False,
        help_text=_("After the other questions: one a word and content photograph."),
    )
    rating_points = models.PositiveSmallIntegerField(
        _("points of the rating scale"), choices=RatingPoints.choices, default=RatingPoints.SEVEN
    )
    options = models.PositiveSmallIntegerField(
        _("options of a question"),
        default=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(2)],
        help_text=_("At least 2; empty: as many as there are words."),
    )
    questions_each = models.PositiveIntegerField(
        _("questions a participant"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Of the questions to choose in. Empty: all of them. Fewer: each participant gets those "
            "that the fewest have answered so far."
        ),
    )
    order = models.CharField(
        _("order of questions"), max_length=10, choices=Order.choices, default=Order.SHUFFLE
    )
    not_sure = models.BooleanField(
        _("“not sure” can be chosen"),
        default=False,
        help_text=_("Counts as wrong; reports also give the numbers without."),
    )
    repeats = models.PositiveSmallIntegerField(
        _("questions asked twice"),
        default=0,
        help_text=_("Far apart, to see how consistent a participant is."),
    )
    practice = models.PositiveSmallIntegerField(
        _("practice questions"), default=0, help_text=_("First, with the right answer shown.")
    )
    practice_set = models.ForeignKey(
        StimulusSet,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("pictures for practice"),
        help_text=_("Another set than the one that is asked about: the right answers are shown."),
    )
    gold = models.PositiveSmallIntegerField(
        _("obvious questions"),
        default=0,
        help_text=_("Questions anybody gets right who looks, strewn among the others."),
    )
    gold_set = models.ForeignKey(
        StimulusSet,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("pictures of obvious questions"),
    )
    attention = models.PositiveSmallIntegerField(
        _("attention checks"),
        default=0,
        help_text=_("“Please choose picture 3 here”, strewn among the others."),
    )
    break_every = models.PositiveSmallIntegerField(
        _("questions between breaks"), default=0, help_text=_("0: no breaks.")
    )
    demographics = models.JSONField(
        _("questions about the participant"),
        default=list,
        blank=True,
        help_text=_("A list of fields in JSON; see docs/about-form.md. Empty: none."),
    )
    ask_comment = models.BooleanField(_("ask for a comment at the end"), default=False)

    exclusions = models.JSONField(
        _("exclusion rules"),
        default=list,
        blank=True,
        help_text=_(
            "Whose answers reports leave out, as a list in JSON; see docs/exclusions.md. Numbers are "
            "always given with everybody as well. Declare them before the study is opened."
        ),
    )
    # As they were when the study was opened: what was declared before any data.
    exclusions_declared = models.JSONField(null=True, blank=True, editable=False)

    # How it is shown.
    word_display = models.CharField(
        _("how words are shown"),
        max_length=10,
        choices=WordDisplay.choices,
        default=WordDisplay.WRITTEN,
    )
    display_px = models.PositiveSmallIntegerField(
        _("size of pictures (CSS px)"),
        default=256,
        validators=[MinValueValidator(96), MaxValueValidator(1024)],
        help_text=_("Scaled down where the screen is smaller, never up."),
    )
    one_tap = models.BooleanField(
        _("one tap answers"),
        default=False,
        help_text=_("Faster, but a slip cannot be taken back. Otherwise: choose, then confirm."),
    )
    enlarge = models.BooleanField(_("pictures can be enlarged"), default=True)
    language = models.CharField(
        _("language"),
        max_length=10,
        blank=True,
        choices=languages,
        help_text=_("Empty: as the participant's browser says, with a switch."),
    )

    # Who takes part.
    entrance = models.CharField(
        _("how people join"), max_length=12, choices=Entrance.choices, default=Entrance.OPEN
    )
    panel_parameters = models.JSONField(
        _("parameters of the panel"),
        default=dict,
        blank=True,
        help_text=_(
            "For another panel: which parameters of the address are kept, and which of them is the "
            'person, e.g. {"person": "pid", "session": "sid"}.'
        ),
    )
    quota = models.PositiveIntegerField(
        _("participants wanted"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Nobody new is let in once so many have finished or are at it. Empty: any."),
    )
    closes_at = models.DateTimeField(
        _("closes"), null=True, blank=True, help_text=_("Nobody new is let in after this.")
    )
    completion_code = models.CharField(_("completion code"), max_length=100, blank=True)
    completion_url = models.CharField(
        _("completion address"),
        max_length=500,
        blank=True,
        help_text=_("Where participants are sent back; {name} stands for a kept parameter."),
    )
    screen_out_code = models.CharField(_("screen-out code"), max_length=100, blank=True)
    screen_out_url = models.CharField(_("screen-out address"), max_length=500, blank=True)
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
                condition=Q(ask_picture=True) | Q(ask_word=True) | Q(ask_rating=True),
                name="study_asks_something",
            ),
            models.CheckConstraint(
                condition=Q(options__gte=2) | Q(options__isnull=True), name="study_two_options"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("survey:join", args=[self.slug])

    def clean_fields(self, exclude: Any = None) -> None:
        """Also what fields mean together; said only of fields that the form has."""
        errors: dict[str, Any] = {}
        try:
            super().clean_fields(exclude=exclude)
        except ValidationError as error:
            error.update_error_dict(errors)
        for name, found in {**entrances.problems(self), **self._rule_problems()}.items():
            if name not in (exclude or ()) and name not in errors:
                errors[name] = found
        if errors:
            raise ValidationError(errors)

    def _rule_problems(self) -> dict[str, list[str]]:
        # Loaded here: it needs numpy.
        from survey.stats.exclusion import ExclusionError, parse

        try:
            parse(self.exclusions)
        except ExclusionError as error:
            return {"exclusions": [str(error)]}
        return {}

    def clean(self) -> None:
        if not (self.ask_picture or self.ask_word or self.ask_rating):
            raise ValidationError(_("Choose at least one kind of question."))


class StudyText(models.Model):
    """A study's own words in one language, in Markdown; empty fields take the standard text."""

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, related_name="texts", verbose_name=_("study")
    )
    language = models.CharField(_("language"), max_length=10, choices=languages)
    title = models.CharField(_("title"), max_length=120, blank=True)
    consent = models.TextField(_("consent"), blank=True)
    instructions = models.TextField(_("instructions"), blank=True)
    question_picture = models.CharField(
        _("wording: which picture"),
        max_length=300,
        blank=True,
        help_text=_("The word itself is shown below."),
    )
    question_word = models.CharField(_("wording: which word"), max_length=300, blank=True)
    question_rating = models.CharField(
        _("wording: rating"),
        max_length=300,
        blank=True,
        help_text=_("The word itself and the photograph are shown below."),
    )
    thanks = models.TextField(_("thanks"), blank=True)
    debriefing = models.TextField(
        _("debriefing"),
        blank=True,
        help_text=_("What the study is about, shown at the end and after withdrawing."),
    )

    class Meta:
        verbose_name = _("text in one language")
        verbose_name_plural = _("texts by language")
        constraints = [
            models.UniqueConstraint(fields=["study", "language"], name="one_text_per_language"),
        ]

    def __str__(self) -> str:
        return self.language


class QuestionQuerySet(models.QuerySet["Question"]):
    def counted(self) -> Self:
        """Those to choose in that the study is about: what accuracy is made of."""
        return self.filter(purpose=Question.Purpose.MAIN).exclude(kind=Question.Kind.RATING)


class Question(models.Model):
    """One picture asked about in one direction; foils are drawn per participant.

    A rating asks about a word and a content photograph; the picture stands for both.
    """

    class Kind(models.TextChoices):
        CHOOSE_PICTURE = "picture", _("word → choose the picture")
        CHOOSE_WORD = "word", _("picture → choose the word")
        RATING = "rating", _("rating of word and object")

    class Purpose(models.TextChoices):
        MAIN = "main", _("what the study asks")
        PRACTICE = "practice", _("practice")
        GOLD = "gold", _("obvious question")

    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, related_name="questions", verbose_name=_("study")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    stimulus = models.ForeignKey(
        StylizedImage, on_delete=models.PROTECT, related_name="questions", verbose_name=_("picture")
    )
    purpose = models.CharField(
        _("purpose"), max_length=10, choices=Purpose.choices, default=Purpose.MAIN
    )

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "kind", "stimulus", "purpose"],
                name="one_question_per_picture_and_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.stimulus}"


class ConsentText(models.Model):
    """What people agreed to, word for word. A changed text is a new version; none is ever edited."""

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, related_name="consents", verbose_name=_("study")
    )
    language = models.CharField(_("language"), max_length=10)
    version = models.PositiveIntegerField(_("version"))
    text = models.TextField(_("text"))
    sha256 = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(_("first shown"), auto_now_add=True)

    class Meta:
        ordering = ["study", "language", "version"]
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "language", "sha256"], name="one_consent_per_text"
            ),
            models.UniqueConstraint(
                fields=["study", "language", "version"], name="one_consent_per_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.language} {self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.sha256 = hashlib.sha256(self.text.encode()).hexdigest()
        super().save(*args, **kwargs)


class ParticipationQuerySet(models.QuerySet["Participation"]):
    def real(self) -> Self:
        return self.filter(simulated=False)

    def going_on(self) -> Self:
        """Neither finished nor ended in another way."""
        return self.filter(
            finished_at__isnull=True, withdrawn_at__isnull=True, screened_out_at__isnull=True
        )


class Participation(models.Model):
    """One person's way through one study. No name, no IP address."""

    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, related_name="participations", verbose_name=_("study")
    )
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    seed = models.PositiveBigIntegerField(_("seed"), default=new_seed, editable=False)
    # Which row of the Latin square, where the study has one.
    row = models.PositiveIntegerField(_("row of the Latin square"), default=0, editable=False)
    language = models.CharField(_("language"), max_length=10)
    word_display = models.CharField(
        _("how words were shown"),
        max_length=10,
        choices=WordDisplay.choices,
        default=WordDisplay.WRITTEN,
        editable=False,
    )
    simulated = models.BooleanField(_("simulated"), default=False, editable=False)
    # A keyed hash, so that one person takes part once even after the data were deleted.
    person = models.CharField(max_length=64, blank=True, editable=False)
    external = models.JSONField(
        _("parameters of the panel"), default=dict, blank=True, editable=False
    )
    consent = models.ForeignKey(
        ConsentText,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="participations",
        verbose_name=_("consent text"),
    )
    consented_at = models.DateTimeField(_("consented"), default=timezone.now, editable=False)
    about = models.JSONField(_("about the participant"), null=True, blank=True, editable=False)
    comment = models.TextField(_("comment"), blank=True, editable=False)
    # After so many answers the last break was offered and ended.
    rested_after = models.PositiveIntegerField(default=0, editable=False)
    webdriver = models.BooleanField(_("browser driven by a program"), default=False, editable=False)
    quality = models.JSONField(_("quality signals"), null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)
    screened_out_at = models.DateTimeField(_("screened out"), null=True, blank=True, editable=False)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(_("data deleted"), null=True, blank=True, editable=False)

    objects = ParticipationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("participation")
        verbose_name_plural = _("participations")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "person"], condition=~Q(person=""), name="one_study_per_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study} #{self.pk}"

    @property
    def ended(self) -> bool:
        """Finished, or ended in another way."""
        return any((self.finished_at, self.withdrawn_at, self.screened_out_at))


class Invitation(models.Model):
    """A link for one person."""

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, related_name="invitations", verbose_name=_("study")
    )
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    note = models.CharField(
        _("note"), max_length=120, blank=True, help_text=_("Never shown to participants.")
    )
    participation = models.OneToOneField(
        Participation,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="invitation",
        verbose_name=_("participation"),
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return self.note or f"#{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("survey:invited", args=[self.token])


class Trial(models.Model):
    """A question as one participant sees it: the ordered options and the target's slot.

    A rating has neither. An attention check borrows the options of its question; its slot is the named one.
    """

    class Role(models.TextChoices):
        PRACTICE = "practice", _("practice")
        MAIN = "main", _("main question")
        REPEAT = "repeat", _("asked again")
        GOLD = "gold", _("obvious question")
        ATTENTION = "attention", _("attention check")

    participation = models.ForeignKey(
        Participation,
        on_delete=models.PROTECT,
        related_name="trials",
        verbose_name=_("participation"),
    )
    question = models.ForeignKey(
        Question, on_delete=models.PROTECT, related_name="trials", verbose_name=_("question")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.MAIN)
    position = models.PositiveIntegerField(_("position"))
    options = models.JSONField(_("options"), help_text=_("Picture ids in the order shown."))
    target_slot = models.PositiveSmallIntegerField(
        _("slot of the right option"), null=True, blank=True
    )
    shown_at = models.DateTimeField(_("first shown"), null=True, blank=True, editable=False)
    showings = models.PositiveIntegerField(_("times shown"), default=0, editable=False)
    feedback_at = models.DateTimeField(
        _("right answer seen"), null=True, blank=True, editable=False
    )

    class Meta:
        ordering = ["participation_id", "position"]
        verbose_name = _("trial")
        verbose_name_plural = _("trials")
        constraints = [
            models.UniqueConstraint(
                fields=["participation", "position"], name="one_trial_per_position"
            ),
            models.UniqueConstraint(
                fields=["participation", "question"],
                condition=Q(role="main"),
                name="one_main_trial_per_question",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participation_id}/{self.position}"

    @property
    def slots(self) -> int:
        """How many slots there are to choose from."""
        if self.question.kind == Question.Kind.RATING:
            return self.participation.study.rating_points
        return len(self.options)


class AnswerQuerySet(models.QuerySet["Answer"]):
    def with_correct(self) -> Self:
        """Adds ``correct``: the chosen slot is the target's. "Not sure" is not correct."""
        return self.annotate(
            correct=models.Case(
                models.When(slot=F("trial__target_slot"), then=1),
                default=0,
                output_field=models.IntegerField(),
            )
        )

    def counted(self) -> Self:
        """First presentations of main questions to choose in: what accuracy is made of."""
        return self.filter(trial__role=Trial.Role.MAIN).exclude(
            trial__question__kind=Question.Kind.RATING
        )


class Answer(models.Model):
    """The slot that was chosen, None for "not sure". At most one a trial, by the database.

    Of a rating, slot 0 is the lowest point of the scale.
    """

    class Onset(models.TextChoices):
        """From which moment the response time counts."""

        PAINTED = "painted", _("all pictures decoded and painted")
        LOADED = "loaded", _("all pictures loaded")
        HIDDEN = "hidden", _("page in the background when the pictures were painted")

    class Input(models.TextChoices):
        MOUSE = "mouse", _("mouse")
        TOUCH = "touch", _("touch")
        PEN = "pen", _("pen")
        KEY = "key", _("keyboard")

    trial = models.OneToOneField(
        Trial, on_delete=models.PROTECT, related_name="answer", verbose_name=_("trial")
    )
    slot = models.PositiveSmallIntegerField(_("chosen slot"), null=True, blank=True)
    # Made by the page before the first sending: the same answer sent again is known by it.
    key = models.CharField(max_length=40, blank=True, editable=False)
    created_at = models.DateTimeField(_("answered"), default=timezone.now, editable=False)
    # Measured by the page; empty without JavaScript.
    response_ms = models.FloatField(
        _("response time (ms)"),
        null=True,
        blank=True,
        help_text=_("From onset to the confirmed choice."),
    )
    chosen_ms = models.FloatField(
        _("time of choosing (ms)"),
        null=True,
        blank=True,
        help_text=_("From onset to the last choice."),
    )
    onset = models.CharField(_("onset"), max_length=10, blank=True, choices=Onset.choices)
    input = models.CharField(_("input"), max_length=10, blank=True, choices=Input.choices)
    focus_losses = models.PositiveSmallIntegerField(_("times the page lost focus"), default=0)
    display = models.JSONField(
        _("display"),
        default=dict,
        blank=True,
        help_text=_("Viewport and picture in CSS px, device pixel ratio, changes, enlargements."),
    )

    objects = AnswerQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("answer")
        verbose_name_plural = _("answers")

    def __str__(self) -> str:
        return f"{self.trial}: {'?' if self.slot is None else self.slot}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        check_slot(self.trial, self.slot)
        super().save(*args, **kwargs)


class BadSlot(ValueError):
    """The chosen slot is not one of the trial's."""


def check_slot(trial: Trial, slot: int | None) -> None:
    """Raise BadSlot unless that can be answered to the trial."""
    study = trial.participation.study
    if slot is None:
        if not study.not_sure or trial.question.kind == Question.Kind.RATING:
            raise BadSlot("Expected a slot; “not sure” cannot be chosen here.")
        return
    slots = trial.slots
    if not 0 <= slot < slots:
        raise BadSlot(f"Expected a slot from 0 to {slots - 1}; got {slot}.")


class Analysis(Work):
    """The numbers of one study for one choice of answers, as they were last computed.

    The result stays while it is computed anew. ``version`` says of which answers it is (see `survey.jobs`).
    """

    class Part(models.TextChoices):
        SUMMARY = "summary", _("summary")
        DETAILS = "details", _("details")

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, related_name="analyses", verbose_name=_("study")
    )
    part = models.CharField(_("part"), max_length=10, choices=Part.choices)
    # Canonical JSON of `survey.jobs.Filters`.
    filters = models.CharField(_("filters"), max_length=200)
    version = models.CharField(max_length=64, blank=True, editable=False)
    result = models.JSONField(_("result"), null=True, blank=True, editable=False)
    answers = models.PositiveIntegerField(_("answers"), default=0, editable=False)
    as_of = models.DateTimeField(_("as of"), null=True, blank=True, editable=False)
    seconds = models.FloatField(_("seconds"), null=True, blank=True, editable=False)

    objects = WorkQuerySet.as_manager()

    class Meta:
        ordering = ["study_id", "part", "filters"]
        verbose_name = _("analysis")
        verbose_name_plural = _("analyses")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "part", "filters"], name="one_analysis_per_filters"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study} · {self.get_part_display()}"
