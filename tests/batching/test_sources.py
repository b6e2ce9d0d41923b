from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acclimate.batching.sequence_store import WindowStore
from acclimate.batching.sources import SourcedStore, write_sources
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.errors import UserError
from acclimate.tokenizer.untrained import untrained_tokenizer


def words(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `size` entries, w5 and so on, that parts text at spaces."""
    tokenizer = untrained_tokenizer(size)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_token_store(iter([["w5 w6 w7 w8 w9", "w5", "w6 w7"]]), words(20), tmp_path)
    write_sources(iter([["a.txt", "b.txt"], ["a.txt"]]), tmp_path)
    return tmp_path


def test_each_sequence_has_the_number_of_its_documents_source(folder: Path) -> None:
    windows = WindowStore(TokenStore(folder), 5, 2, 3)
    store = SourcedStore(windows, folder, "language", {"a.txt": 4, "b.txt": 1, "unused": 9}, setting="x")
    found = store.fetch(np.array([3, 2, 0, 1]), np.zeros(4, np.int64))
    assert found.by_sequence["language"].tolist() == [4, 1, 4, 4]
    assert np.array_equal(found.tokens, windows.fetch(np.array([3, 2, 0, 1]), np.zeros(4, np.int64)).tokens)
    assert (store.num_tokens, store.num_bytes) == (windows.num_tokens, windows.num_bytes)
    assert store.document_of(np.arange(4)).tolist() == [0, 0, 1, 2]


def test_a_source_without_a_number_is_named_with_the_nearest(folder: Path) -> None:
    windows = WindowStore(TokenStore(folder), 5, 2, 3)
    with pytest.raises(UserError, match=r"denoise.languages: the corpus has a source 'b.txt'.*b.tx"):
        SourcedStore(windows, folder, "language", {"a.txt": 0, "b.tx": 1}, setting="denoise.languages")
