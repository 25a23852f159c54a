"""The benchmark of embedding: batches and single photographs take turns."""

import pytest

from benchmarks.embedding import photographs, speed
from generation.vision.encoder import untrained_encoder


def test_sizes_of_batches_take_turns() -> None:
    encoder = untrained_encoder()
    seen: list[int] = []
    encoder.register_forward_pre_hook(lambda _network, args: seen.append(len(args[0])))
    found = speed(encoder, list(photographs(4)), [1, 2], rounds=1)
    # Bare and whole: two photographs one by one, the same two at once; then the next two.
    turn = [1, 1, 1, 1, 2, 2]
    assert seen == (turn + turn) * 2, "once to warm up, and one round"
    assert list(found) == [1, 2]
    for row in found.values():
        assert row["fraction"] == pytest.approx(row["embed"] / row["forward"])
