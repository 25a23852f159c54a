"""How fast photographs are embedded and clustered.

    .venv/bin/python benchmarks/embedding.py [--encoder vgg16-hed] [--photographs 24] [--json]

Embedding: photographs a second for features and Neural Style Vector (cut, scale, forward pass, Gram
matrices, half precision), one by one and in batches as the pipeline goes, beside the bare forward
pass of the same tensors in the same batches. The two take turns batch by batch, and one by one takes
turns with batches over the same photographs, so that another load on the machine hits all alike; the
fraction is that of the median times, ``batch_gain`` the photographs a second in batches over those one
by one. Memory: the peak beyond the
encoder, each time in a process of its own, for 32 and for 128 photographs.

Clustering: 200 photographs with all five layers of VGG-19's style vector (305,888 numbers, random
unit vectors in half precision) and 4,096 numbers of fc6, in a process of its own; median seconds, and
the highest peak beyond what the process holds before.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudy.settings")

import django

django.setup()

import numpy as np
import torch
from PIL import Image

from generation.features import EMBED_BATCH
from generation.features import encoder as load
from generation.vision.clustering import ClusteringParams, cluster
from generation.vision.devices import computing
from generation.vision.encoder import EMBED_SIZE, Encoder
from generation.vision.specs import VGG19
from generation.vision.style import embed, embed_many
from generation.vision.tensors import center_square, to_tensor

SIDES = (640, 480)
CLUSTERED = 200
FEW, MANY = 32, 128
MIB = 2**20


def photographs(count: int) -> Iterator[Image.Image]:
    """Noise of the size that image search gives: to a network without branches all pictures are alike."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield Image.fromarray(rng.integers(0, 256, (SIDES[1], SIDES[0], 3), dtype=np.uint8))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak_mib(work: Callable[[], object]) -> float:
    """How far the process's resident memory rises above where it was, at its highest."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew
        before, read = _status("VmRSS"), lambda: _status("VmHWM")
    except OSError:
        scale = 1 if sys.platform == "darwin" else 1024

        def read() -> float:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / MIB

        before = read()
    work()
    return read() - before


def alone(work: Callable[..., Any], *args: Any) -> Any:
    """The result of a process of its own: memory freed by other work would hide what this one takes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, args)


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {name}.")


def turns(count: int, batches: Sequence[int]) -> list[tuple[int, slice]]:
    """Batch sizes in turns over the same few photographs, as many as the largest has; full ones only."""
    turn = max(batches)
    return [
        (batch, slice(start, start + batch))
        for begin in range(0, count - turn + 1, turn)
        for batch in batches
        for start in range(begin, begin + turn - batch + 1, batch)
    ]


def speed(
    encoder: Encoder, images: list[Image.Image], batches: Sequence[int], rounds: int
) -> dict[int, dict[str, float]]:
    """Batch size → photographs a second, bare and whole, and their ratio; the sizes take `turns`."""
    tensors = [to_tensor(center_square(image, EMBED_SIZE), encoder.device) for image in images]
    layers = [*encoder.spec.nsv_layers, encoder.descriptor_layer]

    def forward(group: slice) -> None:
        with computing(encoder.device), torch.inference_mode():
            found = encoder(torch.cat(tensors[group]), layers)
            if encoder.device.type != "cpu":
                float(found[layers[0]].sum())  # waits for the device

    def whole(group: slice) -> None:
        batch = group.stop - group.start
        if batch == 1:
            embed(encoder, images[group.start])
        else:
            list(embed_many(encoder, images[group], batch=batch))

    bare_times: dict[int, list[float]] = {batch: [] for batch in batches}
    whole_times: dict[int, list[float]] = {batch: [] for batch in batches}
    groups = turns(len(images), batches)
    for number in range(rounds + 1):
        for batch, group in groups:
            bare, all_of_it = seconds(lambda g=group: forward(g)), seconds(lambda g=group: whole(g))
            if number:  # the first round warms up
                bare_times[batch].append(bare)
                whole_times[batch].append(all_of_it)
    result = {}
    for batch in batches:
        bare = statistics.median(bare_times[batch])
        all_of_it = statistics.median(whole_times[batch])
        result[batch] = {
            "forward": batch / bare,
            "embed": batch / all_of_it,
            "fraction": bare / all_of_it,
        }
    return result


def embedding_peak(name: str, count: int, batch: int) -> float:
    """MiB beyond a loaded encoder; meant for a process of its own."""
    encoder = load(name, "max")

    def work() -> None:
        for _ in embed_many(encoder, photographs(count), batch=batch):
            pass

    return peak_mib(work)


def clustering(rounds: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sizes = [VGG19.channels(layer)[1] for layer in VGG19.nsv_layers]
    sizes = [channels * (channels + 1) // 2 for channels in sizes]
    nsv = np.empty((CLUSTERED, sum(sizes)), dtype=np.float16)
    for row in nsv:
        parts = [np.abs(rng.standard_normal(size, dtype=np.float32)) for size in sizes]
        row[:] = np.concatenate([part / np.linalg.norm(part) for part in parts])
        row /= np.float16(len(sizes) ** 0.5)
    descriptors = rng.standard_normal((CLUSTERED, VGG19.descriptor_size), dtype=np.float32)
    # Once for what scikit-learn and the BLAS make at their first use.
    cluster(descriptors[:20], nsv[:20, :1000], ClusteringParams())

    def work() -> object:
        return cluster(descriptors, nsv, ClusteringParams())

    times: list[float] = []
    peaks = [peak_mib(lambda: times.append(seconds(work))) for _ in range(rounds)]
    return {
        "numbers": nsv.shape[1],
        "cluster_seconds": statistics.median(times),
        "cluster_peak_mib": max(peaks),
    }


def show(result: dict[str, Any]) -> None:
    print(f"{result['encoder']} on {result['device']}, {torch.get_num_threads()} threads\n")
    print("| | bare forward, photographs/s | features + NSV, photographs/s | fraction |")
    print("|---|---|---|---|")
    for batch, row in result["speed"].items():
        print(
            f"| batches of {batch} | {row['forward']:.2f} | {row['embed']:.2f} | {row['fraction']:.3f} |"
        )
    print(f"\nBatches of {result['batch']} are {result['batch_gain']:.2f} × as fast as one by one.")
    peaks = ", ".join(f"{mib:.0f} MiB for {n}" for n, mib in result["embed_peak_mib"].items())
    print(
        f"\nPhotographs embedded in batches, peak beyond the encoder: {peaks} "
        f"(× {result['embed_peak_ratio']:.2f})."
    )
    print(
        f"Clustering of {CLUSTERED} photographs with {result['numbers']} numbers: "
        f"{result['cluster_seconds']:.2f} s, {result['cluster_peak_mib']:.0f} MiB beyond the input."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="vgg16-hed")
    parser.add_argument("--photographs", type=int, default=24)
    parser.add_argument("--batch", type=int, default=EMBED_BATCH)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not 1 <= options.batch <= options.photographs:
        parser.error(f"--photographs: expected at least one batch of {options.batch}")
    if options.rounds < 1:
        parser.error("--rounds: expected at least 1")
    encoder = load(options.encoder, "max")
    images = list(photographs(options.photographs))
    measured = speed(encoder, images, list(dict.fromkeys((1, options.batch))), options.rounds)
    peaks = {n: alone(embedding_peak, options.encoder, n, options.batch) for n in (FEW, MANY)}
    result = {
        "encoder": encoder.spec.name,
        "device": str(encoder.device),
        "batch": options.batch,
        # In batches, as the pipeline goes.
        "fraction_of_forward": measured[options.batch]["fraction"],
        "speed": measured,
        "batch_gain": measured[options.batch]["embed"] / measured[1]["embed"],
        "embed_peak_mib": peaks,
        "embed_peak_ratio": peaks[MANY] / peaks[FEW],
        **alone(clustering, options.rounds),
    }
    print(json.dumps(result)) if options.json else show(result)


if __name__ == "__main__":
    main()
