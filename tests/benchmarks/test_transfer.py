"""The benchmark of transfers: both sides are timed at one point, and what the table says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks import transfer as benchmark
from benchmarks.transfer import Snapshots
from generation.vision.encoder import Encoder, untrained_encoder
from generation.vision.objective import Objective
from generation.vision.recipe import TransferParams
from generation.vision.style import represent
from generation.vision.tensors import to_image, to_tensor
from generation.vision.transfer import Styling

PARAMS = TransferParams(encoder="tiny-untrained", size=32, evaluations=4)


def grain(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.fixture
def encoder() -> Encoder:
    return untrained_encoder()


def run_plain(encoder: Encoder) -> Snapshots:
    content = to_tensor(grain(1))
    objective = Objective(encoder, content, represent(encoder, [grain(2)], size=32), PARAMS)
    return benchmark.plain_gatys(encoder, content, objective, 4)


def run_ours(encoder: Encoder) -> Snapshots:
    return benchmark.ours(encoder, grain(1), Styling([grain(2)]), PARAMS)[1]


@pytest.mark.parametrize("run", [run_plain, run_ours])
def test_a_picture_is_taken_when_forward_and_backward_are_done(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, run: Callable[[Encoder], Snapshots]
) -> None:
    events: list[str] = []
    backward, take = Tensor.backward, Snapshots.take

    def walk_back(self: Tensor, *args: Any) -> None:
        backward(self, *args)
        events.append("backward done")

    def taking(self: Snapshots, x: Tensor) -> None:
        events.append("taken")
        take(self, x)

    monkeypatch.setattr(Tensor, "backward", walk_back)
    monkeypatch.setattr(Snapshots, "take", taking)
    taken = run(encoder)
    assert events == ["backward done", "taken"] * 4
    assert len(taken.pixels) == len(taken.seconds) == 4
    assert taken.seconds == sorted(taken.seconds)


def test_the_pictures_taken_are_those_evaluated(encoder: Encoder) -> None:
    result, taken, seconds = benchmark.ours(encoder, grain(1), Styling([grain(2)]), PARAMS)
    assert to_image(taken.pixels[result.best_evaluation - 1]) == result.image
    assert seconds >= taken.seconds[-1]
    assert to_image(run_plain(encoder).pixels[0]) == grain(1)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_the_plain_network_is_the_same_network(pooling: str) -> None:
    encoder = untrained_encoder(pooling=pooling)
    layers = ("conv1_1", "conv3_1", "conv5_1")
    x = to_tensor(grain(3))
    plain = benchmark.plain_features(encoder, benchmark.plain_kernels(encoder), x, layers)
    for layer, values in encoder(x, layers).items():
        torch.testing.assert_close(plain[layer], values)


def test_seconds_of_an_evaluation_leave_out_what_comes_before_the_first() -> None:
    taken = Snapshots()
    taken.seconds = [5.0, 7.0, 11.0]
    assert taken.seconds_evaluation == 3.0
    taken.seconds = [5.0]
    assert taken.seconds_evaluation == 5.0


def case(plain: tuple[float, float], both: tuple[float | None, float | None]) -> dict[str, Any]:
    points = {
        c: {"plain_seconds": a, "both_seconds": b, "any_weight_seconds": 4.0, "total_seconds": 2.0}
        for c, a, b in zip(("50", "100"), plain, both, strict=True)
    }
    return {
        "checkpoints": points,
        "texture_seconds": 6.0,
        "seconds_picture": 7.0,
        "seconds_evaluation_plain": 0.5,
        "seconds_evaluation_ours": 0.25,
    }


def test_ratios_with_and_without_the_texture() -> None:
    """By hand: 20 s over 4 s, and over 4 s and a third of 6 s."""
    cases = [case((20.0, 40.0), (4.0, None))]
    assert benchmark.ratios(cases, 50, "both") == [5.0]
    assert benchmark.ratios(cases, 50, "both", shared=True) == [pytest.approx(20 / 6)]
    assert benchmark.ratios(cases, 100, "both") == [0.0]


def test_the_speedup_comes_first_and_beside_its_aims(capsys: pytest.CaptureFixture[str]) -> None:
    summary = benchmark.summarized([case((20.0, 40.0), (4.0, None))], 256, [50, 100])
    assert list(summary)[:4] == ["size", "speedup", "peak_mib", "seconds_per_picture"]
    assert summary["speedup"] == {"50": 5.0, "100": 0.0}
    assert summary["speedup_shared"] == {"50": 3.33, "100": 0.0}
    benchmark.show({**summary, "convolution_share": 0.8})
    lines = [line for line in capsys.readouterr().out.splitlines() if "speedup" in line]
    assert lines[0] == (
        "| both terms (`speedup`) | 5.00 (1 reached), aim ≥ 4: met | 0.00 (0 reached), aim ≥ 2: MISSED |"
    )
    names = [line.split("`")[1] for line in lines]
    assert names[:3] == ["speedup", "speedup_shared", "speedup_any_weight"]
    benchmark.show({**summary, "size": 512, "convolution_share": 0.8})
    assert "aim" not in capsys.readouterr().out
