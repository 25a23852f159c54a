"""How often a striking picture looks recognised: fixed foils against foils drawn per rater.

    .venv/bin/python benchmarks/foils.py [--words 23] [--options 4] [--salience 1.0] [--studies 300] [--json]

All raters ignore the word: they choose among the pictures of a question by salience only, with
probability exp(s) / Σ exp(s) (Luce 1959, *Individual Choice Behavior*; s of each picture is drawn from N(0, σ²) for
each simulated study and is the same for all raters). So no picture is recognised, and each that passes a test
at α = 0.05 is a false positive. One content, word → picture; each rater answers all questions once.

Designs: ``fixed``: one plan of `survey.design`, its options shown to all raters. ``per rater``: a plan for each.

Tests, exact binomial, one-sided, against 1/m (`survey.stats.accuracy.chance_p_value`), but for the last:

- ``of answers``: right answers among the answers to the picture's own question (the report's test of
  accuracy). A
  striking picture is chosen wherever it is shown, so it passes by its own salience in either design.
- ``of choices``: right choices among all choices of the picture, as target or as foil. With foils per rater each
  picture is a foil m − 1 times for each time that it is the target, in sets alike by chance: 1/m of the
  choices of a picture that is not recognised are right, however striking it is. With fixed foils the
  sets stay different, and more raters only make that clearer.

- ``given choices``: the same right choices, given how often each rater chose the picture of the times it was shown
  (`survey.stats.choice.conditional_p_value`; the report's test of recognition). A rater who chooses it m times is right once for
  certain, which the test before does not know: that one is more cautious than it need be.

Intervals: ± 1.96 standard errors between studies.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt

from survey import design
from survey.stats.accuracy import chance_p_value
from survey.stats.choice import conditional_p_value

ALPHA, POOL = 0.05, 1000
DESIGNS, TESTS = ("fixed", "per rater"), ("of answers", "of choices", "given choices")

Ints = npt.NDArray[np.int64]


def option_sets(words: int, options: int, count: int) -> Ints:
    """Plans of that many raters: (rater, target, option) → picture; the target comes first."""
    pictures = [design.Picture(i, i, 0) for i in range(words)]
    outline = design.Outline((design.PICTURE,), options)
    sets = np.zeros((count, words, options), dtype=np.int64)
    for rater in range(count):
        for t in design.plan(pictures, outline, design.generator(rater)):
            sets[rater, t.target] = [t.target, *(o for o in t.options if o != t.target)]
    return sets


@cache
def false_positive(right: int, number: int, options: int) -> bool:
    return chance_p_value(right, {options: number}) < ALPHA


def passed(sets: Ints, salience: npt.NDArray[np.float64], rng: np.random.Generator) -> list[float]:
    """Fraction of pictures that pass each of `TESTS` in one study; ``sets`` as in `option_sets`."""
    raters, words, options = sets.shape
    # The largest of s + Gumbel noise is chosen with probability exp(s) / Σ exp(s).
    place = np.argmax(salience[sets] + rng.gumbel(size=sets.shape), axis=2)
    right = (place == 0).sum(axis=0)
    chosen = np.take_along_axis(sets, place[..., None], axis=2)
    choices = np.bincount(chosen.ravel(), minlength=words)
    rates = [
        np.mean([false_positive(int(r), int(n), options) for r, n in zip(right, of, strict=True)])
        for of in (np.full(words, raters), choices)
    ]
    return [float(rate) for rate in (*rates, given_choices(sets, chosen[..., 0], right))]


def given_choices(sets: Ints, chosen: Ints, right: Ints) -> float:
    """The rate of the last of `TESTS`; ``chosen`` has the picture chosen by rater and question."""
    raters, words, _ = sets.shape
    shown, times = (
        np.stack([np.bincount(row.ravel(), minlength=words) for row in table])
        for table in (sets, chosen)
    )
    targets = np.ones(raters, dtype=np.int64)
    p_values = [
        conditional_p_value(shown[:, i], targets, times[:, i], int(right[i])) for i in range(words)
    ]
    return float(np.mean(np.array(p_values) < ALPHA))


def measured(
    words: int, options: int, salience: float, raters: Sequence[int], studies: int
) -> list[dict[str, float | int | str]]:
    """A row for each number of raters, design and test: the rate of false positives a picture."""
    pool = option_sets(words, options, max(POOL, *raters))
    rng = np.random.default_rng(0)
    rows: list[dict[str, float | int | str]] = []
    for number in raters:
        rates = np.zeros((studies, len(DESIGNS), len(TESTS)))
        for study in range(studies):
            drawn = rng.choice(len(pool), size=number, replace=False)
            fixed = np.repeat(pool[drawn[:1]], number, axis=0)
            s = rng.normal(0, salience, words)
            rates[study] = [passed(sets, s, rng) for sets in (fixed, pool[drawn])]
        error = 1.96 * rates.std(axis=0, ddof=1) / np.sqrt(studies)
        rows += [
            {
                "raters": number,
                "design": name,
                "test": test,
                "false_positives": float(rates[:, i, j].mean()),
                "plus_minus": float(error[i, j]),
            }
            for i, name in enumerate(DESIGNS)
            for j, test in enumerate(TESTS)
        ]
    return rows


def show(rows: Sequence[dict[str, float | int | str]]) -> None:
    print("| raters | design | " + " | ".join(TESTS) + " |")
    print("|---|---|" + "---|" * len(TESTS))
    for start in range(0, len(rows), len(TESTS)):
        line = rows[start : start + len(TESTS)]
        cells = [f"{r['false_positives']:.1%} ± {r['plus_minus']:.1%}" for r in line]
        print(f"| {line[0]['raters']} | {line[0]['design']} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", type=int, default=23)
    parser.add_argument("--options", type=int, default=4)
    parser.add_argument("--salience", type=float, default=1.0, help="σ of the pictures' salience")
    parser.add_argument("--raters", type=int, nargs="+", default=[30, 200])
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = measured(given.words, given.options, given.salience, given.raters, given.studies)
    if given.json:
        print(json.dumps(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
