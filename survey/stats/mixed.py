"""The crossed logistic mixed model: how much raters, words and questions of a word differ."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from survey.stats.data import Bools, Data, Ints, Trials

TERMS = ("rater", "word", "question")

FEW_LEVELS = 5
"""A variance of fewer levels is hardly an estimate; mixedlm and lme4's authors warn below it, too."""

SAME = 1e-6
"""Log-likelihoods of one model, reached by two optimizations, differ by less."""


class MixedError(ValueError):
    """A model that cannot be fitted to these answers."""


@dataclass(frozen=True)
class Fit:
    """A fitted model, on the scale of log-odds.

    ``sd`` are the standard deviations of the random intercepts, by group; ``notes`` what the fitting program warned of.
    """

    intercept: float
    se: float
    sd: dict[str, float]
    log_likelihood: float
    converged: bool
    notes: tuple[str, ...] = ()


def fit(right: Bools, groups: Mapping[str, Ints]) -> Fit:
    """Fit ``right ~ 1 + (1 | group) + …`` by maximum likelihood.

    A generalized linear mixed model, Bernoulli with logit link, the integral over the random intercepts by
    Laplace's approximation (Breslow and Clayton 1993, JASA 88, 9–25; Bates et al. 2015, J. Stat. Softw. 67(1)), by
    the package mixedlm, which is tested against lme4's numbers. Laplace's approximation makes standard deviations of
    groups with few binary answers too small. Without groups it is the binomial model in closed form.

    Args:
        right: (n,) of the answers.
        groups: name → (n,) the level of each answer; at least two levels each.

    Raises:
        MixedError: all answers are right or all wrong, a group has one level, or the fitting failed.
    """
    n, correct = len(right), int(np.sum(right))
    if correct in (0, n):
        raise MixedError(
            f"Expected right and wrong answers; came {correct} right of {n}. "
            "Where all are alike there is nothing to explain."
        )
    single = [name for name, levels in groups.items() if len(np.unique(levels)) < 2]
    if single:
        raise MixedError(f"Expected at least two levels of {single[0]}; came one. Leave it out.")
    if not groups:
        p = correct / n
        log_likelihood = correct * math.log(p) + (n - correct) * math.log1p(-p)
        se = 1.0 / math.sqrt(n * p * (1 - p))
        return Fit(math.log(p / (1 - p)), se, {}, log_likelihood, True)
    return _glmer(right, groups)


def _glmer(right: Bools, groups: Mapping[str, Ints]) -> Fit:
    import pandas as pd
    from mixedlm import glmer, glmerControl
    from mixedlm.families import Binomial
    from mixedlm.models.checks import ModelCheckError

    frame = pd.DataFrame({"right": np.asarray(right, dtype=np.int64), **groups})
    formula = "right ~ 1 + " + " + ".join(f"(1 | {name})" for name in groups)
    # A variance of zero is a result here, not a fault; few levels and convergence are told by the caller.
    control = glmerControl(
        check_conv=False, check_singular=False, check_nlev_gtreq_5="ignore", check_scaleX="ignore"
    )
    # Its warnings, and those of numpy at far-off parameters that the optimizer tries, are kept with the fit.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = glmer(formula, frame, family=Binomial(), control=control)
            se = float(np.sqrt(model.vcov()[0, 0]))
            log_likelihood = float(model.logLik().value)
        except (
            ModelCheckError,
            ArithmeticError,
            RuntimeError,
            ValueError,
            np.linalg.LinAlgError,
        ) as error:
            raise MixedError(
                f"The model could not be fitted to {len(frame)} answers: {error}"
            ) from error
    numbers = (float(model.beta[0]), se, log_likelihood, *map(float, model.theta))
    if not all(map(math.isfinite, numbers)):
        raise MixedError(
            f"The model could not be fitted to {len(frame)} answers: a result is not finite."
        )
    return Fit(
        intercept=numbers[0],
        se=se,
        # The scale of a Bernoulli model is 1, so its θ are the standard deviations.
        sd=dict(zip(groups, (abs(value) for value in numbers[3:]), strict=True)),
        log_likelihood=log_likelihood,
        converged=bool(model.converged),
        notes=tuple(dict.fromkeys(str(warning.message) for warning in caught)),
    )


def boundary_p_value(statistic: float) -> float:
    """p of a likelihood-ratio statistic for one variance that is 0 under the hypothesis.

    Zero is the end of its range, so half the time the statistic is 0 and else χ² with 1 degree of freedom: the p value is
    half of χ²'s (Self and Liang 1987, JASA 82, 605–610, case 5; Stram and Lee 1994, Biometrics 50, 1171–1177), and 1
    for a statistic of 0. Where another variance of the model is 0 too, it is too large rather than too small.

    >>> round(boundary_p_value(2.7055), 4)  # χ²'s point for 10 %
    0.05
    """
    if not statistic >= 0:
        raise MixedError(f"Expected a statistic of at least 0; came {statistic}.")
    return 1.0 if statistic < SAME else 0.5 * math.erfc(math.sqrt(statistic / 2.0))


def mixed_model(data: Data, *, sample: int = 20_000, seed: int = 0) -> dict[str, Any]:
    """``correct ~ 1 + (1 | rater) + (1 | word) + (1 | question)`` with a test of each variance.

    A question is one picture asked about in one direction, so its variance, beyond that of words, is what content
    photographs (and directions, and recipes) make of a word. "Not sure" is not correct. Two departures from the way answers
    come about: the logit may fall to 0 while guessing is right 1/m of the time, so standard deviations on the
    log-odds scale are somewhat too small where accuracy is near chance; and one rater's answers share
    options, which the model does not know.

    A term is left out, with the reason, where it has one level, where no level has two answers, or where the
    question says no more than the word (one content, one direction).

    Args:
        data: the counted trials are used.
        sample: with more answers, whole raters are drawn without replacement until there are as many.
        seed: of the draw.

    Returns:
        ``answers`` and ``raters`` used, ``sampled``, ``levels`` by term, ``left_out`` term → reason, ``few`` terms of
        fewer than five levels, ``intercept`` (log-odds of the typical question), ``typical`` (as a probability),
        ``se``, ``sd`` by term (None: left out), ``log_likelihood``, ``tests`` term → ``chi2``, ``p_value`` (None: left out, or not to be
        computed), ``converged``, ``method``, ``notes``. Only ``error`` and the counts where there is no model.
    """
    counted = data.counted()
    trials = _sampled(counted, sample, seed)
    columns: dict[str, Ints] = {
        "rater": trials.participant,
        "word": data.question_word[trials.question],
        "question": trials.question,
    }
    levels = {name: len(np.unique(column)) for name, column in columns.items()}
    result: dict[str, Any] = {
        "answers": len(trials),
        "raters": levels["rater"],
        "sampled": len(trials) < len(counted),
        "levels": levels,
    }
    left_out = _left_out(levels, len(trials))
    groups = {name: column for name, column in columns.items() if name not in left_out}
    right = trials.correct
    try:
        full = fit(right, groups)
    except MixedError as error:
        return {**result, "error": str(error)}
    tests: dict[str, Any] = {name: {"chi2": None, "p_value": None} for name in TERMS}
    notes = list(full.notes)
    for name in groups:
        try:
            less = fit(right, {other: groups[other] for other in groups if other != name})
        except MixedError as error:
            notes.append(str(error))
            continue
        notes += less.notes
        if full.converged and less.converged:
            chi2 = max(0.0, 2.0 * (full.log_likelihood - less.log_likelihood))
            tests[name] = {"chi2": chi2, "p_value": boundary_p_value(chi2)}
    return {
        **result,
        "left_out": left_out,
        "few": [name for name in groups if levels[name] < FEW_LEVELS],
        "intercept": full.intercept,
        "typical": 1.0 / (1.0 + math.exp(-full.intercept)),
        "se": full.se,
        "sd": {name: full.sd.get(name) for name in TERMS},
        "log_likelihood": full.log_likelihood,
        "tests": tests,
        "converged": full.converged,
        "method": "Laplace" if groups else "binomial",
        "notes": list(dict.fromkeys(notes)),
    }


def _left_out(levels: Mapping[str, int], answers: int) -> dict[str, str]:
    """Term → why the answers cannot tell its variance."""
    reasons = {}
    for name in TERMS:
        if levels[name] < 2:
            reasons[name] = "one level"
        elif levels[name] == answers:
            reasons[name] = "one answer a level"
    if "question" not in reasons and levels["question"] == levels["word"]:
        reasons["question"] = "one question a word"
    return reasons


def _sampled(trials: Trials, sample: int, seed: int) -> Trials:
    """Those of whole raters, drawn in random order for as long as they fit; of two raters at least."""
    if len(trials) <= sample:
        return trials
    raters, answers = np.unique(trials.participant, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(raters))
    fitting = int((np.cumsum(answers[order]) <= sample).sum())
    return trials.take(np.isin(trials.participant, raters[order[: max(2, fitting)]]))
