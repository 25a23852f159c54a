"""Pictures with writing on them, for the tests of what finds it: pages and captions, Latin and Japanese."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
IPA = Path("/usr/share/fonts/opentype")
LATIN_FONTS = [DEJAVU / "DejaVuSans.ttf", DEJAVU / "DejaVuSerif-Bold.ttf"]
JAPANESE_FONTS = [IPA / "ipaexfont-gothic/ipaexg.ttf", IPA / "ipaexfont-mincho/ipaexm.ttf"]

LATIN = (
    "A texture is what remains of a surface when its form is taken away. The hand knows it before the "
    "eye does: rough bark, a woven blanket, wet stone in the morning. We asked nine people which word "
    "they would choose, and wrote down what they said. Price 1,250 yen, order now, see page 48. "
)
JAPANESE = (
    "表面の手触りを言葉にすると、ふさふさ、ざらざら、もふもふのような音になる。毛布は柔らかく、石は冷たく、"
    "木の肌には年輪の跡が残っている。九人の参加者に写真を見せて、どの言葉がいちばん合うかを選んでもらった。"
    "価格は一二五〇円、ご注文はこちらから。カタログ四十八ページをご覧ください。"
)


@dataclass(frozen=True)
class Page:
    name: str
    image: Image.Image


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> Iterator[str]:
    """Endless lines of at most ``width`` pixels; between words where there are spaces."""
    units = text.split(" ") if " " in text else list(text)
    joint = " " if " " in text else ""
    line = ""
    for unit in itertools.cycle([u for u in units if u]):
        longer = f"{line}{joint}{unit}" if line else unit
        if line and font.getlength(longer) > width:
            yield line
            line = unit
        else:
            line = longer


def write(
    ground: Image.Image,
    font_path: Path,
    text: str,
    height: int,
    color: tuple[int, int, int],
    *,
    outline: tuple[int, int, int] | None = None,
    lines: int | None = None,
    upright: bool = False,
) -> Image.Image:
    """Cover a picture with lines of writing (or only some), letters of ``height`` pixels."""
    image = ground.convert("RGB")
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(font_path), height)
    stroke = {"stroke_width": max(1, height // 12), "stroke_fill": outline} if outline else {}
    margin, pitch = round(0.06 * min(image.size)), round(1.5 * height)
    width, tall = image.width - 2 * margin, image.height - 2 * margin
    if upright:
        characters = itertools.cycle(text)
        for n in range(min(lines or 999, width // pitch)):
            x = image.width - margin - (n + 1) * pitch
            for y in range(margin, margin + tall - height, round(1.1 * height)):
                draw.text((x, y), next(characters), font=font, fill=color, **stroke)
        return image
    wrapped = _wrapped(text, font, width)
    for n in range(min(lines or 999, tall // pitch)):
        draw.text((margin, margin + n * pitch), next(wrapped), font=font, fill=color, **stroke)
    return image


def pages(size: tuple[int, int] = (480, 360)) -> Iterator[Page]:
    """Pages that are nothing but writing: both scripts, four sizes, three pairs of colors."""
    colors = {
        "black on white": ((20, 20, 20), (250, 250, 248)),
        "white on dark": ((240, 240, 240), (30, 40, 60)),
        "red on yellow": ((170, 20, 20), (250, 225, 120)),
    }
    scripts = [(LATIN, LATIN_FONTS), (JAPANESE, JAPANESE_FONTS)]
    for (text, fonts), height, (name, (ink, paper)) in itertools.product(
        scripts, (12, 18, 28, 44), colors.items()
    ):
        for font in fonts:
            ground = Image.new("RGB", size, paper)
            yield Page(f"{font.stem} {height} px, {name}", write(ground, font, text, height, ink))
            if text == JAPANESE:
                page = write(ground, font, text, height, ink, upright=True)
                yield Page(f"{font.stem} {height} px upright, {name}", page)


def on_photograph(name: str, photograph: Image.Image) -> Iterator[Page]:
    """The same photograph written all over: white, black, and white with a dark outline."""
    inks = {
        "white": ((255, 255, 255), None),
        "black": ((0, 0, 0), None),
        "outlined": ((255, 255, 255), (0, 0, 0)),
    }
    ground = photograph.resize((480, 480), Image.Resampling.LANCZOS)
    for text, font in ((LATIN, LATIN_FONTS[0]), (JAPANESE, JAPANESE_FONTS[0])):
        for (kind, (ink, outline)), height in itertools.product(inks.items(), (20, 36)):
            image = write(ground, font, text, height, ink, outline=outline)
            yield Page(f"{font.stem} {height} px {kind} on {name}", image)
