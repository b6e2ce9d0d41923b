"""Heads in the place of a model's own that are not Transformers': a forest, and one that makes its own vectors.

Legend: B sequences, F features, C classes, R trees, K nodes of all trees.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acclimate.errors import UserError
from acclimate.models.forward import OWN_READER
from acclimate.objectives.sentence_vectors import LastLayers, text_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch

_LEAST = 1e-4
"""Probability that a forest gives at least, for logarithms."""


class ForestHead(nn.Module):  # type: ignore[misc]
    """A random forest in the place of a head's last layer: features [B, F] → log probabilities [B, C].

    Buffers, of all trees one after the other: `feature`, `left`, `right` [K] int64 (a leaf is its own child),
    `threshold` [K], `shares` [K, C], `roots` [R]. A sequence goes left where its feature is at most the threshold.
    """

    def __init__(self, arrays: dict[str, Tensor], depth: int) -> None:
        super().__init__()
        for name, one in arrays.items():
            self.register_buffer(name, one)
        self.register_buffer("depth", torch.tensor(depth))

    @classmethod
    def of(cls, forest: Any) -> ForestHead:
        """From a fitted one of scikit-learn."""
        parts: dict[str, list[NDArray[Any]]] = {
            name: [] for name in ("feature", "left", "right", "threshold", "shares")
        }
        roots, start = [], 0
        for tree in (one.tree_ for one in forest.estimators_):
            own = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            parts["feature"].append(np.where(leaf, 0, tree.feature))
            parts["left"].append(start + np.where(leaf, own, tree.children_left))
            parts["right"].append(start + np.where(leaf, own, tree.children_right))
            parts["threshold"].append(tree.threshold)
            counts = tree.value[:, 0, :]
            parts["shares"].append(counts / counts.sum(axis=1, keepdims=True))
            roots.append(start)
            start += tree.node_count
        arrays = {name: torch.from_numpy(np.concatenate(some)) for name, some in parts.items()}
        depth = max(one.tree_.max_depth for one in forest.estimators_)
        return cls({**arrays, "roots": torch.tensor(roots)}, depth)

    def forward(self, features: Tensor) -> Tensor:
        # In float32, as scikit-learn compares, whatever the model computes in.
        values = features.float()
        node = self.roots.expand(len(values), -1)
        for _ in range(int(self.depth)):
            asked = values.gather(1, self.feature[node]).double()
            node = torch.where(asked <= self.threshold[node], self.left[node], self.right[node])
        return self.shares[node].mean(dim=1).clamp(min=_LEAST).log().float()


class VectorHead(nn.Module):  # type: ignore[misc]
    """Classes by each text's vector, whatever the model's own pooler does: a batch → [B, C]."""

    def __init__(self, pooling: LastLayers, scorer: nn.Module) -> None:
        """scorer: [B, F] → [B, C]"""
        super().__init__()
        self.pooling, self.scorer = pooling, scorer

    def forward(self, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        return self.scorer(text_vectors(model, batch, self.pooling))


def head_place(model: PreTrainedModel, setting: str = "transfer.features") -> str:
    """Name of the last linear layer, which gives a score to each class. Raises UserError without one."""
    classes = model.config.num_labels
    found = [
        name
        for name, one in model.named_modules()
        if isinstance(one, nn.Linear) and one.out_features == classes
    ]
    if not found:
        raise UserError(f"{setting}: the model has no linear layer that ends in its classes")
    return found[-1]


def put(model: PreTrainedModel, place: str, head: nn.Module, by: str) -> None:
    """Let the head answer instead of the layer at this place, which goes; the configuration tells of it."""
    above, _, last = place.rpartition(".")
    head = head.to(model.device)
    if isinstance(head, VectorHead):
        setattr(model, OWN_READER, head)
        model.config.fitted_head = {"by": by, **asdict(head.pooling)}
        head = nn.Identity()
    else:
        model.config.fitted_head = {"by": by}
    setattr(model.get_submodule(above), last, head)


def furnish(model: PreTrainedModel, source: Path) -> None:
    """Put the head that is in the folder's weights in the place of the model's; one that kept its own stays so."""
    from safetensors.torch import load_file

    told = getattr(model.config, "fitted_head", None)
    if told is None:
        return
    place, pooling = head_place(model), {name: one for name, one in told.items() if name != "by"}
    prefix = f"{OWN_READER}.scorer." if pooling else f"{place}."
    arrays: dict[str, Tensor] = {}
    for file in sorted(source.glob("*.safetensors")):
        named = load_file(file).items()
        arrays |= {name.removeprefix(prefix): one for name, one in named if name.startswith(prefix)}
    head: nn.Module
    if told["by"] == "forest":
        depth = int(arrays.pop("depth"))
        head = ForestHead(arrays, depth)
    else:
        head = nn.Linear(arrays["weight"].shape[1], len(arrays["weight"]))
        head.load_state_dict(arrays)
    put(model, place, VectorHead(LastLayers(**pooling), head) if pooling else head, told["by"])
