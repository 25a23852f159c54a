"""Words that are named on a command line."""

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from generation.models import Word
from generation.sources.samples import WORDS, SampleSource


def default_source(text: str) -> str:
    """Where photographs of a word are looked for unless told: the samples, if they have the word."""
    return SampleSource.name if any(word.text == text for word in WORDS) else "openverse"


def new_word(text: str, source: str) -> Word:
    """The row of a word that is not in the database, to be collected from a source.

    Raises:
        CommandError: it cannot be a word.
    """
    known = next((sample for sample in WORDS if sample.text == text), None)
    word = Word(
        text=text,
        reading=known.reading if known else "",
        gloss=known.gloss if known else "",
        source=source,
    )
    try:
        word.full_clean()
    except ValidationError as error:
        raise CommandError(f"{text!r} cannot be a word: {' '.join(error.messages)}") from error
    word.save()
    return word
