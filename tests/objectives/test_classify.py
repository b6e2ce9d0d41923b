"""The classification objective against torch's own losses, on a tiny BERT and packed rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import BertConfig, BertForSequenceClassification

from acclimate.batching.packed import Sequences
from acclimate.models.packed_attention import register
from acclimate.objectives.classify import SequenceClassification, balanced_weights

NUM, CLASSES = 11, 4


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        num_labels=CLASSES,
    )
    config._attn_implementation = register()
    made = BertForSequenceClassification(config)
    torch.nn.init.normal_(
        made.classifier.weight, std=0.5
    )  # far from the point where all classes look the same
    return made.eval()


def _texts() -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(5, 50, rng.integers(3, 12)).tolist() for _ in range(NUM)]


def _sequences(ids: list[int]) -> Sequences:
    """The texts of these numbers in one row, as a store hands them out."""
    rows = [_texts()[number] for number in ids]
    tokens = np.concatenate(rows)
    return Sequences(
        tokens=tokens,
        cu_seqlens=np.cumsum([0, *map(len, rows)]),
        segments=np.zeros_like(tokens),
        ids=np.array(ids),
        epochs=np.zeros(len(ids), np.int64),
    )


def _plain_logits(model, ids: list[int]) -> torch.Tensor:
    """Each text alone, by the model's own forward."""
    plain = BertForSequenceClassification(model.config.__class__(**model.config.to_dict())).eval()
    plain.load_state_dict(model.state_dict())
    return torch.cat([plain(torch.tensor([_texts()[number]])).logits for number in ids])


CLASS_IDS = np.random.default_rng(1).integers(0, CLASSES, NUM)
MULTI_HOT = np.random.default_rng(2).integers(0, 2, (NUM, CLASSES))
ORDER = [7, 0, 3, 10, 4, 4, 1]


@pytest.mark.parametrize("weighted", [False, True])
def test_one_class_is_torchs_cross_entropy(model, weighted):
    weights = np.array([0.5, 2.0, 1.0, 3.0]) if weighted else None
    objective = SequenceClassification(CLASS_IDS, num_classes=CLASSES, class_weights=weights)
    batch = objective.prepare(_sequences(ORDER))
    loss = objective.loss(model, batch)
    targets = torch.from_numpy(CLASS_IDS[ORDER])
    logits = _plain_logits(model, ORDER)
    torch_weights = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    torch.testing.assert_close(
        loss.sum / loss.count, cross_entropy(logits, targets, torch_weights), rtol=0, atol=1e-6
    )
    each = cross_entropy(logits, targets, torch_weights, reduction="none")
    torch.testing.assert_close(loss.per_sequence, each.detach(), rtol=0, atol=1e-6)
    assert objective.count(batch)[0] == loss.count == pytest.approx(float(loss.counts.sum()))


@pytest.mark.parametrize("weighted", [False, True])
def test_several_labels_are_torchs_binary_cross_entropy(model, weighted):
    weights = balanced_weights(MULTI_HOT, CLASSES) if weighted else None
    objective = SequenceClassification(
        MULTI_HOT, num_classes=CLASSES, multi_label=True, class_weights=weights
    )
    batch = objective.prepare(_sequences(ORDER))
    loss = objective.loss(model, batch)
    targets = torch.from_numpy(MULTI_HOT[ORDER]).float()
    each = binary_cross_entropy_with_logits(_plain_logits(model, ORDER), targets, reduction="none")
    if weights is None:
        expected = binary_cross_entropy_with_logits(_plain_logits(model, ORDER), targets)
        assert loss.count == len(ORDER) * CLASSES
    else:
        by_hand = torch.tensor([[weights[yes, c] for c, yes in enumerate(row)] for row in MULTI_HOT[ORDER]])
        expected = ((each * by_hand).sum() / by_hand.sum()).float()
    torch.testing.assert_close(loss.sum / loss.count, expected, rtol=0, atol=1e-6)
    assert objective.count(batch)[0] == loss.count
    assert float(loss.per_sequence.sum()) == pytest.approx(loss.sum.item(), abs=1e-5)


@pytest.mark.parametrize("multi_label", [False, True])
def test_micro_batches_add_up_to_the_batch_gradients_too(model, multi_label):
    labels = MULTI_HOT if multi_label else CLASS_IDS
    objective = SequenceClassification(
        labels, num_classes=CLASSES, multi_label=multi_label, class_weights=balanced_weights(labels, CLASSES)
    )

    def total(pieces: list[list[int]]) -> tuple[float, float, torch.Tensor]:
        model.zero_grad()
        losses = [objective.loss(model, objective.prepare(_sequences(piece))) for piece in pieces]
        count = sum(loss.count for loss in losses)
        (sum(loss.sum for loss in losses) / count).backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        return sum(loss.sum.item() for loss in losses), count, gradient.clone()

    whole_sum, whole_count, whole_gradient = total([ORDER])
    piece_sum, piece_count, piece_gradient = total([ORDER[:1], ORDER[1:4], ORDER[4:]])
    assert piece_sum == pytest.approx(whole_sum, abs=1e-5)
    assert piece_count == pytest.approx(whole_count, abs=1e-6)
    torch.testing.assert_close(piece_gradient, whole_gradient, rtol=0, atol=1e-6)


def test_targets_go_by_the_sequences_ids_and_stand_at_their_first_tokens():
    objective = SequenceClassification(CLASS_IDS, num_classes=CLASSES)
    sequences = _sequences(ORDER)
    batch = objective.prepare(sequences)
    assert batch.targets.tolist() == CLASS_IDS[ORDER].tolist()
    assert batch.tokens.tolist() == sequences.tokens.tolist()
    firsts = batch.tokens[batch.target_positions].tolist()
    assert firsts == [_texts()[number][0] for number in ORDER]
    assert batch.targets.dtype == torch.int64
    several = SequenceClassification(MULTI_HOT, num_classes=CLASSES, multi_label=True).prepare(sequences)
    assert several.targets.dtype == torch.float32
    assert several.targets.tolist() == MULTI_HOT[ORDER].tolist()


def test_balanced_weights_are_sklearns_and_weigh_each_class_the_same():
    labels = np.repeat([0, 1, 3], [70, 20, 10])
    weights = balanced_weights(labels, 4)
    want = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    # scikit-learn counts the classes that occur, we those of the model: the ratio is the same.
    np.testing.assert_allclose(weights[[0, 1, 3]], want * 3 / 4)
    assert weights[2] == 0
    np.testing.assert_allclose(np.bincount(labels, weights=weights[labels], minlength=4), [25, 25, 0, 25])
    several = balanced_weights(np.array([[1, 0], [0, 0], [0, 0], [1, 0]]), 2)
    np.testing.assert_allclose(several, [[1, 0.5], [1, 0]])


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        ([0, 4], {}),
        ([0, -1], {}),
        ([[0, 1]], {}),
        ([[0, 1]], {"multi_label": True}),
        ([0, 1], {"class_weights": np.ones(3)}),
        (np.zeros((2, 4)), {"multi_label": True, "class_weights": np.ones(4)}),
    ],
)
def test_parts_that_do_not_fit_are_refused(labels, options):
    with pytest.raises(ValueError, match=r"fit|expected"):
        SequenceClassification(np.array(labels), num_classes=CLASSES, **options)
