"""The stage that translates the test part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from acclimate.engine.interrupt import StopRequest
from acclimate.errors import UserError
from acclimate.evaluate import translation
from acclimate.models.families.seq2seq.family import Seq2Seq
from acclimate.models.family import Vocabulary
from acclimate.pipeline.plan import plan
from acclimate.pipeline.stage import Work
from acclimate.pipeline.translations import FIGURES, translations_stage
from acclimate.recipe.loading import load_recipe
from acclimate.tokenizer.training import Train

RECIPE = """\
corpus: {sources: [{tab_pairs: {path: pairs.tsv, sides: [en, zh]}}]}
model: {family: seq2seq, size: tiny}
pretrain: {objective: {translation: {pairs: {tab_pairs: {path: pairs.tsv, sides: [en, zh]}}}}}
"""


class Held:
    def __init__(self, folder: Path) -> None:
        self.folder = folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    pairs = [(f"word {n}", f"第{n}个字") for n in range(5)]
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), "utf-8")
    (tmp_path / "material/test").mkdir(parents=True)
    lines = [json.dumps({"source": a, "target": b}, ensure_ascii=False) for a, b in pairs]
    (tmp_path / "material/test/texts.jsonl").write_text("\n".join(lines), "utf-8")
    folder = tmp_path / "pretrain/model"
    folder.mkdir(parents=True)
    texts = [text for pair in pairs for text in pair] * 20
    tokenizer = Train(algorithm="bpe", vocab_size=280).build(texts=iter([texts]), folder=folder)
    model = Seq2Seq(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="seq2seq")
    model.save_pretrained(folder)
    (tmp_path / "out").mkdir()
    return tmp_path


def translated(project: Path) -> tuple[dict[str, Any], list[dict[str, str]], list[Any]]:
    """(figures, lines, what was told) of the stage."""
    recipe = load_recipe(project / "recipe.yaml").recipe
    told: list[Any] = []
    work = Work(
        folder=project / "out",
        workspace=project,
        inputs={name: Held(project / name) for name in ("material", "pretrain")},  # type: ignore[misc]
        hardware=recipe.hardware,
        tell=lambda *_, **__: None,
        emit=lambda kind, **fields: told.append((kind, fields)),
        forget_after=lambda step: None,
        stop=StopRequest(),
    )
    translations_stage(recipe).run(work)
    lines = (project / "out/translations.jsonl").read_text("utf-8").splitlines()
    return json.loads((project / "out" / FIGURES).read_text()), [json.loads(line) for line in lines], told


def test_the_test_part_is_translated_and_judged(project: Path) -> None:
    figures, lines, told = translated(project)
    assert figures["texts"] == 5 and figures["beams"] == 5 and told == []
    assert "tok:zh" in figures["bleu_signature"]  # the target's side is called zh
    assert [line["source"] for line in lines] == [f"word {n}" for n in range(5)]
    assert all(isinstance(line["translation"], str) for line in lines)


def test_without_sacrebleu_translations_are_written_all_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise UserError("BLEU needs the package sacrebleu: pip install 'acclimate[eval]'")

    monkeypatch.setattr(translation, "translation_figures", missing)
    figures, lines, told = translated(project)
    assert figures == {"texts": 5, "beams": 5} and len(lines) == 5
    ((kind, fields),) = told
    assert kind == "warning" and "acclimate[eval]" in fields["message"]


def test_the_stage_stands_in_recipes_that_learn_to_translate_alone(project: Path, make_project) -> None:
    recipe = load_recipe(project / "recipe.yaml").recipe
    stages = [stage.name for stage in plan(recipe, lambda path: "digest")]
    assert stages.index("translations") > stages.index("pretrain")
    other = load_recipe(make_project(project / "other") / "recipe.yaml").recipe
    assert "translations" not in [stage.name for stage in plan(other, lambda path: "digest")]
