"""Compute every number of the report again, from the tables of this dataset.

    pip install -r analysis/requirements.txt
    python analysis/analyze.py                 # prints the numbers as JSON
    python analysis/analyze.py --check         # compares them with analysis/report.json

Numbers are equal to the last digit with the versions of requirements.txt; others may differ in the last
digits. Nothing is read but the folder that this file is in, and nothing is sent anywhere.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from survey.stats.analysis import analyze
from survey.stats.bundle import read_bundle

HERE = Path(__file__).resolve().parent


def differences(expected: Any, came: Any, place: str = "") -> list[str]:
    """Where two JSON values differ, as ``words[3].accuracy: 0.5 became 0.6``."""
    if isinstance(expected, dict) and isinstance(came, dict):
        names = dict.fromkeys([*expected, *came])
        pairs = [(f"{place}.{name}", expected.get(name), came.get(name)) for name in names]
    elif isinstance(expected, list) and isinstance(came, list) and len(expected) == len(came):
        pairs = [
            (f"{place}[{i}]", *pair) for i, pair in enumerate(zip(expected, came, strict=True))
        ]
    else:
        return [] if expected == came else [f"{place.lstrip('.')}: {expected!r} became {came!r}"]
    return [line for where, one, other in pairs for line in differences(one, other, where)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with analysis/report.json")
    given = parser.parse_args()
    parameters = json.loads((HERE / "parameters.json").read_text(encoding="utf-8"))
    report = analyze(read_bundle(HERE.parent), **parameters)
    text = json.dumps(report, ensure_ascii=False, indent=2)
    if not given.check:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        sys.stdout.write(text + "\n")
        return 0
    expected = json.loads((HERE / "report.json").read_text(encoding="utf-8"))
    found = differences(expected, json.loads(text))
    sys.stdout.write("\n".join(found[:50] or ["All numbers are equal."]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
