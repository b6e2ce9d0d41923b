from __future__ import annotations

from acclimate.progress import silent
from acclimate.tokenizer.characters import train_character
from acclimate.tokenizer.specials import TOKENS


def test_every_character_is_a_token() -> None:
    backend = train_character(iter([["ab 中文", "ab a"], ["中 x"]]), 100, lowercase=False, tell=silent)
    assert sorted(backend.get_vocab(), key=backend.get_vocab().__getitem__)[5:] == [*" ab", "中", "x", "文"]
    assert backend.encode("a 中?b").tokens == ["a", " ", "中", "[UNK]", "b"]
    assert backend.decode(backend.encode(" a  中\nb").ids[:4]) == " a  "


def test_the_frequent_ones_stay() -> None:
    texts = [["a" * 5 + "b" * 3 + "c" * 2 + "d"]]
    small = train_character(iter(texts), 7, lowercase=False, tell=silent)
    assert set(small.get_vocab()) - set(TOKENS) == {"a", "b"}
    often = train_character(iter(texts), 100, lowercase=False, tell=silent, min_count=2)
    assert "d" not in often.get_vocab() and "c" in often.get_vocab()


def test_lone_surrogates_are_no_characters() -> None:
    assert "\ud800" not in train_character(iter([["a\ud800"]]), 100, lowercase=False, tell=silent).get_vocab()
