from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acclimate.batching import token_store
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.errors import UserError

TEXTS = ["the cat sat on the mat.", "", "我们喜欢猫和狗", "   ", "unknown 词 dogs running", "a dog, a cat"]


def listed(texts: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_documents_are_the_tokenizers_own_ids_in_order(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, size: int
) -> None:
    told: list[float] = []
    counts = build_token_store(
        listed(TEXTS, size), tokenizer, tmp_path, lambda done, total, unit: told.append(done)
    )
    store = TokenStore(tmp_path)
    expected = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert [store.document(number).tolist() for number in range(len(TEXTS))] == expected
    assert store.num_documents == len(TEXTS) and store.num_tokens == sum(map(len, expected))
    assert store.num_bytes == sum(len(text.encode()) for text in TEXTS)
    assert store.byte_lengths.tolist() == [len(text.encode()) for text in TEXTS]
    assert counts == json.loads((tmp_path / "counts.json").read_text())
    assert counts["empty"] == 2
    assert store.tokens.dtype == np.uint16
    assert told[-1] == len(TEXTS)


def test_real_text_in_small_pieces(
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    real_texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_store, "BATCH_CHARACTERS", 5000)
    build_token_store(listed(real_texts, 700), tokenizer, tmp_path)
    store = TokenStore(tmp_path)
    expected = tokenizer(real_texts, add_special_tokens=False)["input_ids"]
    assert np.array_equal(store.tokens, np.concatenate([np.array(ids, np.int64) for ids in expected]))
    assert np.array_equal(np.diff(store.offsets), [len(ids) for ids in expected])


def test_a_tokenizers_own_settings_neither_matter_nor_change(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    long = ["the cat sat " * 50]
    tokenizer(long, truncation=True, max_length=5, padding="max_length")
    try:
        before = tokenizer.backend_tokenizer.to_str()
        build_token_store(iter([long]), tokenizer, tmp_path)
        assert TokenStore(tmp_path).num_tokens == 150
        assert tokenizer.backend_tokenizer.to_str() == before
        assert '"max_length":5' in before.replace(" ", "").replace("\n", "")
    finally:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()


def test_text_that_spells_a_special_token_is_text(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    build_token_store(iter([["the [MASK] sat [SEP]"]]), tokenizer, tmp_path)
    ids = TokenStore(tmp_path).document(0).tolist()
    assert not {tokenizer.mask_token_id, tokenizer.sep_token_id, tokenizer.cls_token_id} & set(ids)
    assert tokenizer.convert_ids_to_tokens(ids)[:4] == ["the", "[", "mask", "]"]


def test_large_vocabularies_take_four_bytes(tmp_path: Path) -> None:
    for size, kind in ((65_536, np.uint16), (65_537, np.uint32)):
        vocabulary = {"[UNK]": 0, **{f"w{number}": number for number in range(1, size)}}
        backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        build_token_store(
            iter([[f"w1 w{size - 1} w70000000"]]),
            PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]"),
            tmp_path,
        )
        store = TokenStore(tmp_path)
        assert store.tokens.dtype == kind
        assert store.document(0).tolist() == [1, size - 1, 0]


def test_no_texts_and_only_empty_ones(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    assert build_token_store(iter([]), tokenizer, tmp_path)["documents"] == 0
    assert TokenStore(tmp_path).num_tokens == 0
    build_token_store(iter([["", ""]]), tokenizer, tmp_path)
    assert TokenStore(tmp_path).document(1).tolist() == []


def test_opening_reads_nothing(tmp_path: Path) -> None:
    tokens = 400_000_000  # a sparse file: no disk is used
    (tmp_path / "counts.json").write_text(
        json.dumps({"dtype": "<u2", "documents": 1, "empty": 0, "tokens": tokens, "bytes": 1})
    )
    with (tmp_path / "tokens.bin").open("wb") as file:
        file.truncate(2 * tokens)
    (tmp_path / "offsets.bin").write_bytes(np.array([0, tokens], "<i8").tobytes())
    (tmp_path / "bytes.bin").write_bytes(np.array([1], "<i8").tobytes())
    start = time.perf_counter()
    store = TokenStore(tmp_path)
    assert store.tokens[-1] == 0
    assert time.perf_counter() - start < 0.2


def test_damaged_stores_are_refused_by_name(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match=r"counts\.json is missing"):
        TokenStore(tmp_path)
    build_token_store(iter([TEXTS]), tokenizer, tmp_path)
    whole = (tmp_path / "tokens.bin").read_bytes()
    (tmp_path / "tokens.bin").write_bytes(whole[:-1])
    with pytest.raises(UserError, match=rf"tokens\.bin has {len(whole) - 1} bytes, expected {len(whole)}"):
        TokenStore(tmp_path)
    (tmp_path / "tokens.bin").unlink()
    with pytest.raises(UserError, match=r"tokens\.bin is missing"):
        TokenStore(tmp_path)
    (tmp_path / "counts.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        TokenStore(tmp_path)


def test_another_way_to_encode(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    def lengths_of(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        return np.repeat(sizes, sizes), sizes

    build_token_store(iter([["ab", ""], ["abc"]]), tokenizer, tmp_path, encode=lengths_of)
    store = TokenStore(tmp_path)
    assert [store.document(number).tolist() for number in range(3)] == [[2, 2], [], [3, 3, 3]]
