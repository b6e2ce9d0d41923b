"""`acclimate import` as a user calls it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import BertConfig, BertForPreTraining

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 16,
}


def write(folder: Path, *, without: str = "-", rows: int = 40) -> None:
    model = BertForPreTraining(BertConfig(**{**SMALL, "vocab_size": rows}))
    model.config.save_pretrained(folder)
    weights = {name: one for name, one in model.named_parameters() if without not in name}
    torch.save(weights, folder / "pytorch_model.bin")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "今", *(f"[unused{n}]" for n in range(34))]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")


def test_import_writes_a_folder_that_a_recipe_takes(acclimate: Any, tmp_path: Path) -> None:
    write(tmp_path / "old")
    ended = acclimate("import", "old", "--to", "new")
    assert (ended.code, ended.err) == (0, "")
    assert "new: BertForPreTraining (bert, torch layout), " in ended.out and "mapped: 30 weights" in ended.out
    assert ended.out.endswith("tokenizer: from old/vocab.txt, 40 tokens\n")
    (tmp_path / "text.txt").write_text("今今\n" * 40, encoding="utf-8")
    (tmp_path / "r.yaml").write_text(
        "name: r\ncorpus: {sources: [{path: text.txt, documents: line}]}\nmodel: {family: bert, checkpoint: new}\n"
        "pretrain: {length: 1 step, batch: 64 tokens, sequence_length: 16}\n"
    )
    assert acclimate("check", "r.yaml").code == 0


def test_for_programs_and_with_holes(acclimate: Any, tmp_path: Path) -> None:
    write(tmp_path / "old", without="output.dense.bias")
    ended = acclimate("import", "old", "--to", "new", "--json")
    told = json.loads(ended.out)
    assert ended.code == 1 and not told["complete"] and told["folder"] is None
    assert "encoder.layer.0.output.dense.bias" in told["models"][0]["missing"]
    ended = acclimate("import", "old", "--to", "new")
    assert ended.code == 1 and "missing, of the body: 2 (encoder.layer.0." in ended.out
    assert "new: not written" in ended.out and not (tmp_path / "new").exists()


def test_rows_of_no_token_are_told_and_too_many_of_them_refused(acclimate: Any, tmp_path: Path) -> None:
    write(tmp_path / "old", rows=64)
    ended = acclimate("import", "old", "--to", "new")
    assert ended.code == 0 and ended.err == ""
    assert (
        "vocab.txt, 40 tokens\n  note: the model's table has 64 rows: the last 24 belong to no token"
        in ended.out
    )
    told = json.loads(acclimate("import", "old", "--to", "other", "--json").out)["tokenizer"]
    assert (told["tokens"], told["rows"]) == (40, 64)

    write(tmp_path / "large", rows=400)
    ended = acclimate("import", "large", "--to", "third")
    assert ended.code == 1 and not (tmp_path / "third").exists()
    numbers = "the tokenizer has 40 tokens, the model's table 400 rows"
    assert f"large/vocab.txt: {numbers}: too many without a token to be padding" in ended.err

    write(tmp_path / "small", rows=38)
    ended = acclimate("import", "small", "--to", "third")
    assert (
        ended.code == 1
        and "has 40 tokens, the model's table 38 rows; it belongs to another model" in ended.err
    )


def test_a_bare_body_is_imported_without_a_word_of_the_library(acclimate: Any, tmp_path: Path) -> None:
    write(tmp_path / "old", without="cls.")
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger, level = logging.getLogger("transformers"), transformers.logging.get_verbosity()
    logger.addHandler(handler)
    transformers.logging.set_verbosity_warning()
    try:
        ended = acclimate("import", "old", "--to", "new")
    finally:
        logger.removeHandler(handler)
        transformers.logging.set_verbosity(level)
    assert (ended.code, ended.err, said) == (0, "", []) and "new: BertModel" in ended.out


def test_code_is_refused_in_one_message(acclimate: Any, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    write(tmp_path / "old")
    torch.save({"x": Bomb()}, tmp_path / "old" / "pytorch_model.bin")
    ended = acclimate("import", "old", "--to", "new")
    assert (ended.code, ended.out) == (1, "") and not (tmp_path / "exploded").exists()
    assert ended.err.startswith("acclimate: old/pytorch_model.bin: refused: it holds code (posix.mkdir)")
    assert ended.err.count("\n") == 1


def test_a_layout_that_does_not_fit_is_told(acclimate: Any, tmp_path: Path) -> None:
    write(tmp_path / "old")
    ended = acclimate("import", "old", "--to", "new", "--layout", "uer")
    assert ended.code == 1 and "its names are not those of uer" in ended.err
