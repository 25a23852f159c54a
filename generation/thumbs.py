"""Markup of thumbnails for admin pages."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from generation.models import ContentImage, Mask, SourceImage, Style, StylizedImage

KIND = {
    SourceImage: "photograph",
    ContentImage: "content",
    Mask: "mask",
    StylizedImage: "picture",
    Style: "style",
}


def address(row: Any, size: int) -> str:
    """Address of a small version; it changes with the pixels, so browsers may keep it."""
    url = reverse("generation:image", args=[KIND[type(row)], row.pk])
    return f"{url}?size={size}&v={row.sha256[:8]}"


def thumb(row: Any, *, size: int = 160, css: str = "", link: bool = True) -> SafeString | str:
    """One thumbnail, linked to the row's page. Nothing for a picture that is not made yet."""
    if not row.file:
        return "–"
    rejected = getattr(row, "rejected", "")
    image = format_html(
        '<img src="{}" alt="{}" loading="lazy">',
        address(row, size),
        str(row),
    )
    css = f"{css} out" if rejected else css
    if not link:
        return format_html('<span class="thumb {}">{}</span>', css, image)
    page = reverse(f"admin:generation_{row._meta.model_name}_change", args=[row.pk])
    return format_html(
        '<a class="thumb {}" href="{}" title="{}">{}</a>', css, page, rejected or str(row), image
    )


def strip(rows: Iterable[Any], *, css: str = "") -> SafeString | str:
    """Thumbnails side by side."""
    inside = format_html_join("", "{}", ((thumb(row, css=css),) for row in rows))
    return format_html('<div class="thumbs">{}</div>', inside) if inside else "–"
