"""Names of quality signals for narrow columns; `survey.stats.quality.FLAGS` says each in a sentence."""

from django.utils.translation import gettext_lazy as _

SHORT_FLAGS = {
    "fast": _("fast answers"),
    "hasty": _("hasty"),
    "run": _("run of one place"),
    "one_slot": _("one place too often"),
    "gold": _("obvious questions failed"),
    "attention": _("attention checks failed"),
    "repeats": _("repeats answered otherwise"),
    "focus": _("left the page"),
    "not_sure": _("often not sure"),
    "webdriver": _("driven by a program"),
}
