"""Serve the site: one web process and one worker."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from stylestudy import processes


class Command(BaseCommand):
    help = "Start one web process and one worker; Ctrl-C stops both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        self.stdout.write(f"http://{host}:{port}/ · Ctrl-C stops web and worker")
        try:
            code = processes.serve(host, port)
        except processes.PortTaken as error:
            raise CommandError(str(error)) from error
        if code:
            raise CommandError("The web process or the worker has ended; its message is above.")
