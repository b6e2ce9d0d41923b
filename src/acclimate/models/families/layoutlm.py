"""LayoutLM (Xu et al. 2020): BERT for pages, which knows where on the page each token stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.families.bert import Bert
from acclimate.models.family import Family
from acclimate.models.kinds import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from acclimate.batching.packed import PackedBatch


class LayoutLM(Bert):
    """LayoutLM: BERT whose input has the box of each token too: x0, y0, x1, y1, width and height, each 0 to 1000.

    The tables of x0 and x1 are one, those of y0 and y1 too. Without boxes (text that stands on no page) all are 0.
    Images of the pages are not looked at. Source: Xu et al. 2020, "LayoutLM".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "layoutlm")
    model_types: ClassVar[tuple[str, ...]] = ("layoutlm",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: Bert.sizes[name] for name in ("tiny", "mini", "base", "large")
    }
    preset: ClassVar[Mapping[str, Any]] = {**Bert.preset, "max_2d_position_embeddings": 1024}
    kinds: ClassVar[Mapping[Kind, str]] = {
        kind: Family.kinds[kind] for kind in Family.kinds if kind != "spans"
    }
    token_inputs: ClassVar[Mapping[str, str]] = {**Bert.token_inputs, "boxes": "bbox"}

    size: Literal["tiny", "mini", "base", "large"] | None = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, base 12/768/12, large 24/1024/16 (published: base and large).
    Mini when nothing is given."""

    @classmethod
    def inputs(cls, batch: PackedBatch) -> dict[str, Tensor]:
        if "boxes" not in batch.by_token:
            nowhere = batch.tokens.new_zeros(len(batch.tokens), 4)
            batch = replace(batch, by_token={**batch.by_token, "boxes": nowhere})
        return super().inputs(batch)
