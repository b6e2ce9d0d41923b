"""Loading a model: safetensors only, it must fit its tokenizer, new heads come from the seed, no code is run."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.loading import load_model
from acclimate.models.packed_attention import NAME


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = Bert.model_validate({"size": "tiny", "positions": 32}).build(vocabulary=Vocabulary(40, 0), seed=3)
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_same_weights_come_back_with_packed_attention(folder: Path) -> None:
    first = Bert.model_validate({"size": "tiny", "positions": 32}).build(vocabulary=Vocabulary(40, 0), seed=3)
    again = load_model(folder, "mlm")
    assert again.config._attn_implementation == NAME
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert "attn" not in json.loads((folder / "config.json").read_text())


def test_a_new_head_is_drawn_from_the_seed_and_knows_its_labels(folder: Path) -> None:
    labels = Labels(("体育", "finance", "a,b"))
    first, same, other = (
        load_model(folder, "classification", labels=labels, seed=seed).classifier.weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, same) and not torch.equal(first, other)
    config = load_model(folder, "classification", labels=labels).config
    assert config.id2label == {0: "体育", 1: "finance", 2: "a,b"} and config.num_labels == 3
    assert config.problem_type == "single_label_classification"
    several = load_model(folder, "classification", labels=Labels(("x", "y"), multi_label=True)).config
    assert several.problem_type == "multi_label_classification"


def test_a_checkpoint_keeps_half_precision_out_of_training(folder: Path) -> None:
    load_model(folder, "mlm").to(torch.bfloat16).save_pretrained(folder)
    assert next(load_model(folder, "mlm").parameters()).dtype == torch.float32


def test_settings_of_the_recipe_reach_a_checkpoint(folder: Path) -> None:
    bert = Bert.model_validate({"checkpoint": str(folder), "dropout": 0.3, "attention_dropout": 0})
    model = bert.build(vocabulary=Vocabulary(40, 0), seed=0)
    assert model.bert.embeddings.dropout.p == 0.3
    assert model.bert.encoder.layer[0].attention.self.dropout.p == 0


def test_a_tokenizer_that_is_too_large_is_refused_with_both_numbers(folder: Path) -> None:
    with pytest.raises(UserError, match=r"do not fit together: the tokenizer has 41 tokens.*40 rows"):
        load_model(folder, "mlm", vocabulary=Vocabulary(41, 0))


def test_what_is_not_there_is_said(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_model(tmp_path / "nothing", "mlm")
    with pytest.raises(UserError, match=r"no config\.json"):
        load_model(tmp_path, "mlm")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(folder, "mlm")


def test_a_pickle_is_refused_and_never_executed(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "exploded"),)

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weights": Bomb()}))
    with pytest.raises(
        UserError, match=r"its weights are in pytorch_model\.bin alone.*`acclimate import .* --to FOLDER`"
    ):
        load_model(folder, "mlm")
    assert not (folder / "exploded").exists()
    pickle.loads((folder / "pytorch_model.bin").read_bytes())  # noqa: S301  (the bomb is live)
    assert (folder / "exploded").exists()


def test_a_hub_id_without_network_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"^nobody/no-such-model: "):
        load_model("nobody/no-such-model", "mlm")


def renamed(folder: Path, change: dict[str, str]) -> None:
    """The same weights under other names, as another program would have written them."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    ((old, new),) = change.items()
    save_file(
        {name.replace(old, new): tensor for name, tensor in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


def test_weights_under_other_names_are_refused_instead_of_drawn_at_random(folder: Path) -> None:
    renamed(folder, {"bert.encoder": "module.encoder"})
    for kind in ("mlm", "classification", "encoder"):
        with pytest.raises(
            UserError, match=r"32 weights of the model's body are not in it, such as .*encoder"
        ):
            load_model(folder, kind, labels=Labels(("a", "b")) if kind == "classification" else None)


def test_a_language_models_head_that_is_missing_is_told(folder: Path) -> None:
    load_model(folder, "classification", labels=Labels(("a", "b"))).save_pretrained(folder)
    told: list[str] = []
    load_model(folder, "mlm", warn=told.append)
    assert len(told) == 2 and "a new one is drawn at random" in told[0]
    assert told[1].endswith(
        "not used, as the model has no place for it: bert.pooler.dense (2 weights), classifier (2 weights)"
    )
    told.clear()
    load_model(folder, "classification", warn=told.append)
    assert told == []
