"""What a decoder keeps of the tokens it has written, so that the next one costs one step.

Legend: B rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class DecoderState:
    """Has what Transformers' `generate` asks of a cache."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    """[B, …] each; empty before the first token."""
    length: int = 0
    """Tokens written."""

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.length

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row b goes on from what row beam_idx[b] was."""
        self.tensors = {name: one.index_select(0, beam_idx) for name, one in self.tensors.items()}
