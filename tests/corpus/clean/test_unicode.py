from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.corpus.clean.unicode import Unicode, normalised
from acclimate.corpus.document import Document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("e\u0301te\u0301", "été"),
        ("  a\r\nb\rc\x85d\u2028e\u2029f\x0c ", "a\nb\nc\nd\ne\nf"),
        ("a\x00b\x07c\x1b[0m\x7f", "abc[0m"),
        (
            "zero\u200bwidth \ufeffmark\u2060 soft\xadhyphen \u202eright\u202c",
            "zerowidth mark softhyphen right",
        ),
        ("می‌خواهم 👨‍👩‍👧", "می‌خواهم 👨‍👩‍👧"),  # joiners spell
        ("\u3000中文，全角ＡＢＣ\u3000", "中文，全角ＡＢＣ"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\u200b \ufeff\n", ""),
    ],
)
def test_nfc(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_nfkc_makes_compatible_characters_plain() -> None:
    assert normalised("全角ＡＢＣ１ ﬁ ①", "NFKC") == "全角ABC1 fi 1"
    assert normalised("全角ＡＢＣ１ ﬁ ①", "NFC") == "全角ＡＢＣ１ ﬁ ①"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_clean_text_stays_as_it_is(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(char) == "Cc" and char not in "\t\n" for char in once)


def test_what_is_left_empty_is_dropped(documents: Callable[..., list[Document]]) -> None:
    cleaned = Unicode().build()(documents("x", "\u200b", " y ", ""))
    assert [one.text for one in cleaned.documents] == ["x", "y"]
    assert [(one.reason, one.place) for one in cleaned.dropped] == [
        ("empty", "a.txt:2"),
        ("empty", "a.txt:4"),
    ]
    assert cleaned.changed == {"unicode": 1}
