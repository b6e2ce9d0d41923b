"""The page at `/`: one file without outside resources, under a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources


@cache
def html() -> str:
    """The page."""
    return resources.files("acclimate.serve").joinpath("page.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """The digests of the page's own blocks of a kind, as a content security policy names them."""
    blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", html(), flags=re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(b.encode()).digest()).decode()}'" for b in blocks
    )


def headers() -> dict[str, str]:
    """Only the page's own script and style run; it talks to this server alone and cannot be framed."""
    policy = (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
