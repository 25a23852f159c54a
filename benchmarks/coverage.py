"""How often 95 % intervals of an accuracy hold the truth, when the answers of one rater go together.

    .venv/bin/python benchmarks/coverage.py [--studies 2000] [--sd 0.25 0.5 0.7 1] [--json]

A rater of ability u ~ N(0, σ²) answers a question rightly with logit μ + u + w + q: w ~ N(0, 1) is the word's,
q ~ N(0, 0.5²) the question's. Words and questions are drawn BLOCKS times and stay the same within a block, as those of one
study do; raters are drawn anew for each simulated study. The truth is the accuracy on these questions over all raters
(Gauss–Hermite over u). Designs: 69 questions are 23 words × 3 contents, 3 questions those of one word.

- ``Wilson``: all answers independent.
- ``percentile``: rater bootstrap, plain percentiles.
- ``effective-n``: Wilson's interval at n* (`survey.stats.intervals`), whatever the number of raters.
- ``reported``: what the report gives: effective-n below 30 raters, from 30 the widened rater bootstrap.

A row is the mean over μ of 0, 1 and 2.2; ``worst`` is the least coverage of ``reported`` among the three. A coverage of
.95 from 6,000 studies has a standard error of .003, ``worst`` one of .005. ``width`` is the mean width.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt

from survey.stats.intervals import RaterCounts, pooled_rows, wilson_limits

DESIGNS = ((9, 69), (9, 3), (30, 69), (30, 3), (100, 69), (100, 3))
MEANS, WORD_SD, QUESTION_SD, CONTENTS, BLOCKS = (0.0, 1.0, 2.2), 1.0, 0.5, 3, 20
METHODS = ("Wilson", "percentile", "effective-n", "reported")
Z, RESAMPLES = 1.959964, 2000

Floats = npt.NDArray[np.float64]
Row = dict[str, float | int]


def logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def truth(questions: Floats, sd: float) -> float:
    """Accuracy over all raters, from the questions' logits."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    return float((logistic(questions[:, None] + sd * nodes) @ (weights / weights.sum())).mean())


def simulated(
    raters: int, questions: int, sd: float, mean: float, studies: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Right answers (raters, studies), and the truth of each study."""
    counts, truths = [], []
    for block in np.array_split(np.arange(studies), BLOCKS):
        words = np.repeat(rng.normal(0, WORD_SD, questions // CONTENTS), CONTENTS)
        logits = mean + words + rng.normal(0, QUESTION_SD, questions)
        ability = rng.normal(0, sd, (raters, len(block), 1))
        right = rng.random((raters, len(block), questions)) < logistic(logits + ability)
        counts.append(right.sum(axis=2))
        truths.append(np.full(len(block), truth(logits, sd)))
    return np.concatenate(counts, axis=1), np.concatenate(truths)


def percentiles(right: npt.NDArray[np.int64], questions: int) -> tuple[Floats, Floats]:
    raters = len(right)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(raters, np.full(raters, 1 / raters), size=RESAMPLES)
    shares = weights.astype(np.float32) @ right.astype(np.float32) / (raters * questions)
    low, high = np.quantile(shares, (0.025, 0.975), axis=0)
    return low, high


def intervals(right: npt.NDArray[np.int64], questions: int) -> list[tuple[Floats, Floats]]:
    """Limits by each of METHODS; one column of ``right`` is one study."""
    raters, studies = right.shape
    share, answers = right.sum(axis=0) / (raters * questions), raters * questions
    pairs = np.arange(raters * studies)
    counts = RaterCounts(
        row=pairs % studies,
        rater=pairs // studies,
        correct=right.ravel(),
        answers=np.full(len(pairs), questions),
        rows=studies,
        raters=raters,
    )
    rows = pooled_rows(counts, resamples=RESAMPLES)
    effective = np.array([row.effective_n for row in rows])
    return [
        wilson_limits(share, np.full(studies, float(answers)), Z),
        percentiles(right, questions),
        wilson_limits(share, effective, Z),
        (np.array([row.low for row in rows]), np.array([row.high for row in rows])),
    ]


def measured(raters: int, questions: int, sd: float, studies: int, seed: int = 0) -> Row:
    """Coverage and width of every method in one design."""
    rng = np.random.default_rng(seed)
    covered, widths, effects = [], [], []
    for mean in MEANS:
        right, truths = simulated(raters, questions, sd, mean, studies, rng)
        limits = intervals(right, questions)
        # Limits that touch the truth but for rounding hold it.
        covered.append([np.mean((a <= truths + 1e-9) & (truths <= b + 1e-9)) for a, b in limits])
        widths.append([np.mean(b - a) for a, b in limits])
        share = right.sum(axis=0) / (raters * questions)
        between = (right / questions).var(axis=0, ddof=1).mean() / raters
        effects.append(between / (share * (1 - share)).mean() * raters * questions)
    coverage, width = np.array(covered), np.array(widths)
    row: Row = {"raters": raters, "questions": questions, "rater_sd": sd}
    row |= {name: round(float(coverage[:, i].mean()), 4) for i, name in enumerate(METHODS)}
    row |= {f"width {name}": round(float(width[:, i].mean()), 4) for i, name in enumerate(METHODS)}
    row["worst"] = round(float(coverage[:, -1].min()), 4)
    row["design_effect"] = round(float(np.mean(effects)), 2)
    return row


def show(rows: Sequence[Row]) -> None:
    print(
        f"| raters × questions | σ | design effect | {' | '.join(METHODS)} | worst | width, Wilson | width, reported |"
    )
    print("|" + "---|" * (len(METHODS) + 6))
    for row in rows:
        shares = [f"{row[name]:.3f}"[1:] if row[name] < 1 else "1" for name in (*METHODS, "worst")]
        print(
            f"| {row['raters']} × {row['questions']} | {row['rater_sd']:g} | {row['design_effect']:.1f} | "
            f"{' | '.join(shares)} | {row['width Wilson']:.2f} | {row['width reported']:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=2000, help="for each mean")
    parser.add_argument("--sd", type=float, nargs="+", default=[0.25, 0.5, 0.7, 1.0])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [
        measured(raters, questions, sd, given.studies)
        for raters, questions in DESIGNS
        for sd in given.sd
    ]
    if given.json:
        print(json.dumps(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
