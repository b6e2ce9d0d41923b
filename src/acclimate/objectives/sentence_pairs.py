"""What nsp and sop share: a head tells how two texts stand, and masked tokens are asked for in the same pass.

Legend: T tokens in the row, B pairs, M targets, K orders.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.batching.sentence_pairs import ORDER, Order, SentencePairStore
from acclimate.errors import UserError
from acclimate.objectives.mlm import MaskedLanguageModel, Mlm, with_words
from acclimate.objectives.protocol import Loss, Mark, ObjectiveSettings, Texts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class OfSentencePairs(ObjectiveSettings):
    """An objective over pairs of texts."""

    trains: ClassVar[str] = "pretraining"

    mlm: Mlm | None = Mlm()
    """What is hidden of the pairs, so that tokens are learnt in the same pass: the loss is the sum of both means. Null:
    the order of texts alone."""

    @property
    def shown(self) -> tuple[Order, ...]:
        """In which a pair may stand; their numbers are the labels."""
        raise NotImplementedError

    @property
    def classes(self) -> tuple[str, ...]:
        return self.shown

    @property
    def likelihood(self) -> Literal["some"] | None:  # type: ignore[override]
        return None if self.mlm is None else "some"

    @property
    def marks(self) -> frozenset[Mark]:
        sentences: frozenset[Mark] = frozenset(("sentences",))
        return sentences if self.mlm is None else sentences | self.mlm.marks

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> SentencePairStore:
        from acclimate.batching.token_store import TokenStore
        from acclimate.tokenizer.template import template

        parts = template(tokenizer).pair
        return SentencePairStore(TokenStore(texts.corpus), sequence_length, parts, self.shown, seed)

    def stand_in(self, sequences: Sequences) -> Sequences:
        """Every token a word, and orders by turns."""
        order = np.arange(len(sequences)) % len(self.shown)
        return replace(with_words(sequences), by_sequence={ORDER: order})

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> SentencePairObjective:
        """The objective at work. Raises UserError as `mlm`'s."""
        masked = None if self.mlm is None else self.mlm.build(tokenizer=tokenizer, seed=seed, fixed=fixed)
        return SentencePairObjective(masked, self.registered_as[1], len(self.shown))


class SentencePairObjective:
    """The objective at work. With tokens to guess these lead, and the order of the texts is the second term."""

    def __init__(self, masked: MaskedLanguageModel | None, name: str, num_orders: int) -> None:
        self._masked, self._name, self._num_orders = masked, name, num_orders

    @property
    def num_terms(self) -> int:
        return 1 if self._masked is None else 2

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The pairs as the store shows them; without tokens to guess the first token of each bears its order."""
        if self._masked is not None:
            return self._masked.prepare(sequences)
        first = np.ascontiguousarray(sequences.cu_seqlens[:-1])
        return pack(sequences, target_positions=first, targets=sequences.by_sequence[ORDER])

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Tokens asked for, and pairs."""
        pairs = float(len(batch.ids))
        return (pairs,) if self._masked is None else (*self._masked.count(batch), pairs)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropies in nats, fp32: of the tokens, and of the orders with their accuracy beside it. Raises
        UserError for a model whose head tells another number of orders apart."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss

        hidden = encode(model, batch)
        of_order = self._order_loss(model, hidden, batch)
        if self._masked is None:
            return of_order
        return replace(token_loss(model, hidden, batch), name="mlm", others=(of_order,))

    def _order_loss(self, model: PreTrainedModel, hidden: torch.Tensor, batch: PackedBatch) -> Loss:
        import torch
        from torch.nn.functional import cross_entropy

        from acclimate.models.forward import pair_logits

        logits, orders = pair_logits(model, hidden, batch), batch.by_sequence[ORDER]
        if logits.shape[1] != self._num_orders:
            raise UserError(
                f"{self._name} tells {self._num_orders} orders of two texts apart, the model's head {logits.shape[1]}"
            )
        each = cross_entropy(logits, orders, reduction="none")
        return Loss(
            sum=each.sum(),
            count=float(len(each)),
            per_sequence=each.detach(),
            counts=torch.ones_like(each),
            parts={f"{self._name}_accuracy": float((logits.argmax(1) == orders).sum())},
            name=self._name,
        )
