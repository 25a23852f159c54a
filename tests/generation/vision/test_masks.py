"""Where the object is: drawn scenes with a known truth, and torchvision's own pipeline."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn
from torchvision.models.segmentation import (
    DeepLabV3_ResNet50_Weights,
    deeplabv3_resnet50,
)

from generation.vision import masks
from generation.vision.errors import (
    BadImage,
    BadParams,
    BadWeights,
    MissingWeights,
    NothingFound,
)
from generation.vision.masks import CLASSES, GrabCutParams, grabcut, load_segmenter, segment
from generation.vision.tensors import to_image

BOX = (24, 18, 102, 76)


def scene(scale: int = 1) -> tuple[Image.Image, np.ndarray]:
    """A reddish noisy ellipse on greenish noise, 120 × 90 times the scale, and where it is."""
    truth = Image.new("L", (120 * scale, 90 * scale))
    ImageDraw.Draw(truth).ellipse([n * scale for n in (30, 24, 95, 70)], fill=255)
    inside = np.asarray(truth) > 127
    rng = np.random.default_rng(5)
    colors = np.where(inside[:, :, None], (0.7, 0.3, 0.25), (0.3, 0.55, 0.3))
    return to_image(np.clip(colors + 0.08 * rng.normal(size=colors.shape), 0, 1)), inside


def overlap(mask: Image.Image, truth: np.ndarray) -> float:
    """Intersection over union, at half white."""
    found = np.asarray(mask) > 127
    return float((found & truth).sum() / (found | truth).sum())


# --- from a box -----------------------------------------------------------------------------------


def test_the_object_in_the_box_is_found() -> None:
    image, truth = scene()
    mask = grabcut(image, BOX)
    assert (mask.mode, mask.size) == ("L", image.size)
    assert overlap(mask, truth) > 0.98
    values = np.asarray(mask)
    left, top, right, bottom = BOX
    # What is outside the box is background for good; the Gaussian of 1 px reaches 3 px further.
    outside = np.ones_like(values, dtype=bool)
    outside[top - 3 : bottom + 3, left - 3 : right + 3] = False
    assert values[outside].max() == 0


def test_the_edge_is_soft_and_can_be_hard() -> None:
    image, _truth = scene()
    hard = np.asarray(grabcut(image, BOX, GrabCutParams(softness=0)))
    assert set(np.unique(hard)) == {0, 255}
    soft = np.asarray(grabcut(image, BOX))
    between = (soft > 0) & (soft < 255)
    # An ellipse of half axes 32.5 and 23 has a circumference of 175; an edge some pixels wide.
    assert 2 * 175 < between.sum() < 8 * 175
    assert ((soft > 127) == (hard > 127)).mean() > 0.99


def test_the_same_bytes_whatever_random_numbers_were_drawn_before() -> None:
    image, _truth = scene()
    first = grabcut(image, BOX)
    cv2.setRNGSeed(99)
    cv2.randu(np.zeros(7, np.float32), 0, 1)
    assert grabcut(image, BOX).tobytes() == first.tobytes()


def test_a_large_photograph_is_worked_at_smaller() -> None:
    image, truth = scene(scale=4)
    mask = grabcut(image, tuple(4 * n for n in BOX), GrabCutParams(side=120))  # type: ignore[arg-type]
    assert mask.size == image.size == (480, 360)
    assert overlap(mask, truth) > 0.96


def test_specks_and_small_holes_are_taken_away() -> None:
    found = np.zeros((100, 100), dtype=bool)
    found[10:60, 10:60] = True  # 2500 pixels, so 1 % is 25
    expected = found.copy()
    expected[40:46, 40:46] = False  # a hole of 36 stays
    expected[80:86, 80:86] = True  # and so does another part of 36
    changed = expected.copy()
    changed[20:24, 20:24] = False
    changed[70:74, 10:14] = True
    assert (masks._without_specks(changed) == expected).all()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((-1, 18, 102, 76), "inside the photograph of 120 × 90 pixels, .*got left -1, top 18"),
        ((24, 18, 121, 76), "inside the photograph"),
        ((24, 18, 102, 91), "inside the photograph"),
        ((102, 18, 24, 76), "left < right"),
        ((24, 18, 24, 76), "left < right"),
        ((24, 18, 39, 76), r"at least 16 × 16 pixels, got 15 × 58\. Draw a larger one"),
        ((0, 0, 120, 90), "smaller than the photograph .*what is outside"),
        ((24.0, 18, 102, 76), "four whole numbers"),
        ((24, 18, 102), "four whole numbers"),
    ],
)
def test_boxes_that_are_refused(box: Any, message: str) -> None:
    with pytest.raises(BadParams, match=message):
        grabcut(scene()[0], box)


def test_the_least_box_grows_with_the_photograph() -> None:
    # Worked at a quarter of its size, 16 pixels there are 64 here.
    image, _truth = scene(scale=4)
    with pytest.raises(BadParams, match="at least 64 × 64 pixels, got 60 × 200"):
        grabcut(image, (100, 100, 160, 300), GrabCutParams(side=120))


def test_a_box_on_the_border_and_thin_margins_work() -> None:
    image, truth = scene()
    assert overlap(grabcut(image, (0, 0, 120, 76)), truth) > 0.95
    assert overlap(grabcut(image, (0, 0, 119, 90)), truth) > 0.95


def test_a_plain_photograph_has_no_object() -> None:
    with pytest.raises(
        NothingFound, match=r"No object was found in the box left 24, top 18.*upload"
    ):
        grabcut(Image.new("RGB", (120, 90), (90, 90, 90)), BOX)


def test_gray_photographs_and_bad_parameters_are_refused() -> None:
    with pytest.raises(BadImage, match="RGB"):
        grabcut(Image.new("L", (120, 90)), BOX)
    for changes in ({"iterations": 0}, {"side": 63}, {"softness": -1.0}, {"seed": -1}):
        with pytest.raises(BadParams, match=next(iter(changes))):
            GrabCutParams(**changes)


# --- by the network -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """240 × 200: a scene on noise."""
    rng = np.random.default_rng(6)
    image = to_image(np.clip(0.5 + 0.2 * rng.normal(size=(200, 240, 3)), 0, 1))
    image.paste(scene()[0], (0, 0))
    return image


@pytest.fixture(scope="module")
def case(picture: Image.Image) -> tuple[nn.Module, np.ndarray]:
    """torchvision's DeepLabV3 with seeded weights (the trained ones cannot be downloaded here), and
    where it sees no background, computed as torchvision's documentation does.

    The last bias is set so that half of the picture is background.
    """
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network: nn.Module = deeplabv3_resnet50(
            weights=None, weights_backbone=None, num_classes=21, aux_loss=True
        ).eval()
    prepared = DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.transforms()(picture)
    with torch.no_grad():
        scores = network(prepared.unsqueeze(0))["out"][0]  # (21, h, w)
        shift = (scores[1:].amax(dim=0) - scores[0]).median()
        network.get_submodule("classifier.4").bias[0] += shift  # type: ignore[index, operator]
        scores[0] += shift
    return network, scores.argmax(dim=0).ne(0).numpy()


@pytest.fixture(scope="module")
def reference(case: tuple[nn.Module, np.ndarray]) -> nn.Module:
    return case[0]


@pytest.fixture(scope="module")
def weights(reference: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("segmentation") / "deeplabv3.pth"
    torch.save(reference.state_dict(), path)
    return path


def test_the_mask_is_where_torchvision_sees_no_background(
    case: tuple[nn.Module, np.ndarray], weights: Path, picture: Image.Image
) -> None:
    expected = case[1]
    assert expected.shape == (520, 624)
    assert 0.2 < expected.mean() < 0.8
    wanted = np.asarray(
        Image.fromarray(expected.astype(np.uint8) * 255).resize(
            picture.size, Image.Resampling.BILINEAR
        )
    )
    network = load_segmenter(weights)
    mask = segment(picture, network, softness=0)
    assert (mask.mode, mask.size) == ("L", picture.size)
    # The same but for rounding in the resizing.
    assert ((np.asarray(mask) > 127) == (wanted > 127)).mean() > 0.995
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_classes_are_torchvisions() -> None:
    meta = DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"]
    assert [name.replace(" ", "").lower() for name in CLASSES[1:]] == meta[1:]
    assert meta[0] == "__background__"


class Sure(nn.Module):
    """Sees one class in the left part of any picture."""

    def __init__(self, label: int, share: float) -> None:
        super().__init__()
        self.label, self.share = label, share
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen.append(tuple(x.shape))
        scores = torch.zeros(1, 21, *x.shape[2:])
        scores[:, 0] = 0.5
        scores[:, self.label, :, : round(self.share * x.shape[3])] = 1.0
        return {"out": scores}


def test_every_class_is_foreground() -> None:
    for label in (1, 20):
        mask = np.asarray(segment(Image.new("RGB", (120, 90)), Sure(label, 0.5)))
        assert mask[:, :57].min() == 255
        assert mask[:, 63:].max() == 0


def test_sizes_of_the_network() -> None:
    network = Sure(1, 0.5)
    for size in ((120, 90), (90, 120), (2000, 100)):
        assert segment(Image.new("RGB", size), network).size == size
    # A long strip would need too much memory at 520.
    assert network.seen == [(1, 3, 520, 693), (1, 3, 693, 520), (1, 3, 65, 1300)]


@pytest.mark.parametrize(
    ("label", "share", "message"),
    [(0, 0.5, "nothing that it knows .aeroplane.*Draw a box"), (3, 1.0, "the whole photograph")],
)
def test_nothing_and_everything_are_no_mask(label: int, share: float, message: str) -> None:
    with pytest.raises(NothingFound, match=message):
        segment(Image.new("RGB", (120, 90)), Sure(label, share))


def test_segment_refuses() -> None:
    with pytest.raises(BadImage, match="RGB"):
        segment(Image.new("L", (120, 90)), Sure(1, 0.5))
    with pytest.raises(BadParams, match="softness of at least 0"):
        segment(Image.new("RGB", (120, 90)), Sure(1, 0.5), softness=-1)


def test_missing_weights_name_the_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_args: object, **_kwargs: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    for path in (None, tmp_path / "none.pth"):
        with pytest.raises(MissingWeights) as caught:
            load_segmenter(path)
        for part in ("torchvision downloads", "STYLESTUDY_SEGMENTATION_WEIGHTS", "draw a box"):
            assert part in str(caught.value)


def test_torchvisions_own_cache_is_read(
    reference: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def cached(url: str, *_args: object, **_kwargs: object) -> Any:
        asked.append(url)
        return reference.state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", cached)
    network = load_segmenter()
    assert asked[0].endswith("/deeplabv3_resnet50_coco-cd0a2569.pth")
    name = "classifier.4.weight"
    assert torch.equal(network.state_dict()[name], reference.state_dict()[name])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"classifier.4.weight": torch.zeros(21, 256, 1, 1)}, r"another.*classifier\.4\.bias"),
        ({"classifier.4.bias": torch.full((21,), torch.nan)}, "not all values are finite"),
        ([1, 2], "expected a state dict"),
    ],
)
def test_other_weights_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(BadWeights, match=f"(?s){message}"):
        load_segmenter(path)


def test_a_box_that_is_the_whole_photograph_at_the_size_worked_at_is_refused() -> None:
    image, _truth = scene(10)  # 1200 × 900, reduced to 512 × 384
    with pytest.raises(BadParams, match=r"smaller than the photograph of 1200 × 900 .*outside"):
        grabcut(image, (1, 1, 1199, 899))
