"""The stage that trains on the corpus itself, resumes where it was, and measures before and after.

Its artifact: model/, steps.jsonl, validation.jsonl, outcome.json, and held_out.safetensors with the losses that the
figures are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.engine.interrupt import Interrupted
from acclimate.errors import UserError
from acclimate.pipeline.material import MATERIAL, brings_data
from acclimate.pipeline.reference import REFERENCE, reference_part
from acclimate.pipeline.stage import Stage, Work
from acclimate.pipeline.starting_point import VOCABULARY, adapts, with_adapted_checkpoint
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import TextStore
    from acclimate.engine.checkpoint import Checkpoints
    from acclimate.engine.loop import Training
    from acclimate.engine.measure import Measured
    from acclimate.engine.ranks import Ranks
    from acclimate.engine.state import TrainState
    from acclimate.models.building import Labels
    from acclimate.pipeline.setup_torch import Machine
    from acclimate.pipeline.team import Team

OUTCOME, HELD_OUT, MODEL = "outcome.json", "held_out.safetensors", "model"


def pretrain_stage(recipe: Recipe, digests: Callable[[Path], str]) -> Stage:
    """Needs `recipe.pretrain`."""
    assert recipe.pretrain is not None
    settings = recipe.pretrain
    return Stage(
        name="pretrain",
        kind="pretrain",
        version=5,
        settings={
            "seed": recipe.seed,
            "model": model_settings(recipe),
            # Where the state is saved decides nothing: other checkpoints may resume from those that are there.
            "pretrain": settings.model_dump(mode="json", by_alias=True, exclude={"checkpoint"}),
        },
        outside={} if adapts(recipe) else model_identity(recipe, digests),
        needs=(
            *("corpus", "tokenizer", "tokens"),
            *([VOCABULARY] if adapts(recipe) else ()),
            *([MATERIAL] if brings_data(recipe) else ()),
            *([REFERENCE] if reference_part(recipe) is not None else ()),
        ),
        packages=("torch", "transformers"),
        run=lambda work: run_pretraining(recipe, work),
    )


def model_settings(recipe: Recipe) -> dict[str, Any]:
    """What the recipe says of the model, but for the place of a checkpoint: see `model_identity`."""
    family = recipe.model
    return {"family": family.registered_as[1], **family.model_dump(mode="json", exclude={"checkpoint"})}


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


def require_same_vocabulary(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> None:
    """Raises UserError when a checkpoint folder has a tokenizer of its own that numbers its tokens otherwise."""
    start = getattr(recipe.model, "starts_from", None)
    if start is None or not (Path(start) / "tokenizer.json").is_file():
        return
    from acclimate.tokenizer.loading import load_tokenizer

    ours, theirs = tokenizer.get_vocab(), load_tokenizer(start).get_vocab()
    odd = sorted(token for token in theirs if ours.get(token) != theirs[token])
    if odd:
        raise UserError(
            f"{start}: model and tokenizer do not fit together: {len(odd):,} of its {len(theirs):,} tokens have "
            f"another number in the tokenizer, such as {odd[0]!r}; leave `tokenizer` out to take the checkpoint's own"
        )


def objective_labels(objective: Any) -> Labels | None:
    """What the model's head tells apart, where the objective says so."""
    from acclimate.models.building import Labels

    return Labels(objective.classes) if objective.classes else None


def asked_tokens(store: TextStore, measured: Measured, likelihood: str | None) -> int:
    """The tokens of the whole text that a model is asked for, or that stand for those that it is."""
    if likelihood != "every":
        return int(store.num_tokens)
    # Ends of texts are asked for too, and cost bits; of a part of the text they stand for the whole.
    asked = measured.counts.sum() / store.lengths[measured.ids].sum()
    return round(float(asked * store.lengths.sum()))


def require_positions(model: PreTrainedModel, setting: str, length: int) -> None:
    """Raises UserError when sequences of this length do not fit the model; only a checkpoint can surprise us here."""
    from acclimate.models.finding import family_of

    positions = family_of(model.config).max_length(model.config)
    if positions is not None and length > positions:
        raise UserError(f"{setting} is {length}, the model takes sequences of {positions} tokens at most")


def run_pretraining(recipe: Recipe, work: Work) -> None:
    """The stage: rank 0 of as many as the hardware section says."""
    from acclimate.pipeline.setup_torch import prepare
    from acclimate.pipeline.team import Team
    from acclimate.recipe.resolving import resolved

    machine = prepare(work.hardware)
    if work.hardware.ranks > machine.threads and machine.device.type == "cpu":
        shared = f"hardware.ranks is {work.hardware.ranks}, and there are {machine.threads} threads for them"
        work.emit(
            "warning", message=f"{shared}: ranks take turns on a core, which is slower than fewer ranks"
        )
    description = {
        "recipe": resolved(recipe),
        "workspace": str(work.workspace.absolute()),
        "inputs": {name: str(artifact.folder.absolute()) for name, artifact in work.inputs.items()},
    }
    with Team(
        work.hardware.ranks, device=machine.device, threads=machine.threads, description=description
    ) as team:
        Pretraining(recipe, work, replace(machine, device=team.device), team.ranks).lead(team)


class Pretraining:
    """One run of the stage on one rank: the objects that its steps share."""

    def __init__(self, recipe: Recipe, work: Work, machine: Machine, ranks: Ranks) -> None:
        from acclimate.models.family import Vocabulary
        from acclimate.tokenizer.loading import load_tokenizer

        recipe = with_adapted_checkpoint(recipe, work.inputs)
        assert recipe.pretrain is not None
        self.recipe, self.settings, self.work = recipe, recipe.pretrain, work
        self.machine, self.ranks = machine, ranks
        self.tokenizer: PreTrainedTokenizerFast = load_tokenizer(work.inputs["tokenizer"].folder)
        vocabulary = Vocabulary.of(self.tokenizer)
        require_same_vocabulary(recipe, self.tokenizer)
        model = recipe.model.build(
            vocabulary=vocabulary,
            seed=recipe.seed,
            kind=self.settings.objective.kind,  # type: ignore[attr-defined]
            labels=objective_labels(self.settings.objective),
            warn=lambda text: work.emit("warning", message=text),
        )
        self.settings.objective.furnish(model, recipe.seed)  # type: ignore[attr-defined]
        self.model: PreTrainedModel = model.to(self.machine.device)
        require_positions(self.model, "pretrain.sequence_length", self.settings.sequence_length)

    def store(self, split: str) -> TextStore:
        from acclimate.objectives.protocol import Texts

        own = self.work.inputs.get(MATERIAL)
        batch = self.settings.batch
        texts = Texts(
            self.work.inputs["tokens"].folder / split,
            None if own is None else own.folder / split,
            int(batch.amount) if split == "train" and batch.unit == "sequences" else None,
        )
        return self.settings.objective.store(  # type: ignore[attr-defined, no-any-return]
            texts,
            tokenizer=self.tokenizer,
            sequence_length=self.settings.sequence_length,
            seed=self.recipe.seed,
        )

    def measured(self, split: str, *, all_of_it: bool = False) -> Measured:
        """The model's loss on held-out text under masks that are always the same."""
        from acclimate.engine.measure import measure
        from acclimate.pipeline.setup_torch import threads
        from acclimate.recipe.units import Length

        objective = self.settings.objective.build(tokenizer=self.tokenizer, seed=self.recipe.seed, fixed=True)
        with threads(self.machine.threads):  # all of them: other ranks wait
            return measure(
                self.model,
                objective,
                self.store(split),
                batch=Length(8192, "tokens"),
                precision=self.machine.precision,
                device=self.machine.device,
                most=None if all_of_it else self.settings.validate_.most,
            )

    def lead(self, team: Team) -> None:
        """As rank 0: measure, train, measure, and write the artifact."""
        from safetensors.numpy import save_file

        from acclimate.artifacts.durable import new_folder, write_json
        from acclimate.models.finding import family_of
        from acclimate.pipeline.tokens import tokenizer_part
        from acclimate.tokenizer.specials import suit

        if not len(self.store("train").lengths):
            name = self.settings.objective.registered_as[1]
            raise UserError(f"the training part of the corpus holds no text that {name} can learn from")
        held_out = self.losses("before", "validation", self.measured("validation"))
        tokens, num_bytes = held_out["before/size"].tolist()
        state, seconds = self.train(team, tokens / max(1, num_bytes))
        held_out |= self.losses("after", "validation", self.measured("validation"))
        if len(self.store("test").lengths):
            held_out |= self.losses("test", "test", self.measured("test", all_of_it=True))
            held_out |= self.retrieved("test")
        save_file(held_out, self.work.folder / HELD_OUT)
        folder = new_folder(self.work.folder / MODEL)
        self.settings.objective.suit(self.model, self.tokenizer)  # type: ignore[attr-defined]
        self.model.save_pretrained(folder)
        if not self.recipe.model.checkpoint:  # type: ignore[attr-defined]
            # Positions beyond the trained length were never seen: users' calls shall be cut there.
            self.tokenizer.model_max_length = self.settings.sequence_length
        suit(
            self.tokenizer,
            segments="segments" in family_of(self.model.config).token_inputs,
            continues=self.settings.objective.kind == "clm" and tokenizer_part(self.recipe).reads_corpus,  # type: ignore[attr-defined]
        )
        self.tokenizer.save_pretrained(folder)
        write_json(
            self.work.folder / OUTCOME,
            {
                "steps": state.progress.steps,
                "tokens": state.progress.tokens,
                "epochs": state.progress.epochs,
                "seconds": seconds,
                "parameters": sum(p.numel() for p in self.model.parameters()),
                "precision": self.machine.precision,
                "device": str(self.machine.device),
                "best_step": state.best_step,
                "kind": self.settings.objective.kind,  # type: ignore[attr-defined]
            },
        )

    def losses(self, moment: str, split: str, measured: Measured) -> dict[str, NDArray[Any]]:
        """What figures are made of: summed loss, targets and document of each sequence; the text's tokens and bytes."""
        import numpy as np

        store = self.store(split)
        tokens = asked_tokens(store, measured, self.settings.objective.likelihood)  # type: ignore[attr-defined]
        return {
            f"{moment}/sums": measured.sums,
            f"{moment}/counts": measured.counts,
            f"{moment}/documents": store.document_of(measured.ids),
            f"{moment}/size": np.array([tokens, store.num_bytes]),
        }

    def retrieved(self, split: str) -> dict[str, NDArray[Any]]:
        """Ranks of held-out captions and pictures for each other, of a model that puts both into one space."""
        from acclimate.evaluate.retrieval import retrieved
        from acclimate.pipeline.setup_torch import threads

        if self.settings.objective.kind not in ("dual", "matching"):  # type: ignore[attr-defined]
            return {}
        objective = self.settings.objective.build(tokenizer=self.tokenizer, seed=self.recipe.seed, fixed=True)
        with threads(self.machine.threads):
            found = retrieved(self.model, objective, self.store(split), device=self.machine.device)
        return {f"retrieval/{name}": one for name, one in found.arrays().items()}

    def follow(self) -> None:
        """As another rank: take rank 0's steps beside it. It knows when to stop, and ends this process."""
        from acclimate.engine.growing import stages
        from acclimate.engine.loop import train
        from acclimate.recipe.units import Length

        training, state, _, _ = self.prepared()
        for stage in stages(replace(training, length=Length(1e15, "steps")), state):
            for _ in train(stage, state):
                pass

    def prepared(self) -> tuple[Training, TrainState, Checkpoints, Path | None]:
        """The training, its state, where it is saved, and the checkpoint it was resumed from, if any."""
        from acclimate.engine.checkpoint import Checkpoints
        from acclimate.engine.loop import Training
        from acclimate.objectives.regulariser import regularised
        from acclimate.pipeline.feeding import reference_feed, training_feed

        settings = self.settings
        schedule = settings.schedule.build(length=settings.length)
        objective = settings.objective.build(tokenizer=self.tokenizer, seed=self.recipe.seed)
        objective = regularised(objective, settings.regularise, self.model)
        state = self.state(schedule, objective)
        if settings.average is not None:
            state.average = settings.average.build(model=self.model, length=settings.length)
        training = Training(
            objective=objective,
            feed=training_feed(self.recipe, self.store("train"), self.work, len(self.tokenizer)),
            schedule=schedule,
            length=settings.length,
            seed=self.recipe.seed,
            precision=self.machine.precision,
            device=self.machine.device,
            ranks=self.ranks,
            reference=reference_feed(self.recipe, self.work, self.tokenizer),
        )
        checkpoints = Checkpoints(
            self.work.workspace / "checkpoints",
            keep=settings.checkpoint.keep,
            warn=lambda text: self.work.emit("warning", message=text),
        )
        with self.ranks.first():  # rank 0 mends what a crash has left there
            resumed = checkpoints.resume(state)
        return training, state, checkpoints, resumed

    def state(self, schedule: Any, objective: Any) -> TrainState:
        """The state at the start; of a model that grows, with its first layers."""
        from acclimate.engine.growing import GrowingState
        from acclimate.engine.state import TrainState, carrying, listening
        from acclimate.models.growing import Stacks

        settings, grow = self.settings, self.settings.grow
        listeners, carriers = listening(schedule), carrying(objective)

        def optimizer() -> Any:
            return settings.optimizer.build(model=self.model)

        def gradients() -> list[Any]:
            return [part.build() for part in settings.gradients]

        if grow is None:
            return TrainState(self.model, optimizer(), gradients(), listeners, carriers)
        stacks = Stacks(self.model)
        phases = grow.plan(stacks.depth, settings.length)
        return GrowingState(self.model, stacks, phases, grow.by, optimizer, gradients, listeners, carriers)

    def train(self, team: Team, tokens_per_byte: float) -> tuple[TrainState, float]:
        """Train from the newest checkpoint, or from the start; returns the last state and the seconds of training.

        tokens_per_byte: of the held-out text, of the tokens that are asked for or stand for those that are.
        """
        from acclimate.engine.fit import Surroundings
        from acclimate.engine.growing import fit_stages
        from acclimate.pipeline.setup_torch import threads
        from acclimate.pipeline.training_log import TrainingLog

        settings = self.settings
        training, state, checkpoints, resumed = self.prepared()
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
        stated = settings.objective.likelihood is not None  # type: ignore[attr-defined]
        with (
            threads(team.threads),
            self.work.stop.polite(),
            TrainingLog(
                self.work,
                settings.length,
                done=state.progress.steps,
                tokens_per_byte=tokens_per_byte if stated else None,
            ) as log,
        ):
            for record in fit_stages(training, state, around):
                log.write(record, state.progress)
            log.copy_to(self.work.folder)
        team.end()
        if self.work.stop():  # asked while the logs were copied
            raise Interrupted
        return state, state.progress.seconds
