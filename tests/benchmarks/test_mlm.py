"""Both sides of the comparison are given the same."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlm
import text
from acclimate.batching.sampler import Position
from acclimate.engine.feed import Feed
from acclimate.recipe.units import Length
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.training import Train
from session import Ended

WORDS = ["river", "bank", "money", "water", "house", "green", "walks", "slowly", "北京", "天气", "很好"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A specification with a small tokenizer and store of its own."""
    folder = tmp_path_factory.mktemp("text")
    draw = random.Random(3)
    lines = [" ".join(draw.choices(WORDS, k=draw.randint(3, 60))) for _ in range(400)]
    (folder / "tokenizer").mkdir()
    tokenizer = Train(vocab_size=100, least=0).build(texts=iter([lines]), folder=folder / "tokenizer")
    (folder / "store").mkdir()
    text.write_store(folder / "store", [Encoder(tokenizer, literal=True).encode(lines)])
    return {
        "size": "tiny",
        "precision": "fp32",
        "batch": 4,
        "seed": 5,
        "peak": 1e-3,
        "warmup": 2,
        "device": "cpu",
        "threads": 1,
        "tokenizer": str(folder / "tokenizer"),
        "store": str(folder / "store"),
    }


def lengths(prepared: dict[str, Any]) -> Any:
    tokenizer = mlm.load_tokenizer(prepared["tokenizer"])
    return text.windows(Path(prepared["store"]), tokenizer).lengths


def test_both_sides_learn_from_the_same_lines_and_alike(
    prepared: dict[str, Any], line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("accelerate")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    answers = {}
    for side in ("engine", "trainer"):
        end = line({"steps": 6}, {"losses": 8})
        with pytest.raises(Ended):
            mlm.candidate({**prepared, "side": side, "order": "ours"}, end)
        answers[side] = end.answers
    ours, theirs = answers["engine"], answers["trainer"]
    assert ours[1]["tokens"] == theirs[1]["tokens"] > 0  # the same six batches, real tokens only
    assert ours[1]["steps"] == theirs[1]["steps"] == 6
    assert max(ours[2]["losses"]) < math.log(text.VOCABULARY)
    assert np.mean(ours[2]["losses"]) == pytest.approx(np.mean(theirs[2]["losses"]), abs=0.3)


def test_the_trainers_model_starts_with_the_engines_weights(prepared: dict[str, Any]) -> None:
    tokenizer = mlm.load_tokenizer(prepared["tokenizer"])
    ours, theirs = mlm.built(prepared, tokenizer), mlm.plain_model(prepared, tokenizer)
    assert theirs.config._attn_implementation == "sdpa"
    assert theirs.config.hidden_dropout_prob == theirs.config.attention_probs_dropout_prob == 0.1
    own = ours.state_dict()
    assert own.keys() == theirs.state_dict().keys()
    assert all((own[name] == tensor).all() for name, tensor in theirs.state_dict().items())


def test_drawn_is_the_engines_own_order(prepared: dict[str, Any]) -> None:
    tokenizer = mlm.load_tokenizer(prepared["tokenizer"])
    store = text.windows(Path(prepared["store"]), tokenizer)
    feed = Feed(store, batch=Length(7, "sequences"), seed=9)
    first = feed.take(Position())
    second = feed.take(first.following)
    assert mlm.drawn(store.lengths, 9)[:14].tolist() == [*first.ids, *second.ids]


def test_grouped_batches_are_alike_within_and_any_cycle_of_them_stands_for_all(
    prepared: dict[str, Any],
) -> None:
    sizes, batch = lengths(prepared), 4
    order = mlm.grouped(sizes, batch, seed=2)
    assert len(set(order.tolist())) == len(order) == 400 // (48 * batch) * 48 * batch
    batches = sizes[order].reshape(-1, batch)
    mixed = sizes[mlm.drawn(sizes, 2)][: len(order)].reshape(-1, batch)
    assert np.ptp(batches, axis=1).mean() < np.ptp(mixed, axis=1).mean() / 10
    for start in range(0, mlm.STRATUM * mlm.STRATA, 5):
        cycle = batches[start : start + mlm.STRATA]
        assert cycle.mean() == pytest.approx(sizes.mean(), rel=0.15)


def test_real_tokens_are_counted_and_padding_is_not() -> None:
    counts: mlm.deque[int] = mlm.deque()
    collate = mlm.counting(lambda features: "padded", counts)
    assert collate([{"input_ids": [1, 2, 3]}, {"input_ids": [1]}]) == "padded"
    assert list(counts) == [4]


def test_a_store_is_written_as_it_is_read(tmp_path: Path) -> None:
    pieces = [(np.array([5, 6, 7, 8]), np.array([1, 3])), (np.array([9]), np.array([1]))]
    text.write_store(tmp_path, pieces)
    store = text.TokenStore(tmp_path)
    assert [store.document(n).tolist() for n in range(store.num_documents)] == [[5], [6, 7, 8], [9]]
