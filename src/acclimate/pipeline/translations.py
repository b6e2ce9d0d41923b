"""The stage that lets a model which has learnt to translate do so: the test part's translations, with BLEU and chrF."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from acclimate.errors import UserError
from acclimate.pipeline.material import MATERIAL
from acclimate.pipeline.pretrain import MODEL
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

TRANSLATIONS, FIGURES = "translations", "translation.json"
BEAMS = 5
MOST = 2_000
"""Texts of the test part that are translated, the first ones."""


def translates(recipe: Recipe) -> bool:
    """Whether the recipe trains a model to translate."""
    from acclimate.objectives.translation import Translation

    return recipe.pretrain is not None and isinstance(recipe.pretrain.objective, Translation)


def translations_stage(recipe: Recipe) -> Stage:
    """Needs `pretrain.objective: translation`. Its artifact: translations.jsonl and translation.json."""
    assert recipe.pretrain is not None
    objective: Any = recipe.pretrain.objective
    intervals = recipe.evaluate.intervals

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import write_json, write_text
        from acclimate.evaluate.translation import translate, translation_figures
        from acclimate.models.decoding import Decoding
        from acclimate.models.loading import load_model
        from acclimate.pipeline.setup_torch import prepare, threads
        from acclimate.tokenizer.loading import load_tokenizer

        pairs = _pairs(work.inputs[MATERIAL].folder / "test")
        folder = work.inputs["pretrain"].folder / MODEL
        machine = prepare(work.hardware)
        with threads(machine.threads):
            found = translate(
                load_model(folder, "seq2seq").to(machine.device),
                load_tokenizer(folder),
                [pair["source"] for pair in pairs],
                objective,
                decoding=Decoding(beams=BEAMS),
                tell=work.tell,
            )
        rows = ({**pair, "translation": text} for pair, text in zip(pairs, found, strict=True))
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        write_text(work.folder / "translations.jsonl", "".join(lines))
        figures: dict[str, Any] = {"texts": len(pairs), "beams": BEAMS}
        try:
            figures |= translation_figures(
                found,
                [pair["target"] for pair in pairs],
                resampling=intervals.build(),
                language=objective.language_names()[1],
            )
        except UserError as error:  # no texts, or no sacrebleu: the model is there all the same
            work.emit("warning", message=f"no BLEU: {error}")
        write_json(work.folder / FIGURES, figures)

    return Stage(
        name=TRANSLATIONS,
        kind=TRANSLATIONS,
        version=1,
        settings={"objective": objective.dumped(), "intervals": intervals.dumped()},
        needs=("pretrain", MATERIAL),
        packages=("torch", "transformers"),
        run=run,
    )


def _pairs(folder: Path) -> list[dict[str, str]]:
    with (folder / "texts.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in islice(lines, MOST)]
