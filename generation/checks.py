"""Deployment mistakes, said at the start."""

import importlib.util
import os
from typing import Any

from django.conf import settings
from django.core import checks
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


@register("devices")
def device_and_precision_are_there(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A wish that this machine cannot meet. A warning: the web process may run on another machine."""
    if settings.DEVICE in ("auto", "cpu") and settings.PRECISION in ("auto", "float32"):
        return []  # every machine can: torch, which takes seconds, need not be asked
    if importlib.util.find_spec("torch") is None:
        return []  # a machine of the web process only
    from generation.vision.devices import resolve_device, resolve_precision
    from generation.vision.errors import DeviceUnavailable, PrecisionUnavailable

    try:
        resolve_precision(settings.PRECISION, resolve_device(settings.DEVICE))
    except (DeviceUnavailable, PrecisionUnavailable) as error:
        return [
            checks.Warning(
                str(error),
                hint="Where pictures are made, change STYLESTUDY_DEVICE or STYLESTUDY_PRECISION.",
                id="generation.W001",
            )
        ]
    return []


@register(Tags.security)
def only_public_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return _allowed_hosts(checks.Warning, "generation.W002")


@register(Tags.security, deploy=True)
def only_public_hosts_in_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return _allowed_hosts(Error, "generation.E002")


def _allowed_hosts(kind: type[Error] | type[checks.Warning], check_id: str) -> list[CheckMessage]:
    if not settings.DOWNLOAD_ALLOW_HOSTS:
        return []
    return [
        kind(
            f"Pictures may be downloaded from {', '.join(settings.DOWNLOAD_ALLOW_HOSTS)}, even where "
            "that is this machine or another one that the public does not reach.",
            hint="Remove STYLESTUDY_DOWNLOAD_ALLOW_HOSTS: it is for tests with a server of their own.",
            id=check_id,
        )
    ]
