"""`manage.py collect`: photographs of words from a source, in this process."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, no_translations

from generation.management.terminal import at_work
from generation.management.words import new_word
from generation.models import SOURCES, Query, Word
from generation.uploads import add_files


class Command(BaseCommand):
    help = (
        "Search for photographs of words and download them. What is there is not fetched again; the "
        "same command goes on where it was stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("words", nargs="+", metavar="WORD")
        parser.add_argument(
            "--source",
            choices=[name for name, _label in SOURCES],
            help="unless given, each word's own",
        )
        parser.add_argument(
            "--from",
            type=Path,
            dest="folder",
            metavar="PATH",
            help="a folder or zip file of photographs instead (only with one word), with a credits.csv "
            "(file, credit, license, license_url, page_url, attribution) if there is one",
        )
        parser.add_argument("--limit", type=int, help="hits a word; unless given, a setting")
        parser.add_argument(
            "--query",
            action="append",
            default=[],
            dest="queries",
            metavar="Q",
            help="what to search for, kept with the word (only with one word); may be repeated",
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        from generation.inline import StageFailed, collect

        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError(f"--limit: expected at least 1, got {options['limit']}.")
        if (options["queries"] or options["folder"]) and len(options["words"]) > 1:
            raise CommandError("--query and --from: give one word only, so that it is clear whose.")
        if options["folder"]:
            if options["queries"] or options["source"] or options["limit"] is not None:
                raise CommandError(
                    "--from: takes all of a folder; leave out --query, --source, --limit."
                )
            self._add(options["words"][0].strip(), options["folder"])
            return
        queries = [self._query(text.strip()) for text in options["queries"]]
        words = [self._word(text.strip(), options["source"] or "") for text in options["words"]]
        for text in queries:
            words[0].queries.get_or_create(text=text)
        failed = 0
        kept = "What is done is kept; the same command goes on from there."
        for word in words:
            with at_work(self.stdout, kept) as display:
                try:
                    job = collect(
                        word,
                        options["source"] or word.source,
                        options["limit"],
                        lambda done, total, word=word: display.show(  # type: ignore[misc]
                            f"collect {word}: {done}/{total}"
                        ),
                    )
                except StageFailed as error:
                    failed += 1
                    said = str(error)
                else:
                    said = job.note
            self.stdout.write(f"{word}: {said}")
        if failed:
            raise CommandError(f"{failed} of {len(words)} words could not be collected.")

    def _query(self, text: str) -> str:
        try:
            Query(text=text).clean_fields(exclude=["word"])
        except ValidationError as error:
            raise CommandError(f"--query {text[:60]!r}: {' '.join(error.messages)}") from error
        return text

    def _add(self, text: str, path: Path) -> None:
        if not path.exists():
            raise CommandError(f"--from: there is no folder and no zip file {path}.")
        word = Word.objects.filter(text=text).first() or new_word(text, "")
        result = add_files(word, path)
        for name, reason in result.refused:
            self.stderr.write(f"{name}: {reason}")
        self.stdout.write(
            f"{word}: {len(result.added)} stored, {len(result.duplicates)} there already, "
            f"{len(result.refused)} refused."
        )
        if result.refused and not word.images.exists():
            raise CommandError(f"{word} has no photographs yet.")

    def _word(self, text: str, source: str) -> Word:
        found = Word.objects.filter(text=text).first()
        if found is not None:
            if not (source or found.source):
                raise CommandError(f"{text} has no image source: give one by --source.")
            return found
        if not source:
            raise CommandError(f"There is no word {text!r} yet: give a --source to add it.")
        return new_word(text, source)
