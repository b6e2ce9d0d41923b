from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.corpus.document import Document
from acclimate.corpus.duplicates import repeated_hashes, substrings
from acclimate.corpus.duplicates.repeated_hashes import RepeatedHashes
from acclimate.corpus.duplicates.substrings import RepeatedSubstrings
from acclimate.corpus.pool import Pool
from acclimate.corpus.sieve import Sieve

SYLLABLES = ["la", "ko", "mi", "ze", "ru", "ta", "ne", "so", "pi", "gu"]


class Filled:
    """A pool with documents, and what was dropped from it."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        self.drops: list[Any] = []
        self.pool = Pool(folder, on_drop=self.drops.extend)
        documents = [Document("a.txt", f"a.txt:{n}", text, {}) for n, text in enumerate(texts, 1)]
        self.pool.add(0, Sieve([])(documents, "a.txt").documents, {})
        self.pool.seal()

    def run(self, **settings: Any) -> dict[str, Any]:
        step = RepeatedSubstrings(**{"words": 50, "action": "cut", "limit": 0.5, **settings})
        said = step(self.pool, lambda *told: None)
        self.pool.book()
        return said

    def texts(self) -> dict[int, str]:
        return {one.number: one.text for batch in self.pool.batches() for one in batch}


def words_in(text: str) -> list[str]:
    """The oracle's way: words; Chinese by characters."""
    return "".join(f" {char} " if "\u4e00" <= char <= "\u9fff" else char for char in text.casefold()).split()


def messy(source: random.Random, words: list[str]) -> str:
    """The words with cases, white space and punctuation that must not matter."""
    return "".join(
        source.choice((word, word.upper(), word.title())) + source.choice((" ", "  ", "\n", ", ", ". — "))
        for word in words
    ).strip()


def corpus(source: random.Random, chinese: bool) -> list[str]:
    """Texts of a small vocabulary, with passages that several share, some of them more than once."""
    words = list("天地玄黄宇宙洪荒日月") if chinese else SYLLABLES
    passages = [source.choices(words, k=source.randrange(3, 25)) for _ in range(8)]
    texts = []
    for _ in range(30):
        parts: list[str] = []
        for _ in range(source.randrange(1, 7)):
            parts += source.choice(passages) if source.random() < 0.5 else source.choices(words, k=4)
        texts.append("，".join(parts) if chinese else messy(source, parts))
    return texts


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_after_cutting_no_run_occurs_twice(
    tmp_path: Path, seed: int, chinese: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated_hashes, "_RUN", 64)
    texts = corpus(random.Random(seed), chinese)
    filled = Filled(tmp_path, texts)
    said = filled.run(words=6)
    left = filled.texts()
    runs = Counter(
        tuple(words[at : at + 6])
        for words in map(words_in, (text.replace("，", " ").replace(",", " ") for text in left.values()))
        for words in [[word.strip(".—") for word in words if word.strip(".—")]]
        for at in range(len(words) - 5)
    )
    assert runs and set(runs.values()) == {1}
    assert said["documents_cut"] and said["passes"] > 1
    for drop in filled.drops:
        assert drop.reason == "repeated_substrings" and "a.txt:" in drop.detail


@pytest.mark.parametrize("seed", range(5))
def test_one_pass_is_the_same_as_brute_force(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going through the texts in order with a set of the runs that are left."""
    source = random.Random(seed)
    texts = [
        " ".join(words_in(text.replace(",", " ").replace(".", " ").replace("—", " ")))
        for text in corpus(source, False)
    ]
    expected = []
    seen: set[tuple[str, ...]] = set()
    for text in texts:
        words = text.split()
        runs = [tuple(words[at : at + 6]) for at in range(len(words) - 5)]
        gone: set[int] = set()
        first: dict[tuple[str, ...], int] = {}
        for at, run in enumerate(runs):
            if run in seen:
                gone.update(range(at, at + 6))
            elif first.setdefault(run, at) < at:
                gone.update(range(max(at, first[run] + 6), at + 6))
        seen |= {run for at, run in enumerate(runs) if gone.isdisjoint(range(at, at + 6))}
        expected.append([word for at, word in enumerate(words) if at not in gone])
    filled = Filled(tmp_path, texts)
    step = RepeatedSubstrings(words=6, action="cut", limit=0.5)
    calls = iter([True, False])
    repeated = step._repeated
    monkeypatch.setattr(step, "_repeated", lambda *given: repeated(*given) if next(calls) else None)
    step(filled.pool, lambda *told: None)
    left = filled.texts()
    assert [left.get(number, "").split() for number in range(len(texts))] == expected


def test_text_that_repeats_itself_keeps_its_first_run(tmp_path: Path) -> None:
    filled = Filled(tmp_path, ["ha " * 100 + "end", "春眠不觉晓。" * 20])
    filled.run()
    assert filled.texts() == {0: "ha " * 50 + "end", 1: "春眠不觉晓。" * 10}


def test_shorter_repeats_stay_and_nothing_is_touched(tmp_path: Path) -> None:
    passage = " ".join(f"p{n}" for n in range(49))
    texts = [f"one {passage} two", f"three {passage} four"]
    filled = Filled(tmp_path, texts)
    said = filled.run()
    assert list(filled.texts().values()) == texts
    assert said == {"documents_cut": 0, "characters_cut": 0, "passes": 1, "examples": []}


def test_the_second_occurrence_is_cut_where_it_stands(tmp_path: Path) -> None:
    passage = " ".join(f"p{n}" for n in range(50))
    texts = [f"One: {passage}. Two!", f"Straße, İstanbul — “{passage.upper()}”. Four ﬁve.", "第一句。" * 3]
    filled = Filled(tmp_path, texts)
    said = filled.run()
    assert list(filled.texts().values()) == [texts[0], "Straße, İstanbul — “Four ﬁve.", texts[2]]
    assert said["examples"] == [{"place": "a.txt:2", "words_cut": 50, "also_in": "a.txt:1"}]
    assert said["characters_cut"] == len(texts[1]) - len("Straße, İstanbul — “Four ﬁve.")


def test_documents_of_which_too_much_stood_before_are_dropped(tmp_path: Path) -> None:
    one, two = (" ".join(f"{name}{n}" for n in range(60)) for name in "pq")
    texts = [
        one,
        f"{one} {two}",  # half of it stood before: it stays
        f"some more {one} and words",
        f"{two} " + " ".join(f"r{n}" for n in range(50)),  # the greater part stood in a document that stayed
        f"{one} {two} end",
    ]
    filled = Filled(tmp_path, texts)
    filled.run(action="drop")
    assert sorted(filled.texts()) == [0, 1]
    assert [(drop.document.place, drop.detail) for drop in filled.drops] == [
        ("a.txt:3", "94% of its 64 words stood before, most of them in a.txt:1"),
        ("a.txt:4", "55% of its 110 words stood before, most of them in a.txt:2"),
        ("a.txt:5", "99% of its 121 words stood before, most of them in a.txt:2"),
    ]


def test_what_stood_in_a_dropped_document_alone_is_not_lost(tmp_path: Path) -> None:
    one, two = (" ".join(f"{name}{n}" for n in range(60)) for name in "pq")
    rest = " ".join(f"r{n}" for n in range(50))
    filled = Filled(tmp_path, [one, f"{one} x {one} {rest}", f"{rest} y"])
    filled.run(action="drop")
    assert sorted(filled.texts()) == [0, 2]
    assert two not in filled.texts().values()


def test_repeated_hashes_are_those_of_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_hashes, "_RUN", 100)
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**64, 700, dtype=np.uint64)
    values[:3] = 0, 2**64 - 1, 2**63
    stream = rng.choice(values, 1000)
    stream[:4] = 0, 2**64 - 1, 0, 2**64 - 1
    with (tmp_path / "a").open("w+b") as file, (tmp_path / "b").open("w+b") as target:
        hashes = RepeatedHashes(file)
        for part in np.split(stream, [1, 10, 333, 334, 900]):
            hashes.add(part)
        count = hashes.write_repeated(target)
        found = np.frombuffer((tmp_path / "b").read_bytes(), np.uint64)
    once, counts = np.unique(stream, return_counts=True)
    assert count == len(found) and found.tolist() == once[counts > 1].tolist()


def test_runs_that_share_a_hash_by_chance_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a first hash that makes many runs equal, the second one still decides."""
    every = substrings.RunHashes.every
    monkeypatch.setattr(
        substrings.RunHashes,
        "every",
        lambda self, size: (lambda s, h: (s, h % np.uint64(7)))(*every(self, size)),
    )
    passage = " ".join(f"p{n}" for n in range(50))
    texts = [" ".join(f"x{seed}y{n}" for n in range(70)) for seed in range(5)]
    filled = Filled(tmp_path, [*texts, f"a {passage} b"])
    filled.run(action="cut")
    assert list(filled.texts().values()) == [*texts, f"a {passage} b"]
