"""`manage.py nearest`, with a small untrained network in place of the big one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from generation import features, pictures
from generation.imagefile import encode_png, photograph_fields, read_image
from generation.models import SourceImage, StylizedImage
from tests.factories import WordFactory, make_ready_set

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_network")]


def stripes(period: int, seed: int = 0) -> Image.Image:
    """Vertical black and white stripes with a little grain."""
    rng = np.random.default_rng(seed)
    columns = (np.arange(80) // period % 2) * 200
    pixels = np.broadcast_to(columns[None, :, None], (80, 80, 3)) + rng.integers(0, 40, (80, 80, 3))
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Nearest to farthest from the first."""
    paths = []
    for name, image in (
        ("query.png", stripes(2)),
        ("other.png", stripes(40, seed=1)),
        ("like.png", stripes(2, seed=2)),
    ):
        path = tmp_path / name
        path.write_bytes(encode_png(image))
        paths.append(str(path))
    return paths


def add(period: int, seed: int, **fields: Any) -> SourceImage:
    data = photograph_fields(read_image(encode_png(stripes(period, seed))))
    return SourceImage.objects.create(**{"word": WordFactory(), **data, **fields})


def listed(out: str) -> list[str]:
    """The names, nearest first."""
    return [line.split("  ", 3)[-1].strip() for line in out.splitlines() if line.startswith("   ")]


def test_files_nearest_first(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("nearest", image=Path(files[0]), among=files[1:])
    out = capsys.readouterr().out
    assert f"Nearest in style to {files[0]} (vgg16-hed, all), 2 of 2:" in out
    assert listed(out) == [files[2], files[1]]


def test_the_picture_itself_is_left_out_of_a_folder(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("nearest", image=Path(files[0]), among=files, k=1)
    assert listed(capsys.readouterr().out) == [files[2]]


@pytest.mark.parametrize("layer", ["conv1_2", "descriptor"])
def test_one_layer(files: list[str], capsys: pytest.CaptureFixture[str], layer: str) -> None:
    call_command("nearest", image=Path(files[0]), among=files[1:], layer=layer)
    out = capsys.readouterr().out
    assert f"(vgg16-hed, {layer})" in out
    assert len(listed(out)) == 2


def test_photographs_of_the_database(
    files: list[str], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    far, near = add(40, 1), add(2, 2, credit="a package")
    add(2, 3, rejected="blurred")
    call_command("nearest", image=Path(files[0]))
    assert listed(capsys.readouterr().out) == [f"{near}  a package", str(far)]
    # Their features are kept, and read the second time.
    assert features.feature_path(near.sha256, "vgg16-hed").exists()
    call_command("nearest", image=Path(files[0]), k=1)
    assert listed(capsys.readouterr().out) == [f"{near}  a package"]


def test_a_damaged_photograph_is_left_out_and_named(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, whole = add(2, 1), add(4, 2)
    Path(damaged.file.path).write_bytes(b"no picture")
    call_command("nearest", image=Path(files[0]))
    captured = capsys.readouterr()
    assert listed(captured.out) == [str(whole)]
    assert f"Left out: The stored photograph {damaged}" in captured.err
    whole.delete()
    with pytest.raises(CommandError, match="None of them could be read"):
        call_command("nearest", image=Path(files[0]))


def test_pictures_of_the_database(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ready_set(words=2, contents=1)
    for number, row in enumerate(StylizedImage.objects.all()):
        data = photograph_fields(read_image(encode_png(stripes(2 + 38 * number, seed=5))))
        row.file, row.sha256 = data["file"], data["sha256"]
        row.save()
    first, second = StylizedImage.objects.all()
    call_command("nearest", image=Path(files[0]), among=["pictures"])
    names = [f"{row}  {row.recipe} #{row.pk}" for row in (first, second)]
    assert listed(capsys.readouterr().out) == names


def test_the_contact_sheet(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheet.png"
    call_command("nearest", image=Path(files[0]), among=files[1:] * 4, out=out)
    assert f"Written: {out}" in capsys.readouterr().out
    with Image.open(out) as image:
        # Nine pictures in two rows of six.
        assert image.width == pictures.GAP + 6 * (160 + pictures.GAP)
        assert 2 * 160 < image.height < 3 * 160


def test_long_names_leave_every_picture_on_the_sheet(files: list[str], tmp_path: Path) -> None:
    names = ["a.png"] * 5 + [f"ふさふさした長い名前の写真 その{n}.png" for n in range(6)]
    paths = []
    for n, name in enumerate(names):
        path = tmp_path / str(n) / name
        path.parent.mkdir()
        path.write_bytes(Path(files[1 + n % 2]).read_bytes())
        paths.append(str(path))
    out = tmp_path / "sheet.png"
    call_command("nearest", image=Path(files[0]), among=paths, k=11, out=out)
    with Image.open(out) as image:
        page = np.asarray(image)
    assert page.shape[1] == pictures.GAP + 6 * (160 + pictures.GAP)
    for number in range(12):
        row, column = divmod(number, 6)
        bottom = page.shape[0] - (1 - row) * page.shape[0] // 2
        left = pictures.GAP + column * (160 + pictures.GAP)
        # Stripes, and white on both sides.
        assert page[bottom - 100 : bottom - 20, left : left + 160].std() > 50, number
        assert (
            page[bottom - 100 : bottom - 20, left + 160 : left + 160 + pictures.GAP] == 255
        ).all()


def test_the_list_is_there_whatever_becomes_of_the_sheet(
    files: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CommandError, match="cannot be written: No space left on device"):
        call_command("nearest", image=Path(files[0]), among=files[1:], out=tmp_path / "sheet.png")
    assert listed(capsys.readouterr().out) == [files[2], files[1]]


@pytest.mark.parametrize(("out", "left"), [("sheet.png", " No sheet was written."), (None, "")])
def test_ctrl_c_ends_it(
    files: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    out: str | None,
    left: str,
) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("generation.vision.search.similarities", interrupted)
    path = out and tmp_path / out
    with pytest.raises(SystemExit) as end:
        call_command("nearest", image=Path(files[0]), among=files[1:], out=path)
    assert end.value.code == 130
    assert capsys.readouterr().out.endswith(f"Stopped.{left}\n")
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "-k: expected at least 1, got 0"),
        ({"layer": "conv9_1"}, "Expected a layer among all, conv1_2.*got 'conv9_1'"),
        ({"image": Path("missing.png")}, "missing.png cannot be read: No such file"),
        ({"among": ["missing.png"]}, "missing.png cannot be read: No such file"),
        ({"among": ["photographs"]}, "nothing to compare with. The database has no photographs"),
        ({"among": ["pictures"]}, "nothing to compare with. The database has no pictures"),
        ({"among": ["pictures", "a.png"]}, "got pictures a.png. A file of that name .* ./pictures"),
        ({"out": Path("sheet.jpg")}, "ends in .png, got 'sheet.jpg'"),
    ],
)
def test_bad_input_is_said(files: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("nearest", **{"image": Path(files[0]), "among": files[1:], **options})


def test_nothing_but_the_picture_itself(files: list[str]) -> None:
    with pytest.raises(CommandError, match="There is no other file"):
        call_command("nearest", image=Path(files[0]), among=[files[0]])


def test_an_unknown_encoder(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(CommandError, match="an encoder among vgg19, vgg16-hed, got 'vgg11'"):
        call_command("nearest", image=Path(files[0]), among=files[1:], encoder="vgg11")
