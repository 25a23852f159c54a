"""The documents say what the code does."""

import re
from dataclasses import fields
from pathlib import Path

from generation.vision.recipe import COLORS, LOSSES, OPTIMIZERS, STARTS, STATISTICS, TransferParams
from generation.vision.specs import POOLINGS, SPECS

METHOD = Path(__file__).parents[1] / "docs" / "method.md"


def rows() -> dict[str, list[str]]:
    """Of the table of parameters: the name, and the other cells."""
    section = METHOD.read_text(encoding="utf-8").split("### Parameters of a recipe")[1]
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", section.split("\n## ")[0], re.MULTILINE)
    assert len(dict(lines)) == len(lines), "each name once"
    return {name: rest.split("|") for name, rest in lines}


def test_the_table_of_parameters_is_that_of_the_engine() -> None:
    assert list(rows()) == [field.name for field in fields(TransferParams)]


def test_the_table_names_every_choice() -> None:
    choices = {
        "encoder": tuple(SPECS),
        "pooling": POOLINGS,
        "statistic": STATISTICS,
        "loss": LOSSES,
        "optimizer": OPTIMIZERS,
        "initial": STARTS,
        "color": COLORS,
    }
    for name, known in choices.items():
        named = set(re.findall(r"`([\w-]+)`", rows()[name][1]))
        # The loss also names the statistic that it goes with.
        assert named - {"gram"} == set(known) - {"gram"}, name
