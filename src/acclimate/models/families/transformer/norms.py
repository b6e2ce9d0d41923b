"""Normalisations of a layer's values, by name.

Legend: N rows, L places of each, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class TokenBatchNorm(nn.BatchNorm1d):
    """Each of the H values over all real tokens of the batch (Ioffe & Szegedy 2015): padding counts for nothing.

    In training the statistics are those of one micro-batch; their running means are saved, and used in evaluation.
    """

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """x [N, L, H] → [N, L, H]; real [N, L] bool: where a token stands, None: everywhere."""
        flat = x.reshape(-1, x.shape[-1]) if real is None else x[real]
        # A single token has no spread to learn from: it takes the running statistics.
        train = self.training and len(flat) > 1
        with torch.autocast(x.device.type, enabled=False):
            y = nn.functional.batch_norm(
                flat.float(),
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                train,
                self.momentum or 0.0,
                self.eps,
            ).to(x.dtype)
        if train and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if real is None:
            return y.view_as(x)
        return torch.zeros_like(x).masked_scatter(real.unsqueeze(-1), y)


NORMS: Mapping[str, Callable[[int, float], nn.Module]] = {
    "layer_norm": lambda size, eps: nn.LayerNorm(size, eps=eps),
    "rms_norm": lambda size, eps: nn.RMSNorm(size, eps=eps),
    "batch_norm": lambda size, eps: TokenBatchNorm(size, eps=max(eps, 1e-5)),
    "none": lambda size, eps: nn.Identity(),
}


def norm_of(config: Any, size: int | None = None) -> nn.Module:
    """The configuration's norm over the hidden size, or over `size`."""
    return NORMS[config.normalisation](size or config.hidden_size, config.norm_eps)


def norm_of_head(config: Any, size: int) -> nn.Module:
    """A norm before the vocabulary: it sees chosen places alone, so that a batch's mean would depend on the choice."""
    name = "layer_norm" if config.normalisation == "batch_norm" else config.normalisation
    return NORMS[name](size, config.norm_eps)


def normalised(norm: nn.Module, x: Tensor, real: Tensor | None) -> Tensor:
    """The norm's output; `real` matters to those that look at more than one token."""
    return norm(x, real) if isinstance(norm, TokenBatchNorm) else norm(x)  # type: ignore[no-any-return]
