"""Running a Transformers model's body on the tokens of many sequences in one row.

Legend: T tokens in the row, B sequences, H hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from acclimate.models.packed_attention import packed_call
from acclimate.models.packing import Layout, Packing


def packed_output(body: Any, inputs: dict[str, Tensor], cu_seqlens: Tensor, **others: Any) -> Tensor:
    """[T, H]: the row as one sequence of a batch; attention alone knows where sequences end."""
    with packed_call():
        out = body(**{name: one[None] for name, one in inputs.items()}, packing=Packing(cu_seqlens), **others)
    return out.last_hidden_state.squeeze(0)  # type: ignore[no-any-return]


def padded_output(body: Any, inputs: dict[str, Tensor], cu_seqlens: Tensor, **others: Any) -> Tensor:
    """[T, H]: for models whose code must see padded rows; sequences of similar length are padded together."""
    layout = Layout.of(cu_seqlens)
    spread = {name: one.index_select(0, layout.places) for name, one in inputs.items()}
    outputs = []
    for group in layout.groups:
        shape = (group.num_sequences, group.length)
        places = slice(group.start, group.start + group.num_sequences * group.length)
        named = {name: one[places].view(*shape, *one.shape[1:]) for name, one in spread.items()}
        real = torch.ones(shape, dtype=torch.long, device=cu_seqlens.device)
        if group.mask is not None:
            real = group.mask.view(shape).long()
        out = body(**named, attention_mask=real, **others).last_hidden_state
        outputs.append(out.reshape(-1, out.shape[-1]))
    return layout.collect(torch.cat(outputs))
