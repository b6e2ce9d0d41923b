"""Pairs as token ids on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acclimate.batching.pair_store import PairStore, build_pair_store
from acclimate.errors import UserError

PAIRS = [("a b", "甲 乙 丙"), ("c", "丁"), ("", "甲"), ("a b c d e f", "乙"), ("d d", "丙 丙 丙 丙")]
WORDS = {word: number for number, word in enumerate(["[UNK]", "[PAD]", *"abcdef甲乙丙丁"])}


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")


@pytest.fixture
def folder(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    lengths, kept = build_pair_store(
        lambda side: iter([[pair[side] for pair in PAIRS[:2]], [pair[side] for pair in PAIRS[2:]]]),
        tokenizer,
        tmp_path,
        lambda source, target: (source > 0) & (source + target <= 6),
    )
    assert lengths.tolist() == [[2, 3], [1, 1], [0, 1], [6, 1], [2, 4]]
    assert kept.tolist() == [0, 1, 4]
    return tmp_path


def test_a_pair_is_one_sequence_of_two_segments(folder: Path) -> None:
    store = PairStore(folder, ((50,), (51, 52)), ((), (53,)))
    assert store.lengths.tolist() == [9, 6, 10]
    sequences = store.fetch(np.array([2, 0, 2]), np.array([5, 6, 7]))
    of = WORDS.get
    third = [50, of("d"), of("d"), 51, 52, *[of("丙")] * 4, 53]
    first = [50, of("a"), of("b"), 51, 52, of("甲"), of("乙"), of("丙"), 53]
    assert sequences.tokens.tolist() == [*third, *first, *third]
    assert sequences.cu_seqlens.tolist() == [0, 10, 19, 29]
    assert sequences.segments.tolist() == [0] * 5 + [1] * 5 + [0] * 5 + [1] * 4 + [0] * 5 + [1] * 5
    assert sequences.ids.tolist() == [2, 0, 2] and sequences.epochs.tolist() == [5, 6, 7]
    assert store.document_of(np.array([2, 0])).tolist() == [2, 0]


@pytest.mark.parametrize(("judged", "tokens", "size"), [((0, 1), 13, 7 + 8 * 3 + 5), ((1,), 8, 8 * 3 + 5)])
def test_text_is_counted_of_the_judged_sides_of_kept_pairs(
    folder: Path, judged: tuple[int, ...], tokens: int, size: int
) -> None:
    store = PairStore(folder, ((), ()), ((), ()), judged=judged)
    assert (store.num_tokens, store.num_bytes) == (tokens, size)


def test_a_store_may_hold_nothing(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    build_pair_store(lambda side: iter([]), tokenizer, tmp_path, lambda source, target: source > 0)
    store = PairStore(tmp_path, ((1,), ()), ((), ()))
    assert not len(store.lengths) and store.num_bytes == 0


def test_a_folder_without_a_store_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no token store"):
        PairStore(tmp_path / "elsewhere", ((), ()), ((), ()))
    (folder / "kept.bin").unlink()
    with pytest.raises(UserError, match=r"kept\.bin is missing"):
        PairStore(folder, ((), ()), ((), ()))
