"""Make all pictures of a stimulus set."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from generation import jobs
from generation.models import State, StimulusSet
from generation.progress import INTERRUPTED, Display, follow, line, measure


class Command(BaseCommand):
    help = "Make all pictures of a stimulus set; what is done is kept, what failed is tried again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("set", help="the set's short name")
        parser.add_argument(
            "--inline", action="store_true", help="work in this process instead of the workers"
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            stimulus_set = StimulusSet.objects.get(slug=options["set"])
        except StimulusSet.DoesNotExist:
            known = ", ".join(StimulusSet.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no set {options['set']!r}. Sets: {known}.") from None
        inline = options["inline"]
        try:
            if inline:
                self._inline(stimulus_set)
            else:
                self._follow(stimulus_set)
        except KeyboardInterrupt:
            kept = "What is done is kept; the same command goes on from there."
            self.stdout.write(f"\n{f'Stopped. {kept}' if inline else 'The workers go on.'}")
            sys.exit(INTERRUPTED)
        self._conclude(stimulus_set)

    def _follow(self, stimulus_set: StimulusSet) -> None:
        jobs.make(stimulus_set)
        self.stdout.write("Sent to the workers (`make serve` starts one). Ctrl-C stops looking.")
        follow(stimulus_set, self.stdout, alive=lambda: True)

    def _inline(self, stimulus_set: StimulusSet) -> None:
        from generation.inline import run_set

        display = Display(self.stdout)
        jobs.start(stimulus_set)
        run_set(stimulus_set, lambda: display.show(line(measure(stimulus_set))))
        display.end()

    def _conclude(self, stimulus_set: StimulusSet) -> None:
        stimulus_set.refresh_from_db()
        made = stimulus_set.wanted().filter(state=State.DONE).count()
        if stimulus_set.is_ready:
            self.stdout.write(f"{stimulus_set}: {made} pictures are ready.")
            return
        failed = stimulus_set.wanted().filter(state=State.FAILED).select_related("word", "content")
        reasons = "\n".join(f"  {picture}: {picture.error}" for picture in failed)
        raise CommandError(
            f"{stimulus_set}: {made} pictures made, {failed.count()} failed. What is done is kept; "
            f"mend the cause and run this again.\n{reasons or '  The set has no words, contents or recipes.'}"
        )
