"""Settings from the environment are typed and loud."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from stylestudy.env import Env

ROOT = Path(__file__).resolve().parents[2]


def test_values_are_read_by_type() -> None:
    env = Env({"A": "Yes", "B": "7", "C": " x , y ,", "D": "red"})
    assert env.flag("A", False) is True
    assert env.number("B", 1, low=0, high=10) == 7
    assert env.words("C") == ["x", "y"]
    assert env.choice("D", "blue", ["red", "blue"]) == "red"
    assert env.flag("MISSING", True) is True


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda env: env.flag("X", False), "one of 1, true"),
        (lambda env: env.number("X", 1, low=0, high=10), "whole number from 0 to 10"),
        (lambda env: env.choice("X", "a", ["a", "b"]), "one of a, b"),
    ],
)
def test_a_wrong_value_says_what_was_expected(read: object, expected: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=expected) as caught:
        read(Env({"X": "maybe"}))  # type: ignore[operator]
    assert "'maybe'" in str(caught.value)


def test_a_number_out_of_range_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="0 to 10"):
        Env({"X": "11"}).number("X", 1, low=0, high=10)


def test_an_unknown_name_stops_the_start() -> None:
    env = Env({"STYLESTUDY_DEBG": "1", "OTHER": "x"})
    env.flag("STYLESTUDY_DEBUG", False)
    with pytest.raises(ImproperlyConfigured, match=r"STYLESTUDY_DEBG.*STYLESTUDY_DEBUG"):
        env.refuse_unknown()


def _manage(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "STYLESTUDY_VAR_DIR": str(tmp_path), **variables}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STYLESTUDY_DEVICE", "gpu"),
        ("STYLESTUDY_PRECISION", "half"),
        ("DATABASE_URL", "nonsense"),
        ("STYLESTUDY_ENCODER", "vgg11"),
        ("STYLESTUDY_TIME_ZONE", "Nowhere"),
        ("CELERY_BROKER_URL", "nonsense"),
        ("STYLESTUDY_VAR_DIR", "/dev/null"),
    ],
)
def test_the_program_does_not_start_with_a_wrong_setting(
    tmp_path: Path, name: str, value: str
) -> None:
    result = _manage(tmp_path, "check", **{name: value})
    assert result.returncode != 0
    assert result.stderr.startswith(f"Wrong setting: {name} must ")
    # A database's URL may hold a password: it is not shown.
    assert (value in result.stderr) == (name != "DATABASE_URL")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["Asia", "../UTC", "Asia/Tokio", "asia tokyo"])
def test_a_time_zone_is_a_name_of_the_database(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="IANA time zone database") as caught:
        Env({"X": name}).time_zone("X", "UTC")
    assert repr(name) in str(caught.value)
    assert Env({"X": "Europe/Paris"}).time_zone("X", "UTC") == "Europe/Paris"


def test_a_url_has_a_known_scheme_and_its_password_is_not_shown() -> None:
    def read(value: str) -> str:
        return Env({"X": value}).url("X", "redis://", ["redis", "sqla"])

    assert read("") == "redis://"
    assert read("redis://u:p@host/0") == "redis://u:p@host/0"
    assert read("sqla+sqlite:///a") == "sqla+sqlite:///a"
    for wrong in ("http://me:secret@host", "me:secret@host", "redis", "red://x"):
        with pytest.raises(ImproperlyConfigured, match="begins with one of redis, sqla") as caught:
            read(wrong)
        assert "secret" not in str(caught.value)


def test_the_data_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a#b c%41?d"
    # A URL would make of this: "a", with the rest as its fragment.
    result = _manage(tmp_path, "migrate", "--verbosity", "0", STYLESTUDY_VAR_DIR=str(folder))
    assert result.returncode == 0, result.stderr
    assert (folder / "db.sqlite3").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_check_deploy_is_clean_with_production_settings(tmp_path: Path) -> None:
    result = _manage(
        tmp_path,
        *("check", "--deploy", "--fail-level", "WARNING"),
        STYLESTUDY_HTTPS="1",
        STYLESTUDY_ALLOWED_HOSTS="study.example.org",
    )
    assert result.returncode == 0, result.stderr
