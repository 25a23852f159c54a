"""Deployment mistakes, said at the start."""

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.files)
def var_is_writable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    if os.access(settings.VAR_DIR, os.W_OK):
        return []
    return [
        Error(
            f"The data folder {settings.VAR_DIR} cannot be written to.",
            hint="Change its owner, or name another folder in STYLESTUDY_VAR_DIR.",
            id="generation.E001",
        )
    ]
