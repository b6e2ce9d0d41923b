"""Answering through the native encoder and through its plain twin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.errors import UserError
from acclimate.kernels import build
from acclimate.models import native_encoder
from acclimate.models.building import Labels, fresh_model
from acclimate.models.inference import Inference
from acclimate.models.native_encoder import precisions
from acclimate.optim.truncated_normal import TruncatedNormal

torch.set_num_threads(1)
LENGTHS = [7, 1, 30, 12]


@pytest.fixture
def no_native(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment switch, as it is read when a process begins."""

    def forget() -> None:
        build.library.cache_clear()
        native_encoder._native.cache_clear()

    monkeypatch.setenv(build.SWITCH, "0")
    forget()
    yield
    monkeypatch.undo()
    forget()


def make(kind: Any = "classification", activation: str = "gelu") -> Any:
    config = BertConfig(
        vocab_size=99,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=80,
        hidden_act=activation,
    )
    labels = Labels(("a", "b", "c")) if kind == "classification" else None
    return fresh_model(config, kind, initialise=TruncatedNormal(std=0.3), seed=1, labels=labels)


def batch() -> PackedBatch:
    rng = np.random.default_rng(2)
    total = sum(LENGTHS)
    sequences = Sequences(
        tokens=rng.integers(0, 99, total),
        cu_seqlens=np.concatenate([[0], np.cumsum(LENGTHS)]),
        segments=rng.integers(0, 2, total),
        ids=np.arange(len(LENGTHS)),
        epochs=np.zeros(len(LENGTHS), dtype=np.int64),
    )
    return pack(sequences, target_positions=np.array([3, 7, 8, 49]), targets=np.zeros(4, dtype=np.int64))


@torch.no_grad()
def plain(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The plain model, text by text: logits [B, C] and last hidden states [T, H]."""
    row, logits, hidden = batch(), [], []
    for start, stop in zip(row.cu_seqlens[:-1], row.cu_seqlens[1:], strict=True):
        out = model.eval()(
            input_ids=row.tokens[None, start:stop],
            token_type_ids=row.segments[None, start:stop],
            output_hidden_states=True,
        )
        logits.append(out.logits)
        hidden.append(out.hidden_states[-1][0])
    return torch.cat(logits), torch.cat(hidden)


def check(inference: Inference, atol: float) -> None:
    logits, hidden = plain(make())
    row = batch()
    means = torch.stack([part.mean(0) for part in hidden.split(LENGTHS)])
    for found, expected in (
        (inference.class_logits(row), logits),
        (inference.mean_pooled(row), means),
        (inference.hidden(row), hidden),
        (inference.hidden(row, row.target_positions), hidden[row.target_positions]),
    ):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def test_fp32_is_as_the_plain_model() -> None:
    check(Inference(make(), "fp32"), 1e-5)


@pytest.mark.parametrize(("precision", "atol"), [("bf16", 0.1), ("int8", 0.4)])
def test_narrow_arithmetic_is_near_it(precision: Any, atol: float) -> None:
    if precision not in precisions():
        pytest.skip(f"no native {precision} here")
    inference = Inference(make(), precision)
    assert inference.precision == precision
    check(inference, atol)
    with pytest.raises(AssertionError):
        check(inference, 1e-5)


def test_automatically_what_the_processor_has() -> None:
    assert Inference(make()).precision == ("bf16" if "bf16" in precisions() else "fp32")


@pytest.mark.usefixtures("no_native")
def test_the_plain_twin_answers_where_nothing_can_be_built() -> None:
    inference = Inference(make())
    assert inference.precision == "fp32"
    check(inference, 1e-5)
    check(Inference(make(), "bf16"), 0.1)
    with pytest.raises(
        UserError, match=r"int8 cannot be had here: .*could not be built \(ACCLIMATE_FAST=0\)"
    ):
        Inference(make(), "int8")


def test_the_plain_twin_answers_for_a_model_that_is_not_taken() -> None:
    model = make(activation="relu")
    inference = Inference(model)
    assert inference.precision == "fp32"
    found = inference.class_logits(batch())
    torch.testing.assert_close(found, plain(make(activation="relu"))[0], rtol=0, atol=1e-5)
    with pytest.raises(UserError, match="no native encoder takes a model of type 'bert' with its settings"):
        Inference(model, "int8")


def test_dropout_is_off() -> None:
    model = make().train()
    inference = Inference(model)
    assert torch.equal(inference.class_logits(batch()), inference.class_logits(batch()))
    assert not model.training
