"""Sentence vectors: losses and gradients are those of sentence-transformers and of the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from acclimate.batching.packed import Sequences
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.contrastive import Contrastive, contrastive_losses
from acclimate.objectives.cosine_pairs import CosinePairs
from acclimate.objectives.ranking import Ranking, ranking_losses
from acclimate.objectives.sentence_vectors import doubled, halved, text_keys
from acclimate.objectives.softmax_pairs import HEAD, SoftmaxPairs
from acclimate.tokenizer.training import Train

PAIRS = [
    ("今天天气很好", "the weather is nice"),
    ("a longer line about apples and pears", "苹果和梨"),
    ("rain", "it rains and rains and rains today"),
    ("第三行", "line three"),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    texts = [text for pair in PAIRS for text in pair] * 5
    folder = tmp_path_factory.mktemp("tokenizer")
    return Train(vocab_size=150).build(texts=iter([texts]), folder=folder, model_max_length=32)


@pytest.fixture
def model(tokenizer: Any) -> Any:
    settings = Bert.model_validate({"size": "tiny", "positions": 32, "dropout": 0, "attention_dropout": 0})
    model = settings.build(vocabulary=Vocabulary.of(tokenizer), seed=3, kind="encoder")
    with torch.no_grad():  # larger than fresh weights, so that vectors differ
        for one in model.parameters():
            one.mul_(3) if one.dim() > 1 else one
    return model


def sequences(tokenizer: Any, pairs: list[tuple[str, str]] = PAIRS, **marks: Any) -> Sequences:
    """Pairs as their store hands them out."""
    tokens, segments, lengths = [], [], []
    for pair in pairs:
        sides = [tokenizer(text)["input_ids"] for text in pair]
        tokens += [token for side in sides for token in side]
        segments += [number for number, side in enumerate(sides) for _ in side]
        lengths.append(sum(map(len, sides)))
    ids = np.arange(len(pairs))
    return Sequences(
        np.array(tokens),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.array(segments),
        ids,
        np.zeros_like(ids),
        by_sequence={name: np.array(one, np.float64) for name, one in marks.items()},
    )


def plain_vectors(model: Any, tokenizer: Any, texts: list[str], pooling: str = "mean") -> torch.Tensor:
    """By a plain padded call."""
    inputs = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    hidden = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    if pooling == "mean":
        return (hidden * mask).sum(1) / mask.sum(1)
    return hidden[:, 0] if pooling == "cls" else hidden.masked_fill(mask == 0, -math.inf).amax(1)


def sides(model: Any, tokenizer: Any, pooling: str = "mean") -> Iterator[torch.Tensor]:
    for side in (0, 1):
        yield plain_vectors(model, tokenizer, [pair[side] for pair in PAIRS], pooling)


def assert_same(model: Any, ours: Any, theirs: torch.Tensor, count: int = len(PAIRS)) -> None:
    """Losses and all gradients."""
    assert ours.count == count and len(ours.per_sequence) == count and ours.counts.tolist() == [1.0] * count
    torch.testing.assert_close(ours.sum / ours.count, theirs)
    torch.testing.assert_close(ours.per_sequence.sum(), ours.sum.detach())
    names, parameters = zip(
        *(item for item in model.named_parameters() if "pooler" not in item[0]), strict=True
    )
    first, second = (
        torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        for loss in (ours.sum / ours.count, theirs)
    )
    for name, one, other in zip(names, first, second, strict=True):
        assert (one is None) == (other is None), name
        if one is not None:
            torch.testing.assert_close(
                one, other, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
            )


def run(settings: Any, model: Any, tokenizer: Any, some: Sequences) -> Any:
    objective = settings.build(tokenizer=tokenizer, seed=0)
    batch = objective.prepare(some)
    assert objective.count(batch) == (float(len(some)),) and batch.ids is some.ids
    return objective.loss(model, batch)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_ranking_is_the_formula_in_loss_and_gradients(model: Any, tokenizer: Any, pooling: str) -> None:
    settings = Ranking.model_validate({"pairs": "x.tsv", "pooling": pooling})
    first, second = sides(model, tokenizer, pooling)
    scores = 20 * normalize(first) @ normalize(second).T
    theirs = -torch.log_softmax(scores, 1).diagonal().mean()
    assert_same(model, run(settings, model, tokenizer, sequences(tokenizer)), theirs)


def test_cosine_pairs_is_the_formula(model: Any, tokenizer: Any) -> None:
    settings = CosinePairs.model_validate({"pairs": "x.tsv"})
    marks = [settings.meaning(text) for text in ("0", "2.5", "5.000", "4")]
    assert marks == [0, 0.5, 1, 0.8]
    first, second = sides(model, tokenizer)
    cosine = (normalize(first) * normalize(second)).sum(1)
    theirs = (cosine - torch.tensor(marks)).square().mean()
    assert_same(model, run(settings, model, tokenizer, sequences(tokenizer, marks=marks)), theirs)


def test_softmax_pairs_is_the_formula_and_trains_its_head(model: Any, tokenizer: Any) -> None:
    settings = SoftmaxPairs.model_validate({"pairs": "x.tsv", "labels": ["yes", "no", "也许"]})
    marks = [settings.meaning(text) for text in ("也许", "yes", " no ", "yes")]
    assert marks == [2, 0, 1, 0] and settings.meaning("maybe") is None
    settings.furnish(model, seed=4)
    head = model.get_submodule(HEAD)
    assert head.weight.shape == (3, 3 * 128) and 0.018 < head.weight.std() < 0.022
    first, second = sides(model, tokenizer)
    features = torch.cat([first, second, (first - second).abs()], 1)
    theirs = torch.nn.functional.cross_entropy(head(features), torch.tensor([2, 0, 1, 0]))
    assert_same(model, run(settings, model, tokenizer, sequences(tokenizer, marks=marks)), theirs)


def test_contrastive_is_equation_2_by_loops(model: Any, tokenizer: Any) -> None:
    settings = Contrastive.model_validate({"pairs": "x.tsv", "target": 1})
    marks = [settings.meaning(text) for text in ("甲", "b", "甲 ", "b")]
    assert marks[0] == marks[2] != marks[1] and settings.meaning(" ") is None
    views = normalize(torch.cat(list(sides(model, tokenizer))))
    labels = marks * 2
    losses = []
    for i in range(len(views)):
        others = [a for a in range(len(views)) if a != i]
        below = torch.logsumexp(torch.stack([views[i] @ views[a] / 0.1 for a in others]), 0)
        alike = [p for p in others if labels[p] == labels[i]]
        losses.append(-sum(views[i] @ views[p] / 0.1 - below for p in alike) / len(alike))
    theirs = torch.stack(losses).mean()
    assert_same(model, run(settings, model, tokenizer, sequences(tokenizer, marks=marks)), theirs)


@pytest.mark.parametrize("which", ["ranking", "softmax_pairs", "cosine_pairs"])
def test_sentence_transformers_says_the_same(model: Any, tokenizer: Any, tmp_path: Path, which: str) -> None:
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is in the extra bench")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import losses
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    body = Transformer(str(tmp_path))
    theirs = SentenceTransformer(modules=[body, Pooling(128, "mean")], device="cpu")
    marks, labels = [1.0, 0.0, 0.2, 1.0], torch.tensor([1.0, 0.0, 0.2, 1.0])
    settings: Any
    if which == "ranking":
        settings, loss = (
            Ranking.model_validate({"pairs": "x.tsv"}),
            losses.MultipleNegativesRankingLoss(theirs),
        )
    elif which == "cosine_pairs":
        settings, loss = CosinePairs.model_validate({"pairs": "x.tsv"}), losses.CosineSimilarityLoss(theirs)
    else:
        marks, labels = [1.0, 0.0, 2.0, 1.0], torch.tensor([1, 0, 2, 1])
        settings = SoftmaxPairs.model_validate({"pairs": "x.tsv", "labels": ["a", "b", "c"]})
        settings.furnish(model, 1)
        loss = losses.SoftmaxLoss(theirs, 128, 3)
        loss.classifier.load_state_dict(model.get_submodule(HEAD).state_dict())
    features = [
        dict(
            tokenizer(
                [pair[side] for pair in PAIRS], padding=True, return_tensors="pt", return_token_type_ids=False
            )
        )
        for side in (0, 1)
    ]
    expected = loss(features, labels)
    expected.backward()
    ours = run(settings, model, tokenizer, sequences(tokenizer, marks=marks))
    (ours.sum / ours.count).backward()
    torch.testing.assert_close(ours.sum / ours.count, expected)
    other = dict(next(m for m in theirs.modules() if type(m).__name__ == "BertModel").named_parameters())
    compared = 0
    for name, one in model.named_parameters():
        if name in other and one.grad is not None:
            torch.testing.assert_close(one.grad, other[name].grad, rtol=1e-4, atol=1e-6)
            compared += 1
    assert compared == len([name for name in other if "pooler" not in name])


def test_equal_texts_are_no_negatives(tokenizer: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 3, 8, generator=generator)
    apart = torch.tensor([[1, 2], [3, 4], [5, 6]])
    scores = 20 * normalize(first) @ normalize(second).T
    torch.testing.assert_close(
        ranking_losses(first, second, apart, 20.0), -torch.log_softmax(scores, 1).diagonal()
    )
    for texts in ([[1, 2], [1, 4], [5, 6]], [[1, 2], [3, 2], [5, 6]]):  # the same question; the same answer
        found = ranking_losses(first, second, torch.tensor(texts), 20.0)
        without = torch.logsumexp(scores[0, [0, 2]], 0) - scores[0, 0]
        torch.testing.assert_close(found[0], without)
    # An answer that is another's question is its own question's only.
    found = ranking_losses(first, second, torch.tensor([[1, 2], [3, 1], [5, 6]]), 20.0)
    torch.testing.assert_close(found[0], torch.logsumexp(scores[0, [0, 2]], 0) - scores[0, 0])
    torch.testing.assert_close(found[1], torch.logsumexp(scores[1], 0) - scores[1, 1])
    # A text under two labels is neither drawn to itself nor pushed away.
    labels = torch.tensor([0.0, 1.0])
    torn = contrastive_losses(first[:2], second[:2], labels, torch.tensor([[1, 2], [1, 4]]), 1.0)
    views = normalize(torch.cat([first[:2], second[:2]]))
    by_hand = torch.logsumexp(views[0] @ views[[2, 3]].T, 0) - views[0] @ views[2]
    by_hand = by_hand + torch.logsumexp(views[2] @ views[[0, 1, 3]].T, 0) - views[0] @ views[2]
    torch.testing.assert_close(torn[0], by_hand / 2)


def test_random_vectors_cost_ln_b_and_the_scale_has_its_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    size = 256
    first, second = torch.randn(2, size, 4096, generator=generator, dtype=torch.float64)
    texts = torch.arange(2 * size).view(size, 2)
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    loss = ranking_losses(first, second, texts, scale).mean()
    assert abs(loss.item() - math.log(size)) < 0.01
    loss.backward()
    cosine = normalize(first) @ normalize(second).T
    expected = ((torch.softmax(cosine, 1) * cosine).sum(1) - cosine.diagonal()).mean()
    assert torch.allclose(scale.grad, expected)
    labels = torch.arange(size, dtype=torch.float64)
    own = contrastive_losses(first, second, labels, texts, 1.0).mean()
    assert abs(own.item() - math.log(2 * size - 1)) < 0.01


def test_simcse_reads_each_text_twice_and_dropout_tells_them_apart(tokenizer: Any) -> None:
    single = sequences(tokenizer, [(text, "") for text, _ in PAIRS])
    single = Sequences(single.tokens, single.cu_seqlens, 0 * single.segments, single.ids, single.epochs)
    settings = Ranking()
    assert settings.data is None
    objective = settings.build(tokenizer=tokenizer, seed=0)
    batch = objective.prepare(single)
    assert len(batch.cu_seqlens) == 2 * len(PAIRS) + 1 and batch.num_tokens == 2 * len(single.tokens)
    assert (batch.by_sequence["texts"][:, 0] == batch.by_sequence["texts"][:, 1]).all()
    bert = Bert.model_validate({"size": "tiny", "positions": 32, "dropout": 0.3})
    model = bert.build(vocabulary=Vocabulary.of(tokenizer), seed=3, kind="encoder")
    vectors = []
    for training in (True, False):
        model.train(training)
        hidden = model(batch.tokens[None, : single.lengths[0] * 2].view(2, -1)).last_hidden_state
        vectors.append(hidden.mean(1))
    assert not torch.allclose(vectors[0][0], vectors[0][1]) and torch.allclose(vectors[1][0], vectors[1][1])
    model.eval()
    loss = objective.loss(model, batch)
    assert torch.isfinite(loss.sum) and loss.count == 4


def test_rows_are_cut_and_repeated_where_texts_begin() -> None:
    some = Sequences(
        np.array([1, 2, 3, 4, 5, 6, 7]),
        np.array([0, 4, 7]),
        np.array([0, 1, 1, 1, 0, 0, 1]),
        np.array([8, 9]),
        np.array([0, 1]),
    )
    assert halved(some).cu_seqlens.tolist() == [0, 1, 4, 6, 7] and halved(some).ids.tolist() == [8, 8, 9, 9]
    twice = doubled(some)
    assert twice.tokens.tolist() == [1, 2, 3, 4] * 2 + [5, 6, 7] * 2 and twice.cu_seqlens.tolist() == [
        0,
        4,
        8,
        11,
        14,
    ]
    keys = text_keys(twice)
    assert keys[0] == keys[1] != keys[2] == keys[3]
    turned = Sequences(
        np.array([2, 1, 3, 4]), np.array([0, 4]), np.zeros(4, int), np.array([0]), np.array([0])
    )
    assert text_keys(turned)[0] != keys[0]


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        (CosinePairs, {"pairs": "x", "lowest": 5}, "lowest 5 is not below highest 5"),
        (SoftmaxPairs, {"pairs": "x", "labels": ["a"]}, "at least 2"),
        (SoftmaxPairs, {"pairs": "x", "labels": ["a", "a"]}, "'a' stands twice"),
        (Contrastive, {"pairs": "x", "temperature": 0}, "expected more than 0"),
        (Ranking, {"scale": -1}, "expected more than 0"),
        (Ranking, {"pooling": "mena"}, "mean"),
    ],
)
def test_settings_that_make_no_sense(settings: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings.model_validate(values)


def test_scores_that_are_none_are_not_taken() -> None:
    settings = CosinePairs.model_validate({"pairs": "x"})
    assert [settings.meaning(text) for text in ("", "nan", "5.1", "-1", "good", "inf")] == [None] * 6
