"""Texts to arrays and back, through a file of tensors."""

from __future__ import annotations

from pathlib import Path

from safetensors.numpy import load_file, save_file

from acclimate.transfer.examples.text_arrays import pack_texts, unpack_texts


def test_every_text_comes_back(tmp_path: Path) -> None:
    texts = ["", "one", "天气非常好。\n", "", "𠀀 and \U0001f600", "a\x00b", ""]
    save_file({**pack_texts(texts), **pack_texts(["其他"], "more")}, tmp_path / "texts.safetensors")
    arrays = load_file(tmp_path / "texts.safetensors")
    assert unpack_texts(arrays) == texts and unpack_texts(arrays, "more") == ["其他"]
    assert unpack_texts(pack_texts([])) == []


def test_what_cannot_be_written_is_replaced() -> None:
    assert unpack_texts(pack_texts(["a\ud800b"])) == ["a\ufffdb"]
