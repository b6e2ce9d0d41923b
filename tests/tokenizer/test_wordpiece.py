from __future__ import annotations

from acclimate.progress import silent
from acclimate.tokenizer.wordpiece import train_wordpiece, wordpiece_with

# The vocabulary and examples of BERT's own tests (google-research/bert, tokenization_test.py).
BERT = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ",", "low", "##est"]
VOCABULARY = {token: number for number, token in enumerate(BERT)}


def test_berts_own_examples() -> None:
    backend = wordpiece_with(VOCABULARY, lowercase=True)
    assert backend.encode("UNwant\u00e9d,running").ids == [7, 4, 5, 10, 8, 9]
    assert backend.encode("UNwant\u00e9d,running").tokens == ["un", "##want", "##ed", ",", "runn", "##ing"]
    assert backend.encode("unwantedX running").tokens == ["[UNK]", "runn", "##ing"]
    assert backend.encode("").tokens == []


def test_normaliser_and_pre_tokeniser_are_berts() -> None:
    def words(text: str, *, lowercase: bool) -> list[str]:
        backend = wordpiece_with(VOCABULARY, lowercase=lowercase)
        normal = backend.normalizer.normalize_str(text)
        return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]

    assert words("ah\u535a\u63a8zz", lowercase=True) == ["ah", "\u535a", "\u63a8", "zz"]
    assert words(" \tHeLLo!how  \n Are yoU?  ", lowercase=True) == ["hello", "!", "how", "are", "you", "?"]
    assert words(" \tHeLLo!how  \n Are yoU?  ", lowercase=False) == ["HeLLo", "!", "how", "Are", "yoU", "?"]
    assert words("H\u00e9llo", lowercase=True) == ["hello"]
    assert words("H\u00e9llo", lowercase=False) == ["H\u00e9llo"]
    assert words("a\u200bb\x00c\ufffdd", lowercase=False) == ["abcd"]  # zero-width, NUL, replacement: dropped


def test_words_of_more_than_200_characters_are_unknown() -> None:
    backend = wordpiece_with({"[UNK]": 0, "a": 1, "##a": 2}, lowercase=False)
    assert len(backend.encode("a" * 200).tokens) == 200
    assert backend.encode("a" * 201).tokens == ["[UNK]"]


def test_pieces_are_joined_by_frequency() -> None:
    # low 5, lower 2, newest 6, widest 3 (Sennrich et al. 2016, without their end-of-word mark).
    texts = [["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3]
    backend = train_wordpiece(iter(texts), 100, lowercase=False, tell=silent)
    tokens = sorted(backend.get_vocab().items(), key=lambda item: item[1])
    names = [name for name, _ in tokens]
    characters = ["##d", "##e", "##i", "##o", "##r", "##s", "##t", "##w", "l", "n", "w"]
    assert names[5:16] == characters
    # es and est have 9; lo and low 7; then what ends in newest 6; each exists once, in this order.
    merged = names[16:]
    assert merged[0] in ("##es", "##st") and "##est" in merged[1:2]
    assert merged[2] in ("lo", "##ow") and merged[3] == "low"
    assert {"newest", "widest", "lower"} <= set(merged)
    small = train_wordpiece(iter(texts), 18, lowercase=False, tell=silent)
    assert sorted(small.get_vocab(), key=small.get_vocab().get) == names[:18]  # type: ignore[arg-type]


def test_a_vocabulary_too_small_for_all_characters_keeps_the_frequent_ones(chinese: list[str]) -> None:
    backend = train_wordpiece(iter([chinese]), 1000, lowercase=False, tell=silent)
    assert backend.get_vocab_size() == 1000
    ids = [id_ for encoding in backend.encode_batch(chinese) for id_ in encoding.ids]
    unknown = backend.token_to_id("[UNK]")
    assert 0 < ids.count(unknown) / len(ids) < 0.15
    larger = train_wordpiece(iter([chinese]), 4000, lowercase=False, tell=silent)
    ids = [id_ for encoding in larger.encode_batch(chinese) for id_ in encoding.ids]
    assert ids.count(unknown) / len(ids) < 0.005
