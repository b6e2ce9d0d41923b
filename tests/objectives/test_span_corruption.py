from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.batching.token_store import build_token_store
from acclimate.errors import UserError
from acclimate.models.families.t5 import T5
from acclimate.models.family import Vocabulary
from acclimate.objectives.protocol import Texts
from acclimate.objectives.span_corruption import SpanCorruption, SpanCorruptionObjective
from acclimate.tokenizer.specials import add_extra
from acclimate.tokenizer.training import Train
from acclimate.tokenizer.untrained import untrained_tokenizer

SIZE, SENTINELS, END = 500, 100, 3


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def objective(seed: int = 1, fixed: bool = False, **settings: float) -> SpanCorruptionObjective:
    tokenizer = untrained_tokenizer(SIZE)
    add_extra(tokenizer, [f"<extra_id_{number}>" for number in range(SENTINELS)])
    return SpanCorruption(**settings).build(tokenizer=tokenizer, seed=seed, fixed=fixed)


def sequences(lengths: list[int], *, epoch: int = 0, first_id: int = 0) -> Sequences:
    """Texts of these lengths between two ends; the content is a function of the sequence's id."""
    rows = [
        np.array([END, *np.random.default_rng((5, first_id + i)).integers(5, SIZE, n), END])
        for i, n in enumerate(lengths)
    ]
    cu_seqlens = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    tokens = np.concatenate(rows).astype(np.int64)
    ids = first_id + np.arange(len(lengths))
    return Sequences(tokens, cu_seqlens, np.zeros_like(tokens), ids, np.full(len(lengths), epoch))


def rows(batch: PackedBatch) -> list[tuple[list[int], list[int]]]:
    """(source, target) of each sequence."""
    assert batch.decoder is not None
    sides = [(batch.tokens, batch.cu_seqlens), (batch.targets, batch.decoder.cu_seqlens)]
    split = [[part.tolist() for part in row.tensor_split(starts[1:-1])] for row, starts in sides]
    return list(zip(*split, strict=True))


def spans_of(row: list[int]) -> list[list[int]]:
    """What stands between sentinels, which must come in their order, each once."""
    assert row[-1] == END
    parts: list[list[int]] = [[]]
    for token in row[:-1]:
        if token >= SIZE:
            assert token == SIZE + len(parts) - 1
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def restored(source: list[int], target: list[int]) -> list[int]:
    kept, cut = spans_of(source), spans_of(target)
    assert cut[0] == [] and kept[-1] == [] and len(kept) == len(cut)
    return [token for one, other in zip(kept, [*cut[1:], []], strict=True) for token in (*one, *other)]


@pytest.mark.parametrize(("raw", "source", "target"), [(568, 512, 114), (284, 256, 58), (141, 128, 29)])
def test_published_lengths(raw: int, source: int, target: int) -> None:
    assert SpanCorruption().text_length(source) == raw
    found = rows(objective().prepare(sequences([raw] * 50)))
    assert {(len(one), len(other)) for one, other in found} == {(source, target)}
    assert len(SpanCorruption().extra_tokens(source)) == target - 1 - round(raw * 0.15)


@pytest.mark.parametrize("settings", [{}, {"rate": 0.5}, {"rate": 0.8, "mean": 1.5}, {"mean": 10}])
def test_a_longer_text_would_not_fit(settings: dict[str, float]) -> None:
    subject = SpanCorruption(**settings)
    for length in (8, 33, 128, 512):
        longest = subject.text_length(length)
        hidden, spans = subject.cut(np.array([longest, longest + 1]))
        source, target = np.array([longest, longest + 1]) - hidden + spans + 1, hidden + spans + 1
        assert max(source[0], target[0]) <= length < max(source[1], target[1])


@pytest.mark.parametrize("settings", [{}, {"rate": 0.5, "mean": 1.0}, {"rate": 0.9, "mean": 8}])
def test_source_and_target_restore_the_text(settings: dict[str, float]) -> None:
    lengths = [*range(1, 120), *range(1, 40)]
    before = sequences(lengths)
    texts = [part[1:-1].tolist() for part in np.split(before.tokens, before.cu_seqlens[1:-1])]
    found = rows(objective(**settings).prepare(before))
    assert [restored(*one) for one in found] == texts
    assert all(one[0] < SIZE for one, _ in found)  # a source begins with text


def test_rate_lengths_and_places_over_many_texts() -> None:
    found = [spans_of(target)[1:] for _, target in rows(objective().prepare(sequences([200] * 4000)))]
    lengths = np.array([[len(span) for span in spans] for spans in found])
    assert lengths.shape == (4000, 10) and (lengths.sum(1) == 30).all() and lengths.min() == 1
    assert abs(lengths.mean(0) - 3).max() < 0.15  # no span is longer than the others by its place
    # Of 30 tokens in 10 parts, every cut equally likely: P(a part is one token) = C(28, 8) / C(29, 9) = 9/29.
    assert abs((lengths == 1).mean() - 9 / 29) < 0.01


def test_what_the_decoder_sees_is_its_target_one_place_later_behind_the_models_start() -> None:
    subject = objective()
    batch = subject.prepare(sequences([40, 7, 90]))
    starts = batch.decoder.cu_seqlens
    inside = torch.ones(len(batch.targets), dtype=torch.bool)
    inside[starts[:-1]] = False
    assert torch.equal(batch.decoder.tokens[inside], batch.targets[:-1][inside[1:]])
    assert torch.equal(batch.target_positions, torch.arange(len(batch.targets)))
    tokenizer = untrained_tokenizer(SIZE + SENTINELS)
    model = T5.model_validate({"size": "tiny", "dropout": 0}).build(
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="seq2seq"
    )
    loss = subject.loss(model.eval(), batch)
    alone = [
        model(input_ids=torch.tensor([a]), labels=torch.tensor([b])).loss * len(b) for a, b in rows(batch)
    ]
    torch.testing.assert_close(loss.sum, sum(alone), rtol=1e-5, atol=1e-4)


def test_figures_look_at_the_tokens_cut_out_alone() -> None:
    subject = objective()
    batch = subject.prepare(sequences([40, 100]))
    assert torch.equal(batch.by_target["hidden"], batch.targets < SIZE) is False  # ends are below too
    assert torch.equal(batch.by_target["hidden"], (batch.targets < SIZE) & (batch.targets != END))
    model = T5.model_validate({"size": "tiny", "dropout": 0}).build(
        vocabulary=Vocabulary.of(untrained_tokenizer(SIZE + SENTINELS)), seed=1, kind="seq2seq"
    )
    loss = subject.loss(model.eval(), batch)
    assert loss.counts.tolist() == [6, 15] and loss.count == len(batch.targets) == subject.count(batch)[0]
    assert float(loss.per_sequence.sum()) < float(loss.sum.detach())


def test_spans_are_a_function_of_seed_epoch_and_id() -> None:
    whole = sequences([50, 9, 77, 30])
    subject = objective(seed=4)
    together = rows(subject.prepare(whole))
    assert [rows(subject.prepare(whole.part(n, n + 1)))[0] for n in range(4)] == together
    assert rows(subject.prepare(sequences([50, 9, 77, 30], epoch=1))) != together
    assert rows(objective(seed=5).prepare(whole)) != together
    fixed = [rows(objective(fixed=True).prepare(sequences([50, 9], epoch=epoch))) for epoch in (0, 3)]
    assert fixed[0] == fixed[1]


def test_a_tokenizer_without_sentinels_is_refused_and_so_are_too_many_spans() -> None:
    with pytest.raises(UserError, match="no sentinel tokens"):
        SpanCorruption().build(tokenizer=untrained_tokenizer(20), seed=1)
    with pytest.raises(UserError, match="the tokenizer has 100 sentinels"):
        objective().prepare(sequences([2200]))
    for rate in (0, 1):
        with pytest.raises(ValidationError, match="more than 0%"):
            SpanCorruption(rate=rate)


def test_chinese_and_english_text_is_restored(shared: Path, tmp_path: Path) -> None:
    lines = []
    for name in ("zhwiki/wiki_00.gz", "wikitext-2/wiki.test.txt.gz"):
        with gzip.open(shared / name, "rt", encoding="utf-8") as file:
            lines += [line.strip() for line in file if len(line) > 60][:300]
    settings = SpanCorruption()
    tokenizer = Train(algorithm="unigram", vocab_size=2000, least=0).build(
        texts=iter([lines]), folder=tmp_path
    )
    add_extra(tokenizer, settings.extra_tokens(64))
    (tmp_path / "tokens").mkdir()
    build_token_store(iter([lines]), tokenizer, tmp_path / "tokens")
    store = settings.store(Texts(tmp_path / "tokens"), tokenizer=tokenizer, sequence_length=64, seed=1)
    ids = np.arange(len(store.lengths))
    before = store.fetch(ids, np.zeros_like(ids))
    batch = settings.build(tokenizer=tokenizer, seed=1).prepare(before)
    assert int(batch.cu_seqlens.diff().max()) == 64
    number = {
        token: n for n, token in enumerate(tokenizer.convert_tokens_to_ids(list(settings.extra_tokens(64))))
    }
    end = tokenizer.sep_token_id
    texts = [part[1:-1].tolist() for part in np.split(before.tokens, before.cu_seqlens[1:-1])]
    for (source, target), text in zip(rows(batch), texts, strict=True):
        kept, cut = (
            [END if t == end else SIZE + number[t] if t in number else -t for t in row]
            for row in (source, target)
        )
        assert [-t for t in restored(kept, cut)] == text
