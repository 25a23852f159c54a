"""Taking part by the pages, as a browser would."""

from html.parser import HTMLParser
from typing import Any

from django.urls import reverse

from survey.models import Participation


class _Hidden(HTMLParser):
    """Hidden fields of the page's own forms, the language switch not among them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name = values.get("name") or ""
        if tag == "input" and values.get("type") == "hidden" and name != "next":
            self.found[name] = values.get("value") or ""


def hidden(response: Any) -> dict[str, str]:
    return _Hidden(response.content.decode()).found


def page_of(participation: Participation) -> str:
    return reverse("survey:participate", args=[participation.token])


def agree(client: Any, address: str, **changes: str) -> Any:
    """Read the page at the address, tick the box, press the button; the answer to that."""
    data = {**hidden(client.get(address)), "consent": "on", **changes}
    return client.post(address, data)


def agreed(client: Any, study: Any, query: str = "") -> Participation:
    """The participation of somebody who agreed."""
    response = agree(client, f"{study.get_absolute_url()}{query}")
    token = response.headers["Location"].rstrip("/").rpartition("/")[2]
    return Participation.objects.get(token=token)
