"""The web process stays light: its URLconf in a fresh interpreter."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = [
    *("torch", "torchvision", "sklearn", "scipy", "cv2", "imagehash", "pywt"),
    *("pandas", "altair", "vl_convert"),
]


def test_the_urlconf_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import django, sys; django.setup(); import stylestudy.urls, stylestudy.wsgi; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "stylestudy.settings"}
    environ = {k: v for k, v in environ.items() if not k.startswith("STYLESTUDY_")}
    environ["STYLESTUDY_VAR_DIR"] = str(tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "[]", result.stderr
