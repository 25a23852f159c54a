"""Choice of device, with injected availability: no GPU is needed."""

import pytest
import torch

from generation.vision.devices import resolve_device
from generation.vision.errors import DeviceUnavailable


def resolve(name: str, cuda: int = 0, mps: bool = False) -> torch.device:
    return resolve_device(name, cuda_count=lambda: cuda, mps_available=lambda: mps)


@pytest.mark.parametrize(
    ("name", "cuda", "mps", "expected"),
    [
        ("cpu", 2, True, "cpu"),
        ("auto", 0, False, "cpu"),
        ("auto", 0, True, "mps"),
        ("auto", 1, True, "cuda:0"),
        ("cuda", 1, False, "cuda:0"),
        ("cuda:1", 2, False, "cuda:1"),
        (" CUDA:0 ", 1, False, "cuda:0"),
        ("mps", 0, True, "mps"),
    ],
)
def test_resolves(name: str, cuda: int, mps: bool, expected: str) -> None:
    assert resolve(name, cuda, mps) == torch.device(expected)


@pytest.mark.parametrize(
    ("name", "cuda", "message"),
    [
        ("cuda", 0, "finds 0 CUDA"),
        ("cuda:2", 2, "'cuda:2'.*finds 2 CUDA"),
        ("mps", 4, "no Apple GPU"),
        ("gpu", 1, "auto, cpu, cuda, cuda:N or mps, got 'gpu'"),
        ("cuda:x", 1, "got 'cuda:x'"),
        ("", 1, "got ''"),
    ],
)
def test_refuses_and_says_what_there_is(name: str, cuda: int, message: str) -> None:
    with pytest.raises(DeviceUnavailable, match=message):
        resolve(name, cuda)


def test_the_real_machine_has_a_cpu() -> None:
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}
