"""How a recurrent decoder attends to what the encoder read.

Legend: B rows, S places of the source, H hidden size.

Both give context = Σ_j softmax_j(score(s, h_j))·h_j of a decoder's state s:

    bahdanau       score = vᵀ·tanh(W·s + U·h)      (Bahdanau et al. 2015; s is the state before the token)
    luong dot      score = sᵀ·h                     (Luong et al. 2015; s is the state after it)
    luong general  score = sᵀ·W·h
    luong concat   score = vᵀ·tanh(W·[s; h])
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Source:
    """What is attended to, with what can be worked out of it before the first token."""

    values: Tensor
    """[B, S, H]"""
    keys: Tensor
    """[B, S, H] what scores are made with."""
    real: Tensor | None
    """[B, S] bool; None: everywhere."""


class Additive(nn.Module):
    """vᵀ·tanh(W·s + U·h): Bahdanau's score, and Luong's `concat`, which is the same with W and U side by side."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.of_state = nn.Linear(size, size, bias=False)
        self.of_source = nn.Linear(size, size, bias=False)
        self.to_score = nn.Linear(size, 1, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        return self.of_source(values)  # type: ignore[no-any-return]

    def scores(self, state: Tensor, keys: Tensor) -> Tensor:
        """state [B, H] → [B, S]"""
        return self.to_score(torch.tanh(self.of_state(state)[:, None] + keys)).squeeze(-1)  # type: ignore[no-any-return]


class Product(nn.Module):
    """sᵀ·h, or with `general` sᵀ·W·h."""

    def __init__(self, size: int, *, general: bool) -> None:
        super().__init__()
        self.between = nn.Linear(size, size, bias=False) if general else None

    def keys(self, values: Tensor) -> Tensor:
        return values if self.between is None else self.between(values)

    def scores(self, state: Tensor, keys: Tensor) -> Tensor:
        """state [B, H] → [B, S]"""
        return (keys @ state[:, :, None]).squeeze(-1)


def context_of(score: Additive | Product, state: Tensor, source: Source) -> Tensor:
    """[B, H] the mean of the source's values under the weights that a state [B, H] gives them."""
    scores = score.scores(state, source.keys).float()
    if source.real is not None:
        scores = scores.masked_fill(~source.real, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1).to(source.values.dtype)
    return (weights[:, None] @ source.values).squeeze(1)
