from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.batching.sequence_store import WindowStore
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.objectives.mlm import MaskedLanguageModel, Mlm
from acclimate.tokenizer.segmenting import chinese_words
from acclimate.tokenizer.template import boundaries
from acclimate.tokenizer.training import Train

MASK, VOCABULARY = 4, 500
UNITS = ("word", "ngram", "span")


def objective(unit: str, rate: float = 0.15, seed: int = 7, fixed: bool = False) -> MaskedLanguageModel:
    return MaskedLanguageModel(
        mask_id=MASK,
        special_ids=[0, 1, 2, 3, 4],
        vocabulary=list(range(VOCABULARY)),
        rate=rate,
        mask=0.8,
        random=0.1,
        unit=unit,  # type: ignore[arg-type]
        seed=seed,
        fixed=fixed,
    )


def rows(lengths: NDArray[np.int64], seed: int = 0, longest: int = 3) -> Sequences:
    """[CLS] words of one to `longest` tokens [SEP]"""
    random = np.random.default_rng(seed)
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)])
    tokens = random.integers(5, VOCABULARY, cu_seqlens[-1])
    sizes = random.integers(1, longest + 1, len(tokens))
    starts = np.zeros(len(tokens), np.uint8)
    ends = np.cumsum(sizes)
    starts[ends[ends < len(tokens)]] = 1
    for place, token in ((cu_seqlens[:-1], 2), (cu_seqlens[1:] - 1, 3)):
        tokens[place], starts[place] = token, 1
    starts[cu_seqlens[:-1] + 1] = 1
    ids = np.arange(len(lengths))
    none = np.zeros_like(tokens)
    return Sequences(tokens, cu_seqlens, none, ids, np.zeros_like(ids), {"words": starts})


@pytest.fixture(scope="module")
def million() -> Sequences:
    return rows(np.random.default_rng(3).integers(30, 129, 13_000))


def word_of(sequences: Sequences) -> NDArray[np.int64]:
    return np.cumsum(sequences.by_token["words"])


def hidden_words(sequences: Sequences, batch: PackedBatch) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(which words are hidden, their sizes); each is so as a whole or not at all."""
    words = word_of(sequences)
    sizes = np.bincount(words)
    hidden = np.bincount(words[batch.target_positions.numpy()], minlength=len(sizes))
    assert ((hidden == 0) | (hidden == sizes)).all()
    return hidden > 0, sizes


@pytest.mark.parametrize("unit", UNITS)
def test_rate_shares_and_whole_words_over_a_million_tokens(unit: str, million: Sequences) -> None:
    assert len(million.tokens) > 1_000_000
    batch = objective(unit).prepare(million)
    places = batch.target_positions.numpy()
    seen, asked = batch.tokens.numpy()[places], batch.targets.numpy()
    assert np.array_equal(asked, million.tokens[places]) and not (asked < 5).any()
    assert abs(len(places) / (million.tokens > 4).sum() - 0.15) < (0.008 if unit == "span" else 0.002)
    masked, kept = seen == MASK, seen == asked
    assert abs(masked.mean() - 0.8) < 0.01
    assert abs(kept.mean() - 0.1 - 0.1 / 495) < 0.01
    hidden_words(million, batch)
    changed = seen[~masked & ~kept]
    assert not (changed < 5).any() and stats.chisquare(np.bincount(changed, minlength=500)[5:]).pvalue > 1e-4
    untouched = np.ones(len(million.tokens), bool)
    untouched[places] = False
    assert np.array_equal(batch.tokens.numpy()[untouched], million.tokens[untouched])


@pytest.mark.parametrize("unit", UNITS)
def test_long_words_and_any_place_are_as_likely_as_others(unit: str, million: Sequences) -> None:
    hidden, sizes = hidden_words(million, objective(unit).prepare(million))
    ordinary = np.bincount(word_of(million), weights=million.tokens < 5, minlength=len(sizes)) == 0
    for size in (1, 2, 3):
        assert abs(hidden[ordinary & (sizes == size)].mean() - 0.15) < (0.01 if unit == "span" else 0.004)
    same = rows(np.full(20_000, 42), seed=5, longest=1)
    places = objective(unit, seed=2).prepare(same).target_positions.numpy()
    counts = np.bincount(places % 42, minlength=42)[1:-1]
    assert abs(counts / counts.mean() - 1).max() < 0.1


def runs_of(batch: PackedBatch) -> NDArray[np.int64]:
    """Lengths of the runs of neighbouring targets."""
    places = batch.target_positions.numpy()
    breaks = np.flatnonzero(np.diff(places, prepend=-9) > 1)
    return np.diff(np.append(breaks, len(places)))


@pytest.mark.parametrize(
    ("unit", "shares"),
    [("ngram", [6 / 11, 3 / 11, 2 / 11]), ("span", [0.2 * 0.8**n / (1 - 0.8**10) for n in range(10)])],
)
def test_groups_have_the_lengths_of_their_papers(unit: str, shares: list[float]) -> None:
    """Few of many tokens are hidden, so that groups hardly ever touch; words have one token."""
    long = rows(np.full(600, 30_002), seed=1, longest=1)
    lengths = runs_of(objective(unit, rate=0.004).prepare(long))
    counts = np.bincount(lengths, minlength=len(shares) + 1)[1:]
    assert counts[len(shares) :].sum() < 0.02 * counts.sum()  # neighbours by chance
    assert np.abs(counts[: len(shares)] / counts.sum() - shares).max() < 0.015
    if unit == "span":
        assert abs((np.arange(1, 11) * shares).sum() - 3.8) < 0.01  # the mean that the paper states


def test_a_span_is_seen_in_one_way(million: Sequences) -> None:
    long = rows(np.full(500, 6002), seed=1, longest=2)
    batch = objective("span", rate=0.01).prepare(long)
    places = batch.target_positions.numpy()
    masked = batch.tokens.numpy()[places] == MASK
    run = np.cumsum(np.diff(places, prepend=-9) > 1)
    shares = np.bincount(run, weights=masked) / np.maximum(1, np.bincount(run))
    assert ((shares[1:] == 0) | (shares[1:] == 1)).mean() > 0.93  # the others are neighbours by chance
    ngrams = objective("ngram", rate=0.01).prepare(long)
    assert 0.05 < (ngrams.tokens.numpy()[ngrams.target_positions.numpy()] != MASK).mean() < 0.3


@pytest.mark.parametrize("unit", UNITS)
def test_short_texts_are_not_hidden_whole(unit: str) -> None:
    short = rows(np.full(4000, 12), seed=2, longest=1)  # ten tokens: two are due
    counts = np.bincount(objective(unit).prepare(short).target_positions.numpy() // 12, minlength=4000)
    assert counts.min() >= 1 and counts.max() <= 4 and abs(counts.mean() - 1.5) < 0.25
    one = rows(np.full(3, 3), longest=1)
    assert len(objective(unit).prepare(one).targets) == 3
    none = rows(np.array([2, 2]), longest=1)
    assert not len(objective(unit).prepare(none).targets)


@pytest.mark.parametrize("unit", UNITS)
def test_groups_do_not_run_over_a_separator(unit: str) -> None:
    pairs = rows(np.full(2000, 42), longest=1)
    pairs.tokens[pairs.cu_seqlens[:-1] + 20] = 3
    places = objective(unit, rate=0.3).prepare(pairs).target_positions.numpy() % 42
    assert not {0, 20, 41} & set(places.tolist()) and {19, 21} <= set(places.tolist())


@pytest.mark.parametrize("unit", UNITS)
def test_hiding_is_a_function_of_the_sequence_alone(unit: str, million: Sequences) -> None:
    made = objective(unit)
    whole, part = made.prepare(million.part(0, 60)), made.prepare(million.part(40, 60))
    first = int(million.cu_seqlens[40])
    of_part = whole.target_positions >= first
    assert (whole.target_positions[of_part] - first).tolist() == part.target_positions.tolist()
    assert whole.tokens[first:].tolist() == part.tokens.tolist()
    later = replace(million.part(0, 60), epochs=np.ones(60, np.int64))
    assert made.prepare(later).target_positions.tolist() != whole.target_positions.tolist()
    fixed = objective(unit, fixed=True)
    assert fixed.prepare(later).tokens.tolist() == fixed.prepare(million.part(0, 60)).tokens.tolist()


def test_the_default_hides_what_it_always_hid(million: Sequences) -> None:
    batch = objective("token").prepare(million.part(0, 3))
    assert batch.target_positions.tolist()[:8] == DEFAULT_PLACES
    assert batch.tokens[batch.target_positions].tolist()[:8] == DEFAULT_SEEN


DEFAULT_PLACES = [2, 3, 13, 24, 30, 33, 50, 57]
DEFAULT_SEEN = [301, 4, 4, 4, 4, 4, 4, 4]


@pytest.mark.parametrize("language", ["english", "chinese"])
def test_words_of_real_text_are_hidden_whole(language: str, tmp_path: Path) -> None:
    data = Path(__file__).parents[2].parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"the shared data sets are not at {data}")
    if language == "english":
        raw = (
            gzip.decompress((data / "wikitext-2" / "wiki.test.txt.gz").read_bytes())
            .decode()
            .split("\n")[:600]
        )
    else:
        (titles,) = (data / "thucnews" / "subset_a").glob("test.txt*")
        content = titles.read_bytes()
        content = gzip.decompress(content) if titles.suffix == ".gz" else content
        raw = [line.split("\t")[0] for line in content.decode().split("\n")[:3000]]
    tokenizer = Train(algorithm="wordpiece", vocab_size=3000, least=0).build(
        texts=iter([raw]), folder=tmp_path / "t"
    )
    (tmp_path / "store").mkdir()
    build_token_store(iter([raw]), tokenizer, tmp_path / "store", marks=["words"], segment=chinese_words())
    store = WindowStore(TokenStore(tmp_path / "store"), 64, *boundaries(tokenizer))
    ids = np.arange(len(store.lengths))
    row = store.fetch(ids, np.zeros_like(ids))
    made: Any = Mlm(unit="word", rate=0.25).build(tokenizer=tokenizer, seed=1)
    batch = made.prepare(row)
    hidden, sizes = hidden_words(row, batch)
    assert (hidden & (sizes > 1)).sum() > 200
    special = np.isin(row.tokens, list(set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}))
    assert abs(len(batch.targets) / (~special).sum() - 0.25) < 0.02


def test_words_are_asked_of_the_text_only_where_needed() -> None:
    assert Mlm().marks == frozenset() and Mlm(unit="span").marks == {"words"}
    assert Mlm(rate=0.4).rate == 0.4
