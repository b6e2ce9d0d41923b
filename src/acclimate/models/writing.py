"""Models at their desk: text token by token, by an encoder-decoder or behind a beginning, as `Decoding` says.

What is drawn is a function of (seed, number of the text, place in what is written): it hangs on no generator's state,
nor on which texts are written together.

Legend: N texts, B texts at once, R rows at once (B times the beams), L tokens so far, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GenerationConfig
from transformers.generation import (
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from acclimate.batching.counter_random import absorb, stream
from acclimate.models.decoding import Decoding
from acclimate.models.finding import family_of
from acclimate.progress import Tell, silent

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Ids = NDArray[np.int64]
_TOKENS_AT_ONCE = 4096


@dataclass(frozen=True)
class Form:
    """What is written ends with `end`, is padded with `pad`, and has `longest` tokens at most.

    `start` begins an encoder-decoder's text; None: its configuration says.
    """

    end: int
    pad: int
    longest: int | None = None
    start: int | None = None


@torch.inference_mode()
def write(
    model: PreTrainedModel,
    given: Sequence[Ids],
    form: Form,
    how: Decoding,
    *,
    seed: int = 0,
    tell: Tell = silent,
) -> list[Ids]:
    """What the model writes to each row of tokens, without the end: to what its encoder reads, or behind it.

    An empty row, and one that leaves no room for anything, gets nothing. The model is left as it is found.
    """
    reads = bool(model.config.is_encoder_decoder)
    limit = family_of(model.config).max_length(model.config)
    found: list[Ids] = [np.zeros(0, np.int64)] * len(given)
    training, done = model.training, sum(not len(one) for one in given)
    with _as_told(model.eval(), form, how):
        for chosen in _together([len(one) for one in given], how.beams, alike=not reads):
            length = len(given[chosen[0]])
            most = _most(length, form, how)
            if limit is not None:
                most = min(most, limit - 1 if reads else limit - length)
            if most > 0:
                tokens, real = _padded([given[one] for one in chosen], form.pad)
                behind = 1 if reads else length
                written = model.generate(  # type: ignore[operator]
                    tokens.to(model.device),
                    attention_mask=real.long().to(model.device),
                    logits_processor=_processors(how, seed, chosen, behind),
                    max_new_tokens=most,
                )
                for one, row in zip(chosen, written[:, behind:].cpu().numpy(), strict=True):
                    ends = np.flatnonzero(row == form.end)
                    found[one] = row[: ends[0]] if len(ends) else row
            done += len(chosen)
            tell(done, len(given), "texts")
    model.train(training)
    return found


@contextmanager
def _as_told(model: PreTrainedModel, form: Form, how: Decoding) -> Iterator[None]:
    """Inside, nothing holds of the habits that come with a checkpoint, such as beams of its own or a token that must
    come last: how is decoded is for the recipe to say."""
    own = model.generation_config
    starts = (form.start, getattr(model.config, "decoder_start_token_id", None), own.decoder_start_token_id)
    told: dict[str, Any] = {"num_beams": how.beams, "do_sample": False}
    if how.beams > 1:
        told["length_penalty"] = 1.0 if how.length_penalty is None else how.length_penalty
    model.generation_config = GenerationConfig(
        eos_token_id=form.end,
        pad_token_id=form.pad,
        decoder_start_token_id=next((one for one in starts if one is not None), None),
        **told,
    )
    try:
        yield
    finally:
        model.generation_config = own


def _most(length: int, form: Form, how: Decoding) -> int:
    """Tokens that may be written to a text of so many."""
    ratio = 2.0 if how.max_ratio is None and form.longest is None else how.max_ratio
    limits = [form.longest, None if ratio is None else int(length * ratio) + 10]
    return min(one for one in limits if one is not None)


def _together(lengths: Sequence[int], beams: int, *, alike: bool) -> Iterator[list[int]]:
    """Numbers of the texts [B] that are written at once, the longest first, empty ones not at all; `alike`: of one
    length only, for what stands before a text could not be padded without being seen."""
    order = [
        one for one in np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist() if lengths[one]
    ]
    while order:
        longest = lengths[order[0]]
        number = max(1, _TOKENS_AT_ONCE // (longest * beams))
        chosen = [one for one in order[:number] if not alike or lengths[one] == longest]
        yield chosen
        order = order[len(chosen) :]


def _padded(rows: Sequence[Ids], pad: int) -> tuple[Tensor, Tensor]:
    """(tokens [B, L], which of them are real)."""
    sizes = torch.tensor([len(one) for one in rows])
    real = torch.arange(int(sizes.max()))[None] < sizes[:, None]
    tokens = torch.full(real.shape, pad)
    tokens[real] = torch.from_numpy(np.concatenate(rows))
    return tokens, real


def _processors(how: Decoding, seed: int, numbers: Sequence[int], before: int) -> LogitsProcessorList:
    found: list[Any] = []
    if how.no_repeat_ngram is not None:
        found.append(_Behind(NoRepeatNGramLogitsProcessor(how.no_repeat_ngram), before))
    if how.draws:
        if how.temperature is not None:
            found.append(TemperatureLogitsWarper(how.temperature))
        if how.top_k is not None:
            found.append(TopKLogitsWarper(how.top_k))
        if how.top_p is not None and how.top_p < 1:
            found.append(TopPLogitsWarper(how.top_p))
        found.append(_Draw(seed, numbers, before))
    return LogitsProcessorList(found)


class _Behind:
    """A processor that sees what was written alone, not what was given before it."""

    def __init__(self, processor: Any, before: int) -> None:
        self._processor, self._before = processor, before

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return self._processor(input_ids[:, self._before :], scores)


class _Draw:
    """Leaves one token of each row [R, V]: the one drawn by their probabilities, which greedy search then takes."""

    def __init__(self, seed: int, numbers: Sequence[int], before: int) -> None:
        self._keys = absorb(stream("drawn tokens", seed), np.asarray(numbers, np.int64))
        self._before = before

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        place = np.array([input_ids.shape[1] - self._before])
        uniform = (absorb(self._keys, place) >> np.uint64(11)).astype(np.float64) / 2.0**53  # [R] in [0, 1)
        sums = scores.double().softmax(dim=1).cumsum(dim=1)
        aims = torch.from_numpy(uniform).to(sums.device)[:, None] * sums[:, -1:]
        drawn = torch.searchsorted(sums, aims, right=True).clamp(max=sums.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)
