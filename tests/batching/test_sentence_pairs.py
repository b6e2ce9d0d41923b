from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from acclimate.batching.packed import Sequences
from acclimate.batching.sentence_pairs import ORDER, Order, SentencePairStore, Strangers
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.tokenizer.template import template

ALL: tuple[Order, ...] = ("next", "previous", "other")


class Written:
    """A token store of which every token tells its document and place: sentences of random lengths."""

    def __init__(self, documents: int, sentences: int, seed: int = 0, longest: int = 12) -> None:
        random = np.random.default_rng(seed)
        sizes = random.integers(2, longest, (documents, sentences))
        self.num_documents, self.num_bytes = documents, 7
        self.offsets = np.concatenate([[0], np.cumsum(sizes.sum(axis=1))])
        self.num_tokens = int(self.offsets[-1])
        self.tokens = np.arange(self.num_tokens) + 10
        self._sentences = np.concatenate([[0], np.cumsum(sizes.ravel())])[:-1]
        self.mark_names = ["sentences"]

    def sentence_starts(self) -> NDArray[np.int64]:
        return self._sentences

    def marks_at(self, places: NDArray[np.int64]) -> dict[str, NDArray[np.uint8]]:
        return {"sentences": np.isin(places, self._sentences).astype(np.uint8)}


@pytest.fixture
def parts(tokenizer: PreTrainedTokenizerFast) -> Any:
    return template(tokenizer).pair


def taken(store: SentencePairStore, epoch: int = 0) -> Sequences:
    ids = np.arange(len(store.lengths))
    return store.fetch(ids, np.full(len(ids), epoch))


def texts(row: Sequences) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The two texts of each pair, which stand between [CLS] (2) and [SEP] (3)."""
    found = []
    for start, end in zip(row.cu_seqlens[:-1], row.cu_seqlens[1:], strict=True):
        tokens, segments = row.tokens[start:end], row.segments[start:end]
        assert tokens[0] == 2 and tokens[-1] == 3 and (tokens == 3).sum() == 2
        middle = int(np.flatnonzero(tokens == 3)[0])
        assert not segments[: middle + 1].any() and segments[middle + 1 :].all()
        found.append((tokens[1:middle] - 10, tokens[middle + 1 : -1] - 10))
    return found


@pytest.mark.parametrize("orders", [ALL, ALL[:2], ("next", "other")])
def test_pairs_stand_in_the_order_that_they_tell(orders: tuple[Order, ...], parts: Any) -> None:
    written: Any = Written(80, 30)
    store = SentencePairStore(written, 64, parts, orders, seed=3)
    starts = set(written.sentence_starts().tolist())
    seen = set()
    for epoch in range(3):
        row = taken(store, epoch)
        assert np.array_equal(row.lengths, store.lengths) and row.lengths.max() <= 64
        for number, (first, second) in enumerate(texts(row)):
            for text in (first, second):
                assert (np.diff(text) == 1).all() and len(text)
            documents = np.searchsorted(written.offsets, [first[0], second[0]], side="right") - 1
            order = orders[row.by_sequence[ORDER][number]]
            seen.add(order)
            if order == "other":
                assert documents[0] != documents[1] and int(second[0]) in starts
            elif order == "next":
                assert (
                    second[0] == first[-1] + 1 and documents[0] == documents[1] and int(second[0]) in starts
                )
            else:  # the earlier text stands second, and may be followed by what was cut off the later one
                assert first[0] == second[-1] + 1 and documents[0] == documents[1] and int(first[0]) in starts
    assert seen == set(orders)


def test_orders_are_equally_likely_and_drawn_anew_every_epoch(parts: Any) -> None:
    written: Any = Written(3000, 60)
    for orders in (("next", "other"), ALL):
        store = SentencePairStore(written, 48, parts, orders, seed=5)
        assert len(store.lengths) > 20_000
        drawn = np.stack([taken(store, epoch).by_sequence[ORDER] for epoch in range(8)])
        shares = np.bincount(drawn.ravel()) / drawn.size
        assert drawn.size > 150_000 and np.abs(shares - 1 / len(orders)).max() < 0.005
        assert abs((drawn[0] == drawn[1]).mean() - 1 / len(orders)) < 0.01
        again = taken(store, 3)
        assert np.array_equal(again.by_sequence[ORDER], drawn[3])
        assert np.array_equal(again.tokens, taken(store, 3).tokens)


def test_nothing_but_their_meaning_tells_strangers(parts: Any) -> None:
    """Lengths and places of second texts are spread alike over both classes; nothing is lost where there are many."""
    written: Any = Written(2000, 40, seed=4)
    store = SentencePairStore(written, 64, parts, ("next", "other"), seed=5)
    lengths: dict[int, list[int]] = {0: [], 1: []}
    at_end: dict[int, list[bool]] = {0: [], 1: []}
    ends = set((written.offsets[1:] - 1).tolist())
    for epoch in range(2):
        row = taken(store, epoch)
        for order, (_, second) in zip(row.by_sequence[ORDER].tolist(), texts(row), strict=True):
            lengths[order].append(len(second))
            at_end[order].append(int(second[-1]) in ends)
    assert abs(np.mean(lengths[0]) - np.mean(lengths[1])) < 0.5
    assert abs(np.mean(at_end[0]) - np.mean(at_end[1])) < 0.01 and np.mean(at_end[0]) > 0.05
    assert store.lengths.sum() - 3 * len(store.lengths) > 0.995 * written.num_tokens


def test_every_pair_of_another_document_is_as_likely() -> None:
    sizes, documents = np.full(12, 5), np.repeat([0, 1, 2], [6, 4, 2])
    strangers = Strangers.of(sizes, np.zeros(12, bool), documents)
    random = np.random.default_rng(0)
    for number in range(12):
        ids = np.full(4000, number)
        counts = np.bincount(
            strangers.draw(ids, random.integers(0, 2**64, 4000, dtype=np.uint64)), minlength=12
        )
        others = documents != documents[number]
        assert not counts[~others].any()
        assert np.abs(counts[others] / 4000 - 1 / others.sum()).max() < 0.04


def test_few_texts_are_cut_little() -> None:
    sizes = np.array([40, 38, 20, 19, 5, 4, 40, 17])
    documents = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    kept = Strangers.of(sizes, np.zeros(8, bool), documents).kept
    assert kept.tolist() == [38, 38, 17, 17, 4, 4, 38, 17]
    alone = Strangers.of(np.array([40, 20, 10]), np.zeros(3, bool), np.array([0, 0, 1]))
    assert alone.kept.tolist() == [10, 10, 10]
    mixed = Strangers.of(np.full(8, 9), np.arange(8) % 2 > 0, np.arange(8) // 4)
    drawn = mixed.draw(
        np.repeat(np.arange(8), 50), np.random.default_rng(0).integers(0, 2**64, 400, dtype=np.uint64)
    )
    assert np.array_equal(
        drawn % 2, np.repeat(np.arange(8), 50) % 2
    )  # those inside a sentence among themselves


def test_a_store_of_one_document_has_no_strangers(parts: Any) -> None:
    one: Any = Written(1, 30)
    assert not len(SentencePairStore(one, 32, parts, ("next", "other"), seed=1).lengths)
    assert len(SentencePairStore(one, 32, parts, ("next", "previous"), seed=1).lengths)


def test_real_text(tmp_path: Path, tokenizer: PreTrainedTokenizerFast, parts: Any) -> None:
    documents = [
        "the cat sat. a dog ran. the dogs sat on the mats",
        "我们喜欢猫。我喜欢狗。",
        "a",
        "",
        "cats ran on mats",
    ]
    build_token_store(iter([documents]), tokenizer, tmp_path, marks=("words", "sentences"))
    store = SentencePairStore(TokenStore(tmp_path), 24, parts, ("next", "previous"), seed=2)
    assert store.document_of(np.arange(3)).tolist() == [0, 1, 4]
    row = taken(store)
    for number, (start, end) in enumerate(zip(row.cu_seqlens[:-1], row.cu_seqlens[1:], strict=True)):
        names = tokenizer.convert_ids_to_tokens(row.tokens[start:end].tolist())
        words = row.by_token["words"][start:end].tolist()
        assert words == [
            int(not name.startswith("##") or names[place - 1] == "[SEP]") for place, name in enumerate(names)
        ]
        told = row.by_token["sentences"][start:end]
        assert told[1] and told[names.index("[SEP]") + 1] and not told[0] and not told[-1]
        if number == 2:  # a single sentence is cut in its middle
            assert names.index("[SEP]") in (3, 4)


def test_a_stranger_ends_where_its_own_window_does(parts: Any) -> None:
    """Few pairs have second texts of one length here, so that many are cut."""
    written: Any = Written(12, 6, seed=2)
    store = SentencePairStore(written, 200, parts, ("next", "other"), seed=5)  # a document is a window
    cut = 0
    for epoch in range(6):
        for first, second in texts(taken(store, epoch)):
            owner = np.searchsorted(written.offsets, [first[0], second[0], second[-1]], side="right") - 1
            assert owner[1] == owner[2]
            cut += owner[0] == owner[1] and int(second[-1]) + 1 not in written.offsets
    assert cut > 6
