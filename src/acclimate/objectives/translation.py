"""Translation: from a text in one language its counterpart in another, token by token.

Legend: T tokens of the sources, Td of the targets, B pairs, V vocabulary, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.batching.pair_store import Ends, PairStore
from acclimate.errors import UserError
from acclimate.objectives.parallel_data import ParallelData
from acclimate.objectives.protocol import Loss, Texts
from acclimate.objectives.writing import (
    shifted,
    smoothed_loss,
    tell_languages,
    with_models_start,
    writing_loss,
)
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Translation(ParallelData):
    """Translation by an encoder-decoder: loss = Σ_t −log p(y_t | y_<t, x) over the target's tokens and its end.

    Input: pairs of texts (`pairs`, a column each). The encoder reads `[CLS] x [SEP]` [T], or what the tokenizer puts
    for these; the decoder reads the target behind the model's start token [Td] and is asked for `y [SEP]` [Td]. With
    `languages` both are marked as mBART marks them: `x [SEP] <source>`, and the decoder starts with `<target>`. (The
    published code asks for `<target>` once more behind the end, which tells nothing and is left out.)
    Requires: a family with an encoder and a decoder (kind seq2seq). Neither side may exceed `sequence_length`.
    Source: Sutskever et al. 2014; label smoothing: Szegedy et al. 2016, Vaswani et al. 2017; language tokens: Liu et
    al. 2020.
    Example: `objective: {translation: {pairs: {moses: {path: data/train, sides: [en, de]}}, smoothing: 10%}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "translation")
    trains: ClassVar[str] = "seq2seq"
    likelihood: ClassVar[Literal["every", "some"] | None] = "every"
    by_sequence: ClassVar[bool] = True

    smoothing: Share = 0.1
    """ε of the training targets (1 − ε)·y + ε/V (Vaswani et al.: 10%); held-out pairs are always judged without."""
    languages: tuple[str, str] | None = None
    """Tokens of the tokenizer that name the two languages, such as `[en_XX, de_DE]`, for models that write several."""

    def extra_tokens(self, sequence_length: int) -> tuple[str, ...]:
        return self.languages or ()

    def _languages(self, tokenizer: PreTrainedTokenizerFast) -> list[int]:
        known = tokenizer.get_vocab()
        for token in self.languages or ():
            if token not in known:
                raise UserError(
                    f"translation: the tokenizer has no token {token!r} for a language; "
                    f"its special tokens are: {', '.join(tokenizer.all_special_tokens)}"
                )
        return [known[token] for token in self.languages or ()]

    def ends(self, tokenizer: PreTrainedTokenizerFast) -> tuple[Ends, Ends]:
        from acclimate.tokenizer.template import boundaries

        first, last = boundaries(tokenizer)
        marks = self._languages(tokenizer)
        source = ((), (last, marks[0])) if marks else ((first,), (last,))
        return source, ((), (last,))

    def start(self, tokenizer: PreTrainedTokenizerFast) -> int | None:
        """What a translation begins with, where the objective says; None: what the model's configuration says."""
        marks = self._languages(tokenizer)
        return marks[1] if marks else None

    def suit(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        if self.languages:
            tell_languages(model, tokenizer, *self.languages)

    def room(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.maximum(source, target)

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> PairStore:
        assert texts.own is not None
        return PairStore(texts.own, *self.ends(tokenizer), judged=(1,))

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> TranslationObjective:
        """The objective. With `fixed`, for validation, nothing is smoothed. Raises UserError for unknown languages."""
        from acclimate.tokenizer.template import boundaries

        start = self.start(tokenizer)
        return TranslationObjective(
            start_id=boundaries(tokenizer)[0] if start is None else start,
            models_start=start is None,
            smoothing=0.0 if fixed else self.smoothing,
        )


class TranslationObjective:
    """The objective at work. Nothing is drawn at random."""

    num_terms = 1

    def __init__(self, *, start_id: int, models_start: bool, smoothing: float) -> None:
        """`start_id` begins a decoder's row; with `models_start` the model's own `decoder_start_token_id`, if any."""
        self._start_id = start_id
        self._models_start = models_start
        self._smoothing = smoothing

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Segment 0 [T] to the encoder, segment 1 [Td] to the decoder; each of its tokens is a target."""
        owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
        written = sequences.segments == 1
        cu_read, cu_written = (
            np.concatenate([[0], np.cumsum(np.bincount(owner[side], minlength=len(sequences)))])
            for side in (~written, written)
        )
        targets = sequences.tokens[written]
        seen = shifted(targets, cu_written, self._start_id)
        source = replace(
            sequences,
            tokens=sequences.tokens[~written],
            cu_seqlens=cu_read,
            segments=np.zeros(int(cu_read[-1]), np.int64),
            by_token={name: one[~written] for name, one in sequences.by_token.items()},
        )
        places = np.arange(len(targets))
        return pack(source, decoder=(seen, cu_written), target_positions=places, targets=targets)

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets; with smoothing that of the smoothed targets."""
        if not self._smoothing:
            return writing_loss(model, batch, models_start=self._models_start)
        if self._models_start:
            batch = with_models_start(model, batch)
        return smoothed_loss(model, batch, self._smoothing)
