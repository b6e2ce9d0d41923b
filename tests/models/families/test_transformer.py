"""The Transformer made of parts: each part is what its paper or a library says, and all go together on packed rows."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from family_entry import LENGTHS, our_outputs, plain_outputs, random_batch, word_tokenizer
from pydantic import ValidationError
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, LlamaConfig
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb
from transformers.models.t5.modeling_t5 import T5Attention

from acclimate.errors import UserError
from acclimate.kernels import native
from acclimate.models.building import Labels, model_class
from acclimate.models.families.transformer import positions
from acclimate.models.families.transformer.choices import FUNCTIONS, GATED
from acclimate.models.families.transformer.configuration import TransformerConfig
from acclimate.models.families.transformer.family import Transformer
from acclimate.models.families.transformer.norms import TokenBatchNorm
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode, token_logits
from acclimate.models.quick_modules import quicken
from acclimate.objectives.clm import CausalLanguageModel
from acclimate.objectives.prefix_lm import PrefixLanguageModel

SMALL = {
    "size": "tiny",
    "hidden": 32,
    "heads": 4,
    "inner": 40,
    "positions": max(LENGTHS),
    "dropout": 0,
    "attention_dropout": 0,
    "initialise": {"truncated_normal": 0.2},
}
COMBINATIONS: list[tuple[str, dict[str, Any]]] = [
    ("mlm", {}),
    ("mlm", {"activation": "geglu", "norm_place": "pre", "position_encoding": "rope", "bias": False}),
    ("mlm", {"normalisation": "rms_norm", "activation": "swiglu", "position_encoding": "sinusoidal"}),
    ("mlm", {"position_encoding": "relative", "window": 4, "layers": 4, "share": 2, "projection": 16}),
    ("mlm", {"block": 5, "activation": "relu", "position_encoding": "alibi"}),
    ("mlm", {"normalisation": "batch_norm", "norm_place": "pre", "activation": "silu"}),
    ("pretraining", {"normalisation": "batch_norm", "position_encoding": "alibi"}),
    ("clm", {"direction": "left_to_right", "norm_place": "pre", "position_encoding": "rope", "window": 3}),
    ("clm", {"direction": "left_to_right", "position_encoding": "relative", "block": 7}),
    ("prefix", {"direction": "prefix", "position_encoding": "relative", "normalisation": "rms_norm"}),
    ("prefix", {"direction": "prefix", "position_encoding": "alibi", "window": 6, "projection": 8}),
    ("classification", {"direction": "left_to_right", "position_encoding": "learnt"}),
    ("tokens", {"direction": "prefix", "activation": "gelu_tanh"}),
]
named = pytest.mark.parametrize(
    ("kind", "parts"),
    COMBINATIONS,
    ids=lambda one: one if isinstance(one, str) else "-".join(map(str, one.values())),
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def settings(**parts: Any) -> Transformer:
    return Transformer.model_validate({**SMALL, **parts})


def built(kind: str = "mlm", **parts: Any) -> Any:
    labels = Labels(("a", "b", "c")) if kind in ("classification", "tokens") else None
    vocabulary = Vocabulary.of(word_tokenizer())
    model = settings(**parts).build(vocabulary=vocabulary, seed=1, kind=kind, labels=labels)
    for parameter in model.parameters():  # biases of zero and gains of one would hide mistakes
        if parameter.dim() == 1:
            parameter.data.add_(
                0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            )
    return model


def batch(kind: str = "mlm", lengths: tuple[int, ...] = LENGTHS) -> Any:
    return random_batch(Transformer, kind, word_tokenizer(), lengths)


def gradients(model: nn.Module, outputs: list[Tensor]) -> dict[str, Tensor]:
    """Of a loss in which every output weighs differently."""
    generator = torch.Generator().manual_seed(2)
    sum((one * torch.randn(one.shape, generator=generator)).sum() for one in outputs).backward()
    return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


def require_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    largest = max(float(one.abs().max()) for one in wanted.values())
    for name, one in wanted.items():
        torch.testing.assert_close(found[name], one, rtol=1e-3, atol=2e-6 * largest, msg=name)


# Whole models.


@pytest.mark.parametrize("way", ["kernels", "twins"])
@named
def test_packed_rows_equal_padded_plain_calls(
    kind: str, parts: dict[str, Any], way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the folder that is written is read by plain Transformers, with its own attention."""
    if way == "twins":
        monkeypatch.setattr(native, "available", lambda: False)
    model, given = built(kind, **parts).train(), batch(kind)
    model.save_pretrained(tmp_path)
    plain = model_class(kind, Transformer).from_pretrained(
        tmp_path, attn_implementation="eager", dtype=torch.float32
    )
    ours, theirs = our_outputs(model, kind, given), plain_outputs(plain.train(), kind, given)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    require_equal(gradients(model, ours), gradients(plain, theirs))


@named
def test_quick_modules_change_nothing(kind: str, parts: dict[str, Any]) -> None:
    plain, given = built(kind, **parts).train(), batch(kind)
    quick = copy.deepcopy(plain)
    quicken(quick)
    outputs = our_outputs(quick, kind, given), our_outputs(plain, kind, given)
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    require_equal(gradients(quick, outputs[0]), gradients(plain, outputs[1]))


def test_with_berts_choices_it_is_bert() -> None:
    model, given = built().train(), batch()
    values = {
        name: getattr(model.config, name) for name in BertConfig().to_dict() if hasattr(model.config, name)
    }
    values |= {"model_type": "bert", "layer_norm_eps": model.config.norm_eps}
    bert = BertForMaskedLM(BertConfig(**values)).train()
    bert.load_state_dict(_as_bert(model.state_dict()))
    bert.set_attn_implementation("eager")
    ours, theirs = our_outputs(model, "mlm", given), plain_outputs(bert, "mlm", given)
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-5, atol=1e-5)
    require_equal(_as_bert(gradients(model, ours)), gradients(bert, theirs) | _tied(bert))


def _tied(bert: Any) -> dict[str, Tensor]:
    head = bert.cls.predictions.decoder
    return {
        "cls.predictions.decoder.weight": head.weight.grad,
        "cls.predictions.decoder.bias": head.bias.grad,
    }


def _as_bert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names as BERT's; the fused projection parted."""
    found: dict[str, Tensor] = {}
    names = (
        ("model.embeddings.positions.table", "bert.embeddings.position_embeddings"),
        ("model.embeddings.norm", "bert.embeddings.LayerNorm"),
        ("model.embeddings", "bert.embeddings"),
        ("model.layers", "bert.encoder.layer"),
        ("attention.output.norm", "attention.output.LayerNorm"),
        ("inner.dense", "intermediate.dense"),
        ("output.norm", "output.LayerNorm"),
        ("head.dense", "cls.predictions.transform.dense"),
        ("head.norm", "cls.predictions.transform.LayerNorm"),
        ("head.decoder", "cls.predictions.decoder"),
    )
    for name, one in state.items():
        for old, new in names:
            name = name.replace(old, new)
        if "qkv" in name:
            for part, piece in zip(("query", "key", "value"), one.chunk(3), strict=True):
                found[name.replace("qkv", f"self.{part}")] = piece
        else:
            found[name] = one
    found["cls.predictions.bias"] = found["cls.predictions.decoder.bias"]
    table = "bert.embeddings.word_embeddings.weight"
    return {**found, "cls.predictions.decoder.weight": found[table]}


def test_plain_transformers_loads_it_once_the_families_are_registered(tmp_path: Path) -> None:
    built(norm_place="pre", activation="geglu", position_encoding="rope").save_pretrained(tmp_path)
    code = (
        "import sys, acclimate.models.register\n"
        "from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForTokenClassification\n"
        "for auto in (AutoModel, AutoModelForMaskedLM, AutoModelForTokenClassification):\n"
        "    print(type(auto.from_pretrained(sys.argv[1])).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        "TransformerModel",
        "TransformerForMaskedLM",
        "TransformerForTokenClassification",
    ]


def test_hidden_states_of_all_layers_can_be_asked_for() -> None:
    model = built("encoder", norm_place="pre").eval()
    out = model(torch.randint(5, 20, (2, 9)), output_hidden_states=True)
    assert len(out.hidden_states) == model.config.num_hidden_layers + 1
    assert torch.equal(out.hidden_states[-1], out.last_hidden_state)


@pytest.mark.parametrize(
    ("kind", "parts", "objective"),
    [
        ("clm", {"direction": "left_to_right", "position_encoding": "alibi"}, CausalLanguageModel(-1, -2)),
        ("prefix", {"direction": "prefix", "norm_place": "pre"}, PrefixLanguageModel(seed=1, fixed=True)),
    ],
)
def test_decoders_learn_a_handful_of_texts_by_heart(kind: str, parts: dict[str, Any], objective: Any) -> None:
    from acclimate.batching.packed import Sequences

    source, model = batch("encoder"), built(kind, **parts).train()
    rows = (source.tokens, source.cu_seqlens, source.segments)
    given = objective.prepare(Sequences(*(one.numpy() for one in rows), source.ids, source.ids * 0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = objective.loss(model, given)
        optimizer.zero_grad()
        (loss.sum / loss.count).backward()
        optimizer.step()
        losses.append(float(loss.sum.detach() / loss.count))
    assert losses[-1] < 0.1 * losses[0]


# Who sees whom.


def reach(place: int, length: int = 20, **parts: Any) -> list[int]:
    """Places whose output changes when the token at `place` does, in one layer."""
    model, given = built("encoder", layers=1, **parts).eval(), batch("encoder", (length,))
    before = encode(model, given)
    given.tokens[place] = given.tokens[place] % 20 + 6
    return ((encode(model, given) - before).abs().amax(-1) > 1e-6).nonzero().flatten().tolist()


def test_masks_let_through_what_their_names_say() -> None:
    assert reach(7) == list(range(20))
    assert reach(7, direction="left_to_right") == list(range(7, 20))
    assert reach(7, window=3) == [5, 6, 7, 8, 9]
    assert reach(7, window=3, direction="left_to_right") == [7, 8, 9]
    assert reach(7, block=5) == [5, 6, 7, 8, 9]
    assert reach(7, block=5, direction="left_to_right") == [7, 8, 9]
    # `random_batch` calls the first half of a sequence segment 0: the prefix
    assert reach(7, direction="prefix") == list(range(20))
    assert reach(12, direction="prefix") == list(range(12, 20))


# Parts.


def test_rope_turns_as_llama_does() -> None:
    torch.manual_seed(0)
    q, k, places = torch.randn(2, 3, 7, 16), torch.randn(2, 3, 7, 16), torch.randint(0, 500, (2, 7))
    llama = LlamaRotaryEmbedding(LlamaConfig(hidden_size=48, num_attention_heads=3))
    expected = apply_rotary_pos_emb(q, k, *llama(q, places))
    turns = positions.Rope(TransformerConfig(hidden_size=48, num_attention_heads=3)).turns(places)
    for ours, theirs in zip((q, k), expected, strict=True):
        torch.testing.assert_close(positions.turned(ours, turns), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("heads", [1, 2, 8, 12, 20])
def test_alibi_slopes_are_those_of_bloom(heads: int) -> None:
    theirs = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32).view(heads, 2)[:, 1]
    torch.testing.assert_close(torch.tensor(positions.alibi_slopes(heads)), theirs)


def test_alibi_takes_the_slope_for_each_place_between() -> None:
    table = positions.Alibi(TransformerConfig(num_attention_heads=8)).by_distance(3, torch.device("cpu"))
    assert table[0].tolist() == [-1.5, -1.0, -0.5, 0.0, -0.5, -1.0, -1.5]
    assert table[7, 0] == -3 / 256


@pytest.mark.parametrize("both", [True, False])
def test_buckets_of_distances_are_those_of_t5(both: bool) -> None:
    distance = torch.arange(-300, 301)
    theirs = T5Attention._relative_position_bucket(
        distance, bidirectional=both, num_buckets=32, max_distance=128
    )
    assert torch.equal(positions.distance_buckets(distance, 32, 128, both=both), theirs)


def test_sinusoids_follow_the_formula() -> None:
    found = positions.sinusoids(torch.tensor([0, 3, 100]), 6)
    for row, place in zip(found, (0, 3, 100), strict=True):
        for pair in range(3):
            angle = torch.tensor(place / 10000 ** (2 * pair / 6))
            assert float(row[2 * pair]) == pytest.approx(float(angle.sin()), abs=1e-5)
            assert float(row[2 * pair + 1]) == pytest.approx(float(angle.cos()), abs=1e-5)


def test_activations_are_those_of_torch() -> None:
    x = torch.linspace(-4, 4, 50)[:, None].expand(-1, 32)
    formulas: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": torch.relu,
        "gelu": nn.GELU(),
        "gelu_tanh": nn.GELU(approximate="tanh"),
        "silu": lambda one: one * torch.sigmoid(one),
        "swish": lambda one: one * torch.sigmoid(one),
        "geglu": nn.GELU(),
        "swiglu": nn.SiLU(),
    }
    assert formulas.keys() == FUNCTIONS.keys()
    for name, formula in formulas.items():
        inner = built(activation=name).model.layers[0].inner
        before = inner.dense(x)
        if name in GATED:
            opened, values = before.chunk(2, -1)
            expected = formula(opened) * values
        else:
            expected = formula(before)
        torch.testing.assert_close(inner(x), expected, rtol=1e-5, atol=1e-5)


def test_rms_norm_is_that_of_torch() -> None:
    norm = built(normalisation="rms_norm").model.layers[0].output.norm
    x = torch.randn(5, 32)
    expected = x / (x.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt() * norm.weight
    torch.testing.assert_close(norm(x), expected)
    assert isinstance(norm, nn.RMSNorm)


def test_batch_norm_is_that_of_torch_on_the_real_tokens_alone() -> None:
    ours, theirs = TokenBatchNorm(6), nn.BatchNorm1d(6)
    for seed in range(3):
        x = torch.randn(4, 9, 6, generator=torch.Generator().manual_seed(seed)) * 3 + 1
        real = torch.arange(9) < torch.tensor([9, 2, 1, 5])[:, None]
        found = ours(x, real)
        torch.testing.assert_close(found[real], theirs(x[real]))
        assert (found[~real] == 0).all()
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x, real)[real], theirs(x[real]))
    torch.testing.assert_close(ours(x).flatten(0, 1), theirs(x.flatten(0, 1)))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
    ours.train()
    assert ours(x[:1, :1]).isfinite().all()  # of one token nothing can be learnt


def test_sharing_and_projection_save_exactly_their_weights() -> None:
    def count(**parts: Any) -> int:
        return sum(one.numel() for one in built("encoder", layers=6, **parts).parameters())

    one = sum(parameter.numel() for parameter in built("encoder").layers[0].parameters())
    assert count() - count(share=2) == 3 * one
    assert count() - count(share=6) == 5 * one
    size = len(word_tokenizer())
    tables = size + SMALL["positions"] + 2
    assert count() - count(projection=8) == tables * (32 - 8) + 2 * (32 - 8) - (8 * 32 + 32)


def test_shared_layers_are_the_same_layer_twice() -> None:
    shared, apart = built("encoder", layers=4, share=2).eval(), built("encoder", layers=4).eval()
    for number, layer in enumerate(apart.layers):
        layer.load_state_dict(shared.layers[number // 2].state_dict())
    apart.embeddings.load_state_dict(shared.embeddings.state_dict())
    given = batch("encoder")
    torch.testing.assert_close(encode(shared, given), encode(apart, given))


# LayerDrop.


def test_layerdrop_leaves_out_its_share_of_whole_layers_in_training_only() -> None:
    model = built("encoder", layers=8, layerdrop=0.2).train()
    torch.manual_seed(0)
    kept = torch.zeros(8)
    for _ in range(4000):
        kept[model._kept()] += 1
    assert ((kept / 4000 - 0.8).abs() < 4 * (0.16 / 4000) ** 0.5).all()
    assert model.eval()._kept() == list(range(8))
    assert built("encoder", layers=8).train()._kept() == list(range(8))


def test_a_layer_that_is_left_out_changes_nothing_and_the_rest_is_not_rescaled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, given = built("encoder", layers=3, layerdrop=0.5).train(), batch("encoder")
    monkeypatch.setattr(model, "_kept", lambda: [2])
    one = encode(model, given)
    alone = built("encoder", layers=1).train()
    alone.embeddings.load_state_dict(model.embeddings.state_dict())
    alone.layers[0].load_state_dict(model.layers[2].state_dict())
    assert torch.equal(one, encode(alone, given))


# Choices that do not go together.


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"hidden": 100, "heads": 8},
            "100 does not part evenly among 8 heads; nearest: 10 heads, or a hidden size",
        ),
        (
            {"hidden": 12, "heads": 4, "position_encoding": "rope"},
            "cannot be paired; nearest: a hidden size of",
        ),
        ({"normalisation": "batch_norm", "direction": "left_to_right"}, "nearest is layer_norm"),
        ({"normalisation": "batch_norm", "direction": "prefix"}, "nearest is layer_norm"),
        ({"direction": "prefix", "block": 8}, "nearest: `window`"),
        ({"layers": 12, "share": 5}, "12 layers do not part into groups of 5; nearest: 4"),
        ({"activation": "gleu"}, "gelu"),
        ({"checkpoint": "some/model", "size": None, "window": 4}, "the checkpoint brings its own"),
    ],
)
def test_choices_that_do_not_go_together_are_refused_with_the_nearest(
    parts: dict[str, Any], words: str
) -> None:
    given = {key: value for key, value in {**SMALL, **parts}.items() if value is not None}
    if "checkpoint" in parts:
        given = {"checkpoint": "some/model", "window": 4}
    with pytest.raises(ValidationError, match=words):
        Transformer.model_validate(given)


def test_the_configuration_refuses_them_too() -> None:
    with pytest.raises(ValueError, match="nearest is layer_norm"):
        TransformerConfig(normalisation="batch_norm", direction="left_to_right")


def test_a_head_that_would_see_its_answer_is_refused() -> None:
    with pytest.raises(UserError, match="nearest: `direction: left_to_right`"):
        built("clm")
    with pytest.raises(UserError, match="nearest: `direction: left_to_right`"):
        built("clm", direction="prefix")
    with pytest.raises(ValueError, match="token_type_ids must say"):
        built("prefix", direction="prefix")(torch.ones(1, 3, dtype=torch.long))


def test_more_tokens_at_targets_do_not_change_the_head() -> None:
    """A batch's mean before the vocabulary would depend on which places are asked."""
    model, given = built(normalisation="batch_norm").train(), batch()
    hidden = encode(model, given)
    whole = token_logits(model, hidden)[given.target_positions]
    torch.testing.assert_close(token_logits(model, hidden[given.target_positions]), whole)
