import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from generation.models import State, StylizedImage
from tests.factories import StudyFactory, make_ready_set
from tests.survey.report_case import build_case, give_answers

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    user = User.objects.create_user("researcher", password="x")
    user.user_permissions.add(Permission.objects.get(codename="view_report"))
    client.force_login(user)
    return client


def page(slug: str = "small") -> str:
    return reverse("survey:report", args=[slug])


def addresses(case: Any) -> list[str]:
    return [
        page(),
        reverse("survey:report_data", args=["small", "json"]),
        reverse("survey:report_picture", args=["small", case.pictures[0].pk]),
    ]


def test_strangers_sign_in_and_others_are_refused(client: Client) -> None:
    case = build_case()
    for address in addresses(case):
        response = client.get(address)
        assert response.status_code == 302
        assert "login" in response["Location"]
    client.force_login(User.objects.create_user("someone", password="x"))
    for address in addresses(case):
        assert client.get(address).status_code == 403


def test_page(researcher: Client) -> None:
    case = build_case()
    response = researcher.get(page())
    html = response.content.decode()
    assert response.status_code == 200
    assert "0 of 3" in html
    assert html.count('role="img"') == 2
    assert case.pictures[0].word.text in html
    assert "report_picture" not in html
    assert 'class="target"' in html
    assert "exact one-sided binomial test" in html
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "style=" not in html
    assert response.context["report"].answers == 4


def test_recognised_words_are_marked(researcher: Client) -> None:
    study = StudyFactory(stimulus_set=make_ready_set(4, 1), slug="small", status="open")
    pictures = list(StylizedImage.objects.order_by("word_id").select_related("word"))
    # Two words are asked about: the corrected p values are 2 / 4⁶ and 1 / 4².
    give_answers(study, pictures[0], pictures, right=6, wrong=0)
    give_answers(study, pictures[1], pictures, right=2, wrong=0)
    html = researcher.get(page()).content.decode()
    assert "1 of 2" in html
    heading = r'<th scope="row" lang="ja">\s*'
    assert re.findall(rf'<tr class="above">\s*{heading}(\w+)', html) == [pictures[0].word.text]
    assert html.count('class="above"') == 2, "the word's row and its cell"
    assert "&lt; 0.001" in html


def test_simulated_by_switch(researcher: Client) -> None:
    build_case()
    response = researcher.get(page(), {"simulated": "1"})
    assert response.context["report"].answers == 5
    assert "report.csv?simulated=1" in response.content.decode()


def test_empty(researcher: Client) -> None:
    for status in ("draft", "open", "closed"):
        study = StudyFactory(stimulus_set=make_ready_set(2, 1), status=status)
        response = researcher.get(page(study.slug))
        assert response.status_code == 200
        assert "No answers yet" in response.content.decode()


def test_data(researcher: Client) -> None:
    build_case()
    data = json.loads(researcher.get(reverse("survey:report_data", args=["small", "json"])).content)
    assert (data["study"], data["answers"]) == ("small", 4)
    response = researcher.get(reverse("survey:report_data", args=["small", "csv"]))
    assert response.content.decode("utf-8-sig").startswith("level,word,content")
    assert researcher.get(reverse("survey:report_data", args=["small", "xml"])).status_code == 404
    assert researcher.get(page("other")).status_code == 404


def test_pictures_of_the_study_only(researcher: Client) -> None:
    case = build_case()
    other = make_ready_set(1, 1).pictures.get()

    def get(pk: int) -> Any:
        return researcher.get(reverse("survey:report_picture", args=["small", pk]))

    response = get(case.pictures[0].pk)
    assert b"".join(response.streaming_content).startswith(b"\x89PNG")
    assert response["Content-Type"] == "image/png"
    assert get(other.pk).status_code == 404
    case.pictures[1].file.storage.delete(case.pictures[1].file.name)
    assert get(case.pictures[1].pk).status_code == 404
    type(other).objects.filter(pk=case.pictures[2].pk).update(state=State.FAILED)
    assert get(case.pictures[2].pk).status_code == 404
