"""A rank of a pretraining that is not rank 0: `python -m acclimate.pipeline.rank`, started by a `Team` alone.

It takes rank 0's steps beside it until it is ended. It measures, logs and writes nothing.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from acclimate.engine.exchange import LostRank
from acclimate.engine.interrupt import StopRequest
from acclimate.errors import UserError
from acclimate.pipeline.stage import Work
from acclimate.pipeline.team import join


def main() -> None:
    """Exits with 1 after a user's error, of which rank 0 tells the last lines."""
    from acclimate.artifacts.store import read_artifact
    from acclimate.pipeline.pretrain import Pretraining
    from acclimate.pipeline.setup_torch import prepare
    from acclimate.recipe.sections import Recipe

    try:
        description, device, ranks = join()
        recipe = Recipe.model_validate(description["recipe"])
        work = Work(
            folder=Path(description["workspace"]),
            workspace=Path(description["workspace"]),
            # Rank 0 has verified them a moment ago.
            inputs={name: read_artifact(Path(at), "sizes") for name, at in description["inputs"].items()},
            hardware=recipe.hardware,
            tell=lambda done, total, unit, **figures: None,
            emit=lambda kind, **fields: None,
            forget_after=lambda step: None,
            stop=StopRequest(),
        )
        machine = prepare(recipe.hardware.model_copy(update={"threads": torch.get_num_threads()}))
        Pretraining(recipe, work, replace(machine, device=device), ranks).follow()
    except LostRank:
        sys.exit(1)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
