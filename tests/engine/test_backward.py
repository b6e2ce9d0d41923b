"""What gradient transforms do in the passes: examples that are left out, and reference gradients."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import ExampleStore
from acclimate.engine.backward import Backward, weighted
from acclimate.engine.feed import Feed
from acclimate.engine.loop import NonFiniteLoss, Training, train
from acclimate.engine.state import TrainState
from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.family import Vocabulary
from acclimate.objectives.classify import SequenceClassification
from acclimate.objectives.clm import CausalLanguageModel
from acclimate.objectives.mlm import MaskedLanguageModel
from acclimate.objectives.token_labels import TokenLabels
from acclimate.optim.clip_accumulated import ClipAccumulated
from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.mask_loss import LossMasker, MaskLoss
from acclimate.optim.project_negative import Projector
from acclimate.optim.sgd import Sgd
from acclimate.recipe.units import Length

VOCABULARY = 40


def sequences(number: int = 12) -> Sequences:
    rng = np.random.default_rng(4)
    lengths = rng.integers(4, 14, number)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    tokens = rng.integers(5, VOCABULARY, ends[-1])
    tokens[ends[:-1]], tokens[ends[1:] - 1] = 2, 3
    tags = np.where(rng.random(ends[-1]) < 0.4, rng.integers(0, 3, ends[-1]), -1)
    zeros = np.zeros(number, np.int64)
    return Sequences(tokens, ends, np.zeros_like(tokens), np.arange(number), zeros, by_token={"tags": tags})


def those(all_of_them: Sequences, kept: np.ndarray) -> Sequences:
    parts = [all_of_them.part(i, i + 1) for i in np.flatnonzero(kept)]
    return Sequences(
        np.concatenate([one.tokens for one in parts]),
        np.concatenate([[0], np.cumsum([len(one.tokens) for one in parts])]),
        np.concatenate([one.segments for one in parts]),
        np.concatenate([one.ids for one in parts]),
        np.concatenate([one.epochs for one in parts]),
        by_token={"tags": np.concatenate([one.by_token["tags"] for one in parts])},
    )


def case(name: str) -> tuple[Any, Any]:
    """(model, objective)"""
    none = {"size": "tiny", "dropout": 0.0, "attention_dropout": 0.0}
    labels = np.arange(12) % 3
    named = Labels(("a", "b", "c"))
    kinds: dict[str, Any] = {
        "classification": SequenceClassification(labels, num_classes=3),
        "weighted": SequenceClassification(labels, num_classes=3, class_weights=np.array([1.0, 3.0, 0.5])),
        "tokens": TokenLabels(3),
        "mlm": MaskedLanguageModel(
            mask_id=4, special_ids=[0, 1, 2, 3, 4], vocabulary=list(range(VOCABULARY)), rate=0.3,
            mask=0.8, random=0.1, seed=3, fixed=False,
        ),
        "clm": CausalLanguageModel(2, 3),
    }  # fmt: skip
    kind = "classification" if name == "weighted" else name
    family = Gpt2 if name == "clm" else Bert
    model = family.model_validate(none).build(
        vocabulary=Vocabulary(VOCABULARY, 0), seed=1, kind=kind,
        labels=named if kind in ("classification", "tokens") else None,
    )  # fmt: skip
    return model.train(), kinds[name]


class Fixed(LossMasker):
    """A threshold that is given."""

    def __init__(self, threshold: float) -> None:
        super().__init__(0.1, None, 100, 1)
        self.given = threshold

    def _made(self) -> float:
        return self.given


def fixed(threshold: float) -> Fixed:
    one = Fixed(threshold)
    one.load_state_dict({"history": [0.0], "steps": 5})
    return one


def passes(
    model: Any, objective: Any, masker: LossMasker | None, pieces: list[Sequences]
) -> tuple[Any, dict[str, Any]]:
    """(what the passes gave, gradients by name)"""
    model.zero_grad()
    state = TrainState(model, Sgd(lr=0.1).build(model=model), [masker] if masker else [])
    training = Training(objective, None, None, Length(1, "steps"), 0)  # type: ignore[arg-type]
    batches = [objective.prepare(one) for one in pieces]
    totals = [sum(objective.count(batch)[0] for batch in batches)]
    passed = Backward(training, state).run(batches, totals, 1.0)
    found = {n: p.grad * passed.factor for n, p in model.named_parameters() if p.grad is not None}
    return passed, found


@pytest.mark.parametrize("cut", [None, 5])
@pytest.mark.parametrize("name", ["classification", "weighted", "tokens", "mlm", "clm"])
def test_the_gradient_is_that_of_the_batch_without_the_large_losses(name: str, cut: int | None) -> None:
    model, objective = case(name)
    whole = sequences()
    loss = objective.loss(model, objective.prepare(whole))
    each = (loss.per_sequence / loss.counts).numpy()
    kept = each <= np.quantile(each[~np.isnan(each)], 0.6)
    threshold = float(each[kept].max()) + 1e-4
    _, expected = passes(model, objective, None, [those(whole, kept)])
    pieces = [whole] if cut is None else [whole.part(0, cut), whole.part(cut, 12)]
    passed, found = passes(model, objective, fixed(threshold), pieces)
    assert passed.parts["masked"] == np.sum(each > threshold) > 2
    mean = float(loss.per_sequence.numpy()[kept].sum() / loss.counts.numpy()[kept].sum())
    assert passed.loss == pytest.approx(mean, rel=1e-5)
    norm = torch.nn.utils.get_total_norm(expected.values())
    off = torch.nn.utils.get_total_norm([found[n] - expected[n] for n in expected])
    assert off / norm < 2e-6
    assert all(not found[n].any() for n in found.keys() - expected.keys())


@pytest.mark.parametrize("cuts", [(1, 12), (5, 12), tuple(range(1, 13))])
@pytest.mark.parametrize("name", ["classification", "weighted", "tokens", "mlm", "clm"])
def test_micro_batches_are_the_whole_batch_whatever_their_lengths(name: str, cuts: tuple[int, ...]) -> None:
    model, objective = case(name)
    whole = sequences()
    one, expected = passes(model, objective, None, [whole])
    pieces = [whole.part(start, stop) for start, stop in zip((0, *cuts), cuts, strict=False)]
    assert len({len(piece.tokens) for piece in pieces}) > 1
    many, found = passes(model, objective, None, pieces)
    assert many.loss == pytest.approx(one.loss, rel=1e-6)
    norm = torch.nn.utils.get_total_norm(expected.values())
    off = torch.nn.utils.get_total_norm([found[n] - expected[n] for n in expected])
    assert off / norm < 1e-6 * max(1, len(cuts) / 4)  # of many pieces the rounding of so many sums in fp32


def test_clipping_accumulated_pieces_is_clipping_the_big_batch(make) -> None:
    ends = []
    for micro_batch, clip in ((None, ClipNorm(max_norm=0.1)), ("3 sequences", ClipAccumulated(max_norm=0.1))):
        training, state = make("3 steps", dropout=0.0, micro_batch=micro_batch)
        state.optimizer, state.gradients = Sgd(lr=0.5).build(model=state.model), [clip.build()]
        assert [record.figures["clipped"] for record in train(training, state)] == [1.0] * 3
        ends.append([p.detach() for p in state.model.parameters()])
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_what_is_left_out_may_be_infinite() -> None:
    """Chosen, not multiplied by zero: 0 · ∞ is no number."""
    model, plain = case("classification")

    class Breaking(SequenceClassification):
        def loss(self, model, batch):
            found = super().loss(model, batch)
            broken = torch.where(torch.arange(12) == 3, float("inf"), 0.0)

            def only(keep):
                return found.only(keep) if not keep[3] else replace(found, sum=found.sum + broken.sum())

            return replace(
                found, sum=found.sum + broken.sum(), per_sequence=found.per_sequence + broken, only=only
            )

    objective = Breaking(np.arange(12) % 3, num_classes=3)
    passed, found = passes(model, objective, fixed(100.0), [sequences()])
    assert passed.parts["masked"] == 1 and np.isfinite(passed.loss)
    _, expected = passes(model, plain, None, [those(sequences(), np.arange(12) != 3)])
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-7)


def test_a_step_in_which_all_are_left_out_is_skipped(make) -> None:
    training, state = make("4 steps", dropout=0.0)
    state.gradients = [fixed(-1.0), ClipNorm().build()]
    before = [p.detach().clone() for p in state.model.parameters()]
    records = list(train(training, state))
    assert [r.figures["skipped"] for r in records] == [1.0] * 4 and state.progress.steps == 4
    assert all(r.figures["masked"] == 16 and 0.3 < r.loss < 2 for r in records)
    assert all(torch.equal(a, b) for a, b in zip(before, state.model.parameters(), strict=True))
    assert not state.optimizer.state


def test_the_threshold_is_of_the_steps_before_and_a_warm_up_leaves_all() -> None:
    masker = MaskLoss(share=0.25, window=10, warmup=2).build()
    seen: list[float] = []
    for step in range(6):
        losses = torch.arange(4.0) + step
        masker.begin()
        kept = masker.keeps(losses * 3, torch.full((4,), 3))
        figures = masker.end()
        if step < 2:
            assert kept.all() and figures == {"masked": 0.0}
        else:
            threshold = float(np.quantile(seen[-10:], 0.75))
            assert figures["mask_threshold"] == pytest.approx(threshold)
            assert kept.tolist() == (losses <= threshold).tolist()
        seen += losses.tolist()
        again = MaskLoss(share=0.25, window=10, warmup=2).build()
        again.load_state_dict(json.loads(json.dumps(masker.state_dict())))
        masker = again
    by_spread = MaskLoss(deviations=1.5, warmup=1).build()
    by_spread.load_state_dict({"history": [1.0, 2.0, 6.0], "steps": 1})
    by_spread.begin()
    by_spread.keeps(torch.ones(1), torch.ones(1))
    assert by_spread.end()["mask_threshold"] == pytest.approx(3 + 1.5 * np.std([1, 2, 6]))


def test_what_is_asked_nothing_is_neither_left_out_nor_remembered() -> None:
    masker = fixed(1.0)
    masker.begin()
    assert masker.keeps(torch.tensor([0.0, 0.5, 9.0]), torch.tensor([0, 1, 1])).tolist() == [
        True,
        True,
        False,
    ]
    assert masker.end()["masked"] == 1 and masker.state_dict()["history"] == [0.0, 0.5, 9.0]


def test_an_objective_of_several_terms_is_refused(make) -> None:
    training, state = make("1 steps")
    training.objective.num_terms = 2
    state.gradients = [MaskLoss().build()]
    with pytest.raises(UserError, match="mask_loss: the objective's loss has several terms"):
        next(iter(train(training, state)))


def test_masked_training_resumes_to_the_same_bits(make) -> None:
    def run(stop: int | None) -> list[torch.Tensor]:
        training, state = make("12 steps")
        state.gradients = [MaskLoss(share=0.3, warmup=3, window=40).build()]
        for record in train(training, state):
            assert (record.figures["masked"] > 0) <= (record.step > 3)
            if record.step == stop:
                tensors = {name: one.clone() for name, one in state.tensors().items()}
                scalars = json.loads(json.dumps(state.scalars()))
                training, state = make("12 steps")
                state.gradients = [MaskLoss(share=0.3, warmup=3, window=40).build()]
                state.load(tensors, scalars)
                list(train(training, state))
                break
        return [p.detach() for p in state.model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(None), run(6), strict=True))


def other_texts() -> ExampleStore:
    """Reference sequences whose labels, by the numbers of the examples, say something else."""
    rng = np.random.default_rng(8)
    lengths = rng.integers(3, 15, 60)
    tokens = rng.integers(5, 25, lengths.sum())
    tokens[np.concatenate([[0], np.cumsum(lengths)[:-1]])] = 2
    return ExampleStore(tokens, np.zeros_like(tokens), lengths.astype(np.int64), num_truncated=0)


def referring(
    make: Any, every: int = 1, length: str = "10 steps", **more: Any
) -> tuple[Training, TrainState]:
    training, state = make(length, **more)
    state.gradients = [Projector(every)]
    return replace(training, reference=Feed(other_texts(), batch=Length(20, "sequences"), seed=2)), state


def reference_gradient(training: Training, state: TrainState, position: Any) -> dict[str, torch.Tensor]:
    helping = training.reference.take(position)
    batch = training.objective.prepare(helping.micro_batches[0])
    loss = training.objective.loss(state.model, batch)
    names, parameters = zip(*state.model.named_parameters(), strict=True)
    value = weighted(loss, list(training.objective.count(batch)), {})
    return dict(zip(names, torch.autograd.grad(value, parameters), strict=True))


def test_the_reference_is_taken_from_its_own_texts_in_their_order(make) -> None:
    training, state = referring(make, dropout=0.0)
    from acclimate.batching.sampler import Position

    expected = reference_gradient(training, state, Position())
    found: list[dict[str, torch.Tensor]] = []
    projector = state.gradients[0]
    learn = projector.learn
    projector.learn = lambda parameters: (learn(parameters), found.append(dict(projector._reference)))
    steps = train(training, state)
    next(steps)
    assert found[0].keys() == expected.keys()
    for name, one in expected.items():
        torch.testing.assert_close(found[0][name], one, rtol=1e-4, atol=1e-7)
    first = dict(projector.position)
    assert first["index"] == 20
    next(steps)
    assert projector.position["index"] == 40


@pytest.mark.parametrize("every", [1, 3])
def test_steps_that_go_against_the_reference_are_projected_and_resume_exactly(make, every: int) -> None:
    def run(stop: int | None) -> tuple[list[torch.Tensor], float]:
        training, state = referring(make, every)
        projected = 0.0
        for record in train(training, state):
            projected += record.figures["projected"]
            if record.step == stop:
                tensors = {name: one.clone() for name, one in state.tensors().items()}
                scalars = json.loads(json.dumps(state.scalars()))
                assert any(name.startswith("carried/") for name in tensors) == (stop % every != 0)
                training, state = referring(make, every)
                state.load(tensors, scalars)
                projected += sum(one.figures["projected"] for one in train(training, state))
                break
        return [p.detach() for p in state.model.parameters()], projected

    whole, projected = run(None)
    assert 0 < projected < 10
    again, projected_again = run(4)
    assert projected_again == projected
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


def test_a_projector_without_reference_is_a_mistake_of_the_program(make) -> None:
    training, state = make("1 steps")
    state.gradients = [Projector()]
    with pytest.raises(ValueError, match="there is none"):
        next(iter(train(training, state)))


def test_broken_losses_that_nobody_masks_still_end_the_training(make) -> None:
    training, state = make("3 steps", dropout=0.0)
    with torch.no_grad():
        state.model.classifier.bias.fill_(float("nan"))
    state.gradients = [MaskLoss(warmup=1).build()]
    with pytest.raises(NonFiniteLoss, match="the loss is nan"):
        next(iter(train(training, state)))
