"""Folders and zip files as sources, friendly and hostile ones."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from generation.sources.base import SearchHit, SourceError
from generation.sources.files import FileSource
from tests.factories import png

CC = "https://creativecommons.org"
Put = Callable[[Mapping[str, bytes]], Path]


def folder_of(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def names(path: Path, limit: int = 100) -> list[str]:
    return [hit.origin for hit in FileSource(path).search("ふさふさ", limit)]


@pytest.fixture(params=["folder", "zip"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Put:
    """Makes a folder, or a zip file, of files."""
    if request.param == "folder":
        return lambda files: folder_of(tmp_path / "photographs", files)
    return lambda files: zip_of(tmp_path / "photographs.zip", files)


def test_photographs_come_in_the_order_of_their_names(put: Put) -> None:
    path = put(
        {
            "fur 10.jpg": b"ten",
            "fur 2.JPG": b"two",
            "more/wood/a.png": b"a",
            "b.webp": b"b",
            "c.jpeg": b"c",
        }
    )
    source = FileSource(path)
    hits = list(source.search("ふさふさ", 100))
    assert [hit.origin for hit in hits] == [
        "b.webp",
        "c.jpeg",
        "fur 2.JPG",
        "fur 10.jpg",
        "more/wood/a.png",
    ]
    assert [hit.rank for hit in hits] == [0, 1, 2, 3, 4]
    assert {(hit.source, hit.query, hit.license) for hit in hits} == {("files", "ふさふさ", "")}
    assert [source.read(hit) for hit in hits] == [b"b", b"c", b"two", b"ten", b"a"]
    assert len(list(source.search("x", 2))) == 2
    assert list(source.search("x", 0)) == []


def test_other_files_are_left_alone(put: Put) -> None:
    path = put(
        {
            "a.png": png(16, 1),
            "notes.txt": b"x",
            "a.svg": b"<svg/>",
            "a.gif": b"GIF8",
            "inner.zip": b"PK",
            "jpg": b"x",
            ".hidden.jpg": b"x",
            "__MACOSX/._a.png": b"x",
            ".cache/b.jpg": b"x",
        }
    )
    assert names(path) == ["a.png"]
    source = FileSource(path)
    for name in ("notes.txt", "inner.zip", ".hidden.jpg", "nowhere.jpg"):
        with pytest.raises(SourceError, match="has no photograph"):
            source.read(SearchHit(source="files", query="", rank=0, origin=name))


def test_nothing_in_it(put: Put) -> None:
    with pytest.raises(SourceError, match="has no photographs"):
        names(put({"readme.txt": b"x"}))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder and no zip file"):
        names(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="has no photographs"):
        names(tmp_path / "empty")


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"\x89PNG\r\n", b"PK\5\6" + b"\0" * 18, b"x" * 100_000],
    ids=["empty", "two bytes", "image", "empty zip", "noise"],
)
def test_what_is_no_zip_file_with_photographs(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"is no zip file, or damaged|has no photographs"):
        names(path)


def test_a_zip_file_cut_in_two(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": png(64, 1)})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match="is no zip file, or damaged"):
        names(path)


def test_nothing_is_written(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"x/a.png": png(16, 1), "credits.csv": b"file\n"})
    before = sorted(tmp_path.rglob("*"))
    source = FileSource(path)
    for hit in source.search("fur", 9):
        source.read(hit)
    assert sorted(tmp_path.rglob("*")) == before


# --- hostile ----------------------------------------------------------------------------------


def test_names_that_climb_are_only_names(tmp_path: Path) -> None:
    hostile = ["../../outside.jpg", "/etc/passwd.jpg", "a/../../b.jpg", "C:\\windows\\c.jpg"]
    path = zip_of(tmp_path / "a.zip", {name: name.encode() for name in hostile})
    (tmp_path / "outside.jpg").write_bytes(b"of another")
    source = FileSource(path)
    hits = list(source.search("fur", 9))
    assert sorted(hit.origin for hit in hits) == sorted(hostile)
    assert all(source.read(hit) == hit.origin.encode() for hit in hits)


def test_a_folder_is_not_left(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "others").mkdir()
    (tmp_path / "others/o.jpg").write_bytes(b"secret")
    path = folder_of(tmp_path / "photographs", {"a.jpg": b"a"})
    (path / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (path / "within.jpg").symlink_to(path / "a.jpg")
    (path / "away").symlink_to(tmp_path / "others")
    (path / "broken.jpg").symlink_to(tmp_path / "nowhere")
    assert names(path) == ["a.jpg", "within.jpg"]
    source = FileSource(path)
    for name in ("../secret.jpg", "link.jpg", str(tmp_path / "secret.jpg"), "away/o.jpg"):
        with pytest.raises(SourceError, match="has no photograph"):
            source.read(SearchHit(source="files", query="", rank=0, origin=name))


def test_a_large_file_is_refused_by_what_it_says(put: Put) -> None:
    path = put({"bomb.png": b"\0" * 2_000_000, "good.png": png(16, 1)})
    source = FileSource(path, max_bytes=1_000_000)
    bomb, good = source.search("fur", 9)
    with pytest.raises(SourceError, match=r"'bomb.png'.*more than 1000000 bytes when unpacked"):
        source.read(bomb)
    assert source.read(good) == png(16, 1)


def test_all_files_together_are_refused_by_what_they_say(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {f"{n}.png": b"\0" * 100_000 for n in range(12)})
    with pytest.raises(SourceError, match="have 1200000 bytes when unpacked; at most 1000000"):
        list(FileSource(path, max_total=1_000_000).search("fur", 9))


def test_a_file_that_says_to_be_small_is_not_read_further(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"bomb.png": b"\0" * 50_000_000})
    data = bytearray(path.read_bytes())
    true = struct.pack("<L", 50_000_000)
    assert data.count(true) == 2
    path.write_bytes(bytes(data).replace(true, struct.pack("<L", 1000)))
    source = FileSource(path)
    (hit,) = source.search("fur", 9)
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"'bomb.png'.*is damaged"):
            source.read(hit)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compressions_are_not_read(tmp_path: Path, compression: int) -> None:
    source = FileSource(zip_of(tmp_path / "a.zip", {"a.png": png(16, 1)}, compression))
    (hit,) = source.search("fur", 9)
    with pytest.raises(SourceError, match="compressed in an unusual way"):
        source.read(hit)


def test_encrypted_files_are_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": png(16, 1)})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flags of the file itself …
    data[data.index(b"PK\1\2") + 8] |= 1  # … and of the directory
    path.write_bytes(data)
    source = FileSource(path)
    (hit,) = source.search("fur", 9)
    with pytest.raises(SourceError, match="is encrypted"):
        source.read(hit)


def test_a_damaged_file_costs_only_itself(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": b"A" * 50, "b.png": b"B" * 50}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"A" * 50, b"A" * 49 + b"x"))
    source = FileSource(path)
    damaged, good = source.search("fur", 9)
    with pytest.raises(SourceError, match=r"'a.png'.*damaged"):
        source.read(damaged)
    assert source.read(good) == b"B" * 50


def test_a_huge_directory_is_not_read(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": b"A"})
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    data[end + 12 : end + 16] = struct.pack("<L", 500_000_000)
    path.write_bytes(data)
    with pytest.raises(SourceError, match="too many files"):
        names(path)


def test_too_many_files(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.sources.files.MAX_FILES", 3)
    path = put({f"{n}.jpg": b"x" for n in range(4)})
    with pytest.raises(SourceError, match="more than 3 files"):
        names(path)


def test_one_name_twice_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", b"second")
    assert names(path) == ["a.png"]


def test_names_that_no_database_keeps_are_left_out(tmp_path: Path) -> None:
    path = zip_of(
        tmp_path / "a.zip", {"bad\nname.png": b"x", "x" * 2001 + ".png": b"x", "ok.png": b"x"}
    )
    assert names(path) == ["ok.png"]


def test_names_in_shift_jis_are_read(tmp_path: Path) -> None:
    """As older programs on Japanese Windows write them: bytes without saying in which encoding."""
    path = zip_of(tmp_path / "a.zip", {"########.jpg": b"x"})
    path.write_bytes(path.read_bytes().replace(b"########", "ふさふさ".encode("cp932")))
    assert names(path) == ["ふさふさ.jpg"]


# --- credits.csv ------------------------------------------------------------------------------

TABLE = f"""\
file,credit,license,license_url,page_url,attribution
a.jpg,"Sato, Anna",CC BY-SA 4.0,{CC}/licenses/by-sa/4.0/,https://photos.example/a,"Fur, by Anna Sato"
b.jpg,Ben,,,,
c.jpg,Cleo,our own terms,,javascript:alert(1),
nowhere.jpg,Nobody,CC0,,,
"""


def by_name(path: Path) -> dict[str, SearchHit]:
    return {hit.origin: hit for hit in FileSource(path).search("fur", 99)}


def test_a_table_says_whose_they_are(put: Put) -> None:
    files = {f"{name}.jpg": b"x" for name in "abcd"}
    hits = by_name(put({**files, "credits.csv": TABLE.encode()}))
    assert hits["a.jpg"].credit == "Sato, Anna"
    assert hits["a.jpg"].license == "by-sa 4.0"
    assert hits["a.jpg"].license_url == f"{CC}/licenses/by-sa/4.0/"
    assert hits["a.jpg"].page_url == "https://photos.example/a"
    assert hits["a.jpg"].attribution == "Fur, by Anna Sato"
    assert (hits["b.jpg"].credit, hits["b.jpg"].license) == ("Ben", "")
    assert (hits["c.jpg"].license, hits["c.jpg"].attribution) == ("our own terms", "")
    assert hits["c.jpg"].page_url == ""
    assert (hits["d.jpg"].credit, hits["d.jpg"].license) == ("", "")
    assert "nowhere.jpg" not in hits


def test_a_table_speaks_of_its_own_folder(put: Put) -> None:
    hits = by_name(
        put(
            {
                "a.jpg": b"x",
                "set/a.jpg": b"x",
                "set/deep/a.jpg": b"x",
                "set/Credits.CSV": b"File , Credit\r\n a.jpg , Set\r\n.\\deep\\a.jpg,Deep\r\n",
            }
        )
    )
    assert {name: hit.credit for name, hit in hits.items()} == {
        "a.jpg": "",
        "set/a.jpg": "Set",
        "set/deep/a.jpg": "Deep",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_tables_of_japanese_excel_are_read(put: Put, encoding: str) -> None:
    table = "file,credit\nふさふさ.jpg,佐藤\n".encode(encoding)
    hits = by_name(put({"ふさふさ.jpg": b"x", "credits.csv": table}))
    assert hits["ふさふさ.jpg"].credit == "佐藤"


@pytest.mark.parametrize(
    "table",
    [b"", b"name,credit\na.jpg,Anna\n", b"a.jpg,Anna\n", b"file\n" + b'"' + b"x" * 200_000],
    ids=["empty", "no file", "no header", "endless field"],
)
def test_a_table_that_is_none(put: Put, table: bytes) -> None:
    with pytest.raises(SourceError, match="must be a table separated by commas"):
        by_name(put({"a.jpg": b"x", "credits.csv": table}))


def test_a_table_that_is_a_bomb(put: Put) -> None:
    with pytest.raises(SourceError, match=r"'credits.csv'.*more than 5242880 bytes"):
        by_name(put({"a.jpg": b"x", "credits.csv": b"\n" * 6_000_000}))


def test_long_fields_are_cut(put: Put) -> None:
    table = io.StringIO()
    table.write("file,credit,license_url,page_url,attribution\n")
    table.write(
        f"a.jpg,{'c' * 999},https://a.example/{'l' * 999},https://a.example/{'p' * 999},{'t' * 9999}"
    )
    hit = by_name(put({"a.jpg": b"x", "credits.csv": table.getvalue().encode()}))["a.jpg"]
    assert len(hit.credit) == 300
    assert len(hit.license_url) <= 300
    assert hit.page_url == ""
    assert len(hit.attribution) == 2000
