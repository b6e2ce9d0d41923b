"""The stage that states how well the pretrained model knows held-out text: figures with their intervals.

Apart from the training, so that other intervals do not cost another one.
"""

from __future__ import annotations

from typing import Any

from acclimate.pipeline.pretrain import HELD_OUT, OUTCOME
from acclimate.pipeline.stage import Stage, Work
from acclimate.pipeline.tokens import read_json
from acclimate.recipe.sections import Recipe

FIGURES = "figures.json"


def figures_stage(recipe: Recipe) -> Stage:
    """Losses before and after pretraining → loss, perplexity and bits per byte, each with its interval."""
    intervals = recipe.evaluate.intervals

    def run(work: Work) -> None:
        from safetensors.numpy import load_file

        from acclimate.artifacts.durable import write_json
        from acclimate.evaluate.language_model import language_model_figures

        trained = work.inputs["pretrain"].folder
        losses = load_file(trained / HELD_OUT)
        figures: dict[str, Any] = {}
        for moment in ("before", "after", "test"):
            if f"{moment}/sums" not in losses:  # the corpus holds out no test text
                figures[moment] = None
                continue
            tokens, num_bytes = losses[f"{moment}/size"].tolist()
            figures[moment] = language_model_figures(
                losses[f"{moment}/sums"],
                losses[f"{moment}/counts"],
                tokens=tokens,
                num_bytes=num_bytes,
                resampling=intervals.build(),
                groups=losses[f"{moment}/documents"],
            )
        write_json(work.folder / FIGURES, {**read_json(trained / OUTCOME), **figures})

    return Stage(
        name="figures",
        kind="figures",
        version=1,
        settings={"intervals": intervals.dumped()},
        needs=("pretrain",),
        run=run,
    )
