"""What personal data look like: a pattern for each kind, and what a match must prove besides.

The patterns work on text whose full-width forms were made plain character by character, so that places stay. They
begin and end where no digit or letter goes on; numbers after words such as `order`, `ISBN` or 订单 are passed over.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from acclimate.corpus.clean import check_digits
from acclimate.corpus.full_width import plain

_NUMBERED = re.compile(
    r"(?:order|invoice|tracking|ticket|serial|model|part|item|sku|isbn(?:-1[03])?|issn|doi|pmid|patent|version|build|commit"
    r"|订单|訂單|单号|單號|编号|編號|序列号|流水号|型号|型號|快递|运单|发票|案号|文号|版本|专利|货号|批号|条码|统一书号|书号)"
    r"\s*(?:number|no\.?|id|nr\.?|号码|号|號)?\s*(?:is|是|为|為)?\s*[:#.=-]?\s*$|[#/=_第]$",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"(?:\bv|ver\.?|version|release|firmware|版本号?|固件|section|§|第)\s*[:.]?\s*$", re.IGNORECASE
)
_BEFORE = 28


@dataclass(frozen=True)
class Kind:
    """One kind of personal data."""

    name: str
    pattern: re.Pattern[str]
    proves: Callable[[str], bool] = lambda found: True
    """Whether the match is what it looks like: check digits, ranges."""
    not_after: re.Pattern[str] | None = None
    """What stands before a match that is something else."""
    group: int = 0
    """The part of the match that is the datum."""
    needs: re.Pattern[str] | tuple[str, ...] = ("",)
    """What a text with such data has, a match or one of these; looked for first, for it is soon found or not."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pattern(*shapes: str, before: str = "", after: str = "") -> re.Pattern[str]:
    """Any of the shapes, between what is no letter or digit, nor one of the further signs."""
    either = "|".join(f"(?:{shape})" for shape in shapes)
    # ASCII: a Chinese character beside a number is no letter that the number goes on with.
    return re.compile(rf"(?<![A-Za-z0-9{before}])(?:{either})(?![A-Za-z0-9{after}])", re.ASCII)


def _number(*shapes: str) -> re.Pattern[str]:
    """Any of the shapes, not inside a longer number, a date or a version."""
    either = "|".join(f"(?:{shape})" for shape in shapes)
    return re.compile(rf"(?<![A-Za-z0-9./-])(?:{either})(?![A-Za-z0-9]|[.-][0-9])", re.ASCII)


_DIGITS = re.compile(r"[0-9](?:[ .()/-]{0,3}[0-9]){6}")
_NAMES_OF_FILES = _words(
    "png jpg jpeg gif svg webp css js html htm py json xml txt pdf zip exe mp3 mp4 ttf woff"
)


def _is_mail(found: str) -> bool:
    return found.rpartition(".")[2].lower() not in _NAMES_OF_FILES and ".." not in found


def _is_card(found: str) -> bool:
    return check_digits.card(re.sub("[ -]", "", found))


def _is_global(found: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast


def _is_nino(found: str) -> bool:
    return found[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def _is_abroad(found: str) -> bool:
    return 9 <= sum(map(str.isdigit, found.replace("(0)", ""))) <= 15


def _is_key(found: str) -> bool:
    """Letters and digits without order: at least 3.2 bits a character, and both in it."""
    bits = -sum(n / len(found) * math.log2(n / len(found)) for n in Counter(found).values())
    return bits >= 3.2 and any(map(str.isdigit, found)) and any(map(str.isalpha, found))


_TOKENS = (
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"gh[pousr]_[A-Za-z0-9]{36,255}",
    r"github_pat_[A-Za-z0-9_]{22,255}",
    r"glpat-[A-Za-z0-9_-]{20,200}",
    r"xox[abprs]-[A-Za-z0-9-]{10,200}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"[sr]k_live_[A-Za-z0-9]{16,200}",
    r"sk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,200}",
    r"hf_[A-Za-z0-9]{30,200}",
    r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,2000}",
)
"""Amazon, GitHub, GitLab, Slack, Google, Stripe, OpenAI and Anthropic, Hugging Face, JSON web tokens."""
_TOKEN_PARTS = (
    "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "_pat_", "glpat-", "xox", "AIza", "k_live_", "sk-", "hf_",
    "eyJ",
)  # fmt: skip
_NAMES_OF_KEYS = (
    "pass", "Pass", "PASS", "pwd", "PWD", "ecret", "ECRET", "key", "Key", "KEY", "oken", "OKEN", "密码", "密碼", "密钥",
    "密鑰", "口令",
)  # fmt: skip
_NAMED_KEY = re.compile(
    r"(?:passw(?:or)?d|pwd|secret|api[_ -]?key|access[_ -]?(?:key|token)|auth[_ -]?token|private[_ -]?key"
    r"|密码|密碼|密钥|密鑰|口令)[\"']?\s{0,3}(?:[:=]|是|为)\s{0,3}[\"']?([A-Za-z0-9+/=_.!@$%^&*-]{12,200})",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.()-]{1,20000}?"
    r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
)
_MAIL = r"[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}"
_CHINA = (
    r"(?:(?:\+|00)86[ -]?)?1[3-9][0-9](?:[0-9]{8}|([ -])[0-9]{4}\1[0-9]{4})",
    r"(?:\(0(?:10|2[0-9]|[3-9][0-9]{2})\) ?|0(?:10|2[0-9]|[3-9][0-9]{2})-)[2-8][0-9]{6,7}",
)
"""Mobile phones, and land lines with their area code."""
_NORTH_AMERICA = r"(?:\+?1[-. ]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}"
_ABROAD = (
    r"(?:\+|(?<![0-9] )00)(?:3[0-469]|4[013-9]|3[578][0-9]|42[013])[ ./-]?"
    r"(?:\(0\)[ ./-]?)?[0-9](?:[ ./-]{0,2}[0-9]){6,12}"
)
"""Of Europe, with the country's number."""
_EUROPE = (
    r"01[567][0-9]{1,2}[ /-][0-9]{7,8}",
    r"0[1-79]([ .])[0-9]{2}(?:\1[0-9]{2}){3}(?! [0-9])",
    r"07[0-9]{3} ?[0-9]{6}",
    r"0(?:20 [0-9]{4} [0-9]{4}|1[0-9]{3} [0-9]{6})",
)
"""Within Germany, France and Britain."""
_CARD = (
    r"[2-6][0-9]{12,18}",
    r"[2-6][0-9]{3}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{3})?",
    r"3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}",
)
_NIR = r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"
_NINO = r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"
_IBAN = r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"

KINDS: tuple[Kind, ...] = (
    Kind("key", _PRIVATE_KEY, needs=("PRIVATE KEY",)),
    Kind("key", _pattern(*_TOKENS), needs=_TOKEN_PARTS),
    Kind("key", _NAMED_KEY, _is_key, group=1, needs=_NAMES_OF_KEYS),
    Kind("email", _pattern(_MAIL, before="._%+-"), _is_mail, needs=("@",)),
    Kind("iban", _pattern(_IBAN), check_digits.iban, needs=re.compile(r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}")),
    Kind("national_id", _pattern("[1-8][0-9]{16}[0-9Xx]"), check_digits.resident_id, needs=_DIGITS),
    Kind(
        "national_id",
        _number("[0-9]{3}-[0-9]{2}-[0-9]{4}"),
        check_digits.social_security,
        _NUMBERED,
        needs=_DIGITS,
    ),
    Kind(
        "national_id",
        _pattern("(?:[XYZ][0-9]{7}|[0-9]{8})-?[A-HJ-NP-TV-Z]"),
        check_digits.spanish_id,
        _NUMBERED,
        needs=_DIGITS,
    ),
    Kind("national_id", _pattern(_NIR), check_digits.french_id, needs=_DIGITS),
    Kind(
        "national_id",
        _pattern(_NINO),
        _is_nino,
        _NUMBERED,
        needs=re.compile("[A-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]"),
    ),
    Kind("card", _number(*_CARD), _is_card, _NUMBERED, needs=_DIGITS),
    Kind("phone", _number(*_CHINA), not_after=_NUMBERED, needs=_DIGITS),
    Kind("phone", _number(_NORTH_AMERICA), not_after=_NUMBERED, needs=_DIGITS),
    Kind("phone", _number(_ABROAD), _is_abroad, _NUMBERED, needs=_DIGITS),
    Kind("phone", _number(*_EUROPE), not_after=_NUMBERED, needs=_DIGITS),
    Kind(
        "ip",
        _number(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"),
        _is_global,
        _VERSION,
        needs=re.compile(r"[0-9]\.[0-9]+\.[0-9]"),
    ),
    Kind(
        "ip",
        _pattern("[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}", before=":.", after=":"),
        _is_global,
        needs=re.compile(r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:"),
    ),
)
"""The surest first: what one of them takes, no later one takes again."""
NAMES = tuple(dict.fromkeys(kind.name for kind in KINDS))


def find(text: str, names: frozenset[str]) -> list[tuple[int, int, str]]:
    """(start, end, kind) of the personal data of these kinds, in order; of two that overlap the surer one."""
    text = plain(text)
    has: dict[re.Pattern[str] | tuple[str, ...], bool] = {}
    taken: list[tuple[int, int, str]] = []
    for kind in KINDS:
        if kind.needs not in has:
            has[kind.needs] = _has(text, kind.needs)
        if kind.name not in names or not has[kind.needs]:
            continue
        for match in kind.pattern.finditer(text):
            start, end = match.span(kind.group)
            if kind.not_after and kind.not_after.search(text, max(0, start - _BEFORE), start):
                continue
            if any(start < e and s < end for s, e, _ in taken) or not kind.proves(match[kind.group]):
                continue
            taken.append((start, end, kind.name))
    return sorted(taken)


def _has(text: str, needs: re.Pattern[str] | tuple[str, ...]) -> bool:
    if isinstance(needs, tuple):
        return any(map(text.__contains__, needs))
    return needs.search(text) is not None
