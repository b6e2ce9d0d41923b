"""T5's objective: spans of the text are cut out, and the decoder writes what stood there.

Legend: T tokens of the sources, Td of the targets, B sequences, S spans of all of them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count, takewhile
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from acclimate.batching.counter_random import absorb, stream
from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.batching.ragged import owners, parts, starts, within
from acclimate.errors import UserError
from acclimate.objectives.lots import special_and_all
from acclimate.objectives.protocol import Loss, ObjectiveSettings, Texts
from acclimate.objectives.writing import shifted, writing_loss
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import WindowStore

SENTINEL = "<extra_id_{}>"


class SpanCorruption(ObjectiveSettings):
    """Span corruption: spans of the text are replaced by a sentinel each, and written behind it.

    From `a b c d e f g` the encoder reads `a b <extra_id_0> e f <extra_id_1> [SEP]` [T], and the decoder writes
    `<extra_id_0> c d <extra_id_1> g [SEP]` [Td]. Of n tokens round(rate·n) are cut out in round(rate·n / mean) spans of
    at least one, with text between them; the first span stands behind some text, the last at the end. `sequence_length`
    is that of the source: windows of the text are as long as makes it full (568 tokens for 512, and a target of 114).
    Requires: an encoder-decoder (kind seq2seq), and sentinel tokens (`<extra_id_0>` …) in the tokenizer; one that is
    trained gets them.
    Held-out figures look at the tokens cut out alone, not at sentinels and ends.
    Source: Raffel et al. 2020 (15 %, mean 3).
    Example: `objective: {span_corruption: {rate: 15%, mean: 3}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "span_corruption")
    bare: ClassVar[str | None] = "rate"
    trains: ClassVar[str] = "seq2seq"
    by_sequence: ClassVar[bool] = True

    rate: Share = 0.15
    """Share of the tokens that are cut out; at least one is, and one stays."""
    mean: float = Field(default=3.0, ge=1)
    """Mean length of a span in tokens."""

    @field_validator("rate")
    @classmethod
    def _proper(cls, value: float) -> float:
        if not 0 < value < 1:
            raise ValueError(f"expected more than 0% and less than 100%, found {value:.0%}")
        return value

    def cut(self, lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(tokens cut out, spans) of texts of these lengths, [B] each."""
        hidden = np.clip(np.rint(self.rate * lengths), 1, np.maximum(lengths - 1, 0)).astype(np.int64)
        hidden = np.minimum(hidden, np.maximum(lengths - 1, 0))
        spans = np.maximum(1, np.rint(hidden / self.mean)).astype(np.int64)
        return hidden, np.minimum(spans, np.maximum(1, np.minimum(hidden, lengths - hidden)))

    def text_length(self, sequence_length: int) -> int:
        """The longest text whose source and target both fit in `sequence_length`, ends counted."""
        most = int(sequence_length / min(1 - self.rate + self.rate / self.mean, 1)) + 2
        lengths = np.arange(1, most + 1)
        hidden, spans = self.cut(lengths)
        fits = np.maximum(lengths - hidden, hidden) + spans + 1 <= sequence_length
        return int(lengths[fits].max())

    def extra_tokens(self, sequence_length: int) -> tuple[str, ...]:
        """As many sentinels as the longest text has spans."""
        _, spans = self.cut(np.array([self.text_length(sequence_length)]))
        return tuple(SENTINEL.format(number) for number in range(int(spans[0])))

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> WindowStore:
        """Windows of the corpus's documents that make sources of `sequence_length`."""
        from acclimate.batching.sequence_store import WindowStore
        from acclimate.batching.token_store import TokenStore
        from acclimate.tokenizer.template import closing

        end = closing(tokenizer)  # around each window, and taken off again
        return WindowStore(TokenStore(texts.corpus), self.text_length(sequence_length) + 2, end, end)

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> SpanCorruptionObjective:
        """The objective. With `fixed`, spans do not change with the epoch: for validation.

        Raises UserError for a tokenizer without sentinels.
        """
        from acclimate.tokenizer.template import closing

        known = tokenizer.get_vocab()
        sentinels = [known[name] for name in takewhile(known.__contains__, map(SENTINEL.format, count()))]
        if not sentinels:
            raise UserError(
                "the tokenizer has no sentinel tokens (<extra_id_0>, <extra_id_1>, …), which the objective "
                "span_corruption needs; T5's own have them, and one that is trained in this recipe gets them"
            )
        return SpanCorruptionObjective(
            self,
            sentinels=sentinels,
            end_id=closing(tokenizer),
            special_ids=special_and_all(tokenizer)[0],
            seed=seed,
            fixed=fixed,
        )


class SpanCorruptionObjective:
    """The objective at work. What is cut out is a function of (seed, epoch, sequence id) and of the text's length."""

    num_terms = 1

    def __init__(
        self,
        settings: SpanCorruption,
        *,
        sentinels: list[int],
        end_id: int,
        special_ids: list[int],
        seed: int,
        fixed: bool,
    ) -> None:
        self._settings, self._end, self._special, self._fixed = settings, end_id, special_ids, fixed
        self._sentinels: NDArray[np.int64] = np.array(sentinels, dtype=np.int64)
        self._key = stream("spans fixed" if fixed else "spans", seed)

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Sources for the encoder, and what stood at their sentinels for the decoder. Special tokens are left out."""
        text = sequences.only(~np.isin(sequences.tokens, self._special))
        hidden, spans = self._settings.cut(text.lengths)
        if int(spans.max(initial=0)) > len(self._sentinels):
            raise UserError(
                f"a text of {int(text.lengths.max())} tokens is cut into {int(spans.max())} spans, and the tokenizer "
                f"has {len(self._sentinels)} sentinels: make sequence_length smaller, or `mean` larger"
            )
        epochs = np.zeros_like(text.epochs) if self._fixed else text.epochs
        keys = absorb(absorb(self._key, epochs), text.ids)
        cut = parts(keys, hidden, spans)
        kept = parts(absorb(keys, np.ones(1, np.int64)), text.lengths - hidden, spans)
        is_cut = np.repeat(np.tile([False, True], len(cut)), np.stack([kept, cut], axis=1).ravel())
        owner, sentinels = owners(spans), self._sentinels[within(spans)]

        # A span's place: those before it, each with its sentinel, and one end for each sequence before.
        source_at = starts(kept + 1)[:-1] + owner
        source_starts = starts(text.lengths - hidden + spans + 1)
        source = np.full(source_starts[-1], self._end, dtype=np.int64)
        source[np.repeat(source_at, kept) + within(kept)] = text.tokens[~is_cut]
        source[source_at + kept] = sentinels

        target_at = starts(cut + 1)[:-1] + owner
        target_starts = starts(hidden + spans + 1)
        target = np.full(target_starts[-1], self._end, dtype=np.int64)
        places = np.repeat(target_at, cut) + 1 + within(cut)
        target[places] = text.tokens[is_cut]
        target[target_at] = sentinels
        told = np.zeros(len(target), dtype=bool)
        told[places] = True
        return pack(
            replace(
                text,
                tokens=source,
                cu_seqlens=source_starts,
                segments=np.zeros_like(source),
                by_token={},
            ),
            decoder=(shifted(target, target_starts, self._end), target_starts),
            target_positions=np.arange(len(target)),
            targets=target,
            by_target={"hidden": told},
        )

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets, sentinels and ends among them."""
        return writing_loss(model, batch)
