"""Asking for photographs: queries of a word, the page of collecting, the commands."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from generation import jobs, pipeline
from generation.models import Hit, Job, Query, State, Word
from generation.sources.base import SearchHit, SourceError
from generation.wordlists import LISTS, add_words
from tests.factories import SourceImageFactory, WordFactory, grain
from tests.generation.test_pipeline import photograph

pytestmark = pytest.mark.django_db


class Local:
    """A source with files of its own."""

    name = "samples"

    def search(self, query: str, limit: int) -> Iterator[SearchHit]:
        if query == "nothing":
            raise SourceError("The source is down. Try again later.")
        for rank in range(min(limit, 3)):
            yield SearchHit(source=self.name, query=query, rank=rank, origin=f"{query}-{rank}")

    def read(self, hit: SearchHit) -> bytes:
        return b"no picture" if hit.rank == 2 else grain(sum(map(ord, hit.origin)), (90, 90, 90))


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Local:
    local = Local()
    monkeypatch.setattr(pipeline, "get_source", lambda _name: local)
    return local


# --- queries ----------------------------------------------------------------------------------


def test_queries_are_typed_one_a_line_in_their_order(admin_client: Client) -> None:
    word = Word.objects.create(text="ふさふさ")
    page = reverse("admin:generation_word_change", args=[word.pk])
    values = {"text": "ふさふさ", "reading": "", "gloss": "", "source": ""}
    typed = " ふさふさ 毛\r\n\r\nfluffy fur\r\nふさふさ 毛\r\n"
    admin_client.post(page, {**values, "queries": typed})
    assert word.query_texts() == ["ふさふさ 毛", "fluffy fur"]
    text = admin_client.get(page).content.decode()
    assert re.search(r"<textarea[^>]*>\s*ふさふさ 毛\nfluffy fur</textarea>", text)
    kept = list(Query.objects.values_list("pk", flat=True))
    admin_client.post(page, {**values, "queries": "ふさふさ 毛\nfluffy fur"})
    assert list(Query.objects.values_list("pk", flat=True)) == kept, "unchanged ones stay"
    admin_client.post(page, {**values, "queries": "fluffy fur\nふさふさ 毛"})
    assert word.query_texts() == ["fluffy fur", "ふさふさ 毛"]
    admin_client.post(page, {**values, "queries": ""})
    assert word.query_texts() == ["ふさふさ"]
    response = admin_client.post(page, {**values, "queries": "x" * 201})
    assert "at most 200 letters" in response.content.decode()


# --- the page ---------------------------------------------------------------------------------


def test_the_page_asks_for_photographs_and_shows_how_far_it_is(
    admin_client: Client,
) -> None:
    first = Word.objects.create(text="石", source="samples")
    second = Word.objects.create(text="布製", source="samples")
    page = f"{reverse('generation:collect')}?word={first.pk}&word={second.pk}"
    text = admin_client.get(page).content.decode()
    assert text.count("Nothing was collected yet.") == 2
    assert '<option value="samples" selected>' in text
    answer = admin_client.post(page, {"source": "samples", "limit": "30"})
    assert answer.status_code == 302
    made = Job.objects.order_by("pk").values_list("word__text", "kind", "source", "limit", "state")
    assert list(made) == [
        ("石", "collect", "samples", 30, "queued"),
        ("布製", "collect", "samples", 30, "queued"),
    ]
    # Asked for twice: the run that is there goes on.
    admin_client.post(page, {"source": "samples", "limit": "60"})
    assert Job.objects.count() == 2
    Job.objects.filter(word=first).update(state=State.RUNNING, done=12, total=30)
    Hit.objects.create(
        word=first,
        source="samples",
        query="石",
        rank=1,
        origin="x",
        state="refused",
        reason="not-found",
        detail="a.example: <gone>",
    )
    fragment = admin_client.get(page.replace("collect/?", "collect/state/?")).content.decode()
    assert 'value="40"' in fragment
    assert "12 / 30" in fragment
    assert "data-working" in fragment
    assert "no longer there × 1</a>: a.example: &lt;gone&gt;" in fragment
    assert "In all: 1 found, 0 stored; photographs accepted: 0, left out: 0." in fragment


def test_what_was_left_out_is_counted_and_leads_to_the_review(admin_client: Client) -> None:
    word = WordFactory(text="石")
    for rejected in ("", "", "It is too small."):
        SourceImageFactory(word=word, rejected=rejected)
    text = admin_client.get(f"{reverse('generation:collect')}?word={word.pk}").content.decode()
    assert "photographs accepted: 2, left out: 1." in text
    assert f'href="{reverse("admin:generation_word_photographs", args=[word.pk])}"' in text


def test_without_scripts_the_page_is_loaded_again_only_while_something_runs(
    admin_client: Client,
) -> None:
    # Else what is typed into the form would be lost every ten seconds.
    word = WordFactory(text="石")
    page = f"{reverse('generation:collect')}?word={word.pk}"
    assert b'http-equiv="refresh"' not in admin_client.get(page).content
    job = Job.objects.create(kind=Job.Kind.COLLECT, word=word, source="samples")
    assert b'http-equiv="refresh"' in admin_client.get(page).content
    Job.objects.filter(pk=job.pk).update(state=State.DONE)
    assert b'http-equiv="refresh"' not in admin_client.get(page).content


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"source": "samples", "limit": "0"}, "greater than or equal to 1"),
        ({"source": "samples", "limit": ""}, "required"),
        ({"source": "nowhere", "limit": "5"}, "not one of the available choices"),
        # Its key is not set here.
        ({"source": "flickr", "limit": "5"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_asked_for(
    admin_client: Client, typed: dict[str, str], message: str
) -> None:
    word = Word.objects.create(text="石")
    response = admin_client.post(f"{reverse('generation:collect')}?word={word.pk}", typed)
    assert message in response.content.decode()
    assert not Job.objects.exists()


def test_who_may_only_look_cannot_ask(client: Client, django_user_model: Any) -> None:
    from django.contrib.auth.models import Permission

    word = Word.objects.create(text="石")
    page = f"{reverse('generation:collect')}?word={word.pk}"
    user = django_user_model.objects.create_user("looker", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(page).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_word"))
    assert b'class="collect-form"' not in client.get(page).content
    assert client.post(page, {"source": "samples", "limit": "5"}).status_code == 403
    assert not Job.objects.exists()


@pytest.mark.parametrize("query", ["", "?word=x", "?word=999999", "?word=" + "9" * 40])
def test_words_that_are_not_there(admin_client: Client, query: str) -> None:
    assert admin_client.get(reverse("generation:collect") + query).status_code == 404


def test_the_list_of_words_leads_there(admin_client: Client) -> None:
    words = [Word.objects.create(text=text) for text in ("石", "水")]
    response = admin_client.post(
        reverse("admin:generation_word_changelist"),
        {"action": "collect_many", "_selected_action": [word.pk for word in words]},
    )
    pks = sorted((word.pk for word in words), reverse=True)
    assert sorted(response.headers["Location"].partition("?")[2].split("&")) == sorted(
        f"word={pk}" for pk in pks
    )


def test_refused_hits_can_be_fetched_again(admin_client: Client) -> None:
    word = Word.objects.create(text="石")
    common = {"word": word, "source": "commons", "query": "石"}
    for n, state in enumerate(["refused", "stored"]):
        Hit.objects.create(**common, rank=n, origin=str(n), state=state, reason="forbidden")
    page = reverse("admin:generation_hit_changelist")
    chosen = list(Hit.objects.values_list("pk", flat=True))
    response = admin_client.post(page, {"action": "again", "_selected_action": chosen}, follow=True)
    assert "1 hits are fetched again" in response.content.decode()
    assert list(Hit.objects.order_by("rank").values_list("state", "reason")) == [
        ("found", ""),
        ("stored", "forbidden"),
    ]


def test_the_list_of_jobs_says_from_which_source(admin_client: Client) -> None:
    word = WordFactory(text="石")
    Job.objects.create(kind=Job.Kind.COLLECT, word=word, source="commons", limit=77)
    job = Job.objects.create(kind=Job.Kind.EMBED, word=word)
    text = admin_client.get(reverse("admin:generation_job_changelist")).content.decode()
    assert "collect photographs · Wikimedia Commons" in text
    assert "compute features ·" not in text
    page = reverse("admin:generation_job_change", args=[job.pk - 1])
    assert "77" in admin_client.get(page).content.decode()


def test_a_waiting_run_takes_the_larger_number(admin_client: Client) -> None:
    word = Word.objects.create(text="石")
    first = jobs.collecting_job(word, "samples", 60)
    assert jobs.collecting_job(word, "samples", 200) == first
    first.refresh_from_db()
    assert first.limit == 200
    Job.objects.update(state=State.DONE)
    assert jobs.collecting_job(word, "samples") != first


def test_the_list_of_hits_links_only_to_the_web(admin_client: Client) -> None:
    word = Word.objects.create(text="石")
    for n, page in enumerate(["javascript:alert(1)", "https://pages.example/1"]):
        Hit.objects.create(
            word=word, source="brave", query="石", rank=n, origin=str(n), page_url=page
        )
    text = admin_client.get(reverse("admin:generation_hit_changelist")).content.decode()
    assert 'href="javascript:' not in text
    assert re.search(r'href="https://pages\.example/1"[^>]*>pages\.example</a>', text)
    hit = Hit.objects.get(rank=1)
    text = admin_client.get(reverse("admin:generation_hit_change", args=[hit.pk])).content.decode()
    assert re.search(r'href="https://pages\.example/1"[^>]*>https://pages\.example/1</a>', text)


# --- the commands -----------------------------------------------------------------------------


def test_collect_from_the_command_line(source: Local, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("collect", "もふもふ", "ざらざら", source="samples", limit=3)
    for text in ("もふもふ", "ざらざら"):
        word = Word.objects.get(text=text)
        assert word.source == "samples"
        assert word.images.count() == 2
        assert word.jobs.get().limit == 3
    out = capsys.readouterr().out
    assert "もふもふ: 3 found, 2 stored, 0 there already." in out
    assert "Refused: no image 1." in out
    call_command("collect", "もふもふ")
    assert "もふもふ: 3 found, 0 stored, 3 there already." in capsys.readouterr().out


def test_queries_from_the_command_line_stay_with_the_word(source: Local) -> None:
    call_command("collect", "もふもふ", source="samples", queries=["soft fur", "もふもふ 毛"])
    word = Word.objects.get()
    assert word.query_texts() == ["soft fur", "もふもふ 毛"]
    assert set(word.hits.values_list("query", flat=True)) == {"soft fur", "もふもふ 毛"}


def test_what_a_source_cannot_answer_is_the_reason(
    source: Local, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="1 of 2 words could not be collected"):
        call_command("collect", "nothing", "もふもふ", source="samples")
    assert "nothing: “nothing”: The source is down. Try again later." in capsys.readouterr().out
    assert Word.objects.get(text="もふもふ").images.count() == 2
    # The reason does not stay in the way.
    with pytest.raises(CommandError):
        call_command("collect", "nothing")
    assert Job.objects.filter(word__text="nothing").count() == 2


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["もふもふ"], {}, "no word 'もふもふ' yet: give a --source"),
        (["石"], {}, "石 has no image source: give one by --source"),
        (["石"], {"source": "samples", "limit": 0}, "expected at least 1, got 0"),
        (["石", "水"], {"source": "samples", "queries": ["x"]}, "give one word only"),
        (["石", "水"], {"folder": Path("x")}, "give one word only"),
        (["石"], {"folder": Path("x"), "limit": 5}, "takes all of a folder"),
        (["水"], {"folder": Path("nowhere")}, "no folder and no zip file nowhere"),
        (["水"], {"source": "samples", "queries": [" "]}, "--query '': .* cannot be blank"),
        (["水"], {"source": "samples", "queries": ["x" * 201]}, "--query .*at most 200 characters"),
        (["ふ" * 61], {"source": "samples"}, "cannot be a word"),
    ],
)
def test_what_cannot_be_collected(words: list[str], options: dict[str, Any], message: str) -> None:
    Word.objects.create(text="石")
    with pytest.raises(CommandError, match=message):
        call_command("collect", *words, **options)
    assert not Job.objects.exists()
    assert Word.objects.get().text == "石", "no word is left behind"


def test_a_folder_without_photographs(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no photographs yet"):
        call_command("collect", "石", folder=tmp_path)


def test_a_run_of_another_process_is_left_to_it(source: Local) -> None:
    word = Word.objects.create(text="石", source="samples")
    row = jobs.collecting_job(word, "samples")
    assert Job.objects.all().claim(row.pk, "elsewhere/1")
    with pytest.raises(CommandError, match="could not be collected"):
        call_command("collect", "石")
    assert Job.objects.get().state == State.RUNNING


def test_a_folder_or_a_zip_file_with_credits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], admin_client: Client
) -> None:
    folder = tmp_path / "fur"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.png").write_bytes(grain(n, (90, 90, 90)))
    (folder / "3.jpg").write_bytes(b"no picture")
    (folder / "credits.csv").write_text("file,credit,license\n1.png,maker,CC BY 4.0\n", "utf-8")
    call_command("collect", "もふもふ", folder=folder)
    out, err = capsys.readouterr()
    assert "もふもふ: 3 stored, 0 there already, 1 refused." in out
    assert "fur/3.jpg: The file is not an image" in err
    word = Word.objects.get()
    assert set(word.images.values_list("credit", "license", "source")) == {
        ("", "", "upload"),
        ("maker", "by 4.0", "upload"),
    }
    # The same as a zip file, in the admin.
    archive = Path(shutil.make_archive(str(tmp_path / "fur"), "zip", folder))
    other = Word.objects.create(text="ざらざら")
    with archive.open("rb") as stream:
        response = admin_client.post(
            reverse("admin:generation_word_change", args=[other.pk]),
            {"text": "ざらざら", "reading": "", "gloss": "", "source": "", "photographs": stream},
            follow=True,
        )
    text = response.content.decode()
    assert "3 photographs added to ざらざら." in text
    assert "fur.zip/3.jpg was not taken" in text
    assert other.images.get(credit="maker").license == "by 4.0"


# --- lists of words ---------------------------------------------------------------------------


def test_the_lists_have_what_they_say() -> None:
    assert add_words("onomatopoeia") == (23, 0)
    assert {"ふさふさ", "ざらざら", "もふもふ"} <= set(Word.objects.values_list("text", flat=True))
    assert add_words("materials") == (10, 0)
    for word in Word.objects.all():
        assert word.reading
        assert word.gloss
        assert word.query_texts()[0] == word.text
        assert len(word.query_texts()) == 3
        assert any(text.isascii() for text in word.query_texts())


def test_what_is_there_stays_as_it_is() -> None:
    mine = Word.objects.create(text="石", gloss="my own", source="samples")
    mine.queries.create(text="my query")
    assert add_words("materials", source="openverse") == (9, 1)
    mine.refresh_from_db()
    assert (mine.gloss, mine.source, mine.query_texts()) == ("my own", "samples", ["my query"])
    assert Word.objects.get(text="水").source == "openverse"
    assert add_words("materials") == (0, 10)


def test_lists_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("add_words", "onomatopoeia", "materials", source="commons")
    assert capsys.readouterr().out == (
        "onomatopoeia: 23 words added, 0 were there.\nmaterials: 10 words added, 0 were there.\n"
    )


@pytest.mark.parametrize("name", LISTS)
def test_the_lists_are_fixtures_of_django(name: str) -> None:
    call_command("loaddata", name, verbosity=0)
    words = Word.objects.count()
    call_command("loaddata", name, verbosity=0)
    assert Word.objects.count() == words > 9
    assert Path(f"generation/fixtures/{name}.json").exists()


def test_photographs_that_a_person_added_stay_beside(source: Local) -> None:
    from generation.models import SourceImage

    word = Word.objects.create(text="石", source="samples")
    SourceImage.objects.create(word=word, **photograph(1, (90, 90, 90)))
    call_command("collect", "石")
    assert word.images.count() == 3
