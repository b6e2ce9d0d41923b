"""What pretraining does to texts that are not of the domain: measured as held-out text is, paired, beside the gain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from acclimate.evaluate.language_model import Losses
from acclimate.evaluate.resampling import Resampling
from acclimate.pipeline.other_texts import Seen, _figures
from acclimate.recipe.sections import Recipe

RECIPE = """\
name: others
seed: 3
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 10%, test: 5%}}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: FAMILY, size: tiny, positions: 64}
pretrain:
  objective: OBJECTIVE
  length: 30 steps
  batch: 1k tokens
  sequence_length: 48
  validate: {every: 30 steps}
evaluate:
  intervals: {bootstrap: {resamples: 200}}
  texts:
    own: {path: held.txt, documents: line}
    general: {path: general.txt, documents: line}
hardware: {threads: 1, precision: fp32}
"""


@pytest.fixture(params=[("bert", "mlm"), ("llama", "clm")], ids=str)
def project(request: Any, make_project: Callable[..., Path], tmp_path: Path) -> Path:
    family, objective = request.param
    recipe = RECIPE.replace("FAMILY", family).replace("OBJECTIVE", objective)
    recipe = recipe.replace("size: tiny, ", "" if family == "llama" else "size: tiny, ")
    folder = make_project(tmp_path, recipe=recipe, lines=300)
    lines = (folder / "text.txt").read_text("utf-8").splitlines()
    (folder / "held.txt").write_text("\n".join(lines[::7]), "utf-8")
    general = [f"今天 天气 不错 {number} 号。 zq xw {number % 7} jk" for number in range(60)]
    (folder / "general.txt").write_text("\n".join(general), "utf-8")
    return folder


def test_it_is_measured_beside_the_gain_and_costs_no_training(project: Path, acclimate_command: Any) -> None:
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=project)
    assert ended.code == 0, ended.err
    run = Path(project / ended.told["run"])
    told = json.loads((run / "metrics.json").read_text("utf-8"))["pretrain"]
    assert sorted(told["texts"]) == ["general", "own"]
    for one in told["texts"].values():
        assert one["texts"] > 30
        change = one["after"]["bits_per_byte"]["value"] - one["before"]["bits_per_byte"]["value"]
        assert one["change"]["value"] == pytest.approx(change, abs=1e-9)
        assert one["change"]["low"] <= one["change"]["value"] <= one["change"]["high"]
    # Text of the domain gets better as held-out text does, the other much less.
    gain = told["validation"]["bits_per_byte"] - told["before"]["bits_per_byte"]
    assert told["texts"]["own"]["change"]["value"] == pytest.approx(gain, rel=0.35)
    assert told["texts"]["own"]["change"]["value"] < told["texts"]["general"]["change"]["value"]
    page = (run / "report.html").read_text("utf-8")
    assert "Other texts" in page and "On other text" in page
    unknown = told["texts"]["general"]["unknown"]
    assert unknown > 0.05 > told["texts"]["own"]["unknown"]
    assert f"evaluate.texts.general: {unknown:.0%} of its tokens are unknown to the vocabulary" in ended.err
    assert "of its tokens unknown" in page

    (project / "general.txt").write_text("another text\n" * 3 + "还有 一个\n", "utf-8")
    again = acclimate_command("run", "recipe.yaml", "--json", folder=project)
    assert again.code == 0, again.err
    stages = again.told["stages"]
    assert stages["pretrain"]["skipped"] and not stages["other-texts"]["skipped"]
    assert again.told["pretrain"]["texts"]["own"] == told["texts"]["own"], "the same to the last bit"

    (project / "general.txt").write_text("\n", "utf-8")
    empty = acclimate_command("run", "recipe.yaml", "--json", folder=project)
    assert empty.code == 1 and "evaluate.texts.general: general.txt holds no text" in empty.err
    assert "Traceback" not in empty.err


def seen(bits: np.ndarray, tokens: int = 100) -> Seen:
    number = len(bits)
    losses = Losses(bits * np.log(2) * 10, np.full(number, 10.0), np.arange(number), tokens, 400)
    return Seen(losses, 0.0)


def test_the_change_is_paired_so_that_its_interval_is_that_of_the_change_alone() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(4, 12, 80)
    told = _figures(seen(before), seen(before + 0.4), 80, Resampling(resamples=300))
    # 0.4 bits a token, 100 tokens in 400 bytes: 0.1 bits a byte, whatever texts are drawn.
    assert told["change"] == {name: pytest.approx(0.1) for name in ("value", "low", "high")}
    ends = told["after"]["bits_per_byte"]
    assert ends["high"] - ends["low"] > 0.1, "each by itself is far less sure"


def test_two_tokenizers_are_paired_by_text() -> None:
    """Half as many tokens, each at twice the cost, are no change."""
    before = np.array([4.0, 8.0, 6.0])
    told = _figures(seen(before), seen(2 * before, tokens=50), 3, Resampling(resamples=100))
    assert told["change"] == {name: pytest.approx(0.0, abs=1e-12) for name in ("value", "low", "high")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretrain": None}, "measured before and after `pretrain`"),
        ({"pretrain": {"objective": "token_type"}}, "token_type does not tell how likely"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes: dict[str, Any], message: str) -> None:
    data = {
        "corpus": {"sources": [{"path": "a.txt"}]},
        "model": {"family": "bert"},
        "pretrain": {"objective": "mlm"},
        "evaluate": {"texts": {"general": {"path": "general.txt"}}},
    }
    assert Recipe.model_validate(data).evaluate.texts
    with pytest.raises(ValidationError, match=message) as error:
        Recipe.model_validate({**data, **changes})
    assert error.value.errors()[0]["loc"][:2] == ("evaluate", "texts")
