from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SurveyConfig(AppConfig):
    name = "survey"
    verbose_name = _("Studies and answers")

    def ready(self) -> None:
        from survey import checks  # noqa: F401  registers the system checks
