"""The benchmark of the report: that its study is one, and that every figure is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_figure_is_there_on_sqlite() -> None:
    clean = {name: value for name, value in os.environ.items() if "STYLESTUDY" not in name}
    clean.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        [sys.executable, "benchmarks/report.py", "--answers", "700", "--only", "sqlite", "--json"],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["sqlite"]
    # 69 answers each of ten people, and ten of the eleventh.
    assert (found["answers"], found["raters"]) == (700, 11)
    for name in ("page_ms", "analysis_s", "export_rows_per_s", "export_peak_mib"):
        assert found[name] > 0
    assert -0.9 < found["insert_slowdown"] < 9
