"""Vega for the browser, from the renderer's own copy: nothing is fetched from another host.

The page's policy forbids eval, which Vega compiles its expressions with; the bundle's vega-embed has Vega's interpreter
of expressions too, and charts.js asks for it (``ast: true``).
"""

import gzip
import os
import tempfile
from pathlib import Path

from django.conf import settings

SNIPPET = "window.stylestudyVega = vegaEmbed;"


def bundle_version() -> str:
    """Changes with what the bundle is made of."""
    import vl_convert

    parts = (
        vl_convert.get_vega_version(),
        vl_convert.get_vegalite_versions()[-1],
        vl_convert.get_vega_embed_version(),
    )
    return "-".join(parts)


def bundle() -> Path:
    """The compressed bundle (gzip), written at its first use; takes a second or two then."""
    import vl_convert

    folder = Path(settings.VAR_DIR) / "charts"
    path = folder / f"vega-{bundle_version()}.js.gz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        script: str = vl_convert.javascript_bundle(SNIPPET)
        # Under another name first: two processes may write, and none reads a half.
        handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(gzip.compress(script.encode(), mtime=0))
        Path(name).replace(path)
    return path
