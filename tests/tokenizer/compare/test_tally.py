from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from acclimate.tokenizer.compare.subjects import Subject, subject
from acclimate.tokenizer.compare.tally import Tally, measures, renyi_efficiency, tallied
from acclimate.tokenizer.training import Train
from acclimate.tokenizer.word_starts import words_of

WORDS = ["[UNK]", "the", "cat", "sat", "on", "mat", "中", "国", "x"]


@pytest.fixture
def words(tmp_path: Path) -> Subject:
    """One token a word or Chinese character."""
    backend = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.save(str(tmp_path / "tokenizer.json"))
    return subject(tmp_path / "tokenizer.json")


def counted(one: Subject, texts: list[str]) -> Tally:
    return tallied(one, texts, words_of(texts))


def test_what_is_counted_is_what_a_person_counts(words: Subject) -> None:
    tally = counted(words, ["the cat sat 中国", "the dog 中", ""])
    assert (tally.texts, tally.words, tally.tokens, tally.unknown) == (3, 8, 8, 1)
    assert (tally.characters, tally.visible, tally.bytes) == (23, 18, 23 + 2 * 3)
    assert (tally.lost, tally.whole, tally.crossing, tally.partial) == (3, 8, 0, 0)
    assert tally.used.tolist() == [1, 2, 1, 1, 0, 0, 2, 1, 0]
    found = measures(tally, len(WORDS))
    assert found["tokens_per_word"] == 1 and found["unknown_rate"] == 1 / 8
    assert found["coverage"] == pytest.approx(15 / 18)
    assert found["vocabulary_use"] == 6 / 9
    assert found["bytes_per_token"] == 29 / 8
    assert found["length_quantiles"]["0.5"] == 3 and found["length_quantiles"]["1"] == 5


def test_tallies_add_up(words: Subject) -> None:
    texts = ["the cat sat", "中国 x", "on the mat mat", "none of these"]
    parts = counted(words, texts[:1]) + counted(words, texts[1:3]) + counted(words, texts[3:])
    assert measures(parts, 9) == measures(counted(words, texts), 9)


def test_pieces_and_words_that_share_a_token() -> None:
    class Fixed:
        """Says which tokens a text has."""

        def encode_spans(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            # 我喜|欢 你 猫|狗 over the words 我 喜 欢 你 猫 狗
            spans = np.array([[0, 2], [2, 3], [3, 4], [4, 6]])
            return np.array([1, 2, 3, 4]), np.array([4]), spans

    one = Subject("x", "BPE", 9, Fixed(), 0, np.zeros(9, bool))  # type: ignore[arg-type]
    tally = tallied(one, ["我喜欢你猫狗"], words_of(["我喜欢你猫狗"]))
    assert tally.crossing == 2 and tally.whole == 2


def test_the_parts_of_a_character_are_told(tmp_path: Path, english: list[str]) -> None:
    for algorithm in ("bpe", "unigram"):
        folder = tmp_path / algorithm
        folder.mkdir()
        Train(algorithm=algorithm, vocab_size=1200).build(texts=iter([english[:400]]), folder=folder)
        one = subject(folder)
        tally = counted(one, [" the 国 of"])
        assert tally.partial == 3 and tally.lost == 1, algorithm
        assert tally.whole == 2 and tally.unknown == 0
        assert counted(one, ["the city of"]).partial == 0
    assert one.name == "unigram" and one.vocabulary == 1200


def test_renyi_efficiency_by_hand() -> None:
    used = np.array([4, 2, 2, 0])
    p = [0.5, 0.25, 0.25]
    expected = math.log(sum(one**2.5 for one in p)) / (1 - 2.5) / math.log(4)
    assert renyi_efficiency(used, 4) == pytest.approx(expected)
    assert renyi_efficiency(np.full(8, 3), 8) == pytest.approx(1)
    assert renyi_efficiency(np.array([9, 0]), 2) == pytest.approx(0)
    assert renyi_efficiency(np.zeros(3, np.int64), 3) is None
    order = 1.0001  # Shannon's entropy in the limit
    shannon = -sum(one * math.log(one) for one in p) / math.log(4)
    assert renyi_efficiency(used, 4, order) == pytest.approx(shannon, abs=1e-4)


def test_nothing_gives_no_figures() -> None:
    found = measures(Tally(), 10)
    assert found["tokens"] == 0 and found["tokens_per_word"] is None and found["renyi_efficiency"] is None
