"""Search by style: hand-worked cases, and scikit-learn as the independent implementation."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier

from generation.vision.errors import BadImage, BadParams, BadStyle, UnknownLayer
from generation.vision.search import (
    average_precisions,
    color_histogram,
    knn_hits,
    nearest,
    require_layer,
    similarities,
    similarity_matrix,
    style_vector,
)
from generation.vision.specs import TINY
from generation.vision.style import Embedding


def embedding(
    descriptor: list[float], nsv: dict[str, list[float]], encoder: str = "e"
) -> Embedding:
    return Embedding(
        encoder,
        "fc6",
        np.array(descriptor, dtype=np.float32),
        {layer: np.array(values, dtype=np.float16) for layer, values in nsv.items()},
    )


A = embedding([3, 4], {"conv1_2": [1, 0], "conv2_2": [0, 1]})
B = embedding([4, 3], {"conv1_2": [1, 0], "conv2_2": [1, 0]})
C = embedding([0, 2], {"conv1_2": [0, 1], "conv2_2": [1, 0]})


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("all", [1, 0.5, 0]),  # the mean of the two layers
        ("conv1_2", [1, 1, 0]),
        ("conv2_2", [1, 0, 0]),
        ("descriptor", [1, 0.96, 0.8]),  # (3·4 + 4·3) / 25; 4·2 / (5·2)
    ],
)
def test_similarities_by_hand(layer: str, expected: list[float]) -> None:
    np.testing.assert_allclose(similarities(A, [A, B, C], layer), expected, atol=1e-6)


def test_similarities_take_the_others_one_by_one() -> None:
    taken = []

    def others():
        for other in (B, C):
            taken.append(other)
            yield other

    assert similarities(A, others()).shape == (2,)
    assert len(taken) == 2
    assert similarities(A, []).shape == (0,)


def test_a_layer_is_of_unit_length_in_spite_of_half_precision() -> None:
    vector = style_vector(embedding([1], {"conv1_2": [0.3, 0.4, 0.866]}), "conv1_2")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-7)


def test_a_silent_layer_is_like_nothing() -> None:
    silent = embedding([0, 0], {"conv1_2": [0, 0], "conv2_2": [0, 1]})
    np.testing.assert_array_equal(similarities(silent, [A], "conv1_2"), [0])
    np.testing.assert_array_equal(similarities(silent, [A], "descriptor"), [0])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UnknownLayer, match="among all, conv1_2, conv2_2, descriptor, got 'conv9'"):
        similarities(A, [B], "conv9")
    with pytest.raises(BadStyle, match=r"Number 1 \(from 0\) was embedded with 'other'"):
        similarities(A, [B, embedding([1, 1], {}, encoder="other")])
    require_layer(TINY, "conv1_2")
    with pytest.raises(UnknownLayer, match="for the encoder 'tiny-untrained', got 'conv1_1'"):
        require_layer(TINY, "conv1_1")


def test_nearest_by_hand_with_ties_by_index() -> None:
    assert nearest(np.array([0.1, 0.7, 0.9, 0.7]), 3).tolist() == [2, 1, 3]
    assert nearest(np.array([0.5, 0.5]), 10).tolist() == [0, 1]
    assert nearest(np.array([]), 1).tolist() == []
    with pytest.raises(BadParams, match="at least 1 nearest neighbor, got 0"):
        nearest(np.array([0.5]), 0)
    with pytest.raises(BadParams, match="1 that are not numbers"):
        nearest(np.array([0.5, np.nan]), 1)


def test_similarity_matrix_by_hand() -> None:
    got = similarity_matrix(np.array([[3.0, 4.0], [4.0, 3.0], [0.0, 0.0]]))
    np.testing.assert_allclose(got, [[1, 0.96, 0], [0.96, 1, 0], [0, 0, 0]], atol=1e-12)
    with pytest.raises(BadParams, match=r"\(n, d\), got \(3,\)"):
        similarity_matrix(np.zeros(3))


# Five items, worked by hand. Others of item 0 by nearness: 1 (a), 2 (b), 3 (a), 4 (b).
LABELS = ["a", "a", "b", "a", "b"]
BY_HAND = np.array(
    [
        [np.nan, 0.9, 0.8, 0.7, 0.1],
        [0.9, np.nan, 0.2, 0.3, 0.1],  # 0 (a), 3 (a), 2 (b), 4 (b)
        [0.8, 0.2, np.nan, 0.6, 0.5],  # 0 (a), 3 (a), 4 (b), 1 (a)
        [0.5, 0.5, 0.6, np.nan, 0.1],  # 2 (b), 0 (a), 1 (a): a tie, by index; 4 (b)
        [0.1, 0.1, 0.5, 0.1, np.nan],  # 2 (b), 0, 1, 3
    ]
)


def test_average_precisions_by_hand() -> None:
    expected = [(1 / 1 + 2 / 3) / 2, 1, 1 / 3, (1 / 2 + 2 / 3) / 2, 1]
    np.testing.assert_allclose(average_precisions(BY_HAND, LABELS), expected)


def test_knn_by_hand() -> None:
    assert knn_hits(BY_HAND, LABELS, 1).tolist() == [True, True, False, False, True]
    # Items 0 and 3: one vote each, so the nearest decides; 4: b before a.
    assert knn_hits(BY_HAND, LABELS, 2).tolist() == [True, True, False, False, True]
    assert knn_hits(BY_HAND, LABELS, 3).tolist() == [True, True, False, True, False]


def test_against_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.random((40, 6))
    labels = [str(label) for label in rng.integers(0, 2, 40)]
    similarity = similarity_matrix(vectors)
    precisions = average_precisions(similarity, labels)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array(labels)
    for item in range(40):
        others = np.arange(40) != item
        relevant = names[others] == names[item]
        expected = average_precision_score(relevant, similarity[item, others])
        assert precisions[item] == pytest.approx(expected)
    for k in (1, 5):  # odd, two labels: no ties of votes, which scikit-learn settles otherwise
        for item, hit in enumerate(knn_hits(similarity, labels, k)):
            others = np.arange(40) != item
            model = KNeighborsClassifier(n_neighbors=k).fit(units[others], names[others])
            assert hit == (model.predict(units[[item]])[0] == names[item])


def test_measures_refuse_what_they_cannot_measure() -> None:
    with pytest.raises(BadParams, match=r"got \(5, 5\) and 2 labels"):
        average_precisions(BY_HAND, ["a", "a"])
    with pytest.raises(BadParams, match="'b' occurs once"):
        average_precisions(BY_HAND, ["a", "a", "b", "a", "a"])
    with pytest.raises(BadParams, match="k from 1 to 4 for 5, got 5"):
        knn_hits(BY_HAND, LABELS, 5)
    with pytest.raises(BadParams, match="1 that are not numbers"):
        knn_hits(np.where(BY_HAND == 0.9, np.nan, BY_HAND), LABELS, 1)


def test_color_histogram_by_hand() -> None:
    # Three pixels of black, one of red; two bins a channel: cell 0 and cell 4.
    image = Image.fromarray(np.array([[[0, 0, 0]] * 2, [[127, 0, 0], [255, 0, 0]]], dtype=np.uint8))
    got = color_histogram(image, bins=2)
    np.testing.assert_allclose(got, [np.sqrt(3) / 2, 0, 0, 0, 0.5, 0, 0, 0], atol=1e-7)


def test_color_histogram_equals_numpy() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    counts, _ = np.histogramdd(pixels.reshape(-1, 3), bins=[np.arange(0, 257, 32)] * 3)
    got = color_histogram(Image.fromarray(pixels))
    np.testing.assert_allclose(got, np.sqrt(counts.ravel() / 600), rtol=1e-6)
    assert np.linalg.norm(got) == pytest.approx(1, abs=1e-6)


def test_color_histogram_does_not_see_places() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    turned = Image.fromarray(pixels[::-1, ::-1].copy())
    np.testing.assert_array_equal(color_histogram(Image.fromarray(pixels)), color_histogram(turned))


def test_color_histogram_refuses() -> None:
    with pytest.raises(BadImage):
        color_histogram(Image.new("L", (4, 4)))
    with pytest.raises(BadParams, match="1 to 256 bins a channel, got 0"):
        color_histogram(Image.new("RGB", (4, 4)), bins=0)
