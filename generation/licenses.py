"""Licences of photographs: one form for what the sources write, and what each of them permits.

A code is one of ``cc0 1.0``, ``pdm 1.0``, ``public-domain``, ``all-rights-reserved``, one of the six
Creative Commons licences with its version where that is known (``by 4.0``, ``by-nc-sa 2.0``, ``by``),
or empty: unknown. What is not understood whole is unknown, and the unknown permits nothing.

This is a reading of what sources state, not legal advice: a source may be wrong about its photograph.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

PUBLIC_DOMAIN = "public-domain"
RESERVED = "all-rights-reserved"
CC0 = "cc0 1.0"
MARK = "pdm 1.0"
UNKNOWN = ""

# A permission as tables write it.
PERMITTED = {True: "yes", False: "no", None: "unknown"}

# The order in which Creative Commons writes the elements of the six licences.
_ORDER = ("by", "nc", "nd", "sa")
_SIX = frozenset({"by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd"})

_ADDRESS = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<code>[a-z-]+)(?:/(?P<version>\d\.\d))?"
    r"|publicdomain/(?P<tool>zero|mark|certification))(?:[/?#\s]|$)"
)
_CODE = re.compile(r"(?P<elements>by(?:-(?:nc|nd|sa))*)(?: (?P<version>\d\.\d))?")
# After the version: further versions, a jurisdiction, or how the licence came about.
_NOISE = re.compile(
    r"(?<=\d\.\d)(?:[ ,-]+(?:\d\.\d|[a-z]{2}|igo|scotland|migrated|international))+$"
)
_SPELLED = (
    (re.compile(r"attribution"), "by"),
    (re.compile(r"non[ -]?commercial"), "nc"),
    (re.compile(r"share[ -]?alike"), "sa"),
    (re.compile(r"no[ -]?deriv(?:ative)?s?(?: works)?"), "nd"),
)
_PUBLIC = re.compile(r"public[ -]domain|pd(?:-[a-z0-9-]+)?|(?:united states|us) government work")


@dataclass(frozen=True)
class Terms:
    """What a licence permits; None is unknown.

    Attributes:
        name: for people, as Creative Commons writes it.
        republish: the photograph may be passed on.
        derivatives: pictures made from it may be passed on.
        commercial: also for profit.
        attribution: its maker must be named.
        share_alike: what is made from it must be under the same licence.
    """

    name: str
    republish: bool | None
    derivatives: bool | None
    commercial: bool | None
    attribution: bool | None
    share_alike: bool = False

    @property
    def pass_on_derived(self) -> bool | None:
        """Pictures made from the photograph may be shown and published; None is unknown."""
        if self.republish is None or self.derivatives is None:
            return None
        return self.republish and self.derivatives


@dataclass(frozen=True)
class Combined:
    """What a picture made from several photographs is under.

    Attributes:
        names: of the photographs' licences, each once, sorted.
        republish: the picture may be passed on, by all of them together; None where one of them does not say and
            none forbids it. Unknown counts as no.
        share_alike: it may be passed on only under the same licence.
    """

    names: tuple[str, ...]
    republish: bool | None
    share_alike: bool

    @property
    def why_not(self) -> str:
        """Why the picture may not be passed on; empty where it may."""
        if self.republish:
            return ""
        if self.republish is None:
            return "the licence of one of its photographs is not known"
        return f"its photographs' licences do not let it be passed on: {', '.join(self.names)}"


def combine(found: Iterable[Terms]) -> Combined:
    """The terms of all photographs that a picture was made from. Of none at all, nothing is known.

    A licence that asks for itself and one that forbids profit cannot both be kept (BY-SA with BY-NC
    or BY-NC-SA: Creative Commons' chart of licences that may be combined).
    """
    each = list(found)
    said = [t.pass_on_derived for t in each]
    clash = any(t.share_alike and t.commercial for t in each) and any(
        t.commercial is False for t in each
    )
    republish = False if clash or False in said else None if None in said or not said else True
    return Combined(
        names=tuple(sorted({t.name for t in each})),
        republish=republish,
        share_alike=any(t.share_alike for t in each),
    )


def parse(text: str, url: str = "") -> str:
    """The code of a licence by its name or code, its address, or both; empty if not understood.

    Understands Openverse (``by-sa 4.0``), Commons (``CC BY-SA 4.0``, ``cc-by-sa-3.0,2.5``, ``Public
    domain``), Flickr (``Attribution-NoDerivs License``) and addresses of creativecommons.org. A name
    and an address that say different things are not understood.
    """
    by_text = _by_text(text)
    by_url = _by_address(url)
    if not by_text:
        # An address does not speak for a name that is not understood.
        return UNKNOWN if text.strip() else by_url
    if not by_url:
        return by_text
    if by_text == by_url or _family(by_text) == _family(by_url):
        # The one that says more; the address where both name a version.
        return by_url if " " in by_url or " " not in by_text else by_text
    return UNKNOWN


def terms(code: str) -> Terms:
    """What a code permits. Of a text that is no code, nothing is known."""
    elements, _space, version = code.partition(" ")
    if code in (CC0, MARK, PUBLIC_DOMAIN):
        name = {CC0: "CC0 1.0", MARK: "Public Domain Mark 1.0"}.get(code, "Public domain")
        return Terms(name, True, True, True, False)
    if code == RESERVED:
        return Terms("All rights reserved", False, False, False, None)
    if elements in _SIX:
        parts = elements.split("-")
        return Terms(
            name=f"CC {elements.upper()} {version}".strip(),
            republish=True,
            derivatives="nd" not in parts,
            commercial="nc" not in parts,
            attribution=True,
            share_alike="sa" in parts,
        )
    return Terms(code or "Licence unknown", None, None, None, None)


def _family(code: str) -> str:
    """What must agree between name and address: versions need not, nor the kind of public domain."""
    return PUBLIC_DOMAIN if code in (MARK, PUBLIC_DOMAIN) else code.partition(" ")[0]


def _by_address(url: str) -> str:
    found = _ADDRESS.search(url.strip().lower())
    if found is None:
        return UNKNOWN
    if tool := found["tool"]:
        return {"zero": CC0, "mark": MARK}.get(tool, PUBLIC_DOMAIN)
    if found["code"] == "publicdomain":
        return PUBLIC_DOMAIN
    return _creative_commons(found["code"].split("-"), found["version"])


def _by_text(text: str) -> str:
    plain = " ".join(text.lower().split())
    if "creativecommons.org/" in plain:
        return _by_address(plain)
    if "all rights reserved" in plain or plain == RESERVED:
        return RESERVED
    # Of several licences one may be chosen.
    return next((code for part in plain.split(" or ") if (code := _by_name(part))), UNKNOWN)


def _by_name(name: str) -> str:
    if re.fullmatch(r"(?:cc[ -]?(?:0|zero)|public domain dedication \(cc0\))(?:[ -]1\.0)?", name):
        return CC0
    if re.fullmatch(r"(?:cc[ -])?(?:pdm|public domain mark)(?:[ -]1\.0)?", name):
        return MARK
    if _PUBLIC.fullmatch(name):
        return PUBLIC_DOMAIN
    if name == "attribution":
        return UNKNOWN  # On Commons a licence of its own, not that of Creative Commons.
    name = re.sub(r"^creative commons |^cc[ -]|[ -]licen[sc]e$| n/a$", "", name)
    name = re.sub(r" (?:international|generic|unported)(?: public)?(?: license)?", "", name)
    for spelled, short in _SPELLED:
        name = spelled.sub(short, name)
    name = _NOISE.sub("", re.sub(r" licen[sc]e", "", name))
    name = re.sub(r"[ -](?=nc|nd|sa)", "-", name)
    name = re.sub(r"[ -](?=\d\.\d$)", " ", name)
    found = _CODE.fullmatch(name)
    if found is None:
        return UNKNOWN
    return _creative_commons(found["elements"].split("-"), found["version"])


def _creative_commons(elements: list[str], version: str | None) -> str:
    code = "-".join(sorted(elements, key=lambda e: _ORDER.index(e) if e in _ORDER else 9))
    if code not in _SIX:
        return UNKNOWN  # such as nc-sampling+ or sa: hardly used, and not worth a mistake
    return f"{code} {version}" if version else code
