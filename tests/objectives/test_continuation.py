"""A causal model is asked for the target alone: the library's own loss with the source left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from acclimate.batching.packed import Sequences
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.family import Vocabulary
from acclimate.objectives.continuation import Continuation

ROWS = [([1, 5, 6, 2], [7, 8, 2]), ([1, 9], [2]), ([1, 4, 4, 4, 2], [10, 11, 12, 13, 2])]


def sequences() -> Sequences:
    rows = [source + target for source, target in ROWS]
    segments = np.concatenate([[0] * len(source) + [1] * len(target) for source, target in ROWS])
    ends = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Sequences(np.concatenate(rows), ends, segments, np.arange(3), np.zeros(3, int))


def test_each_token_of_the_target_is_asked_for_once() -> None:
    batch = Continuation().prepare(sequences())
    assert batch.targets.tolist() == [7, 8, 2, 2, 10, 11, 12, 13, 2]
    assert Continuation().count(batch) == (9.0,)
    assert not batch.segments.any() and 13 in batch.tokens.tolist()
    # What stands at the asked place is the token before.
    assert batch.tokens[batch.target_positions].tolist() == [2, 7, 8, 9, 2, 10, 11, 12, 13]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_the_librarys(smoothing: float) -> None:
    torch.set_num_threads(1)
    family = Gpt2(size="tiny", positions=16, dropout=0, attention_dropout=0)
    model = family.build(vocabulary=Vocabulary(20, 0), seed=1, kind="clm").eval()
    objective = Continuation(smoothing=smoothing)
    loss = objective.loss(model, objective.prepare(sequences()))
    sums = []
    for source, target in ROWS:
        logits = model(input_ids=torch.tensor([source + target])).logits[0, len(source) - 1 : -1]
        sums.append(
            torch.nn.functional.cross_entropy(
                logits, torch.tensor(target), reduction="sum", label_smoothing=smoothing
            ).item()
        )
    assert loss.per_sequence is not None and loss.counts is not None
    assert loss.per_sequence.tolist() == pytest.approx(sums, rel=1e-4)
    assert loss.sum.item() == pytest.approx(sum(sums), rel=1e-4)
    assert loss.counts.tolist() == [3, 1, 5] and loss.count == 9
