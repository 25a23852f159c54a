"""Rows of the database → the `Data` of the analyses.

Every answered trial of every role, of everybody whose data were not deleted: whoever left the study and let
the answers stay is in it, simulated raters are in it and marked. Nobody is left out for another reason.

People go by pseudonyms. Their answers keep their distances in time, but by default each person's clock is put back so
that it began at midnight (UTC) of the day on which the person did: neither the numbers nor an export say at what
hour somebody sat down.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import Func, QuerySet, TextField
from django.db.models.functions import Cast

from generation.models import StylizedImage
from survey.models import Answer, Participation, Study
from survey.models import Question as QuestionRow
from survey.session import signals_so_far
from survey.stats.data import NONE, ROLES, Data, Participant, Question, Stimulus, Trials
from survey.stats.exclusion import apply, parse

CHUNK = 10_000
DAY, EXACT = "day", "exact"
TIMES = (DAY, EXACT)
DAY_MS = 86_400_000

# What `Data.settings` says of how the study was made.
SETTINGS = (
    *(
        "ask_picture",
        "ask_word",
        "ask_rating",
        "rating_points",
        "options",
        "questions_each",
        "order",
    ),
    *("not_sure", "repeats", "practice", "gold", "attention", "break_every", "word_display"),
    *("display_px", "one_tap", "enlarge", "language", "entrance"),
)

Ints = npt.NDArray[np.int64]


class TablesError(RuntimeError):
    """The rows of a study do not belong together."""


class Moment(Func):
    """A time as the database gives it fastest, for `milliseconds`; no datetime is made of it.

    SQLite stores it as a text in UTC: there this only hides the column's type. PostgreSQL gives microseconds since
    1970: a double holds them exactly until the year 2255.
    """

    output_field = TextField()
    template = "(%(expressions)s || '')"

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        form = "round(date_part('epoch', %(expressions)s) * 1000000)::bigint"
        return self.as_sql(compiler, connection, template=form, **extra)


# --- people -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """A participant and the person's clock, in milliseconds: ``shift_ms`` is what it is put back by."""

    pk: int
    participant: Participant
    began_ms: int
    shift_ms: int


def pseudonym(study_seed: int, seed: int, pk: int) -> str:
    """``p`` and twelve letters or digits: always the same for a participation.

    The first 60 bits of HMAC-SHA256 of the participation's own random seed and number, keyed by the study's
    seed. Neither seed is ever shown or exported, and the token of the address is no part of it: nobody can find a pseudonym
    from an address, or the other way round. Two of 15,000 people get the same with
    probability 10⁻¹⁰.
    """
    digest = hmac.new(f"{study_seed}".encode(), f"{seed}/{pk}".encode(), hashlib.sha256).digest()
    return "p" + base64.b32encode(digest).decode()[:12].lower()


def people(study: Study, *, simulated: bool = True, times: str = DAY) -> list[Person]:
    """Everybody whose data were not deleted, in the order of joining, also who answered nothing.

    Signals of whoever has not come to the end are those of the answers so far. ``excluded`` is by the study's rules.

    Args:
        simulated: with simulated raters.
        times: ``day`` puts each clock back to midnight (UTC), ``exact`` leaves it.

    Raises:
        ValueError: another value of ``times``.
        ExclusionError: the study's rules cannot be understood.
    """
    if times not in TIMES:
        raise ValueError(f"Expected times of {' or '.join(TIMES)}; came {times!r}.")
    rows = (
        Participation.objects.filter(study=study, deleted_at__isnull=True)
        .order_by("pk")
        .values_list(
            *("pk", "seed", "language", "simulated", "finished_at", "quality", "consented_at")
        )
    )
    if not simulated:
        rows = rows.filter(simulated=False)
    so_far = signals_so_far(study)
    rules = parse(study.exclusions)
    found = []
    for pk, seed, language, robot, finished_at, quality, consented_at in rows.iterator(CHUNK):
        if quality is None and pk in so_far:
            quality = so_far[pk].to_json()
        finished = finished_at is not None
        name = pseudonym(study.seed, seed, pk)
        participant = Participant(
            id=name,
            language=language,
            simulated=robot,
            finished=finished,
            flags=tuple((quality or {}).get("flags", ())),
            signals=quality,
            excluded=apply(rules, quality, finished, name),
        )
        began_ms = int(consented_at.timestamp() * 1000)
        shift_ms = began_ms % DAY_MS if times == DAY else 0
        found.append(Person(pk, participant, began_ms - shift_ms, shift_ms))
    return found


# --- questions and pictures ---------------------------------------------------------------------


def questions_of(study: Study) -> list[tuple[int, str, int, str]]:
    """Id, kind, picture's id and purpose, in the order of ids."""
    rows = QuestionRow.objects.filter(study=study).order_by("pk")
    return list(rows.values_list("pk", "kind", "stimulus_id", "purpose"))


def pictures_of(study: Study, offered: Iterable[int]) -> list[StylizedImage]:
    """The pictures that are asked about and those offered, with names, in the order of ids.

    Raises:
        TablesError: a picture that was offered is gone.
    """
    wanted = {stimulus for _pk, _kind, stimulus, _purpose in questions_of(study)} | set(offered)
    # The loss curves would be most of what is read.
    rows = list(
        StylizedImage.objects.filter(pk__in=wanted).with_names().defer("loss_curve").order_by("pk")
    )
    if gone := wanted - {row.pk for row in rows}:
        raise TablesError(
            f"Expected all pictures that were offered in the study {study.slug!r}; "
            f"not in the database any more: {sorted(gone)}. Restore them from a backup."
        )
    return rows


@dataclass(frozen=True)
class Pictures:
    """Stimuli in the order of picture ids, and the names that they refer to in the order of theirs."""

    words: tuple[str, ...]
    contents: tuple[str, ...]
    recipes: tuple[str, ...]
    stimuli: tuple[Stimulus, ...]

    @classmethod
    def of(cls, rows: Iterable[StylizedImage]) -> "Pictures":
        rows = list(rows)
        words = dict(sorted({row.word_id: row.word.text for row in rows}.items()))
        contents = dict(sorted({row.content_id: row.content.name for row in rows}.items()))
        recipes = dict(sorted({row.recipe_id: row.recipe.name for row in rows}.items()))
        word, content, recipe = (_places(names) for names in (words, contents, recipes))
        spread = StylizedImage.objects.filter(pk__in=[row.pk for row in rows]).dispersions()
        return cls(
            words=tuple(words.values()),
            contents=tuple(contents.values()),
            recipes=tuple(recipes.values()),
            stimuli=tuple(
                Stimulus(
                    id=row.pk,
                    word=word[row.word_id],
                    content=content[row.content_id],
                    recipe=recipe[row.recipe_id],
                    variant=row.variant,
                    style_loss=row.style_loss,
                    content_loss=row.content_loss,
                    style_distance=row.style_distance,
                    dispersion=spread.get(row.pk),
                )
                for row in rows
            ),
        )


def _places(names: Iterable[int]) -> dict[int, int]:
    return {pk: place for place, pk in enumerate(names)}


# --- answers ------------------------------------------------------------------------------------

# Participation, question, role, position, options as JSON, target, slot, milliseconds, time.
COLUMNS: tuple[Any, ...] = (
    "trial__participation_id",
    "trial__question_id",
    "trial__role",
    "trial__position",
    Cast("trial__options", TextField()),
    "trial__target_slot",
    "slot",
    "response_ms",
    Moment("created_at"),
)


def answer_rows(study: Study, *more: Any) -> Iterator[list[tuple[Any, ...]]]:
    """All answers in the order of participation and position, in lists of at most `CHUNK` rows.

    Raw values in the order of `COLUMNS` and ``more`` (names or expressions): no model, no datetime, no JSON.
    """
    rows: QuerySet = (
        Answer.objects.filter(trial__participation__study=study)
        .order_by("trial__participation_id", "trial__position")
        .values_list(*COLUMNS, *more)
    )
    stream = rows.iterator(chunk_size=CHUNK)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk


def milliseconds(moments: Sequence[str] | Sequence[int]) -> Ints:
    """Times as `Moment` gives them → milliseconds since 1970, rounded down."""
    if moments and isinstance(moments[0], str):
        return np.array(moments, dtype="datetime64[us]").astype(np.int64) // 1000
    return np.array(moments, dtype=np.int64) // 1000


def parse_options(options: Sequence[str]) -> tuple[npt.NDArray[np.int16], Ints]:
    """JSON lists of picture ids → their lengths, and all ids one after another.

    Read at once as one text: a list a row would take several times as long.
    """
    lengths = np.array([text.count(",") + 1 if len(text) > 2 else 0 for text in options], np.int16)
    text = ",".join(row for row in options if len(row) > 2).translate(_BRACKETS)
    return lengths, np.fromstring(text, dtype=np.int64, sep=",")


_BRACKETS = str.maketrans("", "", "[] ")


@dataclass(frozen=True)
class _Block:
    """One chunk of answers as arrays; ``offered`` are the options of all rows one after another."""

    columns: Mapping[str, npt.NDArray[Any]]
    lengths: npt.NDArray[np.int16]
    offered: Ints


def _block(
    chunk: list[tuple[Any, ...]],
    person: Mapping[int, int],
    question: Mapping[int, int],
    shifts: Ints,
) -> _Block:
    # Who joined after the list of people was read is not in it yet.
    rows = [row for row in chunk if row[0] in person]
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    who, asked, role, position, options, target, slot, response, answered = columns
    place = np.array([person[pk] for pk in who], dtype=np.int32)
    lengths, offered = parse_options(options)
    return _Block(
        columns={
            "participant": place,
            "question": np.array([question[pk] for pk in asked], dtype=np.int32),
            "role": np.array([ROLES.index(name) for name in role], dtype=np.int8),
            "position": np.array(position, dtype=np.int32),
            "target": _slots(target),
            "chosen": _slots(slot),
            "response_ms": np.array(response, dtype=np.float64),
            "answered_at": (milliseconds(answered) - shifts[place]) / 1000.0,
        },
        lengths=lengths,
        offered=offered,
    )


def _slots(slots: Iterable[int | None]) -> npt.NDArray[np.int16]:
    return np.array([NONE if slot is None else slot for slot in slots], dtype=np.int16)


def read(study: Study, *, simulated: bool = True, times: str = DAY) -> Data:
    """The study as it is now. Arguments as of `people`; an export reads back as ``read`` with the same.

    Answers are read after people and questions: those of somebody who has joined meanwhile are left for the next time.

    Raises:
        TablesError: a picture that was offered is gone.
        ValueError: another value of ``times``.
    """
    persons = people(study, simulated=simulated, times=times)
    asked = questions_of(study)
    shifts = np.array([person.shift_ms for person in persons], dtype=np.int64)
    person = {row.pk: place for place, row in enumerate(persons)}
    question = {row[0]: place for place, row in enumerate(asked)}
    blocks = [_block(chunk, person, question, shifts) for chunk in answer_rows(study)]
    if not blocks:
        blocks = [_block([], person, question, shifts)]
    offered = np.concatenate([block.offered for block in blocks])
    rows = pictures_of(study, np.unique(offered).tolist())
    pictures = Pictures.of(rows)
    stimulus = {row.pk: place for place, row in enumerate(rows)}
    return Data(
        study=study.slug,
        words=pictures.words,
        contents=pictures.contents,
        recipes=pictures.recipes,
        stimuli=pictures.stimuli,
        questions=tuple(
            Question(id=pk, kind=kind, stimulus=stimulus[picture], purpose=purpose)
            for pk, kind, picture, purpose in asked
        ),
        participants=tuple(row.participant for row in persons),
        trials=_trials(blocks, offered, np.array([row.pk for row in rows], dtype=np.int64)),
        rating_points=study.rating_points,
        settings=settings_of(study, times),
    )


def _trials(blocks: list[_Block], offered: Ints, stimuli: Ints) -> Trials:
    """``stimuli``: ids in the order of places."""
    lengths = np.concatenate([block.lengths for block in blocks])
    width = int(lengths.max(initial=0))
    options = np.full((len(lengths), width), NONE, dtype=np.int32)
    options[np.arange(width) < lengths[:, None]] = np.searchsorted(stimuli, offered)
    columns = {
        name: np.concatenate([block.columns[name] for block in blocks])
        for name in blocks[0].columns
    }
    return Trials(options=options, **columns)


def settings_of(study: Study, times: str = DAY) -> dict[str, Any]:
    """How the study was made, in plain values, and what ``answered_at`` means."""
    return {**{name: getattr(study, name) for name in SETTINGS}, "times": times}
