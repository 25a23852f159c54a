"""How well style vectors find the same material, against a descriptor and a color histogram.

    .venv/bin/python benchmarks/retrieval.py [--encoder vgg16-hed] [--view crops|whole] [--gray] [--json]

The packages of the demo hold more textures than the demo shows. Those whose file names say a material
are listed in FILES by that name, each file once. Files that repeat another one (the same picture turned, lightened or
with lines drawn in, found by the cross-correlation of their spectra's phases and then looked at) are
left out and named in COPIES.

A file is one item: up to four crops of 256 × 256 at its own resolution, as the demo takes them
(``--view whole``: its central square, made smaller), the mean of their unit vectors, of unit length
again. So no crop ever finds another crop of its own file. Each file is left out in turn and looked
for among all others. Questions are asked only of materials with at least ``--least`` files; the
others lie among what can be found.

Intervals: percentiles of a bootstrap over the files asked, drawn within each material, against the
same collection; 95 %. "− all": the difference to the whole style vector, file by file. Random: the
mean of 200 random orders.
"""

import argparse
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudy.settings")

import django

django.setup()

import numpy as np
import numpy.typing as npt
from django.conf import settings
from PIL import Image

from generation.features import encoder as load
from generation.packages import read_member
from generation.vision.encoder import Encoder
from generation.vision.search import (
    ALL,
    DESCRIPTOR,
    average_precisions,
    color_histogram,
    knn_hits,
    similarity_matrix,
    style_vector,
    unit,
)
from generation.vision.style import embed_many
from generation.vision.tensors import center_square

CROP, GRID = 256, 2
SEED, DRAWS = 0, 2000
HISTOGRAM, RANDOM = "color histogram", "random order"

METAWORLD = ("metaworld", "metaworld/assets/textures/{}.png")
SCENE = ("metaworld", "metaworld/assets/scene/textures/{}.png")
MINIWORLD = ("miniworld", "miniworld/textures/{}.png")
VPYTHON = ("vpython", "vpython/vpython_data/{}_texture.jpg")
SKIMAGE = ("scikit-image", "skimage/data/{}.png")

FILES: Mapping[str, tuple[tuple[tuple[str, str], str], ...]] = {
    "wood": (
        (MINIWORLD, "wood_1 wood_2 wood_planks_1"),
        (VPYTHON, "wood wood_old"),
        (SCENE, "wood wood2"),
        (
            METAWORLD,
            "darkwood light_wood light_wood_v2 light_wood_v3 wood wood1 wood2 wood3 wood4 wood_light",
        ),
    ),
    "metal": (
        (MINIWORLD, "metal_grill_1 metal_grill_2"),
        (VPYTHON, "metal"),
        (SCENE, "metal metal1"),
        (METAWORLD, "metal metal1 metal2"),
    ),
    "stone": (
        (VPYTHON, "stones granite rock gravel"),
        (METAWORLD, "granite"),
        (MINIWORLD, "rock_1"),
        (SKIMAGE, "gravel"),
    ),
    "marble": (
        (MINIWORLD, "marble_1 marble_2"),
        (METAWORLD, "marble"),
        (SCENE, "white_marble_tile white_marble_tile2"),
    ),
    "plaster": (
        (SCENE, "plaster"),
        (METAWORLD, "plaster1"),
        (MINIWORLD, "stucco_1 drywall_1"),
        (VPYTHON, "stucco"),
    ),
    "concrete": ((MINIWORLD, "concrete_1 concrete_2 concrete_3 cinder_blocks_1"),),
    "brick": ((MINIWORLD, "brick_wall_1"), (METAWORLD, "brick1"), (SKIMAGE, "brick")),
    "cardboard": ((MINIWORLD, "cardboard_1 cardboard_3 cardboard_4"),),
    "fabric": ((SCENE, "fabricPlain fabricPattern"), (VPYTHON, "rug")),
    "grass": ((MINIWORLD, "grass_1 grass_2"), (SKIMAGE, "grass")),
}

#: Left out: the file, and which one it repeats.
COPIES = {
    "miniworld cardboard_2": "cardboard_1, turned by 90°",
    "miniworld concrete_4": "concrete_2, smoother",
    "miniworld concrete_tiles_1": "concrete_3 with lines",
}


def textures() -> tuple[list[str], list[Image.Image]]:
    """Materials and RGB images of all files."""
    labels, images = [], []
    for material, groups in FILES.items():
        for (package, pattern), stems in groups:
            for stem in stems.split():
                data = read_member(package, pattern.format(stem), settings.PACKAGES_ROOT)
                with Image.open(io.BytesIO(data)) as image:
                    images.append(image.convert("RGB"))
                labels.append(material)
    return labels, images


def views(image: Image.Image, view: str) -> list[Image.Image]:
    """What is seen of a file: up to GRID × GRID crops from the top left corner, or all of it."""
    columns, rows = (min(GRID, side // CROP) for side in image.size)
    if view == "whole" or not columns * rows:
        return [center_square(image, CROP)]
    return [
        image.crop((x * CROP, y * CROP, (x + 1) * CROP, (y + 1) * CROP))
        for y in range(rows)
        for x in range(columns)
    ]


def vectors(encoder: Encoder, seen: list[list[Image.Image]]) -> dict[str, npt.NDArray[Any]]:
    """Method → one unit vector a file, (files, d)."""
    methods = (ALL, *encoder.spec.nsv_layers, DESCRIPTOR)
    found: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in (*methods, HISTOGRAM)}
    for crops in seen:
        embeddings = list(embed_many(encoder, crops, batch=1))
        for name in methods:
            found[name].append(np.mean([style_vector(e, name) for e in embeddings], axis=0))
        found[HISTOGRAM].append(np.mean([color_histogram(crop) for crop in crops], axis=0))
    return {name: unit(np.array(rows)) for name, rows in found.items()}


def scores(similarity: npt.NDArray[Any], labels: list[str]) -> npt.NDArray[np.float64]:
    """(files, 3): average precision, 1-NN and 5-NN right, of each file."""
    return np.stack(
        [
            average_precisions(similarity, labels),
            knn_hits(similarity, labels, 1),
            knn_hits(similarity, labels, 5),
        ],
        axis=1,
    )


def measured(encoder: Encoder, view: str, gray: bool, least: int) -> dict[str, Any]:
    labels, images = textures()
    if gray:
        images = [image.convert("L").convert("RGB") for image in images]
    seen = [views(image, view) for image in images]
    counts = Counter(labels)
    asked = np.array([counts[label] >= least for label in labels])
    rng = np.random.default_rng(SEED)
    found = {
        name: scores(similarity_matrix(rows), labels)[asked]
        for name, rows in vectors(encoder, seen).items()
    }
    chance = [scores(rng.random((len(labels),) * 2), labels)[asked] for _ in range(200)]
    found[RANDOM] = np.mean(chance, axis=0)
    names = np.array(labels)[asked]
    return {
        "encoder": encoder.spec.name,
        "view": view,
        "gray": gray,
        "files": len(labels),
        "crops": sum(len(crops) for crops in seen),
        "materials": dict(counts),
        "asked": {m: int((names == m).sum()) for m in dict.fromkeys(names.tolist())},
        "descriptor": encoder.descriptor_name,
        "methods": summary(found, names),
    }


def summary(
    found: dict[str, npt.NDArray[np.float64]], names: npt.NDArray[Any]
) -> dict[str, dict[str, Any]]:
    """Means over files with intervals, the difference to ALL, and the mean by material."""
    rng = np.random.default_rng(SEED)
    groups = [np.flatnonzero(names == material) for material in dict.fromkeys(names.tolist())]
    # The same draws for all methods.
    draws = [
        np.concatenate([rng.choice(group, group.size) for group in groups]) for _ in range(DRAWS)
    ]

    def interval(values: npt.NDArray[np.float64]) -> list[float]:
        means = [values[draw].mean() for draw in draws]
        return [float(v) for v in np.percentile(means, (2.5, 97.5))]

    rows = {}
    for name, values in found.items():
        row: dict[str, Any] = {}
        for column, key in enumerate(("map", "nn1", "nn5")):
            row[key] = float(values[:, column].mean())
            row[f"{key}_interval"] = interval(values[:, column])
        row["map_minus_all"] = float((values[:, 0] - found[ALL][:, 0]).mean())
        row["map_minus_all_interval"] = interval(values[:, 0] - found[ALL][:, 0])
        by = {str(names[group[0]]): float(values[group, 0].mean()) for group in groups}
        row["map_by_material"] = by
        row["map_mean_of_materials"] = float(np.mean(list(by.values())))
        rows[name] = row
    return rows


def show(result: dict[str, Any]) -> None:
    asked = ", ".join(f"{material} {count}" for material, count in result["asked"].items())
    print(
        f"{result['encoder']}, {result['view']}{', gray' if result['gray'] else ''}: {result['files']} files "
        f"({result['crops']} crops) of {len(result['materials'])} materials; asked: {asked}; "
        f"descriptor: {result['descriptor']}\n"
    )
    print("| compared by | mAP | 1-NN | 5-NN | mAP, materials equal | mAP − all |")
    print("|---|---|---|---|---|---|")
    for name, row in result["methods"].items():
        cells = []
        for key in ("map", "nn1", "nn5"):
            low, high = row[f"{key}_interval"]
            interval = "" if name == RANDOM else f" ({low:.2f} – {high:.2f})"
            cells.append(f"{row[key]:.3f}{interval}")
        low, high = row["map_minus_all_interval"]
        difference = f"{row['map_minus_all']:+.3f} ({low:+.2f} – {high:+.2f})"
        cells += [f"{row['map_mean_of_materials']:.3f}", "" if name == ALL else difference]
        print(f"| {name} | {' | '.join(cells)} |")
    materials = list(result["asked"])
    print(f"\n| mAP by material | {' | '.join(materials)} |")
    print("|---" * (len(materials) + 1) + "|")
    for name, row in result["methods"].items():
        numbers = " | ".join(f"{row['map_by_material'][material]:.2f}" for material in materials)
        print(f"| {name} | {numbers} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="vgg16-hed")
    parser.add_argument("--view", choices=["crops", "whole"], default="crops")
    parser.add_argument("--gray", action="store_true", help="take the colors away first")
    parser.add_argument("--least", type=int, default=4, help="files of a material that is asked")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    encoder = load(options.encoder, "max")
    result = measured(encoder, options.view, options.gray, options.least)
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(result)


if __name__ == "__main__":
    main()
