"""What the tests of this room share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.document import Document, Dropped, Record


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets beside the repository; tests that want it are skipped where it is absent."""
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}")
    return folder


@pytest.fixture
def sorted_out() -> Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]:
    """(what was kept, reasons of what was dropped) of a stream."""

    def split(items: Iterable[Any]) -> tuple[list[Any], Counter[str]]:
        kept: list[Any] = []
        reasons: Counter[str] = Counter()
        for item in items:
            if isinstance(item, Dropped):
                assert item.place and item.detail, item
                reasons[item.reason] += 1
            else:
                kept.append(item)
        return kept, reasons

    return split


@pytest.fixture
def documents() -> Callable[..., list[Document]]:
    """Documents with the given texts."""

    def make(*texts: str) -> list[Document]:
        return [Document("a.txt", f"a.txt:{number}", text, {}) for number, text in enumerate(texts, 1)]

    return make


@pytest.fixture
def texts() -> Callable[[Iterable[Document | Record]], list[str]]:
    def take(items: Iterable[Document | Record]) -> list[str]:
        return [item.text if isinstance(item, Document) else item.fields["text"] for item in items]

    return take
