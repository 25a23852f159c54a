"""CSV that spreadsheets open without harm and that reads back equal."""

import csv
import io
import random
from pathlib import Path

import pytest

from survey.stats import csvfile

# What other programs make something else of: missing values, numbers, dates, formulas, marks.
AWKWARD = (
    *("", "NA", "NaN", "null", "None", "1e5", "007", "1-2", "TRUE", "#N/A", "-", "'", "''", "'=1"),
    *(
        "=1+1",
        "+a",
        "-a",
        "@a",
        "\ta",
        "\ra",
        "\na",
        "＝１",
        "＋",
        "－",
        "＠SUM",
        " =1",
        " ",
        "a\r\nb",
    ),
    *(
        "a\rb",
        "a\nb",
        '"',
        '""',
        ',"',
        "a,b",
        "ふさふさ",
        "🧶",
        "\ufeffa",
        "e\u0301",
        "\u2028",
        "\x00",
    ),
)


def written(rows: list[list[object]], header: list[str]) -> str:
    stream = io.StringIO(newline="")
    csvfile.write(stream, header, rows)
    return stream.getvalue()


def test_awkward_texts_read_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(written([[text, "x"] for text in AWKWARD], ["a", "b"]).encode())
    assert [row["a"] for row in csvfile.read(path, ["a", "b"])] == list(AWKWARD)


def test_any_text_reads_back_equal(tmp_path: Path) -> None:
    rng = random.Random(0)
    alphabet = [*"=+-@'\"\t\r\n, 1ae;|", "ふ", "＝", "\u00a0", "🧶"]
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(8))) for _ in range(3000)]
    path = tmp_path / "table.csv"
    path.write_bytes(written([[n, text] for n, text in enumerate(texts)], ["n", "t"]).encode())
    rows = list(csvfile.read(path))
    assert [row["t"] for row in rows] == texts
    assert [row["n"] for row in rows] == [str(n) for n in range(3000)]


@pytest.mark.parametrize("text", AWKWARD)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    cell = csvfile.escape(text)
    assert not cell.startswith(csvfile.FORMULA)
    assert csvfile.unescape(cell) == text
    # Only what needs it is touched.
    assert (cell == text) == (not text.startswith((*csvfile.FORMULA, "'")))


def test_numbers_truth_and_nothing() -> None:
    text = written([[-1.5, None, True, False, 3, 0.1 + 0.2]], list("abcdef"))
    assert text == "a,b,c,d,e,f\r\n-1.5,,true,false,3,0.30000000000000004\r\n"


def test_it_is_what_other_readers_of_rfc_4180_understand() -> None:
    # RFC 4180, section 2: CRLF; quotes doubled within quotes; line breaks within quotes kept.
    assert written([['a"b', "c,d"], ["e\nf", ""]], ["x", "y"]) == (
        'x,y\r\n"a""b","c,d"\r\n"e\nf",\r\n'
    )
    rows = list(csv.reader(io.StringIO('x,y\r\n"a""b","c,d"\r\n"e\nf",\r\n', newline="")))
    assert rows[1:] == [['a"b', "c,d"], ["e\nf", ""]]


def test_a_missing_column_and_a_short_row_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\r\n1,2\r\n3\r\n", encoding="utf-8", newline="")
    with pytest.raises(csvfile.CSVError, match=r"columns c in table\.csv; came a, b"):
        list(csvfile.read(path, ["a", "c"]))
    with pytest.raises(
        csvfile.CSVError, match=r"Expected 2 cells in each row of table\.csv; row 2 has 1"
    ):
        list(csvfile.read(path))


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.touch()
    with pytest.raises(csvfile.CSVError, match="came none"):
        list(csvfile.read(path, ["a"]))


def test_only_true_and_false_are_truth() -> None:
    assert (csvfile.truth("true"), csvfile.truth("false")) == (True, False)
    with pytest.raises(csvfile.CSVError, match="came '1'"):
        csvfile.truth("1")
