"""A second question about the training examples, asked of a lower layer while the task is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.transfer.methods.blocks import Blocks, require_block
from acclimate.transfer.methods.freeze import Freeze, HeadOnly
from acclimate.transfer.methods.method import Prelude, chain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acclimate.transfer.tuning import Course, Tuned


class Auxiliary(Prelude):
    """Beside its head the model gets another while it is tuned, which reads the mean of a layer's output and tells the
    classes of another column of the training examples: L = L_task + λ·L_auxiliary. It is taken off afterwards.

    Source: Caruana 1997, "Multitask Learning"; Søgaard and Goldberg 2016 for low layers that learn low tasks. It helps
    where that column tells something that the task needs and its own labels say too rarely. An example without a label
    there counts in the task's loss alone; validation and test need none. λ = 0 is plain tuning.
    Example: `transfer: {auxiliary: {label: category, layer: 1, weight: 0.3}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "auxiliary")
    reads_rows: ClassVar[bool] = True

    label: Column
    """Column of the other labels."""
    layer: int = -1
    """Which layer's output it reads: 0 is the lowest, −1 the last."""
    weight: float = Field(default=0.3, ge=0)
    """λ: how much it counts beside the task's own loss."""

    @model_validator(mode="after")
    def _teaches_something(self) -> Auxiliary:
        for one in chain(self.then):
            name = one.registered_as[1]
            if isinstance(one, Auxiliary):
                raise problem("then: one auxiliary head is enough; leave the other out", at=("then",))
            if not one.regularises:
                raise problem(f"then: {name} fits its head without the task's loss", at=("then",))
            still = isinstance(one, Freeze) and one.embeddings and one.layers > self.layer >= 0
            if still or isinstance(one, HeadOnly):
                words = f"then: {name} holds still all that layer {self.layer} is made by; nothing would learn from it"
                raise problem(words, at=("then",))
        return self

    def named(self) -> Sequence[int | str]:
        return (self.layer, *self.following.named())

    def require_blocks(self, number: int) -> None:
        require_block(self.layer, number, "transfer.auxiliary.layer")
        self.following.require_blocks(number)

    def require_learning(self, blocks: Blocks, trained: frozenset[str]) -> None:
        """Raises UserError where of what makes the layer's output nothing trains."""
        lower = range(self.layer % blocks.number + 1) if blocks.number else ()
        made_by = blocks.embeddings.union(*(blocks.block(one) for one in lower))
        if self.weight and trained and not made_by & trained:
            still = chain(self)[-1].registered_as[1]
            words = f"{still} holds still all that layer {self.layer} is made by; nothing would learn from it"
            raise UserError(f"transfer.auxiliary.then: {words}")

    def refuses(self, family: Any) -> str | None:
        models = f"and models of the family {family.registered_as[1]}"
        if not family.packed:
            return f"auxiliary: reads a layer of packed rows, {models} are given padded ones"
        if "seq2seq" in family.kinds:
            return f"auxiliary: reads one stack of layers, {models} have two"
        return self.following.refuses(family)

    def conduct(self, course: Course) -> Tuned:
        from acclimate.transfer.methods.auxiliary_head import conduct_with_head

        return conduct_with_head(self, course) if self.weight else self.following.conduct(course)


def further_column(method: Any) -> Column | None:
    """The column of the training examples that a way of transfer reads besides the task's own; None without one."""
    return next((one.label for one in chain(method) if isinstance(one, Auxiliary)), None)
