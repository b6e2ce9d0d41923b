"""Pruned models do what their remaining layers did; families that LayerDrop does not train are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from family_entry import random_batch, word_tokenizer
from pydantic import ValidationError
from typer.testing import CliRunner

from acclimate.cli.main import app
from acclimate.errors import UserError
from acclimate.models.families.bart import Bart
from acclimate.models.families.bert import Bert
from acclimate.models.families.transformer.family import Transformer
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode
from acclimate.models.loading import load_model
from acclimate.models.pruning import prune

SMALL = {"size": "tiny", "positions": 32, "initialise": {"truncated_normal": 0.2}}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def written(folder: Path, family: Any, kind: str, **parts: Any) -> Any:
    settings = family.model_validate({**SMALL, **parts})
    model = settings.build(vocabulary=Vocabulary.of(word_tokenizer()), seed=1, kind=kind).eval()
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return model


@pytest.mark.parametrize("share", [1, 2, 5])
def test_every_second_layer_stays_as_it_was(share: int, tmp_path: Path) -> None:
    model = written(
        tmp_path / "whole", Transformer, "mlm", hidden=32, heads=4, layers=10, share=share, layerdrop=0.2
    )
    done = prune(tmp_path / "whole", tmp_path / "pruned")
    assert done.layers == {"num_hidden_layers": (10, 5)}
    pruned = load_model(tmp_path / "pruned", "mlm", family=Transformer).eval()
    assert done.parameters == tuple(sum(p.numel() for p in one.parameters()) for one in (model, pruned))
    batch = random_batch(Transformer, "mlm", word_tokenizer(), [9, 4, 20])
    found = encode(pruned, batch)
    model.model._kept = lambda: model.config.groups[::2]
    assert torch.equal(found, encode(model, batch))
    assert torch.equal(pruned.head.dense.weight, model.head.dense.weight)
    assert (tmp_path / "pruned" / "tokenizer.json").read_bytes() == (
        tmp_path / "whole" / "tokenizer.json"
    ).read_bytes()


def test_bart_loses_layers_of_both_stacks(tmp_path: Path) -> None:
    model = written(tmp_path / "whole", Bart, "seq2seq", layerdrop=0.2)
    assert model.config.encoder_layerdrop == model.config.decoder_layerdrop == 0.2
    prune(tmp_path / "whole", tmp_path / "pruned")
    pruned = load_model(tmp_path / "pruned", "seq2seq", family=Bart).eval()
    batch = random_batch(Bart, "seq2seq", word_tokenizer(), [9, 4, 20])
    found = encode(pruned, batch)
    for stack in (model.model.encoder, model.model.decoder):
        stack.layers = stack.layers[:1]
    assert torch.equal(found, encode(model, batch))


def test_layerdrop_of_bart_reaches_training(tmp_path: Path) -> None:
    model = written(
        tmp_path / "whole", Bart, "seq2seq", layerdrop=0.5, dropout=0, attention_dropout=0
    ).train()
    batch = random_batch(Bart, "seq2seq", word_tokenizer(), [9, 4, 20])
    torch.manual_seed(0)
    assert len({float(encode(model, batch).detach().sum()) for _ in range(12)}) > 2
    model.eval()
    assert torch.equal(encode(model, batch), encode(model, batch))


def test_the_command_writes_the_folder_and_says_what_went(tmp_path: Path) -> None:
    written(tmp_path / "whole", Transformer, "mlm", hidden=32, heads=4, layers=3, layerdrop=0.2)
    inputs = ["prune", str(tmp_path / "whole"), "--to", str(tmp_path / "pruned")]
    told = CliRunner().invoke(app, [*inputs, "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["layers"] == {"num_hidden_layers": [3, 2]}
    again = CliRunner().invoke(app, inputs)
    assert again.exit_code == 1 and "not empty" in again.output


def test_what_cannot_be_pruned_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "bert", Bert, "mlm")
    with pytest.raises(UserError, match=r"not trained with LayerDrop.*bart, mbart, transformer"):
        prune(tmp_path / "bert", tmp_path / "pruned")
    written(tmp_path / "one", Transformer, "mlm", hidden=32, heads=4, layers=1, layerdrop=0.2)
    with pytest.raises(UserError, match="it has 1 layer"):
        prune(tmp_path / "one", tmp_path / "pruned")
    with pytest.raises(UserError, match="nothing"):
        prune(tmp_path / "nothing", tmp_path / "pruned")
    (tmp_path / "one" / "model.safetensors").write_bytes(b"\x80\x02torn")
    with pytest.raises(UserError):
        prune(tmp_path / "one", tmp_path / "pruned")
    assert not (tmp_path / "pruned").exists()


def test_a_model_trained_without_layerdrop_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "whole", Bart, "seq2seq", layerdrop=0.0)
    with pytest.raises(UserError, match="trained without LayerDrop"):
        prune(tmp_path / "whole", tmp_path / "half", every=2)
    assert not (tmp_path / "half").exists()


def test_a_model_that_leaves_out_all_layers_is_refused() -> None:
    for family in (Transformer, Bart):
        with pytest.raises(ValidationError, match="no layer would be left to train"):
            family.model_validate({"layerdrop": 1.0})
