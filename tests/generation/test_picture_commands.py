"""`reconstruct` and `stylize` with a small untrained network in place of the big one.

Tests without the `django_db` mark may not touch the database: pytest-django refuses it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError
from PIL import Image

from generation import features, inline, pictures, pipeline
from generation.imagefile import photograph_fields, pixel_sha256, read_image
from generation.models import Clustering, Job, SourceImage, State, Word
from generation.notation import NAMES
from generation.sources.base import SearchHit, SourceError
from generation.vision import masks, recipe, transfer
from generation.vision.encoder import Encoder, untrained_encoder
from generation.vision.specs import SPECS
from tests.factories import grain
from tests.generation.vision.test_masks import BOX, Sure, scene


@pytest.fixture
def network(small_network: Encoder) -> Encoder:
    return small_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photographs, a mask and a file that is none."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "content.png").write_bytes(grain(1, (60, 120, 160), width=80))
    for n in (1, 2):
        (folder / f"style{n}.png").write_bytes(grain(10 + n, (150, 100, 70)))
    mask = Image.new("L", (80, 72))
    mask.paste(255, (0, 0, 40, 72))
    mask.save(folder / "mask.png")
    Image.new("RGB", (40, 80)).save(folder / "small.png")
    (folder / "page.png").write_text("<html>")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def reconstruct(folder: Path, **changes: Any) -> None:
    options: dict[str, Any] = {
        "image": folder / "content.png",
        "layer": "conv2_1",
        "out": folder / "out.png",
        "size": 32,
        "evaluations": 3,
    }
    call_command("reconstruct", **{**options, **changes})


def stylize(folder: Path, **changes: Any) -> None:
    options: dict[str, Any] = {
        "content": folder / "content.png",
        "style": [folder / "style1.png"],
        "out": folder / "out.png",
        "size": 48,
        "evaluations": 3,
    }
    options.update(changes)
    if "word" in changes:
        del options["style"]
    call_command("stylize", **options)


def nearest(folder: Path, **changes: Any) -> None:
    options: dict[str, Any] = {
        "image": folder / "content.png",
        "among": [str(folder / "style1.png")],
        "out": folder / "out.png",
    }
    call_command("nearest", **{**options, **changes})


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
        return np.asarray(image)


# --- reconstruct --------------------------------------------------------------------------------


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("of", ["content", "style"])
def test_a_reconstruction_is_written(
    of: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "new" / "out.PNG"
    reconstruct(folder, of=of, out=out)
    assert opened(out).shape == (32, 32, 3)
    said = capsys.readouterr().out
    assert f"{of} of conv2_1: 3/3 evaluations" in said
    assert said.endswith(f"Written: {out}\n")


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("all", [f"conv{block}_{index}" for block in range(1, 6) for index in (1, 2)]),
        ("blocks", [f"conv{block}_1" for block in range(1, 6)]),
    ],
)
def test_layers_make_a_contact_sheet_of_both_kinds(
    layers: str, expected: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[Any] = []
    real = pictures.sheet

    def watched(rows: Any, *names: Any) -> Image.Image:
        named.extend(list(some) for some in names)
        return real(rows, *names)

    monkeypatch.setattr(pictures, "sheet", watched)
    reconstruct(folder, layer=layers, out=folder / "sheet.png", evaluations=1)
    assert named == [["content", "style"], expected]
    page = opened(folder / "sheet.png")
    assert page.shape[0] == pictures.LABEL + 2 * (32 + pictures.GAP)
    for of in ("content", "style"):
        for layer in expected:
            reconstruct(folder, of=of, layer=layer, evaluations=1)
            assert contains(page, opened(folder / "out.png")), (of, layer)


def test_names_of_all_layers_fit_above_the_smallest_pictures() -> None:
    layers = SPECS["vgg19"].conv_layers
    least = Image.new("RGB", (32, 32), (255, 0, 0))
    page = np.asarray(pictures.sheet([[least] * len(layers)] * 2, ["content", "style"], layers))
    red = (page == (255, 0, 0)).all(axis=2)
    starts = np.flatnonzero(np.diff(red[pictures.LABEL].astype(int), prepend=0) == 1)
    assert len(starts) == 16
    ink = (page[: pictures.LABEL] != 255).any(axis=(0, 2))
    for start, end in zip(starts, [*starts[1:], page.shape[1]], strict=True):
        assert ink[start:end].any()
        assert not ink[end - pictures.GAP // 2 : end].any(), "a gap to the next name"


def contains(page: np.ndarray, piece: np.ndarray) -> bool:
    """Whether the piece lies somewhere on the page, pixel by pixel."""
    height, width = piece.shape[:2]
    starts = (page[: -height + 1, : -width + 1] == piece[0, 0]).all(axis=2)
    return any(
        (page[top : top + height, left : left + width] == piece).all()
        for top, left in np.argwhere(starts)
    )


def test_names_on_a_sheet_never_meet() -> None:
    tiny = Image.new("RGB", (8, 8), (255, 0, 0))
    one = pictures.sheet([[tiny]], ["row"], ["a very long name"])
    two = pictures.sheet([[tiny] * 2], ["row"], ["a very long name"] * 2)
    ink = (np.asarray(two)[: pictures.LABEL] != 255).any(axis=(0, 2))
    assert two.width - one.width > 8 + pictures.GAP
    edge = one.width - pictures.GAP
    assert not ink[edge : one.width].any(), "a gap between the two names"


@pytest.mark.parametrize(
    "name", ["ふさふさした毛布のような草むら #12", "a" * 40, "two\nlines " * 9]
)
def test_a_grid_lines_up_and_crops_nothing_whatever_is_written(name: str) -> None:
    rng = np.random.default_rng(0)
    tiles = [Image.fromarray(rng.integers(0, 200, (30, 50, 3), np.uint8)) for _ in range(8)]
    names = ["short"] * 3 + [name] * 5
    page = np.asarray(
        pictures.grid([(t, ("0.987", n)) for t, n in zip(tiles, names, strict=True)], 3)
    )
    gap, head = pictures.GAP, pictures.LABEL + pictures.LINE
    # Three columns of 50 pixels, three rows of a head and 30 pixels, a gap after each.
    assert page.shape == (3 * (head + 30 + gap), gap + 3 * (50 + gap), 3)
    for number, tile in enumerate(tiles):
        left, top = gap + number % 3 * (50 + gap), number // 3 * (head + 30 + gap)
        assert (page[top + head :][:30, left : left + 50] == np.asarray(tile)).all(), number
        caption = page[top : top + head, left : left + 50]
        assert (caption[: pictures.LABEL] != 255).any(), "its similarity"
        assert (caption[pictures.LABEL :] != 255).any(), "its name"
    for column in range(4):
        assert (page[:, column * (50 + gap) :][:, : gap - 2] == 255).all(), "a gap between captions"


def test_a_text_is_cut_by_its_width_and_not_by_its_letters() -> None:
    font = pictures._font(14)
    latin, japanese = (pictures.fitted(letter * 90, 160, font) for letter in ("i", "毛"))
    for text in (latin, japanese):
        assert text.endswith("…")
        assert 160 - font.getlength(text[0]) < font.getlength(text) <= 160
    assert len(latin) > len(japanese)
    assert pictures.fitted("石 #1", 160, font) == "石 #1"


@pytest.mark.usefixtures("network")
def test_the_pooling_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = features.encoder
    monkeypatch.setattr(features, "encoder", lambda *names: (asked.append(names), real(*names))[1])
    reconstruct(folder, encoder="vgg19")
    reconstruct(folder, pooling="average")
    assert asked == [("vgg19", "max"), ("vgg16-hed", "average")]


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": "none.png"}, r"Expected an image file.*none\.png cannot be read: No such file"),
        ({"image": "."}, "Is a directory"),
        ({"image": "page.png"}, r"page\.png: .*not an image"),
        ({"image": "small.png"}, r"small\.png: The image has 40 × 80 pixels.*at least 64"),
        ({"out": "out.jpg"}, r"name ends in \.png, got .*out\.jpg"),
        ({"out": "page.png/out.png"}, r"page\.png is not a folder"),
        ({"out": "dir.png"}, r"dir\.png is a folder\. Choose another name"),
        ({"layer": "conv9_9"}, r"no layer 'conv9_9'\. It has conv1_1"),
        ({"layer": "fc6"}, r"no layer 'fc6'.*stands in"),
        ({"size": 31}, "from 32 to 4096, got 31"),
        ({"evaluations": 0}, "at least 1, got 0"),
        ({"seed": -1}, "at least 0, got -1"),
    ],
)
def test_reconstruct_refuses(folder: Path, changes: dict[str, Any], message: str) -> None:
    (folder / "dir.png").mkdir()
    refused(folder, reconstruct, changes, message)


def refused(folder: Path, command: Any, changes: dict[str, Any], message: str) -> None:
    """The command ends in an error, and no file is new or changed."""
    (folder / "out.png").write_bytes(b"of an earlier run")
    before = files(folder)
    for name in ("image", "content", "out", "mask"):
        if name in changes:
            changes[name] = folder / changes[name]
    for name in ("style", "background_style"):
        if name in changes:
            changes[name] = [folder / file for file in changes[name]]
    with pytest.raises(CommandError, match=message):
        command(folder, **changes)
    assert files(folder) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "resnet"}, "Expected an encoder among vgg19, vgg16-hed, got 'resnet'"),
        ({}, r"vgg16-hed' are missing: there is no file .*make weights"),
        ({"encoder": "vgg19"}, r"vgg19' are not at .*STYLESTUDY_VGG19_WEIGHTS"),
    ],
)
@pytest.mark.parametrize("command", [reconstruct, stylize])
def test_encoders_that_cannot_be_had(
    folder: Path, settings: Any, command: Any, changes: dict[str, Any], message: str
) -> None:
    settings.VGG16_HED_WEIGHTS = folder / "none.h5"
    settings.VGG19_WEIGHTS = folder / "none.pth"
    features.encoder.cache_clear()
    refused(folder, command, dict(changes), message)


@pytest.mark.parametrize("command", [reconstruct, stylize])
def test_the_installation_s_encoder_is_taken(folder: Path, settings: Any, command: Any) -> None:
    settings.ENCODER = "vgg19"
    settings.VGG19_WEIGHTS = folder / "none.pth"
    features.encoder.cache_clear()
    refused(folder, command, {}, r"vgg19' are not at .*STYLESTUDY_VGG19_WEIGHTS")


def test_an_unknown_pooling_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "encoder", lambda _n, pooling: untrained_encoder(pooling=pooling))
    refused(folder, reconstruct, {"pooling": "mean"}, "among max, average, got 'mean'")


# --- stylize from files ---------------------------------------------------------------------------


@pytest.mark.usefixtures("network")
def test_files_in_a_picture_out_without_a_database(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stylize(folder, style=[folder / "style1.png", folder / "style2.png"])
    first = opened(folder / "out.png")
    assert first.shape == (48, 48, 3)
    said = capsys.readouterr().out
    assert "stylize: 3/3 evaluations" in said
    assert f"Written: {folder / 'out.png'} (style loss " in said
    stylize(folder, style=[folder / "style1.png", folder / "style2.png"])
    assert (opened(folder / "out.png") == first).all(), "the same seed"
    stylize(folder, style=[folder / "style1.png", folder / "style2.png"], seed=2)
    assert (opened(folder / "out.png") != first).any()


@pytest.mark.usefixtures("network")
def test_the_fast_preset_makes_its_texture_first(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(recipe.PRESETS["fast"].params, texture_evaluations=3)
    monkeypatch.setitem(recipe.PRESETS, "fast", recipe.Preset(short, "quick"))
    stylize(folder, preset="fast")
    said = capsys.readouterr().out
    assert said.index("texture: ") < said.index("stylize: 3/3")


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("color", ["match", "histogram", "luminance"])
def test_colors_are_the_contents_where_asked(color: str, folder: Path) -> None:
    stylize(folder)
    plain = opened(folder / "out.png").mean(axis=(0, 1))
    stylize(folder, color=color)
    got = opened(folder / "out.png").mean(axis=(0, 1))
    content = opened(folder / "content.png").mean(axis=(0, 1))
    assert np.abs(got - content).max() < 12 < np.abs(plain - content).max()


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("statistic", ["moments", "sliced-wasserstein"])
def test_another_statistic_makes_another_picture(statistic: str, folder: Path) -> None:
    stylize(folder)
    gram = opened(folder / "out.png")
    stylize(folder, statistic=statistic)
    assert (opened(folder / "out.png") != gram).any()


@pytest.mark.usefixtures("network")
def test_every_parameter_can_be_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    real = transfer.stylize

    def watched(encoder: Any, content: Any, style: Any, params: Any, **rest: Any) -> Any:
        given.append(params)
        return real(encoder, content, style, params, **rest)

    monkeypatch.setattr(transfer, "stylize", watched)
    typed = [
        "--pooling=max",
        "--style-layers=conv1_1*3 conv2_1",
        "--content-layer=conv3_1",
        "--content-weight=0.5",
        "--statistic=moments",
        "--loss=relative",
        "--optimizer=adam",
        "--history=7",
        "--learning-rate=0.1",
        "--size=48",
        "--evaluations=3",
        "--coarse=32: 2, 40: 1",
        "--range-weight=5",
        "--tv-weight=0.25",
        "--initial=texture",
        "--sigma=2.5",
        "--texture-evaluations=4",
        "--color=match",
        "--encoder=vgg16-hed",
    ]
    call_command(
        "stylize",
        f"--content={folder / 'content.png'}",
        f"--style={folder / 'style1.png'}",
        f"--out={folder / 'out.png'}",
        "--preset=gatys2015",
        *typed,
    )
    names = {option.partition("=")[0].removeprefix("--").replace("-", "_") for option in typed}
    assert names == set(NAMES)
    assert given == [
        recipe.TransferParams(
            encoder="vgg16-hed",
            pooling="max",
            style_layers=("conv1_1", "conv2_1"),
            style_weights=(0.75, 0.25),
            content_layer="conv3_1",
            content_weight=0.5,
            statistic="moments",
            loss="relative",
            optimizer="adam",
            history=7,
            learning_rate=0.1,
            size=48,
            evaluations=3,
            coarse=((32, 2), (40, 1)),
            range_weight=5.0,
            tv_weight=0.25,
            initial="texture",
            sigma=2.5,
            texture_evaluations=4,
            color="match",
        )
    ]
    assert opened(folder / "out.png").shape == (48, 48, 3)


@pytest.mark.usefixtures("network")
def test_outside_the_mask_the_content_stays(folder: Path) -> None:
    stylize(folder, mask=folder / "mask.png")
    with Image.open(folder / "content.png") as image:
        square = image.crop((4, 0, 76, 72)).resize((48, 48), Image.Resampling.LANCZOS)
    away = np.abs(opened(folder / "out.png").astype(int) - np.asarray(square).astype(int))
    # The mask's edge is at column 36 of 72: at 24 of 48, and Lanczos reaches 4.5 further.
    assert away[:, 29:].max() == 0
    assert away[:, :19].mean() > 10


@pytest.mark.usefixtures("network")
def test_a_box_or_the_network_in_place_of_a_mask(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, truth = scene()  # 120 × 90; its central square begins at column 15
    image.save(folder / "content.png")
    square = np.asarray(image.crop((15, 0, 105, 90)).resize((48, 48), Image.Resampling.LANCZOS))
    stylize(folder, box=list(BOX))
    away = np.abs(opened(folder / "out.png").astype(int) - square.astype(int)).max(axis=2)
    inside = np.asarray(Image.fromarray(truth).crop((15, 0, 105, 90)).resize((48, 48)))
    assert away[inside].mean() > 10
    # Away from the soft edge the rest is as it was.
    assert away[:, :4].max() == away[:8].max() == 0
    monkeypatch.setattr(features, "segmenter", lambda: Sure(1, 0.5))
    stylize(folder, segment=True)
    away = np.abs(opened(folder / "out.png").astype(int) - square.astype(int)).max(axis=2)
    assert away[:, 29:].max() == 0
    assert away[:, :19].mean() > 10


@pytest.mark.usefixtures("network")
def test_the_background_takes_a_style_of_its_own(folder: Path) -> None:
    for name, color in (("red", (190, 60, 60)), ("blue", (60, 60, 190))):
        (folder / f"{name}.png").write_bytes(grain(3, color))
    stylize(
        folder,
        style=[folder / "red.png"],
        background_style=[folder / "blue.png"],
        mask=folder / "mask.png",
        evaluations=6,
    )
    made = opened(folder / "out.png").astype(float)
    left, right = made[:, :20].mean(axis=(0, 1)), made[:, 28:].mean(axis=(0, 1))
    assert left[0] > left[2] + 40
    assert right[2] > right[0] + 40


def record(path: Path) -> dict[str, Any]:
    """What is written beside a picture: UTF-8 as people read it, sorted, a line a value."""
    text = path.read_text(encoding="utf-8")
    values: dict[str, Any] = json.loads(text)
    assert text == json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    return values


def seen(path: Path) -> dict[str, str]:
    """A file as records name it."""
    return {"file": path.name, "sha256": pixel_sha256(pictures.read(path))}


def test_the_record_tells_all_that_a_picture_came_of(network: Encoder, folder: Path) -> None:
    style = folder / "ふさふさ.png"
    (folder / "style2.png").rename(style)
    stylize(folder, style=[style, folder / "style1.png"], content_weight=0.5, seed=7)
    found = record(folder / "out.json")
    params = recipe.TransferParams.from_dict(found["params"])
    assert params == replace(
        recipe.get_preset("random-phase"), size=48, evaluations=3, content_weight=0.5
    )
    assert set(found["params"]) == {"format", *(field.name for field in fields(params))}
    with Image.open(folder / "out.png") as image:
        digest = pixel_sha256(image)
    assert {
        name: found[name] for name in ("picture", "content", "style", "background", "mask")
    } == {
        "picture": {"file": "out.png", "sha256": digest},
        "content": seen(folder / "content.png"),
        "style": {"photographs": [seen(style), seen(folder / "style1.png")]},
        "background": None,
        "mask": None,
    }
    assert (found["preset"], found["seed"]) == ("random-phase", 7)
    assert found["encoder"] == {"name": "vgg16-hed", "pooling": "max"}
    assert found["computed_by"] == features.computed_by(network)
    # By these alone the same picture is made again.
    again = transfer.stylize(
        network,
        pictures.read(folder / found["content"]["file"]),
        transfer.Styling(
            [pictures.read(folder / s["file"]) for s in found["style"]["photographs"]]
        ),
        params,
        seed=found["seed"],
        precision=found["precision"],
    )
    assert (np.asarray(again.image) == opened(folder / "out.png")).all()
    assert (found["style_loss"], found["content_loss"]) == (again.style_loss, again.content_loss)
    assert found["losses"] == asdict(again.losses)
    assert set(found["losses"]["layers"]) == set(params.style_layers)
    assert found["loss_curve"] == [round(value, 6) for value in again.curve]
    assert found["source_correlation"] == again.high_frequency_correlation
    assert [found[name] for name in ("evaluations", "restarts")] == [3, 0]


@pytest.mark.usefixtures("network")
def test_the_record_tells_how_the_mask_was_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "segmenter", lambda: Sure(1, 0.5))
    stylize(folder, mask=folder / "mask.png", background_style=[folder / "style2.png"])
    found = record(folder / "out.json")
    mask = pictures.read(folder / "mask.png").convert("L")
    assert found["mask"] == {"method": "file", "file": "mask.png", "sha256": pixel_sha256(mask)}
    assert found["background"] == {"photographs": [seen(folder / "style2.png")]}
    image, _truth = scene()
    image.save(folder / "content.png")
    stylize(folder, box=list(BOX))
    made = masks.grabcut(image, BOX)
    assert record(folder / "out.json")["mask"] == {
        "method": "grabcut",
        "box": list(BOX),
        "params": masks.GrabCutParams().to_dict(),
        "sha256": pixel_sha256(made),
    }
    stylize(folder, segment=True)
    found = record(folder / "out.json")["mask"]
    assert found.pop("sha256") != pixel_sha256(made)
    assert found == {"method": "deeplabv3-resnet50", "torchvision": version("torchvision")}


@pytest.mark.usefixtures("network")
def test_a_record_that_cannot_be_written_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.suffix == ".json":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CommandError, match=r"out\.json cannot be written: No space left"):
        stylize(folder)
    assert opened(folder / "out.png").shape == (48, 48, 3)
    assert not [path for path in folder.iterdir() if path.suffix in {".json", ".part"}]


def test_a_name_that_is_no_text_is_written_as_json(tmp_path: Path) -> None:
    pictures.write_record({"file": "\udcff毛.png"}, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "毛" in text
    assert json.loads(text) == {"file": "\udcff毛.png"}


def test_one_way_to_a_mask(folder: Path) -> None:
    some = ["--content", "c.png", "--style", "s.png", "--out", "o.png"]
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("stylize", *some, "--segment", "--box", "1", "2", "3", "4")
    with pytest.raises(CommandError, match="expected 4 arguments"):
        call_command("stylize", *some, "--box", "1", "2", "3")


def test_segmentation_weights_that_are_not_there(folder: Path, settings: Any) -> None:
    settings.SEGMENTATION_WEIGHTS = folder / "none.pth"
    refused(folder, stylize, {"segment": True}, r"not at .*none\.pth.*draw a box")


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"background_style": ["style2.png"]}, "give --box, --segment or --mask"),
        ({"background_style": ["none.png"], "mask": "mask.png"}, r"none\.png cannot be read"),
        ({"box": [0, 0, 81, 40]}, "inside the photograph of 80 × 72"),
        ({"content": "none.png"}, r"Expected an image file.*none\.png cannot be read"),
        ({"style": ["style1.png", "none.png"]}, r"none\.png cannot be read"),
        ({"style": ["page.png"]}, r"page\.png: .*not an image"),
        ({"mask": "none.png"}, r"none\.png cannot be read"),
        ({"mask": "style1.png"}, r"80 × 72, but .*style1\.png has 72 × 72"),
        ({"out": "out.webp"}, r"ends in \.png"),
        ({"preset": "best"}, "preset among fast, .*, got 'best'"),
        ({"color": "red"}, "color: expected one of style, match, .*, got 'red'"),
        ({"statistic": "mean"}, "statistic: expected one of gram, .*, got 'mean'"),
        ({"size": 16}, "size: expected a whole number from 32 to 4096, got 16"),
        ({"evaluations": 0}, "evaluations: expected a whole number from 1 .*, got 0"),
        ({"seed": -1}, "seed of at least 0, got -1"),
        ({"seed": -1, "preset": "fast"}, "seed of at least 0, got -1"),
        ({"encoder": "resnet"}, "encoder among vgg19, vgg16-hed, got 'resnet'"),
        ({"style_layers": "conv1_1 conv3_4"}, "style_layers: expected conv.*, got 'conv3_4'"),
        ({"style_layers": "conv1_1*x"}, r"as in “conv1_1 conv2_1\*0\.5”, got “conv1_1\*x”"),
        ({"style_layers": ""}, "at least one layer"),
        ({"content_layer": "fc6"}, "content_layer: expected conv.*, got 'fc6'"),
        ({"coarse": "32"}, "as in “128: 20, 192: 10”, got “32”"),
        ({"coarse": "48: 2"}, r"coarse: expected pairs .* \(below 48\), got \(\(48, 2\),\)"),
        ({"optimizer": "sgd"}, "optimizer: expected one of lbfgs, adam, got 'sgd'"),
        ({"pooling": ""}, "pooling: expected one of max, average, got ''"),
        ({"preset": "gatys2015", "statistic": "moments"}, "unless the statistic is gram"),
    ],
)
def test_stylize_refuses(folder: Path, changes: dict[str, Any], message: str) -> None:
    refused(folder, stylize, changes, message)


def test_a_bad_out_is_refused_before_any_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_names: str) -> None:
        raise AssertionError("the network was loaded")

    monkeypatch.setattr(features, "encoder", never)
    for command in (reconstruct, stylize, nearest):
        with pytest.raises(CommandError, match="Expected a file to write"):
            command(folder, out=folder / "out.gif")
    (folder / "out.json").mkdir()
    with pytest.raises(CommandError, match=r"out\.json is a folder\. Choose another name"):
        stylize(folder)
    monkeypatch.setattr(pictures.os, "access", lambda _path, _mode: False)
    for command in (reconstruct, stylize, nearest):
        with pytest.raises(CommandError, match="nothing may be added to"):
            command(folder)


@pytest.mark.usefixtures("network")
def test_a_write_that_fails_leaves_the_old_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    refused(folder, reconstruct, {}, r"out\.png cannot be written: No space left on device")


@pytest.mark.usefixtures("network")
def test_ctrl_c_ends_without_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "stylize", interrupted)
    monkeypatch.setattr("generation.vision.reconstruct.reconstruct", interrupted)
    for command in (reconstruct, stylize):
        with pytest.raises(SystemExit) as end:
            command(folder)
        assert end.value.code == 130
    assert capsys.readouterr().out.count("Stopped. No") == 2
    assert not (folder / "out.png").exists()


# --- stylize from a word --------------------------------------------------------------------------


class Source:
    """Seven hits: the first cannot be had, the second is no image."""

    name = "samples"

    def __init__(self, good: int = 5) -> None:
        self.good = good
        self.searched: list[str] = []

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        self.searched.append(query)
        for rank in range(2 + self.good):
            yield SearchHit(source="samples", query=query, rank=rank, origin=str(rank))

    def read(self, hit: SearchHit) -> bytes:
        if hit.rank == 0:
            raise SourceError("gone")
        # Large enough not to be left out.
        return b"<html>" if hit.rank == 1 else grain(hit.rank, (90, 90, 90), 128, 128)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source()
    monkeypatch.setattr(pipeline, "get_source", lambda _name: source)
    return source


@pytest.mark.django_db
@pytest.mark.usefixtures("network")
def test_a_new_word_is_collected_grouped_and_used(folder: Path, source: Source) -> None:
    stylize(folder, word=" 金属製 ")
    first = opened(folder / "out.png")
    assert first.shape == (48, 48, 3)
    word = Word.objects.get()
    assert (word.text, word.reading, word.gloss) == ("金属製", "きんぞくせい", "metal")
    assert "金属製" in (folder / "out.json").read_text(encoding="utf-8")
    clustering = Clustering.objects.get()
    groups = clustering.clusters.filter(chosen=True)
    rows = SourceImage.objects.filter(memberships__cluster__in=groups)
    style = record(folder / "out.json")["style"]
    photographs = style.pop("photographs")
    assert {one["sha256"]: one["name"] for one in photographs} == {
        row.sha256: str(row) for row in rows
    }
    assert style == {
        "word": "金属製",
        "clustering": {
            "id": clustering.pk,
            "created": clustering.created_at.isoformat(),
            "descriptor": clustering.descriptor,
            "fingerprint": word.fingerprint(),
            "params": clustering.params,
        },
        "clusters": [group.rank for group in groups],
    }
    assert word.images.count() == 5
    kinds = word.jobs.order_by("pk").values_list("kind", "state")
    assert list(kinds) == [(kind, State.DONE) for kind in ("collect", "embed", "cluster")]
    stylize(folder, word="金属製")
    assert (opened(folder / "out.png") == first).all()
    assert source.searched == ["金属製"], "the second run does not collect again"
    assert (Word.objects.count(), Clustering.objects.count(), Job.objects.count()) == (1, 1, 3)


@pytest.mark.django_db
@pytest.mark.usefixtures("network", "source")
def test_only_the_chosen_groups_make_the_style(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    real = pictures.styling

    def noted(network: Any, photographs: Any, *rest: Any) -> Any:
        used.append([image.tobytes() for image in photographs])
        return real(network, photographs, *rest)

    monkeypatch.setattr(pictures, "styling", noted)
    stylize(folder, word="ふさふさ")
    chosen = SourceImage.objects.filter(memberships__cluster__chosen=True)
    assert sorted(used[0]) == sorted(features.open_photograph(row).tobytes() for row in chosen)
    assert used[0]


@pytest.mark.django_db
@pytest.mark.usefixtures("network")
def test_a_word_that_the_source_does_not_have_leaves_nothing(folder: Path) -> None:
    asked = {"word": "もふもふ", "source": "samples"}
    refused(folder, stylize, asked, "no photographs of 'もふもふ'; they have 木製")
    assert not Word.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("network")
def test_a_new_word_is_looked_for_where_it_can_be_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def get_source(name: str) -> None:
        asked.append(name)
        raise SourceError("Down.")

    monkeypatch.setattr(pipeline, "get_source", get_source)
    for word in ("石", "もふもふ"):
        refused(folder, stylize, {"word": word}, "Down")
    refused(folder, stylize, {"word": "もふもふ", "source": "commons"}, "Down")
    assert asked == ["samples", "openverse", "commons"]


@pytest.mark.django_db
@pytest.mark.usefixtures("network")
def test_a_word_of_the_database_without_photographs_stays(folder: Path) -> None:
    Word.objects.create(text="もふもふ")
    refused(folder, stylize, {"word": "もふもふ"}, "もふもふ has no photographs. Upload some")
    assert Word.objects.get().text == "もふもふ"


@pytest.mark.django_db
@pytest.mark.usefixtures("network")
def test_a_stage_that_fails_is_the_reason_and_can_be_tried_again(
    folder: Path, source: Source
) -> None:
    source.good = 2
    refused(folder, stylize, {"word": "石"}, "石 has 2 usable photographs.*at least 3.*Upload more")
    word = Word.objects.get()
    assert word.images.count() == 2, "what was collected is kept"
    image = word.images.all()[0]
    for n in range(3):
        data = grain(50 + n, (90, 90, 90))
        fields = photograph_fields(read_image(data))
        SourceImage.objects.create(word=word, rank=20 + n, **fields)
    image.file.storage.delete(image.file.name)
    refused(folder, stylize, {"word": "石"}, "stored photograph 石 #.*Leave it out")
    SourceImage.objects.filter(pk=image.pk).update(rejected="damaged")
    stylize(folder, word="石")
    assert opened(folder / "out.png").shape == (48, 48, 3)
    assert len(source.searched) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("network", "source")
def test_a_word_that_another_process_works_on_is_left_to_it(folder: Path) -> None:
    word = Word.objects.create(text="石", source="samples")
    row = Job.objects.create(kind=Job.Kind.COLLECT, word=word, source="samples")
    assert Job.objects.all().claim(row.pk, "elsewhere/1")
    refused(folder, stylize, {"word": "石"}, "being done by elsewhere/1. Wait")
    assert Word.objects.get() == word


@pytest.mark.django_db
@pytest.mark.usefixtures("network", "source")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"word": ""}, "'' cannot be a word: .*blank"),
        ({"word": "  "}, "'' cannot be a word"),
        ({"word": "ふ" * 61}, "cannot be a word: .*at most 60"),
        ({"word": "石", "encoder": "resnet"}, "got 'resnet'"),
        ({"word": "石", "out": "out.gif"}, r"ends in \.png"),
        ({"word": "石", "content": "page.png"}, "not an image"),
    ],
)
def test_a_bad_word_or_file_makes_no_row(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    refused(folder, stylize, changes, message)
    assert not Word.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OperationalError("no such table"),
            "cannot be used: no such table\nRun `manage.py migrate`",
        ),
        (IntegrityError("UNIQUE"), "Another process has begun with the same word"),
    ],
)
def test_a_database_that_cannot_be_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def broken(*_args: object) -> None:
        raise error

    monkeypatch.setattr(inline, "cluster", broken)
    refused(folder, stylize, {"word": "石"}, message)


def test_a_style_or_a_word_is_needed_and_not_both(folder: Path) -> None:
    some = ["--content", "c.png", "--out", "o.png"]
    with pytest.raises(CommandError, match="--style --word is required"):
        call_command("stylize", *some)
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("stylize", *some, "--style", "s.png", "--word", "石")
