"""Tuning a model to label words: it learns from where they stand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from acclimate.batching.form_store import FormStore, FormWriter, tag_names
from acclimate.corpus.forms import Form, Forms
from acclimate.models.building import Labels
from acclimate.models.families.layoutlm import LayoutLM
from acclimate.models.family import Vocabulary
from acclimate.optim.adamw import AdamW
from acclimate.optim.schedules import Constant
from acclimate.recipe.units import Length
from acclimate.tokenizer.specials import finished
from acclimate.transfer.token_classification import tune_tokens

WORDS = ["total", "合计", "42", "smith"]


class NoReader:
    name = "made up"


def tokenizer() -> Any:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    backend = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return finished(backend, spaced=False, model_max_length=None)


def store(folder: Path, number: int, seed: int, *, placed: bool) -> FormStore:
    """Words at random; what stands on the left is a question. Where a word stands only boxes can tell."""
    rng = np.random.default_rng(seed)
    writer = FormWriter(Forms(NoReader(), "thousandths"), tokenizer(), 32)  # type: ignore[arg-type]
    for _ in range(number):
        words = rng.choice(WORDS, 8).tolist()
        left = rng.random(8) < 0.5
        boxes = np.where(left, 100, 600)[:, None] + np.array([0, 0, 100, 40])
        entities = [(n, "question" if one else "answer") for n, one in enumerate(left)]
        writer.add(Form("x", " ".join(words), words, boxes if placed else boxes * 0, entities))
    folder.mkdir()
    writer.write(folder, tag_names(["question", "answer"]))
    return FormStore(folder, tokenizer())


def tuned(folder: Path, *, placed: bool) -> tuple[float, Any]:
    torch.set_num_threads(1)
    folder.mkdir()
    train, validation, test = (
        store(folder / str(seed), number, seed, placed=placed) for seed, number in ((1, 80), (2, 16), (3, 24))
    )
    model = LayoutLM(size="tiny").build(
        vocabulary=Vocabulary.of(tokenizer()), seed=1, kind="tokens", labels=Labels(tuple(train.tags))
    )
    how = SimpleNamespace(
        optimizer=AdamW(lr=1e-3),
        schedule=Constant(),
        gradients=[],
        length=Length(6, "epochs"),
        batch=Length(8, "sequences"),
        patience=None,
    )
    found = tune_tokens(how, model, train, validation, test, num_classes=len(train.tags), seed=1)
    ids = np.arange(len(test.lengths))
    tags = test.fetch(ids, ids * 0).by_token["tags"]
    right = np.concatenate(found.predictions) == tags[tags >= 0]
    assert [len(one) for one in found.predictions] == [8] * 24 and found.steps == 60
    return float(right.mean()), found


def test_it_learns_from_boxes_what_words_do_not_tell(tmp_path: Path) -> None:
    with_layout, found = tuned(tmp_path / "with", placed=True)
    without, _ = tuned(tmp_path / "without", placed=False)
    assert with_layout > 0.95 and without < 0.7
    again, repeated = tuned(tmp_path / "again", placed=True)
    assert again == with_layout and repeated.validation_loss == found.validation_loss
