from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from acclimate.corpus.clean.length import LengthFilter
from acclimate.corpus.document import Document


def test_bounds_are_in_characters_and_inclusive(documents: Callable[..., list[Document]]) -> None:
    clean = LengthFilter(min_characters=3, max_characters=5).build()
    cleaned = clean(documents("中文", "中文字", "abcde", "abcdef", "𠀀𠀀𠀀𠀀𠀀"))
    assert [one.text for one in cleaned.documents] == ["中文字", "abcde", "𠀀𠀀𠀀𠀀𠀀"]
    assert [(one.reason, one.detail) for one in cleaned.dropped] == [
        ("too_short", "2 characters, fewer than 3"),
        ("too_long", "6 characters, more than 5"),
    ]


def test_no_upper_bound_by_default(documents: Callable[..., list[Document]]) -> None:
    assert len(LengthFilter().build()(documents("x" * 100_000)).documents) == 1


def test_bounds_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="max_characters 5 is below min_characters 10"):
        LengthFilter(max_characters=5)
