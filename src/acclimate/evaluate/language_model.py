"""Figures of a language model on held-out text, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError
from acclimate.evaluate.resampling import Interval, Resampling

_LARGEST = 700.0
"""exp of more is infinite, which JSON cannot say."""


@dataclass(frozen=True)
class Losses:
    """What a model lost on a text: of each sequence, in nats."""

    sums: NDArray[Any]
    """[N]"""
    counts: NDArray[Any]
    """[N] targets."""
    documents: NDArray[Any]
    """[N] the document of each."""
    tokens: int
    """Of the whole text: those that the model was asked for, or would be."""
    num_bytes: int


def language_model_figures(
    sums: NDArray[Any],
    counts: NDArray[Any],
    *,
    tokens: int | None,
    num_bytes: int,
    resampling: Resampling,
    groups: NDArray[Any] | None = None,
) -> dict[str, dict[str, float]]:
    """loss, perplexity and bits_per_byte, each with value, low and high.

    From the summed loss in nats [N] and the number of targets [N] of each sequence: loss is the mean over targets,
    perplexity its exponential, bits per byte loss · tokens / (ln 2 · bytes), which compares between tokenizers. The
    interval is that of the loss, carried through, for the three rise together.

    tokens, num_bytes: of the whole text that the sequences cover: the tokens that a model was asked for, or would be. A
    masked model is asked
    for a part of the tokens only; its bits per byte are those that all tokens would cost at the mean loss of the asked
    ones (pseudo-likelihood under fixed masks; Salazar et al. 2020 mask one at a time).
    Without `tokens` the loss is not one of tokens, and stands alone.
    groups: [N] the document of each sequence; whole documents are then resampled, for the windows of one are alike.
    Raises UserError where there is nothing to measure on.
    """
    sums, counts = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if not len(sums) or counts.sum() <= 0 or (tokens is not None and (num_bytes <= 0 or tokens <= 0)):
        raise UserError("there is no held-out text to measure the language model on")
    loss = resampling.ratio_interval(sums, counts, groups)
    if tokens is None:
        return {"loss": loss.as_dict()}
    scale = tokens / (math.log(2) * num_bytes)
    return {
        "loss": loss.as_dict(),
        "perplexity": _mapped(loss, lambda nats: math.exp(min(nats, _LARGEST))).as_dict(),
        "bits_per_byte": _mapped(loss, lambda nats: nats * scale).as_dict(),
    }


def bits_per_byte_change(before: Losses, after: Losses, resampling: Resampling) -> Interval:
    """Bits per byte of one model less those of an earlier one on the same documents, which are drawn alike for both: a
    paired interval. Their tokens may be of different tokenizers."""
    number = 1 + max(int(one.documents.max(initial=0)) for one in (before, after))
    rows = np.stack(
        [
            np.bincount(one.documents, weights=values, minlength=number)
            for one in (before, after)
            for values in (one.sums, one.counts)
        ],
        axis=1,
    )
    scales = [one.tokens / (math.log(2) * one.num_bytes) for one in (before, after)]

    def change(sums: NDArray[np.float64]) -> float:
        old, asked, new, asked_now = sums.tolist()
        return scales[1] * new / max(asked_now, 1) - scales[0] * old / max(asked, 1)

    return resampling.sums_interval(rows[(rows[:, 1] > 0) | (rows[:, 3] > 0)], change)


def _mapped(interval: Interval, rising: Callable[[float], float]) -> Interval:
    return Interval(rising(interval.value), rising(interval.low), rising(interval.high))
