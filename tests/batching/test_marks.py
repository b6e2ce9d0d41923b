from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from acclimate.batching.marks import MarkingEncoder, sentence_starts, word_starts
from acclimate.batching.sequence_store import WindowStore
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.kernels import text as kernels
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.segmenting import chinese_words
from acclimate.tokenizer.template import boundaries
from acclimate.tokenizer.training import Train

BOTH = ("words", "sentences")
CHINESE = "我们喜欢研究自然语言处理。他说：“今天天气很好！”然后走了……是吗？对。\n第二行。"
ENGLISH = 'He said "Hello there!" Then we unbelievably left. 3.14 is π…  (Why?) Yes'


def sentences(text: str) -> list[str]:
    cuts = [0, *sentence_starts(text), len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


def test_sentences_of_both_scripts() -> None:
    assert sentences(CHINESE) == [
        *("我们喜欢研究自然语言处理。", "他说：“今天天气很好！”", "然后走了……是吗？", "对。\n", "第二行。")
    ]
    assert sentences(ENGLISH) == [
        *('He said "Hello there!" ', "Then we unbelievably left. ", "3.14 is π…  ", "(Why?) ", "Yes")
    ]
    assert sentences("a title\nits text\r\n\n  more . . . and more。。。！") == [
        *("a title\n", "its text\r\n\n  ", "more . ", ". ", ". ", "and more。。。！")
    ]
    assert sentences("v1.2.3 and e.g.this") == ["v1.2.3 and e.g.this"]


def test_long_runs_of_signs_take_no_time() -> None:
    assert sentence_starts("." * 200_000 + "a") == [] and sentence_starts("。" * 200_000 + "a") == [200_000]
    assert len(sentence_starts(". " * 100_000 + "\n" * 100_000)) == 100_000 - 1


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "unigram", "character_bpe"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> PreTrainedTokenizerFast:
    texts = [CHINESE, ENGLISH] * 20 + list("abcdefghijklmnopqrstuvwxyz")
    folder = tmp_path_factory.mktemp("tokenizer")
    return Train(algorithm=request.param, vocab_size=600, least=0).build(texts=iter([texts]), folder=folder)


def marked_words(tokenizer: PreTrainedTokenizerFast, text: str, mark: int) -> list[str]:
    """The text that each marked stretch of tokens covers, white space left out."""
    encoder = MarkingEncoder(tokenizer, BOTH, chinese_words())
    tokens, _, spans = encoder.encode_spans([text])
    found, _, marks = encoder.encode_marked([text])
    assert np.array_equal(found, tokens) and np.array_equal(
        found, Encoder(tokenizer, literal=True).encode([text])[0]
    )
    starts = np.append(np.flatnonzero(marks & mark), len(tokens))
    return ["".join(text[spans[a, 0] : spans[b - 1, 1]].split()) for a, b in pairwise(starts)]


def test_stretches_between_marks_are_words_and_sentences(trained: PreTrainedTokenizerFast) -> None:
    text = "whoever we go: quux-zap, left  ok"
    assert marked_words(trained, text, 1) == [
        "whoever",
        "we",
        "go",
        ":",
        "quux",
        "-",
        "zap",
        ",",
        "left",
        "ok",
    ]
    assert marked_words(trained, "We left. They  did", 2) == ["Weleft.", "Theydid"]
    if max(map(len, trained.tokenize("我们喜欢研究"))) == 1:  # else tokens run over words
        assert marked_words(trained, "我们喜欢研究！吗？", 1) == ["我们", "喜欢", "研究", "！", "吗", "？"]
        assert marked_words(trained, "我们喜欢！对吗？今天 ok", 2) == ["我们喜欢！", "对吗？", "今天ok"]


def test_bytes_of_one_character_are_one_word() -> None:
    spans = np.array([[0, 1], [0, 1], [1, 2], [1, 2], [1, 2], [2, 3], [4, 5]])
    words = np.array([[0, 1], [4, 6]])  # the second and third characters are signs
    assert word_starts(spans, words).tolist() == [True, False, True, False, False, True, True]
    assert word_starts(spans[:0], words[:0]).tolist() == []
    assert word_starts(spans, words[:0]).tolist() == [True, False, True, False, False, True, True]


def test_real_text_is_marked_as_its_characters_say(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, real_texts: list[str]
) -> None:
    """Against a plain loop over the tokens."""
    texts = [*real_texts[:200], "", *real_texts[1500:1700]]
    encoder = MarkingEncoder(tokenizer, BOTH, None)
    tokens, lengths, marks = encoder.encode_marked(texts)
    at = 0
    for text, length in zip(texts, lengths.tolist(), strict=True):
        _, _, spans = encoder.encode_spans([text])
        starts = set(sentence_starts(text))
        for place, (start, end) in enumerate(spans.tolist()):
            goes_on = place > 0 and start > 0 and text[start - 1].isascii() and text[start].isascii()
            goes_on = goes_on and text[start - 1].isalnum() and text[start].isalnum()
            if text[start].isascii():
                assert bool(marks[at + place] & 1) == (not goes_on), (text, start)
            assert bool(marks[at + place] & 2) == (place == 0 or bool(starts & set(range(start, end))))
        at += length
    assert at == len(tokens) == len(marks)


@pytest.fixture
def store(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> TokenStore:
    texts = ["cats running. a dog sat, and ran.", "", "我们喜欢猫。狗", "the cat sat on the mats by dogs"]
    counts = build_token_store(iter([texts]), tokenizer, tmp_path, marks=BOTH)
    assert counts["marks"] == ["sentences", "words"]
    return TokenStore(tmp_path)


@pytest.mark.parametrize("kernel", [True, False])
def test_windows_hand_marks_out(
    store: TokenStore, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch, kernel: bool
) -> None:
    if not kernel:
        monkeypatch.setattr(kernels, "available", lambda: False)
    windows = WindowStore(store, 8, *boundaries(tokenizer))
    ids = np.array([2, 0, 1, 3])
    row = windows.fetch(ids, np.zeros_like(ids))
    names = tokenizer.convert_ids_to_tokens(row.tokens.tolist())
    words, told = row.by_token["words"], row.by_token["sentences"]
    assert words.dtype == np.uint8 and len(words) == len(names) == len(told)
    for place, name in enumerate(names):
        first = place - 1 in row.cu_seqlens
        special = name in ("[CLS]", "[SEP]")
        assert words[place] == (special or first or not name.startswith("##")), (place, name)
        assert told[place] == (not special and (first or name == "狗" or names[place - 1] == ".")), (
            place,
            name,
        )


def test_a_store_without_marks_tells_none(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    build_token_store(iter([["a cat", "a dog"]]), tokenizer, tmp_path)
    assert not (tmp_path / "marks.bin").exists()
    row = WindowStore(TokenStore(tmp_path), 8, *boundaries(tokenizer)).fetch(np.array([0]), np.array([0]))
    assert row.by_token == {}


def test_only_the_marks_asked_for_are_told(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    build_token_store(iter([["a cat. dogs"]]), tokenizer, tmp_path, marks=["sentences"])
    row = WindowStore(TokenStore(tmp_path), 9, *boundaries(tokenizer)).fetch(np.array([0]), np.array([0]))
    assert list(row.by_token) == ["sentences"]
    assert row.by_token["sentences"].tolist() == [0, 1, 0, 0, 1, 0, 0]


def test_drawn_tokens_are_not_marked(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    encode = Encoder(tokenizer, literal=True).encode
    with pytest.raises(ValueError, match="cannot be marked"):
        build_token_store(iter([["a"]]), tokenizer, tmp_path, encode=encode, marks=["words"])
