"""{% thumb row css size %} in templates; {% thumb_only … %} without a link to the row's page."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from generation import thumbs

register = template.Library()


@register.simple_tag
def thumb(row: Any, css: str = "", size: int = 160) -> SafeString | str:
    return thumbs.thumb(row, css=css, size=size)


@register.simple_tag
def thumb_only(row: Any, css: str = "", size: int = 160) -> SafeString | str:
    return thumbs.thumb(row, css=css, size=size, link=False)
