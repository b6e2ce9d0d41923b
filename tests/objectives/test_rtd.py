from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.utils.rnn import pad_sequence

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.engine.backward import weighted
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode, token_logits
from acclimate.objectives.mlm import MaskedLanguageModel
from acclimate.objectives.rtd import ReplacedTokenDetection, Rtd, drawn_tokens
from acclimate.recipe.registry import registry
from acclimate.recipe.settings import Part

VOCABULARY, MASK = 60, 4


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def objective(seed: int = 3, fixed: bool = False, rate: float = 0.15) -> ReplacedTokenDetection:
    masked = MaskedLanguageModel(
        mask_id=MASK,
        special_ids=[0, 1, 2, 3, 4],
        vocabulary=list(range(VOCABULARY)),
        rate=rate,
        mask=0.85,
        random=0.0,
        seed=seed,
        fixed=fixed,
    )
    return ReplacedTokenDetection(masked, weight=50.0, seed=seed, fixed=fixed)


def sequences(lengths: list[int], seed: int = 0) -> Sequences:
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.random.default_rng(seed).integers(5, VOCABULARY, cu_seqlens[-1])
    tokens[cu_seqlens[:-1]], tokens[cu_seqlens[1:] - 1] = 2, 3
    ids = np.arange(len(lengths))
    return Sequences(tokens, cu_seqlens, np.zeros_like(tokens), ids, np.zeros_like(ids))


def pair(dropout: float = 0.0, **changes: Any) -> Any:
    known: Any = registry.get("family", "electra")
    tiny = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    sizes = {**known.sizes, "small-test": {**tiny, "embedding_size": 8}}
    small = type("Small", (known,), {"sizes": sizes, "default_size": "small-test", "__module__": "test"})
    values = {"dropout": dropout, "attention_dropout": 0, "positions": 128, "generator_width": 0.5}
    built = small.model_validate({**values, "initialise": {"truncated_normal": 0.3}, **changes})
    return built.build(vocabulary=Vocabulary(VOCABULARY, 0), seed=3, kind="rtd")


def rows(values: torch.Tensor, batch: PackedBatch, padding: float = 0) -> torch.Tensor:
    parts = values.split(batch.cu_seqlens.diff().tolist())
    return pad_sequence(parts, batch_first=True, padding_value=padding)


def test_both_losses_are_the_librarys_with_the_same_samples() -> None:
    made, model = objective(), pair()
    batch = made.prepare(sequences([20, 7, 31, 3, 12]))
    loss = made.loss(model, batch)
    counts = made.count(batch)
    parts: dict[str, float] = {}
    ours = weighted(loss, list(counts), parts)
    assert [term.count for term in loss.terms] == list(counts) == [float(len(batch.targets)), 73.0]
    assert loss.terms[1].weight == 50 and loss.per_sequence is not None and len(loss.per_sequence) == 5

    asked = torch.full_like(batch.tokens, -100)
    asked[batch.target_positions] = batch.targets
    mask = rows(torch.ones_like(batch.tokens), batch)
    generator = model.generator(
        input_ids=rows(batch.tokens, batch), attention_mask=mask, labels=rows(asked, batch, -100)
    ).loss
    seen, replaced = made.corrupted(model, encode(model.generator, batch), batch)
    discriminator = model.discriminator(
        input_ids=rows(seen.tokens, batch), attention_mask=mask, labels=rows(replaced.long(), batch)
    ).loss
    torch.testing.assert_close(ours, generator + 50 * discriminator, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.tensor(parts["loss_generator"]), generator, rtol=1e-5, atol=1e-6)
    assert (
        parts["replaced"] == pytest.approx(float(replaced.mean()))
        and 0 < parts["discriminator_accuracy"] <= 1
    )


def test_gradients_equal_the_librarys_and_the_discriminators_reach_shared_embeddings_alone() -> None:
    made, model = objective(), pair()
    batch = made.prepare(sequences([20, 7, 31]))
    loss = made.loss(model, batch)
    loss.terms[1].sum.backward()
    reached = {name for name, one in model.named_parameters() if one.grad is not None}
    assert reached == {name for name, _ in model.named_parameters() if name.startswith("discriminator.")}
    shared = model.generator.electra.embeddings
    assert shared is model.discriminator.electra.embeddings
    assert model.generator.generator_lm_head.weight is shared.word_embeddings.weight
    assert all(one.grad is not None for one in shared.parameters())

    model.zero_grad()
    loss = made.loss(model, batch)
    loss.sum.backward()
    reached = {name for name, one in model.named_parameters() if one.grad is not None}
    assert reached == {
        name
        for name, _ in model.named_parameters()
        if name.startswith(("generator.", "discriminator.electra.embeddings."))
    }


def test_masks_shares_and_labels_over_a_million_tokens() -> None:
    before = sequences(np.random.default_rng(3).integers(30, 129, 13_000).tolist())
    made = objective(seed=7)
    batch = made.prepare(before)
    places = batch.target_positions.numpy()
    seen, asked = batch.tokens.numpy()[places], batch.targets.numpy()
    assert len(before.tokens) > 1_000_000 and np.array_equal(asked, before.tokens[places])
    assert abs(len(places) / (before.tokens > 4).sum() - 0.15) < 0.001
    assert abs((seen == MASK).mean() - 0.85) < 0.005 and ((seen == MASK) | (seen == asked)).all()
    chance = batch.by_token["chance"].numpy()
    assert chance.dtype == np.float32 and chance.min() >= 0 and chance.max() < 1
    assert stats.kstest(chance[::37], "uniform").pvalue > 1e-4


def test_a_token_is_replaced_only_where_another_one_was_drawn() -> None:
    made, model = objective(rate=0.4), pair()
    batch = made.prepare(before := sequences([100] * 40))
    seen, replaced = made.corrupted(model, encode(model.generator, batch), batch)
    tokens = seen.tokens.numpy()
    assert np.array_equal(replaced.numpy() > 0, tokens != before.tokens)
    elsewhere = np.ones(len(tokens), bool)
    elsewhere[batch.target_positions.numpy()] = False
    assert np.array_equal(tokens[elsewhere], before.tokens[elsewhere])
    kept = tokens[~elsewhere] == before.tokens[~elsewhere]
    assert 0 < kept.mean() < 0.5  # some are hit by chance, and do not count as replaced
    again, _ = made.corrupted(model, encode(model.generator, batch), batch)
    assert torch.equal(seen.tokens, again.tokens)


def test_tokens_are_drawn_as_often_as_the_generator_says() -> None:
    model = pair()
    hidden = torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    shares = token_logits(model.generator, hidden).double().softmax(-1)[0].numpy(force=True)
    chances = torch.rand(200_000, generator=torch.Generator().manual_seed(2))
    drawn = drawn_tokens(model.generator, hidden.expand(len(chances), -1), chances)
    counts = np.bincount(drawn.numpy(), minlength=VOCABULARY)
    enough = shares * len(chances) > 5
    rest = [counts[~enough].sum()] if (~enough).any() else []
    expected = [shares[~enough].sum() * len(chances)] if (~enough).any() else []
    assert (
        stats.chisquare([*counts[enough], *rest], [*shares[enough] * len(chances), *expected]).pvalue > 1e-4
    )
    ends = drawn_tokens(model.generator, hidden.expand(2, -1), torch.tensor([0.0, 1 - 2**-24]))
    assert ends.tolist() == [0, VOCABULARY - 1] and not len(
        drawn_tokens(model.generator, hidden[:0], chances[:0])
    )


def test_what_is_drawn_is_a_function_of_the_sequence_alone() -> None:
    made, whole = objective(), sequences([30, 40, 50, 20])
    chance = made.prepare(whole).by_token["chance"]
    part = made.prepare(whole.part(1, 3)).by_token["chance"]
    assert torch.equal(chance[30:120], part)
    later = Sequences(whole.tokens, whole.cu_seqlens, whole.segments, whole.ids, whole.epochs + 1)
    assert not torch.equal(made.prepare(later).by_token["chance"], chance)
    fixed = objective(fixed=True)
    assert torch.equal(fixed.prepare(later).by_token["chance"], fixed.prepare(whole).by_token["chance"])


def test_settings() -> None:
    assert Rtd().kind == "rtd" and Rtd().weight == 50 and Part("objective").parse({"rtd": 0.25}).rate == 0.25  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="nothing is replaced"):
        Rtd(rate=0)
