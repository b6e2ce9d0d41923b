"""Prefixes are drawn evenly and anew, every token behind one is asked for once, and the future is not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.models.families.transformer.family import Transformer
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode
from acclimate.objectives.prefix_lm import PrefixLanguageModel


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def sequences(lengths: list[int], epoch: int = 0) -> Sequences:
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.arange(len(lengths))
    tokens = 5 + np.arange(starts[-1]) % 40
    return Sequences(tokens, starts, np.zeros_like(tokens), ids, np.full_like(ids, epoch))


def prefixes(batch: object) -> np.ndarray:
    inside = (batch.segments == 0).numpy()
    return np.add.reduceat(inside, batch.cu_seqlens.numpy()[:-1])


def test_every_token_behind_the_prefix_is_asked_for_once() -> None:
    given = sequences([7, 1, 2, 12])
    batch = PrefixLanguageModel(seed=3, fixed=False).prepare(given)
    lengths, seen = given.lengths, prefixes(batch)
    assert (seen >= 1).all() and (seen <= np.maximum(lengths - 1, 1)).all()
    assert len(batch.targets) == int((lengths - seen).sum())
    assert batch.targets.tolist() == given.tokens[batch.target_positions.numpy() + 1].tolist()
    assert (batch.segments.numpy()[batch.target_positions.numpy() + 1] == 1).all()
    assert seen[2] == 1  # of two tokens the first is the prefix


def test_lengths_are_drawn_evenly_anew_each_epoch_and_not_when_fixed() -> None:
    objective = PrefixLanguageModel(seed=3, fixed=False)
    drawn = np.concatenate([prefixes(objective.prepare(sequences([11] * 2000, one))) for one in range(10)])
    counts = np.bincount(drawn, minlength=11)[1:]
    expected = len(drawn) / 10
    assert ((counts - expected) ** 2 / expected).sum() < 29.7  # χ² of 9 degrees of freedom, p = .0005
    again = PrefixLanguageModel(seed=3, fixed=False).prepare(sequences([11] * 50, 4))
    alone = objective.prepare(sequences([11] * 50, 4))
    assert torch.equal(again.segments, alone.segments)
    assert not torch.equal(again.segments, objective.prepare(sequences([11] * 50, 5)).segments)
    fixed = PrefixLanguageModel(seed=3, fixed=True)
    assert torch.equal(
        fixed.prepare(sequences([11] * 50, 4)).segments, fixed.prepare(sequences([11] * 50, 5)).segments
    )


def settings(**chosen: object) -> Transformer:
    values = {"size": "tiny", "positions": 32, "dropout": 0, "attention_dropout": 0}
    return Transformer.model_validate({**values, "initialise": {"truncated_normal": 0.2}, **chosen})


def test_a_model_sees_the_prefix_whole_and_of_the_rest_what_came_before() -> None:
    model = settings(direction="prefix").build(vocabulary=Vocabulary(50, 0), seed=1, kind="prefix").eval()
    batch = PrefixLanguageModel(seed=8, fixed=True).prepare(sequences([30]))
    end = int(prefixes(batch)[0])
    assert 3 < end < 27
    before = encode(model, batch)

    def changed(place: int) -> list[int]:
        tokens = batch.tokens.clone()
        tokens[place] += 1
        other = encode(model, type(batch)(**{**vars(batch), "tokens": tokens}))
        return ((before - other).abs().amax(-1) > 1e-6).nonzero().flatten().tolist()

    assert changed(end - 1) == list(range(30))  # all see all of the prefix
    assert changed(end + 1) == list(range(end + 1, 30))


def test_directions_that_know_no_prefix_are_refused() -> None:
    with pytest.raises(UserError, match="nearest: `direction: prefix`"):
        settings().build(vocabulary=Vocabulary(50, 0), seed=1, kind="prefix")
