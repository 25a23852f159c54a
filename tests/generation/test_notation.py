"""What people type for layers, sizes and overrides."""

from dataclasses import fields, replace

import pytest

from generation.notation import (
    NAMES,
    format_layers,
    format_schedule,
    overrides,
    parse_layers,
    parse_schedule,
    parse_weights,
)
from generation.vision.errors import BadParams
from generation.vision.recipe import TransferParams


@pytest.mark.parametrize(
    ("text", "layers", "weights"),
    [
        ("conv1_1", ("conv1_1",), (1.0,)),
        # 1 : 0.5 : 1 of 2.5.
        ("conv1_1 conv2_1*0.5 conv3_1", ("conv1_1", "conv2_1", "conv3_1"), (0.4, 0.2, 0.4)),
        ("conv1_1*3,conv2_1 * 1", ("conv1_1", "conv2_1"), (0.75, 0.25)),
        ("conv1_1*.5\n conv2_1*0", ("conv1_1", "conv2_1"), (1.0, 0.0)),
        # As a Japanese keyboard writes it.
        ("ｃｏｎｖ１＿１＊３、conv2_1×１", ("conv1_1", "conv2_1"), (0.75, 0.25)),
    ],
)
def test_layers(text: str, layers: tuple[str, ...], weights: tuple[float, ...]) -> None:
    found, shares = parse_layers(text)
    assert found == layers
    assert shares == pytest.approx(weights)


def test_five_layers_alike_weigh_as_in_the_paper() -> None:
    # Gatys et al. 2016, section 3: w_l = 1/5 in the five layers.
    published = TransferParams()
    assert parse_layers("conv1_1 conv2_1 conv3_1 conv4_1 conv5_1") == (
        published.style_layers,
        published.style_weights,
    )


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("conv1_1*", r"got “conv1_1\*”"),
        ("conv1_1*x", r"got “conv1_1\*x”"),
        ("conv1_1 conv2_1*-1", r"got “conv2_1\*-1”"),
        ("conv1_1*nan", r"got “conv1_1\*nan”"),
        ("conv1_1*1e9", r"got “conv1_1\*1e9”"),
        ("conv1_1*1_0", r"got “conv1_1\*1_0”"),
        ("conv1_1:2", "got “conv1_1:2”"),
        ("conv1_1*" + "9" * 5000, "with a weight where"),
        ("conv1_1*0 conv2_1*0", r"weight above 0, got “conv1_1\*0 conv2_1\*0”"),
        ("", "at least one layer .* got “”"),
        (" , ", "at least one layer"),
    ],
)
def test_layers_that_cannot_be_read(text: str, got: str) -> None:
    with pytest.raises(BadParams, match=got) as refused:
        parse_layers(text)
    assert refused.value.field == "style_layers"


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("128: 20, 192: 10", ((128, 20), (192, 10))),
        ("128:20 192 : 10", ((128, 20), (192, 10))),
        ("１２８：２０、１９２：１０", ((128, 20), (192, 10))),
        ("64:5", ((64, 5),)),
        ("", ()),
    ],
)
def test_schedules(text: str, schedule: tuple[tuple[int, int], ...]) -> None:
    assert parse_schedule(text) == schedule


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("128", "got “128”"),
        ("128 20", "got “128”"),
        ("128:", "got “128:”"),
        ("128: 20: 5", "got “128:20:5”"),
        ("128: 20.5", r"got “128:20\.5”"),
        ("-128: 20", "got “-128:20”"),
        ("9" * 5000 + ":1", "as in “128: 20, 192: 10”"),
    ],
)
def test_schedules_that_cannot_be_read(text: str, got: str) -> None:
    with pytest.raises(BadParams, match=got) as refused:
        parse_schedule(text)
    assert refused.value.field == "coarse"


def test_what_is_written_can_be_read() -> None:
    assert format_schedule(((128, 20), (192, 10))) == "128: 20, 192: 10"
    text = format_layers(("conv1_1", "conv2_1"), (2 / 3, 1 / 3))
    assert text == "conv1_1*0.6667 conv2_1*0.3333"
    assert parse_layers(text)[1] == pytest.approx((2 / 3, 1 / 3), abs=1e-4)
    small = format_layers(("conv1_1", "conv2_1"), (0.9999, 0.0000999))
    assert small == "conv1_1*0.9999 conv2_1*0.0000999"
    assert parse_layers(small)[1] == pytest.approx((0.9999, 0.0000999), rel=1e-3)


@pytest.mark.parametrize(
    ("text", "weights"), [("3 2 1", (3, 2, 1)), ("３、.5", (3, 0.5)), ("", ()), (" ", ())]
)
def test_weights(text: str, weights: tuple[float, ...]) -> None:
    assert parse_weights(text) == weights


@pytest.mark.parametrize("text", ["x", "0", "1 -2", "1 1e3", "nan"])
def test_weights_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadParams, match="numbers above 0") as refused:
        parse_weights(text)
    assert refused.value.field == "cluster_weights"


def test_overrides_are_parameters_and_none_leaves_the_preset() -> None:
    given = {
        **dict.fromkeys(NAMES),
        "style_layers": "conv1_1*3 conv2_1",
        "coarse": "128: 5",
        "content_weight": 0.0,
        "size": None,
    }
    expected = replace(
        TransferParams(),
        style_layers=("conv1_1", "conv2_1"),
        style_weights=(0.75, 0.25),
        coarse=((128, 5),),
        content_weight=0.0,
    )
    assert replace(TransferParams(), **overrides(given)) == expected


def test_every_parameter_has_a_name_to_give_it_by() -> None:
    assert {*NAMES, "style_weights"} == {field.name for field in fields(TransferParams)}
