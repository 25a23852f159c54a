"""The examples in the docstrings of the numeric packages say what the functions return."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import generation.vision
import survey.stats

MODULES = sorted(
    f"{package.__name__}.{module.name}"
    for package in (generation.vision, survey.stats)
    for module in pkgutil.iter_modules(package.__path__)
)


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(load(name)).failed == 0


def test_there_are_examples() -> None:
    """Were they not found, the test above would pass for nothing."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [e for name in MODULES for test in finder.find(load(name)) for e in test.examples]
    assert len(examples) >= 1
