"""Fonts for the renderer: words are Japanese, and a machine without a Japanese font draws empty boxes.

vl_convert looks into the system's font folders by itself. STYLESTUDY_FONTS names a folder of more.
"""

import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from django.conf import settings

# Parts of names of files, in lower case: what the usual packages and systems install.
JAPANESE = (
    *("ipaex", "ipag", "ipam", "notosanscjk", "notoserifcjk", "notosansjp", "notoserifjp"),
    *(
        "sourcehansans",
        "sourcehanserif",
        "takao",
        "vlgothic",
        "vl-gothic",
        "mplus",
        "fonts-japanese",
    ),
    *(
        "hiragino",
        "ヒラギノ",
        "yugoth",
        "yumin",
        "meiryo",
        "msgothic",
        "msmincho",
        "droidsansfallback",
    ),
)
ENDINGS = (".ttf", ".otf", ".ttc", ".otc")


def font_folders() -> list[Path]:
    """Where the renderer looks, the folder of the setting first."""
    own: list[Path] = [settings.FONTS_ROOT] if settings.FONTS_ROOT else []
    home = Path.home()
    system: list[str | Path]
    if sys.platform == "darwin":
        system = ["/System/Library/Fonts", "/Library/Fonts", home / "Library/Fonts"]
    elif sys.platform == "win32":
        system = [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    else:
        system = [
            *("/usr/share/fonts", "/usr/local/share/fonts"),
            *(home / ".fonts", home / ".local/share/fonts"),
        ]
    return [*own, *(Path(folder) for folder in system)]


def japanese_font(folders: Iterable[Path]) -> Path | None:
    """A file that, by its name, has Japanese letters; None where there is none."""
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            name = path.name.lower().replace(" ", "")
            if name.endswith(ENDINGS) and any(part in name for part in JAPANESE):
                return path
    return None


@cache
def register_fonts() -> None:
    """Tell the renderer of the folder of the setting, once a process."""
    if settings.FONTS_ROOT:
        import vl_convert

        vl_convert.register_font_directory(str(settings.FONTS_ROOT))
