from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from acclimate.batching.sequence_store import ExampleStore, WindowStore, longest_first
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.errors import UserError

EPOCHS = np.zeros(10_000, np.int64)


def rows(store: WindowStore | ExampleStore, ids: list[int]) -> list[list[int]]:
    found = store.fetch(np.array(ids, np.int64), EPOCHS[: len(ids)])
    return [part.tolist() for part in np.split(found.tokens, found.cu_seqlens[1:-1])] if ids else []


@pytest.fixture
def store(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> TokenStore:
    texts = ["", "the cat " * 7, "我们喜欢猫", "", "a dog ran by " * 20, "cat", ""]
    build_token_store(iter([texts]), tokenizer, tmp_path)
    return TokenStore(tmp_path)


@pytest.mark.parametrize("length", [3, 4, 7, 10, 12, 500])
def test_windows_hold_every_token_once_in_order(store: TokenStore, length: int) -> None:
    windows = WindowStore(store, length, cls_id=2, sep_id=3)
    everything = rows(windows, list(range(len(windows.lengths))))
    assert [len(row) for row in everything] == windows.lengths.tolist()
    assert max(windows.lengths) <= length and min(windows.lengths) >= 3
    assert all(row[0] == 2 and row[-1] == 3 for row in everything)
    assert [token for row in everything for token in row[1:-1]] == store.tokens.tolist()
    owners = windows.document_of(np.arange(len(everything)))
    for document in range(store.num_documents):
        own = [row[1:-1] for row, owner in zip(everything, owners, strict=True) if owner == document]
        assert list(chain.from_iterable(own)) == store.document(document).tolist()
        assert len(own) == -(-len(store.document(document)) // (length - 2))
        assert not own or max(map(len, own)) - min(map(len, own)) <= 1
    assert windows.num_bytes == store.num_bytes


def test_windows_in_any_order_and_repeated(store: TokenStore) -> None:
    windows = WindowStore(store, 9, cls_id=2, sep_id=3)
    everything = rows(windows, list(range(len(windows.lengths))))
    ids = np.random.default_rng(0).integers(0, len(everything), 200)
    found = windows.fetch(ids, EPOCHS[:200] + 4)
    assert rows(windows, ids.tolist()) == [everything[number] for number in ids]
    assert np.array_equal(found.ids, ids) and set(found.epochs) == {4}
    assert not found.segments.any() and np.array_equal(found.lengths, windows.lengths[ids])
    assert len(windows.fetch(ids[:0], ids[:0])) == 0


def test_windows_of_nothing_and_of_no_room(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    build_token_store(iter([["", ""]]), tokenizer, tmp_path)
    windows = WindowStore(TokenStore(tmp_path), 10, cls_id=2, sep_id=3)
    assert len(windows.lengths) == 0
    with pytest.raises(UserError, match="sequence_length 2"):
        WindowStore(TokenStore(tmp_path), 2, cls_id=2, sep_id=3)


SINGLE = ["the cat sat", "", "我们喜欢猫和狗和猫", "a dog ran by the mat and sat on a cat", "the [MASK] ran"]
PAIRS = ["on the mat", "a dog", "the cat and the dog ran by", "", "猫 [SEP] 狗"]


@pytest.mark.parametrize("length", [5, 6, 7, 8, 9, 12, 64])
@pytest.mark.parametrize("paired", [False, True])
def test_examples_equal_a_call_of_the_tokenizer(
    tokenizer: PreTrainedTokenizerFast, length: int, paired: bool
) -> None:
    examples = ExampleStore.from_texts(SINGLE, PAIRS if paired else None, tokenizer, length)
    found = examples.fetch(np.arange(5)[::-1].copy(), EPOCHS[:5])
    texts = [SINGLE, PAIRS] if paired else [SINGLE]
    full = tokenizer(*texts)["input_ids"]
    cut = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), pad_token="[PAD]"
    )(*texts, truncation="longest_first", max_length=length, return_token_type_ids=True)
    assert [p.tolist() for p in np.split(found.tokens, found.cu_seqlens[1:-1])] == cut["input_ids"][::-1]
    assert [p.tolist() for p in np.split(found.segments, found.cu_seqlens[1:-1])] == cut["token_type_ids"][
        ::-1
    ]
    assert examples.num_truncated == sum(len(row) > length for row in full)
    assert np.array_equal(examples.lengths, [len(row) for row in cut["input_ids"]])


def test_longest_first_is_what_taking_one_by_one_leaves() -> None:
    for room in (2, 3, 8, 9):
        for first in range(14):
            for second in range(14):
                a, b = first, second
                while a + b > room:
                    if a > b or (a == b and (first <= second)):
                        a -= 1
                    else:
                        b -= 1
                kept = longest_first(np.array([first]), np.array([second]), room)
                assert (kept[0][0], kept[1][0]) == (a, b), (first, second, room)


def plain(post: object = None, **names: str) -> PreTrainedTokenizerFast:
    backend = Tokenizer(
        models.WordLevel({"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3, "b": 4}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if post is not None:
        backend.post_processor = post
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", **names)


def test_other_special_tokens() -> None:
    roberta = plain(processors.RobertaProcessing(("</s>", 1), ("<s>", 0)), cls_token="<s>", sep_token="</s>")
    assert rows(ExampleStore.from_texts(["a b"], ["b a"], roberta, 9), [0]) == [[0, 3, 4, 1, 1, 4, 3, 1]]
    gpt = plain(bos_token="<s>", eos_token="</s>")
    pair = ExampleStore.from_texts(["a b"], ["b a"], gpt, 9)
    assert rows(pair, [0]) == [[0, 3, 4, 1, 4, 3, 1]]
    # A plain call gives no token types, so none may be trained with.
    assert "token_type_ids" not in gpt("a b", "b a")
    assert pair.fetch(np.array([0]), EPOCHS[:1]).segments.tolist() == [0] * 7
    gpt.model_input_names = ["input_ids", "token_type_ids"]
    told = ExampleStore.from_texts(["a b"], ["b a"], gpt, 9)
    assert told.fetch(np.array([0]), EPOCHS[:1]).segments.tolist() == [0, 0, 0, 0, 1, 1, 1]
    with pytest.raises(UserError, match="neither cls_token and sep_token nor bos_token"):
        ExampleStore.from_texts(["a b"], None, plain(), 9)


def test_a_length_without_room_says_what_is_needed(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match="at least 5 is needed"):
        ExampleStore.from_texts(SINGLE, PAIRS, tokenizer, 4)
    with pytest.raises(UserError, match="at least 3 is needed"):
        ExampleStore.from_texts(SINGLE, None, tokenizer, 2)


def test_no_examples(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(ExampleStore.from_texts([], None, tokenizer, 9).lengths) == 0
    assert len(ExampleStore.from_texts([], [], tokenizer, 9).lengths) == 0
