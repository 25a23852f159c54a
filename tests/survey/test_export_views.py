"""The export as a download."""

import io
import json
import zipfile

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from survey import export_views
from tests.survey.report_case import Case, build_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def case() -> Case:
    return build_case()


@pytest.fixture
def researcher(client: Client) -> Client:
    user = get_user_model().objects.create_user("researcher")
    user.user_permissions.add(Permission.objects.get(codename="view_report"))
    client.force_login(user)
    return client


def unpacked(response) -> dict[str, bytes]:
    stream = io.BytesIO(b"".join(response.streaming_content))
    with zipfile.ZipFile(stream) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def test_the_zip_has_data_and_numbers(case: Case, researcher: Client) -> None:
    response = researcher.get(reverse("survey:export", args=["small"]))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"] == 'attachment; filename="small.zip"'
    assert response.headers["Cache-Control"] == "private, no-store"
    files = unpacked(response)
    assert json.loads(files["analysis/report.json"])["kept"]["accuracy"]["answers"] == 4
    assert files["data/study-small_table-trials_data.csv"].count(b"\r\n") == 1 + 4


def test_simulated_raters_and_pictures_come_when_asked_for(case: Case, researcher: Client) -> None:
    address = reverse("survey:export", args=["small"])
    files = unpacked(researcher.get(address, {"simulated": "1", "pictures": "1"}))
    assert files["data/study-small_table-trials_data.csv"].count(b"\r\n") == 1 + 5
    # No photograph has a licence.
    assert not [name for name in files if name.startswith("materials/pictures/")]
    assert b"Pictures that are not in this dataset" in files["CREDITS.md"]


def test_of_many_answers_the_analysis_is_left_to_the_script(
    case: Case, researcher: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_views, "REPORT_UP_TO", 4)
    files = unpacked(researcher.get(reverse("survey:export", args=["small"])))
    assert "analysis/report.json" not in files
    assert "analysis/analyze.py" in files
    assert b"It was not run" in files["README.md"]


def test_it_is_for_researchers_only(case: Case, client: Client) -> None:
    address = reverse("survey:export", args=["small"])
    assert client.get(address).status_code == 302
    client.force_login(get_user_model().objects.create_user("somebody"))
    assert client.get(address).status_code == 403


def test_an_unknown_study_is_not_found(researcher: Client) -> None:
    assert researcher.get(reverse("survey:export", args=["nope"])).status_code == 404
