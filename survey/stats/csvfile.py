"""CSV files that a spreadsheet opens without harm and that read back as they were written.

UTF-8 without a byte order mark, commas, CRLF, quoted as in RFC 4180. Whatever begins like a formula, or with an apostrophe,
gets an apostrophe in front (`escape`); `unescape` takes it away again, so a text comes back the same whatever it
is: ``NA``, ``1e5``, ``007``, an empty text, one with line breaks. Nothing else is made of a cell: no
numbers, no missing values. Numbers are written without the apostrophe, also negative ones.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a formula may begin, as OWASP has it ("CSV Injection"): also in full width, which spreadsheets set to
Japanese and Chinese may take for the same."""
MARK = "'"


class CSVError(ValueError):
    """A file that is not the table it should be."""


def escape(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet might take it for a formula.

    >>> escape("=1+1"), escape("ふさふさ"), escape("'tis")
    ("'=1+1", 'ふさふさ', "''tis")
    """
    return MARK + text if text.startswith((*FORMULA, MARK)) else text


def unescape(cell: str) -> str:
    """What `escape` was given.

    >>> unescape("'=1+1"), unescape("''tis"), unescape("-1")
    ('=1+1', "'tis", '-1')
    """
    return cell.removeprefix(MARK)


def cell(value: object) -> str:
    """A value as it stands in a file, not quoted yet: None is empty, truth is true or false."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(value) if isinstance(value, str) else repr(value)


def write(stream: IO[str], header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table; the number of its rows. ``stream`` must not translate line ends (``newline=""``)."""
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(header)
    count = 0
    for row in rows:
        writer.writerow([cell(value) for value in row])
        count += 1
    return count


def as_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A small table, as `write` writes it."""
    stream = io.StringIO(newline="")
    write(stream, header, rows)
    return stream.getvalue()


@dataclass(frozen=True)
class Table:
    """An open table: its columns by place, and its rows, which can be gone through once."""

    places: Mapping[str, int]
    rows: Iterator[list[str]]

    def dicts(self) -> Iterator[dict[str, str]]:
        """Rows as column → text, without the marks."""
        for row in self.rows:
            yield {name: unescape(row[place]) for name, place in self.places.items()}


def read(path: Path, columns: Iterable[str] = ()) -> Iterator[dict[str, str]]:
    """Rows as column → text, one after another.

    Args:
        columns: those that there must be.

    Raises:
        CSVError: a column is missing, or a row has another number of cells than the header.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        yield from table(stream, columns, path.name).dicts()


def table(stream: IO[str], columns: Iterable[str] = (), name: str = "the file") -> Table:
    """The table in an open file; for files with many rows, where a dict a row would be slow.

    Raises:
        CSVError: as `read`.
    """
    reader = csv.reader(stream, strict=True)
    header = next(reader, [])
    if missing := [column for column in columns if column not in header]:
        raise CSVError(
            f"Expected the columns {', '.join(missing)} in {name}; came {', '.join(header) or 'none'}."
        )
    return Table(
        {column: place for place, column in enumerate(header)}, _checked(reader, header, name)
    )


def _checked(reader: Iterator[list[str]], header: list[str], name: str) -> Iterator[list[str]]:
    width = len(header)
    for number, row in enumerate(reader, start=1):
        if len(row) != width:
            raise CSVError(
                f"Expected {width} cells in each row of {name}; row {number} has {len(row)}. Was "
                "the file changed by another program?"
            )
        yield row


def optional(kind: Callable[[str], Any], text: str) -> Any:
    """The value of that kind; None for an empty cell."""
    return kind(text) if text else None


def truth(text: str) -> bool:
    """Raises CSVError unless it is true or false."""
    if text not in ("true", "false"):
        raise CSVError(f"Expected true or false; came {text!r}.")
    return text == "true"
