"""A real worker process on the default transport: pictures appear; killed in the middle, nothing is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

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
for n in range(6):
    SourceImage.objects.create(word=word, rank=n, **photo(n, (150, 110, 70)))
contents = [ContentImage.objects.create(name=f"c{n}", **photo(100 + n, (90, 120, 160))) for n in range(3)]
recipe = Recipe.objects.create(name="small", preset="random-phase", size=64, evaluations=EVALUATIONS)
s = StimulusSet.objects.create(slug="small", name="Small")
s.words.add(word); s.contents.add(*contents); s.recipes.add(recipe)
jobs.make(s)
"""
STATES = "print(','.join(sorted(StylizedImage.objects.values_list('state', flat=True))))"


def pictures_on_disk(site: Site) -> list[Path]:
    return sorted((site.folder / "media" / "pictures").glob("*"))


def test_a_word_is_added_and_pictures_appear(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.start_worker()
    site.shell(ADD.replace("EVALUATIONS", "4"))
    site.wait("print(StimulusSet.objects.get().status)", lambda status: status == "ready")
    assert site.shell(STATES) == "done,done,done"
    assert len(pictures_on_disk(site)) == 3
    assert site.shell("print(Clustering.objects.count(), Job.objects.count())") == "1 3"


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    worker = site.start_worker()
    site.shell(ADD.replace("EVALUATIONS", "150"))
    site.wait(STATES, lambda states: "done" in states and "running" in states)
    done = (
        "print(*sorted(StylizedImage.objects.filter(state='done').values_list('file', flat=True)))"
    )
    site.kill(worker)
    before = site.shell(done).split()
    assert 1 <= len(before) < 3
    assert "running" in site.shell(STATES), "the killed worker still holds its picture"

    site.start_worker()
    site.wait("print(StimulusSet.objects.get().status)", lambda status: status == "ready")
    after = site.shell(done).split()
    assert len(after) == 3
    assert set(before) <= set(after), "what was done is kept as it was"
    assert len(pictures_on_disk(site)) == 3, "no half files, no second copies"
    attempts = site.shell("print(sorted(StylizedImage.objects.values_list('attempts', flat=True)))")
    assert attempts == "[1, 1, 2]", "only the interrupted picture was made again"


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
    site.shell(ADD.replace("EVALUATIONS", "4"))
    site.wait("print(StimulusSet.objects.get().status)", lambda status: status == "ready")
    assert site.shell(STATES) == "done,done,done"
