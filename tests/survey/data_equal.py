"""Whether two studies' data are the same, to the last digit."""

from dataclasses import fields

import numpy as np

from survey.stats.data import Data, Trials


def assert_equal(expected: Data, came: Data) -> None:
    for field in fields(Data):
        if field.name != "trials":
            assert getattr(came, field.name) == getattr(expected, field.name), field.name
    for field in fields(Trials):
        one, other = (getattr(data.trials, field.name) for data in (expected, came))
        assert one.dtype == other.dtype, field.name
        np.testing.assert_array_equal(one, other, err_msg=field.name)
