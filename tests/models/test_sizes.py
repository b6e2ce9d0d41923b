"""What `acclimate show model` tells: counted parameters, FLOPs as torch counts them, the nearest spelling.

The published integers of every family stand in `family_table.py`; `test_conformance.py` compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from family_entry import Entry, tiny_model
from family_table import TABLE
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from acclimate.batching.packed import PackedBatch, Row
from acclimate.errors import UserError
from acclimate.kernels import native
from acclimate.models.family import Family
from acclimate.models.finding import family_of
from acclimate.models.kinds import Kind
from acclimate.models.sizes import describe, family_and_size, preset
from acclimate.recipe.registry import registry

LENGTH = 48


def test_the_masked_lm_count_ties_the_decoder() -> None:
    assert describe("bert", "base")["parameters_with_mlm_head"] == 109_514_298


def test_what_is_told_of_a_preset() -> None:
    told = describe("bert", "base")
    assert (told["layers"], told["hidden"], told["heads"], told["feed_forward"]) == (12, 768, 12, 3072)
    assert (told["vocabulary"], told["positions"], told["flops_at_length"]) == (30522, 512, 128)
    assert told["flops_per_token_forward"] == 12 * (2 * (4 * 768**2 + 2 * 768 * 3072) + 4 * 128 * 768)
    assert told["flops_per_token_training"] == 3 * told["flops_per_token_forward"]
    assert told["bytes_inference"] == 4 * 110_106_428
    assert told["bytes_training"] == 16 * 110_106_428


def test_layers_that_share_weights_are_paid_for_each_time() -> None:
    albert, bert = (describe(name, "base")["flops_per_token_forward"] for name in ("albert", "bert"))
    assert albert == bert + 2 * 128 * 768  # and the widening of the embeddings


@pytest.mark.parametrize("name", registry.names("family"))
def test_every_preset_is_described(name: str) -> None:
    family = preset(name, next(iter(registry.get("family", name).sizes)))  # type: ignore[attr-defined]
    told = describe(name, family.size or "")
    assert all(told[key] > 0 for key in ("parameters", "flops_per_token_forward", "bytes_training"))


def one_sequence(family: type[Family], kind: Kind, entry: Entry) -> PackedBatch:
    """LENGTH tokens, all of them different; a decoder writes as many."""
    batch = entry.batch(family, kind, entry.tokenizer(), [LENGTH])
    batch = replace(batch, tokens=5 + torch.arange(LENGTH))
    if batch.decoder is None:
        return batch
    return replace(batch, decoder=Row(batch.tokens, batch.cu_seqlens, batch.positions))


@contextmanager
def in_parts_that_are_counted() -> Iterator[None]:
    """Attention and recurrent layers as products of matrices; whole, torch does not count them on a processor."""
    with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False):
        yield


@pytest.mark.parametrize("name", TABLE)
def test_flops_are_those_that_torch_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "available", lambda: False)  # torch does not know what our kernels compute
    entry = TABLE[name]
    kinds = registry.get("family", name).kinds  # type: ignore[attr-defined]
    kind: Kind = "seq2seq" if "seq2seq" in kinds else "encoder" if "encoder" in kinds else next(iter(kinds))
    model = tiny_model(name, entry, kind).eval()
    family = family_of(model.config)
    batch = one_sequence(family, kind, entry)
    with torch.no_grad(), in_parts_that_are_counted(), FlopCounterMode(display=False) as counter:
        family.encode(model, batch)
    tokens = batch.num_tokens * (1 if batch.decoder is None else 2)
    assert family.flops(model, LENGTH) == pytest.approx(counter.get_total_flops() / tokens, rel=0.01)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'base'"):
        describe("bert", "bse")
    with pytest.raises(UserError, match="did you mean 'bert'"):
        describe("brt", "base")
    with pytest.raises(
        UserError, match=r"unknown size bert/base-chinese; .*sizes of bert: tiny, .*checkpoint"
    ):
        describe("bert", "base-chinese")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("bert-base", r"found 'bert-base'; did you mean 'bert/base'\?"),
        ("xlm-r-large", r"did you mean 'xlm-r/large'\?"),
        ("BERT/Base", r"found 'BERT/Base'; did you mean 'bert/base'\?"),
        ("bret/base", r"did you mean 'bert/base'\?"),
        ("t5-small", r"did you mean 't5/small'\?"),
        ("bert", "such as bert/mini, found 'bert'; sizes of bert: tiny, mini, "),
        ("bert/", "such as bert/mini, found 'bert/'; sizes of bert: "),
        ("", "such as bert/tiny, found ''; families: albert, "),
        (None, "such as bert/tiny, found None; families: "),
        ("完全不同", "such as bert/tiny, found '完全不同'; families: "),
    ],
)
def test_what_is_no_family_and_size_is_refused_with_what_could_be_meant(
    written: str | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        family_and_size(written)
