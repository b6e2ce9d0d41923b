"""EUC-TW (CNS 11643, planes 1 and 2), for which Python has no codec: decoding only.

The two planes hold the characters of Big5 in nearly the same order, so runs of places tell all; what Big5 does not have
stands beside them. Importing this module registers the codec `euc_tw`.
"""

from __future__ import annotations

import codecs
from functools import cache
from typing import Any

_ROW = 94
_BIG5_ROW = 157
_PLANES = (
    (
        "0:0:5 6:6:8 15:15:6 21:23:2 24:22:1 29:29:44 73:74:1 74:73:1 75:75:22 98:98:1 100:100:27 127:128:1 "
        "128:127:1 129:129:19 148:149:1 149:148:1 150:150:4 155:21:1 156:158:2 160:160:1 162:162:1 165:165:69 "
        "282:234:29 312:264:1 314:266:142 470:6101:20 3290:471:1412 4702:1884:424 5126:1883:1 5127:2308:1876 "
        "7003:4571:1 7004:4184:387 7391:4572:525 7916:5286:1 7917:5097:105 8023:5203:83 8106:5287:84 "
        "8190:5517:1 8191:5371:54 8245:5426:1 8246:5425:1 8247:5427:90 8337:5518:354 "
    ),
    (
        "0:6280:10 10:6291:33 43:6372:1 44:6324:48 92:6373:46 138:6586:1 139:6419:167 306:6587:1840 "
        "2146:9074:1 2147:8428:108 2255:8537:537 2792:8427:1 2793:9075:100 2893:8536:1 2894:9175:399 "
        "3293:9575:1637 4930:11761:1 4931:11212:146 5077:11899:1 5078:11358:287 5365:12508:1 5366:11645:116 "
        "5482:11762:137 5619:11900:104 5723:12425:1 5724:12004:222 5946:12227:198 6144:12426:82 6226:12509:86 "
        "6312:12226:1 6313:12595:8 6321:12604:153 6474:12758:56 6530:13114:1 6531:12814:113 6644:12603:1 "
        "6645:12927:142 6787:12757:1 6788:13069:45 6833:13115:71 6904:13380:1 6905:13186:194 7099:13381:490 "
        "7589:13914:1 7590:13871:43 7633:13915:1 7634:13917:11 7645:13916:1 7646:13928:4 "
    ),
)
"""Of each plane: first place in it, first place in Big5, length; places are counted along the rows."""
_OTHERS = {
    5: "・",
    14: "﹑",
    23: "︲",
    154: "‖",
    158: "∕",
    159: "﹨",
    161: "￥",
    163: "￠",
    164: "￡",
    490: "ⅰ",
    491: "ⅱ",
    492: "ⅲ",
    493: "ⅳ",
    494: "ⅴ",
    495: "ⅵ",
    496: "ⅶ",
    497: "ⅷ",
    498: "ⅸ",
    499: "ⅹ",
    571: "亠",
    578: "冫",
    583: "勹",
    3134: "␡",
    8022: "彞",
    **{3102 + number: chr(0x2400 + number) for number in range(32)},  # pictures of control characters
}
"""Of plane 1, what Big5 does not have in Python's table."""


@cache
def _characters() -> dict[bytes, str]:
    """Bytes of a character → the character."""
    found: dict[bytes, str] = {}
    for plane, runs in enumerate(_PLANES, 1):
        for run in runs.split():
            first, other, length = map(int, run.split(":"))
            for step in range(length):
                found[_code(plane, first + step)] = _big5(other + step)
    found.update((_code(1, place), char) for place, char in _OTHERS.items())
    # Plane 1 may be spelt out, too.
    found.update([(b"\x8e\xa1" + code, char) for code, char in found.items() if len(code) == 2])
    return found


def _code(plane: int, place: int) -> bytes:
    row, cell = divmod(place, _ROW)
    pair = bytes((0xA1 + row, 0xA1 + cell))
    return pair if plane == 1 else bytes((0x8E, 0xA0 + plane)) + pair


def _big5(place: int) -> str:
    row, cell = divmod(place, _BIG5_ROW)
    return bytes((0xA1 + row, 0x40 + cell if cell < 63 else 0xA1 + cell - 63)).decode("big5")


def _decode(data: Any, errors: str = "strict") -> tuple[str, int]:
    data = bytes(data)
    characters = _characters()
    handler = codecs.lookup_error(errors)
    parts: list[str] = []
    at = 0
    while at < len(data):
        if data[at] < 0x80:
            end = at + 1
            while end < len(data) and data[end] < 0x80:
                end += 1
            parts.append(data[at:end].decode("ascii"))
            at = end
            continue
        size = 4 if data[at] == 0x8E else 2
        char = characters.get(data[at : at + size])
        if char is None:
            error = UnicodeDecodeError("euc_tw", data, at, min(at + size, len(data)), "no such character")
            replacement, at = handler(error)
            parts.append(str(replacement))
        else:
            parts.append(char)
            at += size
    return "".join(parts), len(data)


def _encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
    raise UnicodeEncodeError(
        "euc_tw", text, 0, len(text), "texts are read from this encoding, never written in it"
    )


def _search(name: str) -> codecs.CodecInfo | None:
    if name not in ("euc_tw", "euctw"):
        return None
    return codecs.CodecInfo(_encode, _decode, name="euc_tw")


codecs.register(_search)
