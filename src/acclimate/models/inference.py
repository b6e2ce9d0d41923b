"""A model that only answers: through the native encoder where it can be had, else as packed torch does.

Legend: T tokens in the row, B sequences, W wanted rows, H hidden size, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from acclimate.batching.packed import PackedBatch
from acclimate.errors import UserError
from acclimate.kernels.build import problems
from acclimate.models.forward import class_logits, encode, means
from acclimate.models.native_encoder import NativeEncoder, NativeHead, Precision, precisions, takes
from acclimate.models.quick_modules import quicken

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

Wanted = Literal["auto", Precision]


class Inference:
    """Answers of a model with the weights that it has now; changes made to it later are not all seen."""

    def __init__(self, model: PreTrainedModel, precision: Wanted = "auto") -> None:
        """`auto`: bf16 where the native encoder has it, else fp32. Raises UserError for int8 where it cannot be had."""
        self.model = model.eval()
        native = precisions() if takes(model) else ()
        if precision == "auto":
            precision = "bf16" if "bf16" in native else "fp32"
        if precision == "int8" and precision not in native:
            raise UserError(f"precision int8 cannot be had here: {_obstacle(model)}")
        self.precision: Precision = precision
        self._native = NativeEncoder(model, precision) if precision in native else None
        if self._native is None:
            quicken(model)
        self._heads: list[NativeHead] = []
        if self._native is not None and isinstance(getattr(model, "classifier", None), nn.Linear):
            self._heads = [NativeHead(model.base_model.pooler.dense, tanh=True), NativeHead(model.classifier)]

    @torch.inference_mode()
    def class_logits(self, batch: PackedBatch) -> Tensor:
        """Class scores [B, C] in fp32."""
        if not self._heads:
            with self._autocast():
                return class_logits(self.model, batch)
        first = self.hidden(batch, batch.cu_seqlens[:-1])
        for head in self._heads:
            first = head(first)
        return first

    @torch.inference_mode()
    def mean_pooled(self, batch: PackedBatch) -> Tensor:
        """Mean of the last layer over each sequence's tokens [B, H], in fp32."""
        hidden = self.hidden(batch)
        return means(hidden, batch) if self._native is None else self._native.means(hidden, batch.cu_seqlens)

    @torch.inference_mode()
    def hidden(self, batch: PackedBatch, wanted: Tensor | None = None) -> Tensor:
        """Last layer's output [W, H] at the wanted rows (ascending), or at all [T, H]."""
        if self._native is not None:
            return self._native(batch.tokens, batch.positions, batch.segments, batch.cu_seqlens, wanted)
        with self._autocast():
            hidden = encode(self.model, batch).float()
        return hidden if wanted is None else hidden.index_select(0, wanted)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def _obstacle(model: PreTrainedModel) -> str:
    if model.device.type != "cpu":
        return f"it is for processors, and the model is on {model.device.type}"
    if not takes(model):
        return f"no native encoder takes a model of type {model.config.model_type!r} with its settings"
    if not precisions():
        return f"the native encoder could not be built ({problems['encoder']})"
    return "this processor has no AVX-512 VNNI instructions"
