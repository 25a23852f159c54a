"""Invitations: a link for one person, and the command that makes them."""

import csv
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from survey import session
from survey.invitations import accept, make_invitations
from survey.lifecycle import close_study, open_study
from survey.models import Invitation, Participation
from survey.texts import consent_shown
from tests.factories import StudyFactory, make_ready_set
from tests.survey.joining import agree, hidden, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    stimulus_set = make_ready_set(words=4, contents=1)
    return open_study(
        StudyFactory(stimulus_set=stimulus_set, entrance="invitation", title="By letter")
    )


@pytest.fixture
def invitation(study):
    return make_invitations(study, 1, ["for Hanako"])[0]


def test_making_them(study):
    made = make_invitations(study, 5, ["a", "b"])
    assert [i.note for i in Invitation.objects.all()] == ["a", "b", "", "", ""]
    assert len({i.token for i in made}) == 5
    assert all(len(i.token) >= 22 and i.pk for i in made)


@pytest.mark.parametrize(
    ("n", "notes", "says"),
    [
        (0, [], "1 to 10000"),
        (10_001, [], "1 to 10000"),
        (1, ["a", "b"], "2 notes"),
        (1, ["x" * 121], "121"),
    ],
)
def test_what_cannot_be_made(study, n, notes, says):
    with pytest.raises(ValueError, match=says):
        make_invitations(study, n, notes)
    assert not Invitation.objects.exists()


def test_the_first_who_agrees_is_the_person_on_any_device(invitation):
    address = invitation.get_absolute_url()
    page = Client().get(address)
    assert page.status_code == 200
    assert "on any device" in page.content.decode()
    assert "Hanako" not in page.content.decode()
    invitation.refresh_from_db()
    assert invitation.participation is None, "looking takes nothing"
    late = {**hidden(page), "consent": "on"}
    response = agree(Client(), address)
    participation = Participation.objects.get()
    assert response.headers["Location"] == page_of(participation)
    invitation.refresh_from_db()
    assert invitation.participation == participation
    assert participation.consent.version == 1
    # Afterwards, and for one who had read the page before: back to where that person was.
    for response in (Client().get(address), Client().post(address, late)):
        assert response.headers["Location"] == page_of(participation)
    assert Participation.objects.count() == 1


def test_consent_is_needed(client, invitation):
    response = client.post(
        invitation.get_absolute_url(), hidden(client.get(invitation.get_absolute_url()))
    )
    assert response.status_code == 422
    assert not Participation.objects.exists()


def test_one_that_was_accepted_meanwhile_is_the_same_participation(study, invitation):
    """Between reading the invitation and taking it somebody else took it."""
    before = Invitation.objects.get(pk=invitation.pk)
    first = accept(invitation, "en", consent_shown(study))
    assert accept(before, "en", consent_shown(study)) == first
    assert Participation.objects.count() == 1


def test_the_study_itself_says_that_it_is_by_invitation(client, study):
    for response in (
        client.get(f"/s/{study.slug}/"),
        client.post(f"/s/{study.slug}/", {"consent": "on"}),
    ):
        text = response.content.decode()
        assert "by invitation" in text
        assert "By letter" in text
    assert "By letter" not in client.get("/").content.decode()
    assert not Participation.objects.exists()


def test_a_link_that_is_none(client):
    assert client.get("/i/nobody/").status_code == 404


def test_drafts_full_and_closed_studies(client, study, invitation):
    draft = StudyFactory(entrance="invitation", title="Secret")
    text = client.get(make_invitations(draft, 1)[0].get_absolute_url()).content.decode()
    assert "has not begun yet" in text
    assert "Secret" not in text
    study.quota = 1
    study.save()
    agree(Client(), invitation.get_absolute_url())
    second = make_invitations(study, 1)[0]
    assert "This study is full" in client.get(second.get_absolute_url()).content.decode()
    close_study(study)
    assert "has ended" in client.get(second.get_absolute_url()).content.decode()
    begun = client.get(invitation.get_absolute_url())
    assert begun.headers["Location"] == page_of(Participation.objects.get())


def test_after_deleting_the_link_leads_to_the_last_page(client, invitation):
    agree(client, invitation.get_absolute_url())
    participation = Participation.objects.get()
    session.withdraw(participation, delete=True)
    response = Client().get(invitation.get_absolute_url(), follow=True)
    assert "Your answers are deleted" in response.content.decode()
    assert Participation.objects.count() == 1


# --- the command ------------------------------------------------------------------------------------


def run(*args):
    out = StringIO()
    call_command("invite", *args, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_prints_links_that_work(study):
    lines = run(study.slug, "--count", "3", "--base-url", "https://lab.example.org/")
    assert len(lines) == 3
    tokens = set(Invitation.objects.values_list("token", flat=True))
    assert set(lines) == {f"https://lab.example.org/i/{token}/" for token in tokens}
    path = lines[0].removeprefix("https://lab.example.org")
    assert Client().get(path).status_code == 200


def test_the_command_writes_a_table_with_notes(study, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("花子\n\n太郎, B\n=1+1\n", encoding="utf-8")
    table = tmp_path / "links.csv"
    args = (
        study.slug,
        "--notes",
        str(notes),
        "--csv",
        str(table),
        "--base-url",
        "https://x.example",
    )
    assert run(*args) == [f"{table}: 3 invitations"]
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # The last would be a formula to a spreadsheet.
    assert [row["note"] for row in rows] == ["花子", "太郎, B", "'=1+1"]
    assert [row["link"] for row in rows] == [
        f"https://x.example{i.get_absolute_url()}" for i in Invitation.objects.all()
    ]
    assert table.stat().st_mode & 0o077 == 0, "links are secrets"


def test_the_command_never_writes_over_a_table(study, tmp_path):
    table = tmp_path / "links.csv"
    table.write_text("former links", encoding="utf-8")
    with pytest.raises(CommandError, match="is there already"):
        run(study.slug, "--count", "2", "--csv", str(table), "--base-url", "https://x.example")
    assert table.read_text(encoding="utf-8") == "former links"
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nothing", "--count", "1"], "There is no study 'nothing'"),
        (["{slug}", "--count", "0"], "1 to 10000"),
        (["{slug}"], "--count or --notes"),
        (["{slug}", "--count", "1", "--base-url", "lab.example.org"], "https://"),
        (["{slug}", "--count", "1", "--base-url", "https://x.example/?a=1"], "https://"),
        (["{slug}", "--notes", "/nowhere/notes.txt"], "notes.txt"),
    ],
)
def test_what_the_command_refuses(study, args, says):
    filled = [arg.replace("{slug}", study.slug) for arg in args]
    if "--base-url" not in filled:
        filled += ["--base-url", "https://x.example"]
    with pytest.raises(CommandError, match=says):
        run(*filled)
    assert not Invitation.objects.exists()


def test_the_command_refuses_a_study_that_is_not_by_invitation():
    study = StudyFactory(entrance="open")
    with pytest.raises(CommandError, match="by invitation"):
        run(study.slug, "--count", "1", "--base-url", "https://x.example")
