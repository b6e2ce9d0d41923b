"""Labelling words: the loss against the library's, and that of a CRF."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from acclimate.batching.packed import Sequences
from acclimate.models.building import Labels
from acclimate.models.crf import attach_crf, crf_of
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.token_labels import TokenLabels

LENGTHS = [7, 4, 9]


def sequences(chains: int, tags: int) -> Sequences:
    rng = np.random.default_rng(2)
    total = sum(LENGTHS)
    asked = rng.integers(0, tags, (total, chains))
    asked[rng.random(total) < 0.4] = -1
    cu_seqlens = np.append(0, np.cumsum(LENGTHS)).astype(np.int64)
    ids = np.arange(len(LENGTHS))
    return Sequences(
        rng.integers(5, 50, total),
        cu_seqlens,
        np.zeros(total, np.int64),
        ids,
        ids * 0,
        by_token={"tags": asked},
        by_sequence={"begins": np.array([True, False, True]), "ends": np.array([True, True, False])},
    )


def model(rows: int) -> Any:
    names = tuple(f"t{number}" for number in range(rows))
    built = Bert(size="tiny", positions=32).build(
        vocabulary=Vocabulary(50, 0), seed=1, kind="tokens", labels=Labels(names)
    )
    return built.eval()


def test_the_loss_is_the_librarys() -> None:
    objective, net, given = TokenLabels(5), model(5), sequences(1, 5)
    batch = objective.prepare(given)
    loss = objective.loss(net, batch)
    tags = given.by_token["tags"][:, 0]
    total = 0.0
    for start, end in zip(given.cu_seqlens[:-1], given.cu_seqlens[1:], strict=True):
        labels = torch.tensor(np.where(tags[start:end] >= 0, tags[start:end], -100))[None]
        told = net(input_ids=torch.tensor(given.tokens[start:end])[None], labels=labels)
        total += float(told.loss.detach()) * int((labels >= 0).sum())
    assert loss.count == float((tags >= 0).sum()) == objective.count(batch)[0]
    assert float(loss.sum.detach()) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(("chains", "crf"), [(1, False), (1, True), (3, False), (3, True)])
def test_sequences_add_up_and_can_be_chosen(chains: int, crf: bool) -> None:
    objective, net = TokenLabels(3, chains), model(3 * chains)
    if crf:
        attach_crf(net, chains, 3)
        for parameter in crf_of(net).parameters():  # type: ignore[union-attr]
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    given = sequences(chains, 3)
    loss = objective.loss(net, objective.prepare(given))
    assert loss.per_sequence is not None and loss.counts is not None and loss.only is not None
    torch.testing.assert_close(loss.per_sequence.sum(), loss.sum.detach())
    assert float(loss.counts.sum()) == loss.count
    for number in range(3):
        alone = objective.loss(net, objective.prepare(given.part(number, number + 1)))
        torch.testing.assert_close(alone.sum.detach(), loss.per_sequence[number], rtol=1e-4, atol=1e-4)
    keep = torch.tensor([True, False, True])
    chosen = objective.loss(net, objective.prepare(given)).only(keep)  # type: ignore[misc]
    torch.testing.assert_close(chosen.sum.detach(), loss.per_sequence[keep].sum())
    assert chosen.count == float(loss.counts[keep].sum())


def test_a_crf_of_zeros_changes_nothing_and_learns() -> None:
    objective, net, given = TokenLabels(3, 2), model(6), sequences(2, 3)
    plain = objective.loss(net, objective.prepare(given))
    attach_crf(net, 2, 3)
    with_crf = objective.loss(net, objective.prepare(given))
    torch.testing.assert_close(plain.sum, with_crf.sum, rtol=1e-5, atol=1e-4)
    with_crf.sum.backward()
    crf = crf_of(net)
    assert crf is not None and all(one.grad is not None and one.grad.any() for one in crf.parameters())


def test_a_tag_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="tag 4 does not fit 2 tags"):
        TokenLabels(2).prepare(sequences(1, 5))
