"""Packed rows give what the plain, padded Transformers model gives: outputs, loss and gradients."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, BertForSequenceClassification

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.kernels import native
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.forward import class_logits, encode, mean_pooled, token_logits
from acclimate.models.packed_attention import packed_attention
from acclimate.models.packing import Layout, Packing

LENGTHS = [[7, 3, 12, 1, 5, 9, 2], [4], [6, 6, 6], [1, 1], [30, 2]]


def batch_of(lengths: list[int], seed: int = 0, vocab: int = 50) -> PackedBatch:
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(starts[-1])
    targets = np.sort(rng.choice(total, max(1, total // 3), replace=False))
    sequences = Sequences(
        tokens=rng.integers(1, vocab, total),
        cu_seqlens=starts,
        segments=(rng.random(total) < 0.3).astype(np.int64),
        ids=np.arange(len(lengths)),
        epochs=np.zeros(len(lengths), dtype=np.int64),
    )
    return pack(sequences, target_positions=targets, targets=rng.integers(1, vocab, len(targets)))


def padded(batch: PackedBatch) -> dict[str, torch.Tensor]:
    """The same batch as Transformers users write it: one row a sequence, pads, an attention mask, labels of -100."""
    lengths = batch.cu_seqlens.diff().tolist()
    shape = (len(lengths), max(lengths))
    out = {k: torch.zeros(shape, dtype=torch.long) for k in ("input_ids", "token_type_ids", "attention_mask")}
    out["labels"] = torch.full(shape, -100)
    flat = torch.full((batch.num_tokens,), -100)
    flat[batch.target_positions] = batch.targets
    for row, (start, length) in enumerate(zip(batch.cu_seqlens.tolist(), lengths, strict=False)):
        out["input_ids"][row, :length] = batch.tokens[start : start + length]
        out["token_type_ids"][row, :length] = batch.segments[start : start + length]
        out["attention_mask"][row, :length] = 1
        out["labels"][row, :length] = flat[start : start + length]
    return out


def tiny(kind: str = "mlm", **settings: object) -> torch.nn.Module:
    bert = Bert.model_validate(
        {"size": "tiny", "positions": 64, "dropout": 0, "attention_dropout": 0, **settings}
    )
    return bert.build(vocabulary=Vocabulary(50, 0), seed=1, kind=kind)


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("training", [True, False])
def test_masked_lm_equals_plain_transformers_in_loss_and_gradients(
    lengths: list[int], training: bool
) -> None:
    model = tiny()
    plain = BertForMaskedLM(copy.deepcopy(model.config)).train(training)
    plain.load_state_dict(model.state_dict())
    plain.set_attn_implementation("eager")
    model.train(training)
    batch = batch_of(lengths)

    logits = token_logits(model, encode(model, batch)[batch.target_positions])
    loss = torch.nn.functional.cross_entropy(logits, batch.targets)
    loss.backward()
    expected = plain(**padded(batch)).loss
    expected.backward()

    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    ours, theirs = gradients(model), gradients(plain)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_sequences_do_not_see_each_other() -> None:
    model = tiny("encoder").eval()
    batch = batch_of([5, 8, 3])
    before = encode(model, batch)
    batch.tokens[5:13] = 7
    after = encode(model, batch)
    assert torch.equal(before[:5], after[:5]) and torch.equal(before[13:], after[13:])
    assert not torch.equal(before[5:13], after[5:13])


def test_plain_padded_calls_still_respect_the_mask() -> None:
    model = tiny().eval()
    plain = BertForMaskedLM(copy.deepcopy(model.config)).eval()
    plain.load_state_dict(model.state_dict())
    plain.set_attn_implementation("eager")
    inputs = padded(batch_of([7, 3, 12]))
    torch.testing.assert_close(model(**inputs).loss, plain(**inputs).loss, rtol=1e-6, atol=1e-6)


def test_classifier_equals_plain_transformers() -> None:
    model = tiny("classification").eval()
    plain = BertForSequenceClassification(copy.deepcopy(model.config)).eval()
    plain.load_state_dict(model.state_dict())
    plain.set_attn_implementation("eager")
    batch = batch_of([7, 3, 12, 1])
    inputs = padded(batch)
    del inputs["labels"]
    torch.testing.assert_close(class_logits(model, batch), plain(**inputs).logits, rtol=1e-5, atol=1e-6)


def test_mean_pooling_is_over_each_sequence() -> None:
    model = tiny("encoder").eval()
    batch = batch_of([4, 2])
    hidden = encode(model, batch)
    torch.testing.assert_close(
        mean_pooled(model, batch), torch.stack([hidden[:4].mean(0), hidden[4:].mean(0)])
    )


def test_attention_dropout_drops_the_stated_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    model = tiny("encoder", attention_dropout=0.5).train()
    batch = batch_of([9, 4])
    outputs = torch.stack([encode(model, batch) for _ in range(8)])
    assert not torch.equal(outputs[0], outputs[1])
    model.eval()
    assert torch.equal(encode(model, batch), encode(model, batch))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_spread_and_collect_are_inverse_and_have_the_right_gradient(lengths: list[int]) -> None:
    starts = torch.tensor([0, *np.cumsum(lengths)])
    layout = Layout.of(starts)
    x = torch.randn(int(starts[-1]), 3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(layout.collect(layout.spread(x)), x)
    assert torch.autograd.gradcheck(lambda t: layout.collect(layout.spread(t) * 2 + layout.spread(t) ** 2), x)
    covered = sum(group.num_sequences * group.length for group in layout.groups)
    assert covered == len(layout.places) == starts[-1] + len(layout.padding)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("scaling", [None, 0.05])
def test_the_kernel_and_its_twin_are_one(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, scaling: float | None
) -> None:
    starts = torch.tensor([0, 7, 8, 30])
    fused = torch.randn(30, 3, 2, 8, dtype=dtype)
    results = []
    for there in (native.available(), False):
        monkeypatch.setattr(native, "available", lambda there=there: there)
        leaf = fused.clone().requires_grad_()
        q, k, v = (x.transpose(0, 1)[None] for x in leaf.unbind(1))
        out, _ = packed_attention(torch.nn.Module(), q, k, v, None, scaling=scaling, packing=Packing(starts))
        assert out.shape == (1, 30, 2, 8) and out.dtype == dtype
        out.square().sum().backward()
        results.append((out.detach(), leaf.grad))
    limit = {"rtol": 2**-6, "atol": 2**-5} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, **limit)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(
    "lengths",
    [([7, 1, 22], [3, 9, 18]), ([5, 5], [4, 4]), ([1], [30]), ([2, 8, 2, 9, 1, 30], [9, 8, 1, 1, 40, 3])],
)
def test_attention_to_the_sources_row_by_the_kernel_and_by_its_twin(
    monkeypatch: pytest.MonkeyPatch, lengths: tuple[list[int], list[int]], dropout: float
) -> None:
    written, read = (torch.tensor([0, *np.cumsum(one)]) for one in lengths)
    leaf_q = torch.randn(1, 2, int(written[-1]), 8)
    leaf_kv = torch.randn(2, 1, 2, int(read[-1]), 8)
    packing = Packing(written, sources=read)
    results = []
    for there in (native.available(), False):
        monkeypatch.setattr(native, "available", lambda there=there: there)
        torch.manual_seed(1)
        q, kv = leaf_q.clone().requires_grad_(), leaf_kv.clone().requires_grad_()
        out, _ = packed_attention(torch.nn.Module(), q, kv[0], kv[1], None, packing=packing, dropout=dropout)
        out.square().sum().backward()
        results.append((out.detach(), q.grad, kv.grad))
    if dropout:  # other numbers are drawn; what is written of one source never tells of another's values
        assert all(bool(one.isfinite().all()) for result in results for one in result)
        return
    expected = torch.cat(
        [
            torch.nn.functional.scaled_dot_product_attention(leaf_q[:, :, a:b], *leaf_kv[:, :, :, c:d])
            for a, b, c, d in zip(written, written[1:], read, read[1:], strict=False)
        ],
        dim=2,
    ).transpose(1, 2)
    torch.testing.assert_close(results[0][0], expected, rtol=1e-5, atol=1e-5)
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)


def test_a_causal_module_of_a_decoder_looks_at_its_own_row() -> None:
    module = torch.nn.Module()
    module.is_causal = True
    starts, x = torch.tensor([0, 4, 9]), torch.randn(1, 2, 9, 8)
    alone, _ = packed_attention(module, x, x, x, None, packing=Packing(starts))
    beside, _ = packed_attention(
        module, x, x, x, None, packing=Packing(starts, sources=torch.tensor([0, 2, 3]))
    )
    assert torch.equal(alone, beside)
