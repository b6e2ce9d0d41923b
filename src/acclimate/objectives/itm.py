"""Image-text matching (Li et al. 2021): do a caption and a picture belong together? Asked of the hardest wrong ones.

Legend: B sequences, P size of the shared space.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.itc import Contrast, agreement, contrast, likeness
from acclimate.objectives.picture_data import PictureData, Views
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Itm(PictureData):
    """CoConViT's loss: L = L_itc + L_itm + 0.1 · (1 − mean cosine between views), each weight to be chosen.

    L_itm is the mean binary cross entropy of the matching head over each caption with its item, with the wrong item
    that is most like it, and each item with the wrong caption that is most like it. Captions of one item are no
    negatives of each other. L_itc: see `itc`.

    Needs a family with a matching head (`coconvit`), and Pillow (the extra `vision`) to read pictures. Source of L_itm:
    Li et al. 2021, "Align before Fuse", which draws negatives by likeness; the mix is this project's.

    Example: `objective: {itm: {pairs: {path: captions.tsv, images: [front/, back/]}, image_size: 32}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "itm")
    trains: ClassVar[str] = "matching"

    contrast: float = Field(default=1.0, ge=0)
    """Weight of L_itc; it leads, so that figures of held-out text are its own."""
    matching: float = Field(default=1.0, gt=0)
    """Weight of L_itm."""
    agreement: float = Field(default=0.1, ge=0)
    """Weight of 1 − the mean cosine between views of an item, where it has several."""

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False) -> Matching:
        """The objective. With `fixed`, views are always the same and unchanged: for validation."""
        views = Views(self.views, self.augment, seed=seed, fixed=fixed)
        return Matching(views, contrast=self.contrast, matching=self.matching, agreement=self.agreement)


class Matching(Contrast):
    """The objective at work: three terms, `itc`, `itm` and `agreement`."""

    num_terms = 3  # type: ignore[assignment]

    def __init__(self, views: Views, *, contrast: float, matching: float, agreement: float) -> None:
        super().__init__(views, agreement=agreement)
        self._contrast = contrast
        self._matching = matching

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Captions; pairs that are judged; items with several views."""
        wrong = _negatives(batch).any(1).sum()
        several = (batch.by_sequence["views"].sum(1) > 1).sum()
        return float(len(batch.ids)), float(len(batch.ids) + 2 * wrong), float(several)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        from acclimate.models.forward import towers

        found = towers(model, batch)
        others = matching(model, found, batch, self._matching), agreement(found, self._agreement)
        return replace(contrast(found, batch), weight=self._contrast, others=others)


def _negatives(batch: PackedBatch) -> Any:
    """[B, B] whether a caption and an item do not belong together."""
    items = batch.by_sequence["items"]
    return items[:, None] != items[None, :]


def matching(model: PreTrainedModel, found: Any, batch: PackedBatch, weight: float) -> Loss:
    """The summed binary cross entropy of the head over right pairs and the hardest wrong ones of a batch."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from acclimate.models.forward import match_logits

    wrong = _negatives(batch)
    has_wrong = wrong.any(1)
    near = likeness(found).detach().masked_fill(~wrong, -torch.inf)
    text = torch.cat([found.texts, found.texts[has_wrong], found.texts[near.argmax(0)][has_wrong]])
    image = torch.cat([found.images, found.images[near.argmax(1)][has_wrong], found.images[has_wrong]])
    right = torch.zeros(len(text), device=text.device)
    right[: len(found.texts)] = 1
    total = binary_cross_entropy_with_logits(match_logits(model, text, image), right, reduction="sum")
    return Loss(sum=total, count=float(len(text)), name="itm", weight=weight)
