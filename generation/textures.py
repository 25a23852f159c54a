"""A stimulus set as a dataset of textures: pictures in a folder for each word.

``torchvision.datasets.ImageFolder`` takes the folders for classes; Hugging Face's ``imagefolder`` reads metadata.csv
beside them. Both were made for English class names, and Hugging Face reads the table by pandas with its defaults, which take
``NA`` for missing and ``007`` for 7. So folders have safe names of their own (``label`` in the table), numbered in
the order of words; classes.json says which word each is.
"""

import csv
import json
import random
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.utils.text import slugify

from generation.licenses import PERMITTED, Combined
from generation.models import (
    ContentImage,
    Photograph,
    Recipe,
    SourceImage,
    StimulusSet,
    StylizedImage,
    Word,
)

METADATA, CLASSES = "metadata.csv", "classes.json"
COLUMNS = (
    *("file_name", "label", "word", "reading", "gloss", "content", "recipe", "variant", "seed"),
    *("encoder", "sha256", "license", "republish"),
)
TRAIN, TEST = "train", "test"


class TexturesError(RuntimeError):
    """The dataset cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Choices:
    """What goes into the dataset.

    Attributes:
        recipe: only pictures made by it.
        restricted: also pictures that may not be passed on, or of which that is not known.
        split: fraction of content photographs whose pictures are for testing; None: no split.
        seed: of which those are.
    """

    recipe: Recipe | None = None
    restricted: bool = False
    split: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Made:
    """Numbers of pictures by folder of metadata.csv ("" without a split), and who was left out, by id, and why."""

    counts: Mapping[str, int]
    classes: int
    left_out: Mapping[int, str]


def write(stimulus_set: StimulusSet, out: Path, choices: Choices | None = None) -> Made:
    """Write the dataset to a new or empty folder.

    Raises:
        TexturesError: the folder is not empty, or there is nothing to write or to split.
    """
    choices = choices or Choices()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TexturesError(f"{out} is not an empty folder. Give a new name.")
    found = stimulus_set.wanted().done()
    if choices.recipe is not None:
        found = found.filter(recipe=choices.recipe)
    licenses = found.licenses()
    rows = list(found.with_names().defer("loss_curve").order_by("word_id", "content_id", "pk"))
    left_out = {}
    if not choices.restricted:
        left_out = {pk: why for pk, combined in licenses.items() if (why := combined.why_not)}
    kept = [row for row in rows if row.pk not in left_out]
    if not kept:
        raise TexturesError(
            f"Expected finished pictures in {stimulus_set.slug} that may be passed on; of {len(rows)} there is none. "
            "Make them first, or take those that may not be passed on for your own use."
        )
    labels = folders(row.word for row in kept)
    tested = _tested([row.content for row in kept], choices)
    places = {
        part: [row for row in kept if _part(row, tested) == part]
        for part in ([""] if tested is None else [TRAIN, TEST])
    }
    out.mkdir(parents=True, exist_ok=True)
    for part, pictures in places.items():
        _write_part(out / part, pictures, labels, licenses, left_out)
    _write_words(out, stimulus_set, kept, labels, left_out, choices)
    return Made(
        counts={
            part: len([r for r in rows_ if r.pk not in left_out]) for part, rows_ in places.items()
        },
        classes=len(labels),
        left_out=left_out,
    )


def folders(words: Iterable[Word]) -> dict[int, str]:
    """Word's id → the name of its folder: its number among them, and its reading or gloss in ASCII.

    Sorted by name they are in the order of words; none can be taken for a number or for missing.
    """
    rows = sorted({word.pk: word for word in words}.items())
    width = len(str(len(rows)))
    return {
        pk: f"{number:0{width}d}_{_ascii(word.text, word.reading, word.gloss) or 'word'}"
        for number, (pk, word) in enumerate(rows, start=1)
    }


def _ascii(*texts: str) -> str:
    """The first text that can be written in small Latin letters, digits and hyphens without losing any of it."""
    for text in texts:
        name = slugify(text)[:40].strip("-_")
        if name and text.isascii() and re.search("[a-z]", name):
            return name
    return ""


def _tested(contents: Sequence[ContentImage], choices: Choices) -> frozenset[int] | None:
    """Ids of the contents whose pictures are for testing; None without a split."""
    if choices.split is None:
        return None
    known = sorted({content.pk for content in contents})
    if not 0 < choices.split < 1 or len(known) < 2:
        raise TexturesError(
            f"Expected a fraction between 0 and 1 and at least 2 content photographs; came {choices.split} and "
            f"{len(known)}. Leave the split out, or add contents to the set."
        )
    count = min(max(round(choices.split * len(known)), 1), len(known) - 1)
    return frozenset(random.Random(choices.seed).sample(known, count))  # noqa: S311


def _part(row: StylizedImage, tested: frozenset[int] | None) -> str:
    if tested is None:
        return ""
    return TEST if row.content_id in tested else TRAIN


def _write_part(
    folder: Path,
    pictures: Iterable[StylizedImage],
    labels: Mapping[int, str],
    licenses: Mapping[int, Combined],
    left_out: dict[int, str],
) -> None:
    """Pictures by word, and their table. What has no file is added to those left out.

    Every word has a folder, also without pictures, so that classes have the same numbers in each part.
    """
    for label in labels.values():
        (folder / label).mkdir(parents=True)
    with (folder / METADATA).open("x", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in pictures:
            label = labels[row.word_id]
            name = f"{label}/{_ascii(row.content.name) or 'content'}-{row.pk}.png"
            try:
                with row.file.open("rb") as file:
                    _copy(file, folder / name)
            except (OSError, ValueError):
                left_out[row.pk] = "its file is missing"
            else:
                writer.writerow(_line(row, name, label, licenses[row.pk]))


def _copy(file: IO[bytes], path: Path) -> None:
    with path.open("xb") as target:
        shutil.copyfileobj(file, target)


def _line(row: StylizedImage, name: str, label: str, combined: Combined) -> tuple[Any, ...]:
    return (
        name,
        label,
        row.word.text,
        row.word.reading,
        row.word.gloss,
        row.content.name,
        row.recipe.name,
        row.variant,
        row.seed,
        (row.params or {}).get("encoder"),
        row.sha256,
        "; ".join(combined.names),
        PERMITTED[combined.republish],
    )


# --- words about it -----------------------------------------------------------------------------


def _write_words(
    out: Path,
    stimulus_set: StimulusSet,
    pictures: Sequence[StylizedImage],
    labels: Mapping[int, str],
    left_out: Mapping[int, str],
    choices: Choices,
) -> None:
    words = {row.word_id: row.word for row in pictures}
    classes = {
        label: {"word": words[pk].text, "reading": words[pk].reading, "gloss": words[pk].gloss}
        for pk, label in labels.items()
    }
    there = [row.pk for row in pictures if row.pk not in left_out]
    found = StylizedImage.objects.filter(pk__in=there).photographs()
    photographs = {(type(p), p.pk): p for each in found.values() for p in each}
    credited = [_credit(photograph) for photograph in photographs.values()]
    for name, value in ((CLASSES, classes), ("CREDITS.json", credited)):
        text = json.dumps(value, ensure_ascii=False, indent=2)
        (out / name).write_text(text + "\n", encoding="utf-8")
    (out / "CREDITS.md").write_text(_credits_text(credited), encoding="utf-8")
    (out / "README.md").write_text(
        _readme(stimulus_set, len(there), len(labels), left_out, choices), encoding="utf-8"
    )


def _credit(photograph: Photograph) -> dict[str, str]:
    terms = photograph.terms
    role, subject = "content", str(photograph)
    if isinstance(photograph, SourceImage):
        role, subject = "style", photograph.word.text
    return {
        "role": role,
        "for": subject,
        "creator": photograph.credit,
        "license": terms.name if terms.republish is not None else photograph.license,
        "license_url": photograph.license_url,
        "attribution": photograph.attribution,
        "page_url": photograph.page_url,
        "source": photograph.source,
        "sha256": photograph.sha256,
    }


def _credits_text(credited: Iterable[Mapping[str, str]]) -> str:
    lines = [
        "# Credits",
        "",
        "Photographs that the pictures were made from; CREDITS.json has all.",
        "",
    ]
    for one in credited:
        said = one["attribution"] or ", ".join(
            part for part in (one["creator"], one["license"] or "licence unknown") if part
        )
        parts = (f"{one['for']} ({one['role']}): {said}", one["page_url"], one["license_url"])
        lines.append("- " + " · ".join(" ".join(part.split()) for part in parts if part))
    return "\n".join(lines) + "\n"


def _readme(
    stimulus_set: StimulusSet,
    pictures: int,
    words: int,
    left_out: Mapping[int, str],
    choices: Choices,
) -> str:
    split = "" if choices.split is None else "/train"
    parts = (
        ""
        if choices.split is None
        else "Pictures for testing (`test/`) are of other content photographs than those for training (`train/`).\n\n"
    )
    own_use = (
        "Some pictures may not be passed on (`republish` in the table): for your own use only.\n\n"
        if choices.restricted
        else ""
    )
    return f"""---
license: other
task_categories:
- image-classification
---

# {stimulus_set.name}

{pictures} pictures of {words} words: content photographs restyled to look like the word.
{len(left_out)} pictures of the set are left out: their photographs' licences do not let them be passed on, or their files
are missing.

{parts}{own_use}There is a folder a word; `{CLASSES}` says which word each is. `{METADATA}` has a row for each picture:
{", ".join(f"`{name}`" for name in COLUMNS)}. Licences are those of all photographs that a picture was made from
(CREDITS.md).

    torchvision.datasets.ImageFolder("DIR{split}", allow_empty=True)
    datasets.load_dataset("imagefolder", data_dir="DIR")

Hugging Face gives the columns of the table and takes `label` from there. Read the table with pandas by
`pandas.read_csv(file, keep_default_na=False, dtype=str)`: `NA` may be a word. It holds texts as
they are; a spreadsheet may take a text that begins with = for a formula.
"""
