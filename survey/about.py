"""What participants are asked about themselves: a form that a study defines as JSON.

``parse`` reads the definition, ``AboutForm`` asks, ``answers`` gives what is stored. The format is
described in docs/about-form.md, ``EXAMPLE`` is one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django import forms
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

KINDS = ("choice", "checks", "number", "text")
WHENS = ("before", "after")
PREFIX = "about_"
# More than these are a list to look through, not to take in at once.
RADIO_CHOICES = 8
# One line up to here; a box of several lines for longer texts.
LINE_LENGTH = 100
MAX_FIELDS = 30
MAX_CHOICES = 300  # countries, and some
TEXT_LENGTH = 500
MAX_TEXT_LENGTH = 5000
# An open number still has to fit into any database and any spreadsheet.
OPEN_LIMIT = 10**9

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
VALUE = re.compile(r"[A-Za-z0-9_.-]{1,40}")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")

FIELD_KEYS = {
    "choice": {"choices"},
    "checks": {"choices"},
    "number": {"min", "max"},
    "text": {"max_length"},
}
COMMON_KEYS = {"name", "kind", "label", "help", "required", "when"}
CHOICE_KEYS = {"value", "label", "screen_out"}

Texts = Mapping[str, str]
"""Language code → text; never empty."""


class AboutError(ValueError):
    """A definition that cannot be asked; the message is for whoever wrote it."""


@dataclass(frozen=True)
class Choice:
    value: str
    label: Texts
    screen_out: bool = False


@dataclass(frozen=True)
class Field:
    """One thing asked. ``choices`` is empty but for choice and checks; the limits are for their kinds."""

    name: str
    kind: str
    label: Texts
    help: Texts | None = None
    required: bool = False
    when: str = "after"
    choices: tuple[Choice, ...] = ()
    minimum: int = -OPEN_LIMIT
    maximum: int = OPEN_LIMIT
    max_length: int = TEXT_LENGTH


# --- reading the definition --------------------------------------------------------------------


def parse(definition: object) -> tuple[Field, ...]:
    """The fields of a definition as JSON gave it; none for None or an empty list.

    Raises AboutError for the first thing wrong: where, what was expected, what came, what to do.
    """
    if definition is None:
        return ()
    if not isinstance(definition, list):
        raise _problem(
            _("The form"),
            _("a list of fields"),
            definition,
            _("Put the fields between [ and ]; [] asks nothing."),
        )
    if len(definition) > MAX_FIELDS:
        raise _problem(
            _("The form"),
            _("at most %(count)d fields") % {"count": MAX_FIELDS},
            len(definition),
            _("Ask less: every question costs participants."),
        )
    fields: list[Field] = []
    for number, item in enumerate(definition, start=1):
        field = _field(number, item)
        if field.name in {earlier.name for earlier in fields}:
            raise _problem(
                _place(number, field.name),
                _("a name of its own"),
                field.name,
                _("Give each field another name: answers are stored by it."),
            )
        fields.append(field)
    return tuple(fields)


def _field(number: int, item: object) -> Field:
    place = _place(number)
    if not isinstance(item, dict):
        raise _problem(
            place,
            _("an object with name, kind and label"),
            item,
            _("Put the field between { and }."),
        )
    name = item.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _problem(
            place,
            _("a name of up to 40 small letters, digits and _, beginning with a letter"),
            _came(item, "name"),
            _('Write "name": "age_group", for example; participants do not see it.'),
        )
    place = _place(number, name)
    kind = _one_of(place, item, "kind", KINDS)
    _known_keys(place, item, COMMON_KEYS | FIELD_KEYS[kind], kind)
    when = _one_of(place, item, "when", WHENS, "after")
    minimum, maximum = _limits(place, item)
    return Field(
        name=name,
        kind=kind,
        label=_texts(place, item, "label"),
        help=_texts(place, item, "help") if "help" in item else None,
        required=_flag(place, item, "required"),
        when=when,
        choices=_choices(place, item, kind, when) if "choices" in FIELD_KEYS[kind] else (),
        minimum=minimum,
        maximum=maximum,
        max_length=_whole(place, item, "max_length", TEXT_LENGTH, 1, MAX_TEXT_LENGTH),
    )


def _place(number: int, name: str = "") -> str:
    if name:
        return _('Field %(number)d ("%(name)s")') % {"number": number, "name": name}
    return _("Field %(number)d") % {"number": number}


def _problem(place: str, expected: str, came: object, advice: str) -> AboutError:
    return AboutError(
        _("%(place)s: expected %(expected)s; came %(came)s. %(advice)s")
        % {"place": place, "expected": expected, "came": _shown(came), "advice": advice}
    )


class _Nothing:
    """Stands for a key that is not there."""


def _came(item: Mapping[str, object], key: str) -> object:
    return item.get(key, _Nothing)


def _shown(came: object) -> str:
    if came is _Nothing:
        return _("nothing")
    text = json.dumps(came, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else text[:59] + "…"


def _one_of(
    place: str, item: Mapping[str, object], key: str, known: Sequence[str], default: str = ""
) -> str:
    value = item.get(key, default or _Nothing)
    if not isinstance(value, str) or value not in known:
        raise _problem(
            place,
            _('"%(key)s" as one of %(known)s') % {"key": key, "known": _listed(known)},
            value,
            _guess(value, known) or _("Take one of these."),
        )
    return value


def _known_keys(place: str, item: Mapping[str, object], known: set[str], kind: str = "") -> None:
    for key in item:
        if key in known:
            continue
        expected = _("only %(known)s") % {"known": _listed(sorted(known))}
        if any(key in keys for keys in FIELD_KEYS.values()):
            advice = _('"%(key)s" does not go with "kind": "%(kind)s": take it out.') % {
                "key": key,
                "kind": kind,
            }
        else:
            advice = _guess(key, sorted(known)) or _("Take it out.")
        raise _problem(place, expected, key, advice)


def _guess(value: object, known: Sequence[str]) -> str:
    close = get_close_matches(str(value), known, n=1)
    return _('Did you mean "%(word)s"?') % {"word": close[0]} if close else ""


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _flag(place: str, item: Mapping[str, object], key: str) -> bool:
    value = item.get(key, False)
    if not isinstance(value, bool):
        raise _problem(
            place,
            _('"%(key)s" as true or false') % {"key": key},
            value,
            _("Write it without quotation marks."),
        )
    return value


def _texts(place: str, item: Mapping[str, object], key: str) -> dict[str, str]:
    """A text by language."""
    value = _came(item, key)
    if not isinstance(value, dict) or not value:
        raise _problem(
            place,
            _('"%(key)s" by language') % {"key": key},
            value,
            _('Write "%(key)s": {"ja": "…", "en": "…"}, with one language at least.')
            % {"key": key},
        )
    for language, text in value.items():
        if not isinstance(language, str) or not LANGUAGE.fullmatch(language):
            raise _problem(
                place,
                _('a language code such as "ja" or "en" in "%(key)s"') % {"key": key},
                language,
                _("Take the code of the language, in small letters."),
            )
        if not isinstance(text, str) or not text.strip() or "\0" in text:
            raise _problem(
                place,
                _('some text in "%(key)s" for "%(language)s"') % {"key": key, "language": language},
                text,
                _("Write it between quotation marks, or leave that language out."),
            )
    return dict(value)


def _whole(
    place: str, item: Mapping[str, object], key: str, default: int, low: int, high: int
) -> int:
    value = item.get(key, default)
    # True is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _problem(
            place,
            _('"%(key)s" as a whole number from %(low)d to %(high)d')
            % {"key": key, "low": low, "high": high},
            value,
            _("Write it without quotation marks, or leave it out."),
        )
    return value


def _limits(place: str, item: Mapping[str, object]) -> tuple[int, int]:
    minimum = _whole(place, item, "min", -OPEN_LIMIT, -OPEN_LIMIT, OPEN_LIMIT)
    maximum = _whole(place, item, "max", OPEN_LIMIT, -OPEN_LIMIT, OPEN_LIMIT)
    if minimum > maximum:
        raise _problem(
            place,
            _('"max" of at least "min", which is %(minimum)d') % {"minimum": minimum},
            maximum,
            _("No number would fit: change one of them."),
        )
    return minimum, maximum


def _choices(place: str, item: Mapping[str, object], kind: str, when: str) -> tuple[Choice, ...]:
    value = _came(item, "choices")
    least = 2 if kind == "choice" else 1
    if not isinstance(value, list) or not least <= len(value) <= MAX_CHOICES:
        raise _problem(
            place,
            _('"choices" as a list of %(least)d to %(most)d choices')
            % {"least": least, "most": MAX_CHOICES},
            len(value) if isinstance(value, list) else value,
            _('Write "choices": [{"value": "yes", "label": {"en": "Yes"}}, …].'),
        )
    choices: list[Choice] = []
    for number, entry in enumerate(value, start=1):
        here = _("%(place)s, choice %(number)d") % {"place": place, "number": number}
        choice = _choice(here, entry)
        if choice.value in {earlier.value for earlier in choices}:
            raise _problem(
                here,
                _('a "value" of its own'),
                choice.value,
                _("Give each choice another value: answers are stored by it."),
            )
        if choice.screen_out and when != "before":
            raise _problem(
                here,
                _('"screen_out" in a field that is asked before the questions'),
                when,
                _('Add "when": "before" to the field: nobody should answer all for nothing.'),
            )
        choices.append(choice)
    if kind == "choice" and all(choice.screen_out for choice in choices):
        raise _problem(
            place,
            _('a choice without "screen_out"'),
            len(choices),
            _("Nobody could take part: take it out of some."),
        )
    return tuple(choices)


def _choice(place: str, entry: object) -> Choice:
    if not isinstance(entry, dict):
        raise _problem(
            place,
            _("an object with value and label"),
            entry,
            _("Put the choice between { and }."),
        )
    _known_keys(place, entry, CHOICE_KEYS)
    value = entry.get("value")
    if not isinstance(value, str) or not VALUE.fullmatch(value):
        raise _problem(
            place,
            _('a "value" of up to 40 letters, digits, _, . and -, of the Latin alphabet'),
            _came(entry, "value"),
            _('Write "value": "20s", for example: it is stored, the label is shown.'),
        )
    return Choice(value, _texts(place, entry, "label"), _flag(place, entry, "screen_out"))


# --- asking ------------------------------------------------------------------------------------


def asked(fields: Sequence[Field], when: str) -> tuple[Field, ...]:
    """The fields that are asked "before" or "after" the questions."""
    return tuple(field for field in fields if field.when == when)


def best_language(texts: Texts, language: str) -> str:
    """The language to show: the one asked for, a relative of it, English, or the first there is."""
    if language in texts:
        return language
    base = language.split("-", maxsplit=1)[0]
    related = [code for code in texts if code.split("-")[0] == base]
    return next(iter([*related, *(["en"] if "en" in texts else []), *texts]))


def _shown_text(texts: Texts, language: str) -> SafeString:
    """Escaped, and marked as what it is where it is of another language than the page."""
    found = best_language(texts, language)
    if found.split("-")[0] == language.split("-", maxsplit=1)[0]:
        return SafeString(conditional_escape(texts[found]))
    return format_html('<span lang="{}">{}</span>', found, texts[found])


class _LongText(forms.CharField):
    """Line ends count as one character, as browsers show them, not two as they send them."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        # No maxlength: browsers cut off without a word what is pasted. The server says how much is too much.
        return {k: v for k, v in super().widget_attrs(widget).items() if k != "maxlength"}


class AboutForm(forms.Form):
    """The form of these fields, in the order given; HTML names are ``about_`` and the field's name.

    Texts are those of ``language``, or of another where one is missing (see ``best_language``).
    What was typed is shown again with any error. Radio buttons and checkboxes come as a fieldset.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        asked: Sequence[Field],
        language: str,
        **kwargs: Any,
    ) -> None:
        # Labels are questions or names, not "Name:".
        kwargs.setdefault("label_suffix", "")
        super().__init__(data, **kwargs)
        self.asked = tuple(asked)
        for field in self.asked:
            self.fields[PREFIX + field.name] = _FORM_FIELDS[field.kind](
                field,
                language,
                {
                    "label": _shown_text(field.label, language),
                    "help_text": _shown_text(field.help, language) if field.help else "",
                    "required": field.required,
                },
            )


def _choice_field(field: Field, language: str, common: dict[str, Any]) -> forms.Field:
    radio = len(field.choices) <= RADIO_CHOICES
    choices: list[tuple[str, str]] = []
    for choice in field.choices:
        # An option of a list holds text only.
        plain = choice.label[best_language(choice.label, language)]
        choices.append((choice.value, _shown_text(choice.label, language) if radio else plain))
    if not field.required:
        # Radio buttons cannot be taken back otherwise. Chosen until another one is.
        choices.insert(len(choices) if radio else 0, ("", _("No answer")))
    elif not radio:
        choices.insert(0, ("", _("Please choose")))
    return forms.ChoiceField(
        choices=choices,
        widget=forms.RadioSelect if radio else forms.Select,
        error_messages={
            "required": _("Please choose one of these."),
            "invalid_choice": _("Please choose one of these."),
        },
        **common,
    )


def _checks_field(field: Field, language: str, common: dict[str, Any]) -> forms.Field:
    return forms.MultipleChoiceField(
        choices=[(c.value, _shown_text(c.label, language)) for c in field.choices],
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Please tick at least one of these."),
            "invalid_choice": _("Please tick only what is listed."),
            "invalid_list": _("Please tick only what is listed."),
        },
        **common,
    )


def _number_field(field: Field, language: str, common: dict[str, Any]) -> forms.Field:
    low, high = field.minimum, field.maximum
    if low == -OPEN_LIMIT and high == OPEN_LIMIT:
        message = _("Please write a smaller number.")
    elif high == OPEN_LIMIT:
        message = _("Please write a whole number of %(low)d or more.") % {"low": low}
    elif low == -OPEN_LIMIT:
        message = _("Please write a whole number of %(high)d or less.") % {"high": high}
    else:
        message = _("Please write a whole number from %(low)d to %(high)d.") % {
            "low": low,
            "high": high,
        }
    return forms.IntegerField(
        min_value=low,
        max_value=high,
        # Not type="number": browsers show nothing of "about 30" when the page comes back.
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={
            "required": _("Please write a number."),
            "invalid": _("Please write a whole number, in digits only."),
            "min_value": message,
            "max_value": message,
        },
        **common,
    )


def _text_field(field: Field, language: str, common: dict[str, Any]) -> forms.Field:
    long = field.max_length > LINE_LENGTH
    widget = forms.Textarea(attrs={"rows": 3}) if long else forms.TextInput()
    return _LongText(
        max_length=field.max_length,
        widget=widget,
        error_messages={
            "required": _("Please write something."),
            "max_length": _(
                "Please shorten this to %(limit_value)d characters; it has %(show_value)d."
            ),
        },
        **common,
    )


_FORM_FIELDS = {
    "choice": _choice_field,
    "checks": _checks_field,
    "number": _number_field,
    "text": _text_field,
}


def answers(form: AboutForm) -> dict[str, object]:
    """What a valid form was answered, by the fields' names, ready for JSON.

    A choice's value, a list of values (checks), a whole number, or a text; None, or an empty list,
    where no answer was given. Raises ValueError for a form that is not valid.
    """
    if not form.is_valid():
        raise ValueError("Expected a valid form; check is_valid() and show its errors first.")
    return {
        field.name: None if (value := form.cleaned_data[PREFIX + field.name]) == "" else value
        for field in form.asked
    }


def screened_out(fields: Sequence[Field], answers: Mapping[str, object]) -> bool:
    """Whether a choice marked ``screen_out`` was taken. What was not answered screens nobody out."""
    for field in fields:
        given = answers.get(field.name)
        values = given if isinstance(given, list) else [given]
        if any(choice.screen_out and choice.value in values for choice in field.choices):
            return True
    return False


# --- an example --------------------------------------------------------------------------------

EXAMPLE: list[dict[str, Any]] = [
    {
        "name": "age_group",
        "kind": "choice",
        "label": {"ja": "年齢", "en": "Your age"},
        "choices": [
            {"value": "under_20", "label": {"ja": "19歳以下", "en": "19 or younger"}},
            {"value": "20s", "label": {"ja": "20代", "en": "20–29"}},
            {"value": "30s", "label": {"ja": "30代", "en": "30–39"}},
            {"value": "40s", "label": {"ja": "40代", "en": "40–49"}},
            {"value": "50s", "label": {"ja": "50代", "en": "50–59"}},
            {"value": "60_up", "label": {"ja": "60歳以上", "en": "60 or older"}},
        ],
    },
    {
        "name": "gender",
        "kind": "choice",
        "label": {"ja": "性別", "en": "Your gender"},
        "choices": [
            {"value": "woman", "label": {"ja": "女性", "en": "Woman"}},
            {"value": "man", "label": {"ja": "男性", "en": "Man"}},
            {"value": "non_binary", "label": {"ja": "ノンバイナリー", "en": "Non-binary"}},
            {
                "value": "own_words",
                "label": {"ja": "その他（下に記入）", "en": "In my own words (below)"},
            },
            {"value": "not_said", "label": {"ja": "答えたくない", "en": "Prefer not to say"}},
        ],
    },
    {
        "name": "gender_own_words",
        "kind": "text",
        "label": {"ja": "性別（自由記入）", "en": "Your gender in your own words"},
        "max_length": 60,
    },
    {
        "name": "first_language",
        "kind": "choice",
        "label": {"ja": "母語", "en": "Your first language"},
        "help": {
            "ja": "子どものころ最初に身につけた言語",
            "en": "The one you learned first as a child.",
        },
        "choices": [
            {"value": "ja", "label": {"ja": "日本語", "en": "Japanese"}},
            {"value": "en", "label": {"ja": "英語", "en": "English"}},
            {"value": "other", "label": {"ja": "その他", "en": "Another one"}},
        ],
    },
    {
        "name": "vision",
        "kind": "choice",
        "label": {"ja": "視力", "en": "Your eyesight"},
        "help": {
            "ja": "今、この画面を見ている状態で",
            "en": "As you are looking at this screen now.",
        },
        "choices": [
            {
                "value": "normal",
                "label": {"ja": "裸眼でよく見える", "en": "Good without glasses or contact lenses"},
            },
            {
                "value": "corrected",
                "label": {
                    "ja": "眼鏡やコンタクトレンズでよく見える",
                    "en": "Good with glasses or contact lenses",
                },
            },
            {"value": "not_clear", "label": {"ja": "よく見えない", "en": "Not so good"}},
        ],
    },
]
"""Age group, gender in the person's own words or not at all (after Spiel, Haimson and Lottridge, 2019,
How to do better with gender on surveys, ACM Interactions 26), first language, vision."""


def example_text() -> str:
    """``EXAMPLE`` as an admin would type it."""
    return json.dumps(EXAMPLE, ensure_ascii=False, indent=2)
