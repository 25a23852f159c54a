"""Every page and state that a participant can meet, each with the address that shows it."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from generation.models import StimulusSet, StylizedImage
from survey import about, session
from survey.lifecycle import close_study, open_study
from survey.models import Participation, Study, StudyText, Trial
from survey.session import Stage
from tests.factories import StudyFactory, copy_of, make_ready_set

#: Words and objects of the demo, in the order of its rows.
WORDS = [
    ("木製", "もくせい", "wooden"),
    ("石", "いし", "stone"),
    ("布製", "ぬのせい", "cloth"),
    ("金属製", "きんぞくせい", "metal"),
    ("芝生", "しばふ", "lawn"),
]

Picture = tuple[str, str, str, str, Path, Path]
State = tuple[str, Callable[[], str]]


def pictures_of_the_demo(var: Path) -> list[Picture]:
    """(word, reading, gloss, content, its file, the picture's file) of the demo; empty without one."""
    database = var / "db.sqlite3"
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT w.text, w.reading, w.gloss, c.name, c.file, p.file FROM generation_stylizedimage p "
            "JOIN generation_word w ON w.id = p.word_id "
            "JOIN generation_contentimage c ON c.id = p.content_id "
            "JOIN generation_stimulusset s ON s.id = p.stimulus_set_id "
            "WHERE p.state = 'done' AND s.slug = 'demo' ORDER BY w.id, c.id"
        ).fetchall()
    return [(*row[:4], var / "media" / row[4], var / "media" / row[5]) for row in rows]


def make_pictures(demo: list[Picture]) -> StimulusSet:
    """A finished set: the demo's pictures where there are some, else one color each."""
    contents = list(dict.fromkeys(row[3] for row in demo)) or ["coffee", "astronaut"]
    words = list(dict.fromkeys(row[:3] for row in demo)) or WORDS
    made = make_ready_set(words=len(words), contents=len(contents))
    for word, (text, reading, gloss) in zip(made.words.order_by("pk"), words, strict=True):
        word.text, word.reading, word.gloss = text, reading, gloss
        word.save()
    for content, name in zip(made.contents.order_by("pk"), contents, strict=True):
        content.name = name
        photograph = next((row[4] for row in demo if row[3] == name), None)
        if photograph is not None:
            content.file.save("photograph.png", ContentFile(photograph.read_bytes()), save=False)
        content.save()
    for text, _reading, _gloss, name, _photograph, file in demo:
        picture = StylizedImage.objects.get(stimulus_set=made, word__text=text, content__name=name)
        data = file.read_bytes()
        picture.sha256 = hashlib.sha256(data).hexdigest()
        picture.file.save("picture.png", ContentFile(data), save=True)
    return made


TEXTS = {
    "en": {
        "title": "Words for materials, and pictures",
        "debriefing": "We asked which words for materials can be seen in pictures that a computer "
        "made. **The objects were the same every time**; only the material was changed.",
    },
    "ja": {
        "title": "素材のことばと絵",
        "debriefing": "コンピューターが作った絵から、素材を表すことばを読み取れるかを調べました。"
        "**物はいつも同じ**で、変わっていたのは素材だけです。",
    },
}


class Gallery:
    """Studies in every state, on one set of pictures."""

    def __init__(self, demo: list[Picture] | None = None) -> None:
        self.pictures = make_pictures(demo or [])
        self.others = copy_of(self.pictures)
        self.serial = 0

    def study(self, *, opened: bool = True, **fields: Any) -> Study:
        self.serial += 1
        study = StudyFactory(
            slug=f"study-{self.serial}",
            title=TEXTS["ja"]["title"],
            stimulus_set=self.pictures,
            contact="Texture Laboratory, lab@example.org",
            **fields,
        )
        for language, texts in TEXTS.items():
            StudyText.objects.create(study=study, language=language, **texts)
        return open_study(study) if opened else study

    def at(
        self, wanted: Callable[[session.Step], bool], language: str = "ja", **fields: Any
    ) -> Participation:
        """A participation whose next step is the wanted one."""
        participation = session.join(self.study(**fields), language, seed=3)
        for _step in range(200):
            step = session.next_step(participation)
            if wanted(step):
                return participation
            trial = step.trial
            if step.stage == Stage.QUESTION and trial is not None:
                session.record(trial, 0 if trial.target_slot is None else trial.target_slot)
            elif step.stage == Stage.ABOUT:
                session.tell(participation, "before", {})
            elif step.stage in (Stage.FEEDBACK, Stage.BREAK):
                session.go_on(participation)
            elif step.stage == Stage.END:
                session.tell(participation, "after", {})
            participation = Participation.objects.select_related("study").get(pk=participation.pk)
        raise AssertionError("The wanted step does not come.")

    def page(self, wanted: Callable[[session.Step], bool], **fields: Any) -> str:
        return reverse("survey:participate", args=[self.at(wanted, **fields).token])

    def asks(self, kind: str, role: str = Trial.Role.MAIN, **fields: Any) -> str:
        def wanted(step: session.Step) -> bool:
            return (
                step.stage == Stage.QUESTION
                and step.trial is not None
                and (step.trial.question.kind, step.trial.role) == (kind, role)
            )

        return self.page(wanted, **fields)

    def stops(self, stage: Stage, **fields: Any) -> str:
        return self.page(lambda step: step.stage == stage, **fields)

    def join(self, **fields: Any) -> str:
        return self.study(**fields).get_absolute_url()

    def closed(self) -> str:
        return close_study(self.study()).get_absolute_url()

    def full(self) -> str:
        study = self.study(quota=1)
        session.join(study, "ja")
        return study.get_absolute_url()

    def ended(self) -> str:
        study = self.study()
        Study.objects.filter(pk=study.pk).update(closes_at=timezone.now() - timedelta(days=1))
        return study.get_absolute_url()

    def screened_out(self) -> str:
        fields = [
            {
                "name": "adult",
                "kind": "choice",
                "when": "before",
                "required": True,
                "label": {"ja": "18歳以上ですか", "en": "Are you 18 or older?"},
                "choices": [
                    {"value": "yes", "label": {"ja": "はい", "en": "Yes"}},
                    {"value": "no", "label": {"ja": "いいえ", "en": "No"}, "screen_out": True},
                ],
            }
        ]
        participation = session.join(
            self.study(demographics=fields, entrance="prolific", screen_out_code="SCREEN7"),
            "ja",
            person="p1",
            external={"PROLIFIC_PID": "p1"},
        )
        session.tell(participation, "before", {"adult": "no"})
        return reverse("survey:participate", args=[participation.token])

    def withdrawn(self, *, delete: bool) -> str:
        participation = session.join(self.study(), "ja")
        session.withdraw(participation, delete=delete)
        return reverse("survey:participate", args=[participation.token])

    def done_by_panel(self) -> str:
        study = self.study(entrance="prolific", completion_code="DONE1234", questions_each=4)
        participation = session.join(
            study, "ja", person="p2", external={"PROLIFIC_PID": "p2", "SESSION_ID": "s"}
        )
        for trial in participation.trials.all():
            session.record(trial, 0)
        return reverse("survey:participate", args=[participation.token])

    def states(self) -> Iterator[State]:
        """(name of the state, what makes it and returns its address)."""
        main: dict[str, Any] = {"word_display": "language", "ask_word": True}
        practice = {**main, "practice": 2, "practice_set": self.others}
        before = [{**f, "when": "before"} for f in about.EXAMPLE]
        prolific = "?PROLIFIC_PID=p3&STUDY_ID=s1&SESSION_ID=x1"
        preview = "?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=h"
        yield "home", lambda: (self.join(), "/")[1]
        yield "join", self.join
        yield "join-prolific", lambda: self.join(entrance="prolific") + prolific
        yield "join-prolific-missing", lambda: self.join(entrance="prolific")
        yield "join-mturk-preview", lambda: self.join(entrance="mturk") + preview
        yield "join-by-invitation", lambda: self.join(entrance="invitation")
        yield "not-begun", lambda: self.join(opened=False)
        yield "closed", self.closed
        yield "closing-date-past", self.ended
        yield "full", self.full
        yield "about-before", lambda: self.stops(Stage.ABOUT, demographics=before)
        yield "practice", lambda: self.asks("picture", "practice", **practice)
        yield "practice-feedback", lambda: self.stops(Stage.FEEDBACK, **practice)
        yield "question-picture", lambda: self.asks("picture", **main)
        yield "question-picture-2", lambda: self.asks("picture", options=2, **main)
        yield (
            "question-picture-5-not-sure",
            lambda: self.asks("picture", options=5, not_sure=True, one_tap=True, **main),
        )
        yield "question-word", lambda: self.asks("word", not_sure=True, **main)
        yield (
            "attention-check",
            lambda: self.asks("picture", "attention", attention=3, ask_word=False),
        )
        yield (
            "rating-5",
            lambda: self.asks(
                "rating", ask_picture=False, ask_word=False, ask_rating=True, rating_points=5
            ),
        )
        yield (
            "rating-7",
            lambda: self.asks(
                "rating", ask_picture=False, ask_word=False, ask_rating=True, word_display="both"
            ),
        )
        yield "break", lambda: self.stops(Stage.BREAK, break_every=4, **main)
        yield (
            "end-form",
            lambda: self.stops(
                Stage.END, demographics=about.EXAMPLE, ask_comment=True, questions_each=4
            ),
        )
        yield "done", lambda: self.stops(Stage.DONE, questions_each=4)
        yield "done-prolific", self.done_by_panel
        yield "screened-out", self.screened_out
        yield (
            "withdraw",
            lambda: reverse("survey:withdraw", args=[session.join(self.study(), "ja").token]),
        )
        yield "withdrawn", lambda: self.withdrawn(delete=False)
        yield "withdrawn-deleted", lambda: self.withdrawn(delete=True)
        yield "credits", lambda: reverse("survey:credits", args=[self.study().slug])
        yield "not-found", lambda: "/p/nobody/"
