"""Opening and closing a study."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.models import StylizedImage
from survey import design
from survey.models import Question, Study


def kinds_of(study: Study) -> list[str]:
    """The directions a study asks in."""
    kinds: list[str] = []
    if study.ask_picture:
        kinds.append(Question.Kind.CHOOSE_PICTURE.value)
    if study.ask_word:
        kinds.append(Question.Kind.CHOOSE_WORD.value)
    return kinds


def open_study(study: Study) -> Study:
    """Make the questions and let participants in. Doing it again changes nothing.

    Raises:
        ValidationError: the set is not ready, nothing is asked, or there are too few words.
    """
    with transaction.atomic():
        row = (
            Study.objects.select_for_update(of=("self",))
            .select_related("stimulus_set")
            .get(pk=study.pk)
        )
        if row.status != Study.Status.OPEN:
            # Opened again, it asks what it asked before, whatever has become of the set.
            if row.opened_at is None:
                _make_questions(row)
            row.status = Study.Status.OPEN
            row.opened_at = row.opened_at or timezone.now()
            row.closed_at = None
            row.save(update_fields=["status", "opened_at", "closed_at"])
    return _copy_state(row, study)


def close_study(study: Study) -> Study:
    """Let nobody new in. Participants who have begun may finish. Doing it again changes nothing."""
    with transaction.atomic():
        row = Study.objects.select_for_update().get(pk=study.pk)
        if row.status == Study.Status.DRAFT:
            raise ValidationError(_("This study has not been opened yet."), code="not_open")
        if row.status == Study.Status.OPEN:
            row.status = Study.Status.CLOSED
            row.closed_at = timezone.now()
            row.save(update_fields=["status", "closed_at"])
    return _copy_state(row, study)


def _make_questions(study: Study) -> None:
    kinds = kinds_of(study)
    if not kinds:
        raise ValidationError(_("Choose at least one kind of question."), code="nothing_asked")
    stimulus_set = study.stimulus_set
    pictures = list(stimulus_set.wanted().done())
    # A word added after the pictures were made has none yet, though the set says that it is ready.
    if not stimulus_set.is_ready or stimulus_set.missing():
        raise ValidationError(
            _("The pictures of the set “%(set)s” are not ready yet. Make them first."),
            code="not_ready",
            params={"set": stimulus_set},
        )
    if not pictures:
        raise ValidationError(
            _("The set “%(set)s” has no finished picture."),
            code="no_pictures",
            params={"set": stimulus_set},
        )
    try:
        design.check([planning(p) for p in pictures], study.options)
    except design.DesignError as error:
        raise ValidationError(
            _(
                "A question with %(options)d options needs pictures of at least %(options)d words "
                "with every content and recipe. Add words to the set, or ask for fewer options."
            ),
            code="too_few_words",
            params={"options": study.options},
        ) from error
    Question.objects.bulk_create(
        [Question(study=study, kind=kind, stimulus=p) for kind in kinds for p in pictures],
        ignore_conflicts=True,
    )


def planning(picture: StylizedImage) -> design.Picture:
    """A picture as the design sees it."""
    return design.Picture(
        id=picture.pk,
        word=picture.word_id,
        content=picture.content_id,
        recipe=picture.recipe_id,
        variant=picture.variant,
    )


def _copy_state(row: Study, study: Study) -> Study:
    study.status, study.opened_at, study.closed_at = row.status, row.opened_at, row.closed_at
    return study
