"""`manage.py invite STUDY`: links for one person each."""

import csv
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from survey.management.studies import study_named
from survey.models import Entrance, Invitation, Study
from survey.stats.csvfile import escape


class Command(BaseCommand):
    help = "Make invitations to a study and print their links, or write them to a table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("--count", type=int, help="how many; otherwise one a note")
        parser.add_argument("--notes", type=Path, help="a text file: one note a line, for yourself")
        parser.add_argument("--csv", type=Path, help="write link and note to this new file")
        parser.add_argument(
            "--base-url", required=True, help="of this site, such as https://lab.example.org"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from survey.invitations import make_invitations

        study = _study(options["study"])
        base = _base(options["base_url"])
        notes = _notes(options["notes"])
        count = len(notes) if options["count"] is None else options["count"]
        if options["count"] is None and not notes:
            raise CommandError("Say how many: give --count or --notes.")
        try:
            # Made only if they can be handed out.
            with transaction.atomic():
                made = make_invitations(study, count, notes)
                if options["csv"] is not None:
                    _write(options["csv"], base, made)
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["csv"] is not None:
            self.stdout.write(f"{options['csv']}: {len(made)} invitations")
            return
        for invitation in made:
            self.stdout.write(base + invitation.get_absolute_url())


def _study(slug: str) -> Study:
    study = study_named(slug)
    if study.entrance != Entrance.INVITATION:
        raise CommandError(
            f"People join {slug!r} by {study.get_entrance_display()}, not by invitation. Choose "
            "invitations as its way in before it is opened."
        )
    return study


def _base(address: str) -> str:
    parts = urlsplit(address)
    plain = parts.path.strip("/") == "" and not parts.query and not parts.fragment
    if parts.scheme not in ("http", "https") or not parts.netloc or not plain:
        raise CommandError(
            f"--base-url must be the site's address, such as https://lab.example.org; got {address!r}."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _notes(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read as UTF-8 text: {error}") from error
    return [line.strip() for line in lines if line.strip()]


def _write(path: Path, base: str, made: list[Invitation]) -> None:
    try:
        # Links are secrets: for the owner's eyes, and never over those of before.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} is there already. Give a new name.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error}") from error
    # With a byte-order mark, for spreadsheets.
    with os.fdopen(number, "w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(["link", "note"])
        table.writerows([base + one.get_absolute_url(), escape(one.note)] for one in made)
