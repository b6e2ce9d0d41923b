"""Translation language modelling: both sides are hidden, places and languages are those of a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedTokenizerFast

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.models.families.bert import Bert
from acclimate.models.families.xlm import Xlm
from acclimate.models.family import Vocabulary
from acclimate.objectives.mlm import Mlm
from acclimate.objectives.protocol import Texts
from acclimate.objectives.tlm import Tlm
from acclimate.progress import silent
from acclimate.tokenizer.training import Train

CLS, SEP, MASK = 2, 3, 4


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    texts = [f"word{n} and {n} more 第{n}个字" for n in range(200)]
    return Train(algorithm="bpe", vocab_size=400).build(
        texts=iter([texts]), folder=tmp_path_factory.mktemp("tokenizer")
    )


def settings(path: Path | str = "pairs.tsv", **others: Any) -> Tlm:
    return Tlm.model_validate({"pairs": {"tab_pairs": {"path": str(path), "sides": ["en", "zh"]}}, **others})


def pairs(sizes: list[tuple[int, int]], seed: int = 0) -> Sequences:
    """[/s] x [/s] [/s] y [/s] of these sizes."""
    random = np.random.default_rng(seed)
    rows, sides = [], []
    for source, target in sizes:
        for side, size in enumerate((source, target)):
            rows.append(np.array([CLS, *random.integers(5, 400, size), SEP]))
            sides.append(np.full(size + 2, side))
    lengths = [source + target + 4 for source, target in sizes]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    number = len(sizes)
    return Sequences(
        np.concatenate(rows), starts, np.concatenate(sides), np.arange(number), np.zeros(number, np.int64)
    )


def test_places_of_the_second_text_start_again_and_languages_are_told(tokenizer: Any) -> None:
    work = settings().build(tokenizer=tokenizer, seed=1)
    batch = work.prepare(pairs([(3, 2), (1, 4)]))
    assert batch.positions.tolist() == [*range(5), *range(4), *range(3), *range(6)]
    assert batch.by_token["languages"].tolist() == [0] * 5 + [1] * 4 + [0] * 3 + [1] * 6


def test_both_sides_are_hidden_as_mlm_hides(tokenizer: Any) -> None:
    sequences = pairs([(20, 30)] * 4000)
    batch = settings(rate=0.2).build(tokenizer=tokenizer, seed=7).prepare(sequences)
    places = batch.target_positions.numpy()
    side = sequences.segments[places]
    assert len(places) == 4000 * 10
    # Of the 10 places a pair, 20/50 fall on the source: 16,000 ± 4 standard deviations of the hypergeometric.
    assert abs(int((side == 0).sum()) - 16_000) < 4 * (4000 * 10 * 0.4 * 0.6 * 40 / 49) ** 0.5
    seen = batch.tokens.numpy()
    share = (seen[places] == MASK).mean()
    assert share == pytest.approx(0.8, abs=0.01)
    untouched = np.setdiff1d(np.arange(len(seen)), places)
    assert np.array_equal(seen[untouched], sequences.tokens[untouched])
    assert not set(sequences.tokens[places]) & {CLS, SEP}
    plain = Mlm(rate=0.2).build(tokenizer=tokenizer, seed=7).prepare(sequences)
    assert torch.equal(plain.tokens, batch.tokens) and torch.equal(plain.targets, batch.targets)


@pytest.mark.parametrize("names", [["en", "zh"], ["de", "zh", "en"]])
def test_xlm_embeds_the_languages_by_their_names(names: list[str], tokenizer: Any) -> None:
    model = Xlm(size="mini", languages=tuple(names), dropout=0, attention_dropout=0).build(
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="mlm"
    )
    work = settings().build(tokenizer=tokenizer, seed=1, fixed=True)
    batch = work.prepare(pairs([(4, 3)]))
    loss = work.loss(model, batch)
    langs = torch.tensor([[names.index("en")] * 6 + [names.index("zh")] * 5])
    logits = model(batch.tokens[None], langs=langs, position_ids=batch.positions[None]).logits[0]
    expected = torch.nn.functional.cross_entropy(
        logits[batch.target_positions], batch.targets, reduction="sum"
    )
    torch.testing.assert_close(loss.sum, expected, rtol=1e-5, atol=1e-5)
    loss.sum.backward()
    table = model.transformer.lang_embeddings.weight.grad.abs().sum(1)
    assert [bool(one) for one in table > 0] == [name in ("en", "zh") for name in names]


def test_an_unknown_language_is_told_with_those_there_are(tokenizer: Any) -> None:
    model = Xlm(size="mini", languages=("en", "zh-cn")).build(
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="mlm"
    )
    work = settings().build(tokenizer=tokenizer, seed=1)
    with pytest.raises(UserError, match=r"no embedding for the language 'zh'.*zh-cn"):
        work.loss(model, work.prepare(pairs([(4, 3)])))
    named = settings(languages=["en", "zh-cn"]).build(tokenizer=tokenizer, seed=1)
    assert named.loss(model, named.prepare(pairs([(4, 3)]))).count > 0


def test_models_without_language_embeddings_learn_from_pairs_too(tokenizer: Any) -> None:
    work = settings().build(tokenizer=tokenizer, seed=1, fixed=True)
    batch = work.prepare(pairs([(4, 3), (2, 2)]))
    for family in (Bert(size="tiny", dropout=0, attention_dropout=0), Xlm(size="mini", dropout=0)):
        model: Any = family.build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="mlm")
        loss = work.loss(model, batch)
        assert loss.sum.isfinite() and loss.count == len(batch.targets)


def test_names_of_languages_come_from_the_columns() -> None:
    assert settings().language_names() == ("en", "zh")
    assert settings(source=1, target=0).language_names() == ("zh", "en")
    assert settings(source="zh", target="en").language_names() == ("zh", "en")
    assert Tlm.model_validate({"pairs": "a.tsv"}).language_names() == ("0", "1")


def test_pairs_are_stored_between_their_ends(tmp_path: Path, tokenizer: Any) -> None:
    (tmp_path / "pairs.tsv").write_text(
        "word1 and\t第1个字\nword2 and word3 and word4\t第2个字\n", encoding="utf-8"
    )
    objective = settings(tmp_path / "pairs.tsv", split={"validation": 0, "test": 0})
    for part in ("train", "validation", "test"):
        (tmp_path / "out" / part).mkdir(parents=True)
    one = [tokenizer.encode(text) for text in ("word1 and", "第1个字")]
    length = len(one[0]) + len(one[1])
    told = objective.write(tmp_path / "out", tokenizer=tokenizer, sequence_length=length, seed=0, tell=silent)
    assert told["dropped"] == {"long_pair": 1} and told["kept"] == 1
    texts = Texts(tmp_path, tmp_path / "out" / "train")
    store = objective.store(texts, tokenizer=tokenizer, sequence_length=length, seed=0)
    found = store.fetch(np.array([0]), np.array([0]))
    assert found.tokens.tolist() == [*one[0], *one[1]] and store.lengths.tolist() == [length]
    assert store.num_tokens == length - 4


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValidationError, match="rate of 0%"):
        settings(rate=0)
    with pytest.raises(ValidationError, match="together exceed 100%"):
        settings(mask=0.9, random=0.2)
    with pytest.raises(ValidationError, match="unit: tlm does not know where the words"):
        settings(unit="word")
    with pytest.raises(ValidationError, match="pairs"):
        Tlm.model_validate({})
