from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.batching.sources import write_sources
from acclimate.batching.token_store import build_token_store
from acclimate.errors import UserError
from acclimate.models.families.bart import Bart
from acclimate.models.families.mbart import MBart
from acclimate.models.family import Vocabulary
from acclimate.objectives.denoise import Denoise, DenoisingObjective
from acclimate.objectives.protocol import Texts
from acclimate.tokenizer.specials import add_extra
from acclimate.tokenizer.training import Train
from acclimate.tokenizer.untrained import untrained_tokenizer

SIZE, MASK, FIRST, LAST = 500, 4, 2, 3
LANGUAGES = {"a.txt": "en_XX", "b.txt": "zh_CN"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def objective(seed: int = 1, fixed: bool = False, **settings: object) -> DenoisingObjective:
    chosen = Denoise.model_validate(settings)
    tokenizer = untrained_tokenizer(SIZE)
    add_extra(tokenizer, chosen.extra_tokens(128))
    return chosen.build(tokenizer=tokenizer, seed=seed, fixed=fixed)


def sequences(lengths: list[int], *, epoch: int = 0, word: int = 1, sentence: int = 10**9) -> Sequences:
    """[CLS] text [SEP], text of these lengths; each `word`-th token starts a word, each `sentence`-th a sentence."""
    rows, marks = [], []
    for number, length in enumerate(lengths):
        text = np.random.default_rng((5, number)).permutation(np.arange(5, SIZE))[:length]
        rows.append([FIRST, *text, LAST])
        marks.append([(1, 0), *((n % word == 0, n % sentence == 0) for n in range(length)), (1, 0)])
    cu_seqlens = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    tokens = np.concatenate(rows).astype(np.int64)
    words, sentences = np.concatenate(marks).astype(np.uint8).T
    ids = np.arange(len(lengths))
    return Sequences(
        tokens,
        cu_seqlens,
        np.zeros_like(tokens),
        ids,
        np.full(len(lengths), epoch),
        by_token={"words": words, "sentences": sentences},
    )


def rows(batch: PackedBatch) -> list[tuple[list[int], list[int], list[bool]]]:
    """(source, target, which of the target is hidden) of each sequence."""
    assert batch.decoder is not None
    written = batch.decoder.cu_seqlens
    sides = [(batch.tokens, batch.cu_seqlens), (batch.targets, written), (batch.by_target["hidden"], written)]
    split = [[part.tolist() for part in row.tensor_split(starts[1:-1])] for row, starts in sides]
    return list(zip(*split, strict=True))


def texts(before: Sequences) -> list[list[int]]:
    return [part.tolist() for part in np.split(before.tokens, before.cu_seqlens[1:-1])]


def spans(source: list[int], target: list[int]) -> list[list[int]]:
    """What stood at each mask, of texts whose tokens are all different and whose sentences have not moved."""
    place = {token: n for n, token in enumerate(target)}
    stays = [place.get(token) for token in source]
    found, last, masks = [], -1, 0
    for at in [*stays, len(target)]:
        if at is None:
            masks += 1
            continue
        between = target[last + 1 : at]
        assert masks or not between
        if masks:
            found.append(between)
        last, masks = at, 0
    return found


@pytest.mark.parametrize(
    "settings", [{}, {"rate": 0.35, "mean": 3.5}, {"rate": 1, "mean": 1}, {"rate": 0.01}]
)
@pytest.mark.parametrize("word", [1, 3])
def test_what_stays_and_what_was_hidden_make_the_text(settings: dict[str, float], word: int) -> None:
    before = sequences([*range(1, 90)], word=word)
    for (source, target, hidden), text in zip(
        rows(objective(permute=False, **settings).prepare(before)), texts(before), strict=True
    ):
        assert target == text
        assert [t for t in source if t != MASK] == [t for t, h in zip(target, hidden, strict=True) if not h]
        assert (source[0], source[-1], hidden[0], hidden[-1]) == (FIRST, LAST, False, False)
        assert len(source) <= len(target)
        # Whole words are hidden, and as many as the rate says.
        flags = [hidden[1:-1][n : n + word] for n in range(0, len(text) - 2, word)]
        assert all(len(set(flag)) == 1 for flag in flags)
        rate = Denoise.model_validate(settings).rate
        assert sum(flag[0] for flag in flags) == max(1, round(rate * len(flags)))
        assert [token for span in spans(source, target) for token in span] == [
            t for t, h in zip(target, hidden, strict=True) if h
        ]


def test_span_lengths_are_poisson_and_places_even() -> None:
    before = sequences([300] * 3000)
    batch = objective(permute=False).prepare(before)
    masks = [sum(token == MASK for token in source) for source, _, _ in rows(batch)]
    # 90 hidden words: spans are drawn until there are as many, lengths of 0 among them.
    drawn = stats.poisson(3).rvs((20_000, 90), random_state=1)
    expected = ((drawn.cumsum(1) - drawn) < 90).sum(1)
    assert abs(np.mean(masks) - expected.mean()) < 0.2
    assert abs(np.std(masks) - expected.std()) < 0.2
    hidden = batch.by_target["hidden"].view(3000, 302)[:, 1:-1].float()
    assert float(hidden.sum()) == 3000 * 90
    inside = hidden.mean(0)[10:-10]
    assert abs(inside - 0.3).max() < 0.05 and abs(inside.mean() - 0.3) < 0.005


def test_lengths_of_spans_one_by_one() -> None:
    # Where text is long and little is hidden, neighbouring masks are rare, and each span's length can be read off.
    before = sequences([400] * 4000)
    found = Counter()
    for source, target, _ in rows(objective(permute=False, rate=0.05).prepare(before)):
        found.update(map(len, spans(source, target)))
    drawn = stats.poisson(3).rvs((20_000, 20), random_state=1)
    before_each = drawn.cumsum(1) - drawn
    expected = Counter(np.minimum(drawn, 20 - before_each)[before_each < 20].tolist())
    for length in range(9):
        share, due = found[length] / sum(found.values()), expected[length] / sum(expected.values())
        assert abs(share - due) < 0.01 + 0.2 * due  # two masks side by side are read as one longer span


def test_sentences_move_as_a_whole_and_every_order_is_equally_likely() -> None:
    before = sequences([9] * 6000, sentence=3)
    counts = Counter()
    for (source, target, hidden), text in zip(rows(objective().prepare(before)), texts(before), strict=True):
        assert target == text
        place = {token: n // 3 for n, token in enumerate(text[1:-1])}
        found = [place[token] for token in source[1:-1] if token != MASK]
        groups = [found[n] for n in range(len(found)) if n == 0 or found[n] != found[n - 1]]
        assert len(set(groups)) == len(groups)
        if len(groups) == 3:
            counts[tuple(groups)] += 1
        stays = [t for t, h in zip(target, hidden, strict=True) if not h]
        assert Counter(stays) == Counter(t for t in source if t != MASK)
    total = sum(counts.values())
    assert len(counts) == 6 and all(abs(count / total - 1 / 6) < 0.02 for count in counts.values())


def test_what_the_decoder_sees_and_the_loss_are_the_librarys() -> None:
    subject = objective()
    batch = subject.prepare(sequences([20, 1, 33], sentence=8))
    model = Bart.model_validate(
        {"size": "tiny", "positions": 64, "dropout": 0, "attention_dropout": 0}
    ).build(vocabulary=Vocabulary.of(untrained_tokenizer(SIZE)), seed=1, kind="seq2seq")
    loss = subject.loss(model.eval(), batch)
    alone = [
        model(input_ids=torch.tensor([source]), labels=torch.tensor([target])).loss * len(target)
        for source, target, _ in rows(batch)
    ]
    torch.testing.assert_close(loss.sum, sum(alone), rtol=1e-5, atol=1e-4)
    assert loss.count == 20 + 1 + 33 + 6 and loss.counts.tolist() == [6, 1, 10]


def test_languages_stand_behind_the_source_and_before_what_is_written() -> None:
    subject = objective(languages=LANGUAGES)
    language = {"language": np.array([0, 1])}
    batch = subject.prepare(replace(sequences([20, 9], word=2), by_sequence=language))
    for (source, target, hidden), text, token in zip(
        rows(batch), texts(sequences([20, 9])), (SIZE, SIZE + 1), strict=True
    ):
        assert source[-2:] == [LAST, token] and source[0] not in (FIRST, LAST)
        assert target == text[1:] and len(source) <= len(text)
        assert not hidden[-1]
    assert batch.decoder.tokens[batch.decoder.cu_seqlens[:-1]].tolist() == [SIZE, SIZE + 1]
    tokenizer = untrained_tokenizer(SIZE + 2)
    model = MBart.model_validate(
        {"size": "tiny", "positions": 64, "dropout": 0, "attention_dropout": 0}
    ).build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="seq2seq")
    loss = subject.loss(model.eval(), batch)
    alone = []
    for (source, target, _), token in zip(rows(batch), (SIZE, SIZE + 1), strict=True):
        logits = model(
            input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[token, *target[:-1]]])
        ).logits
        alone.append(torch.nn.functional.cross_entropy(logits[0], torch.tensor(target), reduction="sum"))
    torch.testing.assert_close(loss.sum, sum(alone), rtol=1e-5, atol=1e-4)


def test_the_language_is_that_of_the_documents_source(tmp_path: Path) -> None:
    settings = Denoise(languages=LANGUAGES)
    assert settings.knows_sources and settings.extra_tokens(64) == ("en_XX", "zh_CN")
    tokenizer = untrained_tokenizer(20)
    build_token_store(iter([["w5", "w6", "w7"]]), tokenizer, tmp_path, marks=settings.marks)
    write_sources(iter([["b.txt", "a.txt", "b.txt"]]), tmp_path)
    store = settings.store(Texts(tmp_path), tokenizer=tokenizer, sequence_length=16, seed=1)
    found = store.fetch(np.arange(3), np.zeros(3, np.int64))
    assert found.by_sequence["language"].tolist() == [1, 0, 1]
    assert settings.stand_in(sequences([5, 6])).by_sequence["language"].tolist() == [0, 0]


def test_damage_is_a_function_of_seed_epoch_and_id() -> None:
    whole = sequences([50, 9, 77, 30], sentence=7, word=2)
    subject = objective(seed=4)
    together = rows(subject.prepare(whole))
    assert [rows(subject.prepare(whole.part(n, n + 1)))[0] for n in range(4)] == together
    assert rows(subject.prepare(sequences([50, 9, 77, 30], epoch=1, sentence=7, word=2))) != together
    assert rows(objective(seed=5).prepare(whole)) != together
    fixed = [rows(objective(fixed=True).prepare(sequences([50, 9], epoch=epoch))) for epoch in (0, 3)]
    assert fixed[0] == fixed[1]


def test_without_marks_each_token_is_a_word_and_a_text_one_sentence() -> None:
    before = replace(sequences([30, 12]), by_token={})
    for (source, target, hidden), text in zip(rows(objective().prepare(before)), texts(before), strict=True):
        assert target == text and sum(hidden) == round(0.3 * (len(text) - 2))
        assert [t for t in source if t != MASK] == [t for t, h in zip(target, hidden, strict=True) if not h]


def test_bad_settings_and_tokenizers_are_refused() -> None:
    with pytest.raises(ValidationError, match="nothing is hidden"):
        Denoise(rate=0)
    with pytest.raises(UserError, match="no token 'en_XX' for a language"):
        Denoise(languages=LANGUAGES).build(tokenizer=untrained_tokenizer(9), seed=1)
    bare = untrained_tokenizer(9)
    bare.mask_token = None
    with pytest.raises(UserError, match="no mask token"):
        Denoise().build(tokenizer=bare, seed=1)


def test_chinese_and_english_words_and_sentences(shared: Path, tmp_path: Path) -> None:
    lines = []
    for name in ("zhwiki/wiki_00.gz", "wikitext-2/wiki.test.txt.gz"):
        with gzip.open(shared / name, "rt", encoding="utf-8") as file:
            lines += [line.strip() for line in file if len(line) > 60][:300]
    settings = Denoise()
    tokenizer = Train(algorithm="bpe", vocab_size=2000, least=0).build(texts=iter([lines]), folder=tmp_path)
    (tmp_path / "tokens").mkdir()
    build_token_store(iter([lines]), tokenizer, tmp_path / "tokens", marks=settings.marks)
    store = settings.store(Texts(tmp_path / "tokens"), tokenizer=tokenizer, sequence_length=96, seed=1)
    ids = np.arange(len(store.lengths))
    before = store.fetch(ids, np.zeros_like(ids))
    mask = tokenizer.mask_token_id
    words = np.split(before.by_token["words"], before.cu_seqlens[1:-1])
    moved = 0
    found = rows(settings.build(tokenizer=tokenizer, seed=1).prepare(before))
    for (source, target, hidden), text, starts in zip(found, texts(before), words, strict=True):
        assert target == text
        stays = [t for t, h in zip(target, hidden, strict=True) if not h]
        seen = [t for t in source if t != mask]
        assert Counter(stays) == Counter(seen)
        moved += stays != seen
        changes = [n for n in range(1, len(hidden)) if hidden[n] != hidden[n - 1]]
        assert all(starts[n] for n in changes)  # a hidden stretch begins and ends with a word
    assert moved > 0.3 * len(found)
