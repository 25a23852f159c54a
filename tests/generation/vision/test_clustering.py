"""Planted groups must be found; too little must be refused with the number needed."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_info, threadpool_limits

from generation.vision.clustering import ClusteringParams, cluster, similarity
from generation.vision.errors import BadParams, NoUsableCluster, TooFewImages

Floats = npt.NDArray[Any]


def planted(sizes: list[int], seed: int = 0, noise: float = 0.15) -> tuple[Floats, Floats, Floats]:
    """Descriptors (n, 20), style vectors (n, 400) and true groups, in shuffled order."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    blocks = []
    for width in (20, 400):
        centers = rng.random((len(sizes), width))
        blocks.append(np.abs(centers[truth] + noise * rng.normal(size=(len(truth), width))))
    return blocks[0], blocks[1], truth


@pytest.mark.parametrize("sizes", [[6, 6], [10, 5, 3], [9, 4, 4, 3]])
def test_planted_groups_are_found(sizes: list[int]) -> None:
    descriptors, nsv, truth = planted(sizes)
    result = cluster(descriptors, nsv)
    # Hubert and Arabie 1985: 1 for the same partition.
    assert adjusted_rand_score(truth, result.labels) == 1.0
    assert [len(c.members) for c in result.clusters] == sorted(sizes, reverse=True)
    assert max(result.silhouettes, key=lambda k: result.silhouettes[k]) == len(sizes)


def test_equals_k_means_on_the_full_vectors() -> None:
    descriptors, nsv, _ = planted([8, 6, 5], noise=0.35)
    blocks = [b / np.linalg.norm(b, axis=1, keepdims=True) for b in (descriptors, nsv)]
    full = np.concatenate(blocks, axis=1) / np.sqrt(2)
    expected = KMeans(3, n_init=10, random_state=0).fit(full).labels_
    got = cluster(descriptors, nsv, ClusteringParams(clusters=3))
    assert adjusted_rand_score(expected, got.labels) == 1.0
    for group in got.clusters:
        members = full[list(group.members)]
        distances = np.linalg.norm(members - members.mean(axis=0), axis=1)
        np.testing.assert_allclose(group.distances, distances, atol=1e-6)
        assert list(group.distances) == sorted(group.distances)


def test_similarity_equals_numpy_on_concatenated_unit_blocks() -> None:
    descriptors, nsv, _ = planted([4, 3])
    params = ClusteringParams(descriptor_weight=1.0, nsv_weight=3.0)
    blocks = [b / np.linalg.norm(b, axis=1, keepdims=True) for b in (descriptors, nsv)]
    full = np.concatenate([blocks[0] * np.sqrt(0.25), blocks[1] * np.sqrt(0.75)], axis=1)
    np.testing.assert_allclose(similarity(descriptors, nsv, params), full @ full.T, atol=1e-6)


def test_half_precision_gives_the_same_groups() -> None:
    descriptors, nsv, truth = planted([6, 5])
    result = cluster(descriptors.astype(np.float32), nsv.astype(np.float16))
    assert adjusted_rand_score(truth, result.labels) == 1.0


def test_cohesion_medoid_and_score_by_hand() -> None:
    # Unit vectors at 0°, 30° and 60° in both blocks: cosines cos 30° twice and cos 60°.
    angles = np.radians([0.0, 30.0, 60.0])
    block = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    result = cluster(block, block, ClusteringParams(clusters=1))
    (only,) = result.clusters
    assert only.cohesion == pytest.approx((2 * np.cos(np.pi / 6) + 0.5) / 3)
    assert only.score == pytest.approx(only.cohesion)  # all photographs: share 1
    assert only.medoid == only.members[0] == 1
    assert only.label == 0
    assert only.distances[0] < only.distances[1] == pytest.approx(only.distances[2])


def test_labels_are_ranks() -> None:
    descriptors, nsv, _ = planted([3, 8])
    result = cluster(descriptors, nsv)
    for group in result.clusters:
        assert set(np.flatnonzero(np.array(result.labels) == group.label)) == set(group.members)
    assert [c.label for c in result.clusters] == [0, 1]
    assert result.clusters[0].score > result.clusters[1].score


def test_deterministic() -> None:
    descriptors, nsv, _ = planted([7, 6, 4], noise=0.6)
    assert cluster(descriptors, nsv) == cluster(descriptors, nsv)


def test_the_smallest_number_near_the_best_silhouette_is_taken() -> None:
    descriptors, nsv, _ = planted([6, 6, 6], noise=0.4)
    strict = cluster(descriptors, nsv, ClusteringParams(silhouette_tolerance=0.0))
    best = max(strict.silhouettes, key=lambda k: strict.silhouettes[k])
    assert best > 2
    assert len(strict.clusters) + len(strict.left_out) == best
    gap = strict.silhouettes[best] - strict.silhouettes[2]
    loose = cluster(descriptors, nsv, ClusteringParams(silhouette_tolerance=gap + 0.01))
    assert len(loose.clusters) + len(loose.left_out) == 2


def test_one_cloud_stays_one_cluster() -> None:
    descriptors, nsv, _ = planted([9], noise=0.02)
    result = cluster(descriptors, nsv)
    assert len(result.clusters) == 1
    assert set(result.labels) == {0}


def test_a_small_group_is_left_out_with_its_reason() -> None:
    descriptors, nsv, _ = planted([7, 2, 1])
    result = cluster(descriptors, nsv, ClusteringParams(clusters=3))
    assert [len(c.members) for c in result.clusters] == [7]
    assert [c.left_out for c in result.left_out] == [
        "it has 2 distinct photographs, and 3 are needed",
        "it is a single photograph, and one photograph is not a style",
    ]
    assert result.left_out[1].cohesion == 1.0
    assert result.left_out[1].distances == (pytest.approx(0.0, abs=1e-6),)


def test_copies_of_one_photograph_do_not_make_a_style() -> None:
    descriptors, nsv, truth = planted([5, 1])
    lonely = int(np.flatnonzero(truth == 1)[0])
    index = [*range(6), lonely, lonely, lonely]
    result = cluster(descriptors[index], nsv[index], ClusteringParams(clusters=2))
    assert [c.distinct for c in result.clusters] == [5]
    assert [(len(c.members), c.distinct) for c in result.left_out] == [(4, 1)]
    assert "single photograph" in result.left_out[0].left_out


def test_too_few_says_how_many_are_needed() -> None:
    descriptors, nsv, _ = planted([2])
    with pytest.raises(
        TooFewImages, match=r"at least 3 distinct photographs, got 2.*1 more"
    ) as one:
        cluster(descriptors, nsv)
    assert (one.value.needed, one.value.found) == (3, 2)
    with pytest.raises(TooFewImages, match="got 0"):
        cluster(descriptors[:0], nsv[:0])


def test_identical_photographs_count_once() -> None:
    descriptors, nsv, _ = planted([1])
    with pytest.raises(TooFewImages, match="got 8, 1 of them distinct"):
        cluster(descriptors.repeat(8, axis=0), nsv.repeat(8, axis=0).astype(np.float16))


def test_more_clusters_than_photographs_are_refused() -> None:
    descriptors, nsv, _ = planted([4])
    with pytest.raises(TooFewImages, match="9 clusters need") as caught:
        cluster(descriptors, nsv, ClusteringParams(clusters=9))
    assert (caught.value.needed, caught.value.found) == (9, 4)


def test_nothing_but_small_clusters_is_refused_with_the_sizes() -> None:
    descriptors, nsv, _ = planted([2, 2, 1])
    with pytest.raises(NoUsableCluster, match="with 3 clusters the sizes are 2, 2, 1"):
        cluster(descriptors, nsv, ClusteringParams(clusters=3))


def test_chosen_numbers_always_leave_a_usable_cluster() -> None:
    for count in range(3, 12):
        descriptors, nsv, _ = planted([1] * count, seed=count)
        result = cluster(descriptors, nsv)
        assert result.clusters[0].distinct >= 3


def test_bad_arrays_are_refused() -> None:
    descriptors, nsv, _ = planted([4])
    with pytest.raises(BadParams, match="of the same photographs"):
        cluster(descriptors, nsv[:3])
    nsv[2] = 0
    with pytest.raises(BadParams, match="style vector of photograph number 2"):
        cluster(descriptors, nsv)
    # Without weight the block is not looked at.
    assert cluster(descriptors, nsv, ClusteringParams(nsv_weight=0.0)).clusters


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_size": 1}, "min_size: expected a whole number at least 2, got 1"),
        ({"clusters": 0}, "clusters"),
        ({"max_clusters": 2.5}, "max_clusters"),
        ({"seed": -1}, "seed"),
        ({"nsv_weight": -1.0}, "nsv_weight: expected a finite number of at least 0"),
        ({"nsv_weight": float("inf")}, "nsv_weight"),
        ({"nsv_weight": 0, "descriptor_weight": 0}, "both 0"),
        ({"colour": 1}, "unknown key.*'colour'.*Known: clusters"),
        ({"format": 7}, "expected format 1, got 7"),
    ],
)
def test_bad_params_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParams, match=message):
        ClusteringParams.from_dict(values)


def test_params_round_trip() -> None:
    params = ClusteringParams(clusters=4, min_size=2, seed=9)
    assert ClusteringParams.from_dict(params.to_dict()) == params
    assert params.to_dict()["format"] == 1


def test_it_works_in_one_thread_and_leaves_the_others_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    descriptors, nsv, _ = planted([6, 6])
    seen: list[set[int]] = []

    def spy(*args: Any) -> Any:
        seen.append({library["num_threads"] for library in threadpool_info()})
        return similarity(*args)

    with threadpool_limits(2):
        before = threadpool_info()
        threads = torch.get_num_threads()
        monkeypatch.setattr("generation.vision.clustering.similarity", spy)
        cluster(descriptors, nsv)
        assert seen == [{1}]
        assert threadpool_info() == before
        assert torch.get_num_threads() == threads
