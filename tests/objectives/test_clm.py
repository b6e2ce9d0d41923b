from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acclimate.batching.packed import Sequences
from acclimate.batching.token_store import build_token_store
from acclimate.engine.measure import measure
from acclimate.evaluate.bootstrap import Bootstrap
from acclimate.evaluate.language_model import language_model_figures
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode
from acclimate.objectives.clm import CausalLanguageModel, Clm
from acclimate.objectives.protocol import Texts
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer

FIRST, LAST = 2, 3


def words(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `size` entries, w5 and so on, that parts text at spaces."""
    tokenizer = untrained_tokenizer(size)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def sequences(*rows: list[int]) -> Sequences:
    cu_seqlens = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    tokens = np.concatenate(rows).astype(np.int64)
    ids = np.arange(len(rows))
    return Sequences(tokens, cu_seqlens, np.zeros_like(tokens), ids, np.zeros_like(ids))


def tiny(positions: int = 32) -> torch.nn.Module:
    settings = {"size": "tiny", "positions": positions, "dropout": 0, "attention_dropout": 0}
    return Gpt2.model_validate(settings).build(vocabulary=Vocabulary.of(words(50)), seed=1, kind="clm")


def test_each_place_asks_for_the_next_token() -> None:
    batch = CausalLanguageModel(FIRST, LAST).prepare(sequences([2, 7, 8, 9, 3], [8, 9], [9, 3]))
    assert batch.tokens.tolist() == [2, 7, 8, 9, 8, 9]
    assert batch.cu_seqlens.tolist() == [0, 4, 5, 6]
    assert batch.target_positions.tolist() == [0, 1, 2, 3, 4, 5]
    assert batch.targets.tolist() == [7, 8, 9, 3, 9, 3]
    assert batch.positions.tolist() == [0, 1, 2, 3, 0, 0]


def test_that_a_document_begins_is_not_asked_for() -> None:
    batch = CausalLanguageModel(FIRST, LAST).prepare(sequences([7, 3, 2, 8, 3, 2]))
    assert batch.tokens.tolist() == [7, 3, 2, 8, 3]
    assert batch.target_positions.tolist() == [0, 2, 3] and batch.targets.tolist() == [3, 8, 3]
    same = CausalLanguageModel(9, 9).prepare(sequences([9, 7, 9, 9, 8, 9]))
    assert same.targets.tolist() == [7, 9, 8, 9]


def test_a_sequence_of_one_token_asks_nothing_and_stays_in_the_row() -> None:
    batch = CausalLanguageModel(FIRST, LAST).prepare(sequences([7], [2, 8, 3], [9]))
    assert batch.cu_seqlens.tolist() == [0, 1, 3, 4]
    assert batch.targets.tolist() == [8, 3] and batch.target_positions.tolist() == [1, 2]


@pytest.mark.parametrize("joined", [False, True])
def test_a_uniform_model_costs_log2_of_the_vocabulary_for_every_token_and_end(
    tmp_path: Path, joined: bool
) -> None:
    texts = ["w7 w8 w9 w10 w11 w12 w13", "", "w5", " ".join(["w6 w9"] * 30)]
    tokenizer = words(50)
    build_token_store(iter([texts]), tokenizer, tmp_path)
    settings = Clm(joined=joined)
    store = settings.store(Texts(tmp_path), tokenizer=tokenizer, sequence_length=9, seed=1)
    model = tiny()
    with torch.no_grad():
        model.transformer.wte.weight.zero_()
    found = measure(
        model, settings.build(tokenizer=tokenizer, seed=1, fixed=True), store, batch=Length.parse("64 tokens")
    )
    num_tokens, num_bytes = 7 + 1 + 60, sum(len(text.encode()) for text in texts)
    assert found.counts.sum() == num_tokens + 3  # an end for each document with text
    figures = language_model_figures(
        found.sums,
        found.counts,
        tokens=int(found.counts.sum()),
        num_bytes=store.num_bytes,
        resampling=Bootstrap(resamples=100).build(),
    )
    expected = math.log2(50) * (num_tokens + 3) / num_bytes
    assert figures["bits_per_byte"]["value"] == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_the_librarys_with_labels() -> None:
    model = tiny().eval()
    rows = [[2, 7, 8, 9, 3], [2, 11, 12, 3]]
    loss = (objective := CausalLanguageModel(FIRST, LAST)).loss(model, objective.prepare(sequences(*rows)))
    alone = [model(torch.tensor([row]), labels=torch.tensor([row])).loss * (len(row) - 1) for row in rows]
    torch.testing.assert_close(loss.sum, sum(alone), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loss.per_sequence, torch.stack(alone).detach(), rtol=1e-5, atol=1e-5)
    assert loss.count == 7 and loss.counts.tolist() == [4, 3]


def test_no_place_sees_what_stands_behind_it() -> None:
    model = tiny().eval()
    objective = CausalLanguageModel(FIRST, LAST)
    rows = [[2, 7, 8, 9, 10, 3], [2, 7, 8, 12, 13, 3]]
    first, second = (encode(model, objective.prepare(sequences([2, 5, 3], row))) for row in rows)
    assert torch.equal(first[:5], second[:5]) and not torch.isclose(first[5], second[5]).all()
