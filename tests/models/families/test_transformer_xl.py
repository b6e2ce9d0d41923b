"""Transformer-XL's own properties: distances, memory, what a place may see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from acclimate.batching.packed import Sequences, pack
from acclimate.models.families.transformer_xl.attention import RelativeAttention, by_place, sinusoids
from acclimate.models.families.transformer_xl.configuration import TransformerXLConfig
from acclimate.models.families.transformer_xl.family import TlmXL, TransformerXL
from acclimate.models.families.transformer_xl.modelling import TransformerXLForCausalLM
from acclimate.models.family import Vocabulary


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def model_of(memory: int = 40, *, of_gpt: bool = False, seed: int = 0) -> TransformerXLForCausalLM:
    torch.manual_seed(seed)
    config = TransformerXLConfig(
        vocab_size=50, hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=32,
        memory_length=memory, dropout=0.0, pre_norm=of_gpt, shared_biases=not of_gpt,
        activation="gelu_new" if of_gpt else "relu", initializer_range=0.3,
    )  # fmt: skip
    return TransformerXLForCausalLM(config).eval()


@pytest.mark.parametrize(("length", "remembered"), [(1, 0), (5, 0), (4, 3), (1, 6), (7, 1)])
def test_columns_by_distance_become_columns_by_place(length: int, remembered: int) -> None:
    keys = length + remembered
    scores = torch.randn(2, 3, length, keys)
    shifted = by_place(scores)
    for i in range(length):
        for j in range(remembered + i + 1):  # what is not the future
            distance = remembered + i - j
            assert torch.equal(shifted[..., i, j], scores[..., i, keys - 1 - distance])


def test_sinusoids() -> None:
    table = sinusoids(torch.tensor([0, 1, 70]), 8)
    for row, distance in zip(table, (0, 1, 70), strict=True):
        angles = [distance / 10_000 ** (2 * i / 8) for i in range(4)]
        expected = [*(np.sin(angle) for angle in angles), *(np.cos(angle) for angle in angles)]
        assert torch.allclose(row, torch.tensor(expected, dtype=torch.float32), atol=1e-5)


def test_attention_is_the_formula_by_loops() -> None:
    torch.manual_seed(1)
    length, remembered, heads, size = 4, 3, 2, 5
    layer = RelativeAttention(10, heads, size, dropout=0.0).double().eval()
    keys = torch.randn(1, remembered + length, 10).double()
    x, places = keys[:, remembered:], torch.arange(remembered + length)
    u, v = torch.randn(2, heads, size).double()
    distances = sinusoids(places.flip(0), 10).double()
    seen = places <= places[remembered:, None]
    found = layer(x, keys, distances, seen, u, v)[0]

    q, k, value = layer.query(x)[0], layer.key(keys)[0], layer.value(keys)[0]
    for i in range(length):
        merged = []
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            scores = []
            for j in range(remembered + i + 1):
                r = layer.distance(sinusoids(torch.tensor([remembered + i - j]), 10).double())[0]
                score = (q[i, part] + u[h]) @ k[j, part] + (q[i, part] + v[h]) @ r[part]
                scores.append(score / size**0.5)
            weights = torch.softmax(torch.stack(scores).float(), dim=0).double()
            merged.append(weights @ value[: remembered + i + 1, part])
        torch.testing.assert_close(found[i], layer.out_proj(torch.cat(merged)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("of_gpt", [False, True])
@pytest.mark.parametrize("stretch", [1, 7, 20])
def test_with_memory_for_all_of_the_past_stretches_equal_one_long_pass(stretch: int, of_gpt: bool) -> None:
    model = model_of(of_gpt=of_gpt)
    text = torch.randint(50, (2, 40))
    whole = model.model(text).last_hidden_state
    memory, parts = None, []
    for start in range(0, 40, stretch):
        out = model.model(text[:, start : start + stretch], memory=memory, remember=True)
        memory = out.memory
        assert not memory["layers"].requires_grad
        parts.append(out.last_hidden_state)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)


def test_memory_is_bounded_and_what_it_forgets_is_gone() -> None:
    model = model_of(memory=6)
    text = torch.randint(50, (1, 30))
    other = text.clone()
    other[0, :5] = (other[0, :5] + 1) % 50
    ends = []
    for one in (text, other):
        memory = None
        for start in range(0, 30, 3):
            out = model.model(one[:, start : start + 3], memory=memory, remember=True)
            memory = out.memory
            assert memory["layers"].shape == (1, 3, min(6, start + 3), 24)
        ends.append(out.last_hidden_state)
    # Three layers reach back over 3 · 6 places before the last stretch; the change lies farther back.
    assert torch.equal(*ends)


@pytest.mark.parametrize("of_gpt", [False, True])
def test_no_place_sees_the_future(of_gpt: bool) -> None:
    model = model_of(of_gpt=of_gpt)
    text = torch.randint(50, (1, 20))
    memory = model.model(torch.randint(50, (1, 8)), remember=True).memory
    changed = text.clone()
    changed[0, 12] = (changed[0, 12] + 1) % 50
    before, after = (model.model(one, memory=memory).last_hidden_state[0] for one in (text, changed))
    same = (before - after).abs().amax(-1) == 0
    assert same[:12].all() and not same[12:].any()


def test_padding_on_either_side_changes_nothing() -> None:
    model = model_of()
    text = torch.randint(50, (1, 9))
    expected = model.model(text).last_hidden_state
    for before, after in ((3, 0), (0, 4)):
        padded = torch.nn.functional.pad(text, (before, after), value=7)
        mask = torch.nn.functional.pad(torch.ones_like(text), (before, after))
        found = model.model(padded, attention_mask=mask).last_hidden_state
        assert found.isfinite().all()
        torch.testing.assert_close(found[:, before : before + 9], expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(2)
    layer = RelativeAttention(6, 2, 3, dropout=0.0).double()
    places = torch.arange(5)
    distances, seen = sinusoids(places.flip(0), 6).double(), places <= places[2:, None]
    keys = torch.randn(1, 5, 6, dtype=torch.float64, requires_grad=True)
    u, v = (torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def run(keys: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        # The softmax in fp32 would blur the differences.
        real = torch.softmax
        torch.softmax = lambda x, dim, dtype=None: real(x, dim)  # type: ignore[assignment]
        try:
            return layer(keys[:, 2:], keys, distances, seen, u, v)
        finally:
            torch.softmax = real

    assert torch.autograd.gradcheck(run, (keys, u, v))


def test_streams_are_rows_of_the_batch() -> None:
    model = TransformerXL(size="mini", dropout=0, memory=16).build(
        vocabulary=Vocabulary(60, 0), seed=3, kind="clm"
    )
    rows = np.random.default_rng(0).integers(1, 60, (3, 10))
    starts = np.arange(0, 31, 10)
    sequences = Sequences(rows.ravel(), starts, np.zeros(30, np.int64), np.arange(3), np.zeros(3, np.int64))
    batch = pack(sequences, target_positions=np.arange(30), targets=rows.ravel())
    first = TransformerXL.onward(model, batch, None)
    second = TransformerXL.onward(model, batch, first.memory)
    assert first.hidden.shape == (30, 256) and second.memory["layers"].shape == (3, 4, 16, 256)
    plain = model.model(torch.from_numpy(rows)).last_hidden_state.flatten(0, 1)
    torch.testing.assert_close(first.hidden, plain)
    torch.testing.assert_close(TransformerXL.encode(model, batch), plain, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(second.hidden, plain, atol=1e-3)


@pytest.mark.parametrize("family", [TransformerXL, TlmXL])
def test_saved_models_load_by_the_auto_classes_and_write(family: type[TransformerXL], tmp_path: Path) -> None:
    sizes = {"one": {**family.sizes["mini" if family is TransformerXL else "small"], "num_hidden_layers": 1}}
    small = type("Small", (family,), {"sizes": sizes, "default_size": "one", "__module__": "test"})
    model = small().build(vocabulary=Vocabulary(60, 0), seed=3, kind="clm").eval()
    assert model.config.pre_norm == (family is TlmXL)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    text = torch.randint(1, 60, (2, 7))
    assert torch.equal(model(text).logits, again(text).logits)
    assert again.lm_head.weight is again.model.embed.weight
    written = again.generate(text, attention_mask=torch.ones_like(text), max_new_tokens=3, do_sample=False)
    assert torch.equal(written[:, 7], again(text).logits[:, -1].argmax(-1))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden_size 30 is not divisible by 4 heads"):
        TransformerXLConfig(hidden_size=30, num_attention_heads=4)
    with pytest.raises(ValidationError, match="positions"):
        TransformerXL.model_validate({"positions": 64})
    with pytest.raises(ValidationError, match="unknown value '12L'; did you mean '12l'"):
        TransformerXL.model_validate({"size": "12L"})
