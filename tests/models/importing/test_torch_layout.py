"""Transformers' older folders: in one piece or several, with the names of their time; and pickles that hold code."""

from __future__ import annotations

import json
import os
import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_writers import close, own_weights, write_json, write_vocabulary
from safetensors.torch import save_file
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForPreTraining,
    BertModel,
    T5Config,
    T5ForConditionalGeneration,
)

from acclimate.errors import UserError
from acclimate.models.importing.converting import import_checkpoint

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 16,
}
IDS = torch.tensor([[2, 5, 6, 7, 4, 3]])


@pytest.fixture
def bert(random_weights: Callable[[Any], Any]) -> Any:
    return random_weights(BertForPreTraining(BertConfig(**SMALL)))


def older(model: Any) -> dict[str, torch.Tensor]:
    """Names of 2019, the table of positions among them."""
    found = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): one
        for name, one in own_weights(model).items()
    }
    return found | {"bert.embeddings.position_ids": torch.arange(16)[None]}


def write(folder: Path, model: Any, weights: dict[str, torch.Tensor], **changes: Any) -> Path:
    model.config.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text()) | changes
    write_json(folder / "config.json", config)
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize("legacy", [False, True])
def test_one_file(tmp_path: Path, bert: Any, legacy: bool) -> None:
    folder = write(tmp_path / "in", bert, older(bert))
    if legacy:  # as torch wrote before 1.6
        torch.save(older(bert), folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    write_vocabulary(folder, 40)
    account = import_checkpoint(folder, tmp_path / "out")
    told = account.to_json()["models"][0]
    assert account.layout == "torch" and told["missing"] == told["unexpected"] == []
    assert told["ignored"] == ["bert.embeddings.position_ids"]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    again = BertForPreTraining.from_pretrained(tmp_path / "out").eval()
    assert close(again(IDS).prediction_logits, bert(IDS).prediction_logits)
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("今天")["input_ids"] == [2, 5, 6, 3]


def test_several_files_and_a_bare_body(tmp_path: Path, bert: Any) -> None:
    folder = write(tmp_path / "in", bert, {}, architectures=["BertModel"])
    (folder / "pytorch_model.bin").unlink()
    names = {
        name.removeprefix("bert."): one for name, one in own_weights(bert).items() if name.startswith("bert.")
    }
    table = {name: f"pytorch_model-0000{1 + number % 2}-of-00002.bin" for number, name in enumerate(names)}
    for file in sorted(set(table.values())):
        torch.save({name: one for name, one in names.items() if table[name] == file}, folder / file)
    write_json(folder / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": table})
    told = import_checkpoint(folder, tmp_path / "out").to_json()["models"][0]
    assert told["class"] == "BertModel" and told["missing"] == told["unexpected"] == []
    again = BertModel.from_pretrained(tmp_path / "out").eval()
    assert close(again(IDS).last_hidden_state, bert.bert(IDS).last_hidden_state)
    (folder / file).unlink()
    with pytest.raises(UserError, match="a piece of the checkpoint is not there"):
        import_checkpoint(folder, tmp_path / "other")
    write_json(folder / "pytorch_model.bin.index.json", {"weight_map": {"a": "../../secret.bin"}})
    with pytest.raises(UserError, match="is no file beside it"):
        import_checkpoint(folder, tmp_path / "other")


def test_another_family_with_tied_embeddings(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    config = T5Config(vocab_size=40, d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4)
    model = random_weights(T5ForConditionalGeneration(config))
    state = {name: one.detach() for name, one in model.state_dict().items()}
    assert "encoder.embed_tokens.weight" in state
    told = import_checkpoint(write(tmp_path / "in", model, state), tmp_path / "out").to_json()["models"][0]
    assert told["missing"] == told["unexpected"] == []
    again = T5ForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS}
    assert close(again(**inputs).logits, model(**inputs).logits)


def test_a_pickle_that_holds_code_is_refused_and_never_run(tmp_path: Path, bert: Any) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    folder = write(tmp_path / "in", bert, older(bert))
    path = folder / "pytorch_model.bin"
    for hidden in (Bomb(), {"model": older(bert), "args": Bomb()}, {"args": Namespace(inside=Bomb())}):
        for form in ("zip", "legacy", "pickle"):
            if form == "pickle":
                path.write_bytes(pickle.dumps(hidden))
            else:
                torch.save(hidden, path, _use_new_zipfile_serialization=form == "zip")
            with pytest.raises(
                UserError, match=r"refused: it holds code \(posix\.mkdir\)|without running code"
            ):
                import_checkpoint(folder, tmp_path / "out")
            assert not (tmp_path / "exploded").exists() and not (tmp_path / "out").exists()
    pickle.loads(pickle.dumps(Bomb()))  # noqa: S301  (the bomb is live)
    assert (tmp_path / "exploded").exists()


def test_a_file_that_is_cut_off_is_told(tmp_path: Path, bert: Any) -> None:
    folder = write(tmp_path / "in", bert, older(bert))
    path = folder / "pytorch_model.bin"
    for archive in (True, False):
        torch.save(older(bert), path, _use_new_zipfile_serialization=archive)
        whole = path.read_bytes()
        for size in (len(whole) // 2, len(whole) - 10):
            path.write_bytes(whole[:size])
            with pytest.raises(UserError, match=rf"cut off after {size:,} bytes, so that not all weights"):
                import_checkpoint(folder, tmp_path / "out")
    path.unlink()
    save_file(older(bert), folder / "model.safetensors")
    with pytest.raises(UserError, match="it holds safetensors already"):
        import_checkpoint(folder, tmp_path / "out")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-10])
    with pytest.raises(UserError, match=r"model.safetensors: cut off or damaged"):
        import_checkpoint(folder, tmp_path / "out")


def test_what_cannot_be_read_is_one_message(tmp_path: Path, bert: Any) -> None:
    folder = write(tmp_path / "in", bert, older(bert))
    for damaged in (b"", b"not a pickle", bytes(100)):
        (folder / "pytorch_model.bin").write_bytes(damaged)
        with pytest.raises(UserError, match="is no file of torch weights"):
            import_checkpoint(folder, tmp_path / "out")
    torch.save({"steps": 5}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="no weights by name in it"):
        import_checkpoint(folder, tmp_path / "out")
    torch.save({"a": torch.ones(2)}, folder / "pytorch_model.bin")
    account = import_checkpoint(folder, tmp_path / "out")
    assert not account.complete and not (tmp_path / "out").exists()
    for text, message in (
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object"),
        ('{"model_type": "nothing"}', "knows no model of type 'nothing'"),
        ('{"model_type": "bert", "hidden_size": "wide"}', "the settings make no"),
        ('{"model_type": "bert", "hidden_size": 30, "num_attention_heads": 4}', "the settings make no"),
    ):
        (folder / "config.json").write_text(text)
        with pytest.raises(UserError, match=message):
            import_checkpoint(folder, tmp_path / "out")
    with pytest.raises(UserError, match="there is no such file or folder to import"):
        import_checkpoint(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(UserError, match="no checkpoint in it"):
        import_checkpoint(tmp_path, tmp_path / "out")


def test_code_named_in_the_settings_is_not_run(tmp_path: Path, bert: Any) -> None:
    folder = write(tmp_path / "in", bert, older(bert), auto_map={"AutoModel": "evil.Model"})
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\n")
    told = import_checkpoint(folder, tmp_path / "out").to_json()["models"][0]
    assert any("auto_map" in note for note in told["notes"])
    assert "auto_map" not in json.loads((tmp_path / "out" / "config.json").read_text())
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out" / "evil.py").exists()


def test_the_tokenizer_must_fit(tmp_path: Path, bert: Any) -> None:
    folder = write(tmp_path / "in", bert, older(bert))
    write_vocabulary(tmp_path / "other", 41)
    with pytest.raises(
        UserError, match="the tokenizer has 41 tokens, the model's table 40 rows; it belongs to another model"
    ):
        import_checkpoint(folder, tmp_path / "out", tokenizer=tmp_path / "other")
    (tmp_path / "other" / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"it lacks \[UNK\] or \[CLS\]"):
        import_checkpoint(folder, tmp_path / "out", tokenizer=tmp_path / "other" / "vocab.txt")
    (tmp_path / "other" / "vocab.txt").write_bytes("今".encode("gb18030"))
    with pytest.raises(UserError, match="it is not UTF-8"):
        import_checkpoint(folder, tmp_path / "out", tokenizer=tmp_path / "other")
    assert not (tmp_path / "out").exists()


def test_the_target_must_be_free(tmp_path: Path, bert: Any) -> None:
    folder = write(tmp_path / "in", bert, older(bert))
    with pytest.raises(UserError, match="the folder is not empty"):
        import_checkpoint(folder, folder)
