"""A small study whose numbers are counted by hand; see build_case."""

from dataclasses import dataclass

from django.utils import timezone

from generation.models import StylizedImage
from survey.models import Answer, Participation, Question, Study, Trial
from tests.factories import StudyFactory, make_ready_set


@dataclass
class Case:
    study: Study
    pictures: list[StylizedImage]  # word 0: A, B (contents); word 1: C, D; word 2: E, F


def build_case() -> Case:
    """Three words × two contents; two people and one simulated rater.

    Rater 1 (finished): A of [A, C, E] right, C of [C, A] chose A, A by word of [A, C, E] right.
    Rater 2: A of [C, A] chose C. Simulated: A of [A, C, E] right. A third person answered nothing.
    """
    study = StudyFactory(stimulus_set=make_ready_set(3, 2), slug="small", status="open")
    pictures = list(StylizedImage.objects.order_by("word_id", "content_id"))
    a, c, e = pictures[0].pk, pictures[2].pk, pictures[4].pk
    asked = {
        (kind, p.pk): Question.objects.create(study=study, kind=kind, stimulus=p)
        for kind in ("picture", "word")
        for p in pictures
    }
    one = Participation.objects.create(study=study, language="ja", finished_at=timezone.now())
    two = Participation.objects.create(study=study, language="ja")
    robot = Participation.objects.create(study=study, language="ja", simulated=True)
    Participation.objects.create(study=study, language="ja")
    plan = [
        (one, "picture", a, [a, c, e], a),
        (one, "picture", c, [c, a], a),
        (one, "word", a, [a, c, e], a),
        (two, "picture", a, [c, a], c),
        (robot, "picture", a, [a, c, e], a),
    ]
    for position, (who, kind, target, options, chosen) in enumerate(plan):
        trial = Trial.objects.create(
            participation=who,
            question=asked[kind, target],
            position=position,
            options=options,
            target_slot=options.index(target),
        )
        Answer.objects.create(trial=trial, slot=options.index(chosen))
    return Case(study, pictures)


def give_answers(
    study: Study, picture: StylizedImage, options: list[StylizedImage], right: int, wrong: int
) -> None:
    """So many right and wrong answers to the question which of the options the word is, by one new person each."""
    question, _new = Question.objects.get_or_create(
        study=study, kind=Question.Kind.CHOOSE_PICTURE, stimulus=picture
    )
    ids = [picture.pk, *(p.pk for p in options if p.pk != picture.pk)]
    for n in range(right + wrong):
        person = Participation.objects.create(study=study, language="ja")
        trial = Trial.objects.create(
            participation=person, question=question, position=1, options=ids, target_slot=0
        )
        Answer.objects.create(trial=trial, slot=0 if n < right else 1)
