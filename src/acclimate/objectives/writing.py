"""What objectives of models that write share: a decoder sees what it is to write, one place later; targets smoothed.

Legend: Td tokens of the decoder's row, M targets, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def tell_languages(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, source: str, target: str
) -> None:
    """Plain calls of the tokenizer end with the source's language, and `generate` begins with the target's."""
    from acclimate.tokenizer.specials import mark_sources

    mark_sources(tokenizer, source)
    model.generation_config.decoder_start_token_id = tokenizer.convert_tokens_to_ids(target)  # type: ignore[union-attr]


def shifted(
    tokens: NDArray[np.int64], cu_seqlens: NDArray[np.int64], first: NDArray[np.int64] | int
) -> NDArray[np.int64]:
    """[Td] what the decoder sees when it is to write tokens [Td]; `first` begins each sequence."""
    seen = np.roll(tokens, 1)
    seen[cu_seqlens[:-1]] = first
    return seen


def with_models_start(model: PreTrainedModel, batch: PackedBatch) -> PackedBatch:
    """The batch, its decoder's sequences beginning with the model's own `decoder_start_token_id`, if it has one."""
    start, row = model.config.decoder_start_token_id, batch.decoder
    if start is None or row is None:
        return batch
    return replace(batch, decoder=replace(row, tokens=row.tokens.index_fill(0, row.cu_seqlens[:-1], start)))


def writing_loss(model: PreTrainedModel, batch: PackedBatch, *, models_start: bool = True) -> Loss:
    """Cross entropy in nats, fp32, summed over all targets. With `models_start` the decoder's sequences begin with the
    model's own `decoder_start_token_id`, if it has one.

    Where `batch.by_target["hidden"]` [M] says which targets the encoder did not see, the loss per sequence, of which
    figures of held-out text are made, is of those alone: the others can be copied.
    """
    from acclimate.models.forward import encode
    from acclimate.objectives.tokens import token_loss

    if models_start:
        batch = with_models_start(model, batch)
    return token_loss(model, encode(model, batch), batch, judged=batch.by_target.get("hidden"))


def smoothed_loss(model: PreTrainedModel, batch: PackedBatch, smoothing: float) -> Loss:
    """Cross entropy in nats, fp32, summed over targets smoothed by ε: (1 − ε)·y + ε/V (Szegedy et al. 2016)."""
    from torch.nn.functional import cross_entropy

    from acclimate.models.forward import encode, token_logits
    from acclimate.objectives.tokens import owners, summed

    hidden = encode(model, batch).index_select(0, batch.target_positions)
    logits = token_logits(model, hidden).float()
    each = cross_entropy(logits, batch.targets, reduction="none", label_smoothing=smoothing)
    return summed(each, owners(batch), len(batch.ids))
