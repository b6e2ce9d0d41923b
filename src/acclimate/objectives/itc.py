"""Image-text contrast (Radford et al. 2021): which caption of the batch belongs to which picture.

Legend: B sequences, V views of each item, P size of the shared space.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.picture_data import PictureData, Views
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Itc(PictureData):
    """Image-text contrast: logits = exp(θ) · cos of every caption and item of the batch, exp(θ) ≤ 100; the loss is the
    mean of the cross entropy over items for each caption and over captions for each item.

    Other captions of the same item, and its other appearances, are no negatives. Negatives are those of a micro-batch:
    `hardware.micro_batch` makes them fewer; losses of held-out items, in batches of 8,192 tokens, compare at equal data
    alone. With `agreement` > 0 the views of an item are drawn together, too.

    Needs a family of two towers (`clip`, `coconvit`), and Pillow (the extra `vision`) to read pictures. Source: Radford
    et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision".

    Example: `objective: {itc: {pairs: {path: captions.tsv, images: pictures/}, image_size: 32}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "itc")
    trains: ClassVar[str] = "dual"

    agreement: float = Field(default=0.0, ge=0)
    """Weight of 1 − the mean cosine between views of an item, where it has several; 0: none is asked for."""

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False) -> Contrast:
        """The objective. With `fixed`, views are always the same and unchanged: for validation."""
        return Contrast(Views(self.views, self.augment, seed=seed, fixed=fixed), agreement=self.agreement)


class Contrast:
    """The objective at work."""

    def __init__(self, views: Views, *, agreement: float) -> None:
        self._views = views
        self._agreement = agreement

    @property
    def num_terms(self) -> int:
        return 2 if self._agreement else 1

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The captions as they are, with the views chosen; the first token of each is its place."""
        images, real = self._views.chosen(sequences)
        seen = {**sequences.by_sequence, "images": images, "views": real}
        return pack(
            replace(sequences, by_sequence=seen),
            target_positions=sequences.cu_seqlens[:-1],
            targets=sequences.by_sequence["items"],
        )

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Captions; and items with several views."""
        several = float(_several(batch.by_sequence["views"]).sum())
        return (float(len(batch.ids)), several) if self._agreement else (float(len(batch.ids)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The contrast leads; `agreement` follows."""
        from acclimate.models.forward import towers

        found = towers(model, batch)
        others = (agreement(found, self._agreement),) if self._agreement else ()
        return replace(contrast(found, batch), others=others)


def contrast(found: Any, batch: PackedBatch) -> Loss:
    """Half the sum of both cross entropies, for each caption, of the `Towers` of a batch."""
    import torch
    from torch.nn.functional import cross_entropy

    logits = found.scale * likeness(found)
    logits = logits.masked_fill(same_items(batch), -torch.inf)
    right = torch.arange(len(logits), device=logits.device)
    each = (
        cross_entropy(logits, right, reduction="none") + cross_entropy(logits.T, right, reduction="none")
    ) / 2
    return Loss(
        sum=each.sum(),
        count=float(len(each)),
        per_sequence=each.detach(),
        counts=torch.ones_like(each.detach()),
        name="itc",
    )


def likeness(found: Any) -> Tensor:
    """[B, B] cosines of the captions with the items, in fp32 whatever the arithmetic of the model."""
    import torch

    with torch.autocast(found.texts.device.type, enabled=False):
        return found.texts @ found.images.T


def same_items(batch: PackedBatch) -> Tensor:
    """[B, B] whether two different captions are of one item: such pairs are no negatives."""
    import torch

    items = batch.by_sequence["items"]
    same = items[:, None] == items[None, :]
    return same & ~torch.eye(len(items), dtype=torch.bool, device=items.device)


def agreement(found: Any, weight: float) -> Loss:
    """1 − the mean cosine over pairs of views, summed over the items that have several."""
    import torch

    number = found.real.sum(1)
    # The square of a sum of unit vectors holds each pair twice, and each view's square, which is 1.
    twice = found.views.sum(1).square().sum(-1) - number
    means = twice / (number * (number - 1)).clamp(min=1)
    several = _several(found.real)
    each = torch.where(several, 1 - means, 0)
    return Loss(sum=each.sum(), count=float(several.sum()), name="agreement", weight=weight)


def _several(real: Tensor) -> Tensor:
    return real.sum(1) > 1
