from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest

from acclimate.corpus.document import Cleaned, Document, Dropped
from acclimate.corpus.parallel.messages import items_in, items_out, receive, send, sifted_in, sifted_out
from acclimate.corpus.sieve import Sieve

ITEMS = [
    Document("a.txt", "/data/a.txt:1", "Ein Satz, 中文, \u200b und 🎉", {"label": "1", "": "ü"}),
    Dropped("malformed_json", "/data/a.txt:2", "expected ',' at “x”"),
    Document("b.txt", "/data/b.txt:1", "x", {}),
]


def test_what_a_reader_gave_comes_back() -> None:
    for items in (ITEMS, [], ITEMS[1:2]):
        file = io.BytesIO()
        send(file, items_out(items, "a"))
        file.seek(0)
        message = receive(file)
        assert message is not None and items_in(message) == (items, "a")
        assert receive(file) is None


class Doubled:
    name, width = "doubled", 2

    def describe(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(text), 2**63] for text in texts], np.uint64).reshape(-1, 2)


def test_what_came_of_a_batch_comes_back() -> None:
    def shorter(documents: list[Document]) -> Cleaned:
        return Cleaned(
            documents[:1], [Dropped("short", one.place, "d") for one in documents[1:]], Counter(a=1)
        )

    sifted = Sieve([shorter], [Doubled()])(ITEMS, "a")  # type: ignore[list-item]
    file = io.BytesIO()
    send(file, sifted_out(sifted))
    file.seek(0)
    message = receive(file)
    assert message is not None
    back = sifted_in(message)
    assert back.read == 3 and back.changed == Counter(a=1)
    assert back.documents.equals(sifted.documents) and back.dropped.equals(sifted.dropped)
    assert back.documents["text"].to_pylist() == [ITEMS[0].text]
    assert [one["reason"] for one in back.dropped.to_pylist()] == ["malformed_json", "short"]
    assert back.features["doubled"].tolist() == [[len(ITEMS[0].text), 2**63]]


def test_half_a_message_is_noticed() -> None:
    file = io.BytesIO()
    send(file, items_out(ITEMS, "a"))
    with pytest.raises(EOFError):
        receive(io.BytesIO(file.getvalue()[:-10]))
