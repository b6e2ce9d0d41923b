"""Our own walk through merges and scores agrees with the tokenizers library, and a new entry is reached."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from acclimate.errors import UserError
from acclimate.tokenizer.adapt.bpe_entries import BpeEntries
from acclimate.tokenizer.adapt.entries import entries_of
from acclimate.tokenizer.adapt.unigram_entries import MARGIN, UnigramEntries, decoded_bytes


def spec_of(folder: Path) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    return spec


def words(seed: int, letters: str = "aeinorstwkclph") -> list[str]:
    chance = random.Random(seed)
    return ["Ġ" + "".join(chance.choice(letters) for _ in range(chance.randint(1, 14))) for _ in range(300)]


def test_merges_are_followed_as_the_library_does(trained: Any) -> None:
    spec = spec_of(trained("bpe"))
    entries = entries_of(spec, "t")
    assert isinstance(entries, BpeEntries)
    library = Tokenizer.from_str(json.dumps(spec)).model
    for word in [*words(1), "ĠÃ¤", "é«ĺè¡Ģ"]:
        assert entries.merged(entries.symbols(word)) == [piece.value for piece in library.tokenize(word)]


def test_bpe_reaches_each_entry_whatever_came_before_and_after(trained: Any) -> None:
    entries = entries_of(spec_of(trained("bpe")), "t")
    wanted = [word for word in dict.fromkeys(words(2)) if len(word) > 4][:60]
    # A word inside another, one with a repeated beginning, and one whose half is an entry already.
    wanted += ["Ġpapapapap", "Ġpapa", "Ġpapapa", "Ġwinterhouse", "Ġhousewinter"]
    for word in wanted:
        if word not in entries.known:
            entries.add(word)
    model = entries.backend().model
    for word in wanted:
        assert [piece.value for piece in model.tokenize(word)] == [word]
    assert set(entries.new) <= set(wanted)
    assert not set(entries.new) & set(entries.steps)


def test_bpe_counts_what_an_entry_costs(trained: Any) -> None:
    entries = entries_of(spec_of(trained("bpe")), "t")
    assert isinstance(entries, BpeEntries)
    for word in ("Ġphosphorylation", "Ġkinase", "Ġkinases"):
        before, cost = len(entries.names), entries.cost(word)
        entries.add(word)
        assert 1 <= len(entries.names) - before <= cost
    assert entries.cost("Ġkinaseshouse") < 8


def test_bpe_with_a_suffix_at_the_end_of_words() -> None:
    spec = {
        "model": {
            "type": "BPE",
            "vocab": {"a": 0, "b": 1, "a</w>": 2, "b</w>": 3, "ab": 4},
            "merges": [["a", "b"]],
            "end_of_word_suffix": "</w>",
        },
        "added_tokens": [],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
    }
    entries = entries_of(spec, "t")
    entries.add("abab</w>")
    assert entries.backend().encode("abab ab").tokens == ["abab</w>", "a", "b</w>"]
    assert entries.readable("abab</w>") == "abab"
    spec["model"]["continuing_subword_prefix"] = "##"  # type: ignore[index]
    with pytest.raises(UserError, match="continuing_subword_prefix '##' cannot be adapted"):
        entries_of(spec, "t")


def test_unigram_scores_are_the_least_that_win(trained: Any) -> None:
    spec = spec_of(trained("unigram"))
    entries = entries_of(spec, "t")
    assert isinstance(entries, UnigramEntries)
    library = Tokenizer.from_str(json.dumps(spec)).model
    scores = dict(spec["model"]["vocab"])
    for word in ("▁kinase", "▁carcinoma", "糖尿病", "糖尿病人"):
        pieces = [piece.value for piece in library.tokenize(word)]
        if all(piece in scores for piece in pieces):
            assert entries._best(word) == pytest.approx(sum(scores[piece] for piece in pieces))
    lowest = min(scores.values())
    # The longer ones first: they must win against the shorter ones that come later.
    for word in ("糖尿病人", "糖尿病", "▁carcinomas", "▁carcinoma"):
        entries.add(word)
    model = entries.backend().model
    for word in entries.new:
        assert [piece.value for piece in model.tokenize(word)] == [word]
        assert entries.score(word) >= lowest
    short = entries.score("▁carcinoma")
    best = sum(scores[piece.value] for piece in library.tokenize("▁carcinoma"))
    assert short == pytest.approx(max(best + MARGIN, lowest))


def test_bytes_that_spell_characters() -> None:
    assert decoded_bytes("<0xE7><0xB3><0x96>尿") == "糖尿"
    assert decoded_bytes("尿<0xE7><0xB3>") is None


def test_a_byte_level_entry_must_be_whole_characters(trained: Any) -> None:
    entries = entries_of(spec_of(trained("bpe")), "t")
    assert entries.joined(["é«", "ĺ"]) == "é«ĺ"
    assert entries.readable("é«ĺ") == "高"
    assert entries.joined(["é", "«"]) is None


def test_post_processors_follow_the_ids(trained: Any) -> None:
    spec = spec_of(trained("wordpiece"))
    spec["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    spec["padding"] = {
        "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    entries = entries_of(spec, "t")
    turned = entries.written([*entries.names[5:], *entries.names[:5]])
    size = len(entries.names) - 5
    assert turned["post_processor"]["sep"] == ["[SEP]", size + 3]
    assert turned["padding"]["pad_id"] == size
    backend = Tokenizer.from_str(json.dumps(turned))
    assert backend.encode("the").tokens == ["[CLS]", "the", "[SEP]"]
    spec["post_processor"] = {"type": "Sequence", "processors": [spec["post_processor"]]}
    nested = entries_of(spec, "t").written([*entries.names[5:], *entries.names[:5]])
    assert nested["post_processor"]["processors"][0]["cls"] == ["[CLS]", size + 2]
