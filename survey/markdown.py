"""A study's own texts, written in Markdown, as HTML that can be put into a page as it is.

CommonMark and tables, by markdown-it-py, with these departures:

- Raw HTML is shown as it was typed, never passed on.
- Links lead to http, https or mailto only, tell the other side nothing (``rel="noreferrer
  noopener"``) and open where the browser would; other targets leave the text as typed.
- No pictures: a picture from elsewhere would tell its host about every participant. The alternative
  text and a link stand in.
- Headings are ranked within the text: the largest used becomes ``top``, the next one level below,
  and so on to h6, since pages have headings of their own above.
- A single newline is a line break, and lines that begin with spaces are text, not code: what was
  written as plain text before Markdown came looks as it did. For the same reason there are no
  headings by underlining and no link definitions (``[note]: text`` would vanish).
- ``**「重要」**です`` is bold, where CommonMark shows the asterisks: next to wide characters, of
  languages without spaces between words, two asterisks ask for none (the idea is that of
  github.com/tats-u/markdown-cjk-friendly; a single asterisk keeps to CommonMark).

The aligned cells of a table have a class (``align-left``, ``align-center``, ``align-right``) since
pages permit no style attributes.
"""

import re
from itertools import pairwise
from unicodedata import east_asian_width

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.common.utils import isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

SCHEMES = ("http://", "https://", "mailto:")
TOP = 3
LOWEST = 6
QUIET = "noreferrer noopener"
INDENT = re.compile(r"[^\S \t][^\S\n]*$")


def render(text: str, top: int = TOP) -> SafeString:
    """Markdown → safe HTML. Any text is rendered, in time roughly linear in its length.

    ``top`` is the level of the largest heading used, 1 to 6: 3 below a page's h2. Raises ValueError
    for another level.
    """
    if not 1 <= top <= LOWEST:
        raise ValueError(f"Expected a heading level from 1 to {LOWEST}; came {top}.")
    # Safe: everything that is typed is escaped by the renderer, and raw HTML is off.
    html: str = _MARKDOWN.render(text, {"top": top})
    return mark_safe(html)  # noqa: S308


def render_line(text: str) -> SafeString:
    """One line of Markdown without a paragraph of its own, for the wording of a question."""
    html: str = _MARKDOWN.renderInline(text, {"top": TOP})
    return mark_safe(html)  # noqa: S308


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803
        """Whether a run of ``*`` or ``_`` can open or close emphasis, CommonMark 0.31, 6.2.

        Beside a wide character a run of two or more ``*`` need not be flanked by a space or
        punctuation on its outer side where it has punctuation on its inner one.
        """
        scanned = super().scanDelims(start, canSplitWord)
        end = start + scanned.length
        before = self.src[start - 1] if start > 0 else " "
        after = self.src[end] if end < self.posMax else " "
        if self.src[start] != "*" or scanned.length < 2 or not (_wide(before) or _wide(after)):
            return scanned
        return Scanned(not _space(after), not _space(before), scanned.length)


class _Inline(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """As in the class above it, with another state."""
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def _wide(character: str) -> bool:
    return east_asian_width(character) in {"W", "F", "H"}


def _space(character: str) -> bool:
    return isWhiteSpace(ord(character))


def _allowed(url: str) -> bool:
    """Whether a link may lead there; ``url`` is normalized: entities decoded, the rest encoded."""
    return url.lower().startswith(SCHEMES)


def _indent(state: StateCore) -> None:
    """Give paragraphs back the wide space that Japanese ones begin with; the parser trims it."""
    lines = state.src.split("\n")
    for before, token in pairwise(state.tokens):
        if before.type == "paragraph_open" and token.map:
            # A paragraph's first line runs to the end of a line of the source.
            first = token.content.split("\n", 1)[0].rstrip()
            line = lines[token.map[0]].rstrip()
            indent = INDENT.search(line[: len(line) - len(first)])
            token.content = (indent.group() if indent else "") + token.content


def _headings(state: StateCore) -> None:
    used = sorted({token.tag for token in state.tokens if token.type == "heading_open"})
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(LOWEST, state.env['top'] + used.index(token.tag))}"


def _classes(state: StateCore) -> None:
    for token in state.tokens:
        style = token.attrs.pop("style", None)
        if style is not None:
            token.attrs["class"] = str(style).replace("text-align:", "align-")


def _links(state: StateCore) -> None:
    for token in state.tokens:
        if token.children:
            token.children = _linked(token.children)


def _linked(children: list[Token]) -> list[Token]:
    """Inline tokens with quiet links, and with links instead of pictures."""
    result: list[Token] = []
    inside = kept = False
    for token in children:
        if token.type == "link_open":
            # The parser lets an empty target pass unasked.
            inside, kept = True, _allowed(str(token.attrs["href"]))
            if kept:
                token.attrs["rel"] = QUIET
                result.append(token)
        elif token.type == "link_close":
            inside = False
            if kept:
                result.append(token)
        elif token.type == "image":
            url = str(token.attrs["src"])
            words = Token("text", "", 0, content=_plain(token.children or []) or url)
            if inside or not _allowed(url):  # a link in a link is no HTML
                result.append(words)
            else:
                opening = Token("link_open", "a", 1, attrs={"href": url, "rel": QUIET})
                result += [opening, words, Token("link_close", "a", -1)]
        else:
            result.append(token)
    return result


def _plain(children: list[Token]) -> str:
    """The words of a picture's alternative text."""
    return "".join(
        _plain(token.children) if token.children else "\n" * (token.tag == "br") or token.content
        for token in children
    )


def _built() -> MarkdownIt:
    markdown = MarkdownIt()
    markdown.inline = _Inline()
    # Switches the rules of the parsers that are there now.
    markdown.configure("commonmark", {"html": False, "breaks": True})
    markdown.enable("table")
    markdown.disable(["html_block", "html_inline", "code", "lheading", "reference"])
    markdown.validateLink = _allowed  # type: ignore[method-assign]
    markdown.core.ruler.before("inline", _indent.__name__, _indent)
    for rule in (_headings, _classes, _links):
        markdown.core.ruler.push(rule.__name__, rule)
    return markdown


# Rules are fixed from here on; a rendering keeps its state to itself, so threads may share it.
_MARKDOWN = _built()
