from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from acclimate.corpus import pool as pool_module
from acclimate.corpus.cuts import Cuts
from acclimate.corpus.document import Document, text_digest
from acclimate.corpus.pool import Pool, PooledDrop
from acclimate.corpus.sieve import Sieve
from acclimate.corpus.split import split_hash

TEXTS = [f"Text {n} " + "文" * (n % 50) for n in range(700)] + ["", "🎉"]


class Lengths:
    name, width = "lengths", 2

    def describe(self, texts: Sequence[str]) -> NDArray[np.uint64]:
        return np.array([[len(text), 7] for text in texts], np.uint64).reshape(-1, 2)


@pytest.fixture(params=[3, 1024])
def filled(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.setattr(pool_module, "ROWS", request.param)
    pool = Pool(tmp_path, [Lengths()], on_drop=DROPS.extend)  # type: ignore[list-item]
    DROPS.clear()
    sieve = Sieve([], [Lengths()])  # type: ignore[list-item]
    for start in range(0, len(TEXTS), 90):
        rows = range(start, min(start + 90, len(TEXTS)))
        sifted = sieve([Document(f"s{n % 3}", f"/x/s{n % 3}:{n}", TEXTS[n], {}) for n in rows], "s")
        # A slice, for columns with an offset.
        keep = pa.array([True] * sifted.documents.num_rows)
        pool.add(start // 300, sifted.documents.filter(keep).slice(0), sifted.features)
    yield pool.seal()
    pool.close()


DROPS: list[PooledDrop] = []


def test_documents_come_back_in_order(filled: Pool) -> None:
    found = [one for batch in filled.batches() for one in batch]
    assert [one.text for one in found] == TEXTS and [one.number for one in found] == list(range(len(TEXTS)))
    assert [one.place for one in found] == [f"/x/s{n % 3}:{n}" for n in range(len(TEXTS))]
    assert found[5].source == "s2" and [one.source_number for one in found] == filled.source_numbers.tolist()
    assert filled.characters.tolist() == [len(text) for text in TEXTS]
    assert (
        filled.texts([700, 3, 3, 701]) == ["", TEXTS[3], TEXTS[3], "🎉"] and filled.document(44) == found[44]
    )
    assert filled.feature("lengths", 0).tolist() == [len(text) for text in TEXTS]
    assert set(filled.feature("lengths", 1).tolist()) == {7}
    assert filled.keys.tolist() == [int.from_bytes(split_hash(text)[:8], "big") for text in TEXTS]


def test_what_is_dropped_is_gone_and_booked(filled: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_PENDING", 4)
    for number in range(0, 100, 10):
        filled.drop(number, "tens", f"number {number}")
    with pytest.raises(ValueError, match="document 20 was dropped before"):
        filled.drop(20, "tens", "again")
    assert len(DROPS) == 8
    filled.book()
    assert [one.document.number for one in DROPS] == list(range(0, 100, 10))
    assert DROPS[2].id == text_digest(TEXTS[20]) == DROPS[2].read_id and DROPS[2].detail == "number 20"
    assert DROPS[2].document.place == "/x/s2:20" and DROPS[2].document.source == "s2"
    left = [number for number in range(len(TEXTS)) if number >= 100 or number % 10]
    assert [one.number for batch in filled.batches() for one in batch] == left
    assert [n for numbers, _ in filled.kept() for n in numbers.tolist()] == left


def test_what_is_cut_out_is_gone_wherever_it_is_read(filled: Pool) -> None:
    filled.cut(30, [(0, 5), (3, 6)])
    filled.cut(10, [(2, 4)])
    filled.cut(10, [(0, 1)])
    expected = list(TEXTS)
    expected[30], expected[10] = TEXTS[30][6:], (TEXTS[10][:2] + TEXTS[10][4:])[1:]
    assert [one.text for batch in filled.batches() for one in batch] == expected
    assert filled.texts([10, 30]) == [expected[10], expected[30]]
    assert filled.characters.tolist() == [len(text) for text in expected]
    kept = pa.Table.from_batches([batch for _, batch in filled.kept()])
    assert kept["text"].to_pylist() == expected
    assert kept["id"].to_pylist() == [text_digest(text) for text in expected] and filled.was_cut
    with pytest.raises(ValueError, match="document 10 has"):
        filled.cut(10, [(0, 10_000)])


def test_cuts_are_as_cutting_by_hand() -> None:
    source = random.Random(1)
    cuts = Cuts()
    texts = {number: "".join(source.choices("abcdefgh文", k=50)) for number in range(40)}
    now = dict(texts)
    for _ in range(200):
        number = source.randrange(40)
        size = len(now[number])
        spans = [tuple(sorted((source.randint(0, size), source.randint(0, size)))) for _ in range(2)]
        gone = {at for start, end in spans for at in range(start, end)}
        now[number] = "".join(char for at, char in enumerate(now[number]) if at not in gone)
        assert cuts.add(number, spans) == len(gone)  # type: ignore[arg-type]
    assert {number: cuts.apply(number, text) for number, text in texts.items()} == now
    assert cuts.any(np.array([3])) and not cuts.any(np.array([40, 41])) and not Cuts().any(np.array([0]))
