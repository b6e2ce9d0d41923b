from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from transformers import CanineTokenizer

from acclimate.errors import UserError
from acclimate.tokenizer.encoding import private_backend
from acclimate.tokenizer.loading import Load, load_tokenizer
from acclimate.tokenizer.training import Train


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    folder.mkdir()
    Train(vocab_size=100).build(texts=iter([["some words, some more words", "我们喜欢猫"]]), folder=folder)
    return folder


def test_a_folder_is_taken_over_whole(trained: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    settings = Load.model_validate({"source": "trained"}, context={"base": str(tmp_path)})
    assert settings.source == str(trained)
    tokenizer = settings.build(folder=target, model_max_length=99)
    text = "some 猫 words"
    assert tokenizer(text)["input_ids"] == load_tokenizer(trained)(text)["input_ids"]
    assert tokenizer.model_max_length == 99
    assert (target / "tokenizer.json").is_file() and (target / "tokenizer_config.json").is_file()


def test_a_name_is_a_folder_when_there_is_one_and_a_hub_id_otherwise(trained: Path, tmp_path: Path) -> None:
    context = {"base": str(tmp_path)}

    def source(text: str) -> str:
        return Load.model_validate({"source": text}, context=context).source

    assert source("trained") == str(trained)
    assert source("some-organisation/some-model") == "some-organisation/some-model"
    assert source("bert-base-chinese") == "bert-base-chinese"
    assert source("./absent") == str(tmp_path / "absent")
    assert source("/nowhere/absent") == "/nowhere/absent"


def test_identity_is_that_of_the_files(trained: Path) -> None:
    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    before = Load(source=str(trained)).fingerprint(digest)
    assert set(before) == {"tokenizer.json", "tokenizer_config.json"}
    (trained / "unrelated.txt").write_text("x")
    assert Load(source=str(trained)).fingerprint(digest) == before
    path = trained / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    assert Load(source=str(trained)).fingerprint(digest) != before
    assert Load(source="a/b", revision="v1").fingerprint(digest) == {"hub": "a/b", "revision": "v1"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer /nowhere/absent: there is no such folder"):
        load_tokenizer("/nowhere/absent")
    with pytest.raises(UserError, match=r"has no tokenizer\.json; a fast tokenizer is needed"):
        load_tokenizer(tmp_path)


def test_slow_tokenizers_are_refused(tmp_path: Path) -> None:
    slow = CanineTokenizer()
    with pytest.raises(UserError, match="CanineTokenizer is a slow tokenizer"):
        private_backend(slow)
    slow.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="a fast tokenizer is needed"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")  # looks like a fast one, and is not
    with pytest.raises(UserError, match=r"slow tokenizer \(CanineTokenizer\)"):
        load_tokenizer(tmp_path)


def test_without_network_both_tries_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=r"tokenizer some/model: there is no such folder, and .* hub .* could not"
    ):
        load_tokenizer("some/model")


def test_damaged_and_dangerous_folders(trained: Path) -> None:
    config = trained / "tokenizer_config.json"
    settings = json.loads(config.read_text())
    (trained / "own.py").write_text("raise SystemExit('this code must not run')")
    config.write_text(
        json.dumps(
            {**settings, "tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
        )
    )
    with pytest.raises(UserError, match="could not be loaded"):
        load_tokenizer(trained)
    config.write_text(json.dumps(settings))
    load_tokenizer(trained)
    (trained / "tokenizer.json").write_text('{"version": "1.0", "model"')
    with pytest.raises(UserError, match="could not be loaded"):
        load_tokenizer(trained)
