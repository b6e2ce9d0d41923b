"""Labelling tokens: a tag for each word, asked at its first token.

Legend: T tokens in the row, B sequences, M words with a tag, L chains of tags, K tags in a chain, W words of the
sequence with most of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.models.crf import Crf


class TokenLabels:
    """The objective of tasks that label words, such as finding entities: mean over words and chains of −log p(tag).

    Input: sequences with `tags` [T] or, of several chains, [T, L]: at its first token the tags of a word, −1 elsewhere;
    `begins` and `ends` [B] tell of parts of texts whether the text does there. Requires a model of the kind tokens,
    with a head of L · K rows. By cross entropy of each word, or where the model has a CRF by that of whole sequences.
    Source: Devlin et al. 2019, section 5.3 (a word is judged by its first token).
    """

    num_terms = 1

    def __init__(self, num_tags: int, num_chains: int = 1) -> None:
        self._num_tags = num_tags
        self._num_chains = num_chains

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Nothing is hidden. Raises ValueError for a tag that is none."""
        tags = sequences.by_token["tags"].reshape(len(sequences.tokens), self._num_chains)
        places = np.flatnonzero(tags[:, 0] >= 0)
        if len(places) and int(tags.max()) >= self._num_tags:
            raise ValueError(f"tag {int(tags.max())} does not fit {self._num_tags} tags")
        return pack(sequences, target_positions=places, targets=tags[places].astype(np.int64))

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of words times chains."""
        return (float(batch.targets.numel()),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over words."""
        import torch
        from torch.nn.functional import cross_entropy

        from acclimate.models.crf import crf_of
        from acclimate.models.forward import encode, token_class_logits

        hidden = encode(model, batch).index_select(0, batch.target_positions)
        logits = token_class_logits(model, hidden).view(-1, self._num_chains, self._num_tags)
        owner = torch.searchsorted(batch.cu_seqlens, batch.target_positions, right=True) - 1
        asked = _Asked(logits, batch.targets, owner, *_borders(batch))
        if (crf := crf_of(model)) is not None:
            return _of_chains(crf, asked)
        each = cross_entropy(logits.transpose(1, 2), batch.targets, reduction="none").sum(1)
        return _of_words(each, owner, len(batch.ids), self._num_chains)


@dataclass(frozen=True)
class _Asked:
    """Words with their scores."""

    logits: Tensor
    """[M, L, K]"""
    tags: Tensor
    """[M, L]"""
    owner: Tensor
    """[M] the sequence that each word is of."""
    begins: Tensor
    """[B]"""
    ends: Tensor
    """[B]"""

    def only(self, keep: Tensor) -> _Asked:
        """The words of some sequences [B]; the others have none."""
        words = keep[self.owner]
        return _Asked(self.logits[words], self.tags[words], self.owner[words], self.begins, self.ends)


def _borders(batch: PackedBatch) -> tuple[Tensor, Tensor]:
    import torch

    whole = torch.ones(len(batch.ids), device=batch.tokens.device)
    begins, ends = (batch.by_sequence.get(name, whole) for name in ("begins", "ends"))
    return begins.float(), ends.float()


def _of_words(each: torch.Tensor, owner: torch.Tensor, number: int, chains: int) -> Loss:
    """Of losses [M] of words, by the sequence that each word is of."""
    return Loss(
        sum=each.sum(),
        count=float(len(each) * chains),
        per_sequence=each.new_zeros(number).index_add_(0, owner, each.detach()),
        counts=owner.bincount(minlength=number) * chains,
        only=lambda keep: _of_words(each[keep[owner]], owner[keep[owner]], number, chains),
    )


def _of_chains(crf: Crf, asked: _Asked) -> Loss:
    number = len(asked.begins)
    words = asked.owner.bincount(minlength=number)
    each = asked.logits.new_zeros(number)
    if len(asked.owner):
        scores, tags, real = padded(asked.logits, asked.tags, asked.owner, number)
        each = crf.nll(scores, tags, real, asked.begins, asked.ends)
    return Loss(
        sum=each.sum(),
        count=float(asked.tags.numel()),
        per_sequence=each.detach(),
        counts=words * asked.tags.shape[1],
        only=lambda keep: _of_chains(crf, asked.only(keep)),
    )


def padded(logits: Tensor, tags: Tensor, owner: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Words by their sequences: logits [B, W, L, K], tags [B, W, L], and which are words [B, W]; 0 elsewhere.

    owner [M]: ascending.
    """
    import torch

    words = owner.bincount(minlength=number)
    place = torch.arange(len(owner), device=owner.device) - (words.cumsum(0) - words)[owner]
    shape = (number, int(words.max()))
    scores = logits.new_zeros(*shape, *logits.shape[1:]).index_put((owner, place), logits)
    placed = tags.new_zeros(*shape, tags.shape[1]).index_put((owner, place), tags)
    real = torch.arange(shape[1], device=owner.device) < words[:, None]
    return scores, placed, real
