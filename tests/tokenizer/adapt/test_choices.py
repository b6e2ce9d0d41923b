"""Which words are chosen: each rule against counts made by hand."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from acclimate.tokenizer.adapt.candidates import Candidate, conditional_counts
from acclimate.tokenizer.adapt.choices import Divergence, Fertility, Saving
from acclimate.tokenizer.adapt.settings import Adapt
from acclimate.tokenizer.adapt.text import GAP, Cut, Kinds
from acclimate.tokenizer.loading import load_tokenizer


def candidate(entry: str, count: int, length: int) -> Candidate:
    return Candidate(entry, tuple(range(length)), count, length, han=False)


def entries(ranked: list[Candidate]) -> list[str]:
    return [one.entry for one in ranked]


FOUND = [candidate("a", 10, 2), candidate("b", 3, 6), candidate("c", 9, 4), candidate("d", 10, 2)]


def test_saving_is_frequency_times_pieces_less_one() -> None:
    assert entries(Saving().build()(FOUND, Cut(), None)) == ["c", "b", "a", "d"]  # 27, 15, 10, 10


def test_fertility_takes_what_is_over_the_limit_by_frequency() -> None:
    assert entries(Fertility(limit=3).build()(FOUND, Cut(), None)) == ["c", "b"]
    assert entries(Fertility(limit=1).build()(FOUND, Cut(), None)) == ["a", "d", "c", "b"]


def test_divergence_is_the_pointwise_divergence_of_conditional_probabilities() -> None:
    domain = Cut(words=Counter({(1, 2): 8, (1, 3): 2, (4, 5): 5, (4,): 7, (6, 7): 4, (6, 8): 4}))
    base = Cut(words=Counter({(1, 2): 1, (1, 3): 9, (4, 5): 50, (6, 7): 1, (6, 8): 1}))
    found = [Candidate(name, pieces, domain.words[pieces], 2, han=False)
             for name, pieces in (("x", (1, 2)), ("y", (4, 5)), ("z", (6, 7)))]  # fmt: skip
    ranked = Divergence(base=["t.txt"]).build()(found, domain, base)
    score = {
        "x": 0.8 * math.log(0.8 / (1.5 / 11)),
        "y": 1.0 * math.log(1.0 / (50.5 / 51)),
        "z": 0.5 * math.log(0.5 / (1.5 / 3)),  # nothing diverges, so nothing is gained
    }
    assert score["x"] > score["y"] > score["z"] == 0
    assert entries(ranked) == ["x", "y"]


def brute(cut: Cut, wanted: set[tuple[int, ...]]) -> tuple[Counter[Any], Counter[Any]]:
    whole: Counter[Any] = Counter()
    begun: Counter[Any] = Counter()
    heads = {one[:-1] for one in wanted}
    for word, count in cut.words.items():
        if word in wanted:
            whole[word] += count
        for head in heads:
            if len(word) > len(head) and word[: len(head)] == head:
                begun[head] += count
    runs: list[tuple[list[int], int]] = [([], 0)]
    for piece, weight in zip(cut.han.tolist(), cut.weights.tolist(), strict=True):
        runs[-1][0].append(piece) if piece != GAP else runs.append(([], 0))
        if piece != GAP:
            runs[-1] = (runs[-1][0], weight)
    for run, weight in runs:
        for start in range(len(run)):
            for one in wanted:
                whole[one] += weight * (tuple(run[start : start + len(one)]) == one)
            for head in heads:
                follows = start + len(head) < len(run)
                begun[head] += weight * (follows and tuple(run[start : start + len(head)]) == head)
    return whole, begun


def random_cut(seed: int) -> Cut:
    chance = random.Random(seed)
    words = Counter({tuple(chance.choices(range(3), k=chance.randint(1, 4))): n + 1 for n in range(30)})
    han: list[int] = []
    weights: list[int] = []
    for _ in range(20):
        run = [*chance.choices(range(3), k=chance.randint(1, 9)), GAP]
        han += run
        weights += [chance.randint(1, 5)] * len(run)
    return Cut(words=words, han=np.array(han), weights=np.array(weights))


def test_conditional_counts_against_brute_force() -> None:
    for seed in range(5):
        cut = random_cut(seed)
        chance = random.Random(seed)
        wanted = {tuple(chance.choices(range(3), k=chance.randint(2, 4))) for _ in range(12)}
        for found, expected in zip(conditional_counts(cut, wanted), brute(cut, wanted), strict=True):
            assert +found == +expected


def test_sequences_against_brute_force() -> None:
    for seed in range(5):
        cut = random_cut(seed)
        expected: Counter[Any] = Counter()
        for length in range(2, 6):
            for start in range(len(cut.han) - length + 1):
                piece = tuple(cut.han[start : start + length].tolist())
                if GAP not in piece:
                    expected[piece] += int(cut.weights[start])
        found = cut.sequences(least=12, longest=5)
        assert found == Counter({one: count for one, count in expected.items() if count >= 12})
        assert found
    assert Cut().sequences(least=1, longest=5) == Counter()


def test_kinds_of_words() -> None:
    kinds = Kinds.of(iter([["the end, 今天很好 the end", "the 今天很好"]]), lambda *a: None)
    counted = dict(zip(kinds.texts, kinds.counts.tolist(), strict=True))
    assert counted == {"the": 2, " end": 2, ",": 1, " 今天很好": 2, " the": 1}


@pytest.mark.parametrize("algorithm", ["wordpiece", "unigram", "bpe"])
def test_after_the_loop_no_frequent_word_is_over_the_limit(
    adapted: Any, domain: list[str], algorithm: str
) -> None:
    plan, folder = adapted(algorithm, choose={"fertility": {"limit": 2, "occurrences": 5, "longest": 32}})
    tokenizer = load_tokenizer(folder)
    words = Counter(word.strip(",") for text in domain for word in text.split(" ")[1:8])
    frequent = [word for word, count in words.items() if count >= 5]
    assert len(frequent) > 20
    assert plan.new
    for word in frequent:
        assert len(tokenizer.tokenize(f"a {word}")) - len(tokenizer.tokenize("a")) <= 2, word


def test_the_base_text_decides_for_divergence(adapted: Any, general: list[str], tmp_path: Path) -> None:
    base = tmp_path / "general.txt"
    base.write_text("\n".join([*general, *["receptor cytokine"] * 300]), "utf-8")
    choose = {"divergence": {"base": [{"path": str(base), "documents": "line"}], "tokens": 10}}
    chosen = {one.token for one in adapted("wordpiece", choose=choose)[0].new}
    assert "carcinoma" in chosen
    assert not chosen & {"receptor", "cytokine"}


def test_what_settings_refuse() -> None:
    for wrong, words in (
        ({"choose": {"divergence": {"base": ["a.txt"], "tokens": 10_001}}}, "10000"),
        ({"choose": {"divergence": {}}}, "base"),
        ({"choose": {"savings": 5}}, "did you mean 'saving'"),
        ({"mode": "replace", "prune": {}}, "prune takes away what `mode: replace` puts new entries into"),
        ({"initialise": "wexel"}, "unknown new_rows"),
    ):
        with pytest.raises(ValidationError, match=words):
            Adapt.model_validate(wrong)
