"""What was missing, unexpected or of another shape in a checkpoint is told; a wrong body is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.load_report import LoadReport, heads
from acclimate.models.loading import load_model


@pytest.fixture(params=["whole", "in pieces"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A BERT with both heads."""
    bert = Bert.model_validate({"size": "tiny", "positions": 32})
    model = bert.build(vocabulary=Vocabulary(40, 0), seed=3, kind="pretraining")
    model.save_pretrained(tmp_path / "model", max_shard_size="5GB" if request.param == "whole" else "200KB")
    assert (tmp_path / "model" / "model.safetensors.index.json").exists() == (request.param == "in pieces")
    return tmp_path / "model"


def configured(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_heads_without_a_place_are_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    level = logging.get_verbosity()
    model = load_model(folder, "mlm", warn=told.append)
    assert told == [
        f"{folder}: not used, as the model has no place for it: bert.pooler.dense (2 weights), "
        "cls.seq_relationship (2 weights)"
    ]
    assert not hasattr(model.cls, "seq_relationship") and logging.get_verbosity() == level
    assert "UNEXPECTED" not in "".join(capfd.readouterr())
    told.clear()
    load_model(folder, "pretraining", warn=told.append)
    assert told == []


def test_a_head_of_another_size_is_drawn_anew_and_told(folder: Path) -> None:
    load_model(folder, "classification", labels=Labels(("a", "b", "c"))).save_pretrained(folder)
    for path in folder.glob("model-*"):
        path.unlink()
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    told: list[str] = []
    labels = Labels(("x", "y", "z", "w", "v"))
    first, same, other = (
        load_model(folder, "classification", labels=labels, seed=seed, warn=told.append) for seed in (1, 1, 2)
    )
    assert told[0] == (
        f"{folder}: of another shape, so drawn at random: classifier.bias 3 → 5, classifier.weight 3×128 → 5×128"
    )
    assert torch.equal(first.classifier.weight, same.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert first.classifier.weight.std() > 0.01


def test_a_body_of_another_shape_is_refused_with_both_shapes(folder: Path) -> None:
    configured(folder, hidden_size=64)
    with pytest.raises(
        UserError, match=r"35 weights of the model's body have another shape.*: 128 instead of 64"
    ):
        load_model(folder, "mlm")


def test_another_family_is_refused(folder: Path) -> None:
    configured(folder, model_type="roberta")
    with pytest.raises(
        UserError, match="holds a model of type 'roberta', which the family bert does not take"
    ):
        Bert.model_validate({"checkpoint": str(folder)}).build(vocabulary=Vocabulary(40, 0), seed=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a valid JSON file"),
        ("[]", "model_type"),
        (
            '{"model_type": "own", "auto_map": {"AutoConfig": "evil.C"}}',
            "asks for code of its own, which is not run",
        ),
        ('{"model_type": "bert", "hidden_size": "wide"}', "expected int, got str"),
    ],
)
def test_configurations_that_are_none(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass C: pass\n")
    with pytest.raises(UserError, match=message) as told:
        load_model(folder, "mlm")
    assert "\n" not in str(told.value) and not (folder / "ran").exists()


def test_code_named_beside_a_known_type_is_not_run(folder: Path) -> None:
    configured(folder, auto_map={"AutoConfig": "evil.C", "AutoModelForMaskedLM": "evil.M"})
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass C: pass\nclass M: pass\n")
    load_model(folder, "mlm")
    assert not (folder / "ran").exists()


def test_damaged_and_missing_pieces_are_one_message(folder: Path) -> None:
    piece = sorted(folder.glob("*.safetensors"))[-1]
    piece.write_bytes(piece.read_bytes()[:-10])
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(folder, "mlm")
    piece.unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(folder, "mlm")


def test_foreign_folders_are_sent_to_import(tmp_path: Path) -> None:
    (tmp_path / "bert_model.ckpt.index").write_bytes(b"")
    with pytest.raises(UserError, match=r"no config\.json.*`acclimate import"):
        load_model(tmp_path, "mlm")


def test_many_names_are_told_by_layer() -> None:
    names = [f"layer.{n}.weight" for n in range(9)] + ["layer.0.bias", "bias"]
    assert heads(names).startswith("layer.0 (2 weights), layer.1 (1 weight)")
    assert heads(names).endswith("and 4 more")
    report = LoadReport.of(
        "x", {"missing_keys": [], "unexpected_keys": ["bert.embeddings.position_ids"], "mismatched_keys": []}
    )
    assert report.unexpected == ()
