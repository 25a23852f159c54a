"""The ways into a study: what an address says of the person who opens it, and what settings make sense.

Nothing here is stored: `survey.join_views` asks, `survey.completion` leads people back.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.http import QueryDict
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from survey import about

if TYPE_CHECKING:
    from survey.models import Study

# The values of `survey.models.Entrance`, which imports this module.
OPEN, INVITATION, PROLIFIC, MTURK, PANEL = "open", "invitation", "prolific", "mturk", "panel"
# Those that send people with an account of theirs, and expect them back.
PANELS = (PROLIFIC, MTURK, PANEL)

MAX_VALUE = 200
MAX_PARAMETERS = 20
PERSON = "person"
# What is kept, and whether it must be there.
PROLIFIC_PARAMETERS = {"PROLIFIC_PID": True, "STUDY_ID": False, "SESSION_ID": False}
MTURK_PARAMETERS = {"assignmentId": True, "workerId": True, "turkSubmitTo": True, "hitId": False}
# Mechanical Turk's word for "somebody only looks".
PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"
# Where work is submitted, and which hosts the browser may see on the way: production may lead the
# submitted form on to its workers' site.
TURK_HOSTS = {
    "www.mturk.com": ("https://www.mturk.com", "https://worker.mturk.com"),
    "workersandbox.mturk.com": ("https://workersandbox.mturk.com",),
}

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
PARAMETER = re.compile(r"[A-Za-z0-9_.\-]{1,60}")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Arrival:
    """Who came: ``person`` names them by a keyed hash, "" where the way in does not say who it is."""

    person: str = ""
    external: Mapping[str, str] = field(default_factory=dict)
    preview: bool = False


class Refused(ValueError):
    """The address does not say what this way in needs. ``why`` is one of MISSING … ELSEWHERE."""

    MISSING = "missing"
    DAMAGED = "damaged"
    # The panel sent the name of a placeholder in place of its value: everybody would be one person.
    UNFILLED = "unfilled"
    ELSEWHERE = "elsewhere"

    def __init__(self, why: str, parameter: str) -> None:
        # Never the value: it may be an id, and messages end up in logs.
        super().__init__(f"{parameter}: {why}")
        self.why = why
        self.parameter = parameter


def person_key(study_pk: int, entrance: str, identity: str) -> str:
    """Names one person of one study: HMAC-SHA256 of study, way in and id under the secret key, in hex.

    The same person of another study has another name, and nobody without the key can try out ids.
    """
    value = json.dumps([study_pk, entrance, identity])
    return salted_hmac("survey.person", value, algorithm="sha256").hexdigest()


def arrive(study: "Study", query: QueryDict) -> Arrival:
    """What the address's parameters say.

    Raises:
        Refused: something that is needed is missing, too long, not printable, given twice, or not filled in.
    """
    if study.entrance == PROLIFIC:
        kept = _read(query, PROLIFIC_PARAMETERS)
        return Arrival(person_key(study.pk, PROLIFIC, kept["PROLIFIC_PID"]), kept)
    if study.entrance == MTURK:
        return _from_turk(study, query)
    if study.entrance == PANEL:
        names = panel_names(study.panel_parameters)
        found = _read(query, {param: name == PERSON for name, param in names.items()})
        kept = {name: found[param] for name, param in names.items() if param in found}
        return Arrival(person_key(study.pk, PANEL, kept[PERSON]), kept)
    return Arrival()


def _from_turk(study: "Study", query: QueryDict) -> Arrival:
    if _value(query, "assignmentId") == PREVIEW:
        return Arrival(preview=True)
    kept = _read(query, MTURK_PARAMETERS)
    if turk_host(kept["turkSubmitTo"]) is None:
        raise Refused(Refused.ELSEWHERE, "turkSubmitTo")
    return Arrival(person_key(study.pk, MTURK, kept["workerId"]), kept)


def _read(query: QueryDict, wanted: Mapping[str, bool]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for parameter, needed in wanted.items():
        value = _value(query, parameter)
        if value:
            kept[parameter] = value
        elif needed:
            raise Refused(Refused.MISSING, parameter)
    return kept


def _value(query: QueryDict, parameter: str) -> str:
    values = {value.strip() for value in query.getlist(parameter)}
    if not values:
        return ""
    value = values.pop()
    # U+FFFD: bytes that were no UTF-8.
    if values or len(value) > MAX_VALUE or not value.isprintable() or "\ufffd" in value:
        raise Refused(Refused.DAMAGED, parameter)
    if "{" in value or "}" in value:
        raise Refused(Refused.UNFILLED, parameter)
    return value


def turk_host(submit_to: str) -> str | None:
    """The host that work is submitted to, None unless it is one of Mechanical Turk's, by https."""
    try:
        parts = urlsplit(submit_to)
    except ValueError:
        return None
    whole = (parts.scheme, parts.path.strip("/"), parts.query, parts.fragment)
    # The network location whole: no port, no user name before the host.
    known = parts.netloc in TURK_HOSTS and whole == ("https", "", "", "")
    return parts.netloc if known else None


def panel_names(definition: object) -> dict[str, str]:
    """Name of what is kept → parameter of the address.

    Raises:
        ValueError: the definition is not one; the message is for whoever wrote it.
    """
    if not isinstance(definition, dict) or not all(
        isinstance(value, str) for value in definition.values()
    ):
        raise ValueError(
            _('Expected names and parameters in JSON, such as {"person": "pid", "session": "sid"}.')
        )
    if PERSON not in definition:
        raise ValueError(
            _(
                "Say which parameter is the person, so that everybody takes part once: add "
                '"person": "…" with the name of the panel’s parameter.'
            )
        )
    if len(definition) > MAX_PARAMETERS:
        raise ValueError(_("At most %(n)d parameters are kept.") % {"n": MAX_PARAMETERS})
    for name, parameter in definition.items():
        if not NAME.fullmatch(name):
            raise ValueError(
                _("“%(name)s” cannot be a name: letters, digits and _, at most 40 of them.")
                % {"name": name}
            )
        if not PARAMETER.fullmatch(parameter):
            raise ValueError(
                _(
                    "“%(name)s” cannot be a parameter of an address: letters, digits, _, . and -, at "
                    "most 60 of them."
                )
                % {"name": parameter}
            )
    if len(set(definition.values())) < len(definition):
        raise ValueError(_("Two names stand for the same parameter."))
    return dict(definition)


def kept_names(study: "Study") -> dict[str, str]:
    """What {…} may stand for in the study's addresses → the name that it is kept under."""
    if study.entrance == PROLIFIC:
        return {name: name for name in PROLIFIC_PARAMETERS}
    if study.entrance == PANEL:
        try:
            names = panel_names(study.panel_parameters)
        except ValueError:
            return {}
        return {**{param: name for name, param in names.items()}, **{name: name for name in names}}
    return {}


# --- settings of a study ------------------------------------------------------------------------


def problems(study: "Study") -> dict[str, list[str]]:
    """What is wrong with a study's way in and out, by field; empty where all is well."""
    found: dict[str, list[str]] = {}
    if study.entrance == PANEL:
        _try(found, "panel_parameters", lambda: panel_names(study.panel_parameters))
    elif not isinstance(study.panel_parameters, dict):
        found["panel_parameters"] = [_("Expected {} : only another panel has parameters.")]
    _try(found, "demographics", lambda: about.parse(study.demographics))
    names = kept_names(study)
    for name, address in (
        ("completion_url", study.completion_url),
        ("screen_out_url", study.screen_out_url),
    ):
        if address and study.entrance == MTURK:
            found[name] = [
                _(
                    "Leave this empty: Mechanical Turk says itself where work is submitted, and the last "
                    "page does it."
                )
            ]
        elif address:
            _try(found, name, partial(check_address, address, names))
    for name in ("completion_code", "screen_out_code"):
        if not getattr(study, name).isprintable():
            found[name] = [_("Expected a code of printable characters.")]
    if study.entrance == PROLIFIC and not (study.completion_code or study.completion_url):
        found["completion_code"] = [
            _(
                "Prolific pays those who come back with its completion code: copy it from the study’s "
                "page there, or give a completion address."
            )
        ]
    return found


def _try(found: dict[str, list[str]], name: str, check: Callable[[], object]) -> None:
    try:
        check()
    except ValueError as error:
        found[name] = [str(error)]


def check_address(address: str, names: Iterable[str]) -> None:
    """Raise ValueError unless people can be sent to that address, with {name} for what is kept."""
    example = _("such as https://panel.example.org/done?id={session}")
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not address.isprintable():
        raise ValueError(_("Expected an address, %(example)s.") % {"example": example})
    if "\\" in address or " " in address or "@" in parts.netloc:
        raise ValueError(_("An address has no spaces, no backslash and no @ before its host."))
    if "{" in parts.netloc or "}" in parts.netloc:
        # Otherwise whoever writes the link to the study says where people are sent.
        raise ValueError(_("{…} may stand only after the host."))
    known = set(names)
    for name in PLACEHOLDER.findall(address):
        if name not in known:
            raise ValueError(
                _("Nothing is kept under {%(name)s}. There is: %(known)s.")
                % {"name": name, "known": ", ".join(sorted(known)) or "–"}
            )
    if set(PLACEHOLDER.sub("", address)) & {"{", "}"}:
        raise ValueError(_("Each { needs its }."))
