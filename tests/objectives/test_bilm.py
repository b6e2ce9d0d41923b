"""Both directions: targets, their mean, and equality with the model's own loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from acclimate.batching.packed import Sequences
from acclimate.models.families.elmo.family import Elmo
from acclimate.models.family import Vocabulary
from acclimate.objectives.bilm import BiLm


def sequences(*lengths: int) -> Sequences:
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.random.default_rng(0).integers(0, 30, starts[-1])
    return Sequences(
        tokens,
        starts,
        np.zeros(len(tokens), np.int64),
        np.arange(len(lengths)),
        np.zeros(len(lengths), np.int64),
    )


def test_every_token_but_the_first_is_asked_forwards_and_but_the_last_backwards() -> None:
    row = sequences(4, 1, 3)
    objective = BiLm().build(tokenizer=None, seed=1)
    batch = objective.prepare(row)
    assert batch.target_positions.tolist() == [0, 1, 2, 5, 6]
    assert batch.targets.tolist() == row.tokens[[1, 2, 3, 6, 7]].tolist()
    assert objective.count(batch) == (5.0, 5.0)


def test_the_loss_is_the_mean_of_both_directions() -> None:
    model: Any = Elmo(size="small").build(vocabulary=Vocabulary(30, 0), seed=1, kind="bilm").eval()
    row = sequences(6)
    objective = BiLm().build(tokenizer=None, seed=1)
    loss = objective.loss(model, objective.prepare(row))
    ids = torch.from_numpy(row.tokens)[None]
    out = model(ids, labels=ids)
    ours = sum(term.weight * term.sum / term.count for term in loss.terms)
    torch.testing.assert_close(ours, out.loss)
    assert [term.name for term in loss.terms] == ["forward", "backward"]
    ahead = torch.nn.functional.cross_entropy(out.logits[0, :-1], ids[0, 1:], reduction="sum")
    torch.testing.assert_close(loss.sum, ahead)
    assert loss.counts is not None and loss.counts.tolist() == [5]


def test_sequences_do_not_see_each_other() -> None:
    model: Any = Elmo(size="small").build(vocabulary=Vocabulary(30, 0), seed=1, kind="bilm").eval()
    objective = BiLm().build(tokenizer=None, seed=1)
    both = objective.loss(model, objective.prepare(sequences(6, 4)))
    one = objective.loss(model, objective.prepare(sequences(6, 4).part(0, 1)))
    assert both.per_sequence is not None and one.per_sequence is not None
    torch.testing.assert_close(both.per_sequence[:1], one.per_sequence)
