"""The section of a recipe that lets a model start with its first layers and grow, and the plan that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator, model_validator

from acclimate.recipe.settings import Settings, problem
from acclimate.recipe.units import Length, Share


@dataclass(frozen=True)
class Phase:
    """What is trained for a stretch of the pretraining."""

    layers: int
    """How many of its layers the model has (each stack of them)."""
    first: int
    """The first layer that trains; with 0 everything trains, else what is below holds still."""
    rate: float
    """What the learning rate is multiplied by."""
    until: Length | None
    """Where it ends, measured from the start of the pretraining; None: where the pretraining ends."""


class GrowStage(Settings):
    """A stretch of the pretraining in which the model has its first layers alone."""

    layers: int = Field(ge=1)
    """How many; of a model that reads and writes, in each of the two stacks."""
    length: Share
    """Share of the pretraining's length."""
    rate: float = Field(default=1.0, gt=0)
    """What the learning rate is multiplied by meanwhile."""

    @field_validator("length")
    @classmethod
    def _some(cls, value: float) -> float:
        if not value:
            raise ValueError("expected more than 0%: a stage without length trains nothing")
        return value


class Grow(Settings):
    """Starts with the model's first layers, and adds the others in stages; the last stage, for what is left of the
    length, has all layers and trains all of them. What is delivered is the model as it would be without.

    The learning rate follows its schedule over the whole length; the optimizer and the state of gradient transforms
    start anew at each stage. Sources: Gong et al. 2019, "Efficient Training of BERT by Progressively Stacking"
    (StackBERT: `by: copy`, 3 layers, 6, 12); Yang et al. 2020, "Progressively Stacking 2.0: A Multi-stage Layerwise
    Training Method" (MSLT: `train: new`); Chen et al. 2016, "Net2Net", for growth that keeps the function.
    """

    stages: list[GrowStage] = Field(min_length=1)
    """The stages before the last one."""
    by: Literal["copy", "zero"] = "copy"
    """What an added layer is. copy: of those that are there, the ones at the top once more and in their order, as often
    as it takes; twice as many layers are StackBERT's. zero: its random weights, but what its branches add is 0, so that
    the model computes what it did before (where norms stand after each layer, the last one's gain and bias move up)."""
    train: Literal["all", "new"] = "all"
    """What a later stage trains. new: the layers it added and what stands above; the layers below and the embeddings, a
    table that the head shares included, keep their bits, without dropout, gradients or optimizer state (MSLT)."""

    @field_validator("stages")
    @classmethod
    def _grows(cls, stages: list[GrowStage]) -> list[GrowStage]:
        for number, (below, above) in enumerate(pairwise(stages), start=1):
            if above.layers <= below.layers:
                message = f"expected more than the {below.layers} of the stage before, found {above.layers}"
                raise problem(message, at=(number, "layers"))
        return stages

    @model_validator(mode="after")
    def _no_idle_choice(self) -> Grow:
        if self.train == "new" and len(self.stages) == 1:
            words = "the first and the last stage train all that is there; expected one between them, or `train: all`"
            raise problem(f"new: {words}", at=("train",))
        return self

    @model_validator(mode="after")
    def _leaves_some(self) -> Grow:
        total = round(100 * sum(stage.length for stage in self.stages), 6)
        if total >= 100:
            raise problem(
                f"the stages take {total:g}% of the length, which leaves nothing for the last one, that of the whole "
                "model; expected less than 100%",
                at=("stages",),
            )
        return self

    def plan(self, depth: int, length: Length) -> list[Phase]:
        """The phases of a pretraining of this length, for a model with `depth` layers."""
        phases: list[Phase] = []
        done = 0.0
        for stage in self.stages:
            done += stage.length
            first = phases[-1].layers if phases and self.train == "new" else 0
            # Rounded, for 10% and 20% are not quite 30%, which would take a step more.
            until = Length(round(done * length.amount, 6), length.unit)
            phases.append(Phase(stage.layers, first, stage.rate, until))
        return [*phases, Phase(depth, 0, 1.0, None)]
