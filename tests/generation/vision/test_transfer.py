"""The optimization: gradients, budget, determinism, refusals. Untrained tiny encoder, 32 px."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from generation.vision import recipe as recipes
from generation.vision import texture as texture_module
from generation.vision.devices import computing
from generation.vision.encoder import Encoder, untrained_encoder
from generation.vision.errors import BadImage, BadParams, BadStyle, Diverged, OutOfMemory
from generation.vision.objective import Losses, Objective, Region, total_variation
from generation.vision.optimize import Step, minimize
from generation.vision.recipe import PRESETS, TransferParams, get_preset
from generation.vision.specs import TINY
from generation.vision.statistics import STATISTICS
from generation.vision.statistics.gram import gram
from generation.vision.style import (
    StyleRepresentation,
    gatys_content_loss,
    gatys_style_loss,
    represent,
)
from generation.vision.tensors import center_square, to_array, to_image, to_tensor
from generation.vision.texture import synthesize, texture_size
from generation.vision.transfer import Styling, stylize


def params(**changes: Any) -> TransferParams:
    values: dict[str, Any] = {"encoder": "tiny-untrained", "size": 32, "evaluations": 12}
    return TransferParams(**{**values, **changes})


def photograph(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    color = rng.random(3) * 0.4 + 0.3
    return to_image(np.clip(color + 0.15 * rng.normal(size=(40, 40, 3)), 0, 1))


def scene() -> Image.Image:
    image = Image.new("RGB", (48, 40), (40, 60, 160))
    image.paste((220, 180, 60), (16, 12, 32, 28))
    return image


@pytest.fixture
def encoder() -> Encoder:
    return untrained_encoder()


@pytest.fixture
def style(encoder: Encoder) -> StyleRepresentation:
    return represent(encoder, [photograph(1), photograph(2)], size=32)


# --- objective ----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["relative", "gatys"])
def test_gradient_equals_finite_differences(loss: str) -> None:
    # Average pooling and double precision: only ReLU has kinks, and a step of 1e-6 hits none.
    encoder = untrained_encoder(pooling="average", dtype=torch.float64)
    recipe = params(pooling="average", loss=loss, content_weight=0.7)
    target = represent(encoder, [photograph(3)], size=32)
    objective = Objective(
        encoder, to_tensor(photograph(4).resize((32, 32))).double(), target, recipe
    )
    x = to_tensor(photograph(5).resize((32, 32))).double().requires_grad_()
    total, losses = objective(x)
    total.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert losses.total == pytest.approx(total.item())
    rng = np.random.default_rng(6)
    for _ in range(5):
        direction = torch.from_numpy(rng.normal(size=tuple(x.shape)))
        step = 1e-6 * direction
        with torch.no_grad():
            numeric = (objective(x + step)[0] - objective(x - step)[0]) / 2e-6
        analytic = (x.grad * direction).sum()
        assert analytic.item() == pytest.approx(numeric.item(), rel=1e-5)


def test_terms_add_up_and_published_form_is_eq_1_4_5_7(
    encoder: Encoder, style: StyleRepresentation
) -> None:
    recipe = params(loss="gatys", style_weights=(1, 2, 3, 4, 5), content_weight=0.01)
    content, x = to_tensor(photograph(7).resize((32, 32))), torch.rand(1, 3, 32, 32)
    losses = Objective(encoder, content, style, recipe)(x)[1]
    features = encoder(x, [*recipe.style_layers, "conv4_2"])
    target = encoder(content, ["conv4_2"])["conv4_2"]
    layers = {
        layer: gatys_style_loss(gram(features[layer])[0], torch.from_numpy(style.targets[layer]))
        for layer in recipe.style_layers
    }
    assert losses.layers == {k: pytest.approx(v.item(), rel=1e-5) for k, v in layers.items()}
    expected = sum(w * v.item() for w, v in zip((1, 2, 3, 4, 5), layers.values(), strict=True))
    assert losses.style == pytest.approx(expected, rel=1e-5)
    assert losses.content == pytest.approx(
        gatys_content_loss(features["conv4_2"], target).item(), rel=1e-5
    )
    assert losses.total == pytest.approx(losses.style + 0.01 * losses.content, rel=1e-5)


def test_objective_is_zero_at_its_own_content_and_style(encoder: Encoder) -> None:
    image = photograph(8).resize((32, 32))
    losses = Objective(encoder, to_tensor(image), represent(encoder, [image], size=32), params())(
        to_tensor(image)
    )[1]
    assert losses.total == pytest.approx(0.0, abs=1e-9)


def test_objective_refuses_what_does_not_go_together(
    encoder: Encoder, style: StyleRepresentation
) -> None:
    content = torch.zeros(1, 3, 32, 32)
    with pytest.raises(BadParams, match="ask for the encoder 'vgg19'"):
        Objective(encoder, content, style, params(encoder="vgg19"))
    with pytest.raises(BadParams, match="with average pooling, got 'tiny-untrained' with max"):
        Objective(encoder, content, style, params(pooling="average"))
    other = untrained_encoder(pooling="average")
    with pytest.raises(BadStyle, match="Represent it again"):
        Objective(other, content, style, params(pooling="average"))
    recipe = params(style_layers=("conv1_1", "conv3_2"), style_weights=(1, 1))
    with pytest.raises(BadStyle, match=r"but not conv3_2"):
        Objective(encoder, content, style, recipe)
    style.targets["conv1_1"].resize((2, 8), refcheck=False)
    with pytest.raises(BadStyle, match=r"conv1_1: expected 4 channels, got \(2, 8\)"):
        Objective(encoder, content, style, params())


def test_fc6_is_no_layer_of_a_transfer() -> None:
    spec = replace(TINY, has_fc6=True)
    encoder = untrained_encoder(spec)
    image = photograph(9)
    with pytest.raises(BadParams, match="fc6 has no positions"):
        Objective(
            encoder,
            torch.zeros(1, 3, 32, 32),
            represent(encoder, [image], size=32),
            params(content_layer="fc6"),
        )
    with pytest.raises(BadStyle, match="convolutional layers"):
        represent(encoder, [image], layers=["fc6"])


# --- minimize -----------------------------------------------------------------------------------


def bowl(x: Tensor) -> tuple[Tensor, Losses]:
    total = ((x - 0.25).square() * torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1, 1)).sum()
    return total, Losses(total.item(), 0.0, total.item(), 0.0, 0.0, {})


def test_minimize_finds_a_known_minimum() -> None:
    found = minimize(bowl, torch.rand(1, 3, 6, 6), evaluations=40, history=10)
    torch.testing.assert_close(found.pixels, torch.full((1, 3, 6, 6), 0.25), atol=1e-3, rtol=0)


@pytest.mark.parametrize("budget", [1, 2, 7, 30, 120])
def test_budget_is_used_up_exactly(budget: int) -> None:
    calls: list[Step] = []
    found = minimize(
        bowl,
        torch.rand(1, 3, 6, 6),
        evaluations=budget,
        history=5,
        on_step=calls.append,
    )
    assert [(step.number, step.total, step.size) for step in calls] == [
        (number, budget, 6) for number in range(1, budget + 1)
    ]
    assert tuple(step.losses.total for step in calls) == found.curve
    assert len(found.curve) == budget
    assert found.curve[found.best_evaluation - 1] == min(found.curve)


def test_best_pixels_are_kept_not_the_last() -> None:
    start, seen = torch.zeros(1, 3, 4, 4), []

    def worse_each_time(x: Tensor) -> tuple[Tensor, Losses]:
        seen.append(x.detach().clone())
        total = x.sum() * 0 + float(len(seen))
        return total, Losses(total.item(), 0, 0, 0, 0, {})

    found = minimize(worse_each_time, start, evaluations=5, history=5)
    assert found.best_evaluation == 1
    assert torch.equal(found.pixels, start)


def breaks_at(*numbers: int) -> Callable[[Tensor], tuple[Tensor, Losses]]:
    """A bowl whose loss is no number at some calls, counted from 1."""
    calls = itertools.count(1)

    def objective(x: Tensor) -> tuple[Tensor, Losses]:
        total, _losses = bowl(x)
        if next(calls) in numbers:
            total = total * torch.nan
        return total, Losses(total.item(), 0, 0, 0, 0, {})

    return objective


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_after_a_nan_it_goes_on_once_with_smaller_steps(optimizer: str) -> None:
    start = torch.rand(1, 3, 4, 4)
    found = minimize(breaks_at(4), start, evaluations=30, optimizer=optimizer)
    assert (len(found.curve), found.restarts) == (30, 1)
    assert np.isfinite(found.curve).all()
    assert min(found.curve) < found.curve[0]
    assert minimize(bowl, start, evaluations=3, optimizer=optimizer).restarts == 0


@pytest.mark.parametrize(("numbers", "at"), [((1,), 1), ((4, 7), 6)])
def test_a_second_nan_or_one_at_the_start_is_named_with_its_evaluation(
    numbers: tuple[int, ...], at: int
) -> None:
    # The fourth call gave no evaluation, so the seventh is the sixth.
    with pytest.raises(Diverged, match=f"Evaluation {at} of 9: expected a finite") as caught:
        minimize(breaks_at(*numbers), torch.rand(1, 3, 4, 4), evaluations=9, history=5)
    assert caught.value.evaluation == at


def test_adam_finds_a_known_minimum() -> None:
    found = minimize(
        bowl, torch.rand(1, 3, 6, 6), evaluations=300, optimizer="adam", learning_rate=0.02
    )
    torch.testing.assert_close(found.pixels, torch.full((1, 3, 6, 6), 0.25), atol=1e-2, rtol=0)


def test_infinite_gradient_of_a_finite_loss_is_named() -> None:
    def root(x: Tensor) -> tuple[Tensor, Losses]:
        total = x.sqrt().sum()  # slope 1 / (2 √0) at the start
        return total, Losses(total.item(), 0, 0, 0, 0, {})

    with pytest.raises(Diverged, match="finite loss and gradient"):
        minimize(root, torch.zeros(1, 3, 4, 4), evaluations=3, history=5)


# --- stylize ------------------------------------------------------------------------------------


def run(encoder: Encoder, style: StyleRepresentation, **changes: Any) -> Any:
    arguments = {"seed": 3, "on_step": None, "mask": None, "background": None}
    for key in list(changes):
        if key in arguments:
            arguments[key] = changes.pop(key)
    styling = Styling(
        [photograph(1), photograph(2)], [1.0, 2.0], style, changes.pop("texture", None)
    )
    return stylize(encoder, scene(), styling, params(**changes), **arguments)


@pytest.mark.parametrize("initial", ["random-phase", "content", "noise", "overlay"])
def test_a_picture_comes_out_better_than_its_start(
    encoder: Encoder, style: StyleRepresentation, initial: str
) -> None:
    result = run(encoder, style, initial=initial)
    assert (result.image.mode, result.image.size) == ("RGB", (32, 32))
    assert result.evaluations == len(result.curve) == 12
    assert min(result.curve) < 0.8 * result.curve[0]
    assert result.curve[result.best_evaluation - 1] == min(result.curve)
    assert list(result.losses.layers) == list(params().style_layers)
    assert result.losses.excess == 0.0
    assert result.losses.total == pytest.approx(
        result.style_loss + 0.05 * result.content_loss, rel=1e-4
    )


def test_losses_are_those_of_the_picture_returned(
    encoder: Encoder, style: StyleRepresentation
) -> None:
    result = run(encoder, style)
    square = scene().crop((4, 0, 44, 40)).resize((32, 32), Image.Resampling.LANCZOS)
    again = Objective(encoder, to_tensor(square), style, params())(to_tensor(result.image))[1]
    assert again.total == pytest.approx(result.losses.total, rel=1e-5)


def test_same_seed_same_bytes(encoder: Encoder, style: StyleRepresentation) -> None:
    one, same, other = (run(encoder, style, seed=seed) for seed in (3, 3, 4))
    assert one.image.tobytes() == same.image.tobytes()
    assert one.curve == same.curve
    assert one.image.tobytes() != other.image.tobytes()


def test_correlation_with_the_photographs_is_reported(
    encoder: Encoder, style: StyleRepresentation
) -> None:
    result = run(encoder, style)
    assert abs(result.high_frequency_correlation) < 0.3
    copied = stylize(
        encoder,
        photograph(1),
        Styling([photograph(1)], representation=style),
        params(initial="content"),
        seed=0,
    )
    assert copied.high_frequency_correlation > 0.5


def test_no_photographs_are_needed_to_start_from_the_content(
    encoder: Encoder, style: StyleRepresentation
) -> None:
    alone = Styling(representation=style)
    result = stylize(encoder, scene(), alone, params(initial="content"), seed=0)
    assert result.high_frequency_correlation == 0.0
    with pytest.raises(BadParams, match="at least one style photograph"):
        stylize(encoder, scene(), alone, params(), seed=0)
    with pytest.raises(BadStyle, match="needs its photographs"):
        stylize(encoder, scene(), alone, params(initial="content", color="match"), seed=0)


def test_a_callback_may_cancel(encoder: Encoder, style: StyleRepresentation) -> None:
    class LeaseLostError(Exception):
        pass

    seen: list[int] = []

    def stop(step: Step) -> None:
        seen.append(step.number)
        if step.number == 3:
            raise LeaseLostError

    with pytest.raises(LeaseLostError):
        run(encoder, style, on_step=stop)
    assert seen == [1, 2, 3]


def test_values_outside_the_range_cost_their_squared_excess(
    encoder: Encoder, style: StyleRepresentation
) -> None:
    x = torch.full((1, 3, 32, 32), 0.5)
    x[0, 0, 0, 0], x[0, 1, 2, 3] = 1.5, -0.25
    losses = Objective(encoder, torch.rand(1, 3, 32, 32), style, params(range_weight=7.0))(x)[1]
    # (0.5² + 0.25²) over 3 · 32 · 32 values.
    assert losses.excess == pytest.approx(0.3125 / 3072)
    assert losses.total == pytest.approx(
        losses.style + 0.05 * losses.content + 7 * losses.excess, rel=1e-5
    )


@pytest.mark.parametrize("seed", [-1, 1.5, True, None])
def test_bad_seeds_are_refused(encoder: Encoder, style: StyleRepresentation, seed: object) -> None:
    with pytest.raises(BadParams, match="Expected a seed"):
        run(encoder, style, seed=seed)


def test_color_matched_to_the_content_keeps_its_mean(encoder: Encoder) -> None:
    square = np.asarray(scene().crop((4, 0, 44, 40)).resize((32, 32)), dtype=float)
    blue = Styling([Image.fromarray(np.uint8(np.random.default_rng(1).random((40, 40, 3)) * 90))])
    means = {}
    for color in ("style", "match", "histogram", "luminance"):
        result = stylize(encoder, scene(), blue, params(color=color), seed=1)
        means[color] = np.asarray(result.image, dtype=float).mean(axis=(0, 1))
    away = {c: float(np.abs(m - square.mean(axis=(0, 1))).max()) for c, m in means.items()}
    assert all(away[c] < 0.5 * away["style"] for c in ("match", "histogram", "luminance")), away


def test_luminance_only_keeps_the_colors(encoder: Encoder, style: StyleRepresentation) -> None:
    result = run(encoder, style, color="luminance")
    content = to_array(center_square(scene(), 32))
    got = to_array(result.image)
    # Differences of channels are color; only clipping at black and white may change them.
    inside = ((got > 0.02) & (got < 0.98)).all(axis=2)
    assert inside.mean() > 0.5
    for a, b in ((0, 1), (1, 2)):
        wanted = content[:, :, a] - content[:, :, b]
        difference = got[:, :, a] - got[:, :, b] - wanted
        assert np.abs(difference[inside]).max() < 0.01


def half_mask() -> Image.Image:
    mask = Image.new("L", scene().size, 0)
    mask.paste(255, (0, 0, 24, 40))
    return mask


def test_outside_the_mask_the_content_stays(encoder: Encoder, style: StyleRepresentation) -> None:
    result = run(encoder, style, mask=half_mask())
    content, got = center_square(scene(), 32), result.image
    right = (18, 0, 32, 32)
    assert got.crop(right).tobytes() == content.crop(right).tobytes()
    assert got.crop((0, 0, 14, 32)).tobytes() != content.crop((0, 0, 14, 32)).tobytes()
    assert min(result.curve) < result.curve[0]


def test_a_background_takes_its_own_style(encoder: Encoder, style: StyleRepresentation) -> None:
    red, blue = (Styling([Image.new("RGB", (40, 40), c)]) for c in ((200, 30, 30), (30, 30, 200)))
    result = stylize(
        encoder,
        scene(),
        red,
        params(content_weight=0.0, evaluations=30),
        seed=1,
        mask=half_mask(),
        background=blue,
    )
    got = np.asarray(result.image, dtype=float)
    left, right = got[:, :14].mean(axis=(0, 1)), got[:, 18:].mean(axis=(0, 1))
    assert left[0] - left[2] > 40
    assert right[2] - right[0] > 40


def test_masks_that_do_not_fit_are_refused(encoder: Encoder, style: StyleRepresentation) -> None:
    with pytest.raises(BadImage, match="mode L and the photograph's size"):
        run(encoder, style, mask=Image.new("L", (8, 8)))
    with pytest.raises(BadImage, match=r"The region is empty.*is black everywhere"):
        run(encoder, style, mask=Image.new("L", scene().size, 0))
    white = Image.new("L", scene().size, 255)
    with pytest.raises(BadImage, match=r"The region is empty.*is white everywhere"):
        run(encoder, style, mask=white, background=Styling([photograph(3)]))
    with pytest.raises(BadParams, match="needs a mask"):
        run(encoder, style, background=Styling([photograph(3)]))


def test_a_mask_of_all_ones_equals_no_mask(encoder: Encoder, style: StyleRepresentation) -> None:
    x = torch.rand(1, 3, 32, 32)
    content = torch.rand(1, 3, 32, 32)
    whole = [Region(style, torch.ones(32, 32))]
    plain = Objective(encoder, content, style, params())(x)[1]
    guided = Objective(encoder, content, whole, params())(x)[1]
    assert guided.total == pytest.approx(plain.total, rel=1e-5)
    assert guided.layers == pytest.approx(plain.layers, rel=1e-5)


def test_coarse_sizes_come_first(encoder: Encoder, style: StyleRepresentation) -> None:
    seen: list[tuple[int, int, int]] = []
    recipe = params(size=64, evaluations=5, coarse=((32, 4),))
    result = stylize(
        encoder,
        scene(),
        Styling([photograph(1)]),
        recipe,
        seed=1,
        on_step=lambda step: seen.append((step.number, step.total, step.size)),
    )
    # Numbered over all sizes, each with its own size.
    assert seen == [(n, 9, 32 if n <= 4 else 64) for n in range(1, 10)]
    assert result.initial.size == (32, 32)
    assert result.image.size == (64, 64)


@pytest.mark.parametrize("statistic", ["moments", "sliced-wasserstein"])
def test_other_statistics_are_minimized_too(encoder: Encoder, statistic: str) -> None:
    styling = Styling([photograph(1), photograph(2)])
    result = stylize(encoder, scene(), styling, params(statistic=statistic), seed=1)
    assert min(result.curve) < 0.8 * result.curve[0]
    style = represent(encoder, [photograph(1)], size=32)
    with pytest.raises(BadStyle, match=f"made of the statistic 'gram'.*'{statistic}'"):
        Objective(encoder, torch.zeros(1, 3, 32, 32), style, params(statistic=statistic))


def test_total_variation_by_hand() -> None:
    x = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    # Down: |.5 − 0|, |.5 − 1|, mean .5; across: |1 − 0|, |.5 − .5|, mean .5.
    assert total_variation(x).item() == pytest.approx(1.0)


def test_a_texture_is_a_start(encoder: Encoder, style: StyleRepresentation) -> None:
    members = [photograph(1), photograph(2)]
    recipe = params(initial="texture", texture_evaluations=10)
    texture = synthesize(encoder, style, members, recipe, seed=5)
    assert texture.size == (texture_size(32),) * 2 == (48, 48)
    again = synthesize(encoder, style, members, recipe, seed=5)
    assert texture.tobytes() == again.tobytes()
    result = run(encoder, style, initial="texture", texture=texture)
    assert abs(result.high_frequency_correlation) < 0.3
    with pytest.raises(BadParams, match="needs a synthesized texture"):
        run(encoder, style, initial="texture")


def test_a_texture_starts_from_photographs_mirrored_at_their_edges(
    encoder: Encoder, style: StyleRepresentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = texture_module.random_phase_mixture
    monkeypatch.setattr(
        texture_module,
        "random_phase_mixture",
        lambda arrays, *rest: (seen.extend(arrays), real(arrays, *rest))[1],
    )
    synthesize(encoder, style, [photograph(1)], params(texture_evaluations=1), seed=5)
    (enlarged,) = seen
    square = to_array(center_square(photograph(1), 32))
    # 48 = 8 + 32 + 8; the edge's own pixels come first again.
    assert np.array_equal(enlarged[8:40, 8:40], square)
    assert np.array_equal(enlarged[:8, 8:40], square[7::-1])
    assert np.array_equal(enlarged[8:40, 40:], square[:, :23:-1])


# --- params -------------------------------------------------------------------------------------


def test_params_survive_json() -> None:
    recipe = params(style_layers=("conv1_1", "conv2_2"), style_weights=(0.5, 1), sigma=3.5)
    recipe = replace(recipe, size=256, coarse=((64, 3), (128, 4)))
    assert recipe.total_evaluations == 12 + 7
    assert TransferParams.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json_and_says_why(name: str) -> None:
    preset = PRESETS[name]
    assert (
        TransferParams.from_dict(json.loads(json.dumps(preset.params.to_dict()))) == preset.params
    )
    assert len(preset.reason) > 50
    with pytest.raises(BadParams, match="Expected a preset among fast") as refused:
        get_preset("nice")
    assert refused.value.field == "preset"


def test_for_a_single_content_fast_is_random_phase_and_others_are_themselves() -> None:
    assert get_preset("fast", single_content=True) == get_preset("random-phase")
    for name in set(PRESETS) - {"fast"}:
        assert get_preset(name, single_content=True) == get_preset(name)


def test_names_of_statistics_are_those_of_the_functions() -> None:
    # The names stand apart, free of torch.
    assert set(recipes.STATISTICS) == set(STATISTICS)


@pytest.mark.parametrize(
    ("values", "field", "detail"),
    [
        ({"style_layers": ["conv1_1", "conv3_4"]}, "style_layers", "got 'conv3_4'"),
        ({"content_layer": "conv4_4"}, "content_layer", "got 'conv4_4'"),
        ({"content_layer": "fc6"}, "content_layer", "got 'fc6'"),
        ({"encoder": "vgg19", "content_layer": "fc6"}, "content_layer", "got 'fc6'"),
    ],
)
def test_layers_that_the_encoder_does_not_have(
    values: dict[str, Any], field: str, detail: str
) -> None:
    if "style_layers" in values:
        values["style_weights"] = [1] * len(values["style_layers"])
    bad = TransferParams.from_dict(values)
    with pytest.raises(BadParams, match=f"TransferParams.{field}: expected conv") as refused:
        bad.check_encoder()
    assert refused.value.field == field
    assert refused.value.detail.startswith("Expected convolutions of vgg")
    assert detail in refused.value.detail


def test_layers_and_encoders_that_are_there() -> None:
    for preset in PRESETS.values():
        preset.params.check_encoder()
    # VGG-19 has four convolutions in its third block, VGG-16 three (Simonyan and Zisserman 2015,
    # table 1, columns E and D).
    TransferParams(encoder="vgg19", content_layer="conv3_4").check_encoder()
    with pytest.raises(BadParams, match="Expected an encoder among"):
        TransferParams(encoder="tiny-untrained").check_encoder()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"evaluation": 3}, r"unknown key\(s\) 'evaluation'"),
        ({"format": 99}, "expected format"),
        ({"pooling": "mean"}, "pooling: expected one of max, average, got 'mean'"),
        ({"initial": "paste"}, "initial"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"statistic": "mean"}, "statistic"),
        ({"statistic": "moments", "loss": "gatys"}, "unless the statistic is gram"),
        ({"color": "red"}, "color"),
        ({"tv_weight": -1}, "tv_weight"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"coarse": [[256, 10]]}, r"coarse: expected pairs"),
        ({"coarse": [[128, 10], [64, 10]]}, "growing up to size"),
        ({"coarse": [[128]]}, "coarse"),
        ({"coarse": 64}, "coarse"),
        ({"loss": "l2"}, "loss"),
        ({"size": 16}, "size: expected a whole number from 32 to 4096, got 16"),
        ({"size": "256"}, "size"),
        ({"evaluations": 0}, "evaluations"),
        ({"evaluations": True}, "evaluations"),
        ({"history": 0}, "history"),
        ({"range_weight": -1}, "range_weight"),
        ({"sigma": 0}, "sigma: expected a finite number above 0"),
        ({"content_weight": float("nan")}, "content_weight"),
        ({"encoder": ""}, "encoder"),
        ({"content_layer": 4}, "content_layer"),
        ({"style_layers": []}, "style_layers"),
        ({"style_layers": ["conv1_1"] * 5}, "different names"),
        ({"style_layers": "conv1_1"}, "style_layers"),
        ({"style_weights": [1, 2]}, "style_weights"),
        ({"style_weights": [1, 1, 1, 1, -1]}, "style_weights"),
        ({"style_weights": [0] * 5, "content_weight": 0}, "all style weights"),
    ],
)
def test_bad_params_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParams, match=message):
        TransferParams.from_dict(values)


# --- precision and memory -----------------------------------------------------------------------


def test_a_picture_says_in_which_precision_it_was_made(encoder: Encoder) -> None:
    style = Styling([photograph(1), photograph(2)])
    plain = stylize(encoder, scene(), style, params(), seed=1)
    rounded = stylize(encoder, scene(), style, params(), seed=1, precision="bf16")
    assert (plain.precision, rounded.precision) == ("float32", "bf16")
    assert plain.curve != rounded.curve
    # The first evaluation is of the same pixels; five roundings to 8 bits lie between.
    assert rounded.curve[0] == pytest.approx(plain.curve[0], rel=0.02)
    assert rounded.losses.total < rounded.curve[0]


def test_a_texture_is_in_float32_whatever_is_around(
    encoder: Encoder, style: StyleRepresentation
) -> None:
    recipe = params(texture_evaluations=3)
    plain = synthesize(encoder, style, [photograph(1)], recipe, seed=1)
    with computing(encoder.device, "bf16"):
        again = synthesize(encoder, style, [photograph(1)], recipe, seed=1)
    assert again.tobytes() == plain.tobytes()


def test_a_picture_that_does_not_fit_ends_with_what_to_do(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = encoder.forward

    def limited(x: Tensor, layers: Any) -> dict[str, Tensor]:
        if x.shape[-1] >= 64:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return forward(x, layers)

    monkeypatch.setattr(encoder, "forward", limited)
    style = Styling([photograph(1)])
    assert stylize(encoder, scene(), style, params(evaluations=1), seed=1).image.size == (32, 32)
    with pytest.raises(OutOfMemory, match=r"Make smaller pictures.*STYLESTUDY_DEVICE"):
        stylize(encoder, scene(), style, params(size=64), seed=1)
    with pytest.raises(OutOfMemory, match="does not suffice"):
        represent(encoder, [photograph(1)], size=64)
