"""The whole way once, on sample photographs."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management.base import BaseCommand, CommandError

from generation import jobs
from generation.imagefile import photograph_fields, read_image
from generation.models import ContentImage, Recipe, State, StimulusSet, Word
from generation.packages import PackageError, fetch
from generation.progress import follow
from generation.sources import samples
from generation.sources.base import SourceError
from generation.weights import fetch_hed
from stylestudy import processes
from survey.lifecycle import open_study
from survey.models import Study, StudyText

SLUG = "demo"


class Command(BaseCommand):
    help = "Collect, group, restyle and open a small study with the address `demo`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end when the study is open")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["no_serve"]:
            try:
                processes.check_port(options["host"], options["port"])
            except processes.PortTaken as error:
                raise CommandError(str(error)) from error
        stimulus_set = self._rows()
        if not stimulus_set.is_ready:
            self._make(stimulus_set)
        study = self._study(stimulus_set)
        self._addresses(study, options["host"], options["port"])
        if not options["no_serve"]:
            code = processes.serve(options["host"], options["port"])
            if code:
                raise CommandError("The web process or the worker has ended; its message is above.")

    def _rows(self) -> StimulusSet:
        """Words, contents, recipe and set; what is there is kept."""
        try:
            if fetch_hed(settings.VGG16_HED_WEIGHTS, settings.PACKAGES_ROOT):
                self.stdout.write("Encoder weights: downloaded")
            for package in ("vpython", "metaworld", "miniworld", "scikit-image"):
                fetch(package, settings.PACKAGES_ROOT)
            contents = [self._content(content) for content in samples.CONTENTS]
        except (PackageError, SourceError) as error:
            raise CommandError(str(error)) from error
        words = [
            Word.objects.get_or_create(
                text=word.text,
                defaults={"reading": word.reading, "gloss": word.gloss, "source": "samples"},
            )[0]
            for word in samples.WORDS
        ]
        recipe, _new = Recipe.objects.get_or_create(
            name="demo", defaults={"encoder": "vgg16-hed", "initial": "random-phase"}
        )
        stimulus_set, new = StimulusSet.objects.get_or_create(
            slug=SLUG, defaults={"name": "Demo: materials"}
        )
        if new:
            stimulus_set.words.set(words)
            stimulus_set.contents.set(contents)
            stimulus_set.recipes.set([recipe])
        return stimulus_set

    def _content(self, content: samples.SampleContent) -> ContentImage:
        row = ContentImage.objects.filter(name=content.name).first()
        if row is None:
            photograph = read_image(samples.read_content(content, settings.PACKAGES_ROOT))
            row = ContentImage.objects.create(
                name=content.name,
                source="samples",
                credit=content.credit,
                license="public domain or CC0",
                **photograph_fields(photograph),
            )
        return row

    def _make(self, stimulus_set: StimulusSet) -> None:
        log = settings.VAR_DIR / "log" / "worker.log"
        self.stdout.write(f"Making the pictures on one worker (its log: {log})")
        jobs.make(stimulus_set)
        with processes.running(processes.worker_command(), log) as worker:
            try:
                follow(stimulus_set, self.stdout, alive=lambda: worker.poll() is None)
            except RuntimeError as error:
                raise CommandError(f"{error} Its log: {log}") from error
        if not stimulus_set.is_ready:
            failed = stimulus_set.wanted().filter(state=State.FAILED)
            reasons = "\n".join(f"  {p}: {p.error}" for p in failed.with_names())
            raise CommandError(
                f"Some pictures could not be made. What is done is kept; run this again.\n{reasons}"
            )

    def _study(self, stimulus_set: StimulusSet) -> Study:
        study, _new = Study.objects.get_or_create(
            slug=SLUG,
            defaults={
                "title": "素材のことばと絵",
                "stimulus_set": stimulus_set,
                "options": 4,
                "show_reading": True,
            },
        )
        StudyText.objects.get_or_create(
            study=study, language="en", defaults={"title": "Words for materials, and pictures"}
        )
        if study.status == Study.Status.DRAFT:
            open_study(study)
        return study

    def _addresses(self, study: Study, host: str, port: int) -> None:
        base = f"http://{host}:{port}"
        password = self._accounts()
        self.stdout.write(
            f"\n  Participant  {base}{study.get_absolute_url()}\n"
            f"  Researcher   {base}/studies/{study.slug}/report/   user: researcher\n"
            f"  Admin        {base}/admin/   user: admin\n"
            f"  Password     {password}\n"
            "  A new one    .venv/bin/python manage.py changepassword admin   (or researcher)\n"
        )

    def _accounts(self) -> str:
        """Make both accounts at the first run; the password of this install is kept for its owner."""
        file = settings.VAR_DIR / "first_password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(12))
        password = file.read_text().strip()
        if not User.objects.filter(username="admin").exists():
            User.objects.create_superuser("admin", password=password)
        if not User.objects.filter(username="researcher").exists():
            researcher = User.objects.create_user("researcher", password=password, is_staff=True)
            researcher.user_permissions.set(
                Permission.objects.filter(
                    content_type__app_label="survey", codename__startswith="view_"
                )
            )
        kept = [u.username for u in User.objects.all() if not u.check_password(password)]
        changed = f" (changed since for {', '.join(kept)})" if kept else ""
        return f"{password}   for both, made for this install{changed}"
