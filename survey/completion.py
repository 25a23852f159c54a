"""The ways out: back to where participants came from, with the code that says how it went."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from survey import entrances
from survey.models import Entrance, Participation, Study
from survey.session import Stage

PROLIFIC_COMPLETE = "https://app.prolific.com/submissions/complete?cc="


@dataclass(frozen=True)
class WayBack:
    """A link to ``url``, or, where ``fields`` is not empty, a form that posts them there.

    ``hosts`` are the origins that the form may lead to, for the page's content security policy.
    """

    url: str = ""
    code: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.url or self.code)


NONE = WayBack()


def completed(study: Study, external: Mapping[str, str]) -> WayBack:
    """For those who have finished; ``external`` is what was kept of their address."""
    return _way(study, external, study.completion_code, study.completion_url, "finished")


def screened_out(study: Study, external: Mapping[str, str]) -> WayBack:
    """For those who cannot take part, after all or any more. Nothing where the study gives no way."""
    if not (study.screen_out_code or study.screen_out_url):
        return NONE
    return _way(study, external, study.screen_out_code, study.screen_out_url, "screened out")


def _way(study: Study, external: Mapping[str, str], code: str, url: str, said: str) -> WayBack:
    if study.entrance == Entrance.MTURK:
        host = entrances.turk_host(external.get("turkSubmitTo", ""))
        if host is None or "assignmentId" not in external:
            return WayBack(code=code)
        fields = (("assignmentId", external["assignmentId"]), ("code", code or said))
        address = f"https://{host}/mturk/externalSubmit"
        return WayBack(address, code, fields, entrances.TURK_HOSTS[host])
    if url:
        return WayBack(_filled(study, url, external), code)
    if study.entrance == Entrance.PROLIFIC and code:
        return WayBack(PROLIFIC_COMPLETE + quote(code, safe=""), code)
    return WayBack(code=code)


def _filled(study: Study, url: str, external: Mapping[str, str]) -> str:
    """The address with what is kept in place of {name}; "" where that was deleted."""
    wanted = entrances.PLACEHOLDER.findall(url)
    # Checked where it is typed; but an address can come into the database past every form.
    if (wanted and not external) or not url.startswith(("https://", "http://")):
        return ""
    names = entrances.kept_names(study)
    return entrances.PLACEHOLDER.sub(
        lambda found: quote(external.get(names.get(found[1], ""), ""), safe=""), url
    )


def of_last_page(participation: Participation, stage: Stage) -> dict[str, Any]:
    """What templates of the last pages need: ``way`` back, ``panel``: sent by one, ``again``: another may begin."""
    study = participation.study
    way = NONE
    # Only what the rows say: the code is earned by the last answer stored, and kept when its answers go.
    if stage in (Stage.DONE, Stage.WITHDRAWN) and participation.finished_at is not None:
        way = completed(study, participation.external)
    elif stage == Stage.SCREENED_OUT:
        way = screened_out(study, participation.external)
    again = study.entrance == Entrance.OPEN and study.status == Study.Status.OPEN
    return {"way": way, "again": again, "panel": study.entrance in entrances.PANELS}
