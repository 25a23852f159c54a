"""What addresses say, which settings make sense, and the ways back."""

import hashlib
import hmac
import json

import pytest
from django.core.exceptions import ValidationError
from django.forms import modelform_factory
from django.http import QueryDict

from survey import completion, entrances
from survey.entrances import Refused, arrive
from survey.models import Entrance, Study

PANEL = {"person": "pid", "session": "sid"}
TURK = "assignmentId=A1&hitId=H1&workerId=W1&turkSubmitTo=https://www.mturk.com"


def a_study(entrance, **values):
    return Study(pk=7, slug="s", entrance=entrance, **values)


def arrived(entrance, query, **values):
    return arrive(a_study(entrance, **values), QueryDict(query))


def refusal(entrance, query, **values):
    with pytest.raises(Refused) as caught:
        arrived(entrance, query, **values)
    return caught.value.why, caught.value.parameter


def test_names_of_the_ways_in_are_those_of_the_rows():
    names = {entrances.OPEN, entrances.INVITATION, *entrances.PANELS}
    assert names == set(Entrance.values)


# --- who comes --------------------------------------------------------------------------------


def test_a_person_is_an_hmac_of_study_way_in_and_id(settings):
    settings.SECRET_KEY = "k"
    # Django's salted_hmac: the key is SHA-256 of salt and secret key.
    key = hashlib.sha256(b"survey.person" + b"k").digest()
    expected = hmac.new(key, b'[7, "prolific", "P1"]', hashlib.sha256).hexdigest()
    assert entrances.person_key(7, "prolific", "P1") == expected
    assert len(expected) == 64


def test_other_study_way_in_id_or_key_is_another_person(settings):
    keys = {
        entrances.person_key(*of)
        for of in [(7, "prolific", "P1"), (8, "prolific", "P1"), (7, "panel", "P1")]
    }
    keys |= {
        entrances.person_key(7, "prolific", "P2"),
        entrances.person_key(7, 'prolific", "P1', ""),
    }
    settings.SECRET_KEY = "another"
    keys.add(entrances.person_key(7, "prolific", "P1"))
    assert len(keys) == 6


def test_prolific_keeps_its_three():
    arrival = arrived("prolific", "PROLIFIC_PID=P1&STUDY_ID=S1&SESSION_ID=Z1&other=x")
    assert arrival.external == {"PROLIFIC_PID": "P1", "STUDY_ID": "S1", "SESSION_ID": "Z1"}
    assert arrival.person == entrances.person_key(7, "prolific", "P1")
    assert not arrival.preview
    again = arrived("prolific", "PROLIFIC_PID=%20P1%20&SESSION_ID=Z2")
    assert again.person == arrival.person
    assert again.external == {"PROLIFIC_PID": "P1", "SESSION_ID": "Z2"}


def test_a_panel_keeps_what_the_study_names():
    arrival = arrived("panel", "pid=me&sid=5&utm=x", panel_parameters=PANEL)
    assert arrival.external == {"person": "me", "session": "5"}
    assert arrival.person == entrances.person_key(7, "panel", "me")
    assert arrived("panel", "pid=me", panel_parameters=PANEL).external == {"person": "me"}
    assert refusal("panel", "sid=5", panel_parameters=PANEL) == ("missing", "pid")


def test_turk_names_the_worker_not_the_assignment():
    arrival = arrived("mturk", TURK)
    assert arrival.external == {
        "assignmentId": "A1",
        "hitId": "H1",
        "workerId": "W1",
        "turkSubmitTo": "https://www.mturk.com",
    }
    other = arrived("mturk", TURK.replace("A1", "A2"))
    assert other.person == arrival.person


def test_a_preview_needs_and_keeps_nothing():
    arrival = arrived("mturk", "assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=H1")
    assert arrival == entrances.Arrival(preview=True)


@pytest.mark.parametrize("entrance", ["open", "invitation"])
def test_other_ways_in_read_nothing(entrance):
    assert arrived(entrance, "PROLIFIC_PID=P1&pid=1&workerId=W") == entrances.Arrival()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "missing"),
        ("%20%09", "missing"),
        ("a" * 201, "damaged"),
        ("a%00b", "damaged"),
        ("a%0d%0aSet-Cookie:x", "damaged"),
        ("a%1b[31m", "damaged"),
        ("a%e2%80%aeb", "damaged"),  # right-to-left override
        ("a%ff", "damaged"),  # no UTF-8
        ("a%ed%a0%80", "damaged"),  # a lone surrogate
        ("a&PROLIFIC_PID=b", "damaged"),
        ("%7B%7B%25PROLIFIC_PID%25%7D%7D", "unfilled"),  # Prolific's own placeholder
    ],
)
def test_hostile_values_are_refused(value, why):
    assert refusal("prolific", f"PROLIFIC_PID={value}") == (why, "PROLIFIC_PID")
    if why != "missing":
        assert refusal(
            "prolific", f"PROLIFIC_PID=P&SESSION_ID={value.replace('PROLIFIC_PID=', 'SESSION_ID=')}"
        ) == (
            why,
            "SESSION_ID",
        )


@pytest.mark.parametrize(
    "value",
    ["a" * 200, "<script>alert(1)</script>", "'; DROP TABLE x; --", "日本 太郎", "a@b.c+d/e="],
)
def test_odd_but_printable_values_are_ids_like_any_other(value):
    query = QueryDict(mutable=True)
    query["PROLIFIC_PID"] = value
    assert arrive(a_study("prolific"), query).external == {"PROLIFIC_PID": value}


def test_a_refusal_never_says_the_value():
    with pytest.raises(Refused) as caught:
        arrived("prolific", "PROLIFIC_PID=se%00cret")
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://www.mturk.com",
        "https://www.mturk.com.evil.example",
        "https://evil.example/www.mturk.com",
        "https://www.mturk.com@evil.example",
        "https://user@www.mturk.com",
        "https://www.mturk.com:444",
        "https://www.mturk.com/elsewhere",
        "https://www.mturk.com/?x=1",
        "https://www.mturk.com/#x",
        "https://mturk.com",
        "//www.mturk.com",
        "javascript:alert(1)",
        "https://[www.mturk.com",
        "https:/\\www.mturk.com",
        "https://WWW.MTURK.COM ; evil",
    ],
)
def test_work_is_submitted_to_mechanical_turk_only(address):
    query = QueryDict(TURK, mutable=True)
    query["turkSubmitTo"] = address
    with pytest.raises(Refused) as caught:
        arrive(a_study("mturk"), query)
    assert (caught.value.why, caught.value.parameter) == ("elsewhere", "turkSubmitTo")


@pytest.mark.parametrize("host", ["www.mturk.com", "workersandbox.mturk.com"])
def test_both_of_its_hosts(host):
    assert entrances.turk_host(f"https://{host}") == host
    assert entrances.turk_host(f"https://{host}/") == host


# --- the ways back ----------------------------------------------------------------------------


def test_prolific_is_told_the_code():
    study = a_study("prolific", completion_code="C 1&x", screen_out_code="NO")
    way = completion.completed(study, {"PROLIFIC_PID": "P"})
    assert way.url == "https://app.prolific.com/submissions/complete?cc=C%201%26x"
    assert way.code == "C 1&x"
    assert not way.fields
    assert completion.screened_out(study, {}).url.endswith("?cc=NO")
    study.completion_url = "https://app.prolific.com/submissions/complete?cc=OTHER"
    assert completion.completed(study, {}).url.endswith("?cc=OTHER")


def test_no_way_out_for_the_screened_out_unless_the_study_gives_one():
    for entrance in Entrance.values:
        study = a_study(entrance, completion_code="C", panel_parameters=PANEL)
        kept = {"assignmentId": "A", "turkSubmitTo": "https://www.mturk.com"}
        assert not completion.screened_out(study, kept)


def test_placeholders_are_filled_and_quoted():
    study = a_study(
        "panel",
        panel_parameters=PANEL,
        completion_url="https://panel.example/{pid}/done?s={session}&p={person}&t={sid}",
    )
    way = completion.completed(study, {"person": "a/b?&#é ", "session": "5"})
    quoted = "a%2Fb%3F%26%23%C3%A9%20"
    assert way.url == f"https://panel.example/{quoted}/done?s=5&p={quoted}&t=5"
    # One that the panel did not send is empty; where all was deleted there is no address.
    assert (
        completion.completed(study, {"person": "p"}).url == "https://panel.example/p/done?s=&p=p&t="
    )
    assert not completion.completed(study, {})


def test_an_address_that_is_no_web_address_is_not_shown():
    study = a_study("open", completion_url="javascript:alert(1)")
    assert not completion.completed(study, {})


def test_turk_gets_the_assignment_by_a_form():
    study = a_study("mturk", completion_code="C")
    kept = {"assignmentId": "A1", "turkSubmitTo": "https://workersandbox.mturk.com"}
    way = completion.completed(study, kept)
    assert way.url == "https://workersandbox.mturk.com/mturk/externalSubmit"
    assert way.fields == (("assignmentId", "A1"), ("code", "C"))
    assert way.hosts == ("https://workersandbox.mturk.com",)
    # Rows that came into the database past the way in.
    for wrong in ({}, {"assignmentId": "A1", "turkSubmitTo": "https://evil.example"}):
        assert completion.completed(study, wrong) == completion.WayBack(code="C")


# --- settings ---------------------------------------------------------------------------------


def problems(entrance, **values):
    return entrances.problems(a_study(entrance, **values))


def test_an_ordinary_study_has_no_problems():
    assert problems("open") == {}
    assert problems("invitation", completion_url="https://x.example/") == {}
    assert problems("prolific", completion_code="C") == {}
    assert problems("mturk") == {}
    address = "https://x.example/{pid}?s={session}"
    assert problems("panel", panel_parameters=PANEL, completion_url=address) == {}


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        ({}, "which parameter is the person"),
        ({"session": "sid"}, "which parameter is the person"),
        ([], "Expected names and parameters"),
        ("pid", "Expected names and parameters"),
        (None, "Expected names and parameters"),
        ({"person": 1}, "Expected names and parameters"),
        ({"person": ""}, "cannot be a parameter"),
        ({"person": "p id"}, "cannot be a parameter"),
        ({"person": "p", "a b": "c"}, "cannot be a name"),
        ({"person": "p", "session": "p"}, "same parameter"),
        ({"person": "p", **{f"n{i}": f"p{i}" for i in range(20)}}, "At most 20"),
    ],
)
def test_parameters_of_a_panel(definition, says):
    found = problems("panel", panel_parameters=definition)
    assert list(found) == ["panel_parameters"]
    assert says in found["panel_parameters"][0]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("javascript:alert(1)", "Expected an address"),
        ("panel.example/done", "Expected an address"),
        ("https://", "Expected an address"),
        ("https://[x", "Expected an address"),
        ("https://{person}.example/", "only after the host"),
        ("https://good.example@evil.example/", "no @"),
        ("https://x.example/a b", "no spaces"),
        ("https://x.example\\@evil.example/", "no"),
        (
            "https://x.example/{nobody}",
            "Nothing is kept under {nobody}. There is: person, pid, session, sid.",
        ),
        ("https://x.example/{person", "Each { needs its }"),
    ],
)
@pytest.mark.parametrize("name", ["completion_url", "screen_out_url"])
def test_addresses_that_people_cannot_be_sent_to(name, address, says):
    found = problems("panel", panel_parameters=PANEL, **{name: address})
    assert list(found) == [name]
    assert says in found[name][0]


def test_turk_says_itself_where_work_goes():
    assert list(problems("mturk", completion_url="https://x.example/")) == ["completion_url"]


def test_prolific_needs_a_code_or_an_address():
    assert list(problems("prolific")) == ["completion_code"]
    assert problems("prolific", completion_url="https://app.prolific.com/x") == {}


def test_fields_that_a_form_does_not_have_are_not_complained_of():
    study = a_study("panel", title="T", panel_parameters={}, completion_url="nowhere")
    with pytest.raises(ValidationError) as caught:
        study.clean_fields(exclude=["stimulus_set"])
    assert set(caught.value.message_dict) == {"panel_parameters", "completion_url"}
    with pytest.raises(ValidationError) as caught:
        study.clean_fields(exclude=["stimulus_set", "panel_parameters"])
    assert set(caught.value.message_dict) == {"completion_url"}
    study.completion_url = ""
    study.clean_fields(exclude=["stimulus_set", "panel_parameters"])


@pytest.mark.django_db
def test_a_form_without_the_field_says_what_it_can():
    """An opened study's form has no parameters any more; Django would stumble over an error for them."""
    study = a_study("panel", title="T", panel_parameters={})
    fields = ["title", "completion_url", "completion_code"]
    form_class = modelform_factory(Study, fields=fields)
    form = form_class({"title": "T", "completion_url": "https://{x}.example"}, instance=study)
    assert form.errors == {"completion_url": ["{…} may stand only after the host."]}
    assert form_class({"title": "T"}, instance=study).is_valid()
    # What is wrong by itself is said once.
    form = form_class({"title": "T", "completion_url": "x" * 501}, instance=study)
    assert len(form.errors["completion_url"]) == 1


def test_the_questions_about_people_are_read(monkeypatch):
    def parse(definition):
        raise ValueError(f"Expected a list; got {json.dumps(definition)}.")

    monkeypatch.setattr(entrances.about, "parse", parse)
    assert problems("open", demographics={})["demographics"] == ["Expected a list; got {}."]
