"""Retrieval between texts and pictures: how often is what belongs together among the k nearest (recall@k)?

Legend: N captions, M items (a picture, or several views of one thing), P size of the shared space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.sampler import sequential
from acclimate.recipe.units import Length

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from acclimate.evaluate.resampling import Resampling

KS = (1, 5)
_ROWS = 1024
"""Queries whose similarities are in memory at once."""


@dataclass(frozen=True)
class Ranks:
    """Where what belongs to a query stands among the answers: 1 is first, and a tie counts as lost, so that a model
    that answers everything alike finds nothing."""

    image: NDArray[np.int64]
    """[N] of each caption: its item among all items."""
    text: NDArray[np.int64]
    """[M] of each item: the best of its captions among all captions of others, and itself."""
    items: NDArray[np.int64]
    """[N] the item of each caption, 0 to M − 1."""

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        return {"image": self.image, "text": self.text, "items": self.items}


def ranks(texts: NDArray[Any], images: NDArray[Any], items: NDArray[np.int64]) -> Ranks:
    """By the product of vectors: texts [N, P], images [M, P], items [N] the row of `images` each text belongs to."""
    own = np.einsum("np,np->n", texts, images[items])
    image = np.empty(len(texts), np.int64)
    for start in range(0, len(texts), _ROWS):
        part = slice(start, start + _ROWS)
        likeness = texts[part] @ images.T
        likeness[np.arange(len(likeness)), items[part]] = -np.inf
        image[part] = 1 + (likeness >= own[part, None]).sum(1)
    best = np.full(len(images), -np.inf)
    np.maximum.at(best, items, own)
    text = np.empty(len(images), np.int64)
    for start in range(0, len(images), _ROWS):
        part = slice(start, start + _ROWS)
        likeness = images[part] @ texts.T
        likeness[items[None, :] == np.arange(start, start + len(likeness))[:, None]] = -np.inf
        text[part] = 1 + (likeness >= best[part, None]).sum(1)
    return Ranks(image, text, items)


def figures(found: Ranks, resampling: Resampling) -> dict[str, Any]:
    """`text_to_image` and `image_to_text`, each recall@1 and recall@5 with its interval (items drawn) and what chance
    gives; `captions` and `items` as numbers."""
    num_items, sizes = len(found.text), np.bincount(found.items, minlength=len(found.text))
    ways = {
        "text_to_image": (found.image, found.items, {k: min(1.0, k / num_items) for k in KS}),
        "image_to_text": (found.text, np.arange(num_items), {k: _chance(sizes, k) for k in KS}),
    }
    told: dict[str, Any] = {"captions": len(found.image), "items": num_items}
    for name, (rank, groups, chance) in ways.items():
        told[name] = {
            f"recall@{k}": {
                **resampling.ratio_interval(rank <= k, np.ones(len(rank)), groups).as_dict(),
                "chance": chance[k],
            }
            for k in KS
        }
    return told


def _chance(sizes: NDArray[np.int64], k: int) -> float:
    """How often one of an item's captions is among k that are drawn from all, on average."""
    total = int(sizes.sum())
    missed = np.ones(len(sizes))
    for drawn in range(min(k, total)):
        missed *= np.maximum(0, total - sizes - drawn) / (total - drawn)
    return float((1 - missed).mean())


def retrieved(
    model: PreTrainedModel,
    objective: Any,
    store: Any,
    *,
    batch: Length = Length(256, "sequences"),
    device: torch.device | None = None,
) -> Ranks:
    """Of all captions of a store with `items`, and their pictures, all views in one vector."""
    import torch

    from acclimate.models.forward import towers

    model.eval()
    texts, images = [], []
    with torch.inference_mode():
        for ids in sequential(store.lengths, batch):
            prepared = objective.prepare(store.fetch(ids, np.zeros_like(ids)))
            found = towers(model, prepared.to(device or torch.device("cpu")))
            texts.append(found.texts.cpu().numpy())
            images.append(found.images.cpu().numpy())
    _, first, items = np.unique(store.items, return_index=True, return_inverse=True)
    return ranks(np.concatenate(texts), np.concatenate(images)[first], items)
