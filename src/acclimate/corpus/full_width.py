"""Full-width forms of letters, digits and signs, as East Asian text has them beside the plain ones."""

from __future__ import annotations

import re

_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_FULL_WIDTH = re.compile("[\uff01-\uff5e\u3000]")


def plain(text: str) -> str:
    """The text with full-width letters, digits and signs as ASCII; every character keeps its place."""
    return text.translate(_PLAIN) if _FULL_WIDTH.search(text) else text
