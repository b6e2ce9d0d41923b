"""Who sees whom inside a padded group of sequences, as masks and as biases that depend on the distance.

Legend: N sequences, L places of each, H heads, R the longest distance of a table.
"""

from __future__ import annotations

import torch
from torch import Tensor


def visible(
    length: int,
    *,
    real: Tensor | None = None,
    causal: bool = False,
    window: int = 0,
    block: int = 0,
    prefixes: Tensor | None = None,
    device: torch.device | None = None,
) -> Tensor | None:
    """[N or 1, 1, L or 1, L] bool, True where the query (row) sees the key (column); None where all see all.

    real [N, L] bool: where a token stands. causal: up to the query's own place, and with prefixes [N] the first so many
    real keys besides. window: only keys less than so many places away; 0: any. block: only keys of the same block of so
    many places, counted from the first real one; 0: any. Where queries differ, each place sees itself,
    so that no row of scores is empty.
    """
    if not causal and not window and not block:
        return None if real is None else real[:, None, None, :]
    place = torch.arange(length, device=device)
    distance = place[None, :] - place[:, None]  # the key's place less the query's
    seen = torch.ones(1, 1, length, length, dtype=torch.bool, device=device)
    first = torch.zeros(1, 1, dtype=torch.long, device=device)
    if real is not None:
        first = real.int().argmax(1, keepdim=True)
    if causal:
        seen = seen & (distance <= 0)
        if prefixes is not None:
            seen = seen | (place - first < prefixes[:, None])[:, None, None, :]
    if window:
        seen = seen & (distance.abs() < window)
    if block:
        number = (place - first).div(block, rounding_mode="floor")
        seen = seen & (number[:, None, :, None] == number[:, None, None, :])
    if real is not None:
        seen = seen & (real[:, None, None, :] | (distance == 0))
    return seen


def spread_by_distance(table: Tensor, length: int) -> Tensor:
    """[H, 2R+1] → [1, H, L, L]: to each query and key what the table holds at R + the key's place - the query's."""
    place = torch.arange(length, device=table.device)
    return table[:, place[None, :] - place[:, None] + table.shape[1] // 2].unsqueeze(0)
