"""A study's data as others can check them: see docs/export.md."""

from survey.export.making import Choices, ExportError, Made, write

__all__ = ["Choices", "ExportError", "Made", "write"]
