"""`manage.py nearest`: what is nearest in style to a picture."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, no_translations
from PIL import Image

from generation.management.terminal import at_work
from generation.progress import Display

if TYPE_CHECKING:
    from generation.vision.style import Embedding

ROWS = ("photographs", "pictures")
COLUMNS, SIDE = 6, 160


@dataclass(frozen=True)
class Candidate:
    """Something that may be near, and how it is seen by the encoder and by people."""

    name: str
    short: str
    embed: "Callable[[], Embedding]"
    open: Callable[[], Image.Image]


Hit = tuple[Candidate, float]


class Command(BaseCommand):
    help = (
        "List the photographs or pictures whose style (Neural Style Vector) is nearest to that of a "
        "picture, with their cosine similarities."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--image", type=Path, required=True, help="what to compare with")
        parser.add_argument(
            "--among",
            nargs="+",
            default=["photographs"],
            metavar="A",
            help="photographs (those collected, the default), pictures (those made), or files",
        )
        parser.add_argument(
            "--layer", default="all", help="all, one layer as conv1_2, or descriptor"
        )
        parser.add_argument("-k", type=int, default=10, help="how many")
        parser.add_argument("--encoder", default=settings.ENCODER)
        parser.add_argument("--out", type=Path, help="a PNG file for a contact sheet")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        stopped = "No sheet was written." if options["out"] else ""
        with at_work(self.stdout, stopped) as display:
            query, hits = self._found(display, options)
            if options["out"]:
                self._write_sheet(options, query, hits)
        if options["out"]:
            self.stdout.write(f"Written: {options['out']}")

    def _found(
        self, display: Display, options: dict[str, Any]
    ) -> tuple[Image.Image, Sequence[Hit]]:
        """The picture, and what is nearest to it, which is also listed."""
        from generation import features, pictures
        from generation.vision.search import nearest, require_layer, similarities
        from generation.vision.style import embed

        # All that can be refused at once comes before what takes minutes.
        if options["k"] < 1:
            raise CommandError(f"-k: expected at least 1, got {options['k']}.")
        if options["out"]:
            pictures.check_out(options["out"])
        query = pictures.read(options["image"])
        encoder = features.encoder(options["encoder"], "max")
        require_layer(encoder.spec, options["layer"])
        candidates = self._candidates(options)
        seen: list[Candidate] = []
        similar = similarities(
            embed(encoder, query), self._embedded(candidates, seen, display), options["layer"]
        )
        order = nearest(similar, options["k"]).tolist() if seen else []
        if not order:
            raise CommandError("None of them could be read.")
        hits = [(seen[index], float(similar[index])) for index in order]
        # Before the sheet: whatever becomes of that, this took minutes.
        display.end()
        self.stdout.write(
            f"Nearest in style to {options['image']} ({encoder.spec.name}, {options['layer']}), "
            f"{len(hits)} of {len(seen)}:"
        )
        for rank, (candidate, similarity) in enumerate(hits, start=1):
            self.stdout.write(f"{rank:4}  {similarity:.4f}  {candidate.name}")
        return query, hits

    def _candidates(self, options: dict[str, Any]) -> Sequence[Candidate]:
        among = options["among"]
        rows = [name for name in among if name in ROWS]
        if rows and len(among) > 1:
            raise CommandError(
                f"--among: expected photographs, or pictures, or files; got {' '.join(among)}. "
                f"A file of that name is given as ./{rows[0]}."
            )
        found = _rows(rows[0], options["encoder"]) if rows else _files(options)
        if not found:
            what = f"The database has no {rows[0]} yet." if rows else "There is no other file."
            raise CommandError(f"--among: there is nothing to compare with. {what}")
        return found

    def _embedded(
        self, candidates: Sequence[Candidate], seen: list[Candidate], display: Display
    ) -> "Iterator[Embedding]":
        """Their embeddings, one at a time; those whose embedding was given are added to ``seen``."""
        from generation.features import DamagedPhotograph

        for number, candidate in enumerate(candidates, start=1):
            display.show(f"embed: {number}/{len(candidates)}")
            try:
                embedding = candidate.embed()
            except DamagedPhotograph as error:
                self.stderr.write(f"Left out: {error}")
                continue
            seen.append(candidate)
            yield embedding

    def _write_sheet(
        self, options: dict[str, Any], query: Image.Image, hits: Sequence[Hit]
    ) -> None:
        """The picture, then what is near to it, nearest first."""
        from generation import pictures
        from generation.vision.tensors import center_square

        cells = [(query, ("compared with", options["image"].name))]
        cells += [
            (candidate.open(), (f"{similarity:.3f}", candidate.short))
            for candidate, similarity in hits
        ]
        squares = [(center_square(image, SIDE), lines) for image, lines in cells]
        pictures.write(pictures.grid(squares, COLUMNS), options["out"])


def _rows(kind: str, encoder: str) -> Sequence[Candidate]:
    from generation.features import embedding_of, open_photograph
    from generation.models import SourceImage, StylizedImage

    rows: Any
    if kind == "photographs":
        rows = SourceImage.objects.accepted().select_related("word").order_by("pk")
    else:
        rows = StylizedImage.objects.done().with_names().order_by("pk")

    def name(row: Any) -> str:
        more = row.credit if kind == "photographs" else f"{row.recipe} #{row.pk}"
        return f"{row}  {more}".rstrip()

    def candidate(row: Any) -> Candidate:
        return Candidate(
            name(row),
            str(row),
            lambda: embedding_of(row, encoder),
            lambda: open_photograph(row),
        )

    return [candidate(row) for row in rows]


def _files(options: dict[str, Any]) -> Sequence[Candidate]:
    from generation import features, pictures
    from generation.vision.style import embed

    def candidate(path: Path) -> Candidate:
        return Candidate(
            str(path),
            path.name,
            lambda: embed(features.encoder(options["encoder"], "max"), pictures.read(path)),
            lambda: pictures.read(path),
        )

    # A whole folder given by * holds the picture itself as well.
    itself = options["image"].resolve()
    paths = [Path(name) for name in options["among"]]
    return [candidate(path) for path in paths if path.resolve() != itself]
