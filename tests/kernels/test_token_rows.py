from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from acclimate.artifacts.durable import write_bytes, write_json
from acclimate.batching.sequence_store import WindowStore
from acclimate.batching.token_store import TokenStore
from acclimate.kernels import text as kernels


@pytest.fixture(params=["<u2", "<u4"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    if not kernels.available():
        pytest.skip("the kernels cannot be built here: no C++ compiler")
    random = np.random.default_rng(1)
    sizes = np.array([0, 1, 300, 5, 0, 77, 12, 1, 0])
    tokens = random.integers(0, 2**16 if request.param == "<u2" else 2**31 - 1, sizes.sum()).astype(
        request.param
    )
    write_bytes(tmp_path / "tokens.bin", tokens.tobytes())
    write_bytes(tmp_path / "offsets.bin", np.concatenate([[0], np.cumsum(sizes)]).astype("<i8").tobytes())
    write_bytes(tmp_path / "bytes.bin", np.zeros(len(sizes), "<i8").tobytes())
    counts = {"dtype": request.param, "documents": len(sizes), "tokens": len(tokens), "bytes": 0}
    write_json(tmp_path / "counts.json", counts)
    return TokenStore(tmp_path)


def test_rows_are_those_of_the_plain_twin(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = WindowStore(store, 18, 7, 9)
    orders = [np.arange(len(windows.lengths)), np.arange(len(windows.lengths))[::-3], np.zeros(0, np.int64)]
    fast = [windows.fetch(ids, np.zeros_like(ids)).tokens for ids in orders]
    monkeypatch.setattr(kernels, "available", lambda: False)
    for ids, tokens in zip(orders, fast, strict=True):
        slow = windows.fetch(ids, np.zeros_like(ids)).tokens
        assert tokens.dtype == slow.dtype and np.array_equal(tokens, slow)
    assert len(fast[0]) == store.num_tokens + 2 * len(windows.lengths) and fast[0][0] == 7


def test_rows_outside_are_refused(store: TokenStore) -> None:
    for start, end in ((-1, 5), (store.num_tokens - 2, 5), (0, 1)):
        with pytest.raises(ValueError, match="outside"):
            kernels.rows(store.tokens, np.array([start]), np.array([0, end]), 1, 2)
    with pytest.raises(ValueError, match="uint16 or uint32"):
        kernels.rows(np.zeros(5, np.int64), np.array([0]), np.array([0, 3]), 1, 2)
