"""Which device to compute on. All device choices are made here, and nowhere else."""

import re
from collections.abc import Callable

import torch

from generation.vision.errors import DeviceUnavailable

CHOICES = "auto, cpu, cuda, cuda:N or mps"


def _mps_available() -> bool:
    return bool(torch.backends.mps.is_available())


def resolve_device(
    name: str,
    *,
    cuda_count: Callable[[], int] = torch.cuda.device_count,
    mps_available: Callable[[], bool] = _mps_available,
) -> torch.device:
    """The torch device that a setting names.

    Args:
        name: ``auto`` (CUDA if there is any, else MPS, else the CPU), ``cpu``, ``cuda`` (the first
            one), ``cuda:N`` or ``mps``. Case and surrounding blanks do not matter.
        cuda_count: how many CUDA devices there are (injected by tests).
        mps_available: whether Apple's MPS can be used (injected by tests).

    Raises:
        DeviceUnavailable: the name is unknown or this machine has no such device. Never another
            device silently instead: a picture's bytes depend on where it was made.
    """
    wanted = name.strip().lower()
    if wanted == "cpu":
        return torch.device("cpu")
    if wanted == "auto":
        if cuda_count() > 0:
            return torch.device("cuda", 0)
        return torch.device("mps" if mps_available() else "cpu")
    if wanted == "mps":
        if mps_available():
            return torch.device("mps")
        raise DeviceUnavailable(
            "The device 'mps' was asked for, but torch finds no Apple GPU here. "
            "Set the device to 'auto' or 'cpu'."
        )
    match = re.fullmatch(r"cuda(?::(\d+))?", wanted)
    if match is None:
        raise DeviceUnavailable(f"Expected a device among {CHOICES}, got {name!r}.")
    index, count = int(match.group(1) or 0), cuda_count()
    if index >= count:
        raise DeviceUnavailable(
            f"The device {wanted!r} was asked for, but torch finds {count} CUDA device(s) here "
            f"(numbered from 0). Set the device to 'auto', 'cpu' or an existing number."
        )
    return torch.device("cuda", index)
