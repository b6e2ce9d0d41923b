"""Task-adaptive pretraining: before it is tuned, the model learns from the task's own training texts."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from acclimate.recipe.roles import Every, Gradients, Objective, Optimizer, Schedule
from acclimate.recipe.sections import Pretrain
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Batch, Length
from acclimate.transfer.methods.method import Prelude


class Tapt(Prelude):
    """The model goes on with a pretraining on the texts of the task's training part, without their labels; then it is
    tuned. It is done once for each arm, from where that arm starts: beside the recipe's own pretraining on the domain
    (DAPT) the two arms are TAPT alone and both.

    Source: Gururangan et al. 2020, "Don't Stop Pretraining": 100 epochs of 256 sequences at 1e-4; it helped most where
    there is little text, and DAPT then TAPT was best in seven of eight tasks.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "tapt")

    objective: Objective = Field(default="mlm")  # type: ignore[assignment]
    """What is hidden from the model, and the loss."""
    length: Every = Length.parse("100 epochs")
    """How long."""
    batch: Batch = Length.parse("256 sequences")
    """What one optimizer step sees, in tokens or sequences."""
    sequence_length: int = Field(default=128, ge=8)
    """Longest sequence in tokens, special ones included; longer texts are cut into several."""
    optimizer: Optimizer = Field(default={"adamw": {"lr": 1e-4}})  # type: ignore[assignment]
    """The optimizer."""
    schedule: Schedule = Field(default={"linear": {"warmup": "6%"}})  # type: ignore[assignment]
    """How the learning rate moves over the length."""
    gradients: Gradients = Field(default=[{"clip_norm": 1.0}])  # type: ignore[list-item]
    """What is done to the gradients between backward and step, in this order."""

    @model_validator(mode="after")
    def _learns_from_text(self) -> Tapt:
        objective: Any = self.objective
        if objective.brings_data or objective.in_streams:
            name = objective.registered_as[1]
            raise problem(f"objective: {name} does not learn from single texts", at=("objective",))
        return self

    def pretraining(self) -> Pretrain:
        """What stands here as the section of a recipe."""
        names = ("objective", "length", "batch", "sequence_length", "optimizer", "schedule", "gradients")
        return Pretrain.model_validate({name: getattr(self, name) for name in names})

    def own_text(self) -> Tapt:
        return self
