"""Terms that hold a model to what it was: in its weights, or in what it says.

Legend: N examples, B sequences, C classes, K of them known before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import kl_div

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.protocol import Loss
from acclimate.objectives.regulariser import Wrapped

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.transfer.tuning import Lesson


def fisher_information(model: PreTrainedModel, lesson: Lesson, number: int) -> dict[str, Tensor]:
    """The diagonal of the empirical Fisher information of the weights that train: the mean over the first examples, at
    most `number`, of the squared gradient of each one's loss. The model is left as it is found."""
    training = model.training
    model.eval()
    weights = {name: one for name, one in model.named_parameters() if one.requires_grad}
    found = {name: torch.zeros_like(one) for name, one in weights.items()}
    ids = np.arange(min(number, len(lesson.store.lengths)))
    device = next(model.parameters()).device
    for id in ids:
        chosen = np.array([id])
        batch = lesson.objective.prepare(lesson.store.fetch(chosen, np.zeros_like(chosen)))
        model.zero_grad(set_to_none=True)
        lesson.objective.loss(model, batch.to(device)).sum.backward()  # type: ignore[arg-type, no-untyped-call]
        for name, one in weights.items():
            if one.grad is not None:
                found[name] += one.grad.detach().to_dense().square() / len(ids)
    model.zero_grad(set_to_none=True)
    model.train(training)
    return found


class Elastic(Wrapped):
    """One more term, `ewc`: Σ F·(θ − θ*)² / 2."""

    def __init__(
        self, inner: Any, fisher: Mapping[str, Tensor], anchor: Mapping[str, Tensor], *, strength: float
    ) -> None:
        super().__init__(inner)
        self._fisher, self._anchor, self._strength = fisher, anchor, strength
        self.num_terms = inner.num_terms + 1

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        return (*self.inner.count(batch), 1.0)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The objective's loss, and how far the weights have gone."""
        weights = dict(model.named_parameters())
        away = torch.stack(
            [
                (one * (weights[name] - self._anchor[name]).square()).sum()
                for name, one in self._fisher.items()
            ]
        ).sum()
        term = Loss(away / 2, 1.0, name="ewc", weight=self._strength)
        return self.inner.loss(model, batch).with_term(term)  # type: ignore[no-any-return]


class Distilled(Wrapped):
    """One more term, `lwf`: T²·KL of what was said before and is said now, over the classes known before. Where a text
    may have several labels each is a question of its own: over no and yes, of the labels known before."""

    def __init__(
        self, inner: Any, before: PreTrainedModel, known: Sequence[int], *, weight: float, temperature: float
    ) -> None:
        """before: the model as it was. known: ids of the classes that it knew."""
        super().__init__(inner)
        self._before, self._known = before, list(known)
        self._weight, self._temperature = weight, temperature
        self._several = inner.classes_of is None
        self.num_terms = inner.num_terms + 1

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        return (*self.inner.count(batch), self._number(batch))

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The objective's loss, and the divergence summed over sequences, or those of all known labels."""
        loss, scores = self.inner.scored(model, batch)
        with torch.no_grad():
            _, then = self.inner.scored(self._before, batch)
        said, now = (self._known_only(one, len(batch.ids)) for one in (then, scores))
        apart = kl_div(now, said, reduction="sum", log_target=True) * self._temperature**2
        term = Loss(apart, self._number(batch), name="lwf", weight=self._weight)
        return loss.with_term(term)  # type: ignore[no-any-return]

    def _number(self, batch: PackedBatch) -> float:
        return float(len(batch.ids) * (len(self._known) if self._several else 1))

    def _known_only(self, scores: Tensor, number: int) -> Tensor:
        """Log probabilities at the temperature: [B, K] of [B, C]; with several labels [B·K, 2] of [B·C, 2]."""
        if self._several:
            known = scores.view(number, -1, 2)[:, self._known].flatten(0, 1)
        else:
            known = scores[:, self._known]
        return (known / self._temperature).log_softmax(-1)
