from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.utils.rnn import pad_sequence
from transformers import BertConfig, BertForTokenClassification

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.models.packed_attention import register
from acclimate.objectives.token_type import CLASSES, TokenType, TokenTypeClassification
from acclimate.recipe.settings import Part

VOCABULARY = 5000


def objective(
    shuffled: float = 0.1, random: float = 0.1, seed: int = 7, fixed: bool = False
) -> TokenTypeClassification:
    return TokenTypeClassification(
        special_ids=[0, 1, 2, 3, 4],
        vocabulary=list(range(VOCABULARY)),
        shuffled=shuffled,
        random=random,
        seed=seed,
        fixed=fixed,
    )


def sequences(lengths: list[int], seed: int = 0, vocabulary: int = VOCABULARY) -> Sequences:
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.random.default_rng(seed).integers(5, vocabulary, cu_seqlens[-1])
    tokens[cu_seqlens[:-1]], tokens[cu_seqlens[1:] - 1] = 2, 3
    ids = np.arange(len(lengths))
    return Sequences(tokens, cu_seqlens, np.zeros_like(tokens), ids, np.zeros_like(ids))


def test_shares_and_classes_over_a_million_tokens() -> None:
    before = sequences(np.random.default_rng(3).integers(30, 129, 13_000).tolist())
    batch = objective().prepare(before)
    places, classes = batch.target_positions.numpy(), batch.targets.numpy()
    assert np.array_equal(places, np.flatnonzero(before.tokens > 4)) and len(before.tokens) > 1_000_000
    shares = np.bincount(classes, minlength=3) / len(classes)
    assert np.abs(shares - [0.8, 0.1, 0.1]).max() < 0.002
    seen, asked = batch.tokens.numpy()[places], before.tokens[places]
    assert np.array_equal(classes > 0, seen != asked)
    assert np.array_equal(batch.tokens.numpy()[before.tokens < 5], before.tokens[before.tokens < 5])
    drawn = np.bincount(seen[classes == 2], minlength=VOCABULARY)
    assert not drawn[:5].any() and stats.chisquare(drawn[5:]).pvalue > 1e-4


def test_shuffled_tokens_only_change_places() -> None:
    before = sequences([40] * 500)
    batch = objective(shuffled=0.3, random=0.0).prepare(before)
    rows = batch.tokens.numpy().reshape(500, 40)
    assert np.array_equal(np.sort(rows, axis=1), np.sort(before.tokens.reshape(500, 40), axis=1))
    changed = (rows != before.tokens.reshape(500, 40)).sum(axis=1)
    assert changed.max() <= 11 and changed.min() >= 9  # round(.3·38), less where equal tokens meet
    # Every place is as likely to be the source of every other one.
    same = replace(sequences([8] * 60_000), tokens=np.tile([2, 10, 11, 12, 13, 14, 15, 3], 60_000))
    moved = objective(shuffled=0.5, random=0.0).prepare(same)
    to, source = moved.target_positions.numpy() % 8, moved.tokens.numpy()[moved.target_positions.numpy()] - 9
    counts = np.array([[((to == a) & (source == b)).sum() for b in range(1, 7)] for a in range(1, 7)])
    apart = ~np.eye(6, dtype=bool)
    assert abs(counts[apart].sum() - 60_000 * 3) == 0 and np.abs(counts[apart] / 6_000 - 1).max() < 0.06


@pytest.mark.parametrize("length", [2, 3, 4, 5, 6])
def test_short_sequences(length: int) -> None:
    before = sequences([length] * 300)
    batch = objective().prepare(before)
    counts = np.bincount(
        batch.target_positions.numpy() // length, weights=batch.targets.numpy() == 1, minlength=300
    )
    assert set(counts.tolist()) <= ({0.0} if length < 4 else {0.0, 2.0})
    assert length < 4 or counts.mean() > 1.8


def test_changes_are_a_function_of_the_sequence_alone() -> None:
    made, whole = objective(), sequences([30, 40, 50, 20])
    batch, part = made.prepare(whole), made.prepare(whole.part(1, 3))
    assert torch.equal(batch.tokens[30:120], part.tokens)
    later = replace(whole, epochs=whole.epochs + 1)
    assert not torch.equal(made.prepare(later).tokens, batch.tokens)
    fixed = objective(fixed=True)
    assert torch.equal(fixed.prepare(later).tokens, fixed.prepare(whole).tokens)


def test_the_loss_is_the_librarys() -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20,
        max_position_embeddings=64, hidden_dropout_prob=0, attention_probs_dropout_prob=0, num_labels=3,
        initializer_range=0.3, attn_implementation=register(),
    )  # fmt: skip
    model = BertForTokenClassification(config)
    made = TokenTypeClassification(
        special_ids=[0, 1, 2, 3, 4], vocabulary=list(range(50)), shuffled=0.2, random=0.2, seed=1, fixed=False
    )
    batch = made.prepare(sequences([20, 5, 33], vocabulary=50))
    loss = made.loss(model, batch)
    labels = torch.full_like(batch.tokens, -100)
    labels[batch.target_positions] = batch.targets
    lengths = batch.cu_seqlens.diff().tolist()
    tokens, real, asked = (
        pad_sequence(one.split(lengths), batch_first=True, padding_value=value)
        for one, value in ((batch.tokens, 0), (torch.ones_like(batch.tokens), 0), (labels, -100))
    )
    expected = model(input_ids=tokens, attention_mask=real, labels=asked).loss
    torch.testing.assert_close(loss.sum / loss.count, expected, rtol=1e-5, atol=1e-6)
    assert loss.count == made.count(batch)[0] and loss.per_sequence is not None and loss.counts is not None
    torch.testing.assert_close(loss.per_sequence.sum(), loss.sum.detach())
    assert loss.counts.tolist() == [18, 3, 31]
    config.num_labels = 2
    with pytest.raises(UserError, match="3 classes apart, the model's head 2"):
        made.loss(BertForTokenClassification(config), batch)


def test_settings() -> None:
    parsed = Part("objective").parse({"token_type": {"shuffled": "20%"}})
    assert parsed.classes == CLASSES and parsed.likelihood is None and parsed.shuffled == 0.2  # type: ignore[attr-defined]
    for wrong in ({"shuffled": 0.0, "random": 0.0}, {"shuffled": 0.5, "random": 0.5}):
        with pytest.raises(ValueError, match="some tokens must change"):
            TokenType(**wrong)
