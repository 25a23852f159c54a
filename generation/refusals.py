"""Why a file or an address was not taken: the one list of codes."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Refusal(TextChoices):
    """Stored with what was refused, counted and filtered by; the label is for lists.

    The sentence that tells what came and what to do is made where it is refused.
    """

    # The address, before anything is asked.
    ADDRESS = "address", _("no web address")
    SCHEME = "scheme", _("neither http nor https")
    CREDENTIALS = "credentials", _("user name or password in the address")
    PORT = "port", _("unusual port")
    # The way there.
    UNKNOWN_HOST = "unknown-host", _("host not found")
    PRIVATE_ADDRESS = "private-address", _("not on the public internet")
    UNREACHABLE = "unreachable", _("connection failed")
    TLS = "tls", _("no safe connection")
    BROKE_OFF = "broke-off", _("connection broke off")
    TIMEOUT = "timeout", _("no answer in time")
    TOO_SLOW = "too-slow", _("too slow")
    REDIRECTS = "redirects", _("too many redirects")
    REDIRECT_BROKEN = "redirect-broken", _("redirect without an address")
    DOWNGRADE = "downgrade", _("redirect from https to http")
    # The answer, before it is looked into.
    NOT_FOUND = "not-found", _("no longer there")
    FORBIDDEN = "forbidden", _("access denied")
    BUSY = "busy", _("host wants fewer requests")
    SERVER_ERROR = "server-error", _("error of the host")
    STATUS = "status", _("unexpected answer")
    PROTOCOL = "protocol", _("answer against the rules of HTTP")
    CONTENT_TYPE = "content-type", _("declared as something else")
    ENCODING = "encoding", _("packed in an unknown way")
    TOO_MANY_BYTES = "too-many-bytes", _("file too large")
    # No fault of theirs.
    HERE = "here", _("this machine could not")
    SAME_PICTURE = "same-picture", _("the same picture as another hit")
    # A source that has the files itself.
    SOURCE = "source", _("the source has no file")
    # The file.
    EMPTY = "empty", _("empty file")
    HTML = "html", _("web page instead of an image")
    NOT_AN_IMAGE = "not-an-image", _("no image")
    UNSUPPORTED_FORMAT = "unsupported-format", _("format not supported")
    TRUNCATED = "truncated", _("damaged or cut off")
    BOMB = "bomb", _("made to exhaust the machine")
    ANIMATED = "animated", _("animated")
    TOO_LARGE = "too-large", _("too many pixels")
    TOO_SMALL = "too-small", _("too few pixels")


def label(code: str) -> str:
    """What a code means, for lists; a code that is none, as it is."""
    return str(Refusal(code).label) if code in Refusal.values else code
