"""Texts in windows, whose words are each judged once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from acclimate.batching.word_store import WordStore
from acclimate.errors import UserError
from acclimate.tokenizer.specials import finished
from acclimate.transfer.spans.entity_rows import words_of

PIECES = ["na", "##me", "da", "##te", "##s", ":", "姓", "名", "19"]


@pytest.fixture
def tokenizer() -> Any:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES]
    backend = Tokenizer(models.WordPiece({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return finished(backend, spaced=False, model_max_length=None)


def store(texts: list[str], tokenizer: Any, length: int = 16, **more: Any) -> WordStore:
    return WordStore(texts, [words_of(text, {}, "word") for text in texts], tokenizer, length, **more)


def fetched(store: WordStore) -> Any:
    ids = np.arange(len(store.lengths))
    return store.fetch(ids, ids * 0)


def test_words_are_judged_at_their_first_token(tokenizer: Any) -> None:
    tags = [np.array([[3, 0], [1, 1], [0, 2], [4, 0], [5, 0]])]
    boxes = [np.arange(20).reshape(5, 4)]
    found = fetched(store(["Name 姓名 dates:"], tokenizer, tags=tags, boxes=boxes))
    pieces = tokenizer.convert_ids_to_tokens(found.tokens.tolist())
    assert pieces == ["[CLS]", "na", "##me", "姓", "名", "da", "##te", "##s", ":", "[SEP]"]
    assert found.by_token["words"].tolist() == [-1, 0, -1, 1, 2, 3, -1, -1, 4, -1]
    assert found.by_token["tags"][:, 0].tolist() == [-1, 3, -1, 1, 0, 4, -1, -1, 5, -1]
    assert found.by_token["tags"][:, 1].tolist() == [-1, 0, -1, 1, 2, 0, -1, -1, 0, -1]
    assert found.by_token["boxes"][1:-1].tolist() == boxes[0][[0, 0, 1, 2, 3, 3, 3, 4]].tolist()
    assert found.by_token["boxes"][[0, -1]].tolist() == [[0] * 4, [1000] * 4]
    assert found.by_sequence["begins"].tolist() == found.by_sequence["ends"].tolist() == [True]


@pytest.mark.parametrize("length", [9, 16, 40])
def test_every_word_of_a_long_text_is_judged_once_with_context(tokenizer: Any, length: int) -> None:
    rng = np.random.default_rng(length)
    texts = [" ".join(rng.choice(["name", "dates", "19", "姓名"], size)) for size in (1, 40, 3, 90, 7)] + [
        "",
        "name",
    ]
    made = store(texts, tokenizer, length)
    found = fetched(made)
    words = found.by_token["words"]
    assert sorted(words[words >= 0].tolist()) == list(range(int(made.words[-1])))
    assert made.lengths.max() <= length and made.num_windowed >= 2
    assert made.texts.tolist() == sorted(made.texts.tolist()) and set(made.texts) == set(range(7))
    first = np.append(True, made.texts[1:] != made.texts[:-1])
    assert found.by_sequence["begins"].tolist() == first.tolist()
    assert found.by_sequence["ends"].tolist() == np.append(first[1:], True).tolist()
    one = made.fetch(np.array([2, 0]), np.array([0, 0]))
    several = [found.part(2, 3), found.part(0, 1)]
    assert one.tokens.tolist() == [token for part in several for token in part.tokens.tolist()]
    if length == 16:
        inner = made.lengths[~found.by_sequence["begins"] & ~found.by_sequence["ends"]]
        judged = np.diff(np.append(0, np.cumsum(words >= 0))[found.cu_seqlens])
        assert (inner == 16).all() and judged.max() < 14


def test_tokens_that_straddle_words_are_taken_apart() -> None:
    names = ["<unk>", "<s>", "</s>", "中", "国", "人", "中国", "▁", "▁a", "b"]
    backend = Tokenizer(models.BPE({name: n for n, name in enumerate(names)}, [("中", "国"), ("▁", "a")][:1]))
    backend.pre_tokenizer = pre_tokenizers.Split("|", "removed")
    backend.decoder = decoders.BPEDecoder()
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    assert tokenizer.tokenize("中国人") == ["中国", "人"]
    found = fetched(store(["中国人"], tokenizer))
    assert tokenizer.convert_ids_to_tokens(found.tokens.tolist()) == ["<s>", "中", "国", "人", "</s>"]
    assert found.by_token["words"].tolist() == [-1, 0, 1, 2, -1]
    whole = WordStore(["中国人"], [np.array([[0, 2], [2, 3]])], tokenizer, 16)
    assert fetched(whole).by_token["words"].tolist() == [-1, 0, 1, -1]


def test_words_without_tokens_are_not_judged_and_no_room_is_refused(tokenizer: Any) -> None:
    text = "name \u200b 19"
    found = fetched(WordStore([text], [np.array([[0, 4], [5, 6], [7, 9]])], tokenizer, 16))
    assert found.by_token["words"].tolist() == [-1, 0, -1, 2, -1]
    with pytest.raises(UserError, match="leaves no room"):
        store(["name"], tokenizer, 2)
