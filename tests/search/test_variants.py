"""The runs of a study, and that every study which ships is sound in all its variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from acclimate.artifacts.durable import write_json
from acclimate.search.variants import trials

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
STUDIES = [one for one in sorted((ROOT / "recipes").glob("*.yaml")) if "\nstudy:" in one.read_text("utf-8")]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_variant_of_a_shipped_study_is_sound(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not here: {DATA} is no folder")
    layers = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 2, "num_hidden_layers": 2}
    write_json(tmp_path / "config.json", {"model_type": "bert", "vocab_size": 8000, **layers})
    monkeypatch.setenv("GENERAL", str(tmp_path))
    monkeypatch.setenv("DATA", str(DATA))
    loaded, planned = trials(path)
    assert loaded.recipe.study is not None
    assert len(planned) == (1 + len(loaded.recipe.study.variants)) * len(loaded.recipe.study.seeds)
    assert len({one.digest for one in planned}) == len(planned), "two variants are the same run"
