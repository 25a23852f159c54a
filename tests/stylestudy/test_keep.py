"""Secrets that are made once and kept."""

import multiprocessing
import os
from pathlib import Path

import pytest

from stylestudy.keep import kept_secret, private_folder


def test_a_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert kept_secret(file, lambda: "first") == "first"
    assert kept_secret(file, lambda: "second") == "first"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_an_empty_file_left_by_a_kill_counts_as_absent(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    assert kept_secret(file, lambda: "made") == "made"
    assert file.read_text() == "made"
    assert file.stat().st_mode & 0o777 == 0o600


def test_ended_while_making_nothing_is_kept(tmp_path: Path) -> None:
    def ended() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_secret(tmp_path / "key", ended)
    assert kept_secret(tmp_path / "key", lambda: "next") == "next"


def _racer(file: Path, barrier: object, results: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    results.put(kept_secret(file, lambda: str(os.getpid())))  # type: ignore[attr-defined]


@pytest.mark.parametrize("empty", [False, True])
def test_of_processes_that_start_together_all_have_the_same(tmp_path: Path, empty: bool) -> None:
    context = multiprocessing.get_context("fork")
    for n in range(8):
        file = tmp_path / f"key{n}"
        if empty:
            file.touch()
        barrier, results = context.Barrier(4), context.Queue()
        racers = [context.Process(target=_racer, args=(file, barrier, results)) for _ in range(4)]
        for racer in racers:
            racer.start()
        got = {results.get(timeout=20) for _ in racers}
        for racer in racers:
            racer.join()
        assert got == {file.read_text()}


def test_a_folder_that_is_made_is_private_and_one_that_is_there_stays(tmp_path: Path) -> None:
    assert private_folder(tmp_path / "new").stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    assert private_folder(shared).stat().st_mode & 0o777 == 0o750
