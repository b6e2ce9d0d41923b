"""`acclimate export` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.tokenizer.training import Train


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A tiny classifier with random weights."""
    folder = tmp_path / "model"
    text = [f"第{n}行 is a line about {'apples' if n % 3 else 'pears'}" for n in range(60)]
    tokenizer = Train(vocab_size=200).build(texts=iter([text]), folder=folder, model_max_length=32)
    vocabulary = Vocabulary(len(tokenizer), int(tokenizer.pad_token_id))
    model = Bert(size="tiny", positions=32).build(
        vocabulary=vocabulary, seed=1, kind="classification", labels=Labels(("苹果", "pears"))
    )
    model.save_pretrained(folder)
    return folder


def test_export_writes_and_says_what(acclimate: Any, classifier: Path, tmp_path: Path) -> None:
    ended = acclimate("export", "model", "--to", "out")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("out: classification of ") and ", fp32, " in ended.out
    assert "equal answers 1.0000" in ended.out
    assert json.loads((tmp_path / "out" / "labels.json").read_text("utf-8"))["labels"] == ["苹果", "pears"]
    ended = acclimate("export", "model", "--to", "out")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "acclimate: out: the folder is not empty; name a new one or an empty one\n"


def test_export_for_programs_and_by_texts_of_ones_own(
    acclimate: Any, classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "texts").write_text("第1行\n\na line about pears\n", encoding="utf-8")
    ended = acclimate(
        "export",
        "model",
        "--to",
        "out",
        "--kind",
        "encoder",
        "--precision",
        "int8",
        "--texts",
        "texts",
        "--json",
    )
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    parity = json.loads((tmp_path / "out" / "parity.json").read_text("utf-8"))
    assert (told["folder"], told["num_texts"]) == ("out", 2)
    assert told["bytes"] == (tmp_path / "out" / "model.onnx").stat().st_size
    assert (parity["kind"], parity["precision"], parity["agreement"]) == (
        "encoder",
        "int8",
        told["agreement"],
    )


def test_export_of_what_is_not_there(acclimate: Any, classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "blank").write_text(" \n\n", encoding="utf-8")
    for arguments, code, message in [
        (("nowhere",), 1, "no run 'nowhere'"),
        (("model", "--task", "x"), 1, "unknown task 'x'"),
        (("model", "--texts", "none"), 1, "none: No such file"),
        (("model", "--texts", "blank"), 1, "blank: no text in it"),
        (("model", "--format", "tflite"), 2, "'tflite' is not one of 'onnx'"),
    ]:
        ended = acclimate("export", *arguments, "--to", "out")
        assert (ended.code, ended.out) == (code, "") and message in ended.err
        assert not (tmp_path / "out").exists()
