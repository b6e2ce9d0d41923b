"""Figures of the pretrained model, beside what token frequencies alone would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from acclimate.engine.interrupt import StopRequest
from acclimate.pipeline.language_figures import FIGURES, figures_stage
from acclimate.pipeline.pretrain import HELD_OUT, OUTCOME
from acclimate.pipeline.stage import Work
from acclimate.recipe.loading import load_recipe

NUM_TOKENS, NUM_BYTES = 1000, 3000


def token_store(folder: Path, tokens: np.ndarray) -> None:
    folder.mkdir(parents=True)
    tokens.astype("<u2").tofile(folder / "tokens.bin")
    np.array([0, len(tokens) // 2, len(tokens)], "<i8").tofile(folder / "offsets.bin")
    np.array([NUM_BYTES // 2] * 2, "<i8").tofile(folder / "bytes.bin")
    counts = {"dtype": "<u2", "documents": 2, "tokens": len(tokens), "bytes": NUM_BYTES}
    (folder / "counts.json").write_text(json.dumps(counts))


class Held:
    def __init__(self, folder: Path) -> None:
        self.folder = folder


@pytest.mark.parametrize(("loss", "warned"), [(2.3, True), (1.9, False)])
def test_training_that_learnt_no_more_than_frequencies_is_told(
    make_project, tmp_path: Path, loss: float, warned: bool
) -> None:
    tokens = np.random.default_rng(0).integers(0, 10, 2 * NUM_TOKENS)  # ln 10 = 2.303 nats each
    token_store(tmp_path / "tokens/train", tokens[:NUM_TOKENS])
    token_store(tmp_path / "tokens/validation", tokens[NUM_TOKENS:])
    trained = tmp_path / "trained"
    trained.mkdir()
    held_out = {
        f"{moment}/{name}": value
        for moment, nats in (("before", 4.0), ("after", loss))
        for name, value in {
            "sums": np.array([nats * 50, nats * 50]),
            "counts": np.array([50, 50]),
            "documents": np.array([0, 1]),
            "size": np.array([NUM_TOKENS, NUM_BYTES]),
        }.items()
    }
    save_file(held_out, trained / HELD_OUT)
    (trained / OUTCOME).write_text("{}")
    (tmp_path / "out").mkdir()
    told: list[tuple[str, dict[str, Any]]] = []
    recipe = load_recipe(make_project(tmp_path / "project") / "recipe.yaml").recipe
    work = Work(
        tmp_path / "out",
        tmp_path,
        {"pretrain": Held(trained), "tokens": Held(tmp_path / "tokens")},
        recipe.hardware,
        lambda *told, **figures: None,
        lambda kind, **facts: told.append((kind, facts)),
        lambda step: None,
        StopRequest(),
    )
    figures_stage(recipe).run(work)
    figures = json.loads((tmp_path / "out" / FIGURES).read_text())
    assert figures["frequencies"]["loss"]["value"] == pytest.approx(np.log(10), abs=0.02)
    assert figures["after"]["loss"]["value"] == pytest.approx(loss)
    assert figures["test"] is None
    # Both documents lose the same: nothing is left to chance.
    change = (loss - 4.0) * NUM_TOKENS / (np.log(2) * NUM_BYTES)
    assert figures["change"]["bits_per_byte"] == pytest.approx(
        {"value": change, "low": change, "high": change}
    )
    assert [kind for kind, _ in told] == ["warning"] * warned
    if warned:
        assert "smaller learning rate" in told[0][1]["message"]
