"""Made-up sections of a report, in the shapes that charts are drawn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np

WORDS = (
    *("ふさふさ", "ざらざら", "つるつる", "金属製", "ぷるぷる", "もこもこ", "ごつごつ", "さらさら"),
    *(
        "ふわふわ",
        "ぬるぬる",
        "とげとげ",
        "しわしわ",
        "ぴかぴか",
        "きらきら",
        "かさかさ",
        "がさがさ",
    ),
    *(
        "べとべと",
        "ねばねば",
        "すべすべ",
        "しっとり",
        "つやつや",
        "てかてか",
        "ぶつぶつ",
        "でこぼこ",
    ),
    *("木製", "石造り", "ガラス製", "革製", "布製", "紙製", "毛皮のような", "編んだ"),
    *(
        "くしゃくしゃ",
        "ぎざぎざ",
        "ちくちく",
        "もじゃもじゃ",
        "ぼさぼさ",
        "さくさく",
        "ぱりぱり",
        "しゃりしゃり",
    ),
    *(
        "とろとろ",
        "どろどろ",
        "ぐにゃぐにゃ",
        "ふにゃふにゃ",
        "ごわごわ",
        "ぱさぱさ",
        "こりこり",
        "つぶつぶ",
    ),
    *("ひび割れた", "錆びた", "濡れた", "凍った", "泡だった", "縞模様の", "水玉の", "格子縞の"),
    *("ほこりっぽい", "透きとおった", "まだらな", "うろこ状の"),
)
CONTENTS = ("cat", "teapot", "armchair", "sneaker", "bottle", "lamp")
EMPTY: dict[str, Any] = {
    "accuracy": {"answers": 0, "raters": 0, "words": [], "cells": [], "overall": {"chance": None}},
    "raters": [],
}


def _wilson(right: int, n: int) -> list[float]:
    p, z2 = right / n, 3.8416
    middle, half = p + z2 / (2 * n), (z2 * (p * (1 - p) / n + z2 / (4 * n * n))) ** 0.5
    return [(middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)]


def _row(right: int, n: int, chance: float, **names: str) -> dict[str, Any]:
    low, high = _wilson(right, n)
    clear = low > chance
    return {
        **names,
        "correct": right,
        "answers": n,
        "accuracy": right / n,
        "chance": chance,
        "wilson": [low, high],
        "pooled": [max(low - 0.03, 0), min(high + 0.03, 1)],
        "pooled_method": "effective-n Wilson",
        "p_value": 0.001 if clear else 0.4,
        "p_holm": 0.01 if clear else 1.0,
        "p_bh": 0.005 if clear else 0.6,
        "above_chance": clear,
    }


def make_analysis(
    words: Sequence[str] = WORDS[:5], contents: int = 3, raters: int = 9, m: int = 4, seed: int = 1
) -> dict[str, Any]:
    """Every section, of so many raters who each answer every question once."""
    rng = np.random.default_rng(seed)
    names = CONTENTS[:contents]
    skill = np.clip(rng.beta(1.3, 1.1, len(words)), 0, 0.98)
    chance = 1 / m
    p = skill[:, None] + (1 - skill[:, None]) * chance + rng.normal(0, 0.06, (len(words), contents))
    right = rng.binomial(raters, np.clip(p, 0.02, 0.99))
    cells = [
        _row(int(right[w, c]), raters, chance, word=word, content=content)
        for w, word in enumerate(words)
        for c, content in enumerate(names)
    ]
    rows = [
        _row(int(right[w].sum()), raters * contents, chance, word=word)
        for w, word in enumerate(words)
    ]
    total = int(right.sum())
    answers = raters * contents * len(words)
    return {
        "accuracy": {
            "answers": answers,
            "raters": raters,
            "overall": _row(total, answers, chance),
            "words": rows,
            "cells": cells,
        },
        "recognition": {"words": _recognition(rng, words, rows, m)},
        "causes": _causes(rng, rows, cells),
        "confusions": _confusions(rng, words, rows, raters * contents, m),
        "positions": _positions(rng, m, answers),
        "learning": _learning(total / answers, contents * len(words), raters),
        "times": _times(rng, total, answers, chance),
        "raters": _raters(rng, raters, contents * len(words), total / answers),
        "timeline": {
            "bins": [
                {
                    "at": f"2026-03-{1 + day:02d}T09:00:00+00:00",
                    "answers": answers // 12,
                    "cumulative": answers * (day + 1) // 12,
                }
                for day in range(12)
            ]
        },
    }


def _recognition(rng: Any, words: Sequence[str], rows: Sequence[Any], m: int) -> list[Any]:
    found = []
    for word, row in zip(words, rows, strict=True):
        shown = row["answers"] * (m - 1)
        chosen = int(rng.binomial(shown, (1 - row["accuracy"]) / (m - 1) * rng.uniform(0.5, 1.5)))
        difference = row["accuracy"] - chosen / shown
        found.append(
            {
                "word": word,
                "kind": "picture",
                "target_shown": row["answers"],
                "target_chosen": row["correct"],
                "foil_shown": shown,
                "foil_chosen": chosen,
                "p_target": row["accuracy"],
                "p_foil": chosen / shown,
                "difference": difference,
                "difference_interval": [difference - 0.1, difference + 0.1],
                "p_value": 0.001 if difference > 0.2 else 0.3,
                "p_holm": 0.01 if difference > 0.2 else 1.0,
                "recognised": difference > 0.2,
            }
        )
    return found + [{**row, "kind": "word"} for row in found]


def _causes(rng: Any, rows: Sequence[Any], cells: Sequence[Any]) -> dict[str, Any]:
    mean = sum(row["accuracy"] for row in rows) / len(rows)
    ranges = {
        "style_distance": (0.5, 0.3),
        "dispersion": (2.1, 0.8),
        "style_loss": (3e-5, 2e-5),
        "content_loss": (12000, 4000),
        "rating": (3.8, 1.6),
    }
    return {
        "shrinkage": {
            "mu": mean,
            "words": [
                {
                    "word": row["word"],
                    "raw": row["accuracy"],
                    "shrunk": 0.75 * row["accuracy"] + 0.25 * mean,
                    "interval": [
                        max(0.75 * row["accuracy"] + 0.25 * mean - 0.12, 0),
                        min(0.75 * row["accuracy"] + 0.25 * mean + 0.12, 1),
                    ],
                    "answers": row["answers"],
                }
                for row in rows
            ],
        },
        "correlations": [
            {
                "measure": measure,
                "level": "question",
                "n": len(cells),
                "rho": -0.31,
                "interval": [-0.52, -0.07],
                "p_value": 0.01,
                "points": [
                    {
                        "word": row["word"],
                        "content": row["content"],
                        "x": middle + spread * (float(rng.uniform(-1, 1)) - row["accuracy"]) / 2,
                        "y": row["accuracy"],
                    }
                    for row in cells
                ],
            }
            for measure, (middle, spread) in ranges.items()
        ],
    }


def _confusions(
    rng: Any, words: Sequence[str], rows: Sequence[Any], shown: int, m: int
) -> dict[str, Any]:
    count = len(words)
    places = rng.normal(0, 1, (count, 2))
    offered = np.maximum(shown * (m - 1) // max(count - 1, 1), 1) * np.ones((count, count), int)
    np.fill_diagonal(offered, shown)
    near = np.exp(-np.linalg.norm(places[:, None] - places[None], axis=2))
    share = near * (1 - np.array([row["accuracy"] for row in rows]))[:, None] * 0.6
    np.fill_diagonal(share, [row["accuracy"] for row in rows])
    chosen = rng.binomial(offered, share)
    ratio: list[list[float | None]] = (chosen / offered).tolist()
    ratio[0][1] = None
    matrix = {
        "offered": offered.tolist(),
        "chosen": chosen.tolist(),
        "ratio": ratio,
        "order": np.argsort(places[:, 0]).tolist(),
        "map": {"points": places.tolist(), "stress": 0.12},
    }
    return {"words": list(words), "kinds": {"all": matrix, "picture": matrix, "word": matrix}}


def _positions(rng: Any, m: int, answers: int) -> dict[str, Any]:
    counts = rng.multinomial(answers, np.full(m, 1 / m)).tolist()
    return {
        "m": [{"m": m, "answers": answers, "counts": counts, "p_value": 0.34, "expected_p": 1 / m}]
    }


def _learning(share: float, trials: int, raters: int) -> dict[str, Any]:
    size = max(trials // 8, 1)
    blocks = []
    for start in range(1, trials + 1, size):
        n = raters * size
        accuracy = min(share + 0.05 * start / trials, 1)
        blocks.append(
            {
                "from": start,
                "to": start + size - 1,
                "correct": int(n * accuracy),
                "answers": n,
                "accuracy": accuracy,
                "interval": _wilson(int(n * accuracy), n),
            }
        )
    return {"blocks": blocks, "slope": {"per_10_trials": 0.06, "se": 0.04, "p_value": 0.13}}


def _times(rng: Any, total: int, answers: int, chance: float) -> dict[str, Any]:
    edges = np.geomspace(400, 60_000, 31)
    right = np.histogram(rng.lognormal(7.8, 0.5, min(total, 50_000)), edges)[0].tolist()
    wrong = np.histogram(rng.lognormal(8.3, 0.6, min(answers - total, 50_000)), edges)[0].tolist()
    return {
        "right": {"n": total, "median_ms": 2440.0},
        "wrong": {"n": answers - total, "median_ms": 4020.0},
        "curve": {"edges_ms": edges.tolist(), "right": right, "wrong": wrong},
        "by_speed": [
            {
                "from_ms": float(edges[i]),
                "to_ms": float(edges[i + 4]),
                "correct": int(answers / 7 * share),
                "answers": answers // 7,
                "accuracy": share,
                "interval": [max(share - 0.05, 0), min(share + 0.05, 1)],
            }
            for i, share in zip(
                range(2, 30, 4), (chance + 0.05, 0.6, 0.72, 0.74, 0.66, 0.52, 0.4), strict=True
            )
        ],
    }


def _raters(rng: Any, raters: int, trials: int, share: float) -> list[dict[str, Any]]:
    rows = []
    for number in range(raters):
        hasty = rng.random() < 0.06
        accuracy = rng.binomial(trials, 0.25 if hasty else share) / trials
        rows.append(
            {
                "participant": f"p{number:05d}",
                "answers": trials,
                "accuracy": float(accuracy),
                "leave_one_out": float(np.clip(accuracy * 0.9 + rng.normal(0, 0.05), 0, 1)),
                "median_ms": float(rng.lognormal(6.2 if hasty else 7.9, 0.35)),
                "flags": ["fast"] if hasty else [],
                "excluded": ["gold"] if hasty and rng.random() < 0.5 else [],
            }
        )
    return rows
