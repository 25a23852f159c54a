"""Why the automatic selection left a photograph out, in words. Free of numerics, for pages and workers."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

#: Of what a photograph alone is judged by. The codes are those of `generation.selection`.
SENTENCES = {
    "unreadable": _("The stored file cannot be read."),
    "too-small": _("It is too small."),
    "too-elongated": _("It is too long and narrow."),
    "blank": _("Nearly all of it has one colour."),
    "low-variance": _("There is hardly any texture to be seen."),
    "text-heavy": _("Much of it is writing."),
}
DUPLICATE = "near-duplicate"


def sentence(measures: Mapping[str, Any] | None) -> str:
    """The reason that stored measures name, in the current language; empty: none."""
    found = measures or {}
    code = str(found.get("reason", ""))
    if code != DUPLICATE:
        return str(SENTENCES.get(code, code))
    of = {"pk": found.get("of"), "word": found.get("of_word", "")}
    if of["word"]:
        return gettext("It is nearly the same as #%(pk)s of %(word)s, and stays there only.") % of
    return gettext("It is nearly the same as #%(pk)s.") % of
