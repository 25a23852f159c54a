"""The page on which a person goes through a word's photographs, and what grouping again writes."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from generation import grouping, jobs
from generation.grouping import grouping_of
from generation.models import ClusterMember, Job, SourceImage, State, StyleCluster, Word
from generation.review import KEPT_CHANGES
from tests.factories import ClusteringFactory, SourceImageFactory, WordFactory

pytestmark = [
    pytest.mark.django_db,
    # Static files are collected at install, not for tests.
    pytest.mark.filterwarnings("ignore:No directory at:UserWarning"),
]
BLANK = {"reason": "blank"}


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No message goes to a broker."""
    calls: list[str] = []
    monkeypatch.setattr(jobs, "send_ready", lambda: calls.append("sent"))
    return calls


@pytest.fixture
def word() -> Word:
    """Two accepted, one left out by the selection, one by a person."""
    word = WordFactory()
    SourceImageFactory(word=word, rank=2)
    SourceImageFactory(word=word, rank=1, by_person=True)
    SourceImageFactory(word=word, rank=3, rejected="Nearly one color", measures=BLANK)
    SourceImageFactory(word=word, rank=4, rejected="a <b>dog</b>", by_person=True)
    return word


def url(word: Word, name: str = "photographs", *more: int) -> str:
    return reverse(f"admin:generation_word_{name}", args=[word.pk, *more])


def judge(client: Client, word: Word, fetched: bool = True, **data: Any) -> Any:
    headers = {"x-requested-with": "fetch"} if fetched else {}
    return client.post(url(word, "judge"), data, headers=headers)


def states(word: Word) -> list[tuple[str, bool]]:
    return list(word.images.order_by("pk").values_list("rejected", "by_person"))


def pks(word: Word) -> list[int]:
    return list(word.images.order_by("pk").values_list("pk", flat=True))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_shows_states_reasons_and_who(
    admin_client: Client, word: Word, language: str
) -> None:
    page = admin_client.get(url(word), headers={"accept-language": language})
    text = page.content.decode()
    assert "a &lt;b&gt;dog&lt;/b&gt;" in text
    assert "Nearly one color" not in text, "the code's sentence, in the reader's language"
    ranked = [card.row.rank for card in page.context["cards"]]
    assert ranked == [1, 2, 3, 4]
    assert [card.by_person for card in page.context["cards"]] == [True, False, False, True]
    change = reverse("admin:generation_word_change", args=[word.pk])
    assert url(word) in admin_client.get(change).content.decode()


@pytest.mark.parametrize(
    ("show", "ranks"),
    [("all", [1, 2, 3, 4]), ("accepted", [1, 2]), ("left-out", [3, 4]), ("automatic", [2, 3])],
)
def test_filters(admin_client: Client, word: Word, show: str, ranks: list[int]) -> None:
    page = admin_client.get(url(word), {"show": show})
    assert [card.row.rank for card in page.context["cards"]] == ranks
    assert [n for _name, _label, n in page.context["counts"]] == [4, 2, 2, 2]
    assert admin_client.get(url(word), {"show": "nonsense", "page": "x"}).status_code == 200


def test_many_are_accepted_and_left_out_at_once(admin_client: Client, word: Word) -> None:
    rows = pks(word)
    answer = judge(admin_client, word, action="accept", photographs=rows[:3])
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "3 photographs accepted." in text
    assert [f'data-part="photo-{pk}"' in text for pk in rows] == [True, True, True, False]
    assert states(word)[:3] == [("", True)] * 3
    reason = "text or logo"
    judge(admin_client, word, action="leave_out", photographs=rows[1:], reason=reason)
    assert states(word) == [("", True), *[(reason, True)] * 3]
    judge(admin_client, word, action="leave_out", photographs=rows[0], reason="", other="a cat")
    assert states(word)[0] == ("a cat", True)


def test_changes_are_taken_back_in_turn(admin_client: Client, word: Word) -> None:
    rows, before = pks(word), states(word)
    judge(admin_client, word, action="accept", photographs=rows)
    between = states(word)
    judge(admin_client, word, action="leave_out", photographs=rows[0], reason="drawing")
    answer = judge(admin_client, word, action="undo")
    assert f'data-part="photo-{rows[0]}"' in answer.content.decode()
    assert states(word) == between
    judge(admin_client, word, action="undo")
    assert states(word) == before
    answer = judge(admin_client, word, action="undo")
    assert (answer.status_code, answer.content.decode()) == (400, "There is nothing to take back.")


def test_what_others_judged_meanwhile_is_not_taken_back(admin_client: Client, word: Word) -> None:
    rows = pks(word)
    judge(admin_client, word, action="leave_out", photographs=rows[:2], reason="drawing")
    SourceImage.objects.filter(pk=rows[0]).update(rejected="a horse")
    answer = judge(admin_client, word, action="undo")
    assert "1 of 2" in answer.content.decode()
    assert states(word)[:2] == [("a horse", True), ("", True)]


def test_so_many_changes_are_kept(admin_client: Client, word: Word) -> None:
    row = pks(word)[0]
    for n in range(KEPT_CHANGES + 3):
        judge(admin_client, word, action="leave_out", photographs=row, other=f"{n}", reason="")
    codes = [judge(admin_client, word, action="undo").status_code for _n in range(KEPT_CHANGES + 1)]
    assert codes == [200] * KEPT_CHANGES + [400]


def test_handed_back_to_the_selection(admin_client: Client, word: Word) -> None:
    third, fourth = pks(word)[2:]
    judge(admin_client, word, action="accept", photographs=[third])
    judge(admin_client, word, action="hand_back", photographs=[third, fourth])
    assert states(word)[2:] == [("Nearly all of it has one colour.", False), ("", False)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"action": "accept"}, "Choose photographs first."),
        ({"action": "accept", "photographs": ["x", "9" * 30, "٣"]}, "Choose photographs first."),
        ({"action": "leave_out", "photographs": "own", "reason": ""}, "Choose or write a reason."),
        (
            {"action": "leave_out", "photographs": "own", "reason": "nonsense"},
            "nonsense is not one of the available choices",
        ),
        ({"action": "explode", "photographs": "own"}, "Load it again"),
    ],
)
def test_what_is_refused_changes_nothing(
    admin_client: Client, word: Word, data: dict[str, Any], message: str
) -> None:
    before = states(word)
    if data.get("photographs") == "own":
        data = {**data, "photographs": pks(word)}
    answer = judge(admin_client, word, **data)
    assert answer.status_code == 400
    assert message in answer.content.decode()
    page = admin_client.post(url(word, "judge"), data, follow=True)
    assert message in page.content.decode()
    assert states(word) == before


def test_photographs_of_another_word_are_not_touched(admin_client: Client, word: Word) -> None:
    other = SourceImageFactory()
    answer = judge(admin_client, word, action="accept", photographs=[other.pk])
    assert answer.status_code == 400
    assert states(other.word) == [("", False)]
    assert admin_client.get(url(word, "photograph", other.pk)).status_code == 404


def test_without_a_script_it_is_a_plain_form(admin_client: Client, word: Word) -> None:
    row = pks(word)[0]
    data = {"action": "leave_out", "reason": "drawing", "photographs": row, "show": "accepted"}
    answer = judge(admin_client, word, fetched=False, **data)
    assert answer.url == f"{url(word)}?show=accepted"
    assert states(word)[0] == ("drawing", True)
    assert "1 photograph left out." in admin_client.get(answer.url).content.decode()


def test_a_photograph_large_with_where_it_comes_from(admin_client: Client, word: Word) -> None:
    row = word.images.first()
    assert row is not None
    row.credit, row.license = "A. Person", "by-sa 4.0"
    row.license_url = "https://creativecommons.org/licenses/by-sa/4.0/"
    row.page_url, row.origin = "javascript:alert(1)", "https://example.org/<x>.jpg"
    row.measures = {"format": 1, "text": 0.034}
    row.save()
    text = admin_client.get(url(word, "photograph", row.pk)).content.decode()
    for part in (
        "A. Person",
        'href="https://creativecommons',
        "example.org/&lt;x&gt;.jpg",
        "writing 3%",
    ):
        assert part in text
    assert "javascript:" not in text


ADDRESSES = [("photographs", "get"), ("grouping", "get"), ("judge", "post"), ("group", "post")]


@pytest.mark.parametrize(("name", "method"), ADDRESSES)
def test_who_may(client: Client, word: Word, name: str, method: str) -> None:
    address = url(word, name)
    ask = getattr(client, method)
    assert "/login/" in ask(address).url
    user = User.objects.create_user("helper", is_staff=True)
    client.force_login(user)
    user.user_permissions.add(Permission.objects.get(codename="view_sourceimage"))
    assert ask(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="change_sourceimage"))
    assert ask(address).status_code in (200, 302, 400)
    other = "post" if method == "get" else "get"
    assert getattr(client, other)(address).status_code == 405


def test_a_forged_form_is_refused(word: Word) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert judge(client, word, action="accept", photographs=pks(word)).status_code == 403


def test_the_same_number_of_queries_for_any_number(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for n in (3, 40):
        row = WordFactory()
        SourceImageFactory.create_batch(n, word=row)
        with django_assert_max_num_queries(18):
            admin_client.get(url(row))


# --- who judged, elsewhere in the admin -------------------------------------------------------


def test_the_list_s_actions_say_that_a_person_judged(admin_client: Client, word: Word) -> None:
    changelist = reverse("admin:generation_sourceimage_changelist")
    data = {"action": "accept", "_selected_action": pks(word)}
    admin_client.post(changelist, data)
    assert states(word) == [("", True)] * 4
    SourceImage.objects.update(by_person=False)
    admin_client.post(
        changelist, {**data, "action": "leave_out", "apply": "1", "reason": "drawing"}
    )
    assert states(word) == [("drawing", True)] * 4


def test_the_photograph_s_form_says_so_only_if_it_was_judged(
    admin_client: Client, word: Word
) -> None:
    row = pks(word)[2]
    page = reverse("admin:generation_sourceimage_change", args=[row])
    admin_client.post(page, {"rejected": "Nearly one color", "credit": "somebody"})
    assert states(word)[2] == ("Nearly one color", False)
    admin_client.post(page, {"rejected": "", "credit": "somebody"})
    assert states(word)[2] == ("", True)


def test_reasons_are_read_in_the_reader_s_language(admin_client: Client, word: Word) -> None:
    row = pks(word)[2]
    SourceImage.objects.filter(pk=row).update(rejected="ほとんど一色です。")
    text = admin_client.get(url(word, "photograph", row)).content.decode()
    assert "left out: Nearly all of it has one colour." in text


# --- groups -----------------------------------------------------------------------------------


def cluster(word: Word) -> StyleCluster:
    """The accepted photographs in one group; the second is the medoid."""
    row = ClusteringFactory(word=word, fingerprint=word.fingerprint())
    images = list(word.images.accepted().order_by("pk"))
    found = StyleCluster.objects.create(
        clustering=row, rank=1, size=len(images), cohesion=0.876, score=1, chosen=True
    )
    for order, image in enumerate(images):
        ClusterMember.objects.create(
            clustering=row, cluster=found, image=image, order=order, is_medoid=order == 1
        )
    return found


def test_groups_are_shown_the_medoid_first(admin_client: Client, word: Word) -> None:
    cluster(word)
    text = admin_client.get(url(word), {"part": "groups"}).content.decode()
    assert "cohesion 0.88" in text
    assert "cluster chosen" in text
    first, second = (
        text.index(reverse("generation:image", args=["photograph", pk])) for pk in pks(word)[:2]
    )
    assert second < first
    assert "as the photographs are now" in text


def test_it_says_when_the_photographs_have_changed(admin_client: Client, word: Word) -> None:
    cluster(word)
    assert grouping_of(word).current
    answer = judge(
        admin_client, word, action="leave_out", photographs=pks(word)[0], reason="drawing"
    )
    assert "The grouping is out of date" in answer.content.decode()
    for name in ("photographs", "grouping"):
        text = admin_client.get(url(word, name)).content.decode()
        assert "The grouping is out of date" in text
        assert "Group again" in text
    answer = judge(admin_client, word, action="undo")
    assert "out of date" not in answer.content.decode()


def finish(job: Job, **fields: Any) -> None:
    assert Job.objects.claim(job.pk, "me")
    assert Job.objects.finish(job.pk, "me", **fields)


def test_group_again_goes_stage_by_stage(admin_client: Client, word: Word, sent: list[str]) -> None:
    Word.objects.filter(pk=word.pk).update(source="samples")
    for _twice in range(2):
        answer = admin_client.post(url(word, "group"), {"part": "groups"})
        assert answer.url == f"{url(word)}?part=groups"
        embed = Job.objects.get()
    assert (embed.kind, embed.state, embed.source) == ("embed", "queued", "")
    assert embed.fingerprint == word.fingerprint()
    assert sent
    text = admin_client.get(url(word, "grouping")).content.decode()
    assert "wait for a worker" in text
    assert "data-working" in text
    assert Job.objects.claim(embed.pk, "me")
    Job.objects.filter(pk=embed.pk).update(done=1, total=2)
    text = admin_client.get(url(word, "grouping")).content.decode()
    assert "1 / 2" in text
    assert Job.objects.finish(embed.pk, "me")
    grouping.go_on(embed.pk)
    grouping.go_on(embed.pk)
    stages = [(job.kind, job.state) for job in Job.objects.order_by("pk")]
    assert stages == [("embed", State.DONE), ("cluster", State.QUEUED)]
    found = Job.objects.get(kind="cluster")
    finish(found)
    cluster(word)
    grouping.go_on(found.pk)
    admin_client.post(url(word, "group"))
    assert Job.objects.count() == 2, "there is nothing to do"
    text = admin_client.get(url(word, "grouping"), {"groups": ""}).content.decode()
    assert "data-working" not in text
    assert "cohesion 0.88" in text


def test_what_failed_is_said_and_tried_again(admin_client: Client, word: Word) -> None:
    admin_client.post(url(word, "group"))
    job = Job.objects.get()
    assert Job.objects.claim(job.pk, "me")
    assert Job.objects.fail(job.pk, "me", "No <weights>.")
    grouping.go_on(job.pk)
    assert Job.objects.count() == 1
    assert "No &lt;weights&gt;." in admin_client.get(url(word)).content.decode()
    admin_client.post(url(word, "group"))
    assert Job.objects.get().state == State.QUEUED


def test_no_photographs_no_groups(admin_client: Client) -> None:
    row = WordFactory()
    page = admin_client.post(url(row, "group"), follow=True)
    assert "has no photographs" in page.content.decode()
    assert not Job.objects.exists()


def test_photographs_that_change_while_they_are_grouped(word: Word) -> None:
    grouping.group_again(word)
    embed = Job.objects.get()
    word.images.filter(pk=pks(word)[0]).update(rejected="a dog")
    finish(embed)
    grouping.go_on(embed.pk)
    newest = Job.objects.order_by("pk").last()
    assert newest is not None
    assert (newest.kind, newest.fingerprint) == ("embed", word.fingerprint())
