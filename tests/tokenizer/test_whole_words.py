from __future__ import annotations

from acclimate.progress import silent
from acclimate.tokenizer.whole_words import train_word


def test_words_by_frequency_with_a_cut_off() -> None:
    texts = [["the cat, the dog; the cat", "我喜欢猫 我"]]
    backend = train_word(iter(texts), 100, lowercase=False, tell=silent)
    assert sorted(backend.get_vocab(), key=backend.get_vocab().__getitem__)[5:] == ["the", "cat", "我"]
    assert backend.encode("the mouse 我").tokens == ["the", "[UNK]", "我"]
    everything = train_word(iter(texts), 100, lowercase=False, tell=silent, min_count=1)
    assert {"dog", ",", ";", "喜"} <= set(everything.get_vocab())
    assert train_word(iter(texts), 6, lowercase=False, tell=silent).get_vocab_size() == 6
