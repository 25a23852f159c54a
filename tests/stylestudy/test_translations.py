"""The Japanese catalogue is complete, and its compiled form is up to date."""

import ast
import gettext
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "locale" / "ja" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|%[a-z]|\{\w*\}")


def read_po(path):
    """The entries of a .po file as dicts; flags are under "flags"."""
    entries, entry, field = [], {}, None
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("#,"):
            entry["flags"] = entry.get("flags", "") + line
        elif line.startswith('"'):
            entry[field] += ast.literal_eval(line)
        elif line.startswith("msg"):
            field, _, text = line.partition(" ")
            entry[field] = ast.literal_eval(text)
        elif not line and entry:
            entries.append(entry)
            entry = {}
    return entries


HEADER, *ENTRIES = read_po(FOLDER / "django.po")


def translation(entry):
    return entry.get("msgstr[0]" if "msgid_plural" in entry else "msgstr", "")


def placeholders(text):
    return sorted(PLACEHOLDER.findall(text))


@pytest.fixture(scope="module")
def compiled():
    with (FOLDER / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def test_catalogue_is_japanese_with_one_plural_form():
    assert "Language: ja\n" in HEADER["msgstr"]
    assert "nplurals=1; plural=0;" in HEADER["msgstr"]
    assert len(ENTRIES) > 200
    assert not [entry for entry in ENTRIES if "msgstr[1]" in entry]


def test_every_message_is_translated():
    assert [entry["msgid"] for entry in ENTRIES if not translation(entry).strip()] == []


def test_no_translation_is_fuzzy():
    assert [entry["msgid"] for entry in ENTRIES if "fuzzy" in entry.get("flags", "")] == []


def test_placeholders_are_kept():
    wrong = [
        entry["msgid"]
        for entry in ENTRIES
        if placeholders(entry["msgid"]) != placeholders(translation(entry))
    ]
    assert wrong == []


def test_compiled_catalogue_says_the_same(compiled):
    for entry in ENTRIES:
        if "msgid_plural" in entry:
            got = compiled.ngettext(entry["msgid"], entry["msgid_plural"], 2)
        else:
            got = compiled.gettext(entry["msgid"])
        assert got == translation(entry)
