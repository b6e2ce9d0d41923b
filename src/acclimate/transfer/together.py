"""Several tasks learnt together: one body or embedding, a head for each, the best weights of each by its own
validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from acclimate.batching.packed import PackedBatch
from acclimate.batching.union_store import UnionStore
from acclimate.engine.feed import Feed
from acclimate.engine.fit import Surroundings, fit
from acclimate.engine.loop import Training
from acclimate.engine.measure import Measured, measure
from acclimate.engine.state import TrainState, listening
from acclimate.objectives.mix import MixedObjective
from acclimate.objectives.protocol import Loss
from acclimate.objectives.regulariser import Wrapped, regularised
from acclimate.transfer.tuning import BATCH, Around, Lesson, Tuned

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class Member:
    """One of the tasks."""

    name: str
    model: PreTrainedModel
    train: Lesson
    validation: Lesson
    best_loss: float | None = None
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    """The weights, body and head, at its best validation."""
    waited: int = 0
    """Validations without a better loss."""
    stopped: bool = False


class Sharing(nn.Module):  # type: ignore[misc]
    """Models of several tasks on one body, or on one table of tokens; the first one's stands in all of them."""

    def __init__(self, members: Sequence[Member], share: Literal["body", "embeddings"]) -> None:
        super().__init__()
        first = members[0].model
        for member in members[1:]:
            if share == "body":
                setattr(member.model, first.base_model_prefix, first.base_model)
            else:
                member.model.set_input_embeddings(first.get_input_embeddings())
        self.tasks = nn.ModuleDict({f"task {number}": one.model for number, one in enumerate(members)})

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


class _Of(Wrapped):
    """A task's objective, asked of its own model."""

    def __init__(self, inner: Any, model: PreTrainedModel) -> None:
        super().__init__(inner)
        self._model = model

    def loss(self, model: nn.Module, batch: PackedBatch) -> Loss:
        return self.inner.loss(self._model, batch)  # type: ignore[no-any-return]


def tune_together(how: Any, members: Sequence[Member], *, seed: int, around: Around) -> Tuned:
    """Train all of them, by the settings of `together`; each member then has its `best` weights, and its model is for
    `settle` to give them to. Tasks are drawn with p ∝ n^α of their n sequences.

    A task whose own validation has not been better `patience` times in a row no longer counts in the loss; when none
    counts any more, training is over.
    """
    body = Sharing(members, how.share).to(around.device)
    weights = [float((how.weights or {}).get(one.name, 1.0)) for one in members]
    parts = [_Of(regularised(one.train.objective, how.regularise, one.model), one.model) for one in members]
    objective = MixedObjective(parts, [one.name for one in members], weights)  # type: ignore[arg-type]
    schedule = how.schedule.build(length=how.length)
    state = TrainState(
        body, how.optimizer.build(model=body), [one.build() for one in how.gradients], listening(schedule)
    )
    if how.average is not None:
        state.average = how.average.build(model=body, length=how.length)
    store = UnionStore([one.train.store for one in members], how.alpha)  # type: ignore[misc]
    training = Training(
        objective=objective,  # type: ignore[arg-type]
        feed=Feed(store, batch=how.batch, seed=seed, micro_batch=around.micro_batch),
        schedule=schedule,
        length=how.length,
        seed=seed,
        precision=around.precision,
        device=around.device,
    )

    def validate() -> Measured:
        """Of every task that still learns; what is told is the mean over all."""
        told = [_look(one, around, how.patience) for one in members]
        for number, one in enumerate(members):
            if one.stopped:
                objective.leave_out(number)
        state.stopped = all(one.stopped for one in members)
        return Measured.of_means({one.name: loss for one, loss in zip(members, told, strict=True)})

    for record in fit(training, state, Surroundings(validate=validate)):
        around.watch(record, state.progress)
    losses = [one.best_loss for one in members if one.best_loss is not None]
    return Tuned(
        sum(losses) / len(losses), state.progress.steps, state.progress.tokens, state.progress.seconds
    )


def _look(member: Member, around: Around, patience: int | None) -> float:
    """The task's loss on its own validation; its weights are kept where it is the best so far."""
    arithmetic = {"precision": around.precision, "device": around.device}
    model, lesson = member.model, member.validation
    loss = measure(model, lesson.objective, lesson.store, batch=BATCH, **arithmetic).loss  # type: ignore[arg-type]
    if member.stopped:
        return loss
    if member.best_loss is None or loss < member.best_loss:
        member.best_loss, member.waited = loss, 0
        member.best = {name: one.detach().clone() for name, one in model.state_dict().items()}
    else:
        member.waited += 1
        member.stopped = patience is not None and member.waited >= patience
    return loss


def settle(member: Member) -> PreTrainedModel:
    """The task's model with its best weights. Those of what is shared, too: one task at a time can be settled."""
    member.model.load_state_dict(member.best)
    return member.model
