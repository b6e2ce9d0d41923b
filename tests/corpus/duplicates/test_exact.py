from __future__ import annotations

import numpy as np
import pytest

from acclimate.corpus.document import text_digest
from acclimate.corpus.duplicates.exact import DigestSet, as_digests


@pytest.mark.parametrize("batch", [1, 7, 512, 5000])
def test_it_is_a_set(batch: int) -> None:
    random = np.random.default_rng(0)
    # Few values in the first half, so that digests with equal first halves are met.
    size = min(5000, 400 * batch)
    digests = np.stack([random.integers(0, 40, size), random.integers(0, 90, size)], axis=1).astype(np.uint64)
    seen: set[tuple[int, int]] = set()
    found = DigestSet()
    for start in range(0, len(digests), batch):
        part = digests[start : start + batch]
        known = [tuple(row) in seen for row in part.tolist()]
        assert found.contains(part).tolist() == known
        expected = []
        for row in map(tuple, part.tolist()):
            expected.append(row not in seen)
            seen.add(row)
        assert found.add(part).tolist() == expected
        assert found.contains(part).all()
    assert len(found) == len(seen)


def test_sixteen_bytes_a_document() -> None:
    digests = DigestSet()
    random = np.random.default_rng(1)
    for _ in range(100):
        digests.add(random.integers(0, 2**64, (1000, 2), dtype=np.uint64))
    assert len(digests) == 100_000 and digests.nbytes == 1_600_000


def test_digests_of_texts() -> None:
    digests = as_digests([text_digest(text) for text in ("a", "b", "a", "")])
    assert DigestSet().add(digests).tolist() == [True, True, False, True]
