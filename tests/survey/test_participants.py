"""The researcher's page about a study's people."""

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from survey import session
from survey.lifecycle import open_study
from survey.models import Participation, Study
from survey.participants import address_to_give, going, sharp_up_to
from survey.report import build_report
from tests.factories import StudyFactory, make_ready_set

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at:UserWarning"),
]


def make_study(**fields) -> Study:
    return open_study(
        StudyFactory(stimulus_set=make_ready_set(words=4, contents=1), ask_word=False, **fields)
    )


def page_of(study: Study) -> str:
    return reverse("survey:participants", args=[study.slug])


def test_everybody_is_counted_once() -> None:
    study = make_study(quota=50)
    finished, running, lost, left, late, out = (session.join(study, "en") for _n in range(6))
    session.join(study, "en", simulated=True)
    for participation in (finished, late):
        for trial in participation.trials.all():
            session.record(trial, 0)
    Participation.objects.filter(pk=lost.pk).update(consented_at=timezone.now() - timedelta(days=1))
    session.withdraw(left, delete=False)
    session.withdraw(late, delete=True)
    Participation.objects.filter(pk=out.pk).update(screened_out_at=timezone.now())
    now = going(study)
    assert (now.begun, now.finished, now.running, now.given_up) == (6, 1, 1, 1)
    assert (now.screened_out, now.withdrawn, now.simulated, now.counted) == (1, 2, 1, 2)
    assert now.begun == now.finished + now.running + now.given_up + now.screened_out + now.withdrawn
    assert running.finished_at is None


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        ({}, "/"),
        ({"entrance": "invitation"}, None),
        ({"entrance": "prolific"}, "&SESSION_ID={{%SESSION_ID%}}"),
        ({"entrance": "panel", "panel_parameters": {"person": "pid", "s": "sid"}}, "?pid=…&sid=…"),
    ],
)
def test_the_address_to_give_out(fields, ending) -> None:
    study = make_study(**fields)
    address = address_to_give(study, "https://lab.example.org")
    if ending is None:
        assert address == ""
    else:
        assert address.startswith(f"https://lab.example.org/s/{study.slug}/")
        assert address.endswith(ending)


def test_pictures_too_small_for_phones_are_said(admin_client: Client) -> None:
    # The factory's pictures are 16 pixels wide.
    study = make_study(display_px=128)
    assert sharp_up_to(study) == 16 / 128
    assert "fewer pixels than most phones show" in admin_client.get(page_of(study)).content.decode()
    for picture in study.stimulus_set.pictures.all():
        picture.file.storage.delete(picture.file.name)
    assert sharp_up_to(study) is None
    assert "fewer pixels" not in admin_client.get(page_of(study)).content.decode()


def test_invitations_are_made_listed_and_written(admin_client: Client) -> None:
    study = make_study(entrance="invitation")
    page = admin_client.post(page_of(study), {"count": "", "notes": " \n"})
    assert page.status_code == 422
    assert "Say how many" in page.content.decode()
    admin_client.post(page_of(study), {"count": "", "notes": "Ms Abe\n=SUM(A1)\n"})
    admin_client.post(page_of(study), {"count": "3", "notes": ""})
    assert study.invitations.count() == 5
    text = admin_client.get(page_of(study)).content.decode()
    assert "0 of 5 used" in text
    for invitation in study.invitations.all():
        assert f"http://testserver{invitation.get_absolute_url()}" in text
    response = admin_client.get(reverse("survey:invitations", args=[study.slug]))
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert rows[0] == ["link", "note", "used"]
    assert [row[1] for row in rows[1:3]] == ["Ms Abe", "'=SUM(A1)"]
    assert admin_client.post(page_of(study), {"count": "10001"}).status_code == 422


def test_whoever_tries_it_is_not_counted(admin_client: Client) -> None:
    study = make_study(quota=1)
    page = admin_client.get(page_of(study))
    admin_client.post(study.get_absolute_url(), {"simulated": page.context["mark"]})
    participation = Participation.objects.get()
    assert participation.simulated
    assert going(study).begun == 0
    for trial in participation.trials.all():
        session.record(trial, 0)
    assert build_report(study).answers == 0


def test_only_those_who_may_change_studies_see_it(client: Client) -> None:
    study = make_study()
    assert client.get(page_of(study)).status_code == 302
    user = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(page_of(study)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="change_study"))
    assert client.get(page_of(study)).status_code == 200
