"""Running a Transformers model's body on the tokens of many sequences in one row.

Legend: T tokens in the row, B sequences, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from acclimate.batching.packed import Row
from acclimate.models.packed_attention import packed_call
from acclimate.models.packing import Group, Layout, Packing, paired_layouts


def last_layer(out: Any) -> Tensor:
    """What a body gives last, [rows, places, H]."""
    return out.last_hidden_state  # type: ignore[no-any-return]


def last_layers(number: int) -> Callable[[Any], Tensor]:
    """What a body's last layers give, side by side: [rows, places, number · H]; `output_hidden_states` must be on."""
    return lambda out: torch.cat(out.hidden_states[-number:], dim=-1)


def packed_output(
    body: Any,
    inputs: dict[str, Tensor],
    cu_seqlens: Tensor,
    read: Callable[[Any], Tensor] = last_layer,
    **others: Any,
) -> Tensor:
    """[T, H]: the row as one sequence of a batch; attention alone knows where sequences end."""
    with packed_call():
        out = body(**{name: one[None] for name, one in inputs.items()}, packing=Packing(cu_seqlens), **others)
    return read(out).squeeze(0)


def padded_output(
    body: Any,
    inputs: dict[str, Tensor],
    cu_seqlens: Tensor,
    read: Callable[[Any], Tensor] = last_layer,
    **others: Any,
) -> Tensor:
    """[T, H]: for models whose code must see padded rows; sequences of similar length are padded together."""
    layout = Layout.of(cu_seqlens)
    spread = {name: one.index_select(0, layout.places) for name, one in inputs.items()}
    outputs = []
    for group in layout.groups:
        shape = (group.num_sequences, group.length)
        places = slice(group.start, group.start + group.num_sequences * group.length)
        named = {name: one[places].view(*shape, *one.shape[1:]) for name, one in spread.items()}
        out = read(body(**named, attention_mask=_real(group, cu_seqlens), **others))
        outputs.append(out.reshape(-1, out.shape[-1]))
    return layout.collect(torch.cat(outputs))


def padded_decoder_output(body: Any, inputs: dict[str, Tensor], cu_seqlens: Tensor, row: Row) -> Tensor:
    """[Td, H]: an encoder and a decoder on padded rows; a pair is padded together with pairs of similar area."""
    read, written = paired_layouts(cu_seqlens, row.cu_seqlens)
    spread = {name: one.index_select(0, read.places) for name, one in inputs.items()}
    tokens = row.tokens.index_select(0, written.places)
    outputs = []
    for source, target in zip(read.groups, written.groups, strict=True):
        shape = (source.num_sequences, source.length)
        places = slice(source.start, source.start + source.num_sequences * source.length)
        named = {name: one[places].view(*shape, *one.shape[1:]) for name, one in spread.items()}
        mask = _real(source, cu_seqlens)
        memory = body.encoder(**named, attention_mask=mask).last_hidden_state
        out = body.decoder(
            input_ids=tokens[target.start : target.start + target.num_sequences * target.length].view(
                target.num_sequences, target.length
            ),
            attention_mask=_real(target, cu_seqlens),
            encoder_hidden_states=memory,
            encoder_attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        outputs.append(out.reshape(-1, out.shape[-1]))
    return written.collect(torch.cat(outputs))


def _real(group: Group, like: Tensor) -> Tensor:
    """[sequences, length] 1 where a token stands."""
    shape = (group.num_sequences, group.length)
    whole = torch.ones(shape, dtype=torch.long, device=like.device)
    return whole if group.mask is None else group.mask.view(shape).long()
