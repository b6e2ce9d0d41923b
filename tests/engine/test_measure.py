"""Measuring: the same figure whatever the batches, per sequence, in the store's order."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from acclimate.engine.loop import train
from acclimate.engine.measure import measure
from acclimate.errors import UserError
from acclimate.recipe.units import Length


def test_independent_of_the_batches_and_in_order(make) -> None:
    training, state = make()
    store = training.feed.store
    results = [
        measure(state.model, training.objective, store, batch=Length.parse(batch))
        for batch in ("1 sequences", "7 sequences", "90 tokens", "100k tokens")
    ]
    for measured in results[1:]:
        np.testing.assert_array_equal(measured.ids, np.arange(60))
        np.testing.assert_allclose(measured.sums, results[0].sums, rtol=1e-5)
    assert results[0].loss == pytest.approx(results[0].sums.sum() / 60)


def test_the_first_part_only(make) -> None:
    training, state = make()
    store = training.feed.store
    few = measure(
        state.model,
        training.objective,
        store,
        batch=Length.parse("1k tokens"),
        most=Length.parse("40 tokens"),
    )
    assert 0 < len(few.ids) < 10 and store.lengths[: len(few.ids)].sum() <= 40
    np.testing.assert_array_equal(few.ids, np.arange(len(few.ids)))


def test_leaves_no_dropout_and_no_gradient(make) -> None:
    training, state = make(dropout=0.5)
    state.model.train()
    first, second = (
        measure(state.model, training.objective, training.feed.store, batch=Length.parse("1k tokens"))
        for _ in range(2)
    )
    assert first.loss == second.loss
    assert all(p.grad is None for p in state.model.parameters())


def test_nothing_to_measure_is_said(make) -> None:
    training, state = make()

    class Empty:
        lengths = np.zeros(0, dtype=np.int64)

    with pytest.raises(UserError, match="no held-out text"):
        measure(state.model, training.objective, Empty(), batch=Length.parse("10 tokens"))


def test_bf16_is_close_to_fp32(make) -> None:
    training, state = make()
    exact, rough = (
        measure(
            state.model, training.objective, training.feed.store, batch=Length.parse("1k tokens"), precision=p
        ).loss
        for p in ("fp32", "bf16")
    )
    assert exact == pytest.approx(rough, rel=0.02)
    assert next(state.model.parameters()).dtype == torch.float32


def test_measuring_comes_first_and_training_follows_in_bf16(make) -> None:
    """What is copied while measuring must serve for gradients, and follow the weights."""
    training, state = make("3 steps", precision="bf16")
    given = {"batch": Length.parse("1k tokens"), "precision": "bf16"}
    before = measure(state.model, training.objective, training.feed.store, **given).loss
    list(train(training, state))
    after = measure(state.model, training.objective, training.feed.store, **given).loss
    whole = measure(
        state.model, training.objective, training.feed.store, batch=Length.parse("1k tokens")
    ).loss
    assert after != before and after == pytest.approx(whole, rel=0.02)


def test_weights_that_somebody_put_in_are_those_measured(make) -> None:
    training, state = make()
    given = {"batch": Length.parse("1k tokens"), "precision": "bf16"}
    before = measure(state.model, training.objective, training.feed.store, **given).loss
    for parameter in state.model.parameters():
        parameter.data = -1.5 * parameter.data  # of which torch keeps no account
    twin = copy.deepcopy(state.model)
    after = measure(state.model, training.objective, training.feed.store, **given).loss
    assert before != after == measure(twin, training.objective, training.feed.store, **given).loss
