"""Whom the pictures are owed to: which photographs, and how they are named."""

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from generation.models import (
    Clustering,
    ClusterMember,
    SourceImage,
    StimulusSet,
    StyleCluster,
    StylizedImage,
)
from generation.sources.hits import license_fields
from survey.credits import COLUMNS, as_csv, credits_of
from survey.models import Study
from tests.factories import SourceImageFactory, make_ready_set

pytestmark = pytest.mark.django_db


def group(clustering: Clustering, rank: int, *images: SourceImage) -> StyleCluster:
    cluster = StyleCluster.objects.create(
        clustering=clustering, rank=rank, size=len(images), cohesion=1, score=1, chosen=True
    )
    for order, image in enumerate(images):
        ClusterMember.objects.create(
            clustering=clustering, cluster=cluster, image=image, order=order, is_medoid=order == 0
        )
    return cluster


@pytest.fixture
def stimulus_set() -> StimulusSet:
    """Two words: of the first two photographs are used, of the second a medoid and one behind."""
    made = make_ready_set(words=2, contents=1)
    first, second = made.words.all()
    for word in (first, second):
        clustering = word.clusterings.get()
        images = [
            SourceImageFactory(
                word=word,
                rank=n,
                origin=f"https://images.example/{word.pk}/{n}.jpg",
                credit=f"maker {word.pk}{n}",
            )
            for n in range(4)
        ]
        group(clustering, 1, *images[:2])
        group(clustering, 2, *images[2:])
    made.pictures.filter(word=first).update(params={"clusters": [1]})
    made.pictures.filter(word=second).update(
        params={"clusters": [2], "members": "medoid", "background": {"clusters": [2]}},
        background_clustering=first.clusterings.get(),
    )
    return made


def test_what_went_into_a_picture_and_nothing_else(stimulus_set: StimulusSet) -> None:
    first, second = stimulus_set.words.all()
    used = SourceImage.objects.used_in(stimulus_set).order_by("word", "rank")
    # Of the second word the medoid of its second cluster; behind it the medoid of the first's.
    assert [(image.word, image.rank) for image in used] == [
        (first, 0),
        (first, 1),
        (first, 2),
        (second, 2),
    ]


def test_photographs_by_picture_are_its_content_and_those_of_its_styles(
    stimulus_set: StimulusSet,
) -> None:
    first, second = stimulus_set.words.all()
    content = stimulus_set.contents.get()
    found = {
        StylizedImage.objects.get(pk=pk).word: photographs
        for pk, photographs in stimulus_set.pictures.photographs().items()
    }
    assert [p.pk for p in found[first][1:]] == [i.pk for i in first.images.order_by("rank")[:2]]
    assert [p.pk for p in found[second][1:]] == [
        second.images.get(rank=2).pk,
        first.images.get(rank=2).pk,
    ]
    assert {photographs[0] for photographs in found.values()} == {content}


def test_a_picture_is_under_the_licences_of_all_its_photographs(stimulus_set: StimulusSet) -> None:
    first, second = stimulus_set.words.all()
    stimulus_set.contents.update(license="CC0")
    SourceImage.objects.filter(word=first).update(license="by 4.0")
    SourceImage.objects.filter(word=first, rank=2).update(license="by-nd 4.0")
    SourceImage.objects.filter(word=second).update(license="by-sa 4.0")
    licenses = stimulus_set.pictures.licenses()
    one, two = (licenses[stimulus_set.pictures.get(word=w).pk] for w in (first, second))
    assert (one.names, one.republish) == (("CC BY 4.0", "CC0 1.0"), True)
    # Behind the second word's picture is the first word's third photograph.
    assert two.names == ("CC BY-ND 4.0", "CC BY-SA 4.0", "CC0 1.0")
    assert (two.republish, two.share_alike) == (False, True)


def test_pictures_that_do_not_count_owe_nothing(stimulus_set: StimulusSet) -> None:
    first, second = stimulus_set.words.all()
    stimulus_set.words.remove(second)
    used = SourceImage.objects.used_in(stimulus_set)
    assert set(used.values_list("word", "rank")) == {(first.pk, 0), (first.pk, 1)}
    StylizedImage.objects.update(state="failed")
    assert not SourceImage.objects.used_in(stimulus_set).exists()


def test_the_file_names_every_photograph(stimulus_set: StimulusSet) -> None:
    image = SourceImage.objects.used_in(stimulus_set).order_by("pk")[0]
    SourceImage.objects.filter(pk=image.pk).update(
        license="by-nd 4.0",
        license_url="https://creativecommons.org/licenses/by-nd/4.0/",
        attribution="=“Moss” by maker, CC BY-ND 4.0",
        page_url="https://pages.example/moss",
    )
    content = stimulus_set.contents.get()
    content.license, content.credit = "CC0", "Rachel"
    content.save()
    rows = list(csv.DictReader(io.StringIO(as_csv(credits_of(stimulus_set)))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 5
    assert rows[0]["for"] == image.word.text
    assert rows[0]["license"] == "CC BY-ND 4.0"
    assert rows[0]["republish"] == "no", "no pictures made from it"
    assert rows[0]["attribution"] == "'=“Moss” by maker, CC BY-ND 4.0", "no formula"
    assert rows[0]["image_url"] == image.origin
    assert (rows[1]["license"], rows[1]["republish"]) == ("", "unknown")
    last = rows[-1]
    assert [last[name] for name in ("role", "for", "creator", "license", "republish")] == [
        "content",
        content.name,
        "Rachel",
        "CC0 1.0",
        "yes",
    ]


@pytest.fixture
def study(stimulus_set: StimulusSet) -> Study:
    return Study.objects.create(
        slug="credited", title="T", stimulus_set=stimulus_set, status=Study.Status.OPEN
    )


def test_the_page_is_public_and_links_only_to_the_web(client: Client, study: Study) -> None:
    images = list(SourceImage.objects.used_in(study.stimulus_set).order_by("pk"))
    SourceImage.objects.filter(pk=images[0].pk).update(
        page_url="javascript:alert(1)", credit="<b>maker</b>"
    )
    SourceImage.objects.filter(pk=images[1].pk).update(page_url="https://pages.example/1")
    response = client.get(reverse("survey:credits", args=["credited"]))
    text = response.content.decode()
    assert response.status_code == 200
    assert "5 photographs" in text
    assert "javascript:" not in text
    assert "&lt;b&gt;maker&lt;/b&gt;" in text
    assert 'href="https://pages.example/1"' in text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    file = client.get(reverse("survey:credits_file", args=["credited"]))
    assert file.headers["Content-Disposition"] == 'attachment; filename="CREDITS.csv"'
    assert file.content.decode().startswith("\ufeffrole,for,creator")


@pytest.mark.parametrize(
    "stated", ["All rights reserved", "CC BY-NC-ND 4.0", "Fair use", "our own terms"]
)
def test_an_address_does_not_make_a_licence_of_what_contradicts_it(
    stimulus_set: StimulusSet, stated: str
) -> None:
    found = license_fields(
        credit="Jane Doe",
        license_text=stated,
        license_url="https://creativecommons.org/licenses/by/4.0/",
        attribution="",
    )
    image = SourceImage.objects.used_in(stimulus_set).order_by("pk")[0]
    SourceImage.objects.filter(pk=image.pk).update(**found)
    credit = credits_of(stimulus_set)[0]
    assert credit.republish is None
    assert credit.license == stated
    assert credit.line == f"Jane Doe, {stated}"


def test_the_same_words_are_said_once(client: Client, study: Study) -> None:
    SourceImage.objects.update(credit="maker", attribution="")
    text = client.get(reverse("survey:credits", args=["credited"])).content.decode()
    # Three photographs of the first word, one of the second.
    assert text.count("maker, licence unknown") == 2
    assert "maker, licence unknown × 3" in text


def test_a_draft_has_no_credits_yet(client: Client, study: Study) -> None:
    Study.objects.update(status=Study.Status.DRAFT)
    for name in ("survey:credits", "survey:credits_file"):
        assert client.get(reverse(name, args=["credited"])).status_code == 404


def test_a_set_says_what_may_not_be_published(
    admin_client: Client, stimulus_set: StimulusSet
) -> None:
    page = reverse("generation:set-licenses", args=[stimulus_set.slug])
    text = admin_client.get(page).content.decode()
    assert "5 of 5 photographs do not permit" in text
    assert "Licence unknown" in text
    images = SourceImage.objects.used_in(stimulus_set).order_by("pk")
    SourceImage.objects.filter(pk__in=images.values("pk")).update(license="by-sa 4.0")
    stimulus_set.contents.update(license="by-nd 2.0")
    text = admin_client.get(page).content.decode()
    assert "1 of 5 photographs do not permit" in text
    assert "CC BY-SA 4.0" in text
    assert "must be under the same licence" in text
    assert "unchanged only" in text
    stimulus_set.contents.update(license="cc0 1.0")
    assert "All photographs permit" in admin_client.get(page).content.decode()
