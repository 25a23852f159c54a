"""The tables of an export, straight from the database: rows go through and are not kept."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from django.db.models import F

from generation.licenses import PERMITTED
from generation.models import StylizedImage
from survey import about, tables
from survey.export import columns
from survey.models import Participation, Study
from survey.stats import csvfile
from survey.stats.bundle import SEPARATOR

# What a trial's row has beyond the columns that analyses are made of.
MORE = (F("chosen_ms"), F("onset"), F("input"), F("focus_losses"), F("trial__showings"))


@dataclass(frozen=True)
class Source:
    """What is read before the answers. ``asked`` and ``pictures`` by id."""

    study: Study
    people: Sequence[tables.Person]
    asked: Mapping[int, tuple[str, int, str]]
    pictures: Mapping[int, StylizedImage]
    times: str = tables.DAY

    @classmethod
    def of(cls, study: Study, *, simulated: bool, times: str) -> "Source":
        asked = {
            pk: (kind, picture, purpose)
            for pk, kind, picture, purpose in tables.questions_of(study)
        }
        return cls(
            study=study,
            people=tables.people(study, simulated=simulated, times=times),
            asked=asked,
            pictures={row.pk: row for row in tables.pictures_of(study, ())},
            times=times,
        )


@dataclass
class Seen:
    """What the trials turned out to hold: answers a participant (by pk), and pictures offered."""

    answers: Counter[int] = field(default_factory=Counter)
    offered: set[int] = field(default_factory=set)

    @property
    def rows(self) -> int:
        return self.answers.total()


# --- trials -------------------------------------------------------------------------------------


def write_trials(stream: IO[str], source: Source) -> Seen:
    """One row an answer. Lines are put together here, as the csv module would take most of the time."""
    stream.write(",".join(columns.TRIALS) + "\r\n")
    seen = Seen()
    fragments = _fragments(source)
    # Pseudonym, and when the person's clock began.
    people = {row.pk: (row.participant.id, row.shift_ms + row.began_ms) for row in source.people}
    codes = _Codes()
    for chunk in tables.answer_rows(source.study, *MORE):
        # Who joined after the list of people was read is not in it yet.
        rows = [row for row in chunk if row[0] in people]
        times = tables.milliseconds([row[8] for row in rows]).tolist()
        shown = bare([row[4] for row in rows])
        first = seen.rows + 1
        stream.write("".join(_lines(first, rows, shown, times, people, fragments, codes)))
        seen.answers.update([row[0] for row in rows])
        seen.offered.update(map(int, set(SEPARATOR.join(shown).split(SEPARATOR)) - {""}))
    return seen


def bare(options: Sequence[str]) -> list[str]:
    """JSON lists of numbers → the numbers with `SEPARATOR` between; all at once, as one at a time would take long."""
    text = "\n".join(options).replace(" ", "").replace("[", "").replace("]", "")
    return text.replace(",", SEPARATOR).split("\n") if options else []


class _Codes(dict[str, str]):
    """Code → its cell. There are few, and each comes often."""

    def __missing__(self, code: str) -> str:
        self[code] = quoted(code)
        return self[code]


def _fragments(source: Source) -> dict[int, str]:
    """Question's id → its cells: id, kind, word, content."""
    found = {}
    for pk, (kind, picture, _purpose) in source.asked.items():
        row = source.pictures[picture]
        found[pk] = ",".join(map(quoted, (str(pk), kind, row.word.text, row.content.name)))
    return found


def _lines(
    first: int,
    rows: Sequence[tuple[Any, ...]],
    shown: Sequence[str],
    times: Sequence[int],
    people: Mapping[int, tuple[str, int]],
    fragments: Mapping[int, str],
    codes: Mapping[str, str],
) -> Iterator[str]:
    """``shown``: as `bare` gives them; ``times``: when the answer came, milliseconds since 1970."""
    numbers = range(first, first + len(rows))
    for number, row, options, at in zip(numbers, rows, shown, times, strict=True):
        (
            pk,
            question,
            role,
            position,
            _json,
            target,
            slot,
            took,
            _at,
            chose,
            onset,
            used,
            focus,
            showings,
        ) = row
        who, began = people[pk]
        right = chosen = ""
        if target is None:
            target = ""
        elif slot is None:
            right = "false"
        else:
            chosen = options.split(SEPARATOR)[slot]
            right = "true" if slot == target else "false"
        yield (
            f"{number},{who},{position},{role},{fragments[question]},{options},{target},"
            f"{'' if slot is None else slot},{chosen},{right},{'' if took is None else took},"
            f"{'' if chose is None else chose},{codes[onset]},{codes[used]},{focus},{showings},{at - began}\r\n"
        )


def quoted(text: str) -> str:
    """A text as a cell of RFC 4180, safe in a spreadsheet."""
    cell = csvfile.escape(text)
    if any(sign in cell for sign in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


# --- the other tables ---------------------------------------------------------------------------

Row = tuple[object, ...]


def numbered(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows behind a number of their own, from 1."""
    return ((number, *row) for number, row in enumerate(rows, start=1))


def about_fields(study: Study) -> tuple[about.Field, ...]:
    return about.parse(study.demographics)


def write_participants(
    stream: IO[str], source: Source, seen: Seen, fields: Sequence[about.Field] = ()
) -> int:
    """``fields``: what people said about themselves, where that is asked for."""
    header = (*columns.PARTICIPANTS, *(c.name for c in columns.about_columns(fields)))
    return csvfile.write(stream, header, numbered(_participants(source, seen, fields)))


def _participants(source: Source, seen: Seen, fields: Sequence[about.Field]) -> Iterator[Row]:
    names = ["pk", "word_display", "withdrawn_at", "screened_out_at", "finished_at"]
    if fields:
        names.append("about")
    more = {
        row["pk"]: row for row in Participation.objects.filter(study=source.study).values(*names)
    }
    for person in source.people:
        row, who = more[person.pk], person.participant
        told = {k: v for part in (row.get("about") or {}).values() for k, v in part.items()}
        yield (
            who.id,
            who.language,
            row["word_display"],
            who.simulated,
            who.finished,
            _status(row),
            _moment(person.began_ms, source.times),
            seen.answers[person.pk],
            " ".join(who.flags),
            None if who.signals is None else compact(who.signals),
            compact(who.excluded),
            *(compact(told[f.name]) if f.name in told else None for f in fields),
        )


def _status(row: Mapping[str, Any]) -> str:
    for status in ("withdrawn", "screened_out", "finished"):
        if row[f"{status}_at"] is not None:
            return status
    return "unfinished"


def _moment(milliseconds: int, times: str) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if times == tables.DAY:
        return moment.date().isoformat()
    return moment.isoformat(timespec="milliseconds")


def write_stimuli(
    stream: IO[str], pictures: Iterable[StylizedImage], files: Mapping[int, str]
) -> int:
    """``files``: picture's id → its place in the export, of those that are in it."""
    rows = list(pictures)
    licenses = StylizedImage.objects.filter(pk__in=[row.pk for row in rows]).licenses()
    spread = StylizedImage.objects.filter(pk__in=[row.pk for row in rows]).dispersions()

    def row_of(row: StylizedImage) -> Row:
        combined = licenses[row.pk]
        return (
            row.pk,
            row.word_id,
            row.word.text,
            row.word.reading,
            row.word.gloss,
            row.content_id,
            row.content.name,
            row.recipe_id,
            row.recipe.name,
            row.variant,
            (row.params or {}).get("encoder"),
            row.seed,
            row.progress,
            row.style_loss,
            row.content_loss,
            getattr(row, "style_distance", None),
            spread.get(row.pk),
            row.source_correlation,
            row.sha256,
            "; ".join(combined.names),
            PERMITTED[combined.republish],
            files.get(row.pk),
        )

    return csvfile.write(stream, columns.STIMULI, numbered(map(row_of, rows)))


def write_questions(stream: IO[str], source: Source) -> int:
    def row_of(pk: int) -> Row:
        kind, picture, purpose = source.asked[pk]
        row = source.pictures[picture]
        names = (row.word.text, row.content.name, row.recipe.name, row.variant)
        return (pk, kind, purpose, picture, *names)

    return csvfile.write(stream, columns.QUESTIONS, numbered(map(row_of, source.asked)))


def write_design(stream: IO[str], source: Source) -> int:
    """Every setting that the analysis is told of, and the study's short name."""
    settings = {"study": source.study.slug, **tables.settings_of(source.study, source.times)}
    rows = ((name, compact(value)) for name, value in settings.items())
    return csvfile.write(stream, columns.DESIGN, numbered(rows))


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
