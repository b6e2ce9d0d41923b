"""The training loop: a generator that yields one record per optimizer step. Everything else consumes it.

Order of events in a step:

    take this rank's sequences → seed the generator by (seed, step, rank) → prepare micro-batches
    learning rate → for each micro-batch: forward → summed loss / targets of the whole step, all ranks → backward
    sum loss and gradients over ranks (`ranks.py`; a training is one process unless told otherwise)
    unscale (fp16) → finite check → gradient transforms in their order → optimizer step → zero
    advance progress and position → yield

Some gradient transforms act in the passes already: `backward.py`. In fp16 a step whose gradients are infinite is
skipped, and the loss scaled less from then on (`loss_scaling.py`); elsewhere it ends the training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch

from acclimate.engine.backward import Backward
from acclimate.engine.feed import Feed, Helping
from acclimate.engine.precision import Precision
from acclimate.engine.ranks import Ranks
from acclimate.engine.state import TrainState
from acclimate.errors import UserError
from acclimate.models.quick_modules import quicken
from acclimate.objectives.protocol import Objective
from acclimate.optim.gradients import Gradients, apply_all
from acclimate.optim.layer_hooks import NonFiniteGradient
from acclimate.recipe.units import Length, Progress


class NonFiniteLoss(UserError):
    """The loss or its gradient is not a number any more."""


@dataclass(frozen=True)
class StepRecord:
    """What one optimizer step did."""

    step: int
    """Steps done, this one included."""
    loss: float
    """Mean over the step's targets; of a loss of several terms the weighted sum of their means."""
    tokens: int
    """Real tokens of this step, no padding."""
    sequences: int
    targets: float
    """Of the leading term of the loss."""
    seconds: float
    learning_rate: float
    gradient_norm: float
    """Before any transform."""
    figures: dict[str, float] = field(default_factory=dict)
    """What transforms and objectives add."""


@dataclass(frozen=True)
class Training:
    """The parts that do not change while training."""

    objective: Objective
    feed: Feed
    schedule: Callable[[Progress], float]
    length: Length
    seed: int
    precision: Precision = "fp32"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    ranks: Ranks = field(default_factory=Ranks)
    reference: Feed | None = None
    """Texts whose gradient a transform wants to know (`project_negative`)."""


def train(training: Training, state: TrainState) -> Iterator[StepRecord]:
    """Optimizer steps until the length is reached. The state may be saved whenever a record was yielded."""
    rates = [group.setdefault("peak_lr", group["lr"]) for group in state.optimizer.param_groups]
    ranks = training.ranks
    still = frozen_modules(state.model)
    _to_train(state.model, still)
    quicken(state.model)
    backward = Backward(training, state)
    while not training.length.reached(state.progress):
        began = time.perf_counter()
        step = training.feed.take(state.position, rank=ranks.rank, size=ranks.size)
        torch.manual_seed(_mixed(training.seed, state.progress.steps * ranks.size + ranks.rank))
        batches = [training.objective.prepare(sequences) for sequences in step.micro_batches]
        counts = [training.objective.count(batch) for batch in batches]
        totals = ranks.begin(_column_sums(counts, training.objective.num_terms), state)
        if not any(totals):
            named = training.feed.described(step.ids)
            raise UserError(f"step {state.progress.steps + 1}: nothing to learn from in {_shown(named)}")

        factor = ranks.shared_rate(training.schedule(state.progress), state) * step.rate
        for group, rate in zip(state.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        in_fp16 = training.precision == "fp16"
        scale = state.scaler.scale if in_fp16 else 1.0
        try:
            passed = backward.run(batches, totals, scale)
        except NonFiniteGradient as error:
            raise _broken(str(error), state.progress.steps + 1, training.feed.described(step.ids)) from None
        loss, parts = ranks.sum_gradients(state.model, passed.loss, passed.parts)
        gradients = Gradients(state.model.named_parameters())
        gradients.scale(passed.factor / scale)
        norm = backward.norm(gradients)
        finite = math.isfinite(loss) and math.isfinite(norm)
        if not finite and not (in_fp16 and math.isfinite(loss) and state.scaler.found_infinite()):
            raise _not_finite(loss, norm, state.progress.steps + 1, training.feed.described(step.ids))
        if finite and not passed.empty:
            parts.update(apply_all(backward.afterwards, gradients))
            gradients.hand_over(state.optimizer)
            state.optimizer.step()
            if in_fp16:
                state.scaler.step_was_taken()
        else:
            parts["skipped"] = 1.0
        if in_fp16:
            parts["loss_scale"] = scale
        state.optimizer.zero_grad(set_to_none=True)

        seconds = time.perf_counter() - began
        state.position = step.following
        state.progress = _advanced(state.progress, step, training.feed.epochs(step.following), seconds)
        state.stepped()
        yield StepRecord(
            step=state.progress.steps,
            loss=loss,
            tokens=step.tokens,
            sequences=len(step.ids),
            targets=totals[0],
            seconds=seconds,
            learning_rate=rates[0] * factor,
            gradient_norm=norm,
            figures=parts,
        )
        _to_train(state.model, still)  # a consumer may have validated in between


def _advanced(before: Progress, step: Helping, epochs: float, seconds: float) -> Progress:
    return replace(
        before,
        steps=before.steps + 1,
        tokens=before.tokens + step.tokens,
        sequences=before.sequences + len(step.ids),
        epochs=epochs,
        seconds=before.seconds + seconds,
    )


def _column_sums(counts: list[tuple[float, ...]], num_terms: int) -> list[float]:
    return [sum(one) for one in zip(*counts, strict=True)] or [0.0] * num_terms


def frozen_modules(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The largest modules that have parameters, and none that trains: what is still has no dropout."""
    parameters = list(model.parameters())
    if parameters and not any(one.requires_grad for one in parameters):
        return [model]
    return [module for child in model.children() for module in frozen_modules(child)]


def _to_train(model: torch.nn.Module, still: list[torch.nn.Module]) -> None:
    model.train()
    for module in still:
        module.eval()


def _mixed(seed: int, step: int) -> int:
    """One 63-bit seed from the two (splitmix64's finaliser): neighbouring steps get unrelated streams."""
    x = (seed * 0x9E3779B97F4A7C15 + step + 1) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ (x >> 31)) >> 1


def _not_finite(loss: float, norm: float, step: int, documents: list[str]) -> NonFiniteLoss:
    what = (
        f"the loss is {loss}"
        if not math.isfinite(loss)
        else f"the loss is {loss:.4g}, its gradient's norm {norm}"
    )
    return _broken(f"{what}. The step was not taken", step, documents)


def _broken(what: str, step: int, documents: list[str]) -> NonFiniteLoss:
    return NonFiniteLoss(f"step {step}: {what}. Documents of its batch: {_shown(documents)}")


def _shown(documents: list[str]) -> str:
    unique = list(dict.fromkeys(documents))
    return ", ".join(unique[:10]) + (f" and {len(unique) - 10} more" if len(unique) > 10 else "")
