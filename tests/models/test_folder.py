"""What a folder with a model says of itself, before it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.folder import folder_problems


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = Bert(size="tiny").build(vocabulary=Vocabulary(40, 0), seed=1, kind="mlm")
    model.save_pretrained(tmp_path / "模型")
    return tmp_path / "模型"


def test_a_whole_one_is_fine_and_one_that_was_cut_off_is_named(folder: Path) -> None:
    family = Bert(checkpoint=str(folder))
    assert folder_problems(family) == []
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for short in (whole[: len(whole) // 2], whole[:4], b""):
        weights.write_bytes(short)
        ((place, words),) = folder_problems(family)
        assert place == ("checkpoint",)
        assert str(weights) in words and "cut off or damaged" in words
