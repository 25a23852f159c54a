"""What every analysis is made of: one study's answers and what they were given to, without a database.

The rows of the database and the files of an export give the same `Data`, so both give the same numbers.
Names are written out once; everything else refers to them by place (an index from 0).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

ROLES = ("practice", "main", "repeat", "gold", "attention")
MAIN, REPEAT, GOLD, ATTENTION = 1, 2, 3, 4
KINDS = ("picture", "word", "rating")
"""Word → choose the picture, picture → choose the word, rating of word and content."""
NONE = -1

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class DataError(ValueError):
    """Columns that do not belong together."""


@dataclass(frozen=True)
class Stimulus:
    """A picture. ``word``, ``content`` and ``recipe`` are places; ``variant`` 0 is blended, else the cluster's rank.

    Measures are those stored with the picture, None where there are none: ``style_distance`` is the cosine distance of
    the Neural Style Vectors of content photograph and style, ``dispersion`` how far the style's photographs
    are from their mean, summed over layers, ``style_loss`` and ``content_loss`` what the optimization reached.
    """

    id: int
    word: int
    content: int
    recipe: int
    variant: int = 0
    style_loss: float | None = None
    content_loss: float | None = None
    style_distance: float | None = None
    dispersion: float | None = None


@dataclass(frozen=True)
class Question:
    """``kind`` is one of KINDS, ``stimulus`` a place, ``purpose`` main, practice or gold."""

    id: int
    kind: str
    stimulus: int
    purpose: str = "main"


@dataclass(frozen=True)
class Participant:
    """``id`` is a pseudonym. ``flags`` are codes of `quality.FLAGS`, ``excluded`` why the study leaves the person out.

    ``ended`` is finished, going on, given up, screened out or withdrawn, as the database has it.
    """

    id: str
    language: str = ""
    simulated: bool = False
    finished: bool = True
    flags: tuple[str, ...] = ()
    signals: dict[str, Any] | None = None
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trials:
    """Answered trials of every role, one a row, ordered by participant and position.

    Arrays of one length n: ``participant`` and ``question`` are places; ``role`` the place in ROLES;
    ``position`` the place among the participant's trials; ``options`` (n × largest m) stimuli in the order shown,
    NONE beyond the trial's own m; ``target`` the right slot, NONE where there is none; ``chosen`` the chosen slot, NONE for
    "not sure" (of a rating: the point of the scale, from 0); ``response_ms`` milliseconds, NaN where not measured;
    ``answered_at`` seconds since 1970 (UTC).
    """

    participant: Ints
    question: Ints
    role: Ints
    position: Ints
    options: Ints
    target: Ints
    chosen: Ints
    response_ms: Floats
    answered_at: Floats

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(lengths) != 1 or self.options.ndim != 2:
            raise DataError(
                "Expected columns of one length and options as a table; "
                f"came lengths {sorted(lengths)}, options of {self.options.ndim} dimensions."
            )

    def __len__(self) -> int:
        return len(self.participant)

    def take(self, rows: Bools | Ints) -> Self:
        """Those rows only: a mask, or places."""
        return replace(
            self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__}
        )

    @property
    def m(self) -> Ints:
        """Number of options of each trial."""
        return np.asarray((self.options != NONE).sum(axis=1))

    @property
    def correct(self) -> Bools:
        """The target was chosen; "not sure" is not correct."""
        return np.asarray((self.chosen == self.target) & (self.chosen != NONE))

    @property
    def chosen_stimulus(self) -> Ints:
        """Place of the chosen stimulus, NONE for "not sure"."""
        rows = np.arange(len(self))
        picked = self.options[rows, np.maximum(self.chosen, 0)] if len(self) else self.chosen
        return np.where(self.chosen == NONE, NONE, picked)


@dataclass(frozen=True)
class Data:
    """One study. ``trials`` refers to ``participants`` and ``questions``, those to ``stimuli``, those to names.

    ``only_recipe`` is the place of the recipe that alone counts (`where`), None where all do.
    """

    study: str
    words: tuple[str, ...]
    contents: tuple[str, ...]
    recipes: tuple[str, ...]
    stimuli: tuple[Stimulus, ...]
    questions: tuple[Question, ...]
    participants: tuple[Participant, ...]
    trials: Trials
    rating_points: int = 7
    settings: dict[str, Any] = field(default_factory=dict)
    only_recipe: int | None = None

    # --- rows -----------------------------------------------------------------------------------

    def counted(self) -> Trials:
        """First presentations of main questions to choose in: what accuracy is made of."""
        rating = self.question_is_rating[self.trials.question]
        return self.trials.take((self.trials.role == MAIN) & ~rating)

    def where(
        self,
        *,
        simulated: bool = True,
        excluded: bool = True,
        language: str | None = None,
        recipe: int | None = None,
    ) -> Self:
        """The same study with fewer trials, and questions that count (`asked`); places stay as they are.

        Args:
            simulated: with the answers of simulated raters.
            excluded: with those of participants whom the study's rules leave out.
            language: only of participants who saw the study in it.
            recipe: only questions about pictures of that recipe (a place).
        """
        people = np.array(
            [
                (simulated or not p.simulated)
                and (excluded or not p.excluded)
                and (language is None or p.language == language)
                for p in self.participants
            ],
            dtype=bool,
        )
        keep = people[self.trials.participant]
        if recipe is None:
            return replace(self, trials=self.trials.take(keep))
        keep &= self.question_recipe[self.trials.question] == recipe
        return replace(self, trials=self.trials.take(keep), only_recipe=recipe)

    def by_pseudonym(self) -> Self:
        """The same study with participants in the order of their pseudonyms, so that what is drawn of them does not
        depend on the order in which they came."""
        order = sorted(range(len(self.participants)), key=lambda place: self.participants[place].id)
        place = np.empty(len(order), dtype=self.trials.participant.dtype)
        place[order] = np.arange(len(order))
        participant = place[self.trials.participant]
        trials = replace(self.trials, participant=participant)
        return replace(
            self,
            participants=tuple(self.participants[place] for place in order),
            trials=trials.take(np.argsort(participant, kind="stable")),
        )

    # --- places ---------------------------------------------------------------------------------

    @property
    def stimulus_word(self) -> Ints:
        return _places(s.word for s in self.stimuli)

    @property
    def stimulus_content(self) -> Ints:
        return _places(s.content for s in self.stimuli)

    @property
    def question_stimulus(self) -> Ints:
        return _places(q.stimulus for q in self.questions)

    @property
    def question_word(self) -> Ints:
        return self.stimulus_word[self.question_stimulus]

    @property
    def question_content(self) -> Ints:
        return self.stimulus_content[self.question_stimulus]

    @property
    def question_recipe(self) -> Ints:
        return _places(self.stimuli[q.stimulus].recipe for q in self.questions)

    @property
    def question_kind(self) -> Ints:
        """Place in KINDS."""
        return _places(KINDS.index(q.kind) for q in self.questions)

    @property
    def question_is_rating(self) -> Bools:
        return np.asarray(self.question_kind == KINDS.index("rating"))

    @property
    def asked(self) -> tuple[int, ...]:
        """Places of the questions that count, answered or not, in the order of words and contents."""
        return tuple(
            sorted(
                (
                    place
                    for place, q in enumerate(self.questions)
                    if q.purpose == "main"
                    and q.kind != "rating"
                    and self.only_recipe in (None, self.stimuli[q.stimulus].recipe)
                ),
                key=lambda place: (
                    self.stimuli[self.questions[place].stimulus].word,
                    self.stimuli[self.questions[place].stimulus].content,
                    place,
                ),
            )
        )

    @property
    def asked_words(self) -> tuple[int, ...]:
        """Places of the words that the study is about."""
        return tuple(
            dict.fromkeys(self.stimuli[self.questions[q].stimulus].word for q in self.asked)
        )

    @property
    def asked_contents(self) -> tuple[int, ...]:
        return tuple(sorted({self.stimuli[self.questions[q].stimulus].content for q in self.asked}))


def _places(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int32)
