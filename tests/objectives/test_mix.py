"""Several objectives in one training."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import BertConfig, BertForMaskedLM

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.batching.union_store import UnionStore
from acclimate.engine.backward import weighted
from acclimate.engine.measure import measure
from acclimate.models.packed_attention import register
from acclimate.objectives.mix import Mix, MixedObjective
from acclimate.objectives.mlm import MaskedLanguageModel
from acclimate.objectives.protocol import Loss
from acclimate.recipe.units import Length

torch.set_num_threads(1)


def masked(seed: int, rate: float) -> MaskedLanguageModel:
    return MaskedLanguageModel(
        mask_id=4, special_ids=[0, 1, 2, 3, 4], vocabulary=list(range(60)), rate=rate, mask=0.8, random=0.1,
        seed=seed, fixed=False,
    )  # fmt: skip


class Texts:
    """So many sequences of random tokens."""

    num_bytes, num_tokens = 100, 30

    def __init__(self, number: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.lengths = random.integers(4, 12, number)
        self._rows = [random.integers(5, 60, length) for length in self.lengths]

    def document_of(self, ids: np.ndarray) -> np.ndarray:
        return ids

    def fetch(self, ids: np.ndarray, epochs: np.ndarray) -> Sequences:
        rows = [self._rows[one] for one in ids]
        cu_seqlens = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        tokens = np.concatenate(rows)
        return Sequences(tokens, cu_seqlens, np.zeros_like(tokens), ids, epochs)


@pytest.fixture
def model() -> BertForMaskedLM:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertForMaskedLM._from_config(config, attn_implementation=register())


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    return found


STORES = [Texts(9, 1), Texts(4, 2)]
OBJECTIVES = [masked(3, 0.15), masked(4, 0.5)]
WEIGHTS = [1.0, 0.25]


def test_gradients_are_the_weighted_sum(model: BertForMaskedLM) -> None:
    union, mixed = UnionStore(STORES), MixedObjective(list(OBJECTIVES), ["mlm", "other"], WEIGHTS)
    ids = np.array([10, 0, 3, 12, 7, 8])
    batch = mixed.prepare(union.fetch(ids, np.zeros_like(ids)))
    parts: dict[str, float] = {}
    value = weighted(mixed.loss(model, batch), list(mixed.count(batch)), parts)
    value.backward()
    together = gradients(model)

    expected: dict[str, torch.Tensor] = {}
    total = 0.0
    for k, own in enumerate((np.array([0, 3, 7, 8]), np.array([1, 3]))):
        alone: PackedBatch = OBJECTIVES[k].prepare(STORES[k].fetch(own, np.zeros_like(own)))
        loss = OBJECTIVES[k].loss(model, alone)
        mean = loss.sum / loss.count
        mean.backward()
        total += WEIGHTS[k] * float(mean)
        assert parts[("loss_mlm", "loss_other")[k]] == pytest.approx(float(mean), rel=1e-5)
        for name, gradient in gradients(model).items():
            expected[name] = expected.get(name, 0) + WEIGHTS[k] * gradient
    assert float(value) == pytest.approx(total, rel=1e-5)
    assert together.keys() == expected.keys()
    for name, gradient in together.items():
        assert torch.allclose(gradient, expected[name], atol=1e-6), name


def test_a_step_may_lack_one_of_them(model: BertForMaskedLM) -> None:
    union, mixed = UnionStore(STORES), MixedObjective(list(OBJECTIVES), ["mlm", "other"], WEIGHTS)
    ids = np.array([9, 11])
    batch = mixed.prepare(union.fetch(ids, np.zeros_like(ids)))
    counts = mixed.count(batch)
    assert counts[0] == 0 < counts[1]
    loss = mixed.loss(model, batch)
    value = weighted(loss, list(counts), parts := {})
    assert set(parts) == {"loss_other"} and float(value) == pytest.approx(0.25 * parts["loss_other"])
    assert loss.per_sequence is not None and loss.per_sequence.tolist() == [0, 0]


def test_measured_apart_and_together(model: BertForMaskedLM) -> None:
    union, mixed = UnionStore(STORES), MixedObjective(list(OBJECTIVES), ["mlm", "other"], WEIGHTS)
    found = measure(model, mixed, union, batch=Length(30, "tokens"))
    alone = [
        measure(model, one, store, batch=Length(30, "tokens")).loss
        for one, store in zip(OBJECTIVES, STORES, strict=True)
    ]
    assert found.sums[:9].sum() / found.counts.sum() == pytest.approx(alone[0], rel=1e-5)
    assert (found.counts[9:] == 0).all()
    assert found.others == {"other": (pytest.approx(alone[1], rel=1e-5), 0.25)}
    assert found.loss == pytest.approx(alone[0] + 0.25 * alone[1], rel=1e-5)


class Fixed:
    """An objective of two terms whose losses are known."""

    num_terms = 2

    def prepare(self, sequences: Sequences) -> PackedBatch:
        return OBJECTIVES[0].prepare(sequences)

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        return (2.0, 4.0)

    def loss(self, model: object, batch: PackedBatch) -> Loss:
        return Loss(
            torch.tensor(6.0), 2.0, name="", others=(Loss(torch.tensor(8.0), 4.0, name="side", weight=3.0),)
        )


def test_terms_of_terms_keep_their_names_and_weights(model: BertForMaskedLM) -> None:
    mixed = MixedObjective([Fixed(), Fixed()], ["a", "b"], [1.0, 10.0])
    ids = np.array([0, 9])
    batch = mixed.prepare(UnionStore(STORES).fetch(ids, ids * 0))
    assert mixed.num_terms == 4 and mixed.count(batch) == (2, 4, 2, 4)
    parts: dict[str, float] = {}
    value = weighted(mixed.loss(model, batch), list(mixed.count(batch)), parts)
    assert float(value) == pytest.approx(3 + 3 * 2 + 10 * 3 + 10 * 3 * 2)
    assert parts == {"loss_a": 3, "loss_a_side": 2, "loss_b": 3, "loss_b_side": 2}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"of": ["mlm"]}, "at least 2"),
        ({"of": ["mlm", "mlm"]}, "mlm stands twice"),
        ({"of": ["mlm", "clm"]}, "need different models: mlm a model for mlm, clm a model for clm"),
        ({"of": ["mlm", "nsp"], "weights": [1]}, "1 weights for 2 objectives"),
        ({"of": ["mlm", {"mix": {"of": ["mlm", "clm"]}}]}, "holds no mix|need different models"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Mix.model_validate(settings)


def test_every_store_is_drawn_from_by_its_share() -> None:
    union = UnionStore([Texts(90, 1), Texts(10, 2)], alpha=0.5)
    drawn = Counter(
        union.fetch(np.arange(len(union.lengths)), np.zeros(len(union.lengths), int)).by_sequence["store"]
    )
    assert drawn[1] / drawn.total() == pytest.approx(10**0.5 / (10**0.5 + 90**0.5), abs=0.01)
