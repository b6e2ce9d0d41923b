from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from acclimate.corpus.document import Cleaned, Document, Dropped, text_digest
from acclimate.corpus.sieve import Sieve
from acclimate.corpus.split import split_hash


def upper(documents: list[Document]) -> Cleaned:
    cleaned = Cleaned()
    for one in documents:
        if one.text.islower():
            cleaned.change(one, one.text.upper(), "upper")
        else:
            cleaned.documents.append(one)
    return cleaned


def no_x(documents: list[Document]) -> Cleaned:
    return Cleaned(
        [one for one in documents if "X" not in one.text],
        [Dropped("x", one.place, "an X") for one in documents if "X" in one.text],
    )


class Sizes:
    name, width = "sizes", 1

    def describe(self, texts: Sequence[str]) -> NDArray[np.uint64]:
        return np.array([[len(text)] for text in texts], np.uint64).reshape(-1, 1)


ITEMS = [
    Document("a.txt", "/a.txt:1", "one x", {}),
    Dropped("empty", "/a.txt:2", "a blank line"),
    Document("a.txt", "/a.txt:3", "two", {}),
    Document("a.txt", "/a.txt:4", "Three", {}),
    Dropped("nul_bytes", "/a.txt:5", "2 NUL bytes"),
    Document("b.txt", "/b.txt:1", "X", {}),
]


def test_everything_that_was_read_comes_out_once_with_its_digests() -> None:
    sifted = Sieve([upper, no_x], [Sizes()])(ITEMS, "source")  # type: ignore[list-item]
    assert sifted.read == 6 == sifted.documents.num_rows + sifted.dropped.num_rows
    kept = sifted.documents.to_pylist()
    assert [(one["row"], one["place"], one["text"]) for one in kept] == [
        (2, "/a.txt:3", "TWO"),
        (3, "/a.txt:4", "Three"),
    ]
    assert kept[0]["id"] == text_digest("TWO") and kept[0]["read_id"] == text_digest("two")
    assert kept[1]["id"] == kept[1]["read_id"] and kept[1]["key"] == split_hash("three")
    dropped = sifted.dropped.to_pylist()
    assert [(one["row"], one["reason"]) for one in dropped] == [
        (0, "x"),
        (1, "empty"),
        (4, "nul_bytes"),
        (5, "x"),
    ]
    assert dropped[0]["id"] == text_digest("ONE X") and dropped[0]["read_id"] == text_digest("one x")
    assert dropped[1]["id"] is None and dropped[1]["source"] == "source" and dropped[3]["source"] == "b.txt"
    assert sifted.features["sizes"].tolist() == [[3], [5]] and sifted.changed == Counter(upper=2)


def test_documents_with_one_place_are_told_apart() -> None:
    texts = ["one x", "two", "three x", "two"]
    sifted = Sieve([upper, no_x])([Document("a", "/page", text, {}) for text in texts], "a")
    kept, dropped = sifted.documents.to_pylist(), sifted.dropped.to_pylist()
    assert [(one["row"], one["text"], one["place"]) for one in kept] == [
        (1, "TWO", "/page"),
        (3, "TWO", "/page"),
    ]
    assert [(one["row"], one["place"]) for one in dropped] == [(0, "/page"), (2, "/page")]
    assert [one["read_id"] for one in dropped] == [text_digest("one x"), text_digest("three x")]


def test_nothing_comes_of_nothing() -> None:
    sifted = Sieve([upper, no_x], [Sizes()])([], "a")  # type: ignore[list-item]
    assert sifted.read == sifted.documents.num_rows == sifted.dropped.num_rows == 0
    assert sifted.features["sizes"].shape == (0, 1)


def test_a_cleaner_that_loses_one_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"3 in, 1 \+ 1 out"):
        Sieve([lambda some: Cleaned(some[:1], [Dropped("x", some[1].place, "")])])(
            ITEMS[2:4] + ITEMS[:1], "a"
        )
