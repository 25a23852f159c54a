"""Where to compute, how exactly, and what if it does not fit. All such choices are made here."""

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

from generation.vision.errors import DeviceUnavailable, OutOfMemory, PrecisionUnavailable

CHOICES = "auto, cpu, cuda, cuda:N or mps"

#: What can be asked for; `resolve_precision` makes one of the last three of it.
PRECISIONS = ("auto", "float32", "tf32", "bf16")

#: The first GPUs that multiply in TF32 and bfloat16 (NVIDIA Ampere), by CUDA's compute capability.
AMPERE = (8, 0)

_bf16: ContextVar[bool] = ContextVar("bf16", default=False)

Self_ = TypeVar("Self_")
P = ParamSpec("P")


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


def resolve_precision(
    name: str,
    device: torch.device,
    *,
    capability: Callable[[torch.device], tuple[int, int]] = torch.cuda.get_device_capability,
) -> str:
    """The precision in which a picture is optimized on a device.

    ``float32``
        IEEE single precision everywhere.
    ``tf32``
        Convolutions see their inputs rounded to 10 bits of mantissa (relative error at most 2⁻¹¹)
        and sum in float32; all else, the Gram matrices too, is IEEE float32.
    ``bf16``
        Passes of the encoder run under torch's autocast in bfloat16 (7 bits, relative error at most
        2⁻⁸); their activations are brought back to float32 before anything is summed over positions.
    ``auto``
        ``tf32`` on CUDA GPUs that have it, ``float32`` elsewhere. Faithfulness first: bfloat16
        rounds activations as coarsely as the 8 bits of a picture, so it must be asked for. TF32
        rounds eight times finer, and is what torch does in convolutions unless it is told not to, so
        what others publish was mostly computed so. On a CPU bfloat16 is possible, but was slower.

    Features, representations and textures are in float32 whatever is set: they are stored, and
    compared with those of other machines.

    Args:
        name: one of `PRECISIONS`. Case and surrounding blanks do not matter.
        device: from `resolve_device`.
        capability: CUDA device → compute capability (injected by tests).

    Returns:
        ``float32``, ``tf32`` or ``bf16``.

    Raises:
        PrecisionUnavailable: the name is unknown, or the device cannot do it. Never another
            precision silently instead.
    """
    wanted = name.strip().lower()
    if wanted not in PRECISIONS:
        raise PrecisionUnavailable(
            f"Expected a precision among {', '.join(PRECISIONS)}, got {name!r}."
        )
    ampere = device.type == "cuda" and capability(device) >= AMPERE
    if wanted == "auto":
        return "tf32" if ampere else "float32"
    if wanted == "float32" or ampere or (wanted, device.type) == ("bf16", "cpu"):
        return wanted
    raise PrecisionUnavailable(
        f"The precision {wanted!r} was asked for, but the device '{device}' cannot do it: that needs "
        f"a CUDA GPU of compute capability {AMPERE[0]}.{AMPERE[1]} or higher"
        f"{' or a CPU' if wanted == 'bf16' else ''}. Set the precision to 'auto' or 'float32'."
    )


@contextmanager
def computing(device: torch.device, precision: str = "float32") -> Iterator[None]:
    """What is computed inside, backward passes too, has this precision, or says it does not fit.

    Without it torch rounds convolutions on newer GPUs to TF32. Its switches are the process's, so
    one thread at a time. May be nested; what was set before comes back.

    Args:
        device: where it is computed.
        precision: from `resolve_precision`.

    Raises:
        OutOfMemory: the device's memory does not suffice; what was held for it is given back.
        PrecisionUnavailable: not one that `resolve_precision` gives.
    """
    if precision not in PRECISIONS[1:]:
        raise PrecisionUnavailable(
            f"Expected a precision among {', '.join(PRECISIONS[1:])}, got {precision!r}."
        )
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = matmul.fp32_precision, conv.fp32_precision
    token = _bf16.set(precision == "bf16")
    matmul.fp32_precision = "ieee"
    conv.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        # The frames that failed still hold their tensors.
        traceback.clear_frames(error.__traceback__)
        if device.type != "cpu":
            torch.accelerator.empty_cache()
        raise OutOfMemory(
            f"The memory of the device '{device}' does not suffice for this. Make smaller pictures "
            f"(the size of the recipe), end other programs that use the device, or set "
            f"STYLESTUDY_DEVICE to another one."
        ) from None
    finally:
        matmul.fp32_precision, conv.fp32_precision = before
        _bf16.reset(token)


def _is_out_of_memory(error: Exception) -> bool:
    """CUDA has a type for it; the CPU, MPS and the libraries beneath only have words."""
    words = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        word in str(error) for word in words
    )


def encoder_pass(
    forward: Callable[Concatenate[Self_, Tensor, P], dict[str, Tensor]],
) -> Callable[Concatenate[Self_, Tensor, P], dict[str, Tensor]]:
    """A pass of an encoder that heeds the precision of `computing`.

    In bfloat16 only the pass itself is; its activations come back in the type of the picture, so
    that Gram matrices, losses and the optimizer's sums stay in float32.
    """

    @wraps(forward)
    def within(self: Self_, x: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> dict[str, Tensor]:
        if not _bf16.get():
            return forward(self, x, *args, **kwargs)
        with torch.autocast(x.device.type, torch.bfloat16):
            found = forward(self, x, *args, **kwargs)
        return {layer: values.to(x.dtype) for layer, values in found.items()}

    return within
