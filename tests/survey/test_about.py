"""The form about participants: its definition and every mistake in one, its pages, what is stored."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import translation

from survey.about import (
    EXAMPLE,
    AboutError,
    AboutForm,
    Choice,
    Field,
    answers,
    asked,
    best_language,
    example_text,
    parse,
    screened_out,
)

EN = {"en": "Question"}
YES_NO = [{"value": "yes", "label": {"en": "Yes"}}, {"value": "no", "label": {"en": "No"}}]


def field(**changes: Any) -> dict[str, Any]:
    return {"name": "age", "kind": "number", "label": EN, **changes}


def choice(**changes: Any) -> dict[str, Any]:
    return {"name": "pick", "kind": "choice", "label": EN, "choices": YES_NO, **changes}


def form(definition: object, language: str = "en", **typed: str | list[str]) -> AboutForm:
    """Filled in with what a browser sends; not at all without ``typed``."""
    fields = parse(definition)
    if not typed:
        return AboutForm(asked=fields, language=language)
    data = QueryDict(mutable=True)
    for name, value in typed.items():
        data.setlist(f"about_{name}", value if isinstance(value, list) else [value])
    return AboutForm(data, asked=fields, language=language)


def stored(definition: object, **typed: str | list[str]) -> dict[str, object]:
    return answers(form(definition, **typed))


def error(definition: object, **typed: str | list[str]) -> str:
    filled = form(definition, **typed)
    (messages,) = filled.errors.values()
    (message,) = messages
    return str(message)


# --- the definition ----------------------------------------------------------------------------


def test_fields_are_read_with_their_defaults() -> None:
    assert parse(
        [
            field(min=18, max=99, required=True, when="before"),
            choice(help={"ja": "一つ"}),
            {"name": "why_2", "kind": "text", "label": EN, "max_length": 80},
        ]
    ) == (
        Field("age", "number", EN, required=True, when="before", minimum=18, maximum=99),
        Field(
            "pick",
            "choice",
            EN,
            help={"ja": "一つ"},
            when="after",
            choices=(Choice("yes", {"en": "Yes"}), Choice("no", {"en": "No"})),
        ),
        Field("why_2", "text", EN, max_length=80),
    )


def test_nothing_asks_nothing() -> None:
    assert parse(None) == parse([]) == ()


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        # The form.
        ({}, "The form: expected a list of fields; came {}. Put the fields between [ and ]"),
        ("[]", 'The form: expected a list of fields; came "[]"'),
        ([field()] * 31, "The form: expected at most 30 fields; came 31. Ask less"),
        # A field.
        (["age"], 'Field 1: expected an object with name, kind and label; came "age". Put the'),
        ([{}], "Field 1: expected a name of up to 40 small letters"),
        ([{}], 'came nothing. Write "name": "age_group"'),
        ([field(), field(name="Age")], 'Field 2: expected a name of up to 40 small letters, digits and _, beginning with a letter; came "Age"'),
        ([field(name="1st")], 'came "1st"'),
        ([field(name="年齢")], 'came "年齢"'),
        ([field(name="a" * 41)], "expected a name of up to 40"),
        ([field(name=3)], "came 3."),
        ([field(), field()], 'Field 2 ("age"): expected a name of its own; came "age". Give each'),
        ([field(kind="radio")], 'Field 1 ("age"): expected "kind" as one of "choice", "checks", "number", "text"; came "radio". Take one'),
        ([field(kind="numbers")], 'came "numbers". Did you mean "number"?'),
        ([{"name": "age", "label": EN}], '"text"; came nothing. '),
        ([field(kind=["number"])], 'came ["number"]'),
        ([field(requierd=True)], 'expected only "help", "kind", "label", "max", "min", "name", "required", "when"; came "requierd". Did you mean "required"?'),
        ([field(colour="red")], 'came "colour". Take it out.'),
        ([field(choices=YES_NO)], 'came "choices". "choices" does not go with "kind": "number": take it out.'),
        ([choice(min=3)], '"min" does not go with "kind": "choice"'),
        ([field(max_length=3)], '"max_length" does not go with "kind": "number"'),
        ([field(when="first")], 'expected "when" as one of "before", "after"; came "first"'),
        ([field(required="yes")], 'expected "required" as true or false; came "yes". Write it without'),
        ([field(required=1)], "came 1."),
        # Texts.
        ([{"name": "age", "kind": "number"}], 'Field 1 ("age"): expected "label" by language; came nothing. Write "label": {"ja": "…", "en": "…"}'),
        ([field(label="Age")], 'expected "label" by language; came "Age"'),
        ([field(label={})], 'expected "label" by language; came {}'),
        ([field(help="Years")], 'expected "help" by language; came "Years"'),
        ([field(label={"english": "Age"})], 'expected a language code such as "ja" or "en" in "label"; came "english"'),
        ([field(label={"EN": "Age"})], 'came "EN". Take the code'),
        ([field(label={"en": "Age", "ja": " "})], 'expected some text in "label" for "ja"; came " ". Write it'),
        ([field(label={"en": 3})], 'in "label" for "en"; came 3'),
        ([field(label={"en": "a\0"})], r'came "a\u0000"'),
        # Numbers.
        ([field(min="18")], 'expected "min" as a whole number from -1000000000 to 1000000000; came "18". Write it without'),
        ([field(max=True)], 'expected "max" as a whole number from -1000000000 to 1000000000; came true'),
        ([field(max=99.5)], "came 99.5"),
        ([field(max=10**10)], "came 10000000000"),
        ([field(min=18, max=12)], 'expected "max" of at least "min", which is 18; came 12. No number would fit'),
        ([{"name": "why", "kind": "text", "label": EN, "max_length": 0}], 'Field 1 ("why"): expected "max_length" as a whole number from 1 to 5000; came 0'),
        # Choices.
        ([{"name": "pick", "kind": "choice", "label": EN}], 'Field 1 ("pick"): expected "choices" as a list of 2 to 300 choices; came nothing. Write "choices": ['),
        ([choice(choices=YES_NO[:1])], "a list of 2 to 300 choices; came 1."),
        ([choice(kind="checks", choices=[])], "a list of 1 to 300 choices; came 0."),
        ([choice(choices={"yes": "Yes"})], 'came {"yes": "Yes"}'),
        ([choice(choices=["yes", "no"])], 'Field 1 ("pick"), choice 1: expected an object with value and label; came "yes". Put'),
        ([choice(choices=[*YES_NO, {"label": EN}])], 'Field 1 ("pick"), choice 3: expected a "value" of up to 40'),
        ([choice(choices=[*YES_NO, {"value": 3, "label": EN}])], "came 3. Write"),
        ([choice(choices=[*YES_NO, {"value": "はい", "label": EN}])], 'came "はい"'),
        ([choice(choices=[*YES_NO, {"value": "", "label": EN}])], 'came ""'),
        ([choice(choices=[*YES_NO, YES_NO[0]])], 'choice 3: expected a "value" of its own; came "yes". Give each choice'),
        ([choice(choices=[*YES_NO, {"value": "x"}])], 'choice 3: expected "label" by language; came nothing'),
        ([choice(choices=[*YES_NO, {"value": "x", "label": EN, "labels": 1}])], 'choice 3: expected only "label", "screen_out", "value"; came "labels". Did you mean "label"?'),
        ([choice(choices=[*YES_NO, {"value": "x", "label": EN, "screen_out": "yes"}])], 'choice 3: expected "screen_out" as true or false; came "yes"'),
        ([choice(choices=[*YES_NO, {"value": "x", "label": EN, "screen_out": True}])], 'choice 3: expected "screen_out" in a field that is asked before the questions; came "after". Add "when": "before"'),
        ([choice(when="before", choices=[{**c, "screen_out": True} for c in YES_NO])], 'Field 1 ("pick"): expected a choice without "screen_out"; came 2. Nobody'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(definition: object, message: str) -> None:
    with pytest.raises(AboutError) as raised:
        parse(definition)
    assert message in str(raised.value)


def test_what_came_is_shown_in_short() -> None:
    with pytest.raises(AboutError) as raised:
        parse([field(label="x" * 1000)])
    assert len(str(raised.value)) < 250


def test_a_single_check_may_screen_out() -> None:
    (only,) = parse(
        [choice(kind="checks", when="before", choices=[{**YES_NO[0], "screen_out": True}])]
    )
    assert only.choices[0].screen_out


def test_before_and_after() -> None:
    fields = parse([field(when="before"), choice()])
    assert [f.name for f in asked(fields, "before")] == ["age"]
    assert [f.name for f in asked(fields, "after")] == ["pick"]


# --- the page ----------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.shown.append(data.strip())

    def all(self, tag: str, **attributes: str | None) -> list[dict[str, str | None]]:
        return [
            found
            for name, found in self.tags
            if name == tag and attributes.items() <= found.items()
        ]


def page(filled: AboutForm) -> Page:
    return Page(filled.as_div())


def many(count: int) -> list[dict[str, Any]]:
    return [{"value": f"v{i}", "label": {"en": f"Choice {i}"}} for i in range(count)]


def test_choices_are_radio_buttons_in_a_fieldset() -> None:
    shown = page(form([choice(choices=many(8), required=True)]))
    assert len(shown.all("fieldset")) == len(shown.all("legend")) == 1
    assert [i["value"] for i in shown.all("input", type="radio", name="about_pick")] == [
        f"v{i}" for i in range(8)
    ]
    assert shown.all("input", checked=None) == []
    assert shown.shown == ["Question", *(f"Choice {i}" for i in range(8))]


def test_an_optional_choice_can_be_left_and_taken_back() -> None:
    shown = page(form([choice()]))
    assert [(i["value"], "checked" in i) for i in shown.all("input")] == [
        ("yes", False),
        ("no", False),
        ("", True),
    ]
    assert shown.shown[-1] == "No answer"


@pytest.mark.parametrize(("required", "first"), [(True, "Please choose"), (False, "No answer")])
def test_more_than_eight_choices_are_a_list(required: bool, first: str) -> None:
    shown = page(form([choice(choices=many(9), required=required)]))
    assert len(shown.all("select", name="about_pick")) == 1
    assert shown.all("fieldset") == []
    assert len(shown.all("label", **{"for": "id_about_pick"})) == 1
    assert [o["value"] for o in shown.all("option")] == ["", *(f"v{i}" for i in range(9))]
    assert shown.shown[:3] == ["Question", first, "Choice 0"]


def test_checks_are_checkboxes_in_a_fieldset() -> None:
    shown = page(form([choice(kind="checks")]))
    assert len(shown.all("fieldset")) == 1
    assert [i["value"] for i in shown.all("input", type="checkbox", name="about_pick")] == [
        "yes",
        "no",
    ]


def test_numbers_and_texts() -> None:
    shown = page(
        form(
            [
                field(min=1),
                {"name": "short", "kind": "text", "label": EN, "max_length": 100},
                {"name": "long", "kind": "text", "label": EN, "max_length": 101},
            ]
        )
    )
    assert len(shown.all("input", name="about_age", type="text", inputmode="numeric")) == 1
    assert len(shown.all("input", name="about_short", type="text")) == 1
    assert len(shown.all("textarea", name="about_long")) == 1
    # Browsers would cut off what is pasted.
    assert not any("maxlength" in attributes for _tag, attributes in shown.tags)


def test_texts_are_escaped() -> None:
    hostile = {"en": "<b>&"}
    definition = [
        {
            "name": "pick",
            "kind": kind,
            "label": hostile,
            "help": {"ja": "<i>&"},
            "choices": [*many(count), {"value": "x", "label": hostile}],
        }
        for kind, count in (("choice", 2), ("choice", 9), ("checks", 2))
    ]
    for one in definition:
        shown = page(form([one]))
        assert shown.all("b") == shown.all("i") == []
        assert shown.shown.count("<b>&") == 2
        assert shown.shown.count("<i>&") == 1


# --- languages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "language", "found"),
    [
        ("ja en", "ja", "ja"),
        ("ja en", "en", "en"),
        ("ja en", "en-gb", "en"),
        ("ja en-gb", "en", "en-gb"),
        ("ja en", "de", "en"),
        ("ja fr", "de", "ja"),
        ("zh-hans zh-hant", "zh-hant", "zh-hant"),
    ],
)
def test_best_language(texts: str, language: str, found: str) -> None:
    assert best_language(dict.fromkeys(texts.split(), "x"), language) == found


def test_japanese_and_english() -> None:
    with translation.override("ja"):
        shown = page(form(EXAMPLE, "ja"))
    assert {"年齢", "20代", "裸眼でよく見える"} <= set(shown.shown)
    assert shown.all("span") == []
    shown = page(form(EXAMPLE, "en"))
    assert {"Your age", "20–29", "Prefer not to say"} <= set(shown.shown)
    assert shown.all("span") == []


def test_another_language_is_marked_as_such() -> None:
    shown = page(form([field(label={"ja": "年齢"}, help={"ja": "満年齢", "en": "In years"})], "en"))
    assert [s["lang"] for s in shown.all("span")] == ["ja"]
    assert shown.shown == ["年齢", "In years"]
    # An option of a list holds text only.
    listed = [*many(9), {"value": "ja", "label": {"ja": "日本語"}}]
    shown = page(form([choice(choices=listed)], "en"))
    assert shown.all("span") == []
    assert shown.shown[-1] == "日本語"


# --- what is typed -----------------------------------------------------------------------------

NUMBER = [field(min=18, max=99)]
TEXT = [{"name": "why", "kind": "text", "label": EN, "max_length": 5}]


@pytest.mark.parametrize(
    ("definition", "typed", "value"),
    [
        (NUMBER, "18", 18),
        (NUMBER, " 99 ", 99),
        (NUMBER, "２５", 25),
        (NUMBER, "", None),
        ([field()], "0", 0),
        ([field()], "-3", -3),
        (TEXT, " abc ", "abc"),
        (TEXT, "あいうえお", "あいうえお"),
        (TEXT, "a\r\nb\r\nc", "a\nb\nc"),
        (TEXT, "   ", None),
        ([choice()], "no", "no"),
        ([choice()], "", None),
        ([choice(choices=many(9))], "v8", "v8"),
        ([choice(kind="checks")], ["no", "yes"], ["no", "yes"]),
        ([choice(kind="checks")], [], []),
    ],
)
def test_answers(definition: list[dict[str, Any]], typed: str | list[str], value: object) -> None:
    name = definition[0]["name"]
    found = stored(definition, **{name: typed})
    assert found == {name: value}
    assert json.loads(json.dumps(found)) == found


def test_what_was_not_sent_is_no_answer() -> None:
    found = stored([*NUMBER, choice(), choice(name="more", kind="checks"), *TEXT], other="x")
    assert found == {"age": None, "pick": None, "more": [], "why": None}


@pytest.mark.parametrize(
    ("definition", "typed", "message"),
    [
        (NUMBER, "17", "Please write a whole number from 18 to 99."),
        (NUMBER, "100", "Please write a whole number from 18 to 99."),
        ([field(min=18)], "17", "Please write a whole number of 18 or more."),
        ([field(max=99)], "100", "Please write a whole number of 99 or less."),
        ([field()], "9" * 4000, "Please write a smaller number."),
        ([field()], "9" * 5000, "Please write a whole number, in digits only."),
        (NUMBER, "about 30", "Please write a whole number, in digits only."),
        (NUMBER, "30.5", "Please write a whole number, in digits only."),
        (NUMBER, "nan", "Please write a whole number, in digits only."),
        ([field(required=True)], "", "Please write a number."),
        (TEXT, "abcdef", "Please shorten this to 5 characters; it has 6."),
        ([{**TEXT[0], "required": True}], "  ", "Please write something."),
        (TEXT, "a\0", "Null characters are not allowed."),
        ([choice(required=True)], "", "Please choose one of these."),
        ([choice()], "maybe", "Please choose one of these."),
        ([choice(choices=many(9), required=True)], "", "Please choose one of these."),
        ([choice(kind="checks", required=True)], [], "Please tick at least one of these."),
        ([choice(kind="checks")], ["yes", "maybe"], "Please tick only what is listed."),
    ],
)
def test_errors_say_what_to_do(
    definition: list[dict[str, Any]], typed: str | list[str], message: str
) -> None:
    assert error(definition, **{definition[0]["name"]: typed}) == message


def test_nothing_typed_is_lost_by_an_error() -> None:
    definition = [
        field(max=99),
        {"name": "why", "kind": "text", "label": EN, "max_length": 120},
        choice(),
        choice(name="list", choices=many(9)),
        choice(name="more", kind="checks"),
        choice(name="missing", required=True),
    ]
    long = "<x> " * 100
    filled = form(definition, age="about 30", why=long, pick="no", list="v3", more=["yes", "no"])
    assert set(filled.errors) == {"about_age", "about_why", "about_missing"}
    shown = page(filled)
    assert shown.all("input", name="about_age")[0]["value"] == "about 30"
    assert long.strip() in shown.shown
    assert [
        i["value"] for i in shown.all("input", type="radio", name="about_pick", checked=None)
    ] == ["no"]
    assert [o["value"] for o in shown.all("option", selected=None)] == ["v3"]
    assert len(shown.all("input", type="checkbox", checked=None)) == 2
    # Each error belongs to its field for a screen reader.
    assert shown.all("input", name="about_age")[0]["aria-describedby"] == "id_about_age_error"
    assert shown.all("fieldset", **{"aria-describedby": "id_about_missing_error"})


def test_a_form_with_errors_has_no_answers() -> None:
    with pytest.raises(ValueError, match="Expected a valid form"):
        answers(form(NUMBER, age="x"))


# --- screening out -----------------------------------------------------------------------------

ADULTS = [
    choice(when="before", choices=[YES_NO[0], {**YES_NO[1], "screen_out": True}]),
    choice(
        name="has",
        kind="checks",
        when="before",
        choices=[YES_NO[0], {**YES_NO[1], "screen_out": True}],
    ),
]


@pytest.mark.parametrize(
    ("given", "out"),
    [
        ({"pick": "yes", "has": ["yes"]}, False),
        ({"pick": "no", "has": []}, True),
        ({"pick": None, "has": ["yes", "no"]}, True),
        ({"pick": None, "has": []}, False),
        ({}, False),
        # Another field's value of the same name.
        ({"other": "no"}, False),
    ],
)
def test_screened_out(given: dict[str, object], out: bool) -> None:
    assert screened_out(parse(ADULTS), given) is out


# --- the example and the document --------------------------------------------------------------


def test_the_example_can_be_asked_in_both_languages() -> None:
    fields = parse(json.loads(example_text()))
    assert [f.name for f in fields] == [
        "age_group",
        "gender",
        "gender_own_words",
        "first_language",
        "vision",
    ]
    for found in fields:
        for texts in (found.label, found.help, *(c.label for c in found.choices)):
            assert texts is None or set(texts) == {"ja", "en"}
        assert not found.required
        assert found.when == "after"
    assert "not_said" in {c.value for c in fields[1].choices}


def test_the_document_shows_the_example_and_only_what_can_be_asked() -> None:
    text = (Path(__file__).parents[2] / "docs" / "about-form.md").read_text(encoding="utf-8")
    blocks = [json.loads(b) for b in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert blocks[0] == EXAMPLE
    assert len(blocks) == 2
    (adult,) = parse(blocks[1])
    assert screened_out([adult], {"adult": "no"})
    # The message that it quotes.
    with pytest.raises(AboutError) as raised:
        parse([choice(), field(min=18, max=12)])
    assert f"`{raised.value}`" in text
