"""The benchmark of foils: what is counted, and that the table separates the designs."""

import numpy as np

from benchmarks.foils import measured, option_sets, passed


def test_the_target_stands_first_and_sets_differ_between_raters() -> None:
    sets = option_sets(6, 3, 20)
    assert (sets[:, :, 0] == np.arange(6)).all()
    assert len({tuple(sorted(options)) for options in sets[:, 0].tolist()}) > 5


def test_a_picture_that_is_always_chosen_passes_by_answers_but_not_by_choices() -> None:
    # By hand: 4 pictures, all of them options of every question; picture 0 is chosen by all 40 raters in all
    # 4 questions: right in 40 of 40 answers, but in 40 of 160 choices, which is 1/4. The others: 0.
    sets = option_sets(4, 4, 40)
    salience = np.array([1000.0, 0, 0, 0])
    assert passed(sets, salience, np.random.default_rng(0)) == [0.25, 0.0, 0.0]


def test_foils_per_rater_keep_the_level_of_choices_and_fixed_foils_do_not() -> None:
    rows = measured(12, 4, 1.5, [100], studies=60)
    rate = {(row["design"], row["test"]): float(row["false_positives"]) for row in rows}
    assert rate["per rater", "of choices"] < 0.05
    assert rate["per rater", "of choices"] < rate["per rater", "given choices"] < 0.055
    assert rate["fixed", "given choices"] > 0.1
    assert rate["fixed", "of choices"] > 0.1
    assert rate["per rater", "of answers"] > 0.1
