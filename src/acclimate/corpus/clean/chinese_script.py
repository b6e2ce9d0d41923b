"""Traditional and simplified Chinese made one."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Literal

from acclimate.corpus.document import Cleaned, Cleaner, Document
from acclimate.errors import UserError
from acclimate.recipe.settings import Component

_CONVERSIONS = {"simplified": "t2s", "traditional": "s2t", "taiwan": "s2tw", "hong_kong": "s2hk"}
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class ChineseScript(Component):
    """Writes Chinese in one script, simplified by default; documents that changed are counted as `chinese_script`.

    Characters with several counterparts are decided by the word they stand in (OpenCC; needs
    `pip install 'acclimate[zh]'`). Words themselves stay: 軟件 becomes 软件 and never 程式. Japanese is left as it
    is.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "chinese_script")
    bare: ClassVar[str | None] = "to"

    to: Literal["simplified", "traditional", "taiwan", "hong_kong"] = "simplified"
    """The script; `taiwan` and `hong_kong` are traditional in the forms that are usual there."""

    def build(self) -> Cleaner:
        """Raises UserError where OpenCC is not installed."""
        from acclimate.corpus.clean.languages import language_of

        convert = _converter(_CONVERSIONS[self.to])

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                text = document.text
                if not text.isascii() and _HAN.search(text) and language_of(text)[0] != "ja":
                    text = convert(text)
                if text == document.text:
                    cleaned.documents.append(document)
                else:
                    cleaned.change(document, text, "chinese_script")
            return cleaned

        return clean

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """What the step's identity hangs on besides its settings: the tables of OpenCC."""
        _converter(_CONVERSIONS[self.to])
        return {"opencc": metadata.version("opencc")}


def _converter(name: str) -> Any:
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise UserError("chinese_script needs OpenCC: pip install 'acclimate[zh]'") from error
    return OpenCC(name).convert
