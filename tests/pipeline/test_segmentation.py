"""A recipe whose training text is split into tokens at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from acclimate.batching.token_store import TokenStore
from acclimate.corpus.storage import read_texts
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.loading import load_tokenizer

RECIPE = """\
name: split
seed: 5
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 20%, test: 0%}}
tokenizer: {train: {algorithm: bpe, vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
pretrain: {length: 4 steps, batch: 512 tokens, sequence_length: 48, segmentation: {bpe_dropout: {rate: 30%, copies: 2}}}
hardware: {threads: 1}
"""


def test_training_text_is_stored_anew_for_each_copy(
    acclimate_command: Any, make_project: Any, tmp_path: Path
) -> None:
    folder: Path = make_project(tmp_path, recipe=RECIPE)
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    artifacts = folder / ended.told["run"] / "artifacts"
    tokenizer = load_tokenizer(artifacts / "tokenizer")
    for split, copies in (("train", 2), ("validation", 1)):
        texts = [text for batch in read_texts(artifacts / "corpus", split) for text in batch]
        plain, _ = Encoder(tokenizer, literal=True).encode(texts)
        store = TokenStore(artifacts / "tokens" / split)
        assert store.num_documents == copies * len(texts)
        if split == "validation":
            assert np.array_equal(store.tokens, plain)
            continue
        assert store.num_tokens > 2.1 * len(plain)
        first, second = store.document(0), store.document(len(texts))
        assert tokenizer.decode(first) == tokenizer.decode(second) == texts[0]
        apart = sum(
            not np.array_equal(store.document(number), store.document(len(texts) + number))
            for number in range(len(texts))
        )
        assert apart > 0.8 * len(texts)
