from __future__ import annotations

import gzip
import math
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from acclimate.corpus.ngram_model import NgramModel
from acclimate.errors import UserError

SENTENCES = [[0, 1, 2, 3], [0, 1, 2, 2], [4, 1, 2, 3, 0], [5, 5, 1], [0, 1, 4], [], [2, 3, 1, 0, 1, 2, 3]] * 3 + [
    [6, 0, 1, 7], [8, 4, 1, 2], [9, 9, 0, 1, 2, 3, 4], [3], [1, 2]]  # fmt: skip


def plain(
    order: int, vocab_size: int, sentences: list[list[int]], history: tuple[int, ...], word: int
) -> float:
    """The definition, read off the page, with dictionaries."""
    begin, end = vocab_size + 1, vocab_size
    grams: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order + 1)]
    for sentence in sentences:
        row = [begin, *sentence, end]
        for n in range(1, order + 1):
            for at in range(len(row) - n + 1):
                grams[n][tuple(row[at : at + n])] += 1
    counts: list[dict[tuple[int, ...], int]] = [{}]
    for n in range(1, order + 1):
        lefts = Counter(gram[1:] for gram in grams[n + 1]) if n < order else Counter()
        counts.append(
            {g: c if n == order or g[0] == begin else lefts[g] for g, c in grams[n].items() if g != (begin,)}
        )
    model = NgramModel.train(sentences, order=order, vocab_size=vocab_size)

    def p(h: tuple[int, ...]) -> float:
        n = len(h) + 1
        following = {g: c for g, c in counts[n].items() if g[:-1] == h}
        total = sum(following.values())
        lower = p(h[1:]) if h else 1 / (vocab_size + 1)
        if not total:
            return lower
        d = (0.0, *model.discounts[n - 1])
        count = following.get((*h, word), 0)
        gamma = sum(d[min(c, 3)] for c in following.values()) / total
        return (count - d[min(count, 3)]) / total + gamma * lower

    return p(history)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_equal_the_definition(order: int) -> None:
    model = NgramModel.train(SENTENCES, order=order, vocab_size=11)  # 10 is never seen
    for sentence in ([0, 1, 2, 3], [7, 7, 10], [2], [], [5, 5, 1, 0, 1, 4]):
        row = [12, *sentence, 11]
        expected = [
            math.log(plain(order, 11, SENTENCES, tuple(row[max(0, at - order + 1) : at]), row[at]))
            for at in range(1, len(row))
        ]
        np.testing.assert_allclose(model.log_probabilities(sentence), expected, rtol=1e-12)


@pytest.mark.parametrize("history", [[], [0], [0, 1], [9, 9, 0], [10, 10], [3, 1, 0]])
def test_probabilities_after_a_history_sum_to_one(history: list[int]) -> None:
    model = NgramModel.train(SENTENCES, order=4, vocab_size=11)
    each = [model.log_probabilities([*history, word])[len(history)] for word in range(11)]
    each.append(model.log_probabilities(history)[-1])
    assert np.exp(each).sum() == pytest.approx(1, abs=1e-12)


def test_many_sequences_score_as_each_alone() -> None:
    model = NgramModel.train(SENTENCES, order=3, vocab_size=11)
    for together, alone in zip(model.score(SENTENCES), map(model.log_probabilities, SENTENCES), strict=True):
        np.testing.assert_array_equal(together, alone)
    assert model.cross_entropy([0, 1]) == pytest.approx(-model.log_probabilities([0, 1]).mean())


def test_a_saved_model_is_the_same(tmp_path: Path) -> None:
    model = NgramModel.train(SENTENCES, order=3, vocab_size=11)
    model.save(tmp_path / "model")
    loaded = NgramModel.load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.log_probabilities([0, 1, 2, 9]), model.log_probabilities([0, 1, 2, 9])
    )
    assert (loaded.order, loaded.discounts, loaded.sizes) == (model.order, model.discounts, model.sizes)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no n-gram model"):
        NgramModel.load(tmp_path)
    (tmp_path / "model.json").write_text('{"format": "other"}')
    with pytest.raises(UserError, match="format 'other'"):
        NgramModel.load(tmp_path)
    with pytest.raises(ValueError, match="at least one"):
        NgramModel.train([], order=2, vocab_size=3)
    with pytest.raises(ValueError, match="between 0 and 2"):
        NgramModel.train([[0, 3, 7]], order=2, vocab_size=3)


def test_nothing_but_empty_sequences() -> None:
    model = NgramModel.train([[], []], order=4, vocab_size=2)
    assert np.exp(model.log_probabilities([])[0]) > np.exp(model.log_probabilities([1])[0])


def read_arpa(path: Path) -> dict[tuple[str, ...], tuple[float, float]]:
    entries: dict[tuple[str, ...], tuple[float, float]] = {}
    for line in path.read_text("utf-8").splitlines():
        fields = line.split("\t")
        if len(fields) >= 2:
            entries[tuple(fields[1].split(" "))] = (
                float(fields[0]),
                float(fields[2]) if len(fields) > 2 else 0.0,
            )
    return entries


def test_an_arpa_file_gives_the_same_probabilities(tmp_path: Path) -> None:
    words = [*"abcdefghij", "好"]
    model = NgramModel.train(SENTENCES, order=3, vocab_size=11)
    model.write_arpa(tmp_path / "model.arpa", words)
    entries = read_arpa(tmp_path / "model.arpa")
    head = (tmp_path / "model.arpa").read_text("utf-8").split("\n\n")[0].splitlines()
    assert head == ["\\data\\", *(f"ngram {n}={size}" for n, size in enumerate(model.sizes, 1))]
    assert len(entries) == sum(model.sizes)

    def log10(gram: tuple[str, ...]) -> float:
        if gram in entries:
            return entries[gram][0]
        return entries.get(gram[:-1], (0.0, 0.0))[1] + log10(gram[1:])

    for sentence in ([0, 1, 2, 3], [10, 7, 7, 1, 2], []):
        row = ["<s>", *(words[one] for one in sentence), "</s>"]
        expected = [log10(tuple(row[max(0, at - 2) : at + 1])) for at in range(1, len(row))]
        np.testing.assert_allclose(model.log_probabilities(sentence) / math.log(10), expected, atol=1e-7)


def test_kenlm_reads_the_arpa_file(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    words = [*"abcdefghij", "<unk>"]
    model = NgramModel.train(SENTENCES, order=3, vocab_size=11)
    model.write_arpa(tmp_path / "model.arpa", words)
    total = model.log_probabilities([0, 1, 2, 3, 9]).sum() / math.log(10)
    assert kenlm.Model(str(tmp_path / "model.arpa")).score("a b c d j") == pytest.approx(total, abs=1e-4)


def _lines(path: Path) -> list[list[str]]:
    if path.suffix == ".zst":
        zstd = shutil.which("zstd")
        if zstd is None:
            pytest.skip("zstd is not there to unpack the data")
        text = subprocess.run([zstd, "-dc", str(path)], capture_output=True, check=True).stdout.decode()
    else:
        text = gzip.decompress(path.read_bytes()).decode()
    return [line.split() for line in text.removesuffix("\n").split("\n")]


def _perplexities(folder: Path, names: list[str], orders: list[int]) -> dict[int, list[float]]:
    ids: dict[str, int] = {}
    train, *held_out = (
        [[ids.setdefault(w, len(ids)) for w in line] for line in _lines(folder / n)] for n in names
    )
    found = {}
    for order in orders:
        model = NgramModel.train(train, order=order, vocab_size=len(ids))
        found[order] = [math.exp(-np.concatenate(model.score(part)).mean()) for part in held_out]
        if order == 5 and folder.name == "ptb":
            rounded = [[round(d, 4) for d in three] for three in model.discounts]
            assert rounded == [
                [0.2566, 0.8289, 1.2623], [0.7278, 1.0988, 1.4713], [0.8689, 1.2546, 1.4482],
                [0.9428, 1.3831, 1.4317], [0.9597, 1.3879, 1.2417]]  # fmt: skip
    return found


def test_perplexities_of_the_penn_treebank(shared: Path) -> None:
    """Test and validation, as the common toolkits give them."""
    names = ["ptb.train.txt.zst", "ptb.test.txt.gz", "ptb.valid.txt.gz"]
    found = _perplexities(shared / "ptb", names, [2, 3, 4, 5])
    expected = {2: [185.705, 199.019], 3: [148.281, 157.766], 4: [142.715, 149.896], 5: [141.186, 148.008]}
    assert {n: [round(one, 3) for one in values] for n, values in found.items()} == expected


def test_perplexities_of_wikitext_2(shared: Path) -> None:
    names = ["wiki.train.txt.zst", "wiki.test.txt.gz", "wiki.valid.txt.gz"]
    found = _perplexities(shared / "wikitext-2", names, [3, 5])
    expected = {3: [226.051, 242.325], 5: [220.138, 234.862]}
    assert {n: [round(one, 3) for one in values] for n, values in found.items()} == expected
