"""How fast a picture is made, against plain Gatys, at the same quality.

    .venv/bin/python benchmarks/transfer.py [--size 256|512] [--contents 3] [--words 4] [--checkpoints 30 50 100] [--json]

In one run, on the same contents, styles, encoder and objective:

(a) plain: as the PyTorch tutorial and neural-style-pt do it: one size, NCHW, torch's L-BFGS without
    line search, start from the content photograph;
(b) ours: the preset ``fast``. What is spent once a word (the synthesized texture) is reported beside,
    and shared over three contents in ``speedup_shared`` and ``speedup_total_shared``.

After 30, 50 and 100 evaluations of (a) (``--checkpoints``) its picture is measured, and the first of (b)'s pictures is
looked for that reaches it, by three criteria: ``speedup``: style term and content term are both at
or below (a)'s; ``speedup_any_weight``: the same, where (b) may also be run with the content weights
of ``--weights``; ``speedup_total``: their weighted sum, the objective that both minimize. All are
measured by one evaluator at full size, on clipped pictures.

Both clocks start before the activations of the content are computed, (b)'s also before its start is
made, and are read when an evaluation is done, forward and backward. Both sides are run once before.
They do not take turns: let nothing else run. ``seconds_evaluation`` leaves out what comes before the
first evaluation, ``seconds_per_picture`` leaves out nothing. ``peak_mib`` is the benchmark's own, with all
pictures that it keeps. Needs the packages of the demo (`make demo SERVE=0` once).
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from operator import le
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudy.settings")

import django

django.setup()

import torch
from django.conf import settings
from PIL import Image
from torch import Tensor

from generation.features import encoder as load
from generation.imagefile import read_image
from generation.sources import samples
from generation.vision.devices import computing
from generation.vision.encoder import Encoder
from generation.vision.objective import Losses, Objective
from generation.vision.optimize import Step
from generation.vision.recipe import TransferParams, get_preset
from generation.vision.style import represent
from generation.vision.tensors import center_square, to_tensor
from generation.vision.texture import synthesize
from generation.vision.transfer import Styling, TransferResult, stylize

CHECKPOINTS = (30, 50, 100)
OTHER_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
MEMBERS = 8

#: Contents that share a word's texture, as in the first study.
SHARED_BY = 3

#: Evaluations of (a) → least `speedup` aimed at, for pictures of the size AIM_SIZE.
AIMS, AIM_SIZE = {50: 4.0, 100: 2.0}, 256

#: Figures of the printed table: key, what it says, key in a checkpoint, whether the texture is shared.
SPEEDUPS = (
    ("speedup", "both terms", "both", False),
    ("speedup_shared", "both terms, texture shared", "both", True),
    ("speedup_any_weight", "both terms, any weight", "any_weight", False),
    ("speedup_total", "objective", "total", False),
    ("speedup_total_shared", "objective, texture shared", "total", True),
)


class Snapshots:
    """Pixels and seconds after every evaluation; taking them is not counted.

    To be taken at one point on both sides: when forward and backward are done, before the optimizer
    moves on.
    """

    def __init__(self) -> None:
        self.pixels: list[Tensor] = []
        self.seconds: list[float] = []
        self._left_out = 0.0
        self._began = time.perf_counter()

    def take(self, x: Tensor) -> None:
        if x.device.type != "cpu":
            torch.accelerator.synchronize()
        now = time.perf_counter()
        self.seconds.append(now - self._began - self._left_out)
        self.pixels.append(x.detach().clamp(0, 1).clone())
        self._left_out += time.perf_counter() - now

    def elapsed(self) -> float:
        """Seconds until now."""
        return time.perf_counter() - self._began - self._left_out

    @property
    def seconds_evaluation(self) -> float:
        """Seconds of one evaluation with the optimizer's step, without what comes before the first."""
        if len(self.seconds) == 1:
            return self.seconds[0]
        return (self.seconds[-1] - self.seconds[0]) / (len(self.seconds) - 1)


def plain_kernels(encoder: Encoder) -> dict[str, tuple[Tensor, Tensor]]:
    """Weights and biases in NCHW."""
    convs = encoder.convs.items()
    return {layer: (conv.weight.contiguous(), conv.bias) for layer, conv in convs}


def plain_features(
    encoder: Encoder,
    kernels: dict[str, tuple[Tensor, Tensor]],
    x: Tensor,
    layers: tuple[str, ...],
) -> dict[str, Tensor]:
    """Activations in NCHW, as deep as needed."""
    found = {}
    functional = torch.nn.functional
    pool = functional.max_pool2d if encoder.pooling == "max" else functional.avg_pool2d
    x = encoder.preprocess(x).contiguous()
    for layer in encoder.spec.conv_layers:
        if layer.endswith("_1") and layer != "conv1_1":
            x = pool(x, 2)
        weight, bias = kernels[layer]
        x = torch.relu(functional.conv2d(x, weight, bias, padding=1))
        if layer in layers:
            found[layer] = x
        if len(found) == len(layers):
            break
    return found


def plain_gatys(
    encoder: Encoder, content: Tensor, objective: Objective, evaluations: int
) -> Snapshots:
    """(a): NCHW, Gram of a copied view, L-BFGS with torch's defaults."""
    params = objective.params
    targets = objective.regions[0].targets
    kernels = plain_kernels(encoder)
    x = content.clone().contiguous().requires_grad_()
    taken = Snapshots()
    with computing(encoder.device), torch.no_grad():
        found = plain_features(encoder, kernels, content, (params.content_layer,))
    wanted = found[params.content_layer]

    class Enough(Exception):
        pass

    def closure() -> Tensor:
        if len(taken.pixels) == evaluations:
            raise Enough
        optimizer.zero_grad()
        found = plain_features(encoder, kernels, x, objective.layers)
        total = x.new_zeros(())
        for layer, weight in zip(params.style_layers, params.style_weights, strict=True):
            f = found[layer]
            flat = f.reshape(f.shape[1], -1)
            matrix = flat @ flat.t() / flat.shape[1]
            target = targets[layer]
            total = total + weight * (matrix - target).square().sum() / target.square().sum()
        f = found[params.content_layer]
        total = total + params.content_weight * (f - wanted).square().sum() / wanted.square().sum()
        total.backward()
        taken.take(x)
        return total

    optimizer = torch.optim.LBFGS(
        [x], max_iter=evaluations, max_eval=2 * evaluations, tolerance_grad=0, tolerance_change=0
    )
    try:
        with computing(encoder.device):  # the precision of (b)
            while True:
                optimizer.step(closure)
    except Enough:
        return taken


def measured(objective: Objective, x: Tensor) -> Losses:
    with torch.no_grad():
        return objective(x)[1]


def photographs(word: str, count: int) -> list[Image.Image]:
    source = samples.SampleSource(settings.PACKAGES_ROOT)
    hits = list(source.search(word, 60))
    return [read_image(source.read(hit)).image for hit in hits[:count]]


def ours(
    encoder: Encoder, content_image: Image.Image, style: Styling, params: TransferParams
) -> tuple[TransferResult, Snapshots, float]:
    """(b), with its picture after every evaluation, and the seconds of all of it."""
    taken = Snapshots()
    # The engine hands out losses, not pixels: these are seen where they are evaluated, and taken when
    # the engine says that the evaluation is done.
    seen: list[Tensor] = []
    real = Objective.__call__

    def watched(self: Objective, x: Tensor) -> Any:
        seen[:] = [x.detach()]
        return real(self, x)

    def done(_step: Step) -> None:
        taken.take(seen[0])

    Objective.__call__ = watched  # type: ignore[method-assign]
    try:
        result = stylize(encoder, content_image, style, params, seed=1, on_step=done)
        return result, taken, taken.elapsed()
    finally:
        Objective.__call__ = real  # type: ignore[method-assign]


def one_case(
    encoder: Encoder,
    content_image: Image.Image,
    style: Any,
    params: TransferParams,
    checkpoints: list[int],
    weights: list[float],
    budget: int,
) -> dict[str, Any]:
    """Both sides on one content and one style; ``budget``: evaluations of a picture of the preset."""
    members, representation, texture, other = style
    content = to_tensor(center_square(content_image, params.size), encoder.device)
    evaluator = Objective(encoder, content, representation, params)
    elsewhere = Objective(
        encoder,
        content,
        other,
        replace(params, style_layers=OTHER_LAYERS, style_weights=(0.25,) * 4),
    )
    styling = Styling(members, representation=representation, texture=texture)
    # Once before: the first run of a shape makes what later ones find.
    plain_gatys(encoder, content, evaluator, 1)
    ours(encoder, content_image, styling, replace(params, evaluations=1))
    plain = plain_gatys(encoder, content, evaluator, max(checkpoints))
    runs = {
        weight: ours(encoder, content_image, styling, replace(params, content_weight=weight))
        for weight in dict.fromkeys([params.content_weight, *weights])
    }
    result, taken, seconds_all = runs[params.content_weight]
    reached = {w: [measured(evaluator, x) for x in t.pixels] for w, (_, t, _) in runs.items()}
    ours_losses = reached[params.content_weight]
    case: dict[str, Any] = {
        "seconds_evaluation_plain": plain.seconds_evaluation,
        "seconds_evaluation_ours": taken.seconds_evaluation,
        "seconds_picture": seconds_all + (budget - params.evaluations) * taken.seconds_evaluation,
        "correlation": result.high_frequency_correlation,
        "start_plain": terms(measured(evaluator, content)),
        "start_ours": terms(measured(evaluator, to_tensor(result.initial, encoder.device))),
        "checkpoints": {},
    }
    case["ours_final"] = terms(ours_losses[result.best_evaluation - 1])
    case["ours_final_other_layers"] = measured(elsewhere, taken.pixels[-1]).style
    for checkpoint in checkpoints:
        reference = measured(evaluator, plain.pixels[checkpoint - 1])
        goal = terms_of(reference, params)
        both = {
            weight: first(
                losses, lambda one, goal=goal: all(map(le, terms_of(one, params)[:2], goal))
            )
            for weight, losses in reached.items()
        }
        same = both[params.content_weight]
        total = first(ours_losses, lambda one, goal=goal: terms_of(one, params)[2] <= goal[2])
        seconds = [runs[w][1].seconds[n] for w, n in both.items() if n is not None]
        case["checkpoints"][str(checkpoint)] = {
            "plain": terms(reference),
            "plain_other_layers": measured(elsewhere, plain.pixels[checkpoint - 1]).style,
            "plain_seconds": plain.seconds[checkpoint - 1],
            "both_seconds": None if same is None else taken.seconds[same],
            "both_evaluations": {w: None if n is None else n + 1 for w, n in both.items()},
            "any_weight_seconds": min(seconds, default=None),
            "total_seconds": None if total is None else taken.seconds[total],
            "total_evaluations": None if total is None else total + 1,
        }
    return case


def terms_of(losses: Losses, params: TransferParams) -> tuple[float, float, float]:
    """Style, content, and both as the recipe weighs them."""
    total = losses.style + params.content_weight * losses.content
    return losses.style, losses.content, total


def terms(losses: Losses) -> dict[str, float]:
    return {"style": round(losses.style, 4), "content": round(losses.content, 4)}


def first(losses: list[Losses], reached: Any) -> int | None:
    return next((index for index, one in enumerate(losses) if reached(one)), None)


def ratios(
    cases: list[dict[str, Any]], checkpoint: int, key: str, *, shared: bool = False
) -> list[float]:
    """Seconds of (a) over seconds of (b); 0 where (b) did not reach it within its budget.

    Shared: with its part of the texture's seconds in those of (b).
    """
    found = []
    for case in cases:
        point = case["checkpoints"][str(checkpoint)]
        seconds = point[f"{key}_seconds"]
        extra = case["texture_seconds"] / SHARED_BY if shared else 0.0
        found.append(0.0 if seconds is None else point["plain_seconds"] / (seconds + extra))
    return found


def summarized(
    cases: list[dict[str, Any]], size: int, checkpoints: Sequence[int]
) -> dict[str, Any]:
    """Medians over the cases."""

    def median(key: str, digits: int) -> float:
        return round(statistics.median(case[key] for case in cases), digits)

    speedups = {
        name: {
            str(c): round(statistics.median(ratios(cases, c, key, shared=shared)), 2)
            for c in checkpoints
        }
        for name, _says, key, shared in SPEEDUPS
    }
    return {
        "size": size,
        "speedup": speedups.pop("speedup"),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "seconds_per_picture": median("seconds_picture", 2),
        **speedups,
        "reached": {
            str(c): {
                key: sum(
                    case["checkpoints"][str(c)][f"{key}_seconds"] is not None for case in cases
                )
                for key in ("both", "any_weight", "total")
            }
            for c in checkpoints
        },
        "cases_measured": len(cases),
        "seconds_per_word": median("texture_seconds", 1),
        "seconds_evaluation": {
            "plain": median("seconds_evaluation_plain", 3),
            "ours": median("seconds_evaluation_ours", 3),
        },
    }


def show(summary: dict[str, Any]) -> None:
    """The summary as tables, the speedup first and beside its aims."""
    checkpoints = list(summary["speedup"])
    print(f"\n{summary['size']} px: times as fast as (a), median of {summary['cases_measured']}\n")
    print(f"| | {' | '.join(f'(a) after {c}' for c in checkpoints)} |")
    print("|---" * (1 + len(checkpoints)) + "|")
    for name, says, key, shared in SPEEDUPS:
        cells = []
        for c in checkpoints:
            cell = f"{summary[name][c]:.2f}"
            if not shared:
                cell += f" ({summary['reached'][c][key]} reached)"
            if name == "speedup" and summary["size"] == AIM_SIZE and int(c) in AIMS:
                aim = AIMS[int(c)]
                met = "met" if summary[name][c] >= aim else "MISSED"
                cell += f", aim ≥ {aim:g}: {met}"
            cells.append(cell)
        print(f"| {says} (`{name}`) | {' | '.join(cells)} |")
    print("\n| | |\n|---|---|")
    of = summary["seconds_evaluation"]
    print(f"| seconds an evaluation, (a) and (b) | {of['plain']} and {of['ours']} |")
    print(f"| seconds a picture | {summary['seconds_per_picture']} |")
    print(f"| seconds a word's texture | {summary['seconds_per_word']} |")
    print(f"| share of an evaluation inside convolutions | {summary['convolution_share']} |")
    print(f"| peak memory of the benchmark | {summary['peak_mib']} MiB |")


def convolution_share(objective: Objective, x: Tensor) -> float:
    """Share of an evaluation's time inside convolutions, forward and backward (torch's profiler)."""
    whole = {"aten::conv2d", "_Convolution", "ConvolutionBackward0", "_ConvolutionBackward"}
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(3):
            pixels = x.clone().requires_grad_()
            objective(pixels)[0].backward()
    events = profile.key_averages()
    inside = sum(event.cpu_time_total for event in events if event.key in whole)
    return inside / sum(event.self_cpu_time_total for event in events)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--contents", type=int, default=3)
    parser.add_argument("--words", type=int, default=4)
    parser.add_argument(
        "--evaluations", type=int, default=60, help="budget of (b), to look for the crossing"
    )
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--sigma", type=float)
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        default=[0.15],
        help="further content weights to run (b) with: (a) begins at the content and has a lower "
        "content term than the minimum of their common objective; ours comes from the style",
    )
    parser.add_argument("--checkpoints", type=int, nargs="+", default=CHECKPOINTS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    params = replace(get_preset(options.preset), size=options.size, evaluations=options.evaluations)
    if options.sigma:
        params = replace(params, sigma=options.sigma)
    budget = get_preset(options.preset).evaluations
    encoder = load(params.encoder, params.pooling)
    contents = [
        read_image(samples.read_content(content, settings.PACKAGES_ROOT)).image
        for content in samples.CONTENTS[: options.contents]
    ]
    words = [word.text for word in samples.WORDS if word.text != "金属製"][: options.words]
    cases = []
    for word in words:
        members = photographs(word, MEMBERS)
        representation = represent(encoder, members, params.style_layers, size=params.size)
        other = represent(encoder, members, OTHER_LAYERS, size=params.size)
        texture, texture_seconds = None, 0.0
        if params.initial == "texture":
            began = time.perf_counter()
            texture = synthesize(encoder, representation, members, params, seed=1)
            texture_seconds = time.perf_counter() - began
        for content in contents:
            case = one_case(
                encoder,
                content,
                (members, representation, texture, other),
                params,
                options.checkpoints,
                options.weights,
                budget,
            )
            cases.append({"word": word, "texture_seconds": texture_seconds, **case})
            if not options.json:
                print(f"{word}: ours start {case['start_ours']}, final {case['ours_final']}")
                for checkpoint, point in case["checkpoints"].items():
                    print(
                        f"  (a) after {checkpoint}: {point['plain']}, reached by (b) after "
                        f"{point['both_evaluations']} (both terms), {point['total_evaluations']} (sum)",
                        flush=True,
                    )
    content = to_tensor(center_square(contents[0], params.size), encoder.device)
    share = convolution_share(Objective(encoder, content, representation, params), content)
    summary = summarized(cases, params.size, options.checkpoints)
    summary["convolution_share"] = round(share, 2)
    if options.json:
        print(json.dumps({**summary, "cases": cases}, ensure_ascii=False))
    else:
        show(summary)


if __name__ == "__main__":
    main()
