"""Studies with answers for tests of the report in a browser: words and contents with names, raters who differ."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.core.files.base import ContentFile

from generation.models import StylizedImage
from survey.models import Answer, Participation, Question, Study, Trial
from survey.session import signals_of
from tests.factories import RecipeFactory, StudyFactory, grain, make_ready_set
from tests.survey.chart_case import CONTENTS, WORDS

BEGUN = datetime(2026, 3, 1, 9, tzinfo=UTC)
MAIN, REPEAT, GOLD = Trial.Role.MAIN, Trial.Role.REPEAT, Trial.Role.GOLD
RULES = [{"rule": "gold_failed", "more_than": 0.34, "at_least": 3}, {"rule": "unfinished"}]


@dataclass(frozen=True)
class Size:
    """How large a study is made."""

    words: int = 5
    contents: int = 3
    raters: int = 9
    recipes: int = 1
    languages: Sequence[str] = ("ja",)


def make_study(size: Size, slug: str, **fields: Any) -> Study:
    """The study with its pictures and questions, and no answers: both kinds of choice, ratings, obvious questions."""
    made = make_ready_set(size.words, size.contents)
    for word, text in zip(made.words.order_by("pk"), WORDS, strict=False):
        word.text = text
        word.save()
    for content, name in zip(made.contents.order_by("pk"), CONTENTS, strict=False):
        content.name = name
        content.save()
    pictures = list(made.pictures.order_by("word_id", "content_id"))
    for number in range(1, size.recipes):
        recipe = RecipeFactory(name=f"content weight {10**number}")
        made.recipes.add(recipe)
        for picture in made.pictures.filter(recipe=pictures[0].recipe_id):
            picture.pk, picture._state.adding, picture.recipe = None, True, recipe
            picture.save()
    _paint(list(made.pictures.order_by("word_id", "content_id", "recipe_id")))
    study = StudyFactory(
        **{
            "slug": slug,
            "title": "Words for materials, and pictures",
            "stimulus_set": made,
            "status": "open",
            "ask_word": True,
            "ask_rating": True,
            **fields,
        }
    )
    asked = list(made.pictures.order_by("word_id", "content_id", "recipe_id"))
    kinds = (Question.Kind.CHOOSE_PICTURE, Question.Kind.CHOOSE_WORD, Question.Kind.RATING)
    Question.objects.bulk_create(
        Question(study=study, kind=kind, stimulus=picture) for kind in kinds for picture in asked
    )
    return study


def _paint(pictures: Sequence[StylizedImage]) -> None:
    """A grainy square each, of its word's color, and the numbers that the study of causes looks at."""
    rng = random.Random(5)
    for number, picture in enumerate(pictures):
        hue = picture.word_id * 67 + picture.content_id * 11
        data = grain(number, (40 + hue % 160, 40 + hue * 3 % 160, 40 + hue * 7 % 160), 32, 32)
        picture.sha256 = hashlib.sha256(data).hexdigest()
        picture.style_distance = rng.uniform(0.2, 0.9)
        picture.style_loss = rng.lognormvariate(-10, 0.5)
        picture.content_loss = rng.lognormvariate(9, 0.3)
        picture.file.save("picture.png", ContentFile(data), save=True)


def answer(study: Study, size: Size, seed: int = 1) -> None:
    """Every rater answers every question once, two of them again, and three obvious ones.

    Each fifth rater clicks the first place at once and fails the obvious questions; the last one does not finish.
    """
    rng = random.Random(seed)
    pictures = {p.pk: p for p in StylizedImage.objects.filter(stimulus_set=study.stimulus_set)}
    skill = {word: rng.betavariate(1.3, 1.1) for word in {p.word_id for p in pictures.values()}}
    questions = list(Question.objects.filter(study=study).order_by("pk"))
    people = Participation.objects.bulk_create(
        Participation(
            study=study,
            language=size.languages[number % len(size.languages)],
            consented_at=BEGUN + timedelta(hours=7 * number),
            finished_at=BEGUN + timedelta(hours=7 * number, minutes=14)
            if number < size.raters - 1
            else None,
        )
        for number in range(size.raters)
    )
    trials: list[Trial] = []
    for number, person in enumerate(people):
        trials += _trials(rng, person, questions, pictures)
        if number == size.raters - 1:
            del trials[-len(questions) // 3 :]
    Trial.objects.bulk_create(trials)
    hasty = {person.pk for number, person in enumerate(people) if number % 5 == 4}
    Answer.objects.bulk_create(
        _answer(rng, trial, pictures, skill, hasty=trial.participation_id in hasty)
        for trial in trials
    )
    for person in people:
        person.quality = signals_of(person).to_json()
        person.save()


def _trials(
    rng: random.Random,
    person: Participation,
    questions: Sequence[Question],
    pictures: dict[int, StylizedImage],
) -> Iterator[Trial]:
    order = rng.sample(questions, len(questions))
    choices = [q for q in order if q.kind != Question.Kind.RATING]
    plan = [(q, MAIN) for q in order] + [(q, REPEAT) for q in choices[:2]]
    plan += [(q, GOLD) for q in choices[2:5]]
    places = count(1)
    for question, role in plan:
        target = pictures[question.stimulus_id]
        options: list[int] = []
        if question.kind != Question.Kind.RATING:
            others = [
                p.pk
                for p in pictures.values()
                if p.content_id == target.content_id
                and p.recipe_id == target.recipe_id
                and p.pk != target.pk
            ]
            options = [target.pk, *rng.sample(others, min(3, len(others)))]
            rng.shuffle(options)
        yield Trial(
            participation=person,
            question=question,
            role=role,
            position=next(places),
            options=options,
            target_slot=options.index(target.pk) if options else None,
        )


def _answer(
    rng: random.Random,
    trial: Trial,
    pictures: dict[int, StylizedImage],
    skill: dict[int, float],
    *,
    hasty: bool,
) -> Answer:
    target = pictures[trial.question.stimulus_id]
    known = trial.role == GOLD or rng.random() < skill[target.word_id]
    if trial.target_slot is None:
        slot = min(6, round(rng.gauss(2 + 4 * skill[target.word_id], 1)))
        slot = max(0, slot)
    elif hasty:
        slot = 0
    else:
        slot = trial.target_slot if known else rng.randrange(len(trial.options))
    milliseconds = rng.lognormvariate(5.2 if hasty else 7.8 + 0.4 * (not known), 0.4)
    return Answer(
        trial=trial,
        slot=slot,
        created_at=trial.participation.consented_at + timedelta(seconds=8 * trial.position),
        response_ms=milliseconds,
        chosen_ms=0.8 * milliseconds,
        onset=Answer.Onset.PAINTED,
    )
