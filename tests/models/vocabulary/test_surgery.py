"""A changed vocabulary leaves every bit of what the model makes of old tokens; new rows are where they belong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
)

from acclimate.errors import UserError
from acclimate.models.vocabulary.pieces import Mean, Random, WeightedMean
from acclimate.models.vocabulary.surgery import change_vocabulary
from acclimate.tokenizer.adapt.plan import NEW, Adaptation, NewToken

SIZE = 90
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}


def bert(*, tied: bool = True, size: int = SIZE) -> BertForMaskedLM:
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=size, tie_word_embeddings=tied, pad_token_id=3, max_position_embeddings=40, **SHAPE
    )
    model = BertForMaskedLM(config).eval()
    with torch.no_grad():
        model.cls.predictions.bias.normal_()  # zeros would show nothing
        if not tied:
            model.cls.predictions.decoder.weight.normal_()
    return model


def gpt2(*, tied: bool = True, size: int = SIZE) -> GPT2LMHeadModel:
    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=40, tie_word_embeddings=tied,
        bos_token_id=5, eos_token_id=5,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def adaptation(from_old: list[int] | None = None, *, old_size: int = SIZE) -> Adaptation:
    """Three new tokens at the end, unless told otherwise."""
    from_old = [*range(old_size), NEW, NEW, NEW] if from_old is None else from_old
    pieces = [[7, 8], [9], [10, 11, 10]]
    places = [id for id, old in enumerate(from_old) if old == NEW]
    new = [NewToken(id, f"t{id}", one, 3) for id, one in zip(places, pieces, strict=True)]
    counts = [n % 5 for n in range(old_size)]
    return Adaptation("WordPiece", "extend", 3, old_size, from_old, new, [], counts, 10, 8, 0)


def logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


IDS = torch.randint(0, SIZE, (3, 17), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("make", [bert, gpt2])
@pytest.mark.parametrize("tied", [True, False])
def test_old_tokens_give_the_same_bits(make: Any, tied: bool) -> None:
    model = make(tied=tied)
    before = logits(model, IDS)
    others = {name: one.clone() for name, one in model.state_dict().items() if one.shape[:1] != (SIZE,)}
    plan = adaptation()
    assert change_vocabulary(model, plan, Mean().build(adaptation=plan)) == 0
    after = logits(model, IDS)
    assert after.shape[-1] == SIZE + 3
    assert torch.equal(after[..., :SIZE], before)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    assert (head.weight is embedding.weight) == tied
    state = model.state_dict()
    assert others
    for name, one in others.items():
        assert torch.equal(state[name], one), name
    # The new tokens are taken in and asked for like others.
    fresh = logits(model, torch.tensor([[SIZE, 4, SIZE + 2]]))
    assert torch.isfinite(fresh).all()


@pytest.mark.parametrize("make", [bert, gpt2])
@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_are_the_mean_of_their_pieces(make: Any, tied: bool) -> None:
    model = make(tied=tied)
    old = [model.get_input_embeddings().weight.clone(), model.get_output_embeddings().weight.clone()]
    plan = adaptation()
    change_vocabulary(model, plan, Mean().build(adaptation=plan))
    new = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
    for before, after in zip(old, new, strict=True):
        for token in plan.new:
            expected = before[token.pieces].double().mean(dim=0).float()
            torch.testing.assert_close(after[token.id], expected, rtol=0, atol=1e-7)


def test_the_bias_grows_too() -> None:
    model = bert()
    old = model.cls.predictions.bias.clone()
    plan = adaptation()
    change_vocabulary(model, plan, Mean().build(adaptation=plan))
    decoder, predictions = model.cls.predictions.decoder, model.cls.predictions
    assert decoder.bias is predictions.bias
    assert torch.equal(decoder.bias[:SIZE], old)
    for token in plan.new:
        assert decoder.bias[token.id].item() == pytest.approx(old[token.pieces].mean().item(), abs=1e-7)
    assert decoder.out_features == SIZE + 3


def test_rare_pieces_weigh_more() -> None:
    plan = adaptation()
    total = sum(plan.old_counts)
    old = np.random.default_rng(1).normal(size=(SIZE, 4)).astype(np.float32)
    rows = WeightedMean(a=1e-2).build(adaptation=plan).rows(old)
    for row, token in zip(rows, plan.new, strict=True):
        weights = np.array([1e-2 / (1e-2 + plan.old_counts[piece] / total) for piece in token.pieces])
        np.testing.assert_allclose(row, (weights / weights.sum()) @ old[token.pieces], rtol=1e-6)


def test_random_rows_are_drawn_from_the_seed() -> None:
    plan = adaptation()
    old = np.zeros((SIZE, 64), np.float32)
    one, same, other = (Random(std=0.5).build(adaptation=plan, seed=seed).rows(old) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert 0.3 < one.std() < 0.7
    assert not Random().build(adaptation=plan, seed=1).rows(old[:, :1]).any()


@pytest.mark.parametrize("make", [bert, gpt2])
def test_rows_follow_their_tokens_when_others_go(make: Any) -> None:
    """Pruning: ids move down; the pad token and the end of text are known under their new ids."""
    kept = [id for id in range(SIZE) if id not in (0, 1, 20, 21, 22)]
    model = make()
    old_pad = model.config.pad_token_id
    ids = torch.tensor(kept)[torch.randint(0, len(kept), (2, 9), generator=torch.Generator().manual_seed(1))]
    before = logits(model, ids)
    plan = adaptation([*kept, NEW, NEW, NEW])
    change_vocabulary(model, plan, Mean().build(adaptation=plan))
    moved = {old: new for new, old in enumerate(plan.from_old)}
    after = logits(model, torch.tensor([[moved[int(id)] for id in row] for row in ids]))
    torch.testing.assert_close(after[..., : len(kept)], before[..., kept], rtol=0, atol=1e-6)
    if old_pad is not None:
        assert model.config.pad_token_id == old_pad - 2 == model.get_input_embeddings().padding_idx
    else:
        assert model.config.eos_token_id == 3 == model.generation_config.eos_token_id


def test_replaced_rows_take_their_places() -> None:
    model = bert()
    before = model.get_input_embeddings().weight.clone()
    from_old = list(range(SIZE))
    for place in (40, 41, 60):
        from_old[place] = NEW
    plan = adaptation(from_old)
    change_vocabulary(model, plan, Mean().build(adaptation=plan))
    after = model.get_input_embeddings().weight
    assert after.shape == before.shape
    stayed = [id for id in range(SIZE) if id not in (40, 41, 60)]
    assert torch.equal(after[stayed], before[stayed])
    torch.testing.assert_close(after[41], before[9], rtol=0, atol=1e-7)


def test_rows_that_only_pad_are_left_out() -> None:
    model = bert(size=SIZE + 6)
    before = logits(model, IDS)
    plan = adaptation()
    assert change_vocabulary(model, plan, Mean().build(adaptation=plan)) == 6
    after = logits(model, IDS)
    assert after.shape[-1] == SIZE + 3 == model.config.vocab_size
    torch.testing.assert_close(after[..., :SIZE], before[..., :SIZE], rtol=0, atol=1e-6)


def test_a_model_smaller_than_its_tokenizer_is_refused() -> None:
    plan = adaptation()
    with pytest.raises(UserError, match="the tokenizer has 90 tokens, the model's embedding 80 rows"):
        change_vocabulary(bert(size=80), plan, Mean().build(adaptation=plan))


def test_a_model_with_other_parts_of_that_size_is_refused_by_name() -> None:
    config = BartConfig(
        vocab_size=SIZE, d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=48, decoder_ffn_dim=48,
        encoder_attention_heads=2, decoder_attention_heads=2, max_position_embeddings=40,
    )  # fmt: skip
    plan = adaptation()
    with pytest.raises(UserError, match="models of type 'bart' cannot get another vocabulary here"):
        change_vocabulary(BartForConditionalGeneration(config), plan, Mean().build(adaptation=plan))


@pytest.mark.parametrize("make", [bert, gpt2])
@pytest.mark.parametrize("tied", [True, False])
def test_it_is_an_ordinary_checkpoint(make: Any, tied: bool, tmp_path: Path) -> None:
    model = make(tied=tied)
    plan = adaptation()
    change_vocabulary(model, plan, Mean().build(adaptation=plan))
    expected = logits(model, IDS)
    model.save_pretrained(tmp_path)
    loaded, told = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"]
    assert torch.equal(logits(loaded.eval(), IDS), expected)


def test_half_precision_stays_what_it_is() -> None:
    model = bert().to(torch.bfloat16)
    plan = adaptation()
    change_vocabulary(model, plan, Mean().build(adaptation=plan))
    assert model.get_input_embeddings().weight.dtype == torch.bfloat16
