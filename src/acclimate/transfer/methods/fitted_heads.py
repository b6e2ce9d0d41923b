"""Fitting a classifier to what a model's head is given, and putting it in the head's place.

Legend: N examples, B sequences, F features, C classes, R trees, K nodes of all trees.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acclimate.batching.sampler import sequential
from acclimate.engine.precision import compute_in
from acclimate.errors import UserError
from acclimate.kernels.products import forget_copies
from acclimate.models.forward import class_logits
from acclimate.models.quick_modules import quicken
from acclimate.transfer.methods.phased import validated
from acclimate.transfer.tuning import BATCH, Course, Lesson, Tuned

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from acclimate.transfer.methods.features import Features

_LEAST = 1e-4
"""Probability that a forest gives at least, for logarithms."""


class ForestHead(nn.Module):
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


def fit_head(how: Features, course: Course) -> Tuned:
    """Fit on the training examples, and replace or overwrite the head's last layer."""
    began = time.perf_counter()
    model = course.model
    labels = getattr(course.train.objective, "classes_of", None)
    if labels is None:
        raise UserError("transfer.features: takes tasks with one class for each text")
    place = head_place(model)
    features = features_of(course, course.train, place)
    balanced = getattr(course.how, "class_weights", "none") == "balanced"
    fitted = how.estimator(seed=course.seed, balanced=balanced)
    if how.by == "forest":
        _replace(model, place, ForestHead.of(fitted.fit(features, labels)))
    else:
        mean, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale == 0] = 1.0
        fitted.fit((features - mean) / scale, labels)
        _fold(model.get_submodule(place), fitted, mean, scale)  # type: ignore[arg-type]
    forget_copies()
    found = validated(course)
    tokens = int(course.train.store.lengths.sum())
    return Tuned(found.loss, 0, tokens, time.perf_counter() - began)


def head_place(model: PreTrainedModel) -> str:
    """Name of the last linear layer, which gives a score to each class. Raises UserError without one."""
    classes = model.config.num_labels
    found = [
        name
        for name, one in model.named_modules()
        if isinstance(one, nn.Linear) and one.out_features == classes
    ]
    if not found:
        raise UserError("transfer.features: the model has no linear layer that ends in its classes")
    return found[-1]


@torch.inference_mode()
def features_of(course: Course, lesson: Lesson, place: str) -> NDArray[np.float64]:
    """[N, F] what the layer at this place is given for each sequence."""
    model, store = course.model.eval(), lesson.store
    quicken(model)
    seen: list[Tensor] = []
    hook = model.get_submodule(place).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    out: NDArray[np.float64] | None = None
    try:
        for ids in sequential(store.lengths, BATCH, by_length=True):
            batch = lesson.objective.prepare(store.fetch(ids, np.zeros_like(ids))).to(course.around.device)
            with compute_in(course.around.precision, course.around.device):
                class_logits(model, batch)
            given = seen.pop().reshape(len(ids), -1).double().cpu().numpy()
            out = np.empty((len(store.lengths), given.shape[1])) if out is None else out
            out[ids] = given
    finally:
        hook.remove()
    assert out is not None
    return out


@torch.no_grad()
def _fold(layer: nn.Linear, fitted: Any, mean: NDArray[Any], scale: NDArray[Any]) -> None:
    """Make the layer's output the fitted decision function; of two classes half of it for one, less half for the other.

    A class that was not seen in training is never chosen.
    """
    weights, biases = fitted.coef_ / scale, fitted.intercept_ - (fitted.coef_ / scale) @ mean
    if len(weights) == 1:
        weights, biases = (np.concatenate([-one, one]) / 2 for one in (weights, biases))
    layer.weight.zero_()
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.zeros(layer.out_features))
    layer.bias.fill_(-1e4)
    rows = torch.from_numpy(np.asarray(fitted.classes_))
    layer.weight[rows] = torch.from_numpy(weights).to(layer.weight)
    layer.bias[rows] = torch.from_numpy(biases).to(layer.bias)


def _replace(model: nn.Module, place: str, head: nn.Module) -> None:
    above, _, last = place.rpartition(".")
    setattr(model.get_submodule(above), last, head)


def furnish_forest(model: PreTrainedModel, source: Path) -> None:
    """Put the forest that is in the folder's weights in the place of the head; a model without one stays as it is."""
    from safetensors.torch import load_file

    place = head_place(model)
    arrays: dict[str, Tensor] = {}
    for file in sorted(source.glob("*.safetensors")):
        named = load_file(file).items()
        arrays |= {name.removeprefix(f"{place}."): one for name, one in named if name.startswith(f"{place}.")}
    if "roots" in arrays:
        depth = int(arrays.pop("depth"))
        _replace(model, place, ForestHead(arrays, depth))
