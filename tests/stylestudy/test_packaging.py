"""What an install would take along."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_every_folder_of_modules_is_a_package_that_is_found() -> None:
    folders = {
        path.parent.relative_to(ROOT)
        for app in ("stylestudy", "generation", "survey")
        for path in (ROOT / app).rglob("*.py")
    }
    assert Path("generation/vision") in folders
    assert [f for f in sorted(folders) if not (ROOT / f / "__init__.py").exists()] == []
    names = [".".join(folder.parts) for folder in folders]
    patterns = TABLE["packages"]["find"]["include"]
    assert [n for n in names if not any(fnmatchcase(n, p) for p in patterns)] == []
    assert not any(fnmatchcase("tests", pattern) for pattern in patterns)


def test_files_inside_packages_that_are_no_modules_are_taken_along() -> None:
    for app in ("stylestudy", "generation", "survey"):
        data = {
            path.relative_to(ROOT / app).parts[0]
            for path in (ROOT / app).rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc"}
        }
        assert {f"{folder}/**" for folder in data} == set(TABLE["package-data"].get(app, []))
