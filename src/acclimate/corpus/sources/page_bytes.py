"""From the bytes of a web page to its text: which encoding it is in, as browsers see it."""

from __future__ import annotations

import codecs
import html
import re

from acclimate.corpus.sources.encodings import HEAD_BYTES, detect, normal_name, strip_mark

_META = re.compile(rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_PROLOGUE = 8192
"""How far into a page its declaration is looked for; the standard asks for 1,024, pages put it later."""
_TITLE = re.compile(r"<title[^>]{0,500}>(.{0,2000}?)</title>", re.IGNORECASE | re.DOTALL)
_CANONICAL = re.compile(
    r"""<link\b[^>]{0,1000}?\brel\s*=\s*["']?canonical["']?[^>]{0,1000}?>""", re.IGNORECASE
)
_HREF = re.compile(
    r"""\bhref\s*=\s*(?:"([^"]{1,2000})"|'([^']{1,2000})'|([^\s"'>]{1,2000}))""", re.IGNORECASE
)
_MOST_REPLACED = 100
"""A page with at most one undecodable place in so many characters is kept, with U+FFFD in them, as browsers do."""
_WEB_NAMES = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "utf-16": "utf-8",  # who can read the declaration reads no UTF-16
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}
"""What a declared name means on the web (WHATWG Encoding Standard): the larger sister that pages are really in."""


def page_text(data: bytes, told: str | None = None) -> str | None:
    """The page as text; None where no encoding gives one.

    In this order: byte-order mark, UTF-8 if it is that without a fault (nothing else is by chance), what the server
    `told`, what the page declares, a guess. Fails none of them, the one with few undecodable places.
    """
    marked = detect(data[:8]) if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ""
    if marked or data.startswith(codecs.BOM_UTF8):
        marked = marked or "utf-8"
        return _decoded(data[strip_mark(data, marked) :], [marked])
    named = [name for name in (told, _declared(data)) if name]
    known = [codec for name in named if (codec := _web_codec(name))]
    stateful = [codec for codec in known if codec.startswith(("iso2022", "hz"))]
    candidates = [*stateful, "utf-8", *known]
    for codec in candidates:
        if (text := _strictly(data, codec)) is not None:
            return text
    return _decoded(data, [*known, detect(data[:HEAD_BYTES])])


def _decoded(data: bytes, codecs_: list[str]) -> str | None:
    for codec in codecs_:
        if (text := _strictly(data, codec)) is not None:
            return text
    best = min((data.decode(codec, "replace") for codec in codecs_), key=lambda text: text.count("\ufffd"))
    return best if best.count("\ufffd") * _MOST_REPLACED <= len(best) else None


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, ValueError):
        return None


def _declared(data: bytes) -> str | None:
    head = data[:_PROLOGUE]
    found = _XML.search(head) or _META.search(head)
    return found[1].decode("ascii") if found else None


def _web_codec(name: str) -> str | None:
    codec = normal_name(name)
    return _WEB_NAMES.get(codec, codec) if codec else None


def page_fields(text: str, url: str = "") -> dict[str, str]:
    """`title` and `url` of a page, where it tells them: its own canonical address, if no other is known."""
    fields = {}
    if title := _TITLE.search(text[: 1 << 17]):
        fields["title"] = " ".join(html.unescape(title[1]).split())
    if not url and (link := _CANONICAL.search(text[: 1 << 17])) and (target := _HREF.search(link[0])):
        url = html.unescape(next(group for group in target.groups() if group))
    if url:
        fields["url"] = url
    return fields
