"""The stages of a task: its examples, one fine-tuning per arm and seed, and the evaluation that compares the arms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.pipeline.accounting import account
from acclimate.pipeline.independent import independently
from acclimate.pipeline.periods import ANSWERS as OF_PERIODS
from acclimate.pipeline.periods import (
    classes,
    earlier_names,
    identity,
    of_its_classes,
    read_earlier,
    read_part,
    what_was_kept,
)
from acclimate.pipeline.pretrain import (
    MODEL,
    model_identity,
    model_settings,
    require_positions,
)
from acclimate.pipeline.stage import Stage, Work
from acclimate.pipeline.starting_point import VOCABULARY
from acclimate.pipeline.task_start import (
    Arm,
    adapted,
    arms,
    as_it_was,
    keeps_model,
    stages_before,
    start_model,
    task_stage_name,
)
from acclimate.pipeline.together import learnt_together, stage_name, take, together_stage
from acclimate.pipeline.tokens import read_json
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.tuning import Lesson

Digests = Callable[[Path], str]
ANSWERS, OUTCOME, EVALUATION = "{}-answers.safetensors", "outcome.json", "evaluation.json"


def examples_stage(recipe: Recipe, name: str, digests: Digests) -> Stage:
    """Labelled files → checked, split examples."""
    task: Any = recipe.tasks[name]
    others = task.earlier()

    def run(work: Work) -> None:
        from acclimate.transfer.examples.preparing import build_examples

        try:
            statistics = build_examples(task, work.folder, work.tell, others)
        except UserError as error:
            raise UserError(f"tasks.{name}: {error}") from None
        account(work, statistics)

    return Stage(
        name=f"examples-{name}",
        kind="examples",
        version=3,
        settings=task.data_settings(),
        outside=task.fingerprint(digests) | identity(others, digests),
        run=run,
    )


def augmented_stage(recipe: Recipe, name: str, digests: Digests) -> Stage:
    """Training examples → these and new ones made from them; for a task that asks for it."""
    task: Any = recipe.tasks[name]
    source = f"examples-{name}"

    def run(work: Work) -> None:
        from acclimate.transfer.augment.augmenting import augment_examples

        told = augment_examples(
            task.augment, work.inputs[source].folder, work.folder, seed=recipe.seed, tell=work.tell
        )
        work.emit("augmented", **told)

    return Stage(
        name=f"augmented-{name}",
        kind="augmented",
        version=1,
        settings={"seed": recipe.seed, "augment": [one.settings() for one in task.augment]},
        outside={str(number): one.fingerprint(digests) for number, one in enumerate(task.augment)},
        needs=(source,),
        packages=("torch", "transformers") if any(one.uses_model for one in task.augment) else (),
        run=run,
    )


def training_part(recipe: Recipe, name: str) -> str:
    """The stage that holds the examples that a task's models learn from."""
    task: Any = recipe.tasks[name]
    return f"augmented-{name}" if getattr(task, "augment", None) else f"examples-{name}"


def task_stages(recipe: Recipe, name: str, digests: Digests) -> list[Stage]:
    """One fine-tuning per arm and seed. All but the data and the judging of a task decides them."""
    task: Any = recipe.tasks[name]
    stages = []
    for arm in arms(recipe, name):
        for number in range(task.seeds):
            if name in learnt_together(recipe):
                stages.append(_taking(recipe, name, arm, number))
                continue
            start = "pretrain" if arm == "with" else VOCABULARY if adapted(recipe, arm) else None
            tokenizer = None if as_it_was(recipe, arm) else "tokenizer"
            # Only models of the first arm may be delivered, so only theirs are kept.
            settings = {
                "task": task.training_settings(),
                "seed": recipe.seed + number,
                "keeps_model": keeps_model(recipe, name, arm),
            }
            if arm == "without":
                settings["model"] = model_settings(recipe)
            stages.append(
                Stage(
                    name=task_stage_name(name, arm, number),
                    kind="task",
                    version=6 if task.before else 5,
                    settings=settings,
                    outside=model_identity(recipe, digests) if start is None else {},
                    needs=_needs(
                        *earlier_names(recipe, name),
                        f"examples-{name}",
                        training_part(recipe, name),
                        tokenizer,
                        start,
                        *stages_before(recipe, name, arm, number).values(),
                    ),
                    packages=("torch", "transformers", *_used_by(task)),
                    run=_finetuning(recipe, name, arm, number),
                )
            )
    return stages


def _used_by(task: Any) -> list[str]:
    """The packages of its ways of transfer."""
    from acclimate.transfer.methods.method import chain

    return sorted({name for one in chain(task.transfer) for name in one.packages})


def _taking(recipe: Recipe, name: str, arm: Arm, number: int) -> Stage:
    """A task's part of the training that it shares with others."""
    shared = stage_name(arm, number)
    return Stage(
        name=task_stage_name(name, arm, number),
        kind="task",
        version=3,
        settings={"of": shared, "task": name},
        needs=(shared,),
        run=lambda work: take(work, name, shared),
    )


def together_stages(recipe: Recipe, digests: Digests) -> list[Stage]:
    """The trainings that tasks share: one for each arm and seed."""
    names = learnt_together(recipe)
    found = []
    for arm in dict.fromkeys(arm for name in names for arm in arms(recipe, name)):
        start = "pretrain" if arm == "with" else VOCABULARY if adapted(recipe, arm) else None
        tokenizer = None if as_it_was(recipe, arm) else "tokenizer"
        for number in range(recipe.tasks[names[0]].seeds):  # type: ignore[attr-defined]
            found.append(
                together_stage(
                    recipe,
                    arm,
                    number,
                    prepared=partial(_prepared, recipe, arm=arm, number=number),
                    keeps=any(arm == arms(recipe, name)[0] for name in names),
                    needs=_needs(
                        *(f"examples-{name}" for name in names),
                        *(training_part(recipe, name) for name in names),
                        tokenizer,
                        start,
                    ),
                    settings={"model": model_settings(recipe)} if arm == "without" else {},
                    outside=model_identity(recipe, digests) if start is None else {},
                )
            )
    return found


def _needs(*stages: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in stages if one))


@dataclass(frozen=True)
class Prepared:
    """A task with a model to be tuned to it."""

    task: Any
    model: PreTrainedModel
    tokenizer: Any
    at_work: Any
    machine: Any
    learnt: Examples
    validation: Examples
    test: Examples

    def lesson(self, examples: Examples) -> Lesson:
        return self.at_work.lesson(examples, self.learnt)  # type: ignore[no-any-return]

    def finish(self) -> None:
        """Give the tuned model what it needs to answer as it was learnt."""
        self.task.finish(self.model, self.learnt)

    def write(self, folder: Path, outcome: dict[str, Any], *, keeps: bool) -> None:
        """Write the tuned model's answers, what training gave, and, where it may be delivered, the model."""
        from safetensors.numpy import save_file

        from acclimate.artifacts.durable import write_json

        device, precision = self.machine.device, self.machine.precision
        for part, asked in (("validation", self.validation), ("test", self.test)):
            told = self.at_work.answers(self.model, asked, precision=precision, device=device)
            save_file(dict(told), folder / ANSWERS.format(part))
        write_json(folder / OUTCOME, outcome)
        if keeps:
            if self.task.keep is not None:
                self.task.keep.settle(self.model)
            _keep(folder / MODEL, self.model, self.tokenizer, self.task.sequence_length)
            self.task.accompany(folder / MODEL, self.model)


def _prepared(recipe: Recipe, name: str, work: Work, *, arm: Arm, number: int) -> Prepared:
    from acclimate.pipeline.setup_torch import prepare
    from acclimate.tokenizer.loading import load_tokenizer

    task: Any = recipe.tasks[name]
    seed = recipe.seed + number
    machine = prepare(work.hardware)
    names = classes(recipe, name, work)
    own = as_it_was(recipe, arm)
    place = recipe.model.starts_from if own else work.inputs["tokenizer"].folder  # type: ignore[attr-defined]
    tokenizer = load_tokenizer(place)
    model = start_model(recipe, name, arm, work, tokenizer, task.labels(names), number)
    require_positions(model, f"tasks.{name}.sequence_length", task.sequence_length)
    at_work = task.build(names=names, tokenizer=tokenizer, seed=seed)
    task.furnish(model, names=names, seed=seed)
    learnt = read_part(work, training_part(recipe, name), "train", names)
    held_out = (read_part(work, f"examples-{name}", part, names) for part in ("validation", "test"))
    return Prepared(task, model, tokenizer, at_work, machine, learnt, *held_out)


def _finetuning(recipe: Recipe, name: str, arm: Arm, number: int) -> Callable[[Work], None]:
    task: Any = recipe.tasks[name]
    seed = recipe.seed + number

    def run(work: Work) -> None:
        from safetensors.numpy import save_file

        from acclimate.pipeline.training_log import TrainingLog
        from acclimate.transfer.incremental.periods import Period, learn
        from acclimate.transfer.tuning import Around

        one = _prepared(recipe, name, work, arm=arm, number=number)
        earlier = read_earlier(recipe, name, work, classes(recipe, name, work))
        periods = [*earlier, Period(one.learnt, one.validation, one.test)]
        machine = one.machine
        with TrainingLog(work, task.length) as log:
            around = Around(machine.precision, machine.device, work.hardware.micro_batch, watch=log.write)
            done = learn(task, one.at_work, one.model, periods, seed=seed, around=around)
            log.copy_to(work.folder)
        for (after, of), told in done.answers.items():
            save_file(dict(told), work.folder / OF_PERIODS.format(after, of))
        outcome = {**asdict(done.tuned), "truncated": done.truncated, "seed": seed, "arm": arm}
        one.finish()
        one.write(work.folder, outcome, keeps=keeps_model(recipe, name, arm))

    return run


def _keep(place: Path, model: PreTrainedModel, tokenizer: Any, sequence_length: int) -> None:
    from acclimate.artifacts.durable import new_folder
    from acclimate.models.finding import family_of
    from acclimate.tokenizer.specials import suit

    folder = new_folder(place)
    model.save_pretrained(folder)
    tokenizer.model_max_length = sequence_length  # what it was tuned and judged at
    suit(tokenizer, segments="segments" in family_of(model.config).token_inputs)
    tokenizer.save_pretrained(folder)


def evaluation_stage(recipe: Recipe, name: str, digests: Digests) -> Stage:
    """Scores of all arms and seeds → metrics with intervals, the verdict, the confusion matrix, the worst errors."""
    task: Any = recipe.tasks[name]
    own_arms = arms(recipe, name)
    trained = {arm: [task_stage_name(name, arm, n) for n in range(task.seeds)] for arm in own_arms}
    every = [one for stages in trained.values() for one in stages]

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import write_json
        from acclimate.evaluate.judging import judge

        examples = work.inputs[f"examples-{name}"].folder
        names = classes(recipe, name, work)
        test = read_part(work, f"examples-{name}", "test", names)
        found = {
            arm: [task.outcomes(names, test, _answers(work, stage, "test")) for stage in stages]
            for arm, stages in trained.items()
        }
        outcomes = [read_json(work.inputs[stage].folder / OUTCOME) for stage in trained[own_arms[0]]]
        losses = [outcome["validation_loss"] for outcome in outcomes]
        delivered = losses.index(min(losses))
        statistics = read_json(examples / "statistics.json")
        judged = ([of_its_classes(one) if task.before else one for one in found[arm]] for arm in own_arms)
        evaluation = judge(
            task=name,
            with_=next(judged),
            without=next(judged, None),
            metrics=task.metrics,
            verdict_metric=task.metric,
            interval=recipe.evaluate.intervals,
            accounting={key: statistics[key] for key in ("read", "kept", "dropped")},
        )
        evaluation |= task.details(names, test, found[own_arms[0]][delivered])
        evaluation |= {key: statistics[key] for key in ("class_counts",) if key in statistics}
        if task.before:
            evaluation["periods"] = what_was_kept(recipe, name, work, trained[own_arms[0]])
        if task.independent_test is not None:
            models = [work.inputs[stage].folder / MODEL for stage in trained[own_arms[0]]]
            evaluation["independent"] = independently(recipe, name, work, models, delivered)
        write_json(
            work.folder / EVALUATION,
            {
                **evaluation,
                "kind": task.registered_as[1],
                "head": task.purpose,
                "delivered": trained[own_arms[0]][delivered],
                "arms": list(own_arms),
                "outcomes": outcomes,
            },
        )

    return Stage(
        name=f"evaluation-{name}",
        kind="evaluation",
        version=2,
        settings={
            "task": name,
            "judging": task.judging_settings(),
            "intervals": recipe.evaluate.intervals.dumped(),
            "arms": list(own_arms),
        },
        outside=task.independent_fingerprint(digests),
        needs=(*earlier_names(recipe, name), f"examples-{name}", *every),
        packages=("torch", "transformers") if task.independent_test is not None else (),
        run=run,
    )


def _answers(work: Work, stage: str, part: str) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(work.inputs[stage].folder / ANSWERS.format(part))
