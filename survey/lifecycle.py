"""Opening and closing a study."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.models import StimulusSet, StylizedImage
from survey import design
from survey.models import Question, Study

# What `design.check` finds, in the reader's language.
REASONS = {
    "too_few_words": gettext_lazy(
        "A question with %(options)d options needs pictures of at least %(options)d words "
        "with every content and recipe. Add words to the set, or ask for fewer options."
    ),
    "too_many_questions": gettext_lazy(
        "There are %(most)d questions to choose in; a participant cannot be asked %(wanted)d. Ask for "
        "fewer, or leave the number empty to ask all."
    ),
    "too_many_repeats": gettext_lazy(
        "At most the %(most)d questions that a participant gets can be asked twice; %(wanted)d were "
        "wanted."
    ),
    "ratings_only": gettext_lazy(
        "Practice, repeats, obvious questions and attention checks need questions to choose in. Choose a "
        "kind of them, or set these numbers to 0."
    ),
    "no_practice_pictures": gettext_lazy(
        "Practice needs pictures of at least two words with the same content and recipe."
    ),
    "no_gold_pictures": gettext_lazy(
        "Obvious questions need pictures of at least two words with the same content and recipe."
    ),
}


def kinds_of(study: Study) -> list[str]:
    """The directions in which a study asks for a choice."""
    kinds: list[str] = []
    if study.ask_picture:
        kinds.append(Question.Kind.CHOOSE_PICTURE.value)
    if study.ask_word:
        kinds.append(Question.Kind.CHOOSE_WORD.value)
    return kinds


def outline_of(study: Study) -> design.Outline:
    """What the study asks of every participant, as the design sees it.

    Raises:
        ValueError: the number of options is not settled yet, which opening does.
    """
    if study.options is None:
        raise ValueError("The number of options is settled when the study is opened.")
    return design.Outline(
        kinds=tuple(kinds_of(study)),
        options=study.options,
        questions=study.questions_each,
        order=study.order,
        repeats=study.repeats,
        practice=study.practice,
        gold=study.gold,
        attention=study.attention,
        ratings=study.ask_rating,
    )


def open_study(study: Study) -> Study:
    """Make the questions and let participants in. Doing it again changes nothing.

    Raises:
        ValidationError: the set is not ready, nothing is asked, or there are too few words.
    """
    with transaction.atomic():
        row = (
            Study.objects.select_for_update(of=("self",))
            .select_related("stimulus_set", "practice_set", "gold_set")
            .get(pk=study.pk)
        )
        if row.status != Study.Status.OPEN:
            # Opened again, it asks what it asked before, whatever has become of the set.
            if row.opened_at is None:
                _make_questions(row)
                row.exclusions_declared = row.exclusions
            row.status = Study.Status.OPEN
            row.opened_at = row.opened_at or timezone.now()
            row.closed_at = None
            row.save(
                update_fields=["status", "opened_at", "closed_at", "options", "exclusions_declared"]
            )
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
    if not (kinds or study.ask_rating):
        raise ValidationError(_("Choose at least one kind of question."), code="nothing_asked")
    pictures = _finished(study.stimulus_set)
    practice: list[StylizedImage] = []
    if study.practice:
        if study.practice_set in (None, study.stimulus_set):
            raise ValidationError(
                _(
                    "Practice shows the right answers, so it needs a set of pictures of its own. Choose "
                    "one, or ask no practice questions."
                ),
                code="no_practice_set",
            )
        practice = _finished(study.practice_set)
    gold: list[StylizedImage] = []
    if study.gold:
        if study.gold_set in (None, study.stimulus_set):
            raise ValidationError(
                _(
                    "Obvious questions need a set of pictures of their own. Choose one, or ask no "
                    "obvious questions."
                ),
                code="no_gold_set",
            )
        gold = _finished(study.gold_set)
    planned = [planning(p) for p in pictures]
    if study.options is None:
        study.options = design.most_options(planned)
    try:
        design.check(
            planned,
            outline_of(study),
            practice=[planning(p) for p in practice],
            gold=[planning(p) for p in gold],
        )
    except design.DesignError as error:
        raise ValidationError(
            REASONS.get(error.code, str(error)),
            code=error.code or "design",
            params=error.params,
        ) from error
    stands = design.representatives(planned) if study.ask_rating else []
    purpose = Question.Purpose
    Question.objects.bulk_create(
        [
            Question(study=study, kind=kind, stimulus_id=p.pk, purpose=why)
            for why, found in (
                (purpose.MAIN, pictures),
                (purpose.PRACTICE, practice),
                (purpose.GOLD, gold),
            )
            for kind in kinds
            for p in found
        ]
        + [Question(study=study, kind=Question.Kind.RATING, stimulus_id=p.id) for p in stands],
        ignore_conflicts=True,
    )


def _finished(stimulus_set: StimulusSet) -> list[StylizedImage]:
    """The pictures of a set that is ready.

    Raises:
        ValidationError: it is not, or has none.
    """
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
    return pictures


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
    study.options = row.options
    return study
