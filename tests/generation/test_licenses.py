"""Names and addresses of licences as the sources write them, and what they permit."""

import pytest

from generation.licenses import combine, parse, terms

CC = "https://creativecommons.org"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        # Openverse: license and license_version.
        ("by 4.0", "by 4.0"),
        ("by-sa 4.0", "by-sa 4.0"),
        ("by-nc-nd 2.0", "by-nc-nd 2.0"),
        ("by-nd-nc 1.0", "by-nc-nd 1.0"),
        ("by N/A", "by"),
        ("cc0 1.0", "cc0 1.0"),
        ("pdm 1.0", "pdm 1.0"),
        ("sampling+ 1.0", ""),
        ("nc-sampling+ 1.0", ""),
        # Commons: LicenseShortName, License, UsageTerms.
        ("CC BY-SA 4.0", "by-sa 4.0"),
        ("CC BY 2.5 it", "by 2.5"),
        ("CC BY-SA 3.0 igo", "by-sa 3.0"),
        ("cc-by-sa-4.0", "by-sa 4.0"),
        ("cc-by-sa-3.0,2.5,2.0,1.0", "by-sa 3.0"),
        ("cc-by-sa-3.0-migrated", "by-sa 3.0"),
        ("cc-by-2.0-de", "by 2.0"),
        ("Creative Commons Attribution-Share Alike 4.0", "by-sa 4.0"),
        ("Creative Commons Attribution 3.0", "by 3.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International License", "by-sa 4.0"),
        ("CC BY-SA 4.0 or GFDL", "by-sa 4.0"),
        ("GFDL or CC BY-SA 3.0", "by-sa 3.0"),
        ("CC0", "cc0 1.0"),
        ("cc-zero", "cc0 1.0"),
        ("CC0 1.0", "cc0 1.0"),
        ("Public domain", "public-domain"),
        ("pd", "public-domain"),
        ("pd-old-70", "public-domain"),
        ("GFDL", ""),
        ("FAL", ""),
        ("Attribution", ""),
        ("No restrictions", ""),
        ("Copyrighted free use", ""),
        # Flickr: names of its list.
        ("All Rights Reserved", "all-rights-reserved"),
        ("Attribution License", "by"),
        ("Attribution-NonCommercial-ShareAlike License", "by-nc-sa"),
        ("Attribution-NonCommercial License", "by-nc"),
        ("Attribution-NonCommercial-NoDerivs License", "by-nc-nd"),
        ("Attribution-NoDerivs License", "by-nd"),
        ("CC BY-NC-ND 4.0", "by-nc-nd 4.0"),
        ("No known copyright restrictions", ""),
        ("United States Government Work", "public-domain"),
        ("Public Domain Dedication (CC0)", "cc0 1.0"),
        ("Public Domain Mark", "pdm 1.0"),
        # By hand, in credits.csv.
        ("CC-BY", "by"),
        ("  cc by-nc   4.0 ", "by-nc 4.0"),
        ("© 2024 A. Smith, all rights reserved", "all-rights-reserved"),
        ("all-rights-reserved", "all-rights-reserved"),
        ("public-domain", "public-domain"),
        (f"{CC}/licenses/by/4.0/", "by 4.0"),
        # What is not understood whole is unknown.
        ("not CC BY", ""),
        ("CC BY 4.0 except where noted", ""),
        ("CC BY-SA-ND 4.0", ""),
        ("MIT", ""),
        ("", ""),
    ],
)
def test_a_name_becomes_a_code(text: str, code: str) -> None:
    assert parse(text) == code


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"{CC}/licenses/by/4.0/", "by 4.0"),
        (f"{CC}/licenses/by-nc-sa/2.0/", "by-nc-sa 2.0"),
        ("http://creativecommons.org/licenses/by-sa/3.0/de/deed.en", "by-sa 3.0"),
        (f"{CC}/licenses/by-nd-nc/1.0", "by-nc-nd 1.0"),
        (f"{CC}/licenses/by", "by"),
        (f"{CC}/publicdomain/zero/1.0/?ref=openverse", "cc0 1.0"),
        (f"{CC}/publicdomain/mark/1.0/", "pdm 1.0"),
        (f"{CC}/licenses/publicdomain/", "public-domain"),
        (f"{CC}/licenses/sampling+/1.0/", ""),
        (f"{CC}/about", ""),
        ("https://www.gnu.org/copyleft/fdl.html", ""),
        ("https://www.flickr.com/commons/usage/", ""),
        ("", ""),
    ],
)
def test_an_address_becomes_a_code(url: str, code: str) -> None:
    assert parse("", url) == code


@pytest.mark.parametrize(
    ("text", "url", "code"),
    [
        ("Attribution License", f"{CC}/licenses/by/2.0/", "by 2.0"),
        ("by 4.0", f"{CC}/licenses/by", "by 4.0"),
        ("Public domain", f"{CC}/publicdomain/mark/1.0/", "pdm 1.0"),
        ("CC BY 2.0", f"{CC}/licenses/by/4.0/", "by 4.0"),
        ("All Rights Reserved", "https://www.flickrhelp.com/", "all-rights-reserved"),
        ("something else", f"{CC}/licenses/by/4.0/", ""),
        ("CC BY 4.0", f"{CC}/licenses/by-nd/4.0/", ""),
        ("All Rights Reserved", f"{CC}/licenses/by/4.0/", ""),
    ],
)
def test_name_and_address_must_agree(text: str, url: str, code: str) -> None:
    assert parse(text, url) == code


@pytest.mark.parametrize(
    ("code", "name", "permits"),
    [
        # republish, derivatives, commercial, attribution, share alike; by the deeds of the licences
        ("cc0 1.0", "CC0 1.0", (True, True, True, False, False)),
        ("pdm 1.0", "Public Domain Mark 1.0", (True, True, True, False, False)),
        ("public-domain", "Public domain", (True, True, True, False, False)),
        ("by 4.0", "CC BY 4.0", (True, True, True, True, False)),
        ("by", "CC BY", (True, True, True, True, False)),
        ("by-sa 4.0", "CC BY-SA 4.0", (True, True, True, True, True)),
        ("by-nc 2.0", "CC BY-NC 2.0", (True, True, False, True, False)),
        ("by-nd", "CC BY-ND", (True, False, True, True, False)),
        ("by-nc-sa", "CC BY-NC-SA", (True, True, False, True, True)),
        ("by-nc-nd", "CC BY-NC-ND", (True, False, False, True, False)),
        ("all-rights-reserved", "All rights reserved", (False, False, False, None, False)),
        ("", "Licence unknown", (None, None, None, None, False)),
        ("package: MIT", "package: MIT", (None, None, None, None, False)),
    ],
)
def test_what_a_licence_permits(
    code: str, name: str, permits: tuple[bool | None, bool | None, bool | None, bool | None, bool]
) -> None:
    found = terms(code)
    assert found.name == name
    assert permits == (
        found.republish,
        found.derivatives,
        found.commercial,
        found.attribution,
        found.share_alike,
    )
    assert (found.pass_on_derived is True) is (permits[0] is True and permits[1] is True)


def test_a_picture_may_be_passed_on_if_every_photograph_allows_it() -> None:
    free, named, alike = terms("cc0 1.0"), terms("by 4.0"), terms("by-sa 3.0")
    fixed, unknown, reserved = terms("by-nd 4.0"), terms(""), terms("all-rights-reserved")
    assert combine([free, named]).republish is True
    assert combine([free, named]).share_alike is False
    assert combine([named, alike, named]).names == ("CC BY 4.0", "CC BY-SA 3.0")
    assert combine([named, alike]).share_alike is True
    assert combine([named, unknown]).republish is None
    assert combine([named, unknown, fixed]).republish is False
    assert combine([unknown, reserved]).republish is False
    assert combine([]).republish is None


@pytest.mark.parametrize("other", ["by-nc 4.0", "by-nc-sa 4.0"])
def test_licences_that_cannot_both_be_kept_forbid_the_picture(other: str) -> None:
    both = combine([terms("by-sa 4.0"), terms(other), terms("by 4.0")])
    assert both.republish is False
    assert both.why_not == (
        "its photographs' licences do not let it be passed on: "
        f"CC BY 4.0, {terms(other).name}, CC BY-SA 4.0"
    )


def test_licences_that_ask_for_themselves_and_for_no_profit_go_together() -> None:
    assert combine([terms("by-nc-sa 4.0"), terms("by-nc 2.0"), terms("by 4.0")]).republish is True
    assert combine([terms("by-sa 4.0"), terms("by-sa 3.0"), terms("cc0 1.0")]).why_not == ""
