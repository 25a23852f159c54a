"""Rules by which a study leaves participants out: declared, checked, applied, and said in words.

A study stores the rules and nothing else. Who is left out follows from them and from each participant's
signals (`survey.stats.quality`) every time it is asked, so a rule can be changed or taken back and no answer
is lost. Rules should be written before the data are seen (Simmons, Nelson and Simonsohn, 2011, Psychological
Science 22, 1359–1366). There is no rule about accuracy, on purpose: leaving out who did badly makes the accuracy
of the others look better than it is. See docs/exclusions.md for every rule with an example.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from survey.stats.data import Data
from survey.stats.quality import FLAGS, gettext_noop


class ExclusionError(ValueError):
    """Rules that cannot be understood, or signals that they cannot be applied to."""


@dataclass(frozen=True)
class Kind:
    """What a rule looks at. ``measure`` takes stored signals and gives (value, how many it is based on).

    ``bound`` is "more_than", "less_than" or "" where the rule has no limit. ``unit`` is "share" (from 0 to below 1),
    "probability" (above 0 to 1), "ms" (above 0) or "count" (whole, from 1).
    """

    sentence: str
    measure: Callable[[Mapping[str, Any]], tuple[float | None, int]] | None = None
    bound: str = ""
    unit: str = ""


def _share(count: str, asked: str) -> Callable[[Mapping[str, Any]], tuple[float | None, int]]:
    def measure(signals: Mapping[str, Any]) -> tuple[float | None, int]:
        of = int(signals[asked])
        found = signals[count]
        many = len(found) if isinstance(found, (list, tuple)) else int(found)
        return (many / of if of else None), of

    return measure


def _value(key: str) -> Callable[[Mapping[str, Any]], tuple[float | None, int]]:
    def measure(signals: Mapping[str, Any]) -> tuple[float | None, int]:
        return signals[key], int(signals["answers"])

    return measure


KINDS = {
    "unfinished": Kind(gettext_noop("The study was not finished.")),
    "answers": Kind(
        gettext_noop("Fewer than %(limit)s questions were answered."),
        _value("answers"),
        "less_than",
        "count",
    ),
    "gold_failed": Kind(
        gettext_noop("More than %(limit)s of the obvious questions were answered wrongly."),
        _share("gold_failed", "gold_asked"),
        "more_than",
        "share",
    ),
    "attention_failed": Kind(
        gettext_noop("More than %(limit)s of the attention checks were failed."),
        _share("attention_failed", "attention_asked"),
        "more_than",
        "share",
    ),
    "repeats_changed": Kind(
        gettext_noop(
            "More than %(limit)s of the questions that came twice were answered differently."
        ),
        _share("repeats_changed", "repeats_asked"),
        "more_than",
        "share",
    ),
    "fast_share": Kind(
        gettext_noop("More than %(limit)s of the timed answers came too fast."),
        _share("fast", "timed"),
        "more_than",
        "share",
    ),
    "median_ms": Kind(
        gettext_noop("The typical answer came within less than %(limit)s ms."),
        _value("median_ms"),
        "less_than",
        "ms",
    ),
    "longest_run_p": Kind(
        gettext_noop(
            "The same position was chosen so many times running that chance gives it with a probability below %(limit)s."
        ),
        _value("longest_run_p"),
        "less_than",
        "probability",
    ),
    "slot_p": Kind(
        gettext_noop(
            "One position was chosen so often that chance gives it with a probability below %(limit)s."
        ),
        _value("slot_p"),
        "less_than",
        "probability",
    ),
    "focus_share": Kind(
        gettext_noop("The page was left during more than %(limit)s of the questions."),
        _share("focus_questions", "answers"),
        "more_than",
        "share",
    ),
    "not_sure_share": Kind(
        gettext_noop("“Not sure” was chosen for more than %(limit)s of the questions."),
        _share("not_sure", "answers"),
        "more_than",
        "share",
    ),
    "webdriver": Kind(FLAGS["webdriver"]),
    "flag": Kind(gettext_noop("Flagged: %(flag)s")),
    "participant": Kind(gettext_noop("%(participant)s, by hand: %(reason)s")),
}
"""Name of a rule → what it looks at, in the order in which docs/exclusions.md explains them."""

AT_LEAST = gettext_noop("Only where there were at least %(count)s of them.")


@dataclass(frozen=True)
class Rule:
    """One rule. ``limit`` is None for rules without; ``at_least`` the fewest questions that a share is taken of.

    ``participant`` is the pseudonym of somebody who is left out by hand, ``reason`` says why.
    """

    name: str
    limit: float | None = None
    at_least: int = 1
    flag: str = ""
    participant: str = ""
    reason: str = ""

    @property
    def code(self) -> str:
        """Stable name of the reason, as in ``Participant.excluded``: the rule's, ``flag:one_slot``, or ``participant:p…``."""
        detail = self.flag or self.participant
        return f"{self.name}:{detail}" if detail else self.name

    def to_json(self) -> dict[str, Any]:
        """The rule as it is declared; `parse` reads it back."""
        out: dict[str, Any] = {"rule": self.name}
        if self.limit is not None:
            out[KINDS[self.name].bound] = self.limit
        if self.at_least != 1:
            out["at_least"] = self.at_least
        for key in ("flag", "participant", "reason"):
            if getattr(self, key):
                out[key] = getattr(self, key)
        return out


def parse(rules: object) -> tuple[Rule, ...]:
    """Rules as a study declares them, for example::

        [{"rule": "gold_failed", "more_than": 0.34, "at_least": 3}, {"rule": "unfinished"}]

    ``rules`` is what JSON gives: a list of objects, [] for none. Raises ExclusionError, with the place of the rule
    (from 1), what was expected, what came and what to do.
    """
    if not isinstance(rules, (list, tuple)):
        raise ExclusionError(
            f'Expected a list of rules, such as [{{"rule": "unfinished"}}]; came {rules!r}. Write [] for none.'
        )
    parsed: list[Rule] = []
    for place, declared in enumerate(rules, start=1):
        try:
            rule = _rule(declared)
        except ExclusionError as error:
            raise ExclusionError(f"Rule {place}: {error}") from None
        if rule.code in {other.code for other in parsed}:
            raise ExclusionError(
                f"Rule {place}: expected each rule once; came {rule.code} again. Keep the stricter one."
            )
        parsed.append(rule)
    return tuple(parsed)


def apply(
    rules: Sequence[Rule],
    signals: Mapping[str, Any] | None,
    finished: bool,
    participant: str = "",
) -> tuple[str, ...]:
    """Codes of the rules that leave a participant out, in their order; () if none does.

    ``signals`` is what ``quality.Signals.to_json`` gives, None where nothing is known. A rule about what is not
    known leaves nobody out: no gold question was asked, no time was measured, no choice was made. A limit itself
    is still allowed: with ``more_than`` 0.5, one of two passes. Raises ExclusionError for signals without
    the numbers that a rule looks at.
    """
    try:
        return tuple(
            rule.code
            for rule in rules
            if (
                rule.participant == participant
                if rule.participant
                else _hits(rule, signals, finished)
            )
        )
    except (KeyError, TypeError) as error:
        raise ExclusionError(
            f"Expected signals as quality.Signals.to_json gives them; came some without {error}. "
            "Compute them again from the answers."
        ) from error


def exclude(data: Data, rules: Sequence[Rule]) -> Data:
    """The same study with ``Participant.excluded`` by these rules, whatever it was; no trial is taken away.

    ``Data.where(excluded=False)`` then leaves their answers out; ``exclude(data, ())`` takes everything back.
    """
    return replace(
        data,
        participants=tuple(
            replace(p, excluded=apply(rules, p.signals, p.finished, p.id))
            for p in data.participants
        ),
    )


def exclusion_section(data: Data, rules: Sequence[Rule]) -> dict[str, Any]:
    """Who is left out and why, as ``data.participants`` have it; participants without an answer do not count.

    ``only``: how many each rule leaves out whom no other does. ``rules`` are those declared, also if they hit nobody.
    """
    answers = data.trials.participant
    present = sorted(set(answers.tolist()))
    reasons = {place: data.participants[place].excluded for place in present}
    left_out = {place for place, found in reasons.items() if found}
    return {
        "participants": len(present),
        "excluded": len(left_out),
        "answers": len(data.trials),
        "answers_excluded": sum(place in left_out for place in answers.tolist()),
        "rules": [
            {
                **rule.to_json(),
                "code": rule.code,
                "sentence": describe(rule),
                "participants": sum(rule.code in found for found in reasons.values()),
                "only": sum(found == (rule.code,) for found in reasons.values()),
            }
            for rule in rules
        ],
    }


def describe(rule: Rule, translate: Callable[[str], str] = str) -> str:
    """The rule in a sentence; ``translate`` is gettext where a page shows it.

    >>> describe(Rule("gold_failed", 0.34, at_least=3))
    'More than 34 % of the obvious questions were answered wrongly. Only where there were at least 3 of them.'
    """
    flag = translate(FLAGS[rule.flag]) if rule.flag else ""
    limit = _limit_text(rule) if rule.limit is not None else ""
    text = translate(KINDS[rule.name].sentence) % {
        "limit": limit,
        "flag": flag,
        "participant": rule.participant,
        "reason": rule.reason,
    }
    if rule.at_least != 1:
        text += " " + translate(AT_LEAST) % {"count": rule.at_least}
    return text


# --- one rule -----------------------------------------------------------------------------------


def _rule(declared: object) -> Rule:
    if not isinstance(declared, Mapping):
        raise ExclusionError(
            f'expected an object such as {{"rule": "unfinished"}}; came {declared!r}.'
        )
    name = declared.get("rule")
    if not isinstance(name, str) or name not in KINDS:
        raise ExclusionError(f'expected "rule" to be one of {", ".join(KINDS)}; came {name!r}.')
    kind = KINDS[name]
    known = {"rule", *([kind.bound] if kind.bound else [])}
    if kind.unit == "share":
        known.add("at_least")
    if name == "flag":
        known.add("flag")
    if name == "participant":
        known |= {"participant", "reason"}
    unknown = [key for key in declared if key not in known]
    if unknown:
        raise ExclusionError(
            f"expected {_listed(known)} with {name}; came {unknown[0]!r} as well. Take it out."
        )
    return Rule(
        name,
        limit=_limit(kind, declared.get(kind.bound)) if kind.bound else None,
        at_least=_whole("at_least", declared.get("at_least", 1)),
        flag=_flag(declared.get("flag")) if name == "flag" else "",
        **(
            {key: _text(key, declared.get(key)) for key in ("participant", "reason")}
            if name == "participant"
            else {}
        ),
    )


RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "share": ("a share from 0 to below 1, such as 0.25", lambda x: 0 <= x < 1),
    "probability": ("a probability above 0 and up to 1, such as 0.001", lambda x: 0 < x <= 1),
    "ms": ("milliseconds above 0, such as 800", lambda x: 0 < x < math.inf),
    "count": ("a whole number from 1, such as 20", lambda x: x >= 1 and x == int(x)),
}


def _limit(kind: Kind, value: object) -> float:
    expected, fits = RANGES[kind.unit]
    # True is a number to Python, and nobody's limit.
    if (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and fits(value)
    ):
        return value
    came = "nothing" if value is None else repr(value)
    raise ExclusionError(f'expected "{kind.bound}" to be {expected}; came {came}.')


def _whole(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ExclusionError(f'expected "{key}" to be a whole number from 1; came {value!r}.')
    return value


def _flag(value: object) -> str:
    if not isinstance(value, str) or value not in FLAGS:
        raise ExclusionError(f'expected "flag" to be one of {", ".join(FLAGS)}; came {value!r}.')
    return value


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ExclusionError(f'expected "{key}" to be a text; came {value!r}.')
    return value.strip()


def _listed(keys: set[str]) -> str:
    return ", ".join(f'"{key}"' for key in sorted(keys, key=lambda key: (key != "rule", key)))


def _hits(rule: Rule, signals: Mapping[str, Any] | None, finished: bool) -> bool:
    if rule.name == "unfinished":
        return not finished
    if signals is None:
        return False
    if rule.name == "webdriver":
        return bool(signals["webdriver"])
    if rule.name == "flag":
        return rule.flag in signals["flags"]
    kind = KINDS[rule.name]
    if kind.measure is None or rule.limit is None:
        raise ExclusionError(
            f"Expected a limit with {rule.name}; came none. Make rules by `parse`."
        )
    value, based_on = kind.measure(signals)
    if value is None or based_on < rule.at_least:
        return False
    # A share of exactly 1/3 is not more than 1/3, however it was written down.
    return value > rule.limit + 1e-9 if kind.bound == "more_than" else value < rule.limit


def _limit_text(rule: Rule) -> str:
    limit = rule.limit or 0
    return f"{limit * 100:g} %" if KINDS[rule.name].unit == "share" else f"{limit:,g}"
