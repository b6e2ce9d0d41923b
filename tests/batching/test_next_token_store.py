from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acclimate.batching.next_token_store import NextTokenStore
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.errors import UserError
from acclimate.tokenizer.untrained import untrained_tokenizer

FIRST, LAST = 2, 3


def words(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `size` entries, w5 and so on, that parts text at spaces."""
    tokenizer = untrained_tokenizer(size)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@pytest.fixture
def tokens(tmp_path: Path) -> TokenStore:
    """Documents of 7, 0, 1, 12 and 0 tokens."""
    texts = [" ".join(f"w{number}" for number in range(5, 5 + size)) for size in (7, 0, 1, 12, 0)]
    build_token_store(iter([texts]), words(40), tmp_path)
    return TokenStore(tmp_path)


def all_of(store: NextTokenStore) -> list[list[int]]:
    ids = np.arange(len(store.lengths))
    found = store.fetch(ids, np.zeros_like(ids))
    assert np.array_equal(found.lengths, store.lengths)
    return [part.tolist() for part in np.split(found.tokens, found.cu_seqlens[1:-1])]


def whole(tokens: TokenStore, document: int) -> list[int]:
    return [FIRST, *tokens.document(document).tolist(), LAST]


@pytest.mark.parametrize("length", [2, 3, 5, 9, 100])
def test_each_token_and_each_end_is_asked_for_once_behind_the_token_before(
    tokens: TokenStore, length: int
) -> None:
    store = NextTokenStore(tokens, length, FIRST, LAST)
    rows = all_of(store)
    assert max(map(len, rows)) <= length and min(map(len, rows)) >= 2
    asked: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        document = int(store.document_of(np.array([number]))[0])
        before = asked.setdefault(document, [FIRST])
        assert row[0] == before[-1]
        before += row[1:]
    assert asked == {document: whole(tokens, document) for document in (0, 2, 3)}
    assert store.num_tokens == 20 and store.num_bytes == tokens.num_bytes


@pytest.mark.parametrize("length", [2, 4, 9, 100])
def test_joined_documents_are_one_row(tokens: TokenStore, length: int) -> None:
    store = NextTokenStore(tokens, length, FIRST, LAST, joined=True)
    rows = all_of(store)
    lengths = np.array([len(row) for row in rows])
    assert lengths.max() <= length and lengths.max() - lengths.min() <= 1
    joined = rows[0][:1]
    for row in rows:
        assert row[0] == joined[-1]
        joined += row[1:]
    assert joined == [token for document in (0, 2, 3) for token in whole(tokens, document)]
    assert store.document_of(np.arange(len(rows)))[0] == 0 and set(
        store.document_of(np.arange(len(rows)))
    ) <= {0, 2, 3}


def test_sequences_come_in_the_order_asked_for(tokens: TokenStore) -> None:
    store = NextTokenStore(tokens, 5, FIRST, LAST)
    rows = all_of(store)
    found = store.fetch(np.array([3, 0, 3]), np.array([0, 1, 2]))
    assert [part.tolist() for part in np.split(found.tokens, found.cu_seqlens[1:-1])] == [
        rows[3],
        rows[0],
        rows[3],
    ]
    assert found.ids.tolist() == [3, 0, 3] and found.epochs.tolist() == [0, 1, 2]


def test_no_text_and_no_room(tokens: TokenStore, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leaves no token"):
        NextTokenStore(tokens, 1, FIRST, LAST)
    (tmp_path / "empty").mkdir()
    build_token_store(iter([["", ""]]), words(40), tmp_path / "empty")
    for joined in (False, True):
        assert len(NextTokenStore(TokenStore(tmp_path / "empty"), 8, FIRST, LAST, joined=joined).lengths) == 0
