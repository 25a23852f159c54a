"""Which questions, which options, in which slots, in which order: pure and seeded, without rows.

`plan` makes the trials of one participant, `check` says beforehand whether it can.
"""

from survey.design.checks import check
from survey.design.outline import (
    LATIN,
    PICTURE,
    RATING,
    WORD,
    DesignError,
    Outline,
    Picture,
    Planned,
    Role,
    generator,
    most_options,
    representatives,
    square_rows,
)
from survey.design.trials import plan

__all__ = [
    "LATIN",
    "PICTURE",
    "RATING",
    "WORD",
    "DesignError",
    "Outline",
    "Picture",
    "Planned",
    "Role",
    "check",
    "generator",
    "most_options",
    "plan",
    "representatives",
    "square_rows",
]
