"""Vega-Lite specification → SVG for a page, or a file of its own: SVG, PNG, PDF.

No specification is let read from the network, and none names a place there.
"""

import json
import re
from functools import lru_cache
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from survey.charts.fonts import register_fonts

FORMATS = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
PNG_SCALE = 2
# Of one chart. The largest of the gallery has a third of it.
MAX_SVG_BYTES = 300_000

Spec = dict[str, Any]


class ChartError(RuntimeError):
    """The renderer gave something that cannot be shown."""


class UnknownFormat(ValueError):
    """A format that charts do not come in."""


def render(spec: Spec, format: str) -> bytes:  # noqa: A002
    """The chart as a file, in the colors and on the background that the specification has.

    Args:
        spec: of one chart, with a width in pixels.
        format: svg, png (two pixels for each) or pdf (letters stay letters).

    Raises:
        UnknownFormat: for any other format.
    """
    import vl_convert

    if format not in FORMATS:
        raise UnknownFormat(
            f"Expected a format of {', '.join(FORMATS)}; came {format!r}. Name one of them."
        )
    register_fonts()
    if format == "png":
        png: bytes = vl_convert.vegalite_to_png(spec, scale=PNG_SCALE, allowed_base_urls=[])
        return png
    if format == "pdf":
        pdf: bytes = vl_convert.vegalite_to_pdf(spec, allowed_base_urls=[])
        return pdf
    return vega_svg(spec).encode()


@lru_cache(maxsize=128)
def _rendered(spec: str) -> str:
    import vl_convert

    register_fonts()
    svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return svg


def vega_svg(spec: Spec) -> str:
    """As Vega writes it. Rendered once for the same specification."""
    return _rendered(json.dumps(spec, ensure_ascii=False, sort_keys=True))


def page_svg(spec: Spec, *, title: str, description: str, name: str) -> SafeString:
    """The chart as one `<svg role="img">` without a background; ``name`` makes its ids unique in the page.

    Vega escapes the words, we the title. Marks of a word carry it as ``data-word``.
    """
    svg = vega_svg({**spec, "background": None})
    opening = re.match(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", svg)
    if opening is None:
        raise ChartError(f"Expected an SVG with a viewBox from vl_convert; came {svg[:80]!r}.")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{opening[1]}" role="img"'
        f' aria-labelledby="{escape(name)}-title {escape(name)}-desc">'
        f'<title id="{escape(name)}-title">{escape(title)}</title>'
        f'<desc id="{escape(name)}-desc">{escape(description)}</desc>'
    )
    body = re.sub(r"<[a-z][^>]*>", _plain_tag, svg[opening.end() :])
    return mark_safe(head + body)  # noqa: S308


def _plain_tag(tag: re.Match[str]) -> str:
    """A picture for assistive technology: one name, and no marks to wander through.

    In a tag ">" is always escaped, and in a text "<": so texts are never touched.
    """
    text = re.sub(r' aria-label="word:([^"]*)"', r' data-word="\1"', tag[0])
    return re.sub(r' (?:role|aria-[a-z]+|class|pointer-events)="[^"]*"', "", text)


def explorable(spec: Spec, zoom: bool) -> Spec:
    """For Vega in a browser: without a background, and where points are to be told apart with zoom and pan.

    Bins are drawn in pixels and cannot follow a zoom.
    """
    layers = list(spec["layer"])
    place = next((i for i, layer in enumerate(layers) if _is_cloud(layer)), None)
    if zoom and place is not None:
        params = [{"name": "zoom", "select": "interval", "bind": "scales"}]
        layers[place] = {**layers[place], "params": params}
    return {**spec, "background": None, "layer": layers}


def _is_cloud(layer: Spec) -> bool:
    """Visible points on two scales of their own."""
    channels = layer.get("encoding", {})
    scales = [channels.get(name, {}).get("scale") for name in ("x", "y")]
    return (
        layer["mark"].get("type") == "point" and all(scales) and layer["mark"].get("opacity") != 0
    )
