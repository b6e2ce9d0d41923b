"""XLNet (Yang et al. 2019): one stream that knows the tokens, one that knows only where it stands.

Legend: T tokens in the row, B sequences, H hidden size; in a group of padded sequences n of them, L places, K asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.family import Vocabulary
from acclimate.models.kinds import AUTO_CLASSES, Kind
from acclimate.models.options import TakesActivation

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch


def _size(layers: int, hidden: int, heads: int) -> dict[str, int]:
    return {"n_layer": layers, "d_model": hidden, "n_head": heads, "d_inner": 4 * hidden}


class XlNet(TakesActivation):
    """XLNet: a bidirectional encoder with relative positions, trained to predict tokens in an order drawn at random.

    A text's class is read off its last token, as the authors do, who put `<cls>` there. `dropout` is that of attention
    too.
    Source: Yang et al. 2019, "XLNet: Generalized Autoregressive Pretraining for Language Understanding"; sizes tiny
    and mini are ours.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "xlnet")
    model_types: ClassVar[tuple[str, ...]] = ("xlnet",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2),
        "mini": _size(4, 256, 4),
        "base": _size(12, 768, 12),
        "large": _size(24, 1024, 16),
    }
    activation_key: ClassVar[str] = "ff_activation"
    default_size: ClassVar[str] = "base"
    preset: ClassVar[Mapping[str, Any]] = {"vocab_size": 32000}
    kinds: ClassVar[Mapping[Kind, str]] = {
        one: AUTO_CLASSES[one] for one in ("encoder", "perm", "classification", "tokens", "spans")
    }
    packed: ClassVar[bool] = False
    position_input: ClassVar[str | None] = None
    lacks: ClassVar[tuple[str, ...]] = ("positions", "attention_dropout")

    size: Literal["tiny", "mini", "base", "large"] | None = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, base 12/768/12, large 24/1024/16. Base when nothing is given."""

    def changes(self) -> dict[str, Any]:
        return {"dropout": self.dropout, "summary_last_dropout": self.dropout}

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        return super().of_vocabulary(vocabulary) | vocabulary.ends_of_config()

    @classmethod
    def max_length(cls, config: Any) -> int | None:
        return None

    @classmethod
    def flops(cls, model: PreTrainedModel, length: int) -> int:
        """Distances go to both sides: twice as many as tokens pass their matrix and are scored."""
        from acclimate.models.sizes import forward_flops

        config = model.config
        width = config.n_head * config.d_head
        more = 2 * config.d_model * width + 4 * length * (width + config.n_head)  # the last: of segments
        return forward_flops(model, length) + config.n_layer * more

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        """[T, H] the last layer's output; where the batch has an `order`, that of the stream that does not know the
        token, at the tokens that are asked for (0 elsewhere)."""
        from acclimate.models.rows import padded_output

        inputs = cls.inputs(batch)
        if "order" in batch.by_token:
            return _asked_output(model.base_model, inputs, batch.by_token["order"], batch.cu_seqlens)
        return padded_output(model.base_model, inputs, batch.cu_seqlens, use_mems=False)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        return hidden.index_select(0, batch.cu_seqlens[1:] - 1)

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.logits_proj(model.sequence_summary(pooled.unsqueeze(1)))

    @classmethod
    def classify_tokens(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.classifier(hidden)


def _asked_output(body: Any, inputs: dict[str, Tensor], order: Tensor, cu_seqlens: Tensor) -> Tensor:
    """[T, H] from order [T]: 0 where a token is seen by all, else its number among those that are asked for, each of
    which sees the ones before it."""
    import torch

    from acclimate.models.packing import Layout

    layout = Layout.of(cu_seqlens)
    outputs = []
    for group in layout.groups:
        shape = (group.num_sequences, group.length)
        places = layout.places[group.start : group.start + group.num_sequences * group.length]
        real = torch.ones(shape, dtype=torch.long, device=order.device)
        if group.mask is not None:
            real = group.mask.view(shape).long()
        numbers = order[places].view(shape) * real
        row, place = numbers.nonzero(as_tuple=True)
        asked = (numbers > 0).cumsum(1)[row, place] - 1
        mapping = torch.zeros(shape[0], max(1, int(numbers.max())), shape[1], device=order.device)
        mapping[row, asked, place] = 1.0
        out = body(
            **{name: one[places].view(shape) for name, one in inputs.items()},
            attention_mask=real,
            # The released code's order, not the paper's: what is not asked for is seen by all, before and after.
            perm_mask=((numbers[:, :, None] <= numbers[:, None, :]) & (numbers[:, None, :] > 0)).float(),
            target_mapping=mapping,
            use_mems=False,
        ).last_hidden_state
        found = out.new_zeros(*shape, out.shape[-1])
        outputs.append(found.index_put((row, place), out[row, asked]).flatten(0, 1))
    return layout.collect(torch.cat(outputs))
