"""docs/planning.md says what the code computes."""

import re
from pathlib import Path

import pytest

from survey.stats.power import (
    Plan,
    design_effect,
    detectable_accuracy,
    holm_power,
    needed_raters,
    power,
    power_of_all_answers,
    raters_for_half_width,
)

TEXT = (Path(__file__).parents[2] / "docs" / "planning.md").read_text(encoding="utf-8")


def cells(beginning: str) -> list[str]:
    """Of the one row of a table that begins so."""
    (row,) = re.findall(rf"^\| {re.escape(beginning)} \|(.*)\|$", TEXT, re.MULTILINE)
    return [cell.strip() for cell in row.split("|")]


@pytest.mark.parametrize("effect", [1, 1.2, 1.5])
def test_the_raters_needed(effect):
    head = cells("true accuracy")
    row = cells(f"raters, deff {effect}")
    plan = Plan(4, 23, 3, effect)
    for accuracy, said in zip(map(float, head[:7]), map(int, row[:7]), strict=True):
        assert said == needed_raters(plan, accuracy, 0.8)
    for half_width, said in zip(map(float, head[9:]), row[9:], strict=True):
        assert said == "" or int(said) == raters_for_half_width(plan, 0.5, half_width)


@pytest.mark.parametrize("rho", [0, 0.1, 0.25, 0.5])
def test_both_powers(rho):
    effect = design_effect(3, rho)
    row = cells(f"{rho:g} ({effect:g})".removeprefix("0") if rho else "0 (1)")
    plan = Plan(4, 23, 3, effect)
    for raters, said in zip((9, 15, 30, 60), row, strict=True):
        planned, tested = map(float, said.split(" / "))
        assert planned == pytest.approx(power(plan, raters, 0.45), abs=0.00501)
        assert tested == pytest.approx(power_of_all_answers(plan, raters, 0.45), abs=0.00501)


def test_the_family_and_the_first_study():
    plan = Plan(4, 23, 3)
    few = [power(plan, 9, 0.45), *(holm_power(plan, 9, 0.45, n).mean for n in (6, 12, 23))]
    assert [f"{p:.2f}"[1:] for p in few] == [".18", ".19", ".22", ".27"]
    assert ".18 at the first step; .19 if 6 of the words" in TEXT
    assert ".22 for 12,\n.27 for all 23" in TEXT
    many = [power(plan, 30, 0.45), *(holm_power(plan, 30, 0.45, n).mean for n in (6, 12, 23))]
    assert "With 30 raters: " + ", ".join(f"{p:.2f}"[1:] for p in many) in TEXT
    least = [detectable_accuracy(Plan(4, 23, 3, effect), 9, 0.8) for effect in (1, 1.5)]
    said = " ".join(f"{p:.2f}"[1:] for p in least if p is not None).replace(" ", " (deff 1) or ")
    assert f"recognised at {said} (deff 1.5) and more" in TEXT
