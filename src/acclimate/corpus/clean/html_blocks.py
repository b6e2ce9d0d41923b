"""HTML as the blocks of text that a reader would see, in one pass, whatever the page is like.

No tree is built and nothing recurses: a stack of open elements is all that is held, so a page that nests a million
elements costs what any page of its size costs. Elements are closed as browsers close them where it matters for text
(`<p>`, `<li>`, table cells; stray end tags are passed over). Scripts, styles, forms' controls and what is hidden are
left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

_ATTRIBUTE = r"""[^\s>/=]++(?:\s*+=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s>]*+))?+"""
_TOKEN = re.compile(
    rf"<(?:([a-zA-Z][^\s/>]*+)((?:\s++|/|=|{_ATTRIBUTE})*+)(?:>|\Z)|/([a-zA-Z][^\s/>]*+)[^>]*+(?:>|\Z)"
    r"|!--.*?(?:-->|\Z)|[!?/][^>]*+(?:>|\Z))",
    re.DOTALL,
)
_NAMED = re.compile(
    r"""(?:^|\s)(class|id|role|style|hidden|aria-hidden|itemprop)"""
    r"""(?:\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^\s>]++)))?+(?=[\s"'/>]|\Z)""",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_AROUND_BREAK = re.compile(r" *\n *")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RAW = _words("script style textarea title iframe xmp noembed noframes")
_LEFT_OUT = _words(
    "script style textarea title iframe xmp noembed noframes noscript template svg math object audio video canvas head "
    "select button datalist dialog map"
)
_VOID = _words("area base br col embed hr img input link meta param source track wbr")
BLOCKS = _words(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr html legend li main menu nav ol p pre section summary table tbody td tfoot th thead tr ul "
    "caption"
)
_ENDS_P = BLOCKS - frozenset(("td", "th", "tr", "tbody", "thead", "tfoot", "body", "html", "caption"))
_ENDED_BY = {
    "li": (frozenset(("li",)), frozenset(("ul", "ol", "menu"))),
    "dt": (frozenset(("dt", "dd")), frozenset(("dl",))),
    "dd": (frozenset(("dt", "dd")), frozenset(("dl",))),
    "tr": (frozenset(("tr",)), frozenset(("table",))),
    "td": (frozenset(("td", "th")), frozenset(("tr", "table"))),
    "th": (frozenset(("td", "th")), frozenset(("tr", "table"))),
}
"""Start tag → (open elements that it ends, elements beyond which it ends none)."""
_P = (frozenset(("p",)), frozenset(("td", "th", "table", "button")))
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MOST_ELEMENTS = 100_000
"""Further elements are not told apart from those around them."""
_FAR = 100
"""How many open elements are looked through for one that ends unsaid."""


@dataclass(slots=True)
class Element:
    """A block-level element."""

    tag: str
    parent: int
    """Its number in the page's list; −1 for the first, which is around all others."""
    names: str
    """Its class, id and role, in lower case."""
    marks: str
    """Its `itemprop`, in lower case."""


@dataclass(slots=True)
class Block:
    """A run of text without a block-level break in it."""

    element: int
    text: str
    linked: int
    """Characters of it inside links."""


@dataclass(slots=True)
class Page:
    """What a page shows, in the order in which it stands there."""

    title: str = ""
    elements: list[Element] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def read_page(html: str) -> Page:
    """The page's visible text in blocks. Takes any string; the time is proportional to its length."""
    return _Reading(html).page


class _Reading:
    def __init__(self, html: str) -> None:
        self.page = Page(elements=[Element("html", -1, "", "")])
        # Tag, block-level element around it, whether it hides what is in it.
        self._open: list[tuple[str, int, bool]] = []
        self._element = 0
        self._counts: dict[str, int] = {}
        self._hidden = 0
        self._parts: list[str] = []
        self._linked = 0
        self._read(html)

    def _read(self, html: str) -> None:
        at = 0
        search = _TOKEN.search
        while (token := search(html, at)) is not None:
            if token.start() > at and not self._hidden:
                self._text(html[at : token.start()])
            at = token.end()
            if token[1] is not None:
                at = self._start(token[1].lower(), token[2], html, at)
            elif token[3] is not None:
                self._end(token[3].lower())
        if not self._hidden:
            self._text(html[at:])
        self._flush()

    def _text(self, raw: str) -> None:
        text = unescape(raw) if "&" in raw else raw
        self._parts.append(text if self._counts.get("pre") else _SPACE.sub(" ", text))
        if self._counts.get("a"):
            self._linked += len(text.strip())

    def _flush(self) -> None:
        """Ends the block at hand."""
        if self._parts:
            text = _AROUND_BREAK.sub("\n", "".join(self._parts)).strip()
            if text:
                self.page.blocks.append(Block(self._element, text, min(self._linked, len(text))))
            self._parts, self._linked = [], 0

    def _start(self, tag: str, attributes: str, html: str, at: int) -> int:
        """Opens an element; gives where to read on: for scripts and the like, behind their content."""
        if tag in _RAW:
            close = re.compile(rf"</{tag}(?=[\s/>])", re.IGNORECASE).search(html, at)
            end = close.start() if close else len(html)
            if tag == "title" and not self.page.title and not self._counts.get("svg"):
                self.page.title = _SPACE.sub(" ", unescape(html[at : min(end, at + 2000)])).strip()
            return end
        if tag in BLOCKS:
            self._flush()
            if tag in _ENDS_P:
                self._end_unsaid(*_P)
            if tag in _ENDED_BY:
                self._end_unsaid(*_ENDED_BY[tag])
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "a":
            self._end("a")
        if tag in _VOID or (attributes.endswith("/") and tag not in BLOCKS and tag != "a"):
            return at
        names, marks, hidden = _named(attributes) if attributes else ("", "", False)
        hidden = (hidden and tag not in ("html", "body")) or tag in _LEFT_OUT
        self._hidden += hidden
        self._open.append((tag, self._element, hidden))
        if tag in BLOCKS and len(self.page.elements) < _MOST_ELEMENTS:
            self.page.elements.append(Element(tag, self._element, names, marks))
            self._element = len(self.page.elements) - 1
        self._counts[tag] = self._counts.get(tag, 0) + 1
        return at

    def _end_unsaid(self, tags: frozenset[str], limits: frozenset[str]) -> None:
        """Ends the nearest of these elements that is open within the limits."""
        if not any(map(self._counts.get, tags)):
            return
        open_ones = self._open
        for number in range(len(open_ones) - 1, max(-1, len(open_ones) - 1 - _FAR), -1):
            tag = open_ones[number][0]
            if tag in limits:
                return
            if tag in tags:
                self._end(tag)
                return

    def _end(self, tag: str) -> None:
        """Ends the nearest open element of that name and all within it; an end tag of none is passed over."""
        if not self._counts.get(tag):
            return
        while True:
            name, element, hidden = self._open.pop()
            self._counts[name] -= 1
            if name in BLOCKS:
                self._flush()
                self._element = element
            self._hidden -= hidden
            if name == tag:
                return


def _named(attributes: str) -> tuple[str, str, bool]:
    """(class, id and role, itemprop, whether the attributes hide the element)"""
    names, marks, hidden = "", "", False
    for match in _NAMED.finditer(attributes):
        name = match[1].lower()
        value = (match[2] or match[3] or match[4] or "").lower()
        if name in ("class", "id", "role"):
            names += f" {value}"
        elif name == "itemprop":
            marks = value
        elif name == "hidden":
            hidden = True
        elif name == "aria-hidden":
            hidden = hidden or value == "true"
        else:
            hidden = hidden or _HIDDEN.search(value) is not None
    return names, marks, hidden
