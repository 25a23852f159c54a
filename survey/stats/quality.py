"""Signals about how one participant answered: fast answers, runs of one slot, failed checks.

Signals are for a person to look at. Nothing here, and nothing that uses it, leaves an answer out:
who is left out of an analysis is decided by the researcher, best before the data are seen
(Simmons, Nelson and Simonsohn, 2011, Psychological Science 22, 1359–1366). Practice is no part of
any signal. See docs/quality.md for every definition, number and source in one table.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import median
from typing import Any, Self

ROLES = ("practice", "main", "repeat", "gold", "attention")
KINDS = ("picture", "word", "rating")

# Makes the median absolute deviation estimate the σ of a normal distribution: 1 / Φ⁻¹(3/4).
MAD_TO_SIGMA = 1.4826


def gettext_noop(text: str) -> str:
    """Marks a text for translation by whoever shows it; nothing else."""
    return text


FLAGS = {
    "fast": gettext_noop(
        "Many answers came too fast for a look at the options, or far faster than this person usually is."
    ),
    "hasty": gettext_noop(
        "The typical answer came faster than the options can be compared with care."
    ),
    "run": gettext_noop("The same position was chosen many times running."),
    "one_slot": gettext_noop("One position was chosen far more often than the others."),
    "gold": gettext_noop("Obvious questions were answered wrongly."),
    "attention": gettext_noop("Attention checks were failed."),
    "repeats": gettext_noop(
        "Most questions that came twice were answered differently the second time."
    ),
    "focus": gettext_noop("The page was left again and again while questions were shown."),
    "not_sure": gettext_noop("“Not sure” was chosen for most questions."),
    "webdriver": gettext_noop("The browser said that a program controls it."),
}
"""Stable code of a flag → what it says, in the order in which flags are given."""


class QualityError(ValueError):
    """An answer, or stored signals, that cannot be."""


@dataclass(frozen=True)
class Given:
    """One answer as it was given.

    ``position`` counts a participant's trials in the order shown, each once. ``question`` is an
    id; a repeat has that of its first presentation. ``options`` are the ids shown, by slot; ()
    for a rating, whose ``slot`` is the point of the scale, from 0. ``slot`` None is "not sure".
    ``response_ms`` is measured in the page, in milliseconds ≥ 0; None where nothing measured it.
    """

    position: int
    role: str
    kind: str
    question: int
    options: tuple[int, ...]
    slot: int | None
    target_slot: int | None
    response_ms: float | None
    focus_losses: int = 0


@dataclass(frozen=True)
class Thresholds:
    """Every number that decides a flag. The reason or the source is with each."""

    version: int = 1
    """Counts up when a number here or a definition in this module changes."""

    floor_ms: float = 300.0
    """An answer below this is fast. No reaction to a stimulus comes within 100 ms (Luce, 1986,
    *Response Times*; Whelan, 2008, Psychological Record 58, 475–482), and to look from one option
    to another takes a saccade of about 200 ms (Rayner, 1998, Psychological Bulletin 124, 372–422).
    The same number as in Greenwald, Nosek and Banaji (2003, JPSP 85, 197–216, table 4)."""

    deviations: float = 2.5
    """An answer is fast below median − 2.5 × 1.4826 × MAD of the person's log times: the choice
    that Leys, Ley, Klein, Bernard and Licata (2013, JESP 49, 764–766) advise. Times are taken in
    logarithms because they are skewed (Luce, 1986); only the lower side counts here."""

    min_spread: float = 0.2
    """The estimated σ of log times is taken as at least this: 2.5 × 0.2 means that an answer
    within 39 % of the median never is fast, however regular the person (and the MAD may be 0 where
    a browser rounds its clock). Ours."""

    min_times: int = 10
    """With fewer times of a kind of question its distribution is unknown: the floor alone counts.
    Also the fewest times, of choices, for "hasty". Ours."""

    fast_share: float = 0.10
    """More fast answers than this among timed ones is "fast": as in Greenwald et al. (2003)."""

    fast_least: int = 3
    """... and at least so many, since one slip of the finger is not a way of answering. Ours."""

    median_ms: float = 1000.0
    """A median below this is "hasty": a second an item is where Wood, Harms, Lowman and DeSimone
    (2017, Social Psychological and Personality Science 8, 454–464) found answers to become
    inconsistent. Theirs were items to read, ours are pictures: look at the study's own times."""

    probability: float = 0.001
    """A run, or a share of one slot, less probable than this under independent uniform slots is
    a flag: of a thousand people who guess at random one is flagged by each. Ours."""

    failed_share: float = 1 / 3
    """More than this share of gold questions (attention checks) failed is a flag. Whoever guesses
    among four options fails more than one of three with probability 0.84, and whoever slips in
    3 % of questions with 0.003. One such question alone decides nothing: ask three. Ours."""

    changed_share: float = 0.75
    """More than this share of repeats answered otherwise is "repeats": the share expected of
    guessing among four options. A weak signal where pictures are hard. Ours."""

    changed_least: int = 4
    """Fewer repeats than this say nothing. Ours."""

    rating_slack: int = 1
    """A repeated rating counts as changed when it is more than so many points away. Ours."""

    focus_share: float = 0.2
    """The page left during more than this share of questions is "focus". That leaving is worth
    recording: Diedenhofen and Musch (2017, Behavior Research Methods 49, 1444–1459); the number
    is ours. A telephone rings for honest people, too."""

    focus_least: int = 3
    """... and during at least so many questions. Ours."""

    not_sure_share: float = 0.5
    """"Not sure" to more than this share of questions is "not_sure". Ours."""

    not_sure_least: int = 5
    """... and to at least so many. Ours."""


DEFAULTS = Thresholds()


@dataclass(frozen=True)
class Signals:
    """What one participant's answers show; practice is left out of all of it."""

    thresholds: Thresholds
    answers: int
    """Answers looked at."""
    timed: int
    """Those of them with a response time."""
    fast: tuple[int, ...]
    """Positions of fast answers."""
    median_ms: float | None
    """Median response time of choices (first presentations and repeats; no ratings, no checks)."""
    slot_counts: tuple[int, ...]
    """How often each slot was chosen; as many as the largest question has options."""
    slot_p: float | None
    """Probability of a slot chosen so often, see ``one_slot_p``; None without choices."""
    longest_run: int
    """Most choices of one slot running; "not sure" and ratings in between are passed over."""
    longest_run_p: float | None
    """Probability of a run at least so long, see ``run_p``; None without choices."""
    gold_failed: int
    gold_asked: int
    attention_failed: int
    attention_asked: int
    repeats_changed: int
    repeats_asked: int
    focus_losses: int
    """How often the page was left while a question was shown."""
    focus_questions: int
    """Questions during which that happened."""
    webdriver: bool
    not_sure: int
    """Answers "not sure"."""
    flags: tuple[str, ...]
    """Codes of FLAGS, in its order."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict for JSON; ``from_json`` gives the same signals back."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Signals as ``to_json`` wrote them.

        Raises QualityError for keys that are missing or unknown: signals of another version are
        computed again from the answers.
        """
        _same_keys(stored, cls)
        limits = stored["thresholds"]
        if not isinstance(limits, Mapping):
            raise QualityError(f"Expected thresholds as an object; came {limits!r}.")
        _same_keys(limits, Thresholds)
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()
        }
        return cls(**{**values, "thresholds": Thresholds(**limits)})


def signals(
    given: Sequence[Given], *, webdriver: bool = False, thresholds: Thresholds = DEFAULTS
) -> Signals:
    """All signals of one participant.

    ``given`` are the answers so far, in any order; ``webdriver`` is what the browser said of
    itself (``navigator.webdriver``). Raises QualityError for answers that cannot be: an unknown
    role or kind, a position twice, a slot that was not shown, a time that is no number ≥ 0.
    """
    _check(given)
    counted = sorted((g for g in given if g.role != "practice"), key=lambda g: g.position)
    # A choice has options; "not sure" chose no slot, so given that one was chosen the null
    # hypothesis of uniform slots is the same without it.
    chosen = [(len(g.options), g.slot) for g in counted if g.options and g.slot is not None]
    options = [m for m, _slot in chosen]
    slots = [slot for _m, slot in chosen]
    counts = tuple(slots.count(slot) for slot in range(max(options, default=0)))
    run = longest_run(slots)
    gold_failed, gold_asked = _failed(counted, "gold")
    attention_failed, attention_asked = _failed(counted, "attention")
    changed, repeats = _changed(counted, thresholds.rating_slack)
    times = [
        g.response_ms for g in counted if g.options and _ordinary(g) and g.response_ms is not None
    ]
    found = Signals(
        thresholds=thresholds,
        answers=len(counted),
        timed=sum(g.response_ms is not None for g in counted),
        fast=_fast(counted, thresholds),
        median_ms=float(median(times)) if times else None,
        slot_counts=counts,
        slot_p=one_slot_p(counts, options) if options else None,
        longest_run=run,
        longest_run_p=run_p(run, options) if options else None,
        gold_failed=gold_failed,
        gold_asked=gold_asked,
        attention_failed=attention_failed,
        attention_asked=attention_asked,
        repeats_changed=changed,
        repeats_asked=repeats,
        focus_losses=sum(g.focus_losses for g in counted),
        focus_questions=sum(g.focus_losses > 0 for g in counted),
        webdriver=webdriver,
        not_sure=sum(g.slot is None for g in counted),
        flags=(),
    )
    return _with_flags(found, len(times))


def longest_run(slots: Iterable[int]) -> int:
    """Length of the longest run of one value; 0 of none.

    >>> longest_run([2, 0, 0, 0, 1])
    3
    """
    longest = length = 0
    before: int | None = None
    for slot in slots:
        length = length + 1 if slot == before else 1
        longest = max(longest, length)
        before = slot
    return longest


def run_p(length: int, options: Sequence[int]) -> float:
    """P(longest run of any one slot ≥ ``length``) under independent uniform slots, exactly.

    ``options`` gives m of each question, in order, m ≥ 1; they may differ, and a slot that a
    question lacks ends there. A Markov chain on (slot, length of the current run) whose state
    "reached" absorbs, after Fu and Koutras (1994), Distribution theory of runs: a Markov chain
    approach, JASA 89, 1050–1058. The absorbed mass itself is summed, so that small probabilities
    keep their digits. Time: questions × slots × length. Returns a value in [0, 1].

    >>> run_p(3, [2, 2, 2])  # 000 or 111 of eight
    0.25
    >>> run_p(2, [4, 2])  # the second question has two of the four slots
    0.25
    """
    if length <= 1:
        return 1.0 if options or length < 1 else 0.0
    if length > len(options):
        return 0.0
    # at[slot][r - 1]: probability that the current run is of this slot, r long, and none was longer
    # or as long as asked for.
    at = [[0.0] * (length - 1) for _slot in range(max(options))]
    elsewhere = 1.0  # before the first question no slot has a run
    reached = 0.0
    for m in options:
        of_slot = [sum(runs) for runs in at]
        alive = elsewhere + sum(of_slot)
        for slot, runs in enumerate(at):
            if slot < m:
                reached += runs[-1] / m
                at[slot] = [(alive - of_slot[slot]) / m, *(p / m for p in runs[:-1])]
            else:
                at[slot] = [0.0] * (length - 1)
        elsewhere = 0.0
    return min(1.0, reached)


def one_slot_p(counts: Sequence[int], options: Sequence[int]) -> float:
    """Probability that some slot is chosen as improbably often as the worst of ``counts`` is.

    Under independent uniform slots the count of one slot is a sum of independent trials with
    probability 1/m each over the questions that have it: a Poisson-binomial variable (Wang, 1993,
    Statistica Sinica 3, 295–312), whose upper tail is computed exactly. The smallest tail over
    the slots is multiplied by their number (Bonferroni), at most 1: a bound for all slots
    together, a close one in the tail since counts of different slots are negatively associated.

    >>> one_slot_p([3, 0], [2, 2, 2])  # 2 × 1/8
    0.25
    """
    tails = [
        _tail([1 / m for m in options if slot < m], count) for slot, count in enumerate(counts)
    ]
    return min(1.0, len(tails) * min(tails))


def _tail(chances: Sequence[float], least: int) -> float:
    """P(at least ``least`` of independent events with these probabilities)."""
    if least <= 0:
        return 1.0
    below = [1.0] + [0.0] * (least - 1)
    reached = 0.0
    for p in chances:
        reached += below[-1] * p
        for k in range(least - 1, 0, -1):
            below[k] = below[k] * (1 - p) + below[k - 1] * p
        below[0] *= 1 - p
    return reached


def _fast(counted: Sequence[Given], limits: Thresholds) -> tuple[int, ...]:
    """Positions of answers below the floor, or far below the person's own times of that kind."""
    cutoffs = dict.fromkeys(KINDS, limits.floor_ms)
    logs = {
        kind: [
            _log(g.response_ms)
            for g in counted
            if g.kind == kind and _ordinary(g) and g.response_ms is not None
        ]
        for kind in KINDS
    }
    # Choosing and rating differ in length, so each kind has its center; the spread is shared.
    known = {
        kind: median(values) for kind, values in logs.items() if len(values) >= limits.min_times
    }
    away = [abs(value - center) for kind, center in known.items() for value in logs[kind]]
    if away:
        spread = max(limits.min_spread, MAD_TO_SIGMA * median(away))
        for kind, center in known.items():
            cutoffs[kind] = max(limits.floor_ms, math.exp(center - limits.deviations * spread))
    # Checks are easier or harder than questions on purpose: for them only the floor.
    return tuple(
        g.position
        for g in counted
        if g.response_ms is not None
        and g.response_ms < (cutoffs[g.kind] if _ordinary(g) else limits.floor_ms)
    )


def _log(ms: float) -> float:
    # A clock rounded to whole milliseconds or coarser may say 0.
    return math.log(max(ms, 1.0))


def _ordinary(answer: Given) -> bool:
    return answer.role in {"main", "repeat"}


def _failed(counted: Sequence[Given], role: str) -> tuple[int, int]:
    """(failed, asked). "Not sure" to an obvious question is a failure."""
    asked = [g for g in counted if g.role == role and g.target_slot is not None]
    return sum(g.slot != g.target_slot for g in asked), len(asked)


def _changed(counted: Sequence[Given], slack: int) -> tuple[int, int]:
    """(changed, asked) over repeats whose first presentation was answered before them."""
    first: dict[tuple[str, int], Given] = {}
    changed = asked = 0
    for g in counted:
        key = (g.kind, g.question)
        if g.role == "repeat" and key in first:
            same = _same(first[key], g, slack)
            asked += same is not None
            changed += same is False
        elif g.role != "repeat":
            first.setdefault(key, g)
    return changed, asked


def _same(first: Given, again: Given, slack: int) -> bool | None:
    """Whether two answers to one question agree; None where the first cannot be given again."""
    if first.slot is None or again.slot is None:
        return first.slot is again.slot
    if first.kind == "rating":
        return abs(first.slot - again.slot) <= slack
    choice = first.options[first.slot]
    if choice not in again.options:
        return None
    return choice == again.options[again.slot]


def _with_flags(found: Signals, times: int) -> Signals:
    """The signals with the flags that they raise; ``times`` is the number behind the median."""
    limits = found.thresholds
    raised = {
        "fast": _many(len(found.fast), found.timed, limits.fast_share, limits.fast_least),
        "hasty": found.median_ms is not None
        and times >= limits.min_times
        and found.median_ms < limits.median_ms,
        "run": found.longest_run_p is not None and found.longest_run_p < limits.probability,
        "one_slot": found.slot_p is not None and found.slot_p < limits.probability,
        "gold": _many(found.gold_failed, found.gold_asked, limits.failed_share, 1),
        "attention": _many(found.attention_failed, found.attention_asked, limits.failed_share, 1),
        "repeats": found.repeats_asked >= limits.changed_least
        and _many(found.repeats_changed, found.repeats_asked, limits.changed_share, 1),
        "focus": _many(
            found.focus_questions, found.answers, limits.focus_share, limits.focus_least
        ),
        "not_sure": _many(
            found.not_sure, found.answers, limits.not_sure_share, limits.not_sure_least
        ),
        "webdriver": found.webdriver,
    }
    flags = tuple(code for code in FLAGS if raised[code])
    return replace(found, flags=flags)


def _many(count: int, of: int, share: float, least: int) -> bool:
    """More than that share, and at least so many; a share of exactly 1/3 is not more than 1/3."""
    return count >= least and count > share * of + 1e-9


def _same_keys(stored: Mapping[str, Any], of: type[Signals] | type[Thresholds]) -> None:
    expected = {field.name for field in fields(of)}
    if set(stored) != expected:
        missing, unknown = sorted(expected - set(stored)), sorted(set(stored) - expected)
        raise QualityError(
            f"Expected the fields of {of.__name__}; missing {missing}, unknown {unknown}. "
            "Compute the signals again from the answers."
        )


def _check(given: Sequence[Given]) -> None:
    seen: set[int] = set()
    for g in given:
        if g.position in seen:
            raise QualityError(f"Expected one answer a position; position {g.position} came twice.")
        seen.add(g.position)
        problem = _problem(g)
        if problem:
            raise QualityError(f"Answer at position {g.position}: {problem}")


def _problem(g: Given) -> str:
    if g.role not in ROLES:
        return f"expected a role of {', '.join(ROLES)}; came {g.role!r}."
    if g.kind not in KINDS:
        return f"expected a kind of {', '.join(KINDS)}; came {g.kind!r}."
    if (g.kind == "rating") != (not g.options):
        return f"expected options for a choice and none for a rating; came {g.kind} with {len(g.options)}."
    for name, slot in (("slot", g.slot), ("target slot", g.target_slot)):
        if slot is not None and (slot < 0 or (g.options and slot >= len(g.options))):
            return f"expected a {name} that was shown; came {slot} of {len(g.options)} options."
    if g.response_ms is not None and not 0 <= g.response_ms < math.inf:
        return f"expected a response time of 0 ms or more; came {g.response_ms}."
    if g.focus_losses < 0:
        return f"expected a number of focus losses ≥ 0; came {g.focus_losses}."
    return ""
