"""The stage that trains on the corpus itself, resumes where it was, and measures before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Pretrain, Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import WindowStore
    from acclimate.engine.measure import Measured
    from acclimate.engine.state import TrainState
    from acclimate.pipeline.setup_torch import Machine

STEPS, VALIDATIONS, FIGURES, MODEL = "steps.jsonl", "validation.jsonl", "figures.json", "model"


def pretrain_stage(recipe: Recipe, digests: Callable[[Path], str]) -> Stage:
    """Needs `recipe.pretrain`."""
    assert recipe.pretrain is not None
    settings = recipe.pretrain
    return Stage(
        name="pretrain",
        kind="pretrain",
        version=1,
        settings={
            "seed": recipe.seed,
            "model": {"family": recipe.model.registered_as[1], **recipe.model.model_dump(mode="json")},
            "pretrain": settings.model_dump(mode="json", by_alias=True),
            "intervals": recipe.evaluate.intervals.dumped(),
        },
        outside=model_identity(recipe, digests),
        needs=("corpus", "tokenizer", "tokens"),
        packages=("torch", "transformers"),
        run=lambda work: _Run(recipe, settings, work).run(),
    )


def model_identity(recipe: Recipe, digests: Callable[[Path], str]) -> dict[str, Any]:
    """What the starting weights are: digests of a local checkpoint's files, or the hub's id."""
    start = getattr(recipe.model, "starts_from", None)
    if start is None:
        return {}
    folder = Path(start)
    if not folder.is_dir():
        return {"hub": start}
    return {
        path.name: digests(path)
        for path in sorted(folder.iterdir())
        if path.suffix in (".json", ".safetensors")
    }


def require_positions(model: PreTrainedModel, setting: str, length: int) -> None:
    """Raises UserError when sequences of this length do not fit the model; only a checkpoint can surprise us here."""
    positions = model.config.max_position_embeddings
    if length > positions:
        raise UserError(f"{setting} is {length}, the model takes sequences of {positions} tokens at most")


class _Run:
    """One run of the stage: the objects that its steps share."""

    def __init__(self, recipe: Recipe, settings: Pretrain, work: Work) -> None:
        from acclimate.models.bert import Vocabulary
        from acclimate.pipeline.setup_torch import prepare
        from acclimate.tokenizer.loading import load_tokenizer

        self.recipe, self.settings, self.work = recipe, settings, work
        self.machine: Machine = prepare(work.hardware)
        self.tokenizer: PreTrainedTokenizerFast = load_tokenizer(work.inputs["tokenizer"].folder)
        vocabulary = Vocabulary(len(self.tokenizer), int(self.tokenizer.pad_token_id))
        model = recipe.model.build(vocabulary=vocabulary, seed=recipe.seed, kind="mlm")
        self.model: PreTrainedModel = model.to(self.machine.device)
        require_positions(self.model, "pretrain.sequence_length", settings.sequence_length)
        self.interval = recipe.evaluate.intervals.build()

    def store(self, split: str) -> WindowStore:
        from acclimate.batching.sequence_store import WindowStore
        from acclimate.batching.token_store import TokenStore
        from acclimate.tokenizer.template import boundaries

        first, last = boundaries(self.tokenizer)
        tokens = TokenStore(self.work.inputs["tokens"].folder / split)
        return WindowStore(tokens, self.settings.sequence_length, first, last)

    def measured(self, split: str, *, all_of_it: bool = False) -> Measured:
        """The model's loss on held-out text under masks that are always the same."""
        from acclimate.engine.measure import measure
        from acclimate.recipe.units import Length

        objective = self.settings.objective.build(tokenizer=self.tokenizer, seed=self.recipe.seed, fixed=True)
        return measure(
            self.model,
            objective,
            self.store(split),
            batch=Length(8192, "tokens"),
            precision=self.machine.precision,
            device=self.machine.device,
            most=None if all_of_it else self.settings.validate_.most,
        )

    def figures(self, measured: Measured, split: str) -> dict[str, Any]:
        from acclimate.evaluate.language_model import language_model_figures

        store = self.store(split)
        return language_model_figures(
            measured.sums,
            measured.counts,
            tokens=store.num_tokens,
            num_bytes=store.num_bytes,
            resampling=self.interval,
            groups=store.document_of(measured.ids),
        )

    def run(self) -> None:
        from acclimate.artifacts.durable import new_folder, write_json

        if not len(self.store("train").lengths):
            raise UserError("the training part of the corpus holds no text to train on")
        before = self.figures(self.measured("validation"), "validation")
        state, seconds = self.train()
        after = self.figures(self.measured("validation"), "validation")
        test = None
        if len(self.store("test").lengths):
            test = self.figures(self.measured("test", all_of_it=True), "test")
        folder = new_folder(self.work.folder / MODEL)
        self.model.save_pretrained(folder)
        if not self.recipe.model.checkpoint:  # type: ignore[attr-defined]
            # Positions beyond the trained length were never seen: users' calls shall be cut there.
            self.tokenizer.model_max_length = self.settings.sequence_length
        self.tokenizer.save_pretrained(folder)
        write_json(
            self.work.folder / FIGURES,
            {
                "before": before,
                "after": after,
                "test": test,
                "steps": state.progress.steps,
                "tokens": state.progress.tokens,
                "epochs": state.progress.epochs,
                "seconds": seconds,
                "parameters": sum(p.numel() for p in self.model.parameters()),
                "precision": self.machine.precision,
                "device": str(self.machine.device),
                "best_step": state.best_step,
            },
        )

    def train(self) -> tuple[TrainState, float]:
        """Train from the newest checkpoint, or from the start; returns the last state and the seconds of training."""
        from acclimate.engine.checkpoint import Checkpoints
        from acclimate.engine.fit import Surroundings, fit
        from acclimate.engine.loop import Training
        from acclimate.engine.state import TrainState
        from acclimate.pipeline.training_log import TrainingLog

        settings = self.settings
        state = TrainState(
            self.model,
            settings.optimizer.build(model=self.model),
            [part.build() for part in settings.gradients],
        )
        training = Training(
            objective=settings.objective.build(tokenizer=self.tokenizer, seed=self.recipe.seed),
            feed=self.feed(),
            schedule=settings.schedule.build(length=settings.length),
            length=settings.length,
            seed=self.recipe.seed,
            precision=self.machine.precision,
            device=self.machine.device,
        )
        checkpoints = Checkpoints(
            self.work.workspace / "checkpoints",
            keep=settings.checkpoint.keep,
            warn=lambda text: self.work.emit("warning", message=text),
        )
        resumed = checkpoints.resume(state)
        if resumed is not None:
            self.work.emit("resumed", step=state.progress.steps, checkpoint=resumed.name)
        around = Surroundings(
            validate=lambda: self.measured("validation"),
            validate_every=settings.validate_.every,
            patience=settings.validate_.patience,
            best=checkpoints,
            checkpoints=checkpoints,
            checkpoint_every=settings.checkpoint.every,
            stop=self.work.stop,
        )
        store = self.store("validation")
        tokens_per_byte = store.num_tokens / max(1, store.num_bytes)
        with (
            self.work.stop.polite(),
            TrainingLog(
                self.work, settings.length, done=state.progress.steps, tokens_per_byte=tokens_per_byte
            ) as log,
        ):
            for record in fit(training, state, around):
                log.write(record, state.progress)
            log.copy_to(self.work.folder)
        return state, state.progress.seconds

    def feed(self) -> Any:
        from acclimate.engine.feed import Feed

        store = self.store("train")

        def describe(sequence: int) -> str:
            import numpy as np

            from acclimate.corpus.lookup import name_document

            number = int(store.document_of(np.array([sequence]))[0])
            return name_document(self.work.inputs["corpus"].folder, "train", number)

        return Feed(
            store,
            batch=self.settings.batch,
            seed=self.recipe.seed,
            micro_batch=self.work.hardware.micro_batch,
            describe=describe,
        )
