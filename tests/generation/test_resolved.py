"""What a recipe finally is, as its page shows it."""

import pytest

from generation.models import Recipe
from generation.notation import NAMES
from generation.resolved import Line, Resolved, resolved
from generation.vision.errors import BadParams
from generation.vision.recipe import PRESETS


def by_label(found: Resolved) -> dict[str, Line]:
    return {line.label: line for line in found.lines}


def test_all_parameters_are_there_and_a_plain_recipe_is_its_preset() -> None:
    for name in PRESETS:
        encoder = PRESETS[name].params.encoder
        found = resolved(Recipe(preset=name, encoder=encoder))
        assert len(found.lines) == len(by_label(found)) == len(NAMES)
        assert not any(line.own for line in found.lines)
        assert found.reason == PRESETS[name].reason


def test_what_differs_is_marked_with_the_preset_s_value() -> None:
    lines = by_label(
        resolved(
            Recipe(
                preset="gatys2015",
                encoder="vgg16-hed",
                style_layers="conv1_1 conv2_1*0.5 conv3_1",
                coarse="64: 10, 128: 5",
                tv_weight=0.5,
                # What the preset has as well is no difference.
                content_weight=1e-3,
            )
        )
    )
    assert {label: (line.value, line.preset) for label, line in lines.items() if line.own} == {
        "encoder": ("VGG-16 (HED)", "VGG-19 (ImageNet)"),
        "style layers": (
            "conv1_1*0.4 conv2_1*0.2 conv3_1*0.4",
            "conv1_1*0.2 conv2_1*0.2 conv3_1*0.2 conv4_1*0.2 conv5_1*0.2",
        ),
        "smaller sizes first": ("64: 10, 128: 5", "–"),
        "weight of the total variation": ("0.5", "0"),
    }
    assert lines["content weight"].value == "0.001"


def test_the_budget_counts_all_sizes_and_the_texture() -> None:
    found = resolved(Recipe(preset="fast", encoder="vgg16-hed", coarse="64: 10, 128: 5"))
    # 10 + 5 and the preset's 20 at 256 pixels; its texture has 60.
    assert (
        "35 evaluations a picture (pixels: evaluations – 64: 10, 128: 5, 256: 20)" in found.budget
    )
    assert "60 for the texture" in found.budget
    assert "texture" not in resolved(Recipe(preset="preview", encoder="vgg16-hed")).budget


def test_what_has_no_effect_is_said() -> None:
    def unused(**values: str) -> set[str]:
        found = resolved(Recipe(encoder="vgg16-hed", **values))
        return {line.label for line in found.lines if not line.used}

    assert unused(preset="fast") == {"learning rate"}
    assert unused(preset="random-phase", optimizer="adam") == {
        "memory of L-BFGS",
        "evaluations of the texture",
    }
    assert unused(preset="gatys2015") == {
        "learning rate",
        "evaluations of the texture",
        "coarse from fine (σ)",
    }


def test_what_a_set_of_one_content_does_otherwise_is_said() -> None:
    def single(**values: object) -> dict[str, str]:
        found = resolved(Recipe(preset="fast", encoder="vgg16-hed", **values))
        return {line.label: line.value for line in found.single_content}

    phase = "random phase: the style's spectrum"
    assert single() == {"evaluations": "28", "initial image": phase}
    assert single(evaluations=9) == {"initial image": phase}
    assert single(initial="texture") == {}


def test_a_recipe_that_is_not_valid_is_refused() -> None:
    with pytest.raises(BadParams, match="conv3_4"):
        resolved(Recipe(preset="fast", encoder="vgg16-hed", content_layer="conv3_4"))
