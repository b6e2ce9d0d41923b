"""Word vectors of a tokenizer's tokens, made on the processor in seconds and the same every time.

Co-occurrence inside a window → positive pointwise mutual information → truncated SVD: as good as word2vec on corpora of
this size, and it has a closed form (Levy & Goldberg 2014; Levy, Goldberg & Dagan 2015).

Legend: V tokens of the vocabulary, K dimensions, T tokens of the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from acclimate.batching.token_store import TokenStore

WINDOW = 5
_SMOOTHING = 0.75
"""Power of the contexts' counts: rare contexts would look too telling otherwise (Levy, Goldberg & Dagan 2015)."""
_AT_ONCE = 2_000_000


def token_vectors(
    store: TokenStore, size: int, *, dimensions: int, most: int, seed: int
) -> NDArray[np.float32]:
    """[V, K] of unit length; zero for tokens that do not occur among the first `most` of the store."""
    counts = _cooccurrence(store, size, most)
    matrix = _positive_information(counts)
    present = np.flatnonzero(np.diff(matrix.indptr))
    vectors = np.zeros((size, dimensions), np.float32)
    inner = matrix[present][:, present]
    kept = min(dimensions, len(present) - 1)
    if kept < 1:
        return vectors
    vectors[present, :kept] = _reduced(inner, kept, seed)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _cooccurrence(store: TokenStore, size: int, most: int) -> Any:
    """Sparse [V, V] how often two tokens stand within the window in one document, both ways."""
    from scipy.sparse import coo_matrix, csr_matrix

    total = csr_matrix((size, size), dtype=np.float64)
    number = min(store.num_tokens, most)
    for start in range(0, number, _AT_ONCE):
        end = min(number, start + _AT_ONCE)
        reach = min(number, end + WINDOW)
        tokens = np.asarray(store.tokens[start:reach], dtype=np.int64)
        owner = np.searchsorted(store.offsets, np.arange(start, reach), side="right")
        for distance in range(1, WINDOW + 1):
            last = min(end - start, len(tokens) - distance)
            if last < 1:
                continue
            left, right = np.arange(last), np.arange(last) + distance
            same = owner[left] == owner[right]
            a, b = tokens[left[same]], tokens[right[same]]
            total = total + coo_matrix((np.ones(len(a)), (a, b)), shape=(size, size)).tocsr()
    return total + total.T


def _positive_information(counts: Any) -> Any:
    """max(0, log p(a, b) / (p(a) p'(b))), p' of the smoothed contexts."""
    matrix = counts.tocoo()
    sums = np.asarray(counts.sum(axis=1)).ravel()
    contexts = sums**_SMOOTHING
    contexts /= max(contexts.sum(), 1e-300)
    with np.errstate(divide="ignore"):
        values = np.log(matrix.data) - np.log(sums[matrix.row]) - np.log(contexts[matrix.col])
    matrix.data = np.maximum(values, 0)
    found = matrix.tocsr()
    found.eliminate_zeros()
    return found


def _reduced(matrix: Any, dimensions: int, seed: int) -> NDArray[np.float64]:
    """Left singular vectors by the root of their values; signs are set, for the solver leaves them open."""
    from scipy.sparse.linalg import svds

    start = np.random.default_rng(seed).normal(size=min(matrix.shape))
    left, values, _ = svds(matrix, k=dimensions, v0=start)
    order = np.argsort(-values)
    left, values = left[:, order], values[order]
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])
    return np.asarray(left * signs * np.sqrt(values))
