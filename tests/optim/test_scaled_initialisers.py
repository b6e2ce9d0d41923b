"""Initialisers by shape and place: their variances, and that the seed decides them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from acclimate.models.families.bert import Bert
from acclimate.models.families.t5 import T5 as T5Family
from acclimate.models.families.t5 import T511
from acclimate.models.family import Vocabulary
from acclimate.optim.parameter_names import writes_to_stream
from acclimate.optim.scaled_initialisers import Gpt2, He, Xavier

HIDDEN, WIDE = 256, 1024


def bert(initialise: Any, seed: int = 0) -> torch.nn.Module:
    settings = Bert.model_validate({"size": "mini", "positions": 64, "initialise": initialise})
    return settings.build(vocabulary=Vocabulary(500, 0), seed=seed)


def std(weight: torch.Tensor) -> float:
    return float(weight.detach().double().std())


def test_he_by_inputs() -> None:
    layer = bert("he").bert.encoder.layer[1]
    assert std(layer.intermediate.dense.weight) == pytest.approx((2 / HIDDEN) ** 0.5, rel=0.01)
    assert std(layer.output.dense.weight) == pytest.approx((2 / WIDE) ** 0.5, rel=0.01)
    assert not layer.output.dense.bias.any() and bool((layer.output.LayerNorm.weight == 1).all())


def test_he_keeps_the_size_through_rectifiers() -> None:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(*(torch.nn.Linear(512, 512, bias=False) for _ in range(20)))
    He().build(generator=torch.Generator().manual_seed(0))(layers)
    x = torch.randn(64, 512)
    before = float(x.square().mean())
    with torch.no_grad():
        for layer in layers:
            x = layer(x).relu()
    assert float(x.square().mean()) == pytest.approx(before, rel=0.6)


def test_xavier_by_both_sides() -> None:
    layer = bert({"xavier": 0.5}).bert.encoder.layer[0]
    bound = 0.5 * (6 / (HIDDEN + WIDE)) ** 0.5
    weight = layer.intermediate.dense.weight
    assert float(weight.abs().max()) <= bound and std(weight) == pytest.approx(bound / 3**0.5, rel=0.01)


def test_gpt2_divides_what_writes_to_the_stream() -> None:
    model = bert("gpt2")  # four layers, eight branches
    layer = model.bert.encoder.layer[2]
    for end in (layer.attention.output.dense, layer.output.dense):
        assert std(end.weight) == pytest.approx(0.02 / 8**0.5, rel=0.02)
    for inner in (
        layer.attention.self.query,
        layer.intermediate.dense,
        model.bert.embeddings.word_embeddings,
    ):
        assert std(inner.weight) == pytest.approx(0.02, rel=0.03)


def test_on_gpt2_itself_it_has_the_library_s_variances() -> None:
    model = GPT2LMHeadModel(GPT2Config(n_layer=3, n_embd=128, n_head=2, vocab_size=400, n_positions=64))
    theirs = {name: std(p) for name, p in model.named_parameters() if p.ndim == 2}
    Gpt2().build(generator=torch.Generator().manual_seed(1))(model)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            assert std(parameter) == pytest.approx(theirs[name], rel=0.06), name
    assert model.lm_head.weight.data_ptr() == model.transformer.wte.weight.data_ptr()


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("bert.encoder.layer.0.attention.output.dense", True),
        ("bert.encoder.layer.0.output.dense", True),
        ("transformer.h.11.mlp.c_proj", True),
        ("model.layers.3.self_attn.o_proj", True),
        ("bert.encoder.layer.0.intermediate.dense", False),
        ("bert.encoder.layer.0.attention.self.query", False),
        ("classifier.out_proj", False),
    ],
)
def test_which_modules_write_to_the_stream(name: str, ends: bool) -> None:
    assert writes_to_stream(name) is ends


@pytest.mark.parametrize("settings", [He(), Xavier(), Gpt2()])
def test_the_seed_decides(settings: Any) -> None:
    name = settings.registered_as[1]
    torch.manual_seed(1)
    first = bert(name, 3)
    torch.manual_seed(2)
    second, other = bert(name, 3), bert(name, 4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    weights = [one.bert.encoder.layer[0].output.dense.weight for one in (first, other)]
    assert not torch.equal(*weights)


@pytest.mark.parametrize("family", [T5Family, T511])
def test_t5_by_inputs_and_heads(family: Any) -> None:
    model = family.model_validate({"size": "mini"}).build(
        vocabulary=Vocabulary(2000, 0), seed=0, kind="seq2seq"
    )
    inner = model.config.d_ff
    assert std(model.shared.weight) == pytest.approx(1, rel=0.01)
    for stack in (model.encoder, model.decoder):
        attention = stack.block[0].layer[0].SelfAttention
        assert std(attention.q.weight) == pytest.approx((HIDDEN * 64) ** -0.5, rel=0.02)
        assert std(attention.relative_attention_bias.weight) == pytest.approx(HIDDEN**-0.5, rel=0.2)
        for matrix in (attention.k, attention.v, attention.o):
            assert std(matrix.weight) == pytest.approx(HIDDEN**-0.5, rel=0.02)
        assert std(stack.block[1].layer[-1].DenseReluDense.wo.weight) == pytest.approx(inner**-0.5, rel=0.02)
    if family is T511:
        assert std(model.lm_head.weight) == pytest.approx(HIDDEN**-0.5, rel=0.01)
