"""Labelling tokens: a class for each word, asked at its first token.

Legend: T tokens in the row, B sequences, M words with a label, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TokenLabels:
    """The objective of tasks that label words, such as finding entities: mean cross entropy over words.

    Input: sequences with `tags` [T], the class of a word at its first token and −1 elsewhere. Requires a model of the
    kind tokens. Source: Devlin et al. 2019, section 5.3 (a word is judged by its first token).
    """

    num_terms = 1

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Nothing is hidden. Raises ValueError for a tag that is no class."""
        tags = sequences.by_token["tags"]
        places = np.flatnonzero(tags >= 0)
        if len(places) and int(tags.max()) >= self._num_classes:
            raise ValueError(f"tag {int(tags.max())} does not fit {self._num_classes} classes")
        return pack(sequences, target_positions=places, targets=tags[places])

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of words."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over words."""
        import torch
        from torch.nn.functional import cross_entropy

        from acclimate.models.forward import encode, token_class_logits

        hidden = encode(model, batch).index_select(0, batch.target_positions)
        each = cross_entropy(token_class_logits(model, hidden), batch.targets, reduction="none")
        owner = torch.searchsorted(batch.cu_seqlens, batch.target_positions, right=True) - 1
        return Loss(
            sum=each.sum(),
            count=float(len(each)),
            per_sequence=each.new_zeros(len(batch.ids)).index_add_(0, owner, each.detach()),
            counts=torch.bincount(owner, minlength=len(batch.ids)),
        )
