from __future__ import annotations

from collections import Counter

import numpy as np

from acclimate.corpus.split import SPLITS, split_hash, split_keys, split_of, splits_of


def test_shares_are_as_asked() -> None:
    counts = Counter(split_of(split_hash(f"文档 {n}"), 0.05, 0.1) for n in range(20_000))
    assert abs(counts["validation"] / 20_000 - 0.05) < 0.007
    assert abs(counts["test"] / 20_000 - 0.1) < 0.01


def test_trivially_different_copies_fall_on_one_side() -> None:
    for number in range(200):
        copies = (f"The Text  {number}", f"the text {number}\n", f" THE\tTEXT {number}")
        assert len({split_of(split_hash(copy), 0.3, 0.3) for copy in copies}) == 1


def test_larger_shares_only_take_from_training() -> None:
    for number in range(2000):
        hash = split_hash(str(number))
        before, after = split_of(hash, 0.02, 0.02), split_of(hash, 0.3, 0.2)
        assert before in ("train", after)


def test_the_ends() -> None:
    assert split_of(b"\0" * 16, 0.02, 0.0) == "train"
    assert split_of(b"\0" * 16, 0.02, 0.02) == "test"
    assert split_of(b"\xff" * 16, 0.02, 0.02) == "validation"
    assert split_of(b"\xff" * 16, 0.0, 0.02) == "train"


def test_sides_never_change_between_versions() -> None:
    sides = [split_of(split_hash(text), 0.3, 0.3) for text in ("a", "b", "c", "中文", "文档", "the end")]
    assert sides == ["validation", "test", "test", "train", "test", "train"]


def test_many_at_once_as_one_by_one() -> None:
    hashes = [split_hash(str(number)) for number in range(3000)] + [b"\0" * 16, b"\xff" * 16]
    keys = split_keys(np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 2))
    assert keys.tolist() == [int.from_bytes(hash[:8], "big") for hash in hashes]
    for shares in ((0.02, 0.02), (0.3, 0.2), (0.0, 0.02), (0.02, 0.0)):
        found = [SPLITS[split] for split in splits_of(keys, *shares).tolist()]
        assert found == [split_of(hash, *shares) for hash in hashes]
