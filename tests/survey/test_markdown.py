"""Study texts: what Markdown becomes, what plain text written before stays, and what hostile text cannot do.

HTML is read by the parser of the standard library, as a browser would see tags and attributes.
"""

import re
from html.parser import HTMLParser
from time import perf_counter
from urllib.parse import urlsplit

import pytest
from django.template import Context, Template
from django.template.defaultfilters import linebreaks
from django.utils.safestring import SafeString, mark_safe

from survey.markdown import render, render_line

STRUCTURE = {
    "p",
    "br",
    "hr",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "table",
    "thead",
    "tbody",
    "tr",
}
TAGS = (
    STRUCTURE | {f"h{level}" for level in range(1, 7)} | {"code", "em", "strong", "a", "th", "td"}
)
ATTRIBUTES = {
    "a": {"href", "title", "rel"},
    "ol": {"start"},
    "code": {"class"},
    "th": {"class"},
    "td": {"class"},
}


class Reader(HTMLParser):
    """Tags with attributes, and the text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.shown += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def harmless(html: str) -> Reader:
    """Only known tags with known attributes; links to http, https and mailto that tell nothing."""
    reader = Reader(html)
    for tag, attributes in reader.tags:
        assert tag in TAGS, tag
        assert set(attributes) <= ATTRIBUTES.get(tag, set()), (tag, attributes)
        if tag == "a":
            assert urlsplit(attributes["href"] or "").scheme in {"http", "https", "mailto"}
            assert attributes["rel"] == "noreferrer noopener"
    return reader


# --- what authors write ------------------------------------------------------------------------


def test_paragraphs_emphasis_and_lists() -> None:
    assert render("A **b** *c* `d`\n\n- e\n- f\n\n3. g") == (
        "<p>A <strong>b</strong> <em>c</em> <code>d</code></p>\n"
        "<ul>\n<li>e</li>\n<li>f</li>\n</ul>\n"
        '<ol start="3">\n<li>g</li>\n</ol>\n'
    )


def test_html_is_safe_for_templates() -> None:
    assert isinstance(render("a"), SafeString)
    assert render("") == ""


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("# a", "h3"),
        ("## a", "h3"),
        ("# a\n## b\n# c", "h3 h4 h3"),
        ("## a\n#### b\n###### c", "h3 h4 h5"),
        ("# a\n## b\n### c\n#### d\n##### e\n###### f", "h3 h4 h5 h6 h6 h6"),
    ],
)
def test_headings_start_at_h3_and_skip_no_level(text: str, levels: str) -> None:
    html = render(text)
    assert " ".join(re.findall(r"<(h\d)>", html)) == levels
    assert " ".join(re.findall(r"</(h\d)>", html)) == levels


def test_headings_below_another_level() -> None:
    assert render("# a\n## b", 2) == "<h2>a</h2>\n<h3>b</h3>\n"
    with pytest.raises(ValueError, match="from 1 to 6; came 7"):
        render("a", 7)


def test_tables_align_by_class() -> None:
    html = render("| a | b | c |\n|:--|--:|---|\n| 1 | 2 | 3 |\n")
    assert '<th class="align-left">a</th>' in html
    assert '<td class="align-right">2</td>' in html
    assert "<td>3</td>" in html
    harmless(html)


def test_links_tell_nothing() -> None:
    assert render('[a](https://example.org/?b=1&c "t")') == (
        '<p><a href="https://example.org/?b=1&amp;c" title="t" rel="noreferrer noopener">a</a></p>\n'
    )
    for text in ("<https://example.org>", "[a](mailto:a@example.org)", "<a@example.org>"):
        assert [tag for tag, _attributes in harmless(render(text)).tags] == ["p", "a"]


def test_other_targets_leave_the_text_as_typed() -> None:
    for text in ("[a](/b)", "![a](data:,b)", "[a](javascript:b)"):
        assert render(text) == f"<p>{text}</p>\n"
    # An empty target is taken for a link by the parser: the words stay.
    assert render("[a]() ![b]()") == "<p>a b</p>\n"


def test_pictures_are_linked_and_never_loaded() -> None:
    assert render("![a *b*](https://example.org/c.png)") == (
        '<p><a href="https://example.org/c.png" rel="noreferrer noopener">a b</a></p>\n'
    )
    assert ">https://example.org/c.png</a>" in render("![](https://example.org/c.png)")
    # Within a link there is one link only.
    assert render("[![a](https://a.example)](https://b.example)") == (
        '<p><a href="https://b.example" rel="noreferrer noopener">a</a></p>\n'
    )
    assert harmless(render("![a ![b](https://b.example)](https://a.example)")).shown == "a b\n"


@pytest.mark.parametrize(
    ("text", "bold"),
    [
        ("これは**重要**です", ["重要"]),
        ("**「重要」**です", ["「重要」"]),
        ("次の**注意。**を読む", ["注意。"]),
        ("私の**（任意）**と**「謝礼」**について", ["（任意）", "「謝礼」"]),
        # As in CommonMark: no space inside, and letters with spaces keep to their rules.
        ("これは** 重要 **です", []),
        ("a**(b)**c", []),
        ("100円*、200円*", []),
    ],
)
def test_bold_in_japanese(text: str, bold: list[str]) -> None:
    html = render(text)
    assert re.findall(r"<strong>(.*?)</strong>", html) == bold
    assert "<em>" not in html


# --- plain text written before -----------------------------------------------------------------


PLAIN = [
    "One line",
    "A line\nand another\n\nA paragraph\n\n\n\nand one more",
    "Windows\r\nlines\r\n\r\nand paragraphs",
    "　字下げした段落です。\n　次の行です。\n\n　次の段落です。",
    "    Spaces before\n        and more",
    "1 < 2 & 3 > 2, \"quoted\" and 'single' <b>not bold</b> <script>alert(1)</script>",
    "謝礼：500円（税込）※学生のみ\nお問い合わせ: study_office_2@example.ac.jp",
    "https://example.org/a_b_c?d=1&e=2",
    "[注]: 回答は記録されます\n[Note]: answers are stored",
    "[1]: https://example.org/\n[2]: https://example.org/",
    "2 * 3 * 4 = 24; a*b",
    "Title\n=====",
    "snake_case_word and 50 % of ~100 people~",
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_looks_as_it_did(text: str) -> None:
    assert seen(render(text)) == seen(linebreaks(text, autoescape=True))


def seen(html: str) -> list[str]:
    """Tags and words in their order; spaces as a browser collapses them, at the ends of a line none."""
    parts: list[str] = []

    class Seen(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            parts.append(f"<{tag}>")

        def handle_data(self, data: str) -> None:
            parts.append(re.sub(r"[ \t\r\n]+", " ", data).strip(" "))

    Seen().feed(html)
    return [part for part in parts if part]


def test_wide_indents_stay_within_lists_and_quotes() -> None:
    text = "- 　a\n- b\n\n> 　c\n> 　d\n\n　# e"
    shown = harmless(render(text)).shown
    assert [line for line in shown.split("\n") if line] == ["　a", "b", "　c", "　d", "　# e"]


# --- hostile text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<div\nonclick=alert(1)>\n\n</div>",
        "<!-- a --> <![CDATA[ b ]]> <?php c ?> <!DOCTYPE d>",
        "<svg/onload=alert(1)>",
        "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;",
        "```<script>\n</code></pre><script>alert(1)</script>\n```",
        '```"onmouseover="alert(1)\na\n```',
        "`</code><script>alert(1)</script>`",
        "# <script>alert(1)</script>",
        "| <script> |\n|---|\n| <img src=x> |",
        "\x00<script>\ufdd0",
    ],
)
def test_html_is_shown_not_run(text: str) -> None:
    harmless(render(text))


ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript&colon;alert(1)",
    "javascript&#58;alert(1)",
    "&#106;avascript:alert(1)",
    "&#x6A&#x61;vascript:alert(1)",
    "java&Tab;script:alert(1)",
    "java&NewLine;script:alert(1)",
    "java%0ascript:alert(1)",
    "%6aavascript:alert(1)",
    "&#1;javascript:alert(1)",
    "\x01javascript:alert(1)",
    "\u2028javascript:alert(1)",
    "<javascript:alert(1)>",
    "< javascript:alert(1)>",
    "java\\script:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:image/png;base64,AAAA",
    "data:image/svg+xml,<svg/onload=alert(1)>",
    "file:///etc/passwd",
    "blob:https://example.org/1",
    "intent://example.org",
    "ftp://example.org",
    "//example.org",
    "\\\\example.org",
    "/admin/logout/",
    "?withdraw=1",
    "#top",
    "http:javascript:alert(1)",
    "https:example.org",
    "httpx://example.org",
    " ",
    "",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "pattern", ["[a]({})", "![a]({})", "[a](<{}>)", "[a]({} 't')", "<{}>", "[a]: {}\n\n[a]"]
)
def test_links_lead_nowhere_else(address: str, pattern: str) -> None:
    reader = harmless(render(pattern.format(address)))
    assert "a" not in [tag for tag, _attributes in reader.tags]


@pytest.mark.parametrize(
    "text",
    [
        '[a](https://example.org/"onclick="alert(1))',
        "[a](https://example.org/ \"t' onclick='alert(1)\")",
        "[a](https://example.org/ 't\" onclick=\"alert(1)')",
        '![a" onerror="alert(1)](https://example.org/)',
        "[<script>](https://example.org/<script>)",
        "[a [b](https://b.example) c](https://a.example)",
        "[![![a](https://a.example)](https://b.example)](https://c.example)",
        "<https://example.org/\"onclick='alert(1)'>",
        "[a](https://user:pass@example.org:99999/%ff%00)",
        "[a](https://[::1]/) [b](https://[) [c](https://例え.jp/テスト)",
    ],
)
def test_attributes_stay_in_their_quotes(text: str) -> None:
    html = render(text)
    harmless(html)
    depth = 0
    for opening in re.findall(r"<(/?)a\b", html):
        depth += -1 if opening else 1
        assert depth in {0, 1}, "a link in a link"


SIZE = 20_000


@pytest.mark.parametrize(
    "unit",
    [
        *["[", "]", "*", "_", "`", "!", "(", "<", ">", "&", "\\", "|", "\n", "　", "#", "~"],
        *["![", "[](", "[a](", "[]", "*]", "*a ", "_a ", "a**b", "*a_", "***a ", "**a *b "],
        *[
            "> ",
            "- ",
            "* ",
            "1. ",
            "[a\n",
            "a\n",
            "`a",
            "``a",
            "<a ",
            "<!--",
            "<http:",
            "&#",
            "a\n=\n",
        ],
        *[
            '[a](b "',
            "[a]: ",
            "あ**「",
            "」**",
            "**「」**あ",
            "![a](http://a)",
            "```\n",
            "|-",
            "|a\n|-\n",
        ],
    ],
)
def test_time_is_bounded(unit: str) -> None:
    text = (unit * SIZE)[:SIZE]
    begun = perf_counter()
    html = render(text)
    # All of these take below half a second; a quadratic way would take minutes.
    assert perf_counter() - begun < 5.0
    harmless(html)


@pytest.mark.parametrize(
    ("before", "after"),
    [("[", "]"), ("[", "](http://a)"), ("![", "](http://a)"), ("**", "**"), ("<", ">")],
)
def test_time_of_nested_pairs_is_bounded(before: str, after: str) -> None:
    count = SIZE // len(before + after)
    begun = perf_counter()
    harmless(render(before * count + "a" + after * count))
    assert perf_counter() - begun < 5.0


def test_wide_tables_are_bounded() -> None:
    # Rows are filled up to the width of the head: many short rows of a wide table would grow without end.
    html = render("|a" * 2000 + "\n" + "|-" * 2000 + "\n" + "b\n" * 6000)
    assert len(html) < 2_000_000
    harmless(html)


# --- in templates ------------------------------------------------------------------------------


def filtered(template: str, text: object) -> str:
    return Template("{% load study_text %}" + template).render(Context({"text": text}))


def test_filter() -> None:
    assert filtered("{{ text|markdown }}", "# a <b>") == "<h3>a &lt;b&gt;</h3>\n"
    assert filtered("{{ text|markdown:2 }}", "# a") == "<h2>a</h2>\n"
    # That a text is called safe lets no HTML pass.
    assert "&lt;b&gt;" in filtered("{{ text|markdown }}", mark_safe("<b>"))
    assert filtered("{{ text|markdown }}", 3) == "<p>3</p>\n"


def test_a_line_has_emphasis_and_no_paragraph() -> None:
    assert render_line("Which is **most** like it?") == "Which is <strong>most</strong> like it?"
    page = Template("{% load study_text %}<h1>{{ text|markdown_line }}</h1>")
    assert page.render(Context({"text": "*This* one & that"})) == (
        "<h1><em>This</em> one &amp; that</h1>"
    )


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://elsewhere.example/x.png)",
        "# not a heading",
    ],
)
def test_a_line_is_as_harmless_as_a_text(text: str) -> None:
    html = render_line(text)
    for forbidden in ("<script", "<img", "<h", 'href="javascript'):
        assert forbidden not in html
