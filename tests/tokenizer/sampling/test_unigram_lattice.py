from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.sampling.settings import UnigramSampling
from acclimate.tokenizer.sampling.unigram_lattice import LatticeSampling
from acclimate.tokenizer.training import Train

PIECES = [("<unk>", 0.0), ("a", -2.0), ("b", -2.3), ("c", -2.1), ("ab", -2.6), ("bc", -3.0), ("abc", -4.2)]
MODEL = {"type": "Unigram", "vocab": PIECES, "unk_id": 0, "byte_fallback": False}


@pytest.fixture(scope="module")
def tokenizer(
    tmp_path_factory: pytest.TempPathFactory, english: list[str], chinese: list[str]
) -> PreTrainedTokenizerFast:
    return Train(algorithm="unigram", vocab_size=3000).build(
        texts=iter([english[:600], chinese[:800]]), folder=tmp_path_factory.mktemp("unigram")
    )


def numbered(count: int) -> dict[str, np.ndarray]:
    return {"epochs": np.zeros(count, np.int64), "documents": np.arange(count)}


def splits(word: str) -> dict[tuple[int, ...], float]:
    """Every segmentation with its score, by trying all cuts."""
    ids = {piece: (id, score) for id, (piece, score) in enumerate(PIECES)}
    found = {}
    for cuts in itertools.product([False, True], repeat=len(word) - 1):
        places = [0, *(place for place, cut in enumerate(cuts, 1) if cut), len(word)]
        parts = [word[start:end] for start, end in itertools.pairwise(places)]
        if all(part in ids for part in parts):
            found[tuple(ids[part][0] for part in parts)] = sum(ids[part][1] for part in parts)
    return found


@pytest.mark.parametrize(("alpha", "best"), [(0.2, None), (1.0, None), (0.0, None), (0.5, 3), (0.5, 64)])
def test_the_distribution_is_exact(alpha: float, best: int | None) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.Unigram(PIECES, 0)))
    count = 30_000
    sampled = UnigramSampling(alpha=alpha, best=best).build(tokenizer=tokenizer, seed=2)
    tokens, sizes = sampled.encode(["abcab"] * count, **numbered(count))
    found = Counter(tuple(row.tolist()) for row in np.split(tokens, np.cumsum(sizes)[:-1]))
    kept = dict(sorted(splits("abcab").items(), key=lambda item: -item[1])[:best])
    weights = {key: math.exp(alpha * score) for key, score in kept.items()}
    total = sum(weights.values())
    assert set(found) == set(weights)
    expected = [count * weight / total for weight in weights.values()]
    assert chisquare([found[key] for key in weights], expected).pvalue > 0.001


def test_the_best_are_those_of_brute_force() -> None:
    lattice = LatticeSampling(MODEL, 1.0, 4)
    found = [
        (score, tuple(edge.id for edge in edges)) for score, edges in lattice.best_segmentations("abcab", 4)
    ]
    exact = sorted(((score, ids) for ids, score in splits("abcab").items()), reverse=True)[:4]
    assert [score for score, _ in found] == pytest.approx([score for score, _ in exact])
    assert found[0][1] == exact[0][1]


def test_a_large_alpha_or_the_single_best_is_viterbi(
    tokenizer: PreTrainedTokenizerFast, english: list[str], chinese: list[str], awkward: list[str]
) -> None:
    texts = [*english[:300], *chinese[:300], *awkward[:700], ""]
    plain, lengths = Encoder(tokenizer, literal=True).encode(texts)
    tokens, sizes = (
        UnigramSampling(best=1).build(tokenizer=tokenizer, seed=3).encode(texts, **numbered(len(texts)))
    )
    assert np.array_equal(tokens, plain) and np.array_equal(sizes, lengths)
    sharp = UnigramSampling(alpha=1e4).build(tokenizer=tokenizer, seed=3)
    tokens, sizes = sharp.encode(texts, **numbered(len(texts)))
    # Equal scores may part ways; then the tokens are others and the score of a text is the same.
    state = dict(LatticeSampling(_model(tokenizer), 1.0, None)._pieces.values())
    for row, other in zip(
        np.split(tokens, np.cumsum(sizes)), np.split(plain, np.cumsum(lengths)), strict=True
    ):
        assert sum(map(state.__getitem__, row.tolist())) == pytest.approx(
            sum(map(state.__getitem__, other.tolist()))
        )


def test_every_split_reads_back_and_differs(tokenizer: PreTrainedTokenizerFast, english: list[str]) -> None:
    texts = [text for text in english[:200] if not text.startswith(" ")] + ["word 𓀀 and 我们 <0x41>"] * 5
    for settings in (UnigramSampling(alpha=0.1), UnigramSampling(alpha=0.1, best=16)):
        sampled = settings.build(tokenizer=tokenizer, seed=1)
        tokens, sizes = sampled.encode(texts, **numbered(len(texts)))
        rows = np.split(tokens, np.cumsum(sizes)[:-1])
        for text, row in zip(texts, rows, strict=True):
            assert tokenizer.decode(row) == text
        assert len({tuple(row.tolist()) for row in rows[-5:]}) > 1
        assert np.array_equal(sampled.encode(texts, **numbered(len(texts)))[0], tokens)


def test_other_models_are_refused(tmp_path: Path, english: list[str]) -> None:
    tokenizer = Train(algorithm="bpe", vocab_size=600).build(texts=iter([english[:200]]), folder=tmp_path)
    with pytest.raises(UserError, match="unigram_sampling needs a unigram model, and it is a BPE"):
        UnigramSampling().build(tokenizer=tokenizer, seed=1)


def _model(tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    import json

    return json.loads(tokenizer.backend_tokenizer.to_str())["model"]
