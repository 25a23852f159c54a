"""What is measured of photographs and judged by it, by table and on pictures made here."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from PIL import Image, ImageFilter

from generation.imagefile import read_image
from generation.selection import (
    FORMAT,
    RULES,
    BadMeasures,
    Measures,
    Rules,
    judge,
    measure,
    near_duplicates,
    perceptual_hash,
    text_share,
    two_tones,
)
from generation.sources.samples import CONTENTS, WORDS, SampleSource, read_content
from tests.generation import writing

GOOD = Measures(
    width=640,
    height=480,
    elongation=1.3333,
    phash="0f0f0f0f0f0f0f0f",
    contrast=0.2,
    detail=0.3,
    plain=0.1,
    text=0.0,
)


def noise(width: int = 200, height: int = 150, spread: float = 60.0, seed: int = 1) -> Image.Image:
    rng = np.random.default_rng(seed)
    values = np.clip(rng.normal(128, spread, (height, width, 3)), 0, 255)
    return Image.fromarray(values.astype(np.uint8))


# --- measures ---------------------------------------------------------------------------------


def test_measures_go_to_json_and_back() -> None:
    stored = GOOD.to_dict()
    assert stored["format"] == FORMAT
    assert Measures.from_dict({**stored, "reason": "blank", "of": 7}) == GOOD
    with pytest.raises(BadMeasures, match="format"):
        Measures.from_dict({**stored, "format": 0})
    with pytest.raises(BadMeasures, match="lack text"):
        Measures.from_dict({name: value for name, value in stored.items() if name != "text"})


def test_only_rgb_is_measured() -> None:
    with pytest.raises(ValueError, match="RGB"):
        measure(Image.new("L", (64, 64)))


def test_one_color_has_no_contrast_and_no_detail() -> None:
    found = measure(Image.new("RGB", (300, 100), (200, 30, 90)))
    assert (found.width, found.height, found.elongation) == (300, 100, 3.0)
    assert (found.contrast, found.detail, found.plain, found.text) == (0, 0, 1, 0)


def test_contrast_and_detail_of_two_halves_and_of_a_checkerboard() -> None:
    # Half black, half white: the standard deviation is 1/2. As halves nearly all of it is coarse, as a
    # checkerboard of single pixels all of it is fine.
    board = np.indices((200, 200)).sum(axis=0) % 2 * 255
    halves = np.repeat([[0] * 100 + [255] * 100], 200, axis=0)
    of_board, of_halves = (
        measure(Image.fromarray(gray.astype(np.uint8)).convert("RGB")) for gray in (board, halves)
    )
    assert of_board.contrast == of_halves.contrast == pytest.approx(0.5)
    assert of_board.detail == pytest.approx(1, abs=0.01)
    assert of_halves.detail < 0.05


def test_plain_counts_the_most_frequent_color_with_its_grain() -> None:
    image = noise(200, 100, spread=40)
    image.paste((250, 250, 250), (0, 0, 150, 100))
    assert measure(image).plain == pytest.approx(0.75, abs=0.01)
    # 127 | 128 is a border of the cells in which colors are counted.
    grainy = np.random.default_rng(3).integers(123, 133, (100, 100, 3)).astype(np.uint8)
    assert measure(Image.fromarray(grainy)).plain == 1


def test_measures_are_the_same_each_time() -> None:
    assert measure(noise()) == measure(noise())


# --- judgement --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, None),
        ({"width": 128, "height": 128}, None),
        ({"height": 127}, "too-small"),
        ({"elongation": 3.0}, None),
        ({"elongation": 3.01}, "too-elongated"),
        ({"plain": 0.97}, None),
        ({"plain": 0.98}, "blank"),
        ({"contrast": 0.015}, None),
        ({"contrast": 0.014}, "low-variance"),
        # 0.2 · √0.0001 = 0.002
        ({"detail": 0.00011}, None),
        ({"detail": 0.00009}, "low-variance"),
        ({"text": 0.06}, None),
        ({"text": 0.061}, "text-heavy"),
        # The first one counts.
        ({"height": 20, "plain": 1.0, "text": 0.5}, "too-small"),
    ],
)
def test_rules(values: dict[str, Any], code: str | None) -> None:
    verdict = judge(replace(GOOD, **values))
    assert (verdict.code if verdict else None) == code


def test_other_rules_judge_otherwise() -> None:
    assert judge(GOOD, Rules(min_side=500)) is not None
    assert judge(replace(GOOD, text=0.9), Rules(max_text=1.0)) is None


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (Image.new("RGB", (300, 300), (12, 200, 90)), "blank"),
        (noise(300, 300, spread=3), "blank"),
        (Image.linear_gradient("L").resize((300, 300)).convert("RGB"), "low-variance"),
        (noise(300, 90), "too-small"),
        (noise(600, 150), "too-elongated"),
        (noise(300, 300), None),
    ],
    ids=["one color", "one color with grain", "a shade", "small", "a strip", "grain"],
)
def test_pictures_that_are_no_material(image: Image.Image, code: str | None) -> None:
    verdict = judge(measure(image))
    assert (verdict.code if verdict else None) == code


# --- text -------------------------------------------------------------------------------------


def found(page: writing.Page) -> bool:
    verdict = judge(measure(page.image))
    return verdict is not None and verdict.code == "text-heavy"


needs_fonts = pytest.mark.skipif(
    not all(font.exists() for font in writing.LATIN_FONTS + writing.JAPANESE_FONTS),
    reason="needs Debian's fonts-dejavu-core and fonts-ipaexfont",
)


def test_two_tones_of_known_distributions() -> None:
    # Otsu (1979): two tones 1; all alike 3/4; a Gaussian 2/π.
    assert two_tones(np.array([10, 200] * 50, dtype=np.uint8)) == pytest.approx(1)
    assert two_tones(np.arange(256, dtype=np.uint8)) == pytest.approx(0.75, abs=0.001)
    normal = np.random.default_rng(1).normal(128, 30, 100_000).clip(0, 255).astype(np.uint8)
    assert two_tones(normal) == pytest.approx(2 / np.pi, abs=0.01)
    assert two_tones(np.full(9, 7, dtype=np.uint8)) == 0


def test_noise_and_stripes_are_no_writing() -> None:
    stripes = np.tile(np.repeat([0, 255], 6), 40).astype(np.uint8)[None].repeat(300, axis=0)
    for gray in (np.asarray(noise(480, 360).convert("L")), stripes, stripes.T.copy()):
        assert text_share(gray) < 0.01


@needs_fonts
def test_pages_of_writing_are_found() -> None:
    everything = list(writing.pages())
    assert len(everything) == 72
    # All of them; before letters were told from patterns by their varied widths also.
    assert [page.name for page in everything if not found(page)] == []


@needs_fonts
def test_a_caption_is_no_reason() -> None:
    ground = noise(480, 360, spread=25).filter(ImageFilter.GaussianBlur(6))
    font = writing.LATIN_FONTS[0]
    captioned = writing.write(ground, font, writing.LATIN, 16, (255, 255, 255), lines=1)
    assert 0 < measure(captioned).text < RULES.max_text


# --- near-duplicates --------------------------------------------------------------------------


def test_near_duplicates_of_a_table() -> None:
    hashes = [
        "0000000000000000",
        "ffffffffffffffff",
        "0000000000000003",  # 2 bits from the first
        "000000000000000f",  # 2 bits from the third, 4 from the first
        "fffffffffffffff0",  # 4 bits from the second
        "00000000ffff0000",
    ]
    assert near_duplicates(hashes, 1) == []
    # In a chain: the first and the fourth belong together by the third.
    assert near_duplicates(hashes, 2) == [[0, 2, 3]]
    assert near_duplicates(hashes, 4) == [[0, 2, 3], [1, 4]]
    assert near_duplicates(hashes, 64) == [[0, 1, 2, 3, 4, 5]]
    assert near_duplicates([hashes[0]] * 2, 0) == [[0, 1]]
    assert near_duplicates([], 8) == []


def test_near_duplicates_across_blocks_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(5)
    numbers = [int(n) for n in rng.integers(0, 2**63, 1200)]
    for twin, of in ((600, 3), (1199, 3), (1100, 700)):
        numbers[twin] = numbers[of] ^ (1 << twin % 60)
    hashes = [f"{number:016x}" for number in numbers]
    assert near_duplicates(hashes, 2) == [[3, 600, 1199], [700, 1100]]


@pytest.mark.parametrize(
    ("hashes", "distance"), [(["00"], 8), (["zz" * 8], 8), (["00" * 8], -1), (["00" * 8], 65)]
)
def test_what_is_no_hash_is_refused(hashes: list[str], distance: int) -> None:
    with pytest.raises(ValueError, match=r"Expected|invalid literal"):
        near_duplicates(hashes, distance)


def apart(first: Image.Image, second: Image.Image) -> int:
    return (int(perceptual_hash(first), 16) ^ int(perceptual_hash(second), 16)).bit_count()


def versions(image: Image.Image) -> Iterator[Image.Image]:
    """The same picture as others have stored it."""
    width, height = image.size
    yield image.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    yield image.resize((width * 3 // 2, height * 3 // 2), Image.Resampling.BICUBIC)
    for quality in (30, 60):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        yield Image.open(stream).convert("RGB")


# --- against the packaged photographs: downloaded once, so among the slow tests -----------------


@pytest.fixture(scope="module")
def samples() -> list[tuple[str, Image.Image]]:
    source = SampleSource(settings.PACKAGES_ROOT)
    return [
        (f"{word.text} {hit.origin}", read_image(source.read(hit)).image)
        for word in WORDS
        for hit in source.search(word.text, 200)
    ]


@pytest.fixture(scope="module")
def contents() -> list[tuple[str, Image.Image]]:
    folder = settings.PACKAGES_ROOT
    return [(c.name, read_image(read_content(c, folder)).image) for c in CONTENTS]


@pytest.mark.slow
@pytest.mark.enable_socket
def test_no_sample_is_left_out_by_what_it_shows(samples: list[tuple[str, Image.Image]]) -> None:
    measured = [(name, measure(image)) for name, image in samples]
    assert [name for name, found in measured if judge(found) is not None] == []
    # And none is near to it.
    assert max(found.text for _name, found in measured) < RULES.max_text / 3
    assert max(found.plain for _name, found in measured) < 0.7
    assert min(found.contrast for _name, found in measured) > 1.5 * RULES.min_contrast


@pytest.mark.slow
@pytest.mark.enable_socket
def test_other_places_of_a_texture_are_no_duplicates_but_other_sizes_are(
    samples: list[tuple[str, Image.Image]],
) -> None:
    hashes = [perceptual_hash(image) for _name, image in samples]
    # 16 bits is the least of all pairs.
    assert near_duplicates(hashes, 15) == []
    distances = [apart(image, v) for _name, image in samples for v in versions(image)]
    assert np.mean(np.array(distances) <= RULES.distance) >= 0.99


@needs_fonts
@pytest.mark.slow
@pytest.mark.enable_socket
def test_writing_all_over_a_photograph_is_found_more_often_than_not(
    samples: list[tuple[str, Image.Image]], contents: list[tuple[str, Image.Image]]
) -> None:
    grounds = [*contents, *(samples[n] for n in (0, 12, 30, 40, -1))]
    written = [page for name, image in grounds for page in writing.on_photograph(name, image)]
    assert len(written) == 96
    # Of 96: missed are mostly black letters on dark grain, and white ones on gravel.
    assert np.mean([found(page) for page in written]) > 0.55
    assert [name for name, image in grounds if measure(image).text > 0.02] == []
