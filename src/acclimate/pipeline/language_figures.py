"""The stage that states how well the pretrained model knows held-out text: figures with their intervals.

Beside the model before and after its training stands what token frequencies alone would lose; training that comes out
no better is told.

Apart from the training, so that other intervals do not cost another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.pipeline.pretrain import HELD_OUT, OUTCOME
from acclimate.pipeline.stage import Stage, Work
from acclimate.pipeline.tokens import read_json
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.evaluate.language_model import Losses

FIGURES = "figures.json"
MOMENTS = ("before", "after", "test", "frequencies")
_LEARNT = 0.98
"""Of the frequencies' loss: masks and a small held-out text leave a per cent or so to chance."""


def figures_stage(recipe: Recipe) -> Stage:
    """Losses before and after pretraining → loss, perplexity and bits per byte, each with its interval."""
    intervals = recipe.evaluate.intervals
    assert recipe.pretrain is not None
    objective: Any = recipe.pretrain.objective
    likelihood, of_corpus = objective.likelihood, objective.data is None

    def run(work: Work) -> None:
        from safetensors.numpy import load_file

        from acclimate.artifacts.durable import write_json
        from acclimate.evaluate.language_model import bits_per_byte_change, language_model_figures

        trained = work.inputs["pretrain"].folder
        losses = load_file(trained / HELD_OUT)
        if likelihood is not None and of_corpus:
            _add_frequencies(losses, work.inputs["tokens"].folder)
        figures: dict[str, Any] = {"likelihood": likelihood}
        for moment in MOMENTS:
            if f"{moment}/sums" not in losses:  # the corpus holds out no test text
                figures[moment] = None
                continue
            tokens, num_bytes = losses[f"{moment}/size"].tolist()
            figures[moment] = language_model_figures(
                losses[f"{moment}/sums"],
                losses[f"{moment}/counts"],
                tokens=tokens if likelihood is not None else None,
                num_bytes=num_bytes,
                resampling=intervals.build(),
                groups=losses[f"{moment}/documents"],
            )
        if likelihood is not None and figures["before"] is not None:
            change = bits_per_byte_change(_of(losses, "before"), _of(losses, "after"), intervals.build())
            figures["change"] = {"bits_per_byte": change.as_dict()}
        if "retrieval/image" in losses:
            from acclimate.evaluate import retrieval

            ranks = {name: losses[f"retrieval/{name}"] for name in ("image", "text", "items")}
            figures["retrieval"] = retrieval.figures(retrieval.Ranks(**ranks), intervals.build())
        if figures["frequencies"] is None:
            write_json(work.folder / FIGURES, {**read_json(trained / OUTCOME), **figures})
            return
        after, floor = figures["after"]["loss"]["value"], figures["frequencies"]["loss"]["value"]
        if after > floor * _LEARNT:
            work.emit(
                "warning",
                message=f"the model predicts held-out text no better than token frequencies do (loss {after:.3f}, "
                f"theirs {floor:.3f}): it has not learnt the language; train longer, or with a smaller learning rate",
            )
        write_json(work.folder / FIGURES, {**read_json(trained / OUTCOME), **figures})

    return Stage(
        name="figures",
        kind="figures",
        version=4,
        settings={
            "intervals": intervals.dumped(),
            **({} if likelihood == "some" else {"likelihood": likelihood}),
        },
        needs=("pretrain", "tokens"),
        run=run,
    )


def _of(losses: Mapping[str, NDArray[Any]], moment: str) -> Losses:
    from acclimate.evaluate.language_model import Losses

    tokens, num_bytes = losses[f"{moment}/size"].tolist()
    sums, counts, documents = (losses[f"{moment}/{name}"] for name in ("sums", "counts", "documents"))
    return Losses(sums, counts, documents, tokens, num_bytes)


def _add_frequencies(losses: dict[str, NDArray[Any]], tokens: Path) -> None:
    """What token frequencies alone lose on the validation text, as one more moment."""
    import numpy as np

    from acclimate.batching.token_store import TokenStore
    from acclimate.evaluate.token_frequency import frequency_losses

    train, held_out = TokenStore(tokens / "train"), TokenStore(tokens / "validation")
    size = 1 + max(int(store.tokens.max(initial=0)) for store in (train, held_out))
    sums, counts = frequency_losses(train.tokens, held_out.tokens, held_out.offsets, size)
    losses["frequencies/sums"], losses["frequencies/counts"] = sums, counts
    losses["frequencies/documents"] = np.arange(len(sums))
    losses["frequencies/size"] = losses["after/size"]
