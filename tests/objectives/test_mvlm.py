"""Masked visual-language modelling: words are hidden, boxes are not; forms from files to sequences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers

from acclimate.objectives.mvlm import Mvlm
from acclimate.objectives.protocol import Texts
from acclimate.recipe.settings import Part
from acclimate.tokenizer.specials import finished

WORDS = ["name", "date", "total", "姓名", "日期", "合计", "smith", "1999", "42"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    backend = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return finished(backend, spaced=False, model_max_length=None)


def write_forms(folder: Path, number: int, *, broken: bool = False) -> Path:
    """Forms in FUNSD's shape: a question and its answer on each line."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for page in range(number):
        entities = []
        for line in range(6):
            for side, label in enumerate(("question", "answer")):
                box = [10 + 300 * side, 50 * line, 200 + 300 * side, 50 * line + 30]
                if broken and page == 0 and line == 0:
                    box = box[2:] + box[:2]
                text = str(rng.choice(WORDS))
                entity = {"id": len(entities), "label": label, "box": box, "text": text, "linking": []}
                entities.append({**entity, "words": [{"text": text, "box": box}]})
        (folder / f"{page}.json").write_text(json.dumps({"form": entities}), "utf-8")
    return folder


def written(settings: Mvlm, folder: Path, tokenizer: Any, length: int = 16) -> dict[str, Any]:
    for part in ("train", "validation", "test"):
        (folder / part).mkdir(parents=True)
    return settings.write(
        folder, tokenizer=tokenizer, sequence_length=length, seed=1, tell=lambda *told: None
    )


def store_of(settings: Mvlm, folder: Path, part: str, tokenizer: Any) -> Any:
    texts = Texts(folder, folder / part)
    return settings.store(texts, tokenizer=tokenizer, sequence_length=16, seed=1)


def test_forms_are_held_out_whole_and_booked(tmp_path: Path, tokenizer: Any) -> None:
    settings = Mvlm(
        forms={"path": str(write_forms(tmp_path / "forms", 40, broken=True))},
        split={"validation": 0.2, "test": 0.2},
    )
    found = written(settings, tmp_path / "own", tokenizer)
    assert found["read"] == 480 == found["kept"] + 2 and found["dropped"] == {"box_reversed": 2}
    parts = found["parts"]
    assert sum(one["forms"] for one in parts.values()) == 40 and all(one["forms"] for one in parts.values())
    assert sum(one["words"] for one in parts.values()) == found["kept"]
    sample = json.loads((tmp_path / "own" / "dropped.jsonl").read_text("utf-8").splitlines()[0])
    assert "ends before it begins" in sample["detail"] and "0.json:1:words[0]" in sample["place"]


def test_words_are_hidden_and_their_boxes_stay(tmp_path: Path, tokenizer: Any) -> None:
    settings = Mvlm(forms={"path": str(write_forms(tmp_path / "forms", 30))}, mask=1.0, random=0.0)
    written(settings, tmp_path / "own", tokenizer)
    store = store_of(settings, tmp_path / "own", "train", tokenizer)
    ids = np.arange(len(store.lengths))
    sequences = store.fetch(ids, ids * 0)
    batch = settings.build(tokenizer=tokenizer, seed=1).prepare(sequences)
    hidden = batch.tokens.numpy() == tokenizer.mask_token_id
    assert hidden.sum() == len(batch.targets) > 0
    assert (batch.by_token["boxes"].numpy() == sequences.by_token["boxes"]).all()
    assert (batch.tokens.numpy()[~hidden] == sequences.tokens[~hidden]).all()
    assert settings.likelihood is None and settings.marks == frozenset()


def test_whole_words_can_be_hidden(tmp_path: Path, tokenizer: Any) -> None:
    settings = Mvlm(forms={"path": str(write_forms(tmp_path / "forms", 30))}, unit="word")
    written(settings, tmp_path / "own", tokenizer)
    store = store_of(settings, tmp_path / "own", "train", tokenizer)
    batch = settings.build(tokenizer=tokenizer, seed=1).prepare(store.fetch(np.arange(9), np.zeros(9, int)))
    assert len(batch.targets) > 0


def test_what_a_recipe_says_of_it(tmp_path: Path) -> None:
    settings: Any = Part("objective").parse({"mvlm": {"forms": {"path": "x.tar.gz"}, "rate": "20%"}})
    assert settings.forms.registered_as == ("reader", "funsd") and settings.rate == 0.2
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        Mvlm(forms={"path": "x"}, split={"validation": 0.6, "test": 0.4})
    with pytest.raises(ValidationError, match="choose from: pixels, thousandths"):
        Mvlm(forms={"path": "x"}, boxes="inches")
