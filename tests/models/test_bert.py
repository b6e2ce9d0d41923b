"""BERT's settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary


def test_size_and_checkpoint_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        Bert.model_validate({"size": "tiny", "checkpoint": str(tmp_path)})


def test_a_checkpoint_is_a_folder_by_the_recipe_or_a_hub_id(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    context = {"base": str(tmp_path)}
    found = Bert.model_validate({"checkpoint": "models/mine"}, context=context)
    assert found.starts_from == str(tmp_path / "models" / "mine")
    assert Bert.model_validate({"checkpoint": "owner/name"}, context=context).starts_from == "owner/name"
    for missing in ("./models/other", "/nowhere/at/all", "a/b/c"):
        with pytest.raises(ValidationError, match="there is no folder"):
            Bert.model_validate({"checkpoint": missing}, context=context)


def test_mini_when_nothing_is_said_and_positions_and_vocabulary_as_told() -> None:
    model = Bert.model_validate({"positions": 20}).build(vocabulary=Vocabulary(33, 7), seed=0)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (4, 256)
    assert model.bert.embeddings.position_embeddings.weight.shape == (20, 256)
    assert model.bert.embeddings.word_embeddings.weight.shape == (33, 256)
    assert model.config.pad_token_id == 7


def test_dropout_is_everywhere_it_is_promised() -> None:
    model = Bert.model_validate({"size": "tiny", "dropout": 0.25, "attention_dropout": 0.5}).build(
        vocabulary=Vocabulary(33, 0), seed=0, kind="classification"
    )
    rates = {name: m.p for name, m in model.named_modules() if isinstance(m, torch.nn.Dropout)}
    assert {rate for name, rate in rates.items() if "attention.self" in name} == {0.5}
    assert {rate for name, rate in rates.items() if "attention.self" not in name} == {0.25}


@pytest.mark.parametrize("idle", [{"positions": 16}, {"initialise": {"truncated_normal": 0.5}}])
def test_settings_without_effect_beside_a_checkpoint_are_refused(tmp_path: Path, idle: dict) -> None:
    with pytest.raises(ValidationError, match="would have no effect"):
        Bert.model_validate({"checkpoint": str(tmp_path), **idle})
    resolved = Bert.model_validate({"checkpoint": str(tmp_path)}).model_dump(mode="json")
    assert Bert.model_validate(resolved).starts_from == str(tmp_path)
