"""How long hosts ask to be left alone."""

from email.utils import formatdate

import pytest

from generation.politeness import A_YEAR, retry_after

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("9" * 5000, A_YEAR),
        ("Fri, 31 Dec 9999 23:59:59 GMT", A_YEAR),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("1e3", None),
        ("Fri, 99 Dec 9999 23:59:59 GMT", None),
    ],
)
def test_a_number_or_a_date_and_a_year_at_most(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
