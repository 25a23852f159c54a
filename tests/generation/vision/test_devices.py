"""Choice of device and precision, with injected availability: no GPU is needed."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils._pytree import tree_leaves

from generation.vision.devices import computing, resolve_device, resolve_precision
from generation.vision.encoder import Encoder, untrained_encoder
from generation.vision.errors import DeviceUnavailable, OutOfMemory, PrecisionUnavailable
from generation.vision.recipe import TransferParams
from generation.vision.reconstruct import reconstruct
from generation.vision.statistics import STATISTICS
from generation.vision.style import embed, represent
from generation.vision.texture import synthesize
from generation.vision.transfer import Styling, stylize

CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)


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


# --- precision ----------------------------------------------------------------------------------


def precision(name: str, device: str, capability: tuple[int, int] = (0, 0)) -> str:
    return resolve_precision(name, torch.device(device), capability=lambda _device: capability)


@pytest.mark.parametrize(
    ("name", "device", "capability", "expected"),
    [
        ("auto", "cpu", (0, 0), "float32"),
        ("auto", "mps", (0, 0), "float32"),
        ("auto", "cuda:0", (7, 5), "float32"),  # Turing
        ("auto", "cuda:0", (8, 0), "tf32"),  # Ampere
        ("auto", "cuda:1", (12, 0), "tf32"),
        ("float32", "cuda:0", (9, 0), "float32"),
        ("tf32", "cuda:0", (8, 6), "tf32"),
        ("bf16", "cuda:0", (8, 0), "bf16"),
        (" BF16 ", "cpu", (0, 0), "bf16"),
    ],
)
def test_precision(name: str, device: str, capability: tuple[int, int], expected: str) -> None:
    assert precision(name, device, capability) == expected


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [
        ("tf32", "cpu", r"'tf32'.*'cpu' cannot.*capability 8\.0 or higher\. Set"),
        ("tf32", "cuda:1", r"'cuda:1' cannot"),
        ("bf16", "cuda:0", r"8\.0 or higher or a CPU\. Set the precision to 'auto' or 'float32'"),
        ("bf16", "mps", "'mps' cannot"),
        ("half", "cpu", "auto, float32, tf32, bf16, got 'half'"),
    ],
)
def test_a_precision_that_cannot_be_had_is_refused(name: str, device: str, message: str) -> None:
    with pytest.raises(PrecisionUnavailable, match=message):
        precision(name, device, (7, 5))


def switches() -> tuple[str, str]:
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision


def test_torch_is_told_and_what_was_set_before_comes_back() -> None:
    before = switches()
    with computing(GPU, "tf32"):
        # Gram matrices and fc6 are matrix products: they stay IEEE.
        assert switches() == ("ieee", "tf32")
        with computing(GPU):
            assert switches() == ("ieee", "ieee"), "torch's own default is TF32 in convolutions"
        assert switches() == ("ieee", "tf32")
    assert switches() == before
    with pytest.raises(KeyError), computing(GPU):
        raise KeyError
    assert switches() == before


def test_only_a_resolved_precision_is_computed_in() -> None:
    with (
        pytest.raises(PrecisionUnavailable, match="float32, tf32, bf16, got 'auto'"),
        computing(CPU, "auto"),
    ):
        pass


def test_in_bf16_the_encoder_rounds_and_sums_outside_do_not() -> None:
    encoder = untrained_encoder()
    x = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    with computing(CPU):
        (plain,) = encoder(x, ["conv3_1"]).values()
    with computing(CPU, "bf16"):
        (rounded,) = encoder(x, ["conv3_1"]).values()
        rows = rounded.flatten(2)[0]
        gram = rows @ rows.T
        with computing(CPU):
            assert torch.equal(encoder(x, ["conv3_1"])["conv3_1"], plain)
    assert rounded.dtype == gram.dtype == torch.float32
    # What comes out was rounded to 8 significant bits …
    assert torch.equal(rounded, rounded.to(torch.bfloat16).float())
    assert not torch.equal(plain, plain.to(torch.bfloat16).float())
    # … five roundings deep: well within 2⁻⁸ each, of the largest value.
    torch.testing.assert_close(rounded, plain, rtol=0, atol=5 * 2**-8 * float(plain.detach().max()))
    # The sum over positions is exact to float32's own rounding.
    exact = rows.double() @ rows.double().T
    torch.testing.assert_close(gram.double(), exact, rtol=1e-5, atol=0)
    gradient = torch.autograd.grad(gram.sum(), x)[0]
    assert gradient.dtype == torch.float32
    assert gradient.isfinite().all()


# --- a device without float64 -------------------------------------------------------------------


class OnDevice(Tensor):
    """A tensor on a device without float64 (Apple's MPS), played on the CPU.

    What is made of it is there too, until ``cpu()``; only then numpy may see it.
    """

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.numpy:
            raise TypeError("can't convert mps:0 device type tensor to numpy.")
        result = super().__torch_function__(func, types, args, kwargs)
        if func is Tensor.cpu:
            return result.as_subclass(Tensor)
        if any(isinstance(t, cls) and t.dtype == torch.float64 for t in tree_leaves(result)):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return result


@pytest.fixture
def there() -> Encoder:
    """An encoder whose activations are `OnDevice`."""
    encoder = untrained_encoder()
    encoder.mean = encoder.mean.as_subclass(OnDevice)
    (found,) = encoder(torch.rand(1, 3, 32, 32), ["conv2_1"]).values()
    assert isinstance(found, OnDevice)
    return encoder


def grain(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))


def test_what_plays_a_device_without_float64_refuses_it() -> None:
    tensor = torch.rand(2, 2).as_subclass(OnDevice)
    for make in (Tensor.double, lambda t: t.to(torch.float64), lambda t: (t + 1).sum().double()):
        with pytest.raises(TypeError, match="float64"):
            make(tensor)
    with pytest.raises(TypeError, match="numpy"):
        tensor.numpy()
    assert tensor.cpu().double().numpy().dtype == np.float64


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_picture_asks_the_device_for_no_float64(there: Encoder, statistic: str) -> None:
    members = [grain(1), grain(2)]
    recipe = TransferParams(
        encoder=there.spec.name,
        initial="texture",
        size=64,
        evaluations=2,
        coarse=((32, 2),),
        statistic=statistic,
        color="match",
    )
    represented = represent(there, members, size=64, statistic=statistic)
    texture = synthesize(there, represented, members, recipe, seed=1)
    mask = Image.new("L", (40, 40), 0)
    mask.paste(255, (0, 0, 20, 40))
    style = Styling(members, representation=represented, texture=texture)
    for optimizer in ("lbfgs", "adam"):
        for background in (None, Styling([grain(3)], texture=texture)):
            changed = replace(recipe, optimizer=optimizer)
            stylize(there, grain(4), style, changed, seed=1, mask=mask, background=background)


@pytest.mark.parametrize(
    "work",
    [
        lambda there: embed(there, grain(1)),
        lambda there: reconstruct(
            there, grain(1), of="content", layer="conv2_1", size=32, evaluations=2
        ),
        lambda there: reconstruct(
            there, grain(1), of="style", layer="conv2_1", size=32, evaluations=2
        ),
    ],
    ids=["embed", "content", "style"],
)
def test_nothing_else_asks_for_it(there: Encoder, work: Callable[[Encoder], object]) -> None:
    work(there)


# --- memory -------------------------------------------------------------------------------------


def test_what_does_not_fit_is_said_in_plain_words() -> None:
    message = r"'cpu' does not suffice.*smaller.*STYLESTUDY_DEVICE"
    with pytest.raises(OutOfMemory, match=message), computing(CPU):
        torch.empty(2**55)  # a real refusal of torch's CPU allocator


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.9 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        MemoryError("Unable to allocate 3 GiB"),
    ],
)
def test_the_words_of_other_devices(error: Exception) -> None:
    with pytest.raises(OutOfMemory), computing(CPU):
        raise error


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shape"), computing(CPU):
        raise RuntimeError("shape mismatch")


def test_the_cache_is_emptied_when_nothing_holds_its_tensors_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[weakref.ref[Tensor]] = []
    free: list[bool] = []
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: free.append(held[0]() is None))

    def fails() -> None:
        large = torch.zeros(1000)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(OutOfMemory, match="'cuda:0'"), computing(GPU):
        fails()
    # The error's traceback would hold the frame, and the frame the tensor.
    assert free == [True]
