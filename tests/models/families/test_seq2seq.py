"""Sequence to sequence: attention against loops, the Transformer against torch's, recurrent cells, writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForSeq2SeqLM

import acclimate.models.register  # noqa: F401
from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.kernels import native
from acclimate.models.families.seq2seq.attention import Additive, Product, Source, context_of
from acclimate.models.families.seq2seq.configuration import Seq2SeqConfig
from acclimate.models.families.seq2seq.family import Seq2Seq
from acclimate.models.families.seq2seq.modelling import Seq2SeqForConditionalGeneration
from acclimate.models.families.seq2seq.transformer import positions_of
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode, token_logits
from acclimate.models.packed_attention import register
from acclimate.optim.scaled_initialisers import Xavier
from acclimate.optim.truncated_normal import TruncatedNormal
from acclimate.optim.uniform import Uniform

START, END = 2, 3
VOCABULARY = Vocabulary(100, 0, {"cls_token": START, "sep_token": END})
RECURRENT: list[dict[str, Any]] = [
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "lstm", "bidirectional": False},
    {"cell": "lstm", "attention": "luong", "score": "dot"},
    {"cell": "gru", "attention": "luong", "score": "general"},
    {"cell": "lstm", "attention": "luong", "score": "concat"},
]
EVERY = [{"cell": "transformer"}, {"cell": "transformer", "pre_norm": True}, *RECURRENT]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def model_of(seed: int = 0, **choices: Any) -> Seq2SeqForConditionalGeneration:
    config = Seq2SeqConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        dropout=0.0, initializer_range=0.4, pad_token_id=0, eos_token_id=END, decoder_start_token_id=START,
        **choices,
    )  # fmt: skip
    torch.manual_seed(seed)
    return Seq2SeqForConditionalGeneration._from_config(config, attn_implementation=register())


def sources(lengths: list[int], seed: int = 1) -> tuple[Tensor, Tensor]:
    """[B, S] tokens padded behind, and which are real."""
    real = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    tokens = torch.randint(4, 30, real.shape, generator=torch.Generator().manual_seed(seed))
    return tokens * real, real.long()


@pytest.mark.parametrize("score", ["additive", "dot", "general"])
def test_attention_is_its_formula_by_loops(score: str) -> None:
    torch.manual_seed(0)
    layer = Additive(6) if score == "additive" else Product(6, general=score == "general")
    values, state = torch.randn(3, 5, 6), torch.randn(3, 6)
    real = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]).bool()
    found = context_of(layer, state, Source(values, layer.keys(values), real))
    for b, length in enumerate((5, 2, 1)):
        scores = []
        for h in values[b, :length]:
            if isinstance(layer, Additive):
                both = torch.cat([layer.of_state.weight, layer.of_source.weight], dim=1)
                scores.append(layer.to_score.weight[0] @ torch.tanh(both @ torch.cat([state[b], h])))
            else:
                scores.append(state[b] @ (h if layer.between is None else layer.between.weight @ h))
        weights = torch.softmax(torch.stack(scores), dim=0)
        torch.testing.assert_close(found[b], (weights[:, None] * values[b, :length]).sum(0))


def test_positions_are_sines_and_cosines_in_turn() -> None:
    table = positions_of(torch.tensor([[0, 3]]), 6)[0]
    expected = [f(3 / 10_000 ** (2 * i / 6)) for i in range(3) for f in (np.sin, np.cos)]
    assert torch.allclose(table[1], torch.tensor(expected, dtype=torch.float32))
    assert table[0].tolist() == [0, 1, 0, 1, 0, 1]


def torchs(model: Seq2SeqForConditionalGeneration) -> nn.Transformer:
    """torch.nn.Transformer with the same weights."""
    config = model.config
    size, named = config.hidden_size, {"dropout": 0.0, "batch_first": True, "norm_first": config.pre_norm}
    theirs = nn.Transformer(
        size, config.num_attention_heads, 2, 2, config.intermediate_size, **named
    )  # fmt: skip
    for stack, other in (
        (model.model.encoder.body, theirs.encoder),
        (model.model.decoder.body, theirs.decoder),
    ):
        if stack.norm is None:
            other.norm = None
        else:
            other.norm.load_state_dict(stack.norm.state_dict())
        for ours, layer in zip(stack.layers, other.layers, strict=True):
            pairs = [(ours.attention, layer.self_attn)]
            if ours.crossing is not None:
                pairs.append((ours.crossing, layer.multihead_attn))
            for mine, attention in pairs:
                parts = (mine.q_proj, mine.k_proj, mine.v_proj)
                attention.in_proj_weight.data = torch.cat([one.weight for one in parts])
                attention.in_proj_bias.data = torch.cat([one.bias for one in parts])
                attention.out_proj.load_state_dict(mine.out_proj.state_dict())
            layer.linear1.load_state_dict(ours.fc1.state_dict())
            layer.linear2.load_state_dict(ours.fc2.state_dict())
            for number, norm in enumerate(ours.norms, 1):
                getattr(layer, f"norm{number}").load_state_dict(norm.state_dict())
    return theirs


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_transformer_is_torchs(pre_norm: bool, implementation: str) -> None:
    model = model_of(cell="transformer", pre_norm=pre_norm).train()
    model.set_attn_implementation(implementation)
    theirs = torchs(model).train()
    read, real = sources([7, 4, 1])
    written, written_real = sources([5, 6, 2], seed=3)

    def embedded(tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1])[None]
        return model.model.encoder.embed(tokens) * 4 + positions_of(places, 16)

    ours = model.model(read, real, written, written_real).last_hidden_state
    expected = theirs(
        embedded(read), embedded(written),
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(6),
        src_key_padding_mask=real == 0, memory_key_padding_mask=real == 0,
    )  # fmt: skip
    where = written_real.bool()
    torch.testing.assert_close(ours[where], expected[where], rtol=1e-4, atol=1e-5)
    layer, other = model.model.decoder.body.layers[0].fc1, theirs.decoder.layers[0].linear1
    table = model.model.encoder.embed.weight
    target = torch.randn(int(where.sum()), 16)
    functional.mse_loss(ours[where], target).backward()
    mine, table.grad = table.grad.clone(), None
    functional.mse_loss(expected[where], target).backward()
    torch.testing.assert_close(layer.weight.grad, other.weight.grad, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(mine, table.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("choices", RECURRENT[:3])
def test_a_recurrent_encoder_reads_each_text_as_if_it_were_alone(choices: dict[str, Any]) -> None:
    model = model_of(**choices).eval()
    encoder = model.model.encoder
    tokens, real = sources([6, 1, 4])
    out = encoder(tokens, real).last_hidden_state
    for row, length in enumerate((6, 1, 4)):
        alone, _ = encoder.body.layers(encoder.embed(tokens[row : row + 1, :length]))
        torch.testing.assert_close(out[row, :length], alone[0])


@pytest.mark.parametrize("choices", RECURRENT)
def test_a_recurrent_decoder_is_its_formula(choices: dict[str, Any]) -> None:
    model = model_of(**choices).eval()
    decoder = model.model.decoder.body
    values, tokens = torch.randn(1, 5, 16), torch.randint(30, (1, 4))
    found = decoder(model.model.decoder.embed(tokens), values, None, None)[0]
    end = values[0, -1].clone()
    if choices.get("bidirectional", True):
        end[8:] = values[0, 0, 8:]
    h = [torch.tanh(decoder.begin[f"h_{n}"](end)) for n in range(2)]
    c = [decoder.begin[f"c_{n}"](end) for n in range(2)] if choices["cell"] == "lstm" else []
    fed = torch.zeros(16)

    def attended(state: Tensor) -> Tensor:
        keys = decoder.score.keys(values)
        return torch.softmax(decoder.score.scores(state[None], keys), -1)[0] @ values[0]

    for token, output in zip(model.model.decoder.embed(tokens)[0], found, strict=True):
        context = fed if "attention" in choices else attended(h[-1])
        x = torch.cat([token, context])
        for n, cell in enumerate(decoder.cells):
            if choices["cell"] == "lstm":
                h[n], c[n] = (one[0] for one in cell(x[None], (h[n][None], c[n][None])))
            else:
                h[n] = cell(x[None], h[n][None])[0]
            x = h[n]
        if "attention" in choices:
            fed = torch.tanh(decoder.readout(torch.cat([attended(x), x])))
            expected = fed
        else:
            expected = torch.tanh(decoder.readout(torch.cat([x, context, token])))
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@torch.no_grad()
def test_what_new_recurrent_cells_read_reaches_what_they_write(cell: str) -> None:
    """With weights of 0.02, the Transformer's, an LSTM stayed at the frequencies of tokens for hundreds of steps."""
    model = Seq2Seq(size="tiny", cell=cell).build(vocabulary=VOCABULARY, seed=1, kind="seq2seq").eval()
    read = torch.randint(5, 99, (16, 7), generator=torch.Generator().manual_seed(0))
    written = torch.full((16, 4), 9)
    logits = model(input_ids=read, attention_mask=torch.ones_like(read), decoder_input_ids=written).logits
    assert logits.std(0).mean() > 4e-4
    assert Seq2Seq(cell=cell).initialise == Uniform()
    assert Seq2Seq(cell=cell, initialise="xavier").initialise == Xavier()
    assert Seq2Seq().initialise == TruncatedNormal()


def batch_of(read: list[int], written: list[int], seed: int = 0) -> PackedBatch:
    random = np.random.default_rng(seed)
    starts, decoder = (np.concatenate([[0], np.cumsum(one)]) for one in (read, written))
    sequences = Sequences(
        random.integers(4, 30, starts[-1]), starts, np.zeros(starts[-1], np.int64), np.arange(len(read)),
        np.zeros(len(read), np.int64),
    )  # fmt: skip
    tokens = random.integers(4, 30, decoder[-1])
    targets = random.integers(4, 30, decoder[-1])
    return pack(
        sequences, target_positions=np.arange(len(tokens)), targets=targets, decoder=(tokens, decoder)
    )


@pytest.mark.parametrize("choices", EVERY)
@pytest.mark.parametrize("kernels", [True, False])
def test_rows_equal_plain_calls_one_by_one(
    choices: dict[str, Any], kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels:
        monkeypatch.setattr(native, "available", lambda: False)
    model = model_of(**choices).train()
    read, written = [9, 1, 4, 9, 2, 6], [3, 8, 1, 2, 7, 5]
    batch = batch_of(read, written)
    logits = token_logits(model, encode(model, batch))
    functional.cross_entropy(logits, batch.targets, reduction="sum").backward()
    ours = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    model.set_attn_implementation("eager")
    sides = (batch.tokens.split(read), batch.decoder.tokens.split(written), batch.targets.split(written))
    expected = []
    for source, target, labels in zip(*sides, strict=True):
        out = model(source[None], decoder_input_ids=target[None])
        functional.cross_entropy(out.logits[0], labels, reduction="sum").backward()
        expected.append(out.logits[0])
    torch.testing.assert_close(logits, torch.cat(expected), rtol=1e-4, atol=1e-4)
    largest = max(float(gradient.abs().max()) for gradient in ours.values())
    for name, one in model.named_parameters():
        torch.testing.assert_close(ours[name], one.grad, rtol=1e-3, atol=1e-5 * largest, msg=name)


@pytest.mark.parametrize("choices", EVERY)
def test_a_decoder_sees_all_of_its_source_and_nothing_ahead(choices: dict[str, Any]) -> None:
    model = model_of(**choices).eval()
    batch = batch_of([5, 6, 4], [6, 7, 3])
    before = encode(model, batch)
    batch.decoder.tokens[9] = batch.decoder.tokens[9] % 26 + 4 - 3 * (batch.decoder.tokens[9] == 29)
    changed = (before - encode(model, batch)).abs().amax(-1) > 1e-6
    assert changed.nonzero().flatten().tolist() == [9, 10, 11, 12]
    before = encode(model, batch)
    batch.tokens[10] = (batch.tokens[10] + 1) % 26 + 4
    changed = (before - encode(model, batch)).abs().amax(-1) > 1e-6
    assert changed.nonzero().flatten().tolist() == list(range(6, 13))


@pytest.mark.parametrize("choices", EVERY)
def test_what_is_kept_of_written_tokens_stands_for_them(choices: dict[str, Any]) -> None:
    model = model_of(**choices).eval()
    read, real = sources([7, 4, 1])
    written = torch.randint(4, 30, (3, 6))
    values = model.model.encoder(read, real).last_hidden_state
    order = torch.tensor([2, 0, 0])
    whole = model.model.decoder(written, None, values, real).last_hidden_state
    mixed = torch.cat([written[order, :3], written[:, 3:]], dim=1)
    other = model.model.decoder(mixed, None, values[order], real[order]).last_hidden_state
    state, outputs = None, []
    for place in range(6):
        if place == 3:  # as a beam search does: rows go on from what others were
            state.reorder_cache(order)
            values, real = values[order], real[order]
        token = written[:, place : place + 1]
        out = model.model.decoder(token, None, values, real, past_key_values=state, use_cache=True)
        state = out.past_key_values
        assert state.get_seq_length() == place + 1
        outputs.append(out.last_hidden_state)
    found = torch.cat(outputs, dim=1)
    torch.testing.assert_close(found[:, :3], whole[:, :3], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[:, 3:], other[:, 3:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("choices", [EVERY[0], EVERY[1], RECURRENT[0], RECURRENT[3]])
@pytest.mark.parametrize("beams", [1, 4])
def test_generating_with_what_is_kept_writes_the_same(choices: dict[str, Any], beams: int) -> None:
    model = model_of(seed=5, **choices).eval()
    tokens, real = sources([7, 4, 1, 6])
    how = {"attention_mask": real, "max_new_tokens": 9, "num_beams": beams, "do_sample": False}
    kept, whole = (model.generate(tokens, **how, use_cache=use) for use in (True, False))
    assert torch.equal(kept, whole)
    alone = model.generate(tokens[1:2, :4], **{**how, "attention_mask": real[1:2, :4]})
    length = min(alone.shape[1], kept.shape[1])
    assert torch.equal(alone[0, :length], kept[1, :length])


@pytest.mark.parametrize("choices", [EVERY[0], RECURRENT[0], RECURRENT[4]])
def test_saved_models_load_by_the_auto_class(choices: dict[str, Any], tmp_path: Path) -> None:
    model = model_of(**choices).eval()
    model.save_pretrained(tmp_path)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    tokens, real = sources([5, 3])
    labels = torch.randint(4, 30, (2, 4))
    ours, theirs = (one(tokens, real, labels=labels) for one in (model, again))
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=1e-5, atol=1e-5)
    table = again.model.encoder.embed.weight
    assert again.model.decoder.embed.weight is table and again.lm_head.weight is table
    shifted = torch.cat([torch.full((2, 1), START), labels[:, :-1]], dim=1)
    plain = again(tokens, real, shifted).logits
    torch.testing.assert_close(
        theirs.loss, functional.cross_entropy(plain.flatten(0, 1), labels.flatten()), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention": "luong"}, "attention: has no effect on the cell transformer"),
        ({"bidirectional": False}, "bidirectional: has no effect on the cell transformer"),
        ({"cell": "lstm", "norm": "pre"}, "norm: has no effect on the cell lstm"),
        ({"cell": "gru", "attention_dropout": 0.1}, "attention_dropout: has no effect on the cell gru"),
        ({"cell": "gru", "score": "dot"}, "score: has an effect with `attention: luong` only"),
        ({"cell": "rnn"}, "transformer"),
        ({"size": "large"}, "unknown value 'large'; choose from: base, small, tiny"),
        ({"positions": 100}, "unknown key 'positions'"),
    ],
)
def test_options_of_another_cell_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Seq2Seq.model_validate(settings)


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="not divisible by 3 heads"):
        Seq2SeqConfig(hidden_size=16, num_attention_heads=3)
    with pytest.raises(ValueError, match="cannot be halved"):
        Seq2SeqConfig(hidden_size=15, cell="lstm")
    with pytest.raises(ValueError, match="unknown cell 'rnn'"):
        Seq2SeqConfig(cell="rnn")
