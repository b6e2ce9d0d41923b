"""The dropouts of AWD-LSTM (Merity et al. 2018): of units for a whole sequence, of words, of weights.

Legend: B sequences, L their length, H size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LockedDropout(nn.Module):
    """Hides the same units at every token of a sequence (Gal & Ghahramani 2016), or, unlocked, units of each token."""

    def __init__(self, p: float, *, locked: bool) -> None:
        super().__init__()
        self.p, self.locked = p, locked

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, H] → the same shape."""
        if not self.training or not self.p:
            return x
        if not self.locked:
            return functional.dropout(x, self.p)
        return x * functional.dropout(x.new_ones(len(x), 1, x.shape[2]), self.p)


def without_words(table: Tensor, p: float) -> Tensor:
    """[V, H] → the table with a share p of its words nothing, the others grown by 1/(1 − p)."""
    return table * functional.dropout(table.new_ones(len(table), 1), p)


def gate_mask(x: Tensor, p: float, gate: str) -> Tensor:
    """A gate's values [B, H] with a share p hidden.

    i, o and the update g become 0, and the rest grows by 1/(1 − p). The forget gate goes towards 1, so that what is
    hidden is forgetting; the rest stays as it is, for grown by that factor it could be less than 0.
    """
    if gate != "f":
        return functional.dropout(x, p)
    return torch.where(torch.rand_like(x) < p, 1.0, x)
