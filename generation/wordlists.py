"""Lists of words that come with the program, as fixtures: what they are, and how they are added."""

import json
from pathlib import Path
from typing import Any

from django.db import transaction

from generation.models import Word

FOLDER = Path(__file__).parent / "fixtures"

#: By name of the fixture. Of the onomatopoeia the slides of the first study name three (ふさふさ,
#: ざらざら, もふもふ); the other twenty are our choice. The materials are the ten categories of the
#: Flickr Material Database (Sharan, Rosenholtz and Adelson 2014), as Japanese words.
LISTS = {
    "onomatopoeia": "23 Japanese words for textures; three of the first study, the rest our choice",
    "materials": "the ten categories of the Flickr Material Database",
}


def add_words(name: str, source: str = "") -> tuple[int, int]:
    """Add the words of a list with their queries; what is there stays as it is.

    Args:
        name: one of `LISTS`.
        source: image source of the words that are new.

    Returns:
        How many words were added, and how many were there.
    """
    entries: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    queries: dict[str, list[str]] = {}
    words = []
    for entry in entries:
        values = entry["fields"]
        if entry["model"] == "generation.word":
            words.append(values)
        else:
            queries.setdefault(values["word"][0], []).append(values["text"])
    added = 0
    with transaction.atomic():
        for values in words:
            word, new = Word.objects.get_or_create(
                text=values["text"],
                defaults={
                    "reading": values["reading"],
                    "gloss": values["gloss"],
                    "source": source,
                },
            )
            added += new
            # Queries that somebody gave a word of that name are theirs.
            if new or not word.queries.exists():
                for text in queries[word.text]:
                    word.queries.get_or_create(text=text)
    return added, len(words) - added
