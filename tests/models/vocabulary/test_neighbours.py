"""Rows by word vectors: each a convex combination by the published weights, or the least-squares map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from acclimate.batching.token_store import TokenStore
from acclimate.models.vocabulary.neighbours import Focus, Mapped, Wechsel, space
from acclimate.models.vocabulary.similarity import nearest_softmax, sparsemax
from acclimate.models.vocabulary.vectors import WINDOW, _cooccurrence, token_vectors
from acclimate.tokenizer.adapt.plan import NEW, Adaptation, NewToken

OLD, SIZE = 40, 46
"""Old ids 0 to 39, of which 5 is gone; new tokens at 39 to 44, and one more that the text does not hold, 45."""


def adaptation() -> Adaptation:
    from_old = [id for id in range(OLD) if id != 5] + [NEW] * (SIZE - OLD + 1)
    new = [NewToken(id, f"t{id}", [id - 39, 8], 3) for id in range(39, SIZE)]
    return Adaptation("WordPiece", "extend", 7, OLD, from_old, new, ["x"], [1] * OLD, 10, 8, 0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """Documents of random tokens, of which neighbours depend on each other; token 45 never occurs."""
    folder: Path = tmp_path_factory.mktemp("tokens")
    chance = np.random.default_rng(5)
    lengths = chance.integers(0, 40, 200)
    tokens = np.concatenate([np.sort(chance.integers(0, 45, size)) for size in lengths])
    tokens.astype("<u2").tofile(folder / "tokens.bin")
    np.concatenate([[0], np.cumsum(lengths)]).astype("<i8").tofile(folder / "offsets.bin")
    lengths.astype("<i8").tofile(folder / "bytes.bin")
    counts = {"documents": 200, "tokens": len(tokens), "bytes": int(lengths.sum()), "dtype": "<u2"}
    import json

    (folder / "counts.json").write_text(json.dumps(counts), "utf-8")
    return TokenStore(folder)


@pytest.fixture(scope="module")
def old_rows() -> Any:
    return np.random.default_rng(6).normal(size=(OLD, 12)).astype(np.float32)


def test_sparsemax_is_the_projection_onto_the_simplex() -> None:
    scores = np.random.default_rng(1).normal(size=(6, 5))
    for row, found in zip(scores, sparsemax(scores), strict=True):
        best = minimize(
            lambda p, row=row: ((p - row) ** 2).sum(), np.full(5, 0.2), bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1}, options={"ftol": 1e-12},
        )  # fmt: skip
        np.testing.assert_allclose(found, best.x, atol=1e-5)
    assert (sparsemax(scores) == 0).any()


def test_softmax_over_the_nearest() -> None:
    scores = np.array([[0.1, 0.9, 0.5, -0.3], [0.2, 0.1, 0.0, 0.3]])
    found = nearest_softmax(scores, 2, 0.1)
    np.testing.assert_allclose(found[0, [1, 2]], softmax([9.0, 5.0]))
    np.testing.assert_allclose(found[1, [3, 0]], softmax([3.0, 2.0]))
    assert not found[0, [0, 3]].any() and not found[1, [1, 2]].any()
    np.testing.assert_allclose(nearest_softmax(scores, 99, 1.0), softmax(scores, axis=1))


def test_cooccurrence_against_brute_force(store: TokenStore) -> None:
    expected = np.zeros((SIZE, SIZE))
    for number in range(store.num_documents):
        tokens = store.document(number)
        for one in range(len(tokens)):
            for other in range(one + 1, min(len(tokens), one + WINDOW + 1)):
                expected[tokens[one], tokens[other]] += 1
                expected[tokens[other], tokens[one]] += 1
    np.testing.assert_array_equal(_cooccurrence(store, SIZE, store.num_tokens).toarray(), expected)


def test_vectors_are_the_same_each_time_and_tell_neighbours(store: TokenStore) -> None:
    first, second = (token_vectors(store, SIZE, dimensions=8, most=10**9, seed=3) for _ in range(2))
    assert np.array_equal(first, second)
    assert not first[45].any()
    np.testing.assert_allclose(np.linalg.norm(first[:45], axis=1), 1, atol=1e-5)
    # In sorted documents tokens of near numbers stand near each other.
    cosines = first[:45] @ first[:45].T
    assert (
        np.mean([cosines[n, n + 1] for n in range(44)])
        > np.mean([cosines[n, (n + 22) % 45] for n in range(45)]) + 0.3
    )
    assert not token_vectors(store, SIZE, dimensions=8, most=0, seed=3).any()


@pytest.mark.parametrize("part", [Focus(dimensions=8), Wechsel(dimensions=8, neighbours=4)])
def test_a_row_is_its_convex_combination(part: Any, store: TokenStore, old_rows: Any) -> None:
    plan = adaptation()
    vectors = token_vectors(store, SIZE, dimensions=8, most=10**9, seed=7).astype(np.float64)
    maker = part.build(adaptation=plan, tokens=store, seed=7)
    rows, biases = maker.rows(old_rows), maker.rows(old_rows[:, :1])
    stayed = [id for id in range(39) if vectors[id].any()]
    for number, token in enumerate(plan.new[:-1]):
        cosines = (vectors[stayed] @ vectors[token.id])[None]
        weights = (sparsemax(cosines) if isinstance(part, Focus) else nearest_softmax(cosines, 4, 0.1))[0]
        assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
        old = [plan.from_old[id] for id in stayed]
        assert 5 not in old
        np.testing.assert_allclose(rows[number], weights @ old_rows[old], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(biases[number], weights @ old_rows[old, :1], rtol=1e-5, atol=1e-6)
    # Without a vector: the mean of the pieces.
    np.testing.assert_allclose(rows[-1], old_rows[[6, 8]].mean(axis=0), rtol=1e-6)


def test_the_map_is_that_of_least_squares(store: TokenStore, old_rows: Any) -> None:
    from sklearn.linear_model import LinearRegression

    plan = adaptation()
    vectors = token_vectors(store, SIZE, dimensions=8, most=10**9, seed=7).astype(np.float64)
    rows = Mapped(dimensions=8).build(adaptation=plan, tokens=store, seed=7).rows(old_rows)
    kept = space(plan, vectors.astype(np.float32))
    fitted = LinearRegression().fit(kept.old_vectors, old_rows[kept.shared])
    np.testing.assert_allclose(rows[:-1], fitted.predict(kept.new_vectors[:-1]), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(rows[-1], old_rows[[6, 8]].mean(axis=0), rtol=1e-6)
