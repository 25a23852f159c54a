import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.models import State, StylizedImage
from stylestudy import leases
from survey import analyses
from survey.analyses import analyze_row
from survey.models import Analysis, Study
from survey.tables import TablesError
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
    # Three charts in two widths; there are no questions enough for a fourth.
    assert html.count('role="img"') == 2 * html.count("<figcaption>") > 4
    assert case.pictures[0].word.text in html
    assert "report_picture" not in html
    assert "exact one-sided binomial test" in html
    assert "as of 4 answers" in html
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "style=" not in html
    assert response.context["report"].answers == 4


def test_recognised_words_are_said_and_marked(researcher: Client) -> None:
    study = StudyFactory(stimulus_set=make_ready_set(4, 1), slug="small", status="open")
    pictures = list(StylizedImage.objects.order_by("word_id").select_related("word"))
    # Two words are asked about: the corrected p values are 2 / 4⁶ and 1 / 4².
    give_answers(study, pictures[0], pictures, right=6, wrong=0)
    give_answers(study, pictures[1], pictures, right=2, wrong=0)
    html = researcher.get(page()).content.decode()
    assert "1 of 2" in html
    finding = re.search(r'<p class="report-finding">(.*?)</p>', html, re.DOTALL)
    assert re.findall(r"<b>(\w+)</b>", finding[1]) == [pictures[0].word.text]


def test_questions_are_filtered_and_sorted(researcher: Client) -> None:
    case = build_case()
    address = reverse("survey:report_tab", args=["small", "questions"])
    html = researcher.get(address).content.decode()
    assert "12 questions" in html
    assert 'class="target"' in html
    word = case.pictures[0].word.text
    response = researcher.get(address, {"word": word, "kind": "picture"})
    assert [(q.word, q.kind) for q in response.context["sheet"]] == [(word, "picture")] * 2
    response = researcher.get(address, {"sort": "hardest"})
    # Word 0's picture A: 1 of 2 by picture, 1 of 1 by word; word 1's C: 0 of 1.
    assert [(q.target.chosen, q.answers) for q in response.context["sheet"]] == [
        *[(0, 1), (1, 2), (1, 1)]
    ]
    response = researcher.get(
        address, {"sort": "easiest", "content": case.pictures[0].content.name}
    )
    assert [(q.target.chosen, q.answers) for q in response.context["sheet"]] == [
        *[(1, 1), (1, 2), (0, 1)]
    ]
    assert (
        "No question is like that." in researcher.get(address, {"word": "nothing"}).content.decode()
    )


@pytest.mark.parametrize("tab", ["why", "confusions", "time", "raters"])
def test_details_wait_for_a_worker_and_are_then_there(researcher: Client, tab: str) -> None:
    case = build_case()
    address = reverse("survey:report_tab", args=["small", tab])
    response = researcher.get(address)
    assert "The numbers are being computed" in response.content.decode()
    assert "<progress" in response.content.decode()
    state = researcher.get(reverse("survey:report_state", args=["small"]), {"tab": tab}).json()
    assert state["working"] is True
    analyze_row(Analysis.objects.get(study=case.study, part="details").pk)
    state = researcher.get(reverse("survey:report_state", args=["small"]), {"tab": tab}).json()
    assert state["working"] is False
    html = researcher.get(address).content.decode()
    assert "<progress" not in html
    assert state["version"] in html
    assert "style=" not in html


def test_both_numbers_where_rules_leave_somebody_out(researcher: Client) -> None:
    case = build_case()
    case.study.exclusions = [{"rule": "unfinished"}]
    case.study.save()
    response = researcher.get(page())
    assert response.context["report"].raters == 1
    assert "1 of 2 participants are left out" in response.content.decode()
    response = researcher.get(page(), {"everyone": "1"})
    assert response.context["report"].raters == 2
    assert "include 1 participants" in response.content.decode()


def test_rules_changed_after_opening_are_told(researcher: Client) -> None:
    case = build_case()
    Study.objects.filter(pk=case.study.pk).update(
        exclusions=[{"rule": "webdriver"}], exclusions_declared=[], opened_at=timezone.now()
    )
    assert "changed after the study was opened" in researcher.get(page()).content.decode()
    # Also where all were taken back.
    Study.objects.filter(pk=case.study.pk).update(
        exclusions=[], exclusions_declared=[{"rule": "webdriver"}]
    )
    assert "changed after the study was opened" in researcher.get(page()).content.decode()


def test_what_cannot_be_is_not_found(researcher: Client) -> None:
    build_case()
    assert researcher.get(page(), {"language": "xx"}).status_code == 404
    assert researcher.get(page(), {"recipe": "none"}).status_code == 404
    assert (
        researcher.get(reverse("survey:report_tab", args=["small", "nothing"])).status_code == 404
    )


def test_a_failure_is_shown_and_can_be_tried_again(
    researcher: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = build_case()

    def broken(*_arguments: object) -> None:
        raise TablesError("A picture is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(analyses, "study_data", broken)
        html = researcher.get(page()).content.decode()
    assert "A picture is gone." in html
    monkeypatch.setattr(leases.current_app, "send_task", lambda *_a, **_k: None)
    again = reverse("survey:report_again", args=["small"])
    assert researcher.get(again).status_code == 405
    assert researcher.post(again).status_code == 302
    row = Analysis.objects.get(study=case.study)
    assert (row.state, row.error) == ("queued", "")
    response = researcher.get(page())
    assert response.context["report"].answers == 4, "queued and small: computed at once"


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
