from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.sampling.settings import BpeDropout
from acclimate.tokenizer.training import Train


@pytest.fixture(scope="module", params=["bpe", "character_bpe"])
def tokenizer(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    english: list[str],
    chinese: list[str],
) -> PreTrainedTokenizerFast:
    folder = tmp_path_factory.mktemp(request.param)
    return Train(algorithm=request.param, vocab_size=3000).build(
        texts=iter([english[:600], chinese[:800]]), folder=folder
    )


def numbered(count: int, epoch: int = 0) -> dict[str, np.ndarray]:
    return {"epochs": np.full(count, epoch), "documents": np.arange(count)}


def test_nothing_left_out_is_the_plain_way(
    tokenizer: PreTrainedTokenizerFast, english: list[str], chinese: list[str], awkward: list[str]
) -> None:
    texts = [*english[:400], *chinese[:400], *awkward[:700], ""]
    plain, lengths = Encoder(tokenizer, literal=True).encode(texts)
    tokens, sizes = (
        BpeDropout(rate=0).build(tokenizer=tokenizer, seed=3).encode(texts, **numbered(len(texts)))
    )
    assert np.array_equal(tokens, plain) and np.array_equal(sizes, lengths)


def test_it_is_a_function_of_seed_epoch_and_document(
    tokenizer: PreTrainedTokenizerFast, english: list[str]
) -> None:
    texts = english[:200]
    sampled = BpeDropout(rate=0.3).build(tokenizer=tokenizer, seed=3)
    tokens, sizes = sampled.encode(texts, **numbered(200))
    ends = np.concatenate([[0], np.cumsum(sizes)])
    some, _ = sampled.encode(texts[50:90], epochs=np.zeros(40, np.int64), documents=np.arange(50, 90))
    assert np.array_equal(some, tokens[ends[50] : ends[90]])
    again = BpeDropout(rate=0.3).build(tokenizer=tokenizer, seed=3).in_order(200)
    parts = [again(texts[:120])[0], again(texts[120:])[0]]
    assert np.array_equal(np.concatenate(parts), tokens)
    second = np.concatenate([again(texts[:120])[0], again(texts[120:])[0]])  # the same texts, an epoch later
    other = BpeDropout(rate=0.3).build(tokenizer=tokenizer, seed=4).encode(texts, **numbered(200))[0]
    assert not np.array_equal(second, tokens) and not np.array_equal(other, tokens)
    assert np.array_equal(second, sampled.encode(texts, **numbered(200, epoch=1))[0])


def test_every_split_reads_back(
    tokenizer: PreTrainedTokenizerFast, english: list[str], chinese: list[str]
) -> None:
    texts = [*english[:150], *chinese[:150]]
    plain = len(Encoder(tokenizer, literal=True).encode(texts)[0])
    longest = 0
    for rate in (0.1, 0.5, 1.0):
        tokens, sizes = (
            BpeDropout(rate=rate).build(tokenizer=tokenizer, seed=1).encode(texts, **numbered(300))
        )
        for text, row in zip(texts, np.split(tokens, np.cumsum(sizes)[:-1]), strict=True):
            expected = text[1:] if text.startswith(" ") and "▁" in tokenizer.get_vocab() else text
            assert tokenizer.decode(row) == expected
        assert len(tokens) > max(plain, longest)
        longest = len(tokens)


def test_the_distribution_is_the_one_of_the_paper() -> None:
    # ab first, then bc, then abc from either: with each possible merge left out at each step with p.
    vocabulary = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}
    merges = [("a", "b"), ("b", "c"), ("a", "bc"), ("ab", "c")]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocabulary, merges)))
    p, count = 0.4, 40_000
    sampled = BpeDropout(rate=p).build(tokenizer=tokenizer, seed=5)
    tokens, sizes = sampled.encode(["abc"] * count, **numbered(count))
    found = Counter(tuple(row.tolist()) for row in np.split(tokens, np.cumsum(sizes)[:-1]))
    q = 1 - p
    exact = {(5,): q * q + p * q * q, (3, 2): q * p, (0, 4): p * q * p, (0, 1, 2): p * p}
    assert sum(exact.values()) == pytest.approx(1)
    assert set(found) == set(exact)
    statistics = chisquare([found[key] for key in exact], [count * share for share in exact.values()])
    assert statistics.pvalue > 0.001, found


def test_what_has_no_merges_is_refused(tmp_path: Path, english: list[str]) -> None:
    for algorithm in ("wordpiece", "unigram", "word"):
        folder = tmp_path / algorithm
        folder.mkdir()
        tokenizer = Train(algorithm=algorithm, vocab_size=600).build(
            texts=iter([english[:200]]), folder=folder
        )
        kind = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"]
        with pytest.raises(
            UserError, match=f"cannot be sampled from: bpe_dropout needs a BPE, and it is a {kind}"
        ):
            BpeDropout().build(tokenizer=tokenizer, seed=1)
