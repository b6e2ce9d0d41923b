"""The auxiliary head at work.

Legend: N training sequences, T tokens in the row, B sequences of the batch, H hidden size, A auxiliary classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from acclimate.batching.packed import PackedBatch
from acclimate.errors import UserError
from acclimate.models.building import seeded
from acclimate.models.forward import means, width
from acclimate.objectives.protocol import Loss
from acclimate.objectives.regulariser import Wrapped
from acclimate.transfer.examples.rows import FURTHER
from acclimate.transfer.methods.blocks import Blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.transfer.methods.auxiliary import Auxiliary
    from acclimate.transfer.tuning import Course, Tuned

HEAD = "auxiliary"
"""Where the head is in the model while it is tuned."""
_APART = 31


def conduct_with_head(how: Auxiliary, course: Course) -> Tuned:
    """Tune as what follows says, the head beside the model's own, and take the head off."""
    model, around = course.model, course.around
    labels, number = _classes(how, course)
    block = model.get_submodule(_block(model, how.layer))
    with seeded(course.seed + _APART):
        head = nn.Linear(width(model), number).to(around.device)
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)

    def wrap(objective: Any) -> WithAuxiliary:
        return WithAuxiliary(around.wrap(objective), block, labels, weight=how.weight)

    model.add_module(HEAD, head)
    try:
        return how.following.conduct(replace(course, around=replace(around, wrap=wrap)))
    finally:
        delattr(model, HEAD)


def _classes(how: Auxiliary, course: Course) -> tuple[NDArray[np.int64], int]:
    """([N] the auxiliary class of each training sequence, −1 where none is known; how many classes there are)."""
    number, reference = len(course.train.store.lengths), course.around.reference
    number += 0 if reference is None else len(reference.store.lengths)  # they are numbered behind it
    told = [course.around.facts(one).get(FURTHER) for one in range(number)]
    names = sorted({one for one in told if one is not None})
    if len(names) < 2:
        words = f"the training examples have {len(names)} labels in {how.label!r}, and two are needed"
        raise UserError(f"transfer.auxiliary.label: {words}")
    known = {name: number for number, name in enumerate(names)}
    return np.array([-1 if one is None else known[one] for one in told], dtype=np.int64), len(names)


def _block(model: PreTrainedModel, layer: int) -> str:
    found = Blocks(model).modules(layer)
    if len(found) != 1:
        words = f"layer {layer} is {', '.join(found) or 'not a module of its own'}"
        raise UserError(f"transfer.auxiliary: takes models with one stack of layers; here {words}")
    return found[0]


class WithAuxiliary(Wrapped):
    """One more term, `auxiliary`: cross entropy of the auxiliary classes, of the sequences that have one. Of an
    objective that runs a batch more than once the last pass is read."""

    def __init__(self, inner: Any, block: nn.Module, labels: NDArray[np.int64], *, weight: float) -> None:
        """block: whose output is read. labels: [N], −1 for none."""
        super().__init__(inner)
        self._block, self._labels, self._weight = block, labels, weight
        self.num_terms = inner.num_terms + 1

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        return (*self.inner.count(batch), float((self._labels[batch.ids] >= 0).sum()))

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The objective's loss, and what the head says of the layer."""
        seen: list[Tensor] = []
        hook = self._block.register_forward_hook(lambda _, given, out: seen.append(_hidden(out)))
        try:
            loss = self.inner.loss(model, batch)
        finally:
            hook.remove()
        labels = torch.from_numpy(self._labels[batch.ids]).to(batch.tokens.device)
        logits = model.get_submodule(HEAD)(means(seen[-1], batch))
        wrong = cross_entropy(logits.float(), labels, ignore_index=-1, reduction="sum")
        term = Loss(wrong, float((labels >= 0).sum()), name="auxiliary", weight=self._weight)
        return loss.with_term(term)  # type: ignore[no-any-return]


def _hidden(out: Any) -> Tensor:
    """[T, H] of what a layer gives."""
    hidden: Tensor = out[0] if isinstance(out, tuple) else out
    return hidden.reshape(-1, hidden.shape[-1])
