"""R-Drop, mixout and label smoothing: their formulas, their gradients, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from acclimate.batching.packed import PackedBatch
from acclimate.batching.sequence_store import ExampleStore
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training, train
from acclimate.engine.state import TrainState, carrying
from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.classify import SequenceClassification
from acclimate.objectives.label_smoothing import Complement, Uniform
from acclimate.objectives.mixout import FallingBack, Mixout, mixed_weights
from acclimate.objectives.mlm import Mlm
from acclimate.objectives.r_drop import RDrop, divergence
from acclimate.objectives.regulariser import regularised
from acclimate.optim.adamw import AdamW
from acclimate.optim.schedules import Constant
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer

TEXTS = ["a b c d", "一 二 三", "e f", "g h i j k l", "四 五", "m n o"]
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def classifier(dropout: float = 0.0) -> torch.nn.Module:
    vocabulary = Vocabulary.of(untrained_tokenizer(300))
    settings = Bert.model_validate({"size": "tiny", "dropout": dropout, "attention_dropout": dropout})
    model: torch.nn.Module = settings.build(
        vocabulary=vocabulary, seed=1, kind="classification", labels=Labels(("x", "y", "z"))
    )
    return model.train()


def objective(**settings: object) -> SequenceClassification:
    return SequenceClassification(LABELS, num_classes=3, **settings)  # type: ignore[arg-type]


def store() -> ExampleStore:
    return ExampleStore.from_texts(TEXTS, None, untrained_tokenizer(300), 16)


def batch(asked: SequenceClassification) -> PackedBatch:
    ids = np.arange(len(TEXTS))
    return asked.prepare(store().fetch(ids, np.zeros_like(ids)))


def gradients(model: torch.nn.Module, value: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    value.backward()
    return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


def test_the_divergence_is_the_mean_of_both_ways() -> None:
    first, second = torch.randn(2, 5, 7).log_softmax(-1)
    both = [kl_div(p, q, reduction="sum", log_target=True) for p, q in ((first, second), (second, first))]
    assert float(divergence(first, second)) == pytest.approx(float(sum(both)) / 2, rel=1e-5)
    assert float(divergence(first, first)) == 0


def test_r_drop_is_two_passes_and_alpha_times_how_far_they_are_apart() -> None:
    model, plain = classifier(0.3), objective()
    asked = RDrop(alpha=2.0).build(objective=plain, model=model)
    row = batch(plain)
    assert asked.num_terms == 2
    assert asked.count(row) == (6.0, 6.0)
    torch.manual_seed(4)
    found = asked.loss(model, row)
    torch.manual_seed(4)
    (one, first), (two, second) = plain.scored(model, row), plain.scored(model, row)
    assert torch.equal(found.sum, (one.sum + two.sum) / 2)
    (apart,) = found.others
    assert (apart.name, apart.weight, apart.count) == ("r_drop", 2.0, 6.0)
    assert torch.equal(apart.sum, divergence(first, second))
    assert float(apart.sum) > 0


def test_r_drop_without_dropout_is_the_loss_itself() -> None:
    model, plain = classifier(), objective()
    found = RDrop().build(objective=plain, model=model).loss(model, batch(plain))
    assert torch.equal(found.sum, plain.loss(model, batch(plain)).sum)
    assert float(found.others[0].sum) == 0


@pytest.mark.parametrize("several", [False, True])
def test_what_a_classifier_scores_are_log_probabilities(several: bool) -> None:
    labels = np.eye(3, dtype=np.int64)[LABELS] if several else LABELS
    asked = SequenceClassification(labels, num_classes=3, multi_label=several)
    loss, scores = asked.scored(classifier(), batch(asked))
    assert scores.shape == ((18, 2) if several else (6, 3))
    assert torch.allclose(scores.exp().sum(-1), torch.ones(len(scores)))
    truth = torch.from_numpy(labels.reshape(-1))
    assert float(-scores[torch.arange(len(truth)), truth].sum()) == pytest.approx(float(loss.sum), rel=1e-5)


def test_what_masked_language_modelling_scores_is_its_loss() -> None:
    tokenizer = untrained_tokenizer(300)
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="mlm").eval()
    asked = Mlm().build(tokenizer=tokenizer, seed=1)
    ids = np.arange(len(TEXTS))
    row = asked.prepare(store().fetch(ids, np.zeros_like(ids)))
    loss, scores = asked.scored(model, row)
    plain = asked.loss(model, row)
    assert scores.shape == (len(row.targets), len(tokenizer))
    assert float(loss.sum) == pytest.approx(float(plain.sum), rel=1e-5)
    assert torch.allclose(loss.per_sequence, plain.per_sequence, rtol=1e-4, atol=1e-5)


def test_smoothing_is_torchs_and_the_two_forms_agree() -> None:
    logits = torch.randn(6, 3)
    asked = objective(smoothing=Uniform(share=0.3).build(num_classes=3))
    want = cross_entropy(logits, torch.from_numpy(LABELS), label_smoothing=0.3, reduction="sum")
    assert float(asked._loss(logits, batch(asked)).sum) == pytest.approx(float(want), rel=1e-6)
    share = Complement(share=0.2).build(num_classes=3)
    assert share == pytest.approx(0.3)
    truth = torch.full((6, 3), 0.1)
    truth[torch.arange(6), torch.from_numpy(LABELS)] = 0.8
    spread = -(truth * logits.log_softmax(-1)).sum()
    assert float(want) == pytest.approx(float(spread), rel=1e-5)


def test_smoothing_of_several_labels_is_that_of_two_answers_each() -> None:
    labels = np.eye(3, dtype=np.int64)[LABELS]
    asked = SequenceClassification(labels, num_classes=3, multi_label=True, smoothing=0.2)
    logits = torch.randn(6, 3)
    pairs = torch.stack([torch.zeros(6, 3), logits], -1).flatten(0, 1)
    want = cross_entropy(pairs, torch.from_numpy(labels).flatten(), label_smoothing=0.2, reduction="sum")
    assert float(asked._loss(logits, batch(asked)).sum) == pytest.approx(float(want), rel=1e-5)


def test_mixout_changes_nothing_where_nothing_has_moved() -> None:
    model, plain = classifier(), objective()
    asked = Mixout(p=0.5).build(objective=plain, model=model)
    found, want = asked.loss(model, batch(plain)), plain.loss(model, batch(plain))
    assert float(found.sum) == pytest.approx(float(want.sum), rel=1e-5)


def test_mixout_is_its_formula_and_its_gradient_reaches_what_was_not_put_back() -> None:
    model, plain = classifier(), objective()
    asked = FallingBack(plain, model, p=0.4)
    start = {name: one.detach().clone() for name, one in mixed_weights(model).items()}
    with torch.no_grad():
        for one in mixed_weights(model).values():
            one.add_(torch.randn_like(one) * 0.02)
    moved = {name: one.detach().clone() for name, one in mixed_weights(model).items()}
    torch.manual_seed(7)
    found = asked.loss(model, batch(plain))
    got = gradients(model, found.sum)
    torch.manual_seed(7)
    back = {name: torch.rand_like(one) < 0.4 for name, one in start.items()}
    twin = classifier()
    with torch.no_grad():
        for name, weight in mixed_weights(twin).items():
            weight.copy_((torch.where(back[name], start[name], moved[name]) - 0.4 * start[name]) / 0.6)
    value = plain.loss(twin, batch(plain))
    assert float(found.sum) == pytest.approx(float(value.sum), rel=1e-5)
    want = gradients(twin, value.sum)
    for name, weight in want.items():
        expected = torch.where(back[name], 0.0, weight / 0.6) if name in back else weight
        assert torch.allclose(got[name], expected, atol=1e-5), name
    assert all(torch.equal(one, moved[name]) for name, one in mixed_weights(model).items())


def test_mixout_leaves_the_head_embeddings_and_judging_alone() -> None:
    model, plain = classifier(), objective()
    names = set(mixed_weights(model))
    assert names and not any("embeddings" in name or "classifier" in name for name in names)
    assert all("LayerNorm" not in name and not name.endswith("bias") for name in names)
    asked = Mixout(p=0.9).build(objective=plain, model=model)
    with torch.no_grad():
        for one in mixed_weights(model).values():
            one.mul_(2)
    model.eval()
    assert torch.equal(asked.loss(model, batch(plain)).sum, plain.loss(model, batch(plain)).sum)


def test_mixout_of_a_frozen_body_is_refused() -> None:
    model = classifier()
    for name, one in model.named_parameters():
        one.requires_grad_(name.startswith("classifier"))
    with pytest.raises(UserError, match="no weight matrix of the model's body trains"):
        Mixout().build(objective=objective(), model=model)


def test_r_drop_around_mixout_sees_mixed_weights() -> None:
    model, plain = classifier(), objective()
    asked = regularised(plain, [Mixout(p=0.5), RDrop()], model)
    with torch.no_grad():
        for one in mixed_weights(model).values():
            one.add_(torch.randn_like(one) * 0.05)
    assert (
        float(asked.loss(model, batch(plain)).others[0].sum.detach()) > 0
    )  # no dropout: two mixtures differ
    assert not hasattr(asked, "scored")


def run(parts: list[object], steps: int, state: TrainState | None = None) -> TrainState:
    plain = objective()
    model = classifier(0.1)
    asked = regularised(plain, parts, model)
    state = TrainState(model, AdamW(lr=1e-3).build(model=model), [], carriers=carrying(asked))
    training = Training(
        objective=asked,
        feed=Feed(store(), batch=Length(3, "sequences"), seed=2),
        schedule=Constant().build(length=Length(8, "steps")),
        length=Length(steps, "steps"),
        seed=2,
    )
    for _ in train(training, state):
        pass
    return state


def test_both_together_are_repeatable_and_the_start_is_kept_with_the_state() -> None:
    parts = [Mixout(p=0.3), RDrop(alpha=1.0)]
    one, other = run(parts, 8), run(parts, 8)
    assert all(
        torch.equal(a, b) for a, b in zip(one.tensors().values(), other.tensors().values(), strict=True)
    )
    kept = [name for name in one.tensors() if name.startswith("carried/0/start/")]
    assert len(kept) == len(mixed_weights(one.model))
    plain = run([], 8)
    moved = one.tensors()["model/bert.encoder.layer.0.attention.self.query.weight"]
    assert not torch.equal(moved, plain.tensors()["model/bert.encoder.layer.0.attention.self.query.weight"])
