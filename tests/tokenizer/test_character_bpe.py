from __future__ import annotations

import json

import pytest

from acclimate.progress import silent
from acclimate.tokenizer.bpe import train_bpe
from acclimate.tokenizer.character_bpe import SMALLEST, train_character_bpe
from acclimate.tokenizer.pieces import BYTES
from acclimate.tokenizer.segmenting import chinese_words, spaced_with_words

# low 5, lower 2, newest 6, widest 3 (Sennrich et al. 2016); ▁ stands before a word where they put · behind it.
SENNRICH = [["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3]


def test_the_most_frequent_pair_first() -> None:
    backend = train_character_bpe(iter(SENNRICH), 400, lowercase=False, tell=silent)
    by_id = sorted(backend.get_vocab().items(), key=lambda item: item[1])
    joined = [name for name, id in by_id if id >= 5 + 256 and len(name) > 1]
    assert joined[0] in ("es", "st") and joined[1] == "est"
    assert set(joined[2:4]) <= {"lo", "low", "▁lo", "▁l", "ow"}
    assert {"▁low", "▁newest", "▁widest", "▁lower"} <= set(joined)
    assert backend.encode("lowest").tokens == ["▁low", "est"]


def test_byte_level_sizes_add_up(english: list[str]) -> None:
    # GPT-2's are 256 + 50,000 + 1; here five special tokens stand for its one.
    backend = train_bpe(iter([english[:600]]), 2000, lowercase=False, tell=silent)
    model = json.loads(backend.to_str())["model"]
    assert len(model["vocab"]) == 256 + len(model["merges"]) + 5 == 2000
    for byte in range(256):
        text = bytes([byte]).decode("latin-1")
        assert backend.decode(backend.encode(text).ids) == text


def test_bytes_stand_for_what_is_unknown(english: list[str]) -> None:
    backend = train_character_bpe(iter([english[:300]]), 1000, lowercase=False, tell=silent)
    state = json.loads(backend.to_str())
    assert state["model"]["byte_fallback"] and [backend.id_to_token(5 + n) for n in range(256)] == BYTES
    assert backend.encode("𓀀").tokens == ["▁", "<0xF0>", "<0x93>", "<0x80>", "<0x80>"]
    for text in ("<0x41> [MASK]", "𓀀 中", "a  b"):
        backend.encode_special_tokens = True
        encoding = backend.encode(text)
        assert backend.decode(encoding.ids, skip_special_tokens=False) == text
        assert backend.token_to_id("<0x41>") not in encoding.ids


@pytest.mark.parametrize("size", [SMALLEST, SMALLEST + 5, 500, 1500])
def test_the_size_is_exact_even_when_characters_do_not_fit(chinese: list[str], size: int) -> None:
    backend = train_character_bpe(iter([chinese[:1500]]), size, lowercase=False, tell=silent)
    assert backend.get_vocab_size() == size


def test_no_token_learnt_crosses_a_word(chinese: list[str]) -> None:
    cut = chinese_words()
    plain = train_character_bpe(iter([chinese]), 4000, lowercase=False, tell=silent)
    parted = train_character_bpe(
        iter([chinese]), 4000, lowercase=False, tell=silent, segment=spaced_with_words(cut)
    )
    words = {word for text in chinese for word in cut(text)}

    def beyond(vocabulary: dict[str, int]) -> int:
        pieces = [name.removeprefix("▁") for name in vocabulary if name not in BYTES]
        return sum(len(one) > 1 and one >= "一" and not any(one in word for word in words) for one in pieces)

    assert beyond(parted.get_vocab()) == 0
    assert beyond(plain.get_vocab()) > 20
    byte_level = train_bpe(iter([chinese]), 4000, lowercase=False, tell=silent, segment=cut)
    names = [byte_level.decode([id]) for id in byte_level.get_vocab().values()]
    assert beyond({name: 0 for name in names if "\ufffd" not in name}) == 0
