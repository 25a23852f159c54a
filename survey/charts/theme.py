"""Colors, fonts and measures that all charts share.

Two hues only, teal and orange, which people with any of the three color blindnesses tell apart (a test simulates
them); what they mean is always said by shape or place too. Shades are ten steps of one hue, so that lightness alone orders them.
"""

import unicodedata
from dataclasses import dataclass

FONT = "IPAexGothic, 'Noto Sans CJK JP', 'Hiragino Sans', 'Yu Gothic', sans-serif"
FONT_SIZE = 14
# A chart for 340 px is shown at 320 on a small phone: still above 11 px.
SMALL = 12.5
STEPS = 10


@dataclass(frozen=True)
class Palette:
    """Colors by what they are for. ``shades`` go from 0 to 1; on the darker half letters are ``on_shade``."""

    name: str
    paper: str
    ink: str
    muted: str
    line: str
    accent: str
    weak: str
    warm: str
    on_shade: str
    shades: tuple[str, ...]

    @property
    def colors(self) -> tuple[str, ...]:
        """Every color that a chart may use."""
        return (
            *(
                self.paper,
                self.ink,
                self.muted,
                self.line,
                self.accent,
                self.weak,
                self.warm,
                self.on_shade,
            ),
            *self.shades,
        )


# In a page these very colors are replaced by the page's own, by report.css.
LIGHT = Palette(
    name="light",
    paper="#ffffff",
    ink="#1f2933",
    muted="#667280",
    line="#d9dee4",
    accent="#2f6f73",
    weak="#9aa5b1",
    warm="#b8501f",
    on_shade="#fffefb",
    shades=(
        *("#eaf3f2", "#d3e4e3", "#bbd5d5", "#a3c7c6", "#8bb8b8"),
        *("#4b7f80", "#3e7173", "#2f6165", "#205155", "#0f4145"),
    ),
)
DARK = Palette(
    name="dark",
    paper="#1b1a18",
    ink="#ece8df",
    muted="#aaa397",
    line="#3d3a34",
    accent="#7cc0bf",
    weak="#8d877c",
    warm="#f0975f",
    on_shade="#10292a",
    shades=(
        *("#2a3331", "#2e3f3d", "#324b4a", "#365757", "#3a6464"),
        *("#589696", "#6ca9a8", "#80bbba", "#94cecc", "#a8e0dd"),
    ),
)
THEMES = {"light": LIGHT, "dark": DARK}


class UnknownTheme(ValueError):
    """A theme by a name that none has."""


def palette(theme: str) -> Palette:
    try:
        return THEMES[theme]
    except KeyError:
        raise UnknownTheme(
            f"Expected a theme of {', '.join(THEMES)}; came {theme!r}. Name one of them."
        ) from None


def step(share: float) -> int:
    """Which of the STEPS shades stands for a share of 0 … 1."""
    return min(max(int(share * STEPS), 0), STEPS - 1)


# --- text ---------------------------------------------------------------------------------------


def text_width(text: str, size: float = FONT_SIZE) -> int:
    """Upper estimate in pixels: the renderer's machine may lack the reader's fonts."""
    return round(sum(_letter_width(letter, size) for letter in text))


def _letter_width(letter: str, size: float) -> float:
    return size * (1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.62)


def wrap(text: str, limit: float, size: float = FONT_SIZE) -> list[str]:
    """The text in lines of at most ``limit`` pixels, broken at a space where there is one; nothing is left out."""
    lines: list[str] = []
    line = ""
    for letter in text:
        if line and text_width(line + letter, size) > limit:
            head, space, tail = line.rpartition(" ")
            lines.append(head if space and head else line)
            line = tail if space and head else ""
        line += letter
    return [*lines, line]
