"""Which encoding a file is in: byte-order mark, strict UTF-8, then a guess for legacy encodings.

A file is judged once, by its head. What the encoding found cannot decode is dropped record by record, so that
a few bad bytes neither stop a run nor turn a UTF-8 file into mojibake.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right

from acclimate.corpus.sources import euc_tw as _euc_tw  # noqa: F401  # registers the codec
from acclimate.corpus.sources.code_pages import LATIN, clearest

HEAD_BYTES = 1 << 18
"""How much of a file the judgement looks at."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HIGH = re.compile(rb"[\x80-\xff]")
_NESTED = (
    ("shift_jis", "cp932", "shift_jis_2004", "shift_jisx0213"),
    ("euc_jp", "euc_jis_2004", "euc_jisx0213"),
    ("euc_kr", "cp949"),
    ("big5", "cp950", "big5hkscs"),
    ("cp874", "tis-620"),
)
"""Encodings that contain each other: the first that fits is meant. A file labelled TIS-620 that uses more than that
has the punctuation of cp874; Python reads control characters there."""
_LOOKALIKES = (
    *("cp437", "cp775", "cp858", "hp-roman8", "mac-latin2", "mac-iceland", "mac-turkish"),
    *("iso8859-4", "iso8859-10", "iso8859-14", "iso8859-16"),
)
"""What charset-normalizer takes pages of the Latin script for when a text is short."""
_SIGNS = re.compile(
    rb"(?:[\x00-\x7f]|[\x80\x82\x84\x85\x8b\x91-\x97\x99\x9b\xa0\xa9\xab\xae\xb0\xb7\xbb]|[\xa3\xa7](?=[0-9 ]))*"
)
"""ASCII with quotation marks, dashes and signs at the places where every Windows code page has them."""
_FEW = 8
"""Fewer bad bytes than this are no evidence for a legacy encoding."""


def strip_mark(head: bytes, encoding: str) -> int:
    """Length of the byte-order mark at the beginning, when it is one of the encoding."""
    for mark, name in _MARKS:
        if head.startswith(mark) and name == encoding:
            return len(mark)
    return 0


def detect(head: bytes) -> str:
    """The encoding of a file that begins with `head` (up to HEAD_BYTES of it): a Python codec's name.

    UTF-8 with some bad bytes is UTF-8. A legacy encoding is assumed only when most of the bytes beyond ASCII
    are not UTF-8, there are at least eight of them, and none of them is UTF-8, or they are one in a hundred bytes or
    stand in one of five lines. Fewer are enough where they are the quotation marks, dashes and signs that word
    processors put into ASCII.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    wide = _without_mark(head)
    if wide is not None:
        return wide
    bad = _bad_utf8(head)
    if not bad:
        return _seven_bit(head)
    high = len(_HIGH.findall(head))
    if len(bad) == high and _SIGNS.fullmatch(head):
        return "cp1252"
    if len(bad) < _FEW or 2 * len(bad) < high:
        return "utf-8"
    if len(bad) < high and len(bad) * 100 < len(head) and _lines_with(head, bad) < 0.2:
        return "utf-8"
    return _legacy(head)


def normal_name(encoding: str) -> str | None:
    """The codec's own name in a form that the readers compare; None for one that Python does not have."""
    try:
        info = codecs.lookup(encoding)
    except LookupError:
        return None
    if not info._is_text_encoding:
        return None
    # GB2312 and GBK are parts of GB18030; files labelled so hold characters beyond them as a rule.
    return {"utf-8-sig": "utf-8", "gb2312": "gb18030", "gbk": "gb18030"}.get(info.name, info.name)


def _bad_utf8(head: bytes) -> list[int]:
    """Places of the bytes that strict UTF-8 refuses; a character cut off at the end is none."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
        return []
    except UnicodeDecodeError:
        pass
    text = head.decode("utf-8", "surrogateescape")
    places = []
    at = 0
    last = 0
    for match in re.finditer("[\udc80-\udcff]", text):
        at += len(text[last : match.start()].encode()) if match.start() > last else 0
        places.append(at)
        at += 1
        last = match.end()
    # Up to three bytes of a character that goes on behind the head.
    tail = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    tail.decode(head)
    unfinished = len(tail.getstate()[0])
    return [place for place in places if place < len(head) - unfinished]


def _lines_with(head: bytes, places: list[int]) -> float:
    """Share of the lines that hold one of the places."""
    starts = [0, *(match.end() for match in re.finditer(b"\n", head))]
    return len({bisect_right(starts, place) for place in places}) / len(starts)


def _without_mark(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: NUL bytes at every other (three of four) places, where ASCII
    stands."""
    size = len(head) // 4 * 4
    if size < 8 or not head.count(b"\0"):
        return None
    nul = [head[start:size:4].count(b"\0") * 4 / size for start in range(4)]
    if nul[3] > 0.95 and nul[2] > 0.6 and nul[0] < 0.1:
        return "utf-32-le"
    if nul[0] > 0.95 and nul[1] > 0.6 and nul[3] < 0.1:
        return "utf-32-be"
    even, odd = (nul[0] + nul[2]) / 2, (nul[1] + nul[3]) / 2
    if max(even, odd) < 0.3 and not _bad_utf8(head):
        return None  # text with some NUL bytes in it
    if odd > 0.1 and even < 0.02 and _decodes(head, "utf-16-le"):
        return "utf-16-le"
    if even > 0.1 and odd < 0.02 and _decodes(head, "utf-16-be"):
        return "utf-16-be"
    return None


def _seven_bit(head: bytes) -> str:
    """UTF-8, or an encoding that switches by escape sequences within ASCII."""
    if b"\x1b$)C" in head[:4096] and _decodes(head, "iso2022_kr"):
        return "iso2022_kr"
    if (b"\x1b$B" in head or b"\x1b$@" in head) and _decodes(head, "iso2022_jp"):
        return "iso2022_jp"
    return "utf-8"


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except (UnicodeDecodeError, ValueError):
        return False
    return True


def _legacy(head: bytes) -> str:
    """GB18030 where the head reads as common simplified Chinese; else what charset-normalizer guesses, for it knows
    scripts apart; among the sister pages of the Latin script, what reads clearest."""
    from charset_normalizer import from_bytes

    if _reads_as_euc_tw(head):
        return "euc_tw"
    if _decodes(head, "gb18030") and _common_chinese(head) > 0.5:
        return "gb18030"
    best = from_bytes(head, steps=10, chunk_size=1024).best()
    guess = normal_name(best.encoding) if best is not None else None
    if guess is None or guess in LATIN or guess in _LOOKALIKES:
        return clearest(head) or "utf-8"
    for family in _NESTED:
        if guess in family:
            return next((name for name in family if _decodes(head, name)), guess)
    return guess


def _reads_as_euc_tw(head: bytes) -> bool:
    """Its first plane leaves out the rows in which the other double-byte encodings have half of their text."""
    runs = re.findall(rb"[\x80-\xff]+", head)
    whole = b"\n".join(runs[:-1] if len(runs) > 1 else runs)  # the last may be cut off
    try:
        text = whole.decode("euc_tw")
    except UnicodeDecodeError:
        return False
    return len(text) - len(runs) >= _FEW


def _common_chinese(head: bytes) -> float:
    """Share of GB2312 level-1 characters (the 3,755 in everyday use) among the double bytes, when read as
    GB18030.

    Other double-byte encodings read so give rare characters mostly; simplified Chinese gives nearly none.
    Korean hangul shares the first 25 of the 40 rows: 0 when nothing stands in the others, where Chinese has a
    third of its text.
    """
    text = codecs.getincrementaldecoder("gb18030")().decode(head)
    codes = [char.encode("gb18030", "replace") for char in text if char > "\x7f"]
    common = [code for code in codes if len(code) == 2 and 0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1]
    if sum(code[0] > 0xC8 for code in common) * 10 < len(common):
        return 0.0
    return len(common) / len(codes) if codes else 0.0
