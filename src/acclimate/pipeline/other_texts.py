"""The stage that measures what the pretraining did to texts that are not of the domain (`evaluate.texts`).

Apart from the training, so that other texts do not cost another one: the model that training began with is built again,
and the trained one is loaded. Where the vocabulary was adapted, what it began with is the checkpoint as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.pipeline.pretrain import (
    MODEL,
    asked_tokens,
    model_identity,
    model_settings,
    objective_labels,
)
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from acclimate.evaluate.language_model import Losses
    from acclimate.evaluate.resampling import Resampling

OTHER_TEXTS, FIGURES = "other-texts", "texts.json"
SAMPLE = 1_000_000
"""Characters of each of the texts that may be used, chosen by hash; `validate.most` says how many tokens are."""


MOST_UNKNOWN = 0.05
"""Share of unknown tokens above which a text's figures are warned of."""


@dataclass(frozen=True)
class Seen:
    """What a model lost on a text."""

    losses: Losses
    unknown: float
    """Share of the tokens that the vocabulary has no sign for."""


def other_texts_stage(recipe: Recipe, digests: Callable[[Path], str]) -> Stage:
    """Needs `recipe.pretrain` and texts. Its artifact: texts.json."""
    assert recipe.pretrain is not None
    texts: dict[str, Any] = recipe.evaluate.texts  # type: ignore[assignment]
    intervals, objective = recipe.evaluate.intervals, recipe.pretrain.objective

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import write_json

        samples = {name: _sample(name, one) for name, one in texts.items()}
        trained = work.inputs["pretrain"].folder / MODEL
        seen = {
            "before": _seen(recipe, work, None, samples, work.folder / "before"),
            "after": _seen(recipe, work, trained, samples, work.folder / "after"),
        }
        resampling = intervals.build()
        figures = {
            name: _figures(seen["before"][name], seen["after"][name], len(texts), resampling)
            for name, texts in samples.items()
        }
        write_json(work.folder / FIGURES, figures)
        for name, one in figures.items():
            if one["unknown"] > MOST_UNKNOWN:
                words = "its tokens are unknown to the vocabulary: its bits per byte say little of the text"
                work.emit("warning", message=f"evaluate.texts.{name}: {one['unknown']:.0%} of {words}")

    return Stage(
        name=OTHER_TEXTS,
        kind=OTHER_TEXTS,
        version=2,
        settings={
            "seed": recipe.seed,
            "model": model_settings(recipe),
            "objective": objective.dumped(),  # type: ignore[attr-defined]
            "sequence_length": recipe.pretrain.sequence_length,
            "most": str(recipe.pretrain.validate_.most),
            "intervals": intervals.dumped(),
            "texts": list(texts),
        },
        outside={
            **model_identity(recipe, digests),
            **{f"text {name}": one.build().fingerprint(digests) for name, one in texts.items()},
        },
        needs=("pretrain", "tokenizer"),
        packages=("torch", "transformers"),
        run=run,
    )


def _sample(name: str, reader: Any) -> list[str]:
    from acclimate.corpus.choose.text_sample import TextSample
    from acclimate.corpus.document import Document

    source = reader.build()
    found = (one.text for one in source.read() if isinstance(one, Document))
    texts = TextSample.of(found, SAMPLE).texts()
    if not texts:
        raise UserError(f"evaluate.texts.{name}: {source.name} holds no text")
    return texts


def _seen(
    recipe: Recipe, work: Work, trained: Path | None, samples: dict[str, list[str]], folder: Path
) -> dict[str, Seen]:
    """What the trained model loses on each of the texts; with None what the one it began with does."""
    from acclimate.artifacts.durable import new_folder
    from acclimate.batching.token_store import build_token_store
    from acclimate.engine.measure import measure
    from acclimate.evaluate.language_model import Losses
    from acclimate.models.family import Vocabulary
    from acclimate.objectives.protocol import Texts
    from acclimate.pipeline.setup_torch import prepare, threads
    from acclimate.pipeline.starting_point import adapts
    from acclimate.recipe.units import Length
    from acclimate.tokenizer.loading import load_tokenizer

    settings: Any = recipe.pretrain
    family: Any = recipe.model
    as_it_was = trained is None and adapts(recipe)
    tokenizer = load_tokenizer(family.starts_from if as_it_was else work.inputs["tokenizer"].folder)
    if trained is not None:
        family = family.model_copy(update={"checkpoint": str(trained)})
    model = family.build(
        vocabulary=Vocabulary.of(tokenizer),
        seed=recipe.seed,
        kind=settings.objective.kind,
        labels=objective_labels(settings.objective),
    )
    settings.objective.furnish(model, recipe.seed)
    machine = prepare(work.hardware)
    model.to(machine.device)
    objective = settings.objective.build(tokenizer=tokenizer, seed=recipe.seed, fixed=True)
    found = {}
    for name, texts in samples.items():
        place = new_folder(folder / name)
        marks = sorted(settings.objective.marks)
        told = build_token_store(iter([texts]), tokenizer, place, marks=marks)
        length = settings.sequence_length
        store = settings.objective.store(
            Texts(place), tokenizer=tokenizer, sequence_length=length, seed=recipe.seed
        )
        if not len(store.lengths):
            name_of = settings.objective.registered_as[1]
            raise UserError(f"evaluate.texts.{name}: it holds no text that {name_of} can be asked about")
        with threads(machine.threads):
            measured = measure(
                model,
                objective,
                store,
                batch=Length(8192, "tokens"),
                precision=machine.precision,
                device=machine.device,
                most=settings.validate_.most,
                tell=work.tell,
            )
        tokens = asked_tokens(store, measured, settings.objective.likelihood)
        documents = store.document_of(measured.ids)
        unknown = told["unknown"] / max(1, told["tokens"])
        losses = Losses(measured.sums, measured.counts, documents, tokens, store.num_bytes)
        found[name] = Seen(losses, unknown)
    return found


def _figures(before: Seen, after: Seen, texts: int, resampling: Resampling) -> dict[str, Any]:
    """Of both models, and the change of bits per byte with its interval, whole texts drawn for both alike."""
    from acclimate.evaluate.language_model import bits_per_byte_change, language_model_figures

    told = {
        moment: language_model_figures(
            one.losses.sums,
            one.losses.counts,
            tokens=one.losses.tokens,
            num_bytes=one.losses.num_bytes,
            resampling=resampling,
            groups=one.losses.documents,
        )
        for moment, one in (("before", before), ("after", after))
    }
    unknown = max(before.unknown, after.unknown)
    return {
        "texts": texts,
        "unknown": unknown,
        **told,
        "change": bits_per_byte_change(before.losses, after.losses, resampling).as_dict(),
    }
