"""Deployment mistakes of reports, said at the start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004

from survey.charts.fonts import font_folders, japanese_font


@register(Tags.files)
def fonts_are_there(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Charts of Japanese words need a font that has the letters."""
    if settings.FONTS_ROOT and not settings.FONTS_ROOT.is_dir():
        return [
            Error(
                f"STYLESTUDY_FONTS must be a folder; there is none at {settings.FONTS_ROOT}.",
                hint="Correct the path, or remove the setting to use the system's fonts.",
                id="survey.E001",
            )
        ]
    if japanese_font(font_folders()):
        return []
    return [
        Warning(
            "No Japanese font was found: charts saved as PNG or PDF would show empty boxes for words.",
            hint=(
                "Install one (Debian, Ubuntu: apt-get install fonts-ipaexfont), or put the file of one into a "
                "folder and name that in STYLESTUDY_FONTS."
            ),
            id="survey.W001",
        )
    ]
