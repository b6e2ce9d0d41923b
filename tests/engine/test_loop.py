"""The step itself: exact accumulation, repeatability, the order of things, and what happens when numbers break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from acclimate.engine.loop import NonFiniteLoss, train
from acclimate.errors import UserError
from acclimate.kernels import native
from acclimate.objectives.classify import SequenceClassification
from acclimate.recipe.units import Length


def weights(state) -> list[torch.Tensor]:
    return [p.detach().clone() for p in state.model.parameters()]


def test_learns_and_counts_what_it_saw(make) -> None:
    training, state = make("40 steps", dropout=0.0)
    records = list(train(training, state))
    assert [r.step for r in records] == list(range(1, 41))
    assert records[-1].loss < 0.25 < 0.6 < records[0].loss
    assert state.progress.steps == 40 and state.progress.sequences == 40 * 16
    assert state.progress.tokens == sum(r.tokens for r in records)
    assert state.progress.epochs == pytest.approx(40 * 16 / 60)
    assert all(r.targets == 16 and r.seconds > 0 and r.gradient_norm > 0 for r in records)


def test_same_seed_same_bits_with_dropout_whatever_the_global_generator(make) -> None:
    outcomes = []
    for noise in (1, 2):
        training, state = make()
        torch.manual_seed(noise)
        losses = [record.loss for record in train(training, state)]
        outcomes.append((losses, weights(state)))
    assert outcomes[0][0] == outcomes[1][0]
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0][1], outcomes[1][1], strict=True))


def test_dropout_differs_from_step_to_step_and_seed_to_seed(make) -> None:
    training, state = make("1 steps", dropout=0.3)
    first = next(iter(train(training, state))).loss
    other, state = make("1 steps", dropout=0.3)
    assert next(iter(train(replace(other, seed=10), state))).loss != first


@pytest.mark.parametrize("micro_batch", ["1 sequences", "5 sequences", "30 tokens"])
def test_micro_batches_equal_one_batch(make, micro_batch: str) -> None:
    whole, one = make(dropout=0.0)
    pieces, many = make(dropout=0.0, micro_batch=micro_batch)
    for a, b in zip(train(whole, one), train(pieces, many), strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-5) and a.tokens == b.tokens
    for a, b in zip(weights(one), weights(many), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)


def test_micro_batch_gradients_are_exact(make) -> None:
    """Before the optimizer magnifies rounding: the gradient of the first step, to 1e-6 of its norm."""
    found = []
    for micro_batch in (None, "3 sequences"):
        training, state = make("1 steps", dropout=0.0, micro_batch=micro_batch)
        captured: list[torch.Tensor] = []
        keep = lambda gradients, into=captured: into.extend(t.clone() for t in gradients.tensors()) or {}  # noqa: E731
        state.gradients = [type("Capture", (), {"__call__": lambda self, g, keep=keep: keep(g)})()]
        list(train(training, state))
        found.append(captured)
    norm = torch.nn.utils.get_total_norm(found[0])
    difference = torch.nn.utils.get_total_norm([a - b for a, b in zip(*found, strict=True)])
    assert difference / norm < 1e-6


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_fast_way_and_the_plain_one_train_alike(make, monkeypatch, precision: str) -> None:
    """Without dropout, and with all fast paths off in the second: the same losses, in fp32 from the same gradients."""
    losses = []
    for fast in (True, False):
        if not fast:
            monkeypatch.setenv("ACCLIMATE_FAST", "0")
            monkeypatch.setattr(native, "library", lambda name: None)
        training, state = make("12 steps", dropout=0.0, precision=precision)
        losses.append([(record.loss, record.gradient_norm) for record in train(training, state)])
        quick = [type(m).__name__ for m in state.model.modules() if type(m).__name__.startswith("Quick")]
        assert bool(quick) == fast
    first, second = np.array(losses)
    assert first[0] == pytest.approx(second[0], rel=1e-5 if precision == "fp32" else 2e-2)
    assert first[:, 0] == pytest.approx(second[:, 0], rel=1e-3 if precision == "fp32" else 3e-2)


def test_weights_that_somebody_put_in_are_those_trained(make) -> None:
    """Through `.data`, of which torch keeps no account, or where it does."""
    losses = []
    for is_counted in (True, False):
        training, state = make("1 steps", dropout=0.0, precision="bf16")
        list(train(training, state))
        for parameter in state.model.parameters():
            if is_counted:
                with torch.no_grad():
                    parameter.mul_(-1.5)
            else:
                parameter.data = -1.5 * parameter.data
        following = replace(training, length=Length.parse("2 steps"))
        losses.append(next(iter(train(following, state))).loss)
    assert losses[0] == losses[1]


def test_the_schedule_sets_the_rate_of_each_step(make) -> None:
    training, state = make("10 steps")
    rates = [record.learning_rate for record in train(training, state)]
    expected = [0, 0.5, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert rates == pytest.approx([2e-3 * factor for factor in expected])


def test_a_first_step_of_rate_zero_leaves_the_weights(make) -> None:
    training, state = make("10 steps")
    before = weights(state)
    next(iter(train(training, state)))
    assert all(torch.equal(a, b) for a, b in zip(before, weights(state), strict=True))


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_number_that_breaks_stops_with_step_and_documents(make, examples, where: str) -> None:
    training, state = make("10 steps", dropout=0.0)

    class Breaking(SequenceClassification):
        def loss(self, model, batch):
            loss = super().loss(model, batch)
            if state.progress.steps < 4:
                return loss
            # the square root of zero has an infinite slope: a finite loss with a broken gradient
            broken = loss.sum * float("nan") if where == "loss" else loss.sum + (loss.sum * 0).sqrt()
            return replace(loss, sum=broken)

    breaking = Breaking(labels=examples[1], num_classes=2, multi_label=False)
    seen = []
    with pytest.raises(NonFiniteLoss, match=r"step 5: .*nan.*document-\d+") as error:
        for record in train(replace(training, objective=breaking), state):
            seen.append(record.step)
            before = weights(state)
    assert seen == [1, 2, 3, 4] and state.progress.steps == 4
    assert all(torch.equal(a, b) for a, b in zip(before, weights(state), strict=True))
    assert str(error.value).count("document-") == 10 and "and 6 more" in str(error.value)


def test_lengths_in_other_units_end_where_they_should(make) -> None:
    for length, reached in (("2 epochs", lambda p: p.epochs), ("500 tokens", lambda p: p.tokens)):
        training, state = make(length)
        records = list(train(training, state))
        amount = training.length.amount
        assert reached(state.progress) >= amount
        assert training.length.done(state.progress) - amount <= max(16 / 60, records[-1].tokens)
        assert len(records) > 2


def test_a_batch_without_targets_is_named(make) -> None:
    training, state = make("3 steps")

    class Silent(type(training.objective)):
        def count(self, batch):
            return (0.0,)

    silent = Silent.__new__(Silent)
    silent.__dict__.update(vars(training.objective))
    with pytest.raises(UserError, match=r"step 1: nothing to learn from in document-\d+"):
        list(train(replace(training, objective=silent), state))
