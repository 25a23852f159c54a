"""A real worker process on the default transport: pictures appear; killed in the middle, nothing is lost."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from generation.vision.style import Embedding
from tests.services.conftest import Site

pytestmark = [pytest.mark.service, pytest.mark.weights, pytest.mark.timeout(900)]

ADD = """
import io, random
from PIL import Image
from django.core.files.base import ContentFile
from generation.imagefile import read_image, photograph_fields
def photo(seed, base):
    rng = random.Random(seed)
    image = Image.new("RGB", (96, 96))
    image.putdata([tuple(max(0, min(255, c + rng.randrange(-40, 40))) for c in base) for _ in range(96 * 96)])
    stream = io.BytesIO(); image.save(stream, "PNG")
    return photograph_fields(read_image(stream.getvalue()))
word = Word.objects.create(text="ざらざら")
for n in range(PHOTOGRAPHS):
    SourceImage.objects.create(word=word, rank=n, **photo(n, (150, 110, 70)))
contents = [ContentImage.objects.create(name=f"c{n}", **photo(100 + n, (90, 120, 160))) for n in range(CONTENTS)]
recipe = Recipe.objects.create(name="small", preset=PRESET, size=SIZE, evaluations=EVALUATIONS)
s = StimulusSet.objects.create(slug="small", name="Small")
s.words.add(word); s.contents.add(*contents); s.recipes.add(recipe)
jobs.make(s)
"""
STATES = "print(','.join(sorted(StylizedImage.objects.values_list('state', flat=True))))"


def add(
    site: Site,
    evaluations: int,
    photographs: int = 6,
    contents: int = 3,
    preset: str = "random-phase",
    size: int = 64,
) -> None:
    """A word with its photographs, and a set of it that is to be made."""
    values = {
        "PHOTOGRAPHS": photographs,
        "CONTENTS": contents,
        "PRESET": preset,
        "SIZE": size,
        "EVALUATIONS": evaluations,
    }
    site.shell("\n".join(f"{name} = {value!r}" for name, value in values.items()) + ADD)


def pictures_on_disk(site: Site) -> list[Path]:
    return files(site, "media/pictures")


def files(site: Site, folder: str) -> list[Path]:
    """All of them, with the hidden ones that a killed write would leave."""
    return sorted(path for path in (site.folder / folder).rglob("*") if path.is_file())


def until(site: Site, query: str) -> None:
    """Wait until the site's database answers so, looking often: what is waited for may be short."""
    end = time.monotonic() + 280
    with contextlib.closing(sqlite3.connect(site.folder / "db.sqlite3")) as database:
        while not database.execute(query).fetchone()[0]:
            assert time.monotonic() < end, f"{query}. Worker's log:\n{site.log()}"
            time.sleep(0.05)


def attempts(site: Site) -> dict[str, int]:
    rows = site.shell("print(*[f'{j.kind}={j.attempts}' for j in Job.objects.order_by('pk')])")
    return {kind: int(n) for kind, n in (row.split("=") for row in rows.split())}


def test_a_word_is_added_and_pictures_appear(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.start_worker()
    add(site, evaluations=4)
    site.wait("print(StimulusSet.objects.get().status)", lambda status: status == "ready")
    assert site.shell(STATES) == "done,done,done"
    assert len(pictures_on_disk(site)) == 3
    assert site.shell("print(Clustering.objects.count(), Job.objects.count())") == "1 3"


def test_a_worker_killed_in_the_middle_of_a_picture_loses_and_doubles_nothing(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    worker = site.start_worker()
    add(site, evaluations=150)
    finished = "select count(*) from generation_stylizedimage where state = 'done'"
    begun = "select count(*) from generation_stylizedimage where state = 'running' and progress > 0"
    until(site, f"select ({finished}) > 0 and ({begun}) > 0")
    done = (
        "print(*sorted(StylizedImage.objects.filter(state='done').values_list('file', flat=True)))"
    )
    site.kill(worker)
    before = site.shell(done).split()
    assert 1 <= len(before) < 3
    assert "running" in site.shell(STATES), "the killed worker still holds its picture"
    assert len(pictures_on_disk(site)) == len(before), "no file of the one that was begun"

    site.start_worker()
    site.wait("print(StimulusSet.objects.get().status)", lambda status: status == "ready")
    after = site.shell(done).split()
    assert len(after) == 3
    assert set(before) <= set(after), "what was done is kept as it was"
    assert len(pictures_on_disk(site)) == 3, "no half files, no second copies"
    tried = site.shell("print(sorted(StylizedImage.objects.values_list('attempts', flat=True)))")
    assert tried == "[1, 1, 2]", "only the interrupted picture was made again"


def test_a_worker_killed_in_the_middle_of_a_texture_makes_it_again(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    worker = site.start_worker()
    add(site, evaluations=3, contents=2, preset="fast", size=96)  # one content needs no texture
    represent = "Job.objects.filter(kind='represent')"
    until(site, "select count(*) from generation_job where kind = 'represent' and done > 0")
    site.kill(worker)
    state = f"job = {represent}.get(); print(job.state, 0 < job.done < job.total)"
    assert site.shell(state) == "running True", "the killed worker still holds it, half done"
    assert site.shell("print(Style.objects.count())") == "0"
    assert files(site, "media/textures") == []
    features = {path: path.stat().st_mtime_ns for path in files(site, "features")}
    assert len(features) == 7, "six photographs and the representation"

    site.start_worker()
    site.wait("print(StimulusSet.objects.get().status)", lambda status: status == "ready")
    assert attempts(site) == {"embed": 1, "cluster": 1, "represent": 2}
    (texture,) = files(site, "media/textures")
    assert site.shell("print(Style.objects.get().file.path)") == str(texture)
    whole = "Style.objects.get(); print(pixel_sha256(read_image(s.file.read()).image) == s.sha256)"
    head = "from generation.imagefile import pixel_sha256, read_image; s = "
    assert site.shell(head + whole) == "True"
    again = {path: path.stat().st_mtime_ns for path in files(site, "features")}
    # Beside them those of the content photographs, for the style distance.
    assert {path: again[path] for path in features} == features, "what was stored stays as it was"
    assert len(pictures_on_disk(site)) == 2


def test_a_worker_killed_in_the_middle_of_embedding_goes_on_where_it_was(
    make_site: Callable[..., Site],
) -> None:
    count = 32
    site = make_site()
    worker = site.start_worker()
    add(site, evaluations=3, contents=1, photographs=count)

    def features() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (site.folder / "features").rglob("*.npz")}

    until(site, "select count(*) from generation_job where kind = 'embed' and done > 0")
    site.kill(worker)
    before = features()
    assert 1 <= len(before) < count
    embed = "Job.objects.get(kind='embed')"
    assert site.shell(f"print({embed}.state)") == "running", "the killed worker still holds it"

    site.start_worker()
    site.wait(f"print({embed}.state)", lambda state: state == "done")
    after = features()
    assert len(after) == count
    assert {path: after[path] for path in before} == before, "none was computed twice"
    for path in after:
        with np.load(path) as arrays:
            assert Embedding.from_arrays(arrays).encoder == "vgg16-hed", "no half files"
    assert attempts(site)["embed"] == 2


@pytest.mark.slow
def test_the_same_on_postgresql_and_redis(make_site: Callable[..., Site]) -> None:
    import psycopg

    name = "stylestudy_service_test"
    server = "postgresql://postgres:postgres@127.0.0.1:5432"
    try:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL on its usual port: {error}")
    site = make_site(database_url=f"{server}/{name}", broker_url="redis://127.0.0.1:6379/9")
    site.start_worker()
    add(site, evaluations=4)
    site.wait("print(StimulusSet.objects.get().status)", lambda status: status == "ready")
    assert site.shell(STATES) == "done,done,done"
