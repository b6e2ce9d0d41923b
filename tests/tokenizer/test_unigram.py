from __future__ import annotations

import itertools
import json

import pytest
from tokenizers import Tokenizer

from acclimate.progress import silent
from acclimate.tokenizer.unigram import BYTES, SMALLEST, train_unigram


@pytest.fixture(scope="module")
def trained(english: list[str], chinese: list[str]) -> Tokenizer:
    return train_unigram(iter([english[:1200], chinese]), 4000, lowercase=False, tell=silent)


def test_viterbi_equals_brute_force(trained: Tokenizer) -> None:
    scores = dict(json.loads(trained.to_str())["model"]["vocab"])
    words = ["▁the", "▁station", "▁would", "▁played", "中国人民", "▁ships", "▁recorded"]
    for word in words:
        best = float("-inf")
        for cuts in itertools.product([0, 1], repeat=len(word) - 1):
            pieces, start = [], 0
            for place, cut in enumerate(cuts, 1):
                if cut:
                    pieces.append(word[start:place])
                    start = place
            pieces.append(word[start:])
            if all(piece in scores for piece in pieces):
                best = max(best, sum(scores[piece] for piece in pieces))
        found = trained.encode(word.replace("▁", " "), add_special_tokens=False).tokens
        if not word.startswith("▁"):
            found[0] = found[0].removeprefix("▁")
            found = [piece for piece in found if piece]
        assert sum(scores[piece] for piece in found) == pytest.approx(best), (word, found)


def test_every_byte_is_there_and_never_matched_by_text(trained: Tokenizer) -> None:
    assert [trained.id_to_token(5 + byte) for byte in range(256)] == BYTES
    only_chinese = train_unigram(iter([["我们喜欢猫和狗" * 3] * 9]), 300, lowercase=False, tell=silent)
    for backend in (trained, only_chinese):
        backend.encode_special_tokens = True
        for text in ("<0x41> and <0xE4>", "say <0x41>", "[MASK] [PAD]", "<0x41><0x0A>", "我<0x41>[UNK]"):
            encoding = backend.encode(text, add_special_tokens=False)
            assert backend.decode(encoding.ids, skip_special_tokens=False) == text
            assert not set(encoding.ids) & {0, 1, 2, 3, 4}


@pytest.mark.parametrize("size", [SMALLEST, SMALLEST + 3, 400, 1000, 2500, 3999])
def test_the_size_is_exact_even_when_characters_do_not_fit(chinese: list[str], size: int) -> None:
    backend = train_unigram(iter([chinese[:1500]]), size, lowercase=False, tell=silent)
    # With room for next to nothing, one piece may find nothing to be.
    assert len(backend.get_vocab()) == backend.get_vocab_size()
    assert size - (size < 300) <= backend.get_vocab_size() <= size
    for text in chinese[:50]:
        assert backend.decode(backend.encode(text).ids) == text


def test_tokens_do_not_cross_scripts_or_punctuation(trained: Tokenizer) -> None:
    # 。 between two Han runs, digits beside letters: a token holds one kind, with a space before it at most.
    for token in trained.get_vocab():
        body = token.removeprefix("▁")
        if token in BYTES or len(body) < 2 or token.startswith("["):
            continue
        han = [("\u4e00" <= character <= "\u9fff") for character in body]
        assert all(han) or not any(han), token
        assert body.isnumeric() or not any(map(str.isdigit, body)), token


def test_only_the_start_and_spaces_make_a_space() -> None:
    text = "你好，世界大。世界小，小世，界大。再见，你好吗，世界好，再会，再三见"
    vocabulary = train_unigram(iter([[text] * 50]), 300, lowercase=False, tell=silent).get_vocab()
    assert "世界" in vocabulary
    assert not {"▁世界", "▁世", "▁，", "▁。"} & set(vocabulary)
