"""Serve the site: one web process and one worker."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from stylestudy import processes


class Command(BaseCommand):
    help = "Start one web process and one worker; Ctrl-C stops both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        processes.add_address(parser)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        try:
            processes.check_port(host, port)
            self.stdout.write(f"{processes.base_url(host, port)}/ · Ctrl-C stops web and worker")
            if hint := processes.hosts_hint(host):
                self.stdout.write(hint)
            self.stdout.flush()
            code = processes.serve(host, port)
        except processes.CannotServe as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            # Ctrl-C while starting, or a second time while stopping: both have ended.
            return
        if code:
            raise CommandError(processes.ENDED)
